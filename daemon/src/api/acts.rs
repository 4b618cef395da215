//! What an operator has the cluster do: any node takes it, the leader does it.

use super::failure::{Failure, failed, usage};
use super::loop_call;
use super::pages::{ActPage, AutopilotPage, SecretPage};
use super::parameters::{NameQuery, Parameters, Patience};
use crate::doors::Doors;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use quorate_node::SecretStatus;
use quorate_proto::{
    Acted, AskAutopilot, ChangeSecret, DrainHost, Fingerprint, Instance, PromoteHost,
    RaiseFeatures, RemoveHost, RevokeHost, SteerAutopilot, TransferLeadership, act,
};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveQuery {
    name: String,
    /// The disk life that is meant by it.
    instance: Option<String>,
}

pub(super) async fn remove(
    State(doors): State<Arc<Doors>>,
    Parameters(query): Parameters<RemoveQuery>,
    patience: Patience,
) -> Response {
    let act = |name, instance| act::Body::Remove(RemoveHost { name, instance });
    goes(&doors, query, act, patience).await
}

pub(super) async fn revoke(
    State(doors): State<Arc<Doors>>,
    Parameters(query): Parameters<RemoveQuery>,
    patience: Patience,
) -> Response {
    let act = |name, instance| act::Body::Revoke(RevokeHost { name, instance });
    goes(&doors, query, act, patience).await
}

/// A host goes for good, by whichever act.
async fn goes(
    doors: &Doors,
    RemoveQuery { name, instance }: RemoveQuery,
    act: impl FnOnce(String, Option<Instance>) -> act::Body,
    patience: Patience,
) -> Response {
    match instance.map(|text| text.parse::<Instance>()).transpose() {
        Ok(instance) => done(doors, act(name, instance), patience).await,
        Err(error) => usage(&format!("instance: {error}")),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TransferQuery {
    /// Without it the voter that is furthest.
    to: String,
}

pub(super) async fn transfer(
    State(doors): State<Arc<Doors>>,
    Parameters(TransferQuery { to }): Parameters<TransferQuery>,
    patience: Patience,
) -> Response {
    done(&doors, act::Body::Transfer(TransferLeadership { to }), patience).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RaiseQuery {
    /// Without it the highest that every member can run.
    level: u32,
}

pub(super) async fn raise_features(
    State(doors): State<Arc<Doors>>,
    Parameters(RaiseQuery { level }): Parameters<RaiseQuery>,
    patience: Patience,
) -> Response {
    done(&doors, act::Body::RaiseFeatures(RaiseFeatures { level }), patience).await
}

/// A host, and what an operator says of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DrainQuery {
    name: String,
    /// What for; told to all hosts.
    #[serde(default)]
    reason: String,
}

pub(super) async fn drain(
    State(doors): State<Arc<Doors>>,
    Parameters(DrainQuery { name, reason }): Parameters<DrainQuery>,
    patience: Patience,
) -> Response {
    done(&doors, act::Body::Drain(DrainHost { name, drained: true, reason }), patience).await
}

pub(super) async fn undrain(
    State(doors): State<Arc<Doors>>,
    Parameters(NameQuery { name }): Parameters<NameQuery>,
    patience: Patience,
) -> Response {
    let reason = String::new();
    done(&doors, act::Body::Drain(DrainHost { name, drained: false, reason }), patience).await
}

pub(super) async fn promote(
    State(doors): State<Arc<Doors>>,
    Parameters(NameQuery { name }): Parameters<NameQuery>,
    patience: Patience,
) -> Response {
    done(&doors, act::Body::Promote(PromoteHost { name }), patience).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RotateQuery {
    /// The fingerprint of the new secret; without it the one that this host has beside the one in use.
    to: String,
    /// Gives up the change that is under way.
    cancel: u8,
}

pub(super) async fn rotate(
    State(doors): State<Arc<Doors>>,
    Parameters(RotateQuery { to, cancel }): Parameters<RotateQuery>,
    patience: Patience,
) -> Response {
    let status = doors.status.borrow().clone();
    let secrets = &status.secrets;
    if let Some(text) = SecretPage::of(secrets).is_over().filter(|_| cancel == 0 && to.is_empty()) {
        let epoch = status.view.epoch.get();
        return Json(ActPage { epoch, text, term: 0 }).into_response();
    }
    let named = !to.is_empty();
    let to = match cancel {
        0 => new_secret(secrets, &to),
        _ => Ok(0),
    };
    match to {
        Ok(to) => {
            let change = ChangeSecret { to, give_up: cancel != 0, named };
            done(&doors, act::Body::Secret(change), patience).await
        }
        Err(text) => failed(&Failure::NotNow(text)),
    }
}

/// Which secret is meant, by its fingerprint.
fn new_secret(secrets: &SecretStatus, to: &str) -> Result<u64, String> {
    let has: Vec<String> = secrets.accepts.iter().map(ToString::to_string).collect();
    let other = match to {
        "" => secrets.accepts.iter().find(|one| secrets.uses.is_some_and(|uses| uses != **one)),
        to => secrets.accepts.iter().find(|one| Some(**one) == Fingerprint::parse(to)),
    };
    // While it is under way, it is in use here before it is everywhere.
    let under_way = secrets.change.as_ref().filter(|change| to.is_empty() && change.is_under_way());
    if let Some(change) = under_way {
        return Ok(change.to);
    }
    other.map(|one| one.get()).ok_or_else(|| {
        format!(
            "this host has no other secret to change to, only {}; on every host put the line of the new one (`quorate secret new`, once) below \
             the old one in the secret file, run `systemctl reload quorate`, then ask again; nothing was done",
            has.join(" and ")
        )
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PauseQuery {
    /// What for; told to all hosts.
    reason: String,
}

pub(super) async fn pause(
    State(doors): State<Arc<Doors>>,
    Parameters(PauseQuery { reason }): Parameters<PauseQuery>,
    patience: Patience,
) -> Response {
    done(&doors, act::Body::Steer(SteerAutopilot { paused: true, reason }), patience).await
}

pub(super) async fn resume(State(doors): State<Arc<Doors>>, patience: Patience) -> Response {
    let reason = String::new();
    done(&doors, act::Body::Steer(SteerAutopilot { paused: false, reason }), patience).await
}

/// What the autopilot does and why, from the leader, who alone knows.
pub(super) async fn autopilot(State(doors): State<Arc<Doors>>, patience: Patience) -> Response {
    let asks = act::Body::Autopilot(AskAutopilot {});
    match loop_call::act(&doors, asks, patience.0).await {
        Ok(Acted { autopilot: Some(report), .. }) => {
            Json(AutopilotPage::of(&report)).into_response()
        }
        Ok(_) => failed(&loop_call::wrong_kind()),
        Err(failure) => failed(&failure),
    }
}

/// Asks the leader for an act; the page of what came of it.
pub(super) async fn done(doors: &Doors, act: act::Body, patience: Patience) -> Response {
    said(loop_call::act(doors, act, patience.0).await)
}

/// The page of what was done, or why not.
pub(super) fn said(acted: Result<Acted, Failure>) -> Response {
    match acted {
        Ok(Acted { epoch, text, term, .. }) => {
            Json(ActPage { epoch: epoch.get(), text, term }).into_response()
        }
        Err(failure) => failed(&failure),
    }
}
