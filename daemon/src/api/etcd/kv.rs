//! etcd v3's KV service over gRPC. The messages are the very structs that the log holds, so that nothing is
//! converted here; the work is in deadlines, limits and etcd's exact words.

use crate::api::bodies::MESSAGE;
use crate::api::failure::Failure;
use crate::api::keyspace;
use crate::api::request_id::RequestId;
use crate::doors::Doors;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response};
use quorate_proto::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, Message,
    PutRequest, PutResponse, RangeRequest, RangeResponse, TxnRequest, TxnResponse, kv_request,
    kv_response, limits,
};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::Status;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;
use tower::Service;

/// Ample for an answer's way to a client on this host or in this network.
const ANSWER_WAY: Duration = Duration::from_millis(100);

/// A request of the service with its answer.
pub(crate) trait Method: Message + Default + Send + Sync + 'static {
    type Answer: Message + Default + Send + Sync + 'static;
    fn wrap(self) -> kv_request::Request;
    fn unwrap(answer: kv_response::Response) -> Option<Self::Answer>;
}

macro_rules! method {
    ($kind:ident, $request:ty, $answer:ty) => {
        impl Method for $request {
            type Answer = $answer;
            fn wrap(self) -> kv_request::Request {
                kv_request::Request::$kind(self)
            }
            fn unwrap(answer: kv_response::Response) -> Option<$answer> {
                match answer {
                    kv_response::Response::$kind(answer) => Some(answer),
                    _ => None,
                }
            }
        }
    };
}

method!(Range, RangeRequest, RangeResponse);
method!(Put, PutRequest, PutResponse);
method!(DeleteRange, DeleteRangeRequest, DeleteRangeResponse);
method!(Txn, TxnRequest, TxnResponse);
method!(Compact, CompactionRequest, CompactionResponse);

pub(crate) async fn unary<M: Method>(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Response<Body> {
    let deadline = deadline(request.headers());
    let id = match RequestId::of(request.headers()) {
        Ok(id) => id,
        Err(text) => return Status::invalid_argument(format!("quorate: {text}")).into_http(),
    };
    let mut grpc = Grpc::new(ProstCodec::<M::Answer, M>::default())
        .max_decoding_message_size(MESSAGE)
        // etcd's clients take any size; a cap here would only turn large ranges into errors.
        .max_encoding_message_size(usize::MAX);
    grpc.unary(Asking { doors, id, deadline }, request).await.map(Body::new)
}

/// A refusal without a look at the request.
pub(crate) fn refused(failure: &Failure) -> Response<Body> {
    status(failure).into_http()
}

/// One request on its way to the keyspace.
struct Asking {
    doors: Arc<Doors>,
    id: RequestId,
    deadline: Duration,
}

impl<M: Method> Service<tonic::Request<M>> for Asking {
    type Response = tonic::Response<M::Answer>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<M>) -> Self::Future {
        let (doors, id, deadline) = (Arc::clone(&self.doors), self.id.clone(), self.deadline);
        Box::pin(async move {
            let asked = keyspace::ask(&doors, request.into_inner().wrap(), id, deadline).await;
            let answer = asked.map_err(|failure| status(&failure))?.response.and_then(M::unwrap);
            answer.map(tonic::Response::new).ok_or_else(|| Status::internal("quorate: no answer"))
        })
    }
}

fn status(failure: &Failure) -> Status {
    let (code, text) = failure.grpc();
    Status::new(code, text)
}

/// How long the node may take: the client's `grpc-timeout`, less what our refusal needs to reach it before it gives
/// up by itself and never learns the reason; without one our default.
fn deadline(headers: &HeaderMap) -> Duration {
    let given = headers.get("grpc-timeout").and_then(|value| value.to_str().ok());
    match given.and_then(parse_timeout) {
        Some(given) => given - (given / 10).min(ANSWER_WAY),
        None => limits::REQUEST_DEADLINE,
    }
}

/// At most eight digits and a unit.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_node_has_a_little_less_time_than_the_client_and_five_seconds_by_default() {
        let with = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", HeaderValue::from_static(text));
            deadline(&headers)
        };
        assert_eq!(with("5S"), Duration::from_millis(4900));
        assert_eq!(with("50m"), Duration::from_millis(45));
        assert_eq!(with("0n"), Duration::ZERO);
        assert_eq!(with("nonsense"), limits::REQUEST_DEADLINE);
    }

    #[test]
    fn a_grpc_timeout_is_digits_and_a_unit_and_nothing_else() {
        assert_eq!(parse_timeout("5S"), Some(Duration::from_secs(5)));
        assert_eq!(parse_timeout("4999963u"), Some(Duration::from_micros(4_999_963)));
        assert_eq!(parse_timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for text in ["", "S", "5", "5s", "-5S", "123456789S", "5é", "é"] {
            assert_eq!(parse_timeout(text), None, "{text}");
        }
    }
}
