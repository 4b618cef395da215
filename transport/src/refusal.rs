//! Why one side turns the other away, as the close code and text that travel, and what the receiver makes of any
//! end of a connection.

use crate::verifier::other_secret;
use quinn::{Connection, ConnectionError, TransportErrorCode, VarInt};
use quorate_proto::{DialFailure, Hello, SessionEnd, limits};

/// A close in good order: the node stops, or has no use for the connection.
pub(crate) const CLOSED: u32 = 0;
/// Another connection of the same pair is kept.
pub(crate) const REPLACED: u32 = 1;
/// The farewell was understood; or the snapshot was taken.
pub(crate) const DONE: u32 = 2;
const OTHER_CLUSTER: u32 = 16;
const PROTOCOL_RANGE: u32 = 17;
const MYSELF: u32 = 18;
const TURNED_AWAY: u32 = 19;
/// The other side broke the protocol; the text says how.
const BROKEN: u32 = 20;
/// The other side's disk life runs elsewhere too.
pub(crate) const TWICE: u32 = 21;
/// The other side's key is refused for good.
pub(crate) const REVOKED: u32 = 22;
/// The text to a host that was revoked.
pub(crate) const REVOKED_TEXT: &str = "this host was revoked: its key is refused here for good";
/// The text to a copy that the owner found out.
pub(crate) const COPY: &str =
    "this is a copy of a data directory that runs elsewhere, or that was started later";
/// On a stream: too much is under way, and nothing was looked at.
pub(crate) const BUSY_STREAM: u32 = 32;
/// On a stream: nobody answers this request any more.
pub(crate) const NO_ANSWER: u32 = 33;

/// Closes a connection that is open. Closing one that is lost already would overwrite the reason of the loss.
pub(crate) fn close_open(connection: &Connection, code: u32, text: &[u8]) {
    if connection.close_reason().is_none() {
        connection.close(VarInt::from_u32(code), text);
    }
}

/// Why the other side of a connection is turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its cluster has another name.
    OtherCluster { theirs: String },
    /// No protocol version in common.
    Protocol { theirs_min: u32, theirs_max: u32 },
    /// It is this very process.
    Myself,
    /// Its instance is banned, stale, held by another key, or there is no room; the text tells.
    TurnedAway(&'static str),
    /// Its disk life runs elsewhere too; the text tells.
    Twice(&'static str),
    /// Alike, and the owner has just said so itself.
    Copy,
    /// Its key is refused for good.
    Revoked,
    /// It broke the protocol.
    Broken(String),
}

/// This side's half of the comparison that some refusals tell about.
#[derive(Debug, Clone)]
pub(crate) struct OurSide {
    pub(crate) cluster: String,
    /// Of the secrets that are accepted here; of the one in use first.
    pub(crate) fingerprints: Vec<String>,
    /// Oldest and newest protocol version.
    pub(crate) protocol: (u32, u32),
}

impl OurSide {
    pub(crate) fn new(hello: &Hello, fingerprints: &[String]) -> Self {
        Self {
            cluster: hello.cluster.clone(),
            fingerprints: fingerprints.to_vec(),
            protocol: (hello.protocol_min, hello.protocol_max),
        }
    }

    fn mismatch(&self, theirs_min: u32, theirs_max: u32) -> DialFailure {
        let (ours_min, ours_max) = self.protocol;
        DialFailure::Protocol { theirs_min, theirs_max, ours_min, ours_max }
    }
}

impl Refusal {
    /// Closes the connection so that the other side learns why.
    pub(crate) fn close(&self, connection: &Connection, ours: &OurSide) {
        let (code, text) = match self {
            Self::OtherCluster { .. } => (OTHER_CLUSTER, ours.cluster.clone()),
            Self::Protocol { .. } => {
                (PROTOCOL_RANGE, format!("{} {}", ours.protocol.0, ours.protocol.1))
            }
            Self::Myself => (MYSELF, String::new()),
            Self::TurnedAway(text) => (TURNED_AWAY, (*text).to_owned()),
            Self::Twice(text) => (TWICE, (*text).to_owned()),
            Self::Copy => (TWICE, COPY.to_owned()),
            Self::Revoked => (REVOKED, REVOKED_TEXT.to_owned()),
            Self::Broken(text) => (BROKEN, text.clone()),
        };
        close_open(connection, code, cut(&text).as_bytes());
    }

    /// What this side reports when it was the one that dialled.
    pub(crate) fn failure(&self, ours: &OurSide) -> DialFailure {
        match self {
            Self::OtherCluster { theirs } => {
                DialFailure::OtherCluster { theirs: theirs.clone(), ours: ours.cluster.clone() }
            }
            Self::Protocol { theirs_min, theirs_max } => ours.mismatch(*theirs_min, *theirs_max),
            Self::Myself => DialFailure::Myself,
            Self::TurnedAway(text) => DialFailure::Handshake { reason: (*text).to_owned() },
            Self::Twice(text) => DialFailure::Copy { reason: (*text).to_owned() },
            Self::Copy => DialFailure::Copy { reason: COPY.to_owned() },
            Self::Revoked => {
                DialFailure::Handshake { reason: "its key was revoked in this cluster".to_owned() }
            }
            Self::Broken(text) => DialFailure::Handshake { reason: text.clone() },
        }
    }
}

/// Reasons travel and are shown; both ends bound them.
fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(limits::REASON).collect()
}

fn code_of(code: VarInt) -> u32 {
    u32::try_from(code.into_inner()).unwrap_or(BROKEN)
}

/// What a connection that ended before the hellos were in says about the address.
pub(crate) fn failure_of(error: &ConnectionError, ours: &OurSide) -> DialFailure {
    let text = match error {
        ConnectionError::TimedOut => return DialFailure::NoAnswer,
        ConnectionError::ApplicationClosed(close) => {
            let text = String::from_utf8_lossy(&close.reason);
            return closed_with(code_of(close.error_code), &text, ours);
        }
        ConnectionError::TransportError(error) => error.reason.clone(),
        // So says a host whose daemon is about to end: nobody serves there any more.
        ConnectionError::ConnectionClosed(close)
            if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
        {
            return DialFailure::NoAnswer;
        }
        ConnectionError::ConnectionClosed(close) => {
            String::from_utf8_lossy(&close.reason).into_owned()
        }
        _ => String::new(),
    };
    match other_secret(&text, &ours.fingerprints) {
        Some(theirs) => {
            let ours = ours.fingerprints.first().cloned().unwrap_or_default();
            DialFailure::OtherSecret { theirs, ours }
        }
        None => DialFailure::Handshake { reason: cut(&error.to_string()) },
    }
}

fn closed_with(code: u32, text: &str, ours: &OurSide) -> DialFailure {
    match code {
        OTHER_CLUSTER => {
            DialFailure::OtherCluster { theirs: cut(text), ours: ours.cluster.clone() }
        }
        PROTOCOL_RANGE => {
            let mut numbers = text.split(' ').filter_map(|word| word.parse().ok());
            match (numbers.next(), numbers.next()) {
                (Some(min), Some(max)) => ours.mismatch(min, max),
                _ => DialFailure::Handshake { reason: "another protocol version".to_owned() },
            }
        }
        MYSELF => DialFailure::Myself,
        TWICE => DialFailure::Twice,
        REVOKED => DialFailure::Revoked,
        _ if text.is_empty() => {
            DialFailure::Handshake { reason: "closed by the other side".to_owned() }
        }
        _ => DialFailure::Handshake { reason: cut(text) },
    }
}

/// How a session ended. None when this side closed it, and so knows better.
pub(crate) fn end_of(error: &ConnectionError) -> Option<SessionEnd> {
    match error {
        ConnectionError::LocallyClosed => None,
        ConnectionError::Reset => Some(SessionEnd::Reset),
        ConnectionError::TimedOut => Some(SessionEnd::TimedOut),
        ConnectionError::ApplicationClosed(close) => match code_of(close.error_code) {
            REPLACED => Some(SessionEnd::Replaced),
            BROKEN => Some(SessionEnd::Protocol),
            TWICE => Some(SessionEnd::Twice),
            REVOKED => Some(SessionEnd::Revoked),
            _ => Some(SessionEnd::Closed),
        },
        _ => Some(SessionEnd::Protocol),
    }
}
