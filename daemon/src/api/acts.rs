//! What an operator has the cluster do: any node takes it, the leader does it.

use super::failure::failed;
use super::loop_call;
use super::pages::{ActPage, AutopilotPage};
use super::parameters::{Parameters, Patience};
use crate::doors::Doors;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use quorate_proto::{
    Acted, AskAutopilot, DrainHost, PromoteHost, RemoveHost, SteerAutopilot, TransferLeadership,
    act,
};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NameQuery {
    name: String,
}

pub(super) async fn remove(
    State(doors): State<Arc<Doors>>,
    Parameters(NameQuery { name }): Parameters<NameQuery>,
    patience: Patience,
) -> Response {
    done(&doors, act::Body::Remove(RemoveHost { name }), patience).await
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

async fn done(doors: &Doors, act: act::Body, patience: Patience) -> Response {
    match loop_call::act(doors, act, patience.0).await {
        Ok(acted) => Json(ActPage { epoch: acted.epoch.get(), text: acted.text }).into_response(),
        Err(failure) => failed(&failure),
    }
}
