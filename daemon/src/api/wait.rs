//! `/v1/wait`: returns when the cluster is quorate or has all its voters, when this node is a voter, is ready or has a revision, or when an
//! epoch is reached. Each wait holds one of its door's places, so that who waits at one door keeps nobody out at the other.

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
use quorate_proto::{HealthEpoch, Role};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// Whether it is so yet.
type Asked = Box<dyn Fn(&Status) -> bool + Send + Sync>;

/// What to wait for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WaitQuery {
    epoch: Option<Whole>,
    all_live: Flag,
    quorate: Flag,
    voters: Flag,
    voter: Flag,
    ready: Flag,
    revision: Option<Whole>,
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
    let asked = [query.quorate.0, query.voters.0, query.voter.0, query.ready.0];
    let asked = asked.into_iter().filter(|asked| *asked).count()
        + usize::from(query.epoch.is_some())
        + usize::from(query.revision.is_some());
    if asked != 1 || (all_live && query.epoch.is_none()) {
        return usage(
            "ask for one of quorate=1, voters=1, voter=1, ready=1, revision=N and epoch=N, which may have all_live=1",
        );
    }
    // No whole number that is taken is below zero.
    if let Some(epoch) = query.epoch.as_ref().map(|Whole(epoch)| epoch.unsigned_abs()) {
        let waited = loop_call::wait_epoch(&doors, HealthEpoch::new(epoch), all_live, limit).await;
        let whom = if all_live { "on all live nodes" } else { "on this node" };
        let here = doors.status.borrow().view.epoch;
        let late = format!(
            "epoch {epoch} was not reached {whom} in time (this node has {here}); `quorate why` says what is missing"
        );
        return answer(&doors, waited.map(HealthEpoch::get), &late);
    }
    let (late, is_so) = query.of_this_node();
    answer(&doors, until(&doors, limit, is_so).await, &late)
}

impl WaitQuery {
    /// What is said when it is not so in time, and when it is so.
    fn of_this_node(&self) -> (String, Asked) {
        let late = |what: &str| format!("{what} in time; `quorate why` says what is missing");
        if let Some(revision) =
            self.revision.as_ref().map(|Whole(revision)| revision.unsigned_abs())
        {
            let what = format!("this node did not have revision {revision}");
            return (late(&what), Box::new(move |status| status.revision >= revision));
        }
        if self.voters.0 {
            return (late("not all voters were there"), Box::new(|status| status.all_voters));
        }
        if self.voter.0 {
            return (
                late("this host had no vote, or not the whole log,"),
                Box::new(|status| status.role == Some(Role::Voter) && status.caught_up),
            );
        }
        if self.ready.0 {
            return (late("this host was not ready"), Box::new(|status| status.caught_up));
        }
        (late("not quorate"), Box::new(|_| true))
    }
}

/// Until there is a quorum, and more.
async fn until(doors: &Doors, limit: Duration, more: Asked) -> Result<u64, Failure> {
    let mut status = doors.status.clone();
    let waited = status.wait_for(|status| status.state == NodeState::Quorate && more(status));
    match tokio::time::timeout(limit, waited).await {
        Ok(Ok(status)) => Ok(status.view.epoch.get()),
        Ok(Err(_)) => Err(Failure::Stopping),
        Err(_) if doors.status.borrow().state == NodeState::Quorate => Err(Failure::TimedOut),
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
