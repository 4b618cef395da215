//! A link as programs read it: `quorate status --links -o json`, and what the table, the metrics and the diagnosis are
//! made of. Fields may be added, never renamed or removed. What is a number alone is a row of `figures`.

use super::figures::Figures;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// One link to a peer, for `quorate status --links`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LinkLine {
    /// Node name where it is known, else the short instance.
    pub(crate) name: String,
    /// The peer's instance.
    pub(crate) instance: String,
    /// Its role; empty for one that is no member.
    pub(crate) role: String,
    /// Where it is.
    pub(crate) address: Option<SocketAddr>,
    /// For how long the connection has been up; absent when it is not.
    pub(crate) up_seconds: Option<u64>,
    /// Without a connection: for how long the last one has been gone; absent when there was none.
    pub(crate) gone_seconds: Option<u64>,
    /// How it ended.
    pub(crate) gone_why: Option<String>,
    /// When the connection came up, or when it went, as RFC 3339; empty when there was none.
    pub(crate) since: String,
    /// Whether this node dialled it, or the peer.
    pub(crate) dialled: Option<bool>,
    /// The dials of its address that failed since the last one that did not.
    pub(crate) dials: Option<DialLine>,
    /// How long this node's pings to the peer took; absent where it sends none.
    pub(crate) pings: Option<PingLine>,
    /// Those by lane, with their bytes.
    pub(crate) waiting: Vec<WaitingLine>,
    /// Frames given up, by lane and cause.
    pub(crate) dropped: Vec<DroppedLine>,
    /// Bytes by lane on this connection.
    pub(crate) bytes: Vec<LaneLine>,
    /// Bytes by lane on all connections.
    pub(crate) total_bytes: Vec<LaneLine>,
    /// Its figures, each a field of its own on the page.
    #[serde(flatten)]
    pub(crate) figures: Figures,
    /// What is wrong with it, in words; empty when nothing is.
    pub(crate) findings: Vec<LinkFinding>,
}

/// Pings that were answered since the start: those of a leader, and a voter's to its leader. They travel like Raft's
/// heartbeats, and their times include the loops at both ends.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PingLine {
    /// How many.
    pub(crate) answers: u64,
    /// The sum of their times.
    pub(crate) sum_micros: u64,
    /// How many took no longer than so many milliseconds.
    pub(crate) within: Vec<WithinLine>,
}

/// See [`PingLine`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct WithinLine {
    /// The limit.
    pub(crate) millis: u64,
    /// How many.
    pub(crate) answers: u64,
}

/// Dials that failed, the last in a row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DialLine {
    /// How many.
    pub(crate) failures: u32,
    /// How long ago the first of them ended.
    pub(crate) since_seconds: u64,
    /// Short word for the last one: `no-answer`, `one-way`, `other-secret`, `other-cluster`, `protocol`, `myself`, `handshake`, `clone`.
    pub(crate) code: String,
    /// The same in words.
    pub(crate) why: String,
    /// How long ago the peer last began a handshake that came to nothing.
    pub(crate) knocked_seconds: Option<u64>,
}

/// Frames that wait in a lane.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct WaitingLine {
    /// Which lane.
    pub(crate) lane: String,
    /// Frames that were never written.
    pub(crate) frames: u64,
    /// Bytes that are kept; for the log lane with those of frames that are not acknowledged.
    pub(crate) bytes: u64,
}

/// Frames that a link gave up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DroppedLine {
    /// Which lane.
    pub(crate) lane: String,
    /// Why.
    pub(crate) cause: String,
    /// How many.
    pub(crate) frames: u64,
}

/// Bytes of a lane.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LaneLine {
    /// Which lane.
    pub(crate) lane: String,
    /// Bytes handed to the network.
    pub(crate) sent: u64,
    /// Bytes that came in.
    pub(crate) received: u64,
}

/// What is wrong with a link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LinkFinding {
    /// Short word, stable: `no-answer`, `one-way`, `refused`, `timed-out`, `loss`, `slow`, `behind`, `mtu`.
    pub(crate) code: String,
    /// The sentence.
    pub(crate) text: String,
    /// What that means.
    #[serde(default)]
    pub(crate) meaning: String,
    /// What helps.
    #[serde(default)]
    pub(crate) remedy: String,
}
