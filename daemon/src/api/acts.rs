//! What an operator has the cluster do: any node takes it, the leader does it.

use super::failure::{failed, usage};
use super::loop_call;
use super::pages::ActPage;
use super::parameters::{Parameters, Patience};
use crate::doors::Doors;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use quorate_proto::{Acted, Instance, RaiseFeatures, RemoveHost, TransferLeadership, act};
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
    Parameters(RemoveQuery { name, instance }): Parameters<RemoveQuery>,
    patience: Patience,
) -> Response {
    let instance = match instance.map(|text| text.parse::<Instance>()).transpose() {
        Ok(instance) => instance,
        Err(error) => return usage(&format!("instance: {error}")),
    };
    done(&doors, act::Body::Remove(RemoveHost { name, instance }), patience).await
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

async fn done(doors: &Doors, act: act::Body, patience: Patience) -> Response {
    match loop_call::act(doors, act, patience.0).await {
        Ok(Acted { epoch, text, term }) => {
            Json(ActPage { epoch: epoch.get(), text, term }).into_response()
        }
        Err(failure) => failed(&failure),
    }
}
