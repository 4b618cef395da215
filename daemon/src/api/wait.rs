//! `/v1/wait`: returns when the cluster is quorate, when it has all its voters, or when an epoch is reached. Each wait holds one of its
//! door's places, so that who waits at one door keeps nobody out at the other.

use super::failure::{Failure, failed, refusal, usage};
use super::loop_call::{self, LONGEST};
use super::pages::WaitPage;
use super::parameters::{Flag, Parameters, Whole};
use crate::clock;
use crate::doors::Doors;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use quorate_node::Status;
use quorate_node::status::State as NodeState;
use quorate_proto::HealthEpoch;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// What to wait for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WaitQuery {
    epoch: Option<Whole>,
    all_live: Flag,
    quorate: Flag,
    voters: Flag,
    /// Seconds; without it an hour.
    timeout: Option<f64>,
}

pub(super) async fn wait(
    State(doors): State<Arc<Doors>>,
    Parameters(query): Parameters<WaitQuery>,
) -> Response {
    let limit = match query.timeout.map(Duration::try_from_secs_f64) {
        None => LONGEST,
        Some(Ok(limit)) => limit.min(LONGEST),
        Some(Err(_)) => return usage("timeout is seconds, such as 30 or 0.5"),
    };
    let all_live = query.all_live.0;
    let Some(_place) = doors.crowd().waits.take(1, clock::now()) else {
        return failed(&Failure::Busy);
    };
    // No whole number that is taken is below zero.
    let epoch = query.epoch.map(|Whole(epoch)| epoch.unsigned_abs());
    match (epoch, query.quorate.0, query.voters.0) {
        (Some(epoch), false, false) => {
            let waited =
                loop_call::wait_epoch(&doors, HealthEpoch::new(epoch), all_live, limit).await;
            let whom = if all_live { "on all live nodes" } else { "on this node" };
            let here = doors.status.borrow().view.epoch;
            let late = format!(
                "epoch {epoch} was not reached {whom} in time (this node has {here}); `quorate why` says what is missing"
            );
            answer(&doors, waited.map(HealthEpoch::get), &late)
        }
        (None, true, false) if !all_live => {
            let late = "not quorate in time; `quorate why` says what is missing";
            answer(&doors, until(&doors, limit, |_| true).await, late)
        }
        (None, false, true) if !all_live => {
            let late = "not all voters were there in time; `quorate why` says what is missing";
            answer(&doors, until(&doors, limit, |status| status.all_voters).await, late)
        }
        _ => usage("ask for quorate=1, for voters=1, or for epoch=N, which may have all_live=1"),
    }
}

/// Until there is a quorum, and more.
async fn until(
    doors: &Doors,
    limit: Duration,
    more: impl Fn(&Status) -> bool,
) -> Result<u64, Failure> {
    let mut status = doors.status.clone();
    let waited = status.wait_for(|status| status.state == NodeState::Quorate && more(status));
    match tokio::time::timeout(limit, waited).await {
        Ok(Ok(status)) => Ok(status.view.epoch.get()),
        Ok(Err(_)) => Err(Failure::Stopping),
        Err(_) => Err(Failure::NoLeader),
    }
}

fn answer(doors: &Doors, waited: Result<u64, Failure>, late: &str) -> Response {
    match waited {
        Ok(epoch) => {
            let quorate = doors.status.borrow().state == NodeState::Quorate;
            Json(WaitPage { quorate, epoch }).into_response()
        }
        Err(failure @ (Failure::NoLeader | Failure::TimedOut | Failure::FateUnknown)) => {
            let (_, page) = failure.page();
            refusal(StatusCode::GATEWAY_TIMEOUT, &page.code, late).into_response()
        }
        Err(failure) => {
            let (status, page) = failure.page();
            (status, Json(page)).into_response()
        }
    }
}
