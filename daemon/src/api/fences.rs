//! At the doors: the use of a grant was ended from outside, by an operator or by a fence, so the grant is free.
//!
//! Whether it may be freed the state judges that all voters apply. Knows nothing of how a use is ended.

use super::acts::done;
use super::parameters::{Parameters, Patience};
use crate::doors::Doors;
use axum::extract::State;
use axum::response::Response;
use quorate_proto::{FreeGrant, FreeItem, act};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FreeGrantQuery {
    name: String,
    /// The host, or its disk life.
    holder: String,
    number: u64,
}

pub(super) async fn free_grant(
    State(doors): State<Arc<Doors>>,
    Parameters(FreeGrantQuery { name, holder, number }): Parameters<FreeGrantQuery>,
    patience: Patience,
) -> Response {
    let free = FreeGrant { budget: name, holder, number, at_unix_ms: 0 };
    done(&doors, act::Body::FreeGrant(free), patience).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FreeItemQuery {
    name: String,
    item: String,
    number: u64,
}

pub(super) async fn free_item(
    State(doors): State<Arc<Doors>>,
    Parameters(FreeItemQuery { name, item, number }): Parameters<FreeItemQuery>,
    patience: Patience,
) -> Response {
    let free = FreeItem { assignment: name, item, number, at_unix_ms: 0 };
    done(&doors, act::Body::FreeItem(free), patience).await
}
