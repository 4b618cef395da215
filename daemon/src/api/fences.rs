//! At the doors: the use of a grant was ended from outside, by an operator or by a fence, so the grant is free.
//!
//! Whether it may be freed the state judges that all voters apply. Knows nothing of how a use is ended.

use super::acts::{done, said};
use super::failure::usage;
use super::loop_call;
use super::pages::AlonePage;
use super::parameters::{Parameters, Patience};
use crate::doors::Doors;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use quorate_node::FencedAlone;
use quorate_proto::{FreeGrant, FreeItem, Instance, act};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FreeGrantQuery {
    name: String,
    /// The host, or its disk life.
    holder: String,
    number: u64,
    /// Only if the holder's host has been away since this epoch.
    #[serde(default)]
    away_since: u64,
}

pub(super) async fn free_grant(
    State(doors): State<Arc<Doors>>,
    Parameters(query): Parameters<FreeGrantQuery>,
    patience: Patience,
) -> Response {
    let FreeGrantQuery { name: budget, holder, number, away_since: away_since_epoch } = query;
    let free = FreeGrant { budget, holder, number, at_unix_ms: 0, away_since_epoch };
    done(&doors, act::Body::FreeGrant(free), patience).await
}

/// What is to be cut off before this host uses a budget alone, and what is: this node alone knows.
pub(super) async fn alone(State(doors): State<Arc<Doors>>) -> Json<Vec<AlonePage>> {
    Json(doors.status.borrow().alone.iter().map(AlonePage::of).collect())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FencedQuery {
    name: String,
    /// The disk life that is cut off.
    holder: String,
    round: u64,
}

pub(super) async fn fenced(
    State(doors): State<Arc<Doors>>,
    Parameters(FencedQuery { name: budget, holder, round }): Parameters<FencedQuery>,
    patience: Patience,
) -> Response {
    match holder.parse::<Instance>() {
        Ok(instance) => {
            let fenced = FencedAlone { budget, instance, round };
            said(loop_call::fenced(&doors, fenced, patience.0).await)
        }
        Err(error) => usage(&format!("holder: {error}")),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FreeItemQuery {
    name: String,
    item: String,
    number: u64,
    /// Only if the holder's host has been away since this epoch.
    #[serde(default)]
    away_since: u64,
}

pub(super) async fn free_item(
    State(doors): State<Arc<Doors>>,
    Parameters(query): Parameters<FreeItemQuery>,
    patience: Patience,
) -> Response {
    let FreeItemQuery { name: assignment, item, number, away_since: away_since_epoch } = query;
    let free = FreeItem { assignment, item, number, at_unix_ms: 0, away_since_epoch };
    done(&doors, act::Body::FreeItem(free), patience).await
}
