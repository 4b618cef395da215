//! Why there is no answer, and what that is called: in gRPC (etcd's exact words, which clients match) and in our own JSON
//! (words that help a person).

use super::pages::RefusalPage;
use crate::doors::CallFailure;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use quorate_proto::{KvError, Refusal, RefusalCode};
use tonic::Code;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The keyspace says no; nothing was changed.
    Kv(KvError),
    /// No leader until the deadline; nothing was proposed.
    NoLeader,
    /// Nothing was proposed before the deadline.
    TimedOut,
    /// The same, with what it waited for.
    Waited(String),
    /// Proposed, and then not heard of.
    FateUnknown,
    /// Too much in flight.
    Busy,
    /// The disk of the leader, which the sentence names, is full.
    NoSpace(String),
    /// The daemon stops; nothing was proposed.
    Stopping,
    /// The write was done; its answer is too large to come from the leader.
    DoneTooLarge,
    /// The write was decided before and changed nothing; its answer was too large to be kept.
    UndoneTooLarge,
    /// This door does not serve the keyspace.
    Closed,
    /// There is nobody of that name.
    NotFound(String),
    /// As things are it would do harm, or has no effect.
    NotNow(String),
    /// The cluster runs a feature level at which that is not there.
    Level(String),
    /// The id of the write was given to another request before.
    OtherRequest(String),
    /// See the text.
    Other(String),
}

impl From<CallFailure> for Failure {
    /// Of a call that changes nothing.
    fn from(failure: CallFailure) -> Self {
        Self::of_call(failure, false)
    }
}

impl Failure {
    /// What a call without an answer means for a request that does, or does not, change something.
    pub(super) fn of_call(failure: CallFailure, writes: bool) -> Self {
        match failure {
            CallFailure::Busy => Self::Busy,
            CallFailure::Stopping => Self::Stopping,
            CallFailure::Abandoned | CallFailure::Silent if writes => Self::FateUnknown,
            CallFailure::Abandoned => Self::Stopping,
            CallFailure::Silent => Self::TimedOut,
        }
    }

    /// An answer is there, and cannot be given. `changed`: what it answers changed something.
    pub(super) fn of_room(none: NoRoom, changed: bool) -> Self {
        match none {
            _ if changed => Self::DoneTooLarge,
            NoRoom::Now => Self::Busy,
            NoRoom::Ever => Self::Kv(KvError::AnswerTooLarge),
        }
    }

    /// What a refusal of the node means here.
    pub(super) fn of(refusal: Refusal, leader_known: bool) -> Self {
        match refusal.code() {
            RefusalCode::Kv => {
                let number = i32::try_from(refusal.detail).unwrap_or(0);
                Self::Kv(KvError::try_from(number).unwrap_or(KvError::Unspecified))
            }
            RefusalCode::FateUnknown => Self::FateUnknown,
            RefusalCode::DoneTooLarge => Self::DoneTooLarge,
            RefusalCode::UndoneTooLarge => Self::UndoneTooLarge,
            RefusalCode::TimedOut if leader_known => Self::TimedOut,
            RefusalCode::TimedOut => Self::NoLeader,
            RefusalCode::Busy => Self::Busy,
            RefusalCode::NoSpace => Self::NoSpace(refusal.text),
            RefusalCode::Stopping => Self::Stopping,
            RefusalCode::NotFound => Self::NotFound(refusal.text),
            RefusalCode::NotNow => Self::NotNow(refusal.text),
            RefusalCode::Level => Self::Level(refusal.text),
            RefusalCode::OtherRequest => Self::OtherRequest(refusal.text),
            _ => Self::Other(refusal.text),
        }
    }

    /// What the cluster has against it, where it was asked and refused; none where it could not be asked, or is to be asked again.
    pub(super) fn refusal(&self) -> Option<String> {
        match self {
            Self::NotFound(text)
            | Self::NotNow(text)
            | Self::Level(text)
            | Self::NoSpace(text)
            | Self::Other(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// Code and text for gRPC; etcd's own where etcd has one.
    pub(crate) fn grpc(&self) -> (Code, String) {
        let (code, text) = match self {
            Self::Kv(error) => (Code::from_i32(error.grpc_code()), error.text()),
            Self::NoLeader => (Code::Unavailable, "etcdserver: no leader"),
            Self::TimedOut => (Code::Unavailable, "etcdserver: request timed out"),
            Self::FateUnknown => (
                Code::Unavailable,
                "etcdserver: request timed out, possibly due to previous leader failure",
            ),
            Self::Busy => (Code::ResourceExhausted, "etcdserver: too many requests"),
            Self::NoSpace(_) => (Code::ResourceExhausted, KvError::NoSpace.text()),
            Self::Stopping => (Code::Unavailable, "etcdserver: server stopped"),
            Self::DoneTooLarge => return (Code::ResourceExhausted, ours(DONE_TOO_LARGE)),
            Self::UndoneTooLarge => return (Code::ResourceExhausted, ours(UNDONE_TOO_LARGE)),
            Self::Closed => return (Code::PermissionDenied, ours(CLOSED)),
            Self::Waited(text) => return (Code::Unavailable, ours(text)),
            Self::NotFound(text) => return (Code::NotFound, ours(text)),
            Self::NotNow(text) | Self::Level(text) => {
                return (Code::FailedPrecondition, ours(text));
            }
            Self::OtherRequest(text) => return (Code::InvalidArgument, ours(text)),
            Self::Other(text) => return (Code::Unknown, ours(text)),
        };
        (code, text.to_owned())
    }

    /// HTTP status and body for our own JSON.
    pub(crate) fn page(&self) -> (StatusCode, RefusalPage) {
        let (status, code, error) = match self {
            Self::Kv(error @ (KvError::KeyNotFound | KvError::LeaseNotFound)) => {
                (StatusCode::NOT_FOUND, "keyspace", error.sentence())
            }
            Self::Kv(error @ KvError::NoSpace) => {
                (StatusCode::INSUFFICIENT_STORAGE, error.word(), error.sentence())
            }
            Self::Kv(error) => (StatusCode::BAD_REQUEST, "keyspace", error.sentence()),
            Self::NoLeader => (StatusCode::SERVICE_UNAVAILABLE, "no-leader", NO_LEADER),
            Self::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "timeout", TIMED_OUT),
            Self::Waited(text) => (StatusCode::GATEWAY_TIMEOUT, "timeout", text.as_str()),
            Self::FateUnknown => (StatusCode::GATEWAY_TIMEOUT, "fate-unknown", FATE_UNKNOWN),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", BUSY),
            Self::NoSpace(text) => (StatusCode::INSUFFICIENT_STORAGE, "no-space", text.as_str()),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping", STOPPING),
            Self::DoneTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "done-too-large", DONE_TOO_LARGE),
            Self::UndoneTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "undone-too-large", UNDONE_TOO_LARGE)
            }
            Self::Closed => (StatusCode::FORBIDDEN, "closed", CLOSED),
            Self::NotFound(text) => (StatusCode::NOT_FOUND, "not-found", text.as_str()),
            Self::NotNow(text) => (StatusCode::CONFLICT, "not-now", text.as_str()),
            Self::Level(text) => (StatusCode::CONFLICT, "feature-level", text.as_str()),
            Self::OtherRequest(text) => (StatusCode::CONFLICT, "request-id", text.as_str()),
            Self::Other(text) => (StatusCode::CONFLICT, "refused", text.as_str()),
        };
        let detail = if let Self::Kv(error) = self { Some(error.word().to_owned()) } else { None };
        (status, RefusalPage { code: code.to_owned(), error: error.to_owned(), detail })
    }
}

const NO_LEADER: &str =
    "no leader was found in time; nothing was changed. `quorate why` says who is missing";
const TIMED_OUT: &str = "not done in time; nothing was changed. Try again, or wait longer (--timeout, quorate-timeout-ms)";
const FATE_UNKNOWN: &str = "the leader was lost while it worked on this, or its answer did not come in time: it may or may not have happened. Read before writing again";
const BUSY: &str = "too many requests are in flight; nothing was changed. Try again";
const STOPPING: &str = "the daemon is stopping; nothing was changed. Ask another node";
const DONE_TOO_LARGE: &str = "the write was done, and only its answer cannot be had: it is too large, or too many large answers wait for their clients. Do not repeat the write; read what it read with a limit, or in pages";
const UNDONE_TOO_LARGE: &str = "it was decided and changed nothing; its answer was too large to be kept. Ask under a new id to have it decided anew";
const CLOSED: &str = "neither the keyspace nor what makes the node act is served here; use the unix socket (with `keyspace_on_tcp = true` under [client] the TCP door serves the keyspace, too)";

/// Marks a sentence as ours, beside those of etcd.
fn ours(text: &str) -> String {
    format!("quorate: {text}")
}

/// Why an answer is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// Other answers have the places.
    Now,
    /// It would take more than half of all places.
    Ever,
}

/// A refusal as JSON.
pub(super) fn refusal(
    status: StatusCode,
    code: &str,
    error: &str,
) -> (StatusCode, Json<RefusalPage>) {
    (status, Json(RefusalPage { code: code.to_owned(), error: error.to_owned(), detail: None }))
}

/// What a client asked makes no sense; the text says what would.
pub(super) fn usage(text: &str) -> Response {
    refusal(StatusCode::BAD_REQUEST, "usage", text).into_response()
}

/// A failure as JSON.
pub(super) fn failed(failure: &Failure) -> Response {
    let (status, page) = failure.page();
    (status, Json(page)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_was_done_and_whose_answer_is_too_large_is_told_as_done_at_every_door() {
        let code = RefusalCode::DoneTooLarge.into();
        let failure = Failure::of(Refusal { code, detail: 0, text: String::new() }, true);
        let (status, page) = failure.page();
        assert_eq!((status, page.code.as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "done-too-large"));
        let (code, text) = failure.grpc();
        assert_eq!(code, Code::ResourceExhausted);
        assert!(text.contains("was done") && page.error.contains("Do not repeat"));
    }

    #[test]
    fn what_changed_nothing_and_whose_answer_was_not_kept_is_told_as_done_at_no_door() {
        let code = RefusalCode::UndoneTooLarge.into();
        let failure = Failure::of(Refusal { code, detail: 0, text: String::new() }, true);
        let (status, page) = failure.page();
        let told = (status, page.code.as_str());
        assert_eq!(told, (StatusCode::PAYLOAD_TOO_LARGE, "undone-too-large"));
        let (code, text) = failure.grpc();
        assert_eq!(code, Code::ResourceExhausted);
        for text in [text, page.error] {
            assert!(text.contains("changed nothing") && !text.contains("was done"), "{text}");
        }
        for none in [NoRoom::Now, NoRoom::Ever] {
            assert_ne!(Failure::of_room(none, false), Failure::DoneTooLarge);
        }
    }
}
