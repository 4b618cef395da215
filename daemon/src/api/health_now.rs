//! `/v1/health`: the view as it is, or as soon as it is another than what the client has seen. Each wait holds one of its door's places.

use super::failure::{Failure, failed, usage};
use super::health_id;
use super::pages::{HealthPage, OpinionPage, StatusPage};
use super::parameters::Parameters;
use crate::clock;
use crate::doors::Doors;
use crate::doors::feed::health::{HealthLine, Seen};
use crate::words::time;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use quorate_node::status::State as NodeState;
use quorate_proto::HealthEpoch;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// The longest wait: what stands between client and daemon closes connections that are silent for longer.
const LONGEST: Duration = Duration::from_mins(10);

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HealthQuery {
    /// What was seen: an epoch, or the `id` of an answer.
    after: Option<String>,
    /// How long to wait for something else.
    wait: Option<String>,
}

#[derive(Debug, Serialize)]
struct HealthNow {
    /// For the next question; empty while there is no view.
    id: String,
    #[serde(flatten)]
    line: HealthPage,
    /// This node's own verdicts where they differ.
    opinions: Vec<OpinionPage>,
}

pub(super) async fn health(
    State(doors): State<Arc<Doors>>,
    Parameters(query): Parameters<HealthQuery>,
) -> Response {
    let (after, wait) = match query.parsed() {
        Ok(parsed) => parsed,
        Err(text) => return usage(&text),
    };
    let (Some(after), Some(wait)) = (after, wait) else {
        return now(&doors, doors.feeds.health.newest());
    };
    let Some(_place) = doors.crowd().waits.take(1, clock::now()) else {
        return failed(&Failure::Busy);
    };
    let feed = &doors.feeds.health;
    let news = async {
        match seen(&after, &doors) {
            Some(seen) => feed.news(seen).await,
            // It has seen nothing that counts here, so the first view is news, and says that it stands for itself.
            None => feed.begin_anew().next().await,
        }
    };
    tokio::select! {
        biased;
        line = tokio::time::timeout(wait, news) => match line {
            Ok(None) => failed(&Failure::Stopping),
            // The present view says so itself when there was nothing new.
            Ok(line) => now(&doors, line),
            Err(_) => now(&doors, feed.newest()),
        },
        () = doors.closing.clone().asked() => failed(&Failure::Stopping),
    }
}

fn seen(after: &str, doors: &Doors) -> Option<Seen> {
    match after.parse() {
        Ok(epoch) => Some(Seen { epoch: HealthEpoch::new(epoch), quorate: None }),
        Err(_) => health_id::seen(after, health_id::cluster(doors)),
    }
}

fn now(doors: &Doors, line: Option<Arc<HealthLine>>) -> Response {
    let status = StatusPage::of(&doors.status.borrow(), doors.started);
    let id = line
        .as_ref()
        .map(|line| health_id::id(line, health_id::cluster(doors)))
        .unwrap_or_default();
    let line = line.map_or_else(
        || HealthPage {
            epoch: status.health_epoch,
            quorate: status.state == NodeState::Quorate.word(),
            members: status.members.clone(),
            ..HealthPage::default()
        },
        |line| HealthPage::of(&line),
    );
    Json(HealthNow { id, line, opinions: status.opinions }).into_response()
}

impl HealthQuery {
    fn parsed(self) -> Result<(Option<String>, Option<Duration>), String> {
        let wait = self.wait.as_deref().map(time::duration).transpose();
        let wait = wait.map_err(|error| format!("wait: {error}; write {}", time::DURATIONS))?;
        if wait.is_some() != self.after.is_some() {
            return Err("after and wait go together: `after=EPOCH&wait=30s`, where after may be the `id` of an answer, too".to_owned());
        }
        if let Some(wait) = wait.filter(|wait| *wait > LONGEST) {
            return Err(format!("wait is 10m at most, not {wait:?}; ask again when it is over"));
        }
        Ok((self.after, wait))
    }
}
