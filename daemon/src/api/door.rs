//! A door: all paths behind the guard, and what is left of it for those for whom it is full.

use super::etcd::kv;
use super::failure::{Failure, refusal};
use super::guard::{self, Guard};
use super::{bodies, paths, routes};
use crate::doors::Doors;
use axum::extract::Request;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use std::sync::Arc;

/// A door: all paths behind the guard.
pub(super) fn router(doors: Arc<Doors>, guard: Guard) -> Router {
    paths::router(&doors)
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .with_state(doors)
}

/// What those get for whom a full door has no connection: that the daemon lives, what is wrong, and else "busy".
pub(super) fn full(doors: Arc<Doors>, guard: Guard) -> Router {
    let busy = async |request: Request| -> Response {
        let text = "as many connections as there may be, or as one user may have, are open at this door; nothing was changed. Try again";
        match bodies::is_grpc(&request) {
            true => kv::refused(&Failure::Busy),
            false => refusal(StatusCode::SERVICE_UNAVAILABLE, "busy", text).into_response(),
        }
    };
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/v1/status", get(routes::status))
        .route("/v1/why", get(routes::why))
        .fallback(busy)
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .layer(middleware::from_fn(last_word))
        .with_state(doors)
}

/// Nothing more is answered on this connection, which others wait for. HTTP/2 has its own word for it.
async fn last_word(request: Request, next: Next) -> Response {
    let says_so = request.version() <= Version::HTTP_11;
    let mut response = next.run(request).await;
    if says_so {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
