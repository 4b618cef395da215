//! What is found at which path. On a door without the keyspace everything that makes the node act or shows keys is
//! refused, with the setting that opens it.

use super::guard::{self, Guard};
use super::keyspace::{self, Failure};
use super::pages::{
    EventPage, GivenUpPage, HealthPage, OpinionPage, PingPage, RefusalPage, StatusPage,
};
use super::{KV_PATH, PROTOBUF, etcd, streams, wait};
use crate::doors::{Call, Doors, LINKS_PATIENCE, PATIENCE, PINGS, PingFailure};
use crate::journal::lost_lines;
use crate::metrics;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use bytes::Bytes;
use quorate_node::status::State as NodeState;
use quorate_proto::{KvRequest, Message, limits};
use serde::Deserialize;
use std::time::Duration;

/// Largest body of any HTTP/1.1 request: a keyspace request just over its limit, so that it gets the right words.
const BODY: usize = 2 * 1024 * 1024;
/// Header with the milliseconds that the client waits.
pub(crate) const TIMEOUT_HEADER: &str = "quorate-timeout-ms";

/// All routes of a door.
pub(super) fn router(doors: Doors, guard: Guard) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/health", get(health))
        .route("/v1/health/watch", get(streams::health))
        .route("/v1/events", get(events))
        .route("/v1/events/watch", get(streams::events))
        .route("/v1/wait", get(wait::wait))
        .route("/v1/ping", get(ping))
        .route(KV_PATH, post(kv))
        .route("/metrics", get(metrics_text))
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/health", get(etcd_health))
        .route("/version", get(version))
        .merge(etcd::routes())
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .with_state(doors)
}

/// A refusal as JSON.
pub(super) fn refusal(
    status: StatusCode,
    code: &str,
    error: &str,
) -> (StatusCode, Json<RefusalPage>) {
    (status, Json(RefusalPage { code: code.to_owned(), error: error.to_owned() }))
}

fn failed(failure: &Failure) -> Response {
    let (status, page) = failure.page();
    (status, Json(page)).into_response()
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StatusQuery {
    links: u8,
}

async fn status(State(doors): State<Doors>, Query(query): Query<StatusQuery>) -> Response {
    let mut page = StatusPage::of(&doors.status.borrow(), doors.started);
    let patience = if query.links == 0 { LINKS_PATIENCE } else { PATIENCE };
    match doors.ask(patience, |reply| Call::Links { reply }).await {
        Ok(links) => {
            page.given_up = Some(GivenUpPage::all(&links));
            page.links = (query.links != 0).then_some(links);
        }
        Err(failure) if query.links != 0 => return failed(&failure.into()),
        // All else is known without the loop, and wanted most when it is in trouble.
        Err(_) => {}
    }
    Json(page).into_response()
}

#[derive(Debug, serde::Serialize)]
struct HealthNow {
    #[serde(flatten)]
    line: HealthPage,
    /// This node's own verdicts where they differ.
    opinions: Vec<OpinionPage>,
}

async fn health(State(doors): State<Doors>) -> Response {
    let status = StatusPage::of(&doors.status.borrow(), doors.started);
    let line = doors.feed.newest().map_or_else(
        || HealthPage {
            epoch: status.health_epoch,
            quorate: status.state == NodeState::Quorate.word(),
            members: status.members.clone(),
            ..HealthPage::default()
        },
        |line| HealthPage::of(&line),
    );
    Json(HealthNow { line, opinions: status.opinions }).into_response()
}

async fn events(State(doors): State<Doors>) -> Json<Vec<EventPage>> {
    Json(doors.events.all().iter().map(|line| EventPage::of(line)).collect())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PingQuery {
    name: String,
    count: Option<u32>,
}

async fn ping(State(doors): State<Doors>, Query(query): Query<PingQuery>) -> Response {
    if !doors.keyspace {
        return failed(&Failure::Closed);
    }
    let (name, count) = (query.name.clone(), query.count.unwrap_or(1).clamp(1, PINGS));
    match doors.ask(PATIENCE, |reply| Call::Ping { name, count, reply }).await {
        Ok(Ok(pings)) => Json(PingPage::of(query.name, pings)).into_response(),
        Ok(Err(PingFailure::Itself)) => {
            let text = format!("{} is this node itself; name another one", query.name);
            refusal(StatusCode::BAD_REQUEST, "usage", &text).into_response()
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

async fn kv(State(doors): State<Doors>, headers: HeaderMap, body: Bytes) -> Response {
    let of_type = |kind: &str| headers.get(header::CONTENT_TYPE).is_some_and(|found| found == kind);
    let request = KvRequest::decode(body).ok().and_then(|request| request.request);
    let (true, Some(request)) = (of_type(PROTOBUF), request) else {
        let text = "the body must be a KvRequest as application/x-protobuf";
        return refusal(StatusCode::BAD_REQUEST, "usage", text).into_response();
    };
    let given = headers.get(TIMEOUT_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
    let deadline = given.map_or(limits::REQUEST_DEADLINE, Duration::from_millis);
    match keyspace::ask(&doors, request, deadline).await {
        Ok(answer) => ([(header::CONTENT_TYPE, PROTOBUF)], answer.encode_to_vec()).into_response(),
        Err(failure) => failed(&failure),
    }
}

async fn metrics_text(State(doors): State<Doors>) -> Response {
    let links = doors.ask(LINKS_PATIENCE, |reply| Call::Links { reply }).await.ok();
    let text = metrics::render(&doors.status.borrow(), links.as_deref(), lost_lines());
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

async fn readyz(State(doors): State<Doors>) -> Response {
    match not_ready(&doors) {
        None => "ok\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

/// What etcd's own load balancers and monitors ask.
async fn etcd_health(State(doors): State<Doors>) -> Response {
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

async fn version() -> Json<serde_json::Value> {
    // The numbers of the etcd whose interface this is; tools compare them.
    Json(serde_json::json!({
        "etcdserver": "3.4.0",
        "etcdcluster": "3.4.0",
        "quorate": env!("CARGO_PKG_VERSION"),
    }))
}

async fn unknown(request: Request) -> Response {
    let grpc = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if grpc.is_some_and(|kind| kind.starts_with("application/grpc")) {
        return etcd::unimplemented(request.uri().path());
    }
    refusal(StatusCode::NOT_FOUND, "not-found", "no such path").into_response()
}
