//! The answers of the paths in [`super::paths`]: one function each, which turns what the loop shows or says into a page.

use super::etcd::words::ETCD_VERSION;
use super::failure::{failed, refusal, usage};
use super::pages::{EventPage, GivenUpPage, MemberPage, PingPage, StatusPage};
use super::parameters::{Flag, Parameters, Patience, Whole};
use super::request_id::RequestId;
use super::since::Since;
use super::{PROTOBUF, keyspace};
use crate::clock::wall_unix_ms;
use crate::doors::{Call, Doors, LINKS_PATIENCE, PATIENCE, PINGS, PingFailure};
use crate::journal::lost_lines;
use crate::machine::Machine;
use crate::metrics;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use quorate_node::status::State as NodeState;
use quorate_proto::{KvRequest, Message};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StatusQuery {
    links: Flag,
}

pub(super) async fn status(
    State(doors): State<Arc<Doors>>,
    Parameters(query): Parameters<StatusQuery>,
) -> Response {
    let mut page = StatusPage::of(&doors.seen(), doors.started);
    let patience = if !query.links.0 { LINKS_PATIENCE } else { PATIENCE };
    match doors.links(patience).await {
        Ok(links) => {
            page.given_up = Some(GivenUpPage::all(&links));
            page.links = query.links.0.then_some(links);
        }
        Err(failure) if query.links.0 => return failed(&failure.into()),
        // All else is known without the loop, and wanted most when it is in trouble.
        Err(_) => {}
    }
    Json(page).into_response()
}

pub(super) async fn members(State(doors): State<Arc<Doors>>) -> Json<Vec<MemberPage>> {
    Json(StatusPage::of(&doors.status.borrow(), doors.started).members)
}

pub(super) async fn why(State(doors): State<Arc<Doors>>) -> Json<serde_json::Value> {
    let mut page = StatusPage::of(&doors.seen(), doors.started);
    // Where the loop is too busy to tell of its links, the rest is told.
    page.links = doors.links(PATIENCE).await.ok();
    let findings = super::pages::findings::findings(&page);
    Json(serde_json::json!({ "state": page.state, "findings": findings }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EventsQuery {
    /// From where; without it all that are kept.
    since: Option<String>,
}

pub(super) async fn events(
    State(doors): State<Arc<Doors>>,
    Parameters(EventsQuery { since }): Parameters<EventsQuery>,
) -> Response {
    let since = since.map(|text| Since::parse(&text, wall_unix_ms()));
    let since = match since.transpose() {
        Ok(since) => since,
        Err(text) => return usage(&text),
    };
    let run = doors.started.wall_unix_ms;
    let past = doors.feeds.kept.past().iter();
    let past = past.filter_map(|line| serde_json::from_str::<EventPage>(line).ok());
    let present = doors.feeds.events.all().into_iter().map(|line| EventPage::of(&line, run));
    let wanted = |page: &EventPage| since.is_none_or(|since| since.takes(page));
    Json(past.chain(present).filter(wanted).collect::<Vec<_>>()).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PingQuery {
    name: String,
    count: Option<Whole>,
}

pub(super) async fn ping(
    State(doors): State<Arc<Doors>>,
    Parameters(query): Parameters<PingQuery>,
) -> Response {
    let (name, count) = (query.name.clone(), query.count.map_or(1, |count| count.0));
    let Some(count) = u32::try_from(count).ok().filter(|count| (1..=PINGS).contains(count)) else {
        let text = format!("count is from 1 to {PINGS}, not {count}");
        return usage(&text);
    };
    match doors.ask(PATIENCE, |reply| Call::Ping { name, count, reply }).await {
        Ok(Ok(pings)) => Json(PingPage::of(query.name, pings)).into_response(),
        Ok(Err(PingFailure::Itself)) => {
            let text = format!("{} is this node itself; name another one", query.name);
            usage(&text)
        }
        Ok(Err(PingFailure::Unknown { known })) => {
            let known = match known.is_empty() {
                true => "no other node is".to_owned(),
                false => format!("these are: {}", known.join(", ")),
            };
            let text = format!("no node named `{}` is known here; {known}", query.name);
            refusal(StatusCode::NOT_FOUND, "not-found", &text).into_response()
        }
        Err(failure) => failed(&failure.into()),
    }
}

pub(super) async fn kv(
    State(doors): State<Arc<Doors>>,
    patience: Patience,
    id: RequestId,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let of_type = |kind: &str| headers.get(header::CONTENT_TYPE).is_some_and(|found| found == kind);
    let request = KvRequest::decode(body).ok().and_then(|request| request.request);
    let (true, Some(request)) = (of_type(PROTOBUF), request) else {
        let text = "the body must be a KvRequest as application/x-protobuf";
        return usage(text);
    };
    match keyspace::ask(&doors, request, id, patience.0).await {
        Ok(answer) => ([(header::CONTENT_TYPE, PROTOBUF)], answer.encode_to_vec()).into_response(),
        Err(failure) => failed(&failure),
    }
}

pub(super) async fn metrics_text(State(doors): State<Arc<Doors>>) -> Response {
    let links = doors.links(LINKS_PATIENCE).await.ok();
    // A disk that hangs must not hide the rest.
    let machine = Machine::look_in_turn(doors.places.clone(), LINKS_PATIENCE).await;
    let beside = metrics::Beside {
        links: links.as_deref(),
        unwritten: lost_lines(),
        unkept: doors.feeds.kept.lost(),
        unread: doors.crowds.unread.count(),
        machine,
        turned_away: (doors.turned_away.0)(),
        started_unix_ms: doors.started.wall_unix_ms,
    };
    let text = metrics::render(&doors.seen(), &beside);
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

pub(super) async fn readyz(State(doors): State<Arc<Doors>>) -> Response {
    match not_ready(&doors) {
        None => "ok\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

/// What etcd's own load balancers and monitors ask.
pub(super) async fn etcd_health(State(doors): State<Arc<Doors>>) -> Response {
    match not_ready(&doors) {
        None => Json(serde_json::json!({ "health": "true" })).into_response(),
        Some(why) => {
            let body = Json(serde_json::json!({ "health": "false", "reason": why }));
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}

fn not_ready(doors: &Doors) -> Option<String> {
    let status = doors.status.borrow();
    if status.state == NodeState::Quorate {
        return None;
    }
    let reasons: Vec<&str> = status.reasons.iter().map(|reason| reason.text.as_str()).collect();
    Some(format!("{}: {}", status.state.word(), reasons.join("; ")))
}

pub(super) async fn version() -> Json<serde_json::Value> {
    Json(serde_json::json!({
        "etcdserver": ETCD_VERSION,
        "etcdcluster": ETCD_VERSION,
        "quorate": env!("CARGO_PKG_VERSION"),
    }))
}
