//! Bodies: read by the door before the handler runs, and only once guard and list of paths have let the request in.
//!
//! What stays true: a body holds places for every byte of memory that it has been given, from before it is given until the request
//! is answered; what does not come in time, or finds no places, is answered with a word. What takes no body has none read.
//! Knows nothing of what the bodies say.

use super::failure::{Failure, failed, refusal, usage};
use super::holdings;
use crate::doors::Doors;
use crate::doors::crowds::{Places, Shared};
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use quorate_proto::limits;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Code, Status};

/// Largest message that is read at all, as in etcd: above the request limit, so that a request just over that limit gets etcd's
/// own words.
pub(super) const MESSAGE: usize = 2 * 1024 * 1024;
/// The same for methods of gRPC that every door serves: their questions have hardly any content.
pub(super) const QUESTION: usize = 64 * 1024;
const _: () = assert!(limits::CLIENT_REQUEST < MESSAGE);
/// What gRPC puts before a message.
const PREFIX: usize = 5;
/// How long a body may take to come. It holds places that others want.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// The least that a body without a length is given at once.
const PIECE: usize = 1024;

/// Why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum No {
    /// All bodies of such doors together hold as much as they may.
    Busy,
    /// It did not come in time.
    Late,
    /// It is larger than any request.
    TooLarge,
    /// The connection failed in the middle of it.
    Broken,
}

const LATE: &str = "the body of the request did not come within 10 s; nothing was changed";
const TOO_LARGE: &str = "the body is larger than 2 MiB; nothing was changed";
const BROKEN: &str = "the body of the request did not come whole; nothing was changed";

impl No {
    fn page(self) -> Response {
        match self {
            Self::Busy => failed(&Failure::Busy),
            Self::Late => refusal(StatusCode::REQUEST_TIMEOUT, "late", LATE).into_response(),
            Self::TooLarge => {
                refusal(StatusCode::PAYLOAD_TOO_LARGE, "too-large", TOO_LARGE).into_response()
            }
            Self::Broken => usage(BROKEN),
        }
    }

    /// Of a method whose message has so many bytes at most.
    fn grpc(self, most: usize) -> Response {
        let (code, text) = match self {
            Self::Busy => Failure::Busy.grpc(),
            Self::Late => (Code::DeadlineExceeded, format!("quorate: {LATE}")),
            // Clients know the words of grpc-go.
            Self::TooLarge => {
                let text = format!("grpc: received message larger than max ({most})");
                (Code::ResourceExhausted, text)
            }
            Self::Broken => (Code::Cancelled, format!("quorate: {BROKEN}")),
        };
        Status::new(code, text).into_http()
    }
}

/// Reads the body of a page, then lets its handler run.
pub(super) async fn of_page(
    State(doors): State<Arc<Doors>>,
    request: Request,
    next: Next,
) -> Response {
    admit(&doors, MESSAGE, request, next).await.unwrap_or_else(No::page)
}

/// The same of a method of gRPC whose message has so many bytes at most.
pub(super) async fn of_grpc(
    State((doors, most)): State<(Arc<Doors>, usize)>,
    request: Request,
    next: Next,
) -> Response {
    admit(&doors, PREFIX + most, request, next).await.unwrap_or_else(|no| no.grpc(most))
}

/// What takes no body holds none of it while it is answered: what comes is thrown away.
pub(super) async fn of_nothing(request: Request) -> Request {
    request.map(|_| Body::empty())
}

/// Whether gRPC is spoken.
pub(super) fn is_grpc(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

async fn admit(doors: &Doors, most: usize, request: Request, next: Next) -> Result<Response, No> {
    let (head, body) = request.into_parts();
    let reading = read(body, most, &doors.room().bodies);
    let read = tokio::time::timeout(doors.body_patience, reading).await;
    let (body, held) = read.map_err(|_| No::Late)??;
    // The loop has a clone for as long as it has the request: a client that goes leaves its bytes there for a while.
    let held = held.map(Arc::new);
    if let Some(held) = &held {
        holdings::keep_body(held);
    }
    let answer = next.run(Request::from_parts(head, Body::from(body))).await;
    drop(held);
    Ok(answer)
}

/// The whole body, and the places that it holds. It gets them as it comes: a length that is only announced keeps nobody out.
async fn read(mut body: Body, most: usize, places: &Places) -> Result<(Bytes, Option<Shared>), No> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > most {
        return Err(No::TooLarge);
    }
    let (mut whole, mut held) = (Vec::new(), None::<Shared>);
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| No::Broken)?.into_data() else { continue };
        let length = whole.len() + piece.len();
        if length > most {
            return Err(No::TooLarge);
        }
        if length > whole.capacity() {
            let most = if announced == 0 { most } else { announced.max(length) };
            let room = (whole.capacity() * 2).max(PIECE).clamp(length, most);
            let more = holdings::take_body(places, room - whole.capacity()).ok_or(No::Busy)?;
            match &mut held {
                Some(held) => held.merge(more),
                None => held = Some(more),
            }
            whole.reserve_exact(room - whole.len());
        }
        whole.extend_from_slice(&piece);
    }
    Ok((Bytes::from(whole), held))
}

#[cfg(test)]
mod tests;
