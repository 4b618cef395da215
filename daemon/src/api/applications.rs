//! Applications at the doors: those of all hosts as committed, and what programs of this host say of their own.
//!
//! What is committed is read from the view that this node has: every node tells an epoch alike. What is said of this host's own is taken by its
//! keeper, and waits for no cluster. Knows nothing of how they are checked.

use super::failure::{Failure, failed, usage};
use super::pages::{ActPage, ApplicationsPage, LocalPage};
use super::parameters::{NameQuery, Parameters};
use crate::applications::{Check, Definition, Kind, Refused, Source};
use crate::doors::Doors;
use crate::words::time;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use quorate_node::status::State as NodeState;
use quorate_proto::{Label, limits};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a registration counts without another word.
const TTL: Duration = Duration::from_secs(15);

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ShowQuery {
    name: Option<String>,
}

pub(super) async fn show(
    State(doors): State<Arc<Doors>>,
    Parameters(ShowQuery { name }): Parameters<ShowQuery>,
) -> Json<ApplicationsPage> {
    let name = name.as_deref();
    Json(match doors.feeds.health.newest() {
        Some(line) => ApplicationsPage::of(&line.view, line.quorate, name),
        None => {
            let status = doors.status.borrow();
            ApplicationsPage::of(&status.view, status.state == NodeState::Quorate, name)
        }
    })
}

pub(super) async fn list(State(doors): State<Arc<Doors>>) -> Json<Vec<LocalPage>> {
    Json(doors.applications.all().iter().map(LocalPage::of).collect())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterQuery {
    name: String,
    /// `HOST:PORT`, several divided by commas.
    #[serde(default)]
    endpoints: String,
    /// `NAME=VALUE`, several divided by commas.
    #[serde(default)]
    labels: String,
    /// As in the configuration.
    ttl: Option<String>,
}

pub(super) async fn register(
    State(doors): State<Arc<Doors>>,
    Parameters(query): Parameters<RegisterQuery>,
) -> Response {
    let name = query.name.clone();
    match definition_of(query) {
        Ok(definition) => {
            let Kind::Heartbeat { ttl } = definition.check.kind else {
                return usage("a registration has a ttl");
            };
            let done = doors.applications.register(definition).await;
            let text = format!("registered; it counts as up for {} ms", ttl.as_millis());
            said(&name, done, &text)
        }
        Err(text) => usage(&text),
    }
}

fn definition_of(query: RegisterQuery) -> Result<Definition, String> {
    let RegisterQuery { name, endpoints, labels, ttl } = query;
    let parts = |text: String| -> Vec<String> {
        text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let label = |text: String| match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(format!("a label is NAME=VALUE, not `{text}`")),
    };
    let labels =
        parts(labels).into_iter().map(label).collect::<Result<BTreeMap<_, _>, String>>()?;
    let labels = Label::all(labels);
    let ttl = match ttl {
        Some(text) => time::duration(&text).map_err(|error| format!("ttl: {error}"))?,
        None => TTL,
    };
    let (endpoints, check) = (parts(endpoints), Check::of(Kind::Heartbeat { ttl }));
    Ok(Definition { name, endpoints, labels, check, source: Source::Registered })
}

pub(super) async fn remove(
    State(doors): State<Arc<Doors>>,
    Parameters(NameQuery { name }): Parameters<NameQuery>,
) -> Response {
    let done = doors.applications.remove(name.clone()).await;
    said(&name, done, "removed")
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeartbeatQuery {
    name: String,
    /// `up` without it, or `down`.
    state: Option<String>,
    /// Why; told to all hosts.
    #[serde(default)]
    reason: String,
}

pub(super) async fn heartbeat(
    State(doors): State<Arc<Doors>>,
    Parameters(HeartbeatQuery { name, state, reason }): Parameters<HeartbeatQuery>,
) -> Response {
    let works = match state.as_deref() {
        None | Some("up") => true,
        Some("down") => false,
        Some(other) => return usage(&format!("state is up or down, not `{other}`")),
    };
    if reason.len() > limits::REASON || reason.contains(char::is_control) {
        let most = limits::REASON;
        return usage(&format!("a reason has at most {most} bytes, without control characters"));
    }
    let word = match reason.as_str() {
        "" => format!("said so itself: {}", if works { "up" } else { "down" }),
        _ => reason,
    };
    let done = doors.applications.heartbeat(name.clone(), works, word).await;
    said(&name, done, "noted")
}

/// What came of it. The epoch that shows it is another one's business.
fn said(name: &str, done: Result<(), Refused>, text: &str) -> Response {
    match done {
        Ok(()) => Json(ActPage { text: text.to_owned(), ..ActPage::default() }).into_response(),
        Err(refused @ Refused::Unknown(_)) => failed(&Failure::NotFound(refused.to_string())),
        Err(Refused::Wrong(text)) => failed(&Failure::NotNow(format!("{name}: {text}"))),
        Err(Refused::Stops) => failed(&Failure::Stopping),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_is_read_with_its_defaults_and_refused_with_what_is_wrong() {
        let query = |labels: &str, ttl: Option<&str>| RegisterQuery {
            name: "web".to_owned(),
            endpoints: "10.0.0.5:80,10.0.0.5:443".to_owned(),
            labels: labels.to_owned(),
            ttl: ttl.map(str::to_owned),
        };
        let one = definition_of(query("tier=front,az=a", None)).expect("it is sound");
        let labels: Vec<&str> = one.labels.iter().map(|label| label.name.as_str()).collect();
        assert_eq!((one.endpoints.len(), labels), (2, vec!["az", "tier"]));
        assert_eq!(one.check.kind.to_string(), "heartbeat within 15 s");
        for (wrong, says) in [(query("tier", None), "NAME=VALUE"), (query("", Some("3")), "ttl")] {
            let text = definition_of(wrong).expect_err("it is refused");
            assert!(text.contains(says), "{text}");
        }
    }
}
