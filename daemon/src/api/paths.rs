//! Everything that the doors serve, in one list: the router, the index at `/` and docs/API.md are all made from it or
//! compared with it, so that none of them can know of a path that another does not.
//!
//! What stays true: on a door without the keyspace whatever is not [`Open::Everywhere`] is refused before its handler runs,
//! so that such a door is read-only whatever a handler does.

use super::etcd::{first_calls, kv};
use super::failure::{Failure, failed, refusal};
use super::keyspace::json;
use super::{
    KV_PATH, acts, applications, assignments, bodies, budgets, fences, founding, health_now,
    recovery, routes, snapshot, streams, wait,
};
use crate::doors::Doors;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{from_fn_with_state, map_request};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, delete, get, on, post, put};
use axum::{Json, Router};
use quorate_proto::{CompactionRequest, DeleteRangeRequest, PutRequest, RangeRequest, TxnRequest};
use serde::Serialize;
use std::sync::Arc;

/// Which doors serve a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    /// The unix socket and the TCP address: it shows and changes nothing.
    Everywhere,
    /// The unix socket, and the TCP address with `keyspace_on_tcp = true`: it shows keys, changes them, or makes the node
    /// act.
    WithKeys,
}

impl Open {
    /// The word of the index and of docs/API.md.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Everywhere => "unix, tcp",
            Self::WithKeys => "unix",
        }
    }
}

/// One method of one path.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) open: Open,
    /// One sentence for the index.
    pub(super) does: &'static str,
    /// The handler, with a method of its own.
    serve: fn() -> MethodRouter<Arc<Doors>>,
}

impl Route {
    /// The method as a word.
    pub(super) fn method(&self) -> &'static str {
        match self.method {
            Method::PUT => "PUT",
            Method::POST => "POST",
            Method::DELETE => "DELETE",
            _ => "GET",
        }
    }
}

/// A method of a gRPC service.
pub(super) struct GrpcMethod {
    pub(super) path: &'static str,
    pub(super) open: Open,
    /// So large is its message at most.
    most: usize,
    pub(super) does: &'static str,
    serve: fn() -> MethodRouter<Arc<Doors>>,
}

const fn read(
    path: &'static str,
    does: &'static str,
    serve: fn() -> MethodRouter<Arc<Doors>>,
) -> Route {
    Route { method: Method::GET, path, open: Open::Everywhere, does, serve }
}

const fn act(
    method: Method,
    path: &'static str,
    does: &'static str,
    serve: fn() -> MethodRouter<Arc<Doors>>,
) -> Route {
    Route { method, path, open: Open::WithKeys, does, serve }
}

const fn keys(
    path: &'static str,
    does: &'static str,
    serve: fn() -> MethodRouter<Arc<Doors>>,
) -> GrpcMethod {
    GrpcMethod { path, open: Open::WithKeys, most: bodies::MESSAGE, does, serve }
}

const fn first(
    path: &'static str,
    does: &'static str,
    serve: fn() -> MethodRouter<Arc<Doors>>,
) -> GrpcMethod {
    GrpcMethod { path, open: Open::Everywhere, most: bodies::QUESTION, does, serve }
}

/// All paths of HTTP/1.1.
pub(super) const ROUTES: &[Route] = &[
    read("/", "This index.", || get(index)),
    read("/v1/status", "What this node knows; with `links=1` its links too.", || {
        get(routes::status)
    }),
    read("/v1/members", "All members as committed, with leader, version, zone and labels.", || {
        get(routes::members)
    }),
    read("/v1/why", "What is wrong here, what it means and what helps.", || get(routes::why)),
    read("/v1/health", "Who is alive, as committed, and this node's own verdicts.", || {
        get(health_now::health)
    }),
    read("/v1/health/watch", "The same as a stream: a line for each epoch.", || {
        get(streams::health)
    }),
    read("/v1/apps", "The applications of all hosts, as committed.", || get(applications::show)),
    read("/v1/events", "The newest events of this node.", || get(routes::events)),
    read("/v1/events/watch", "Those, and each as it comes, as a stream.", || get(streams::events)),
    read("/v1/wait", "Answers when the cluster or this node is as asked.", || get(wait::wait)),
    act(Method::GET, "/v1/ping", "Measures round trips to another node.", || get(routes::ping)),
    act(Method::POST, "/v1/remove", "Takes a host out of the cluster for good.", || {
        post(acts::remove)
    }),
    act(
        Method::POST,
        "/v1/revoke",
        "Takes a host out for good, and has its key refused by all.",
        || post(acts::revoke),
    ),
    act(Method::POST, "/v1/leader/transfer", "Has another voter lead.", || post(acts::transfer)),
    act(
        Method::GET,
        "/v1/recover",
        "What is left of a lost majority, and what may be lost.",
        || get(recovery::plan),
    ),
    act(Method::POST, "/v1/recover", "Has a plan carried out: founds the cluster anew.", || {
        post(recovery::carry_out)
    }),
    act(
        Method::GET,
        "/v1/found",
        "What it would mean that the founding does without some seeds.",
        || get(founding::show),
    ),
    act(Method::POST, "/v1/found", "Has the founding do without some seeds.", || {
        post(founding::carry_out)
    }),
    act(Method::POST, "/v1/feature/raise", "Raises the feature level of the cluster.", || {
        post(acts::raise_features)
    }),
    act(Method::POST, "/v1/secret/rotate", "Changes the cluster's secret.", || post(acts::rotate)),
    act(
        Method::POST,
        "/v1/drain",
        "Drains a host: it keeps its vote, and leads nothing while another can.",
        || post(acts::drain),
    ),
    act(Method::POST, "/v1/undrain", "Ends that.", || post(acts::undrain)),
    act(
        Method::GET,
        "/v1/autopilot",
        "What the autopilot does, why, and what would change it.",
        || get(acts::autopilot),
    ),
    act(
        Method::POST,
        "/v1/autopilot/pause",
        "Keeps the autopilot from changing the voters.",
        || post(acts::pause),
    ),
    act(Method::POST, "/v1/autopilot/resume", "Ends that.", || post(acts::resume)),
    act(Method::POST, "/v1/promote", "Lets a host vote, with `promote = \"approve\"`.", || {
        post(acts::promote)
    }),
    act(Method::GET, "/v1/budgets", "All budgets, and what each host is granted of them.", || {
        get(budgets::list)
    }),
    act(Method::POST, "/v1/budgets", "Defines a budget, or defines it otherwise.", || {
        post(budgets::set)
    }),
    act(Method::POST, "/v1/budgets/remove", "Has a budget go once all of it is freed.", || {
        post(budgets::remove)
    }),
    act(Method::GET, "/v1/budgets/ledger", "The newest changes of a budget's grants.", || {
        get(budgets::ledger)
    }),
    act(
        Method::POST,
        "/v1/budgets/acknowledge",
        "An application on this host says what it uses of its share.",
        || post(budgets::acknowledge),
    ),
    act(
        Method::GET,
        "/v1/budgets/watch",
        "What this host's application may use of a budget, as a stream.",
        || get(streams::share),
    ),
    act(
        Method::POST,
        "/v1/budgets/free",
        "Frees a grant of a host that is gone, whose use was ended from outside.",
        || post(fences::free_grant),
    ),
    act(
        Method::GET,
        "/v1/budgets/alone",
        "Whom fences are to cut off before this host uses a budget alone, without a quorum.",
        || get(fences::alone),
    ),
    act(Method::POST, "/v1/budgets/alone", "Says that one of them is cut off.", || {
        post(fences::fenced)
    }),
    act(Method::GET, "/v1/apps/local", "The applications of this host, and their checks.", || {
        get(applications::list)
    }),
    act(
        Method::POST,
        "/v1/apps",
        "Registers an application of this host that says by itself that it works.",
        || post(applications::register),
    ),
    act(
        Method::POST,
        "/v1/apps/heartbeat",
        "An application of this host says that it works, or does not.",
        || post(applications::heartbeat),
    ),
    act(Method::POST, "/v1/apps/remove", "Forgets one that was registered so.", || {
        post(applications::remove)
    }),
    act(Method::GET, "/v1/assignments", "All assignments, and who holds each item.", || {
        get(assignments::list)
    }),
    act(
        Method::POST,
        "/v1/assignments",
        "Defines an assignment, and waits until its items are held.",
        || post(assignments::set),
    ),
    act(
        Method::POST,
        "/v1/assignments/remove",
        "Has an assignment go once all items are freed.",
        || post(assignments::remove),
    ),
    act(
        Method::GET,
        "/v1/assignments/ledger",
        "The newest changes of an assignment's items.",
        || get(assignments::ledger),
    ),
    act(
        Method::POST,
        "/v1/assignments/release",
        "An application on this host has let an item go that was asked back.",
        || post(assignments::release),
    ),
    act(
        Method::GET,
        "/v1/assignments/watch",
        "What this host's application holds of an assignment, as a stream.",
        || get(streams::items),
    ),
    act(
        Method::POST,
        "/v1/assignments/free",
        "Frees an item of a host that is gone, whose use was ended from outside.",
        || post(fences::free_item),
    ),
    act(Method::GET, KV_PATH, "Reads a key, or the keys with a prefix, as JSON.", || {
        get(json::read)
    }),
    act(Method::PUT, KV_PATH, "Writes a key, as JSON.", || put(json::write)),
    act(Method::DELETE, KV_PATH, "Deletes a key, or the keys with a prefix, as JSON.", || {
        delete(json::remove)
    }),
    act(Method::POST, KV_PATH, "Any request to the keyspace, as protobuf.", || post(routes::kv)),
    act(Method::GET, "/v1/snapshot", "All that the cluster has agreed on, as one file.", || {
        get(snapshot::snapshot)
    }),
    read("/metrics", "Metrics for Prometheus.", || get(routes::metrics_text)),
    read("/livez", "200 while the daemon runs.", || get(async || "ok\n")),
    read("/readyz", "200 when the node is quorate, else 503 with the reason.", || {
        get(routes::readyz)
    }),
    read("/health", "The same in etcd's words.", || get(routes::etcd_health)),
    read("/version", "Versions: of quorate, and of the etcd whose interface this is.", || {
        get(routes::version)
    }),
];

/// All methods of gRPC, on the same port.
pub(super) const GRPC: &[GrpcMethod] = &[
    keys("/etcdserverpb.KV/Range", "Reads keys.", || post(kv::unary::<RangeRequest>)),
    keys("/etcdserverpb.KV/Put", "Writes a key.", || post(kv::unary::<PutRequest>)),
    keys("/etcdserverpb.KV/DeleteRange", "Deletes keys.", || post(kv::unary::<DeleteRangeRequest>)),
    keys("/etcdserverpb.KV/Txn", "Compares, then reads and writes.", || {
        post(kv::unary::<TxnRequest>)
    }),
    keys("/etcdserverpb.KV/Compact", "Forgets what is older than a revision.", || {
        post(kv::unary::<CompactionRequest>)
    }),
    first("/etcdserverpb.Maintenance/Status", "Version, leader and indexes of this node.", || {
        post(first_calls::status)
    }),
    first(
        "/etcdserverpb.Maintenance/Alarm",
        "Lists etcd's alarms: NOSPACE when a disk or the keyspace is full.",
        || post(first_calls::alarm),
    ),
    first("/etcdserverpb.Cluster/MemberList", "The voters and standbys.", || {
        post(first_calls::member_list)
    }),
    first("/etcdserverpb.Auth/Authenticate", "Says that authentication is not enabled.", || {
        post(first_calls::authenticate)
    }),
    first("/grpc.health.v1.Health/Check", "SERVING when the node is quorate.", || {
        post(async |doors: State<Arc<Doors>>, request: Request| {
            first_calls::check(doors, request, serves).await
        })
    }),
];

/// All routes of a door.
pub(super) fn router(doors: &Arc<Doors>) -> Router<Arc<Doors>> {
    let mut router = Router::new();
    let is_closed = |open: Open| open == Open::WithKeys && !doors.keyspace;
    let page = from_fn_with_state(Arc::clone(doors), bodies::of_page);
    for route in ROUTES {
        let serve = match route.method {
            _ if is_closed(route.open) => on(filter(&route.method), closed),
            Method::GET => (route.serve)().layer(map_request(bodies::of_nothing)),
            _ => (route.serve)().layer(page.clone()),
        };
        router = router.route(route.path, serve);
    }
    for method in GRPC {
        let grpc = from_fn_with_state((Arc::clone(doors), method.most), bodies::of_grpc);
        let serve = match is_closed(method.open) {
            true => post(async || kv::refused(&Failure::Closed)),
            false => (method.serve)().layer(grpc),
        };
        router = router.route(method.path, serve);
    }
    router
        .method_not_allowed_fallback(other_method)
        .fallback(unknown)
        // What reaches a handler was read by `bodies`, within its limit.
        .layer(DefaultBodyLimit::disable())
}

fn filter(method: &Method) -> MethodFilter {
    MethodFilter::try_from(method.clone()).expect("the list has methods that HTTP knows")
}

async fn closed() -> Response {
    failed(&Failure::Closed)
}

/// One line of the index.
#[derive(Debug, Serialize)]
struct IndexLine {
    method: &'static str,
    path: &'static str,
    doors: &'static str,
    does: &'static str,
}

async fn index() -> Response {
    Json(index_lines()).into_response()
}

fn index_lines() -> Vec<IndexLine> {
    let http = ROUTES.iter().map(|route| IndexLine {
        method: route.method(),
        path: route.path,
        doors: route.open.word(),
        does: route.does,
    });
    let grpc = GRPC.iter().map(|method| IndexLine {
        method: "gRPC",
        path: method.path,
        doors: method.open.word(),
        does: method.does,
    });
    http.chain(grpc).collect()
}

/// Whether there is a gRPC service of this name.
pub(super) fn serves(service: &str) -> bool {
    GRPC.iter().any(|method| {
        let before = method.path.strip_prefix('/').and_then(|path| path.split_once('/'));
        before.is_some_and(|(name, _)| name == service)
    })
}

/// The path is there, the method is not.
async fn other_method(request: Request) -> Response {
    let path = request.uri().path();
    let takes: Vec<&str> =
        ROUTES.iter().filter(|route| route.path == path).map(Route::method).collect();
    // A method of gRPC is no page.
    let takes = if takes.is_empty() { "POST, as gRPC".to_owned() } else { takes.join(", ") };
    let text = format!("{path} takes {takes}, not {}", request.method());
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "method", &text).into_response();
    if let Ok(takes) = HeaderValue::from_str(takes.trim_end_matches(", as gRPC")) {
        response.headers_mut().insert(header::ALLOW, takes);
    }
    response
}

async fn unknown(request: Request) -> Response {
    let path = request.uri().path();
    if bodies::is_grpc(&request) {
        return first_calls::unimplemented(path);
    }
    if path.starts_with("/v3") {
        return first_calls::no_gateway(path);
    }
    let text = format!("no such path: {path}; `/` lists those that there are");
    refusal(StatusCode::NOT_FOUND, "not-found", &text).into_response()
}

#[cfg(test)]
mod tests;
