//! An operator's word that seeds will never come: what it would mean, and that it is meant.

use super::failure::{failed, usage};
use super::loop_call;
use super::pages::WaivedPage;
use super::parameters::{Parameters, Patience};
use crate::doors::Doors;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use quorate_proto::Instance;
use quorate_proto::limits::MAX_SEEDS;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaiverQuery {
    /// Names of seeds, with commas between.
    without: String,
    /// The disk lives that were shown, alike.
    lives: Option<String>,
}

pub(super) async fn show(
    State(doors): State<Arc<Doors>>,
    Parameters(WaiverQuery { without, .. }): Parameters<WaiverQuery>,
    patience: Patience,
) -> Response {
    waive(&doors, &without, None, patience).await
}

pub(super) async fn carry_out(
    State(doors): State<Arc<Doors>>,
    Parameters(WaiverQuery { without, lives }): Parameters<WaiverQuery>,
    patience: Patience,
) -> Response {
    let lives = lives.unwrap_or_default();
    let parsed = lives.split(',').take(MAX_SEEDS).map(str::parse::<Instance>);
    match parsed.collect() {
        Ok(lives) => waive(&doors, &without, Some(lives), patience).await,
        Err(error) => usage(&format!("lives: {error}")),
    }
}

async fn waive(
    doors: &Doors,
    without: &str,
    shown: Option<Vec<Instance>>,
    patience: Patience,
) -> Response {
    let without = without.split(',').take(MAX_SEEDS).map(str::to_owned).collect();
    match loop_call::waive(doors, without, shown, patience.0).await {
        Ok(waived) => Json(WaivedPage::of(&waived)).into_response(),
        Err(failure) => failed(&failure),
    }
}
