//! A link as programs read it: `quorate status --links -o json`, and what the table, the metrics and the judgement are
//! made of. Fields may be added, never renamed or removed. Knows nothing of the transport.

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
    /// Connections that this peer ever had, since the daemon started.
    pub(crate) connections: u64,
    /// The dials of its address that failed since the last one that did not.
    pub(crate) dials: Option<DialLine>,
    /// Round trip as the transport estimates it now.
    pub(crate) rtt_micros: Option<u64>,
    /// The shortest on this connection.
    pub(crate) rtt_min_micros: Option<u64>,
    /// Median of that estimate over the last 128 looks at it, ten a second at most.
    pub(crate) rtt_p50_micros: Option<u64>,
    /// Its 99th percentile.
    pub(crate) rtt_p99_micros: Option<u64>,
    /// How long this node's pings to the peer took; absent where it sends none.
    pub(crate) pings: Option<PingLine>,
    /// Largest UDP payload that passes.
    pub(crate) mtu: Option<u16>,
    /// Times that packets of a size that had passed no longer did.
    pub(crate) black_holes: u64,
    /// Packets sent on this connection.
    pub(crate) sent_packets: u64,
    /// Packets lost on this connection.
    pub(crate) lost_packets: u64,
    /// The same of the last ten to twenty seconds; what is lost on the way here is in the other node's report.
    pub(crate) recent_sent_packets: u64,
    /// See `recent_sent_packets`.
    pub(crate) recent_lost_packets: u64,
    /// Lost of those that were sent of late, in hundredths; absent before the first packet.
    pub(crate) loss_percent: Option<f64>,
    /// Frames that wait for the connection.
    pub(crate) waiting_frames: u64,
    /// Those by lane, with their bytes.
    pub(crate) waiting: Vec<WaitingLine>,
    /// Log frames that were written and not acknowledged.
    pub(crate) unacknowledged: u64,
    /// Log frames that were written a second time, because a connection was lost.
    pub(crate) retransmitted: u64,
    /// Log frames that came a second time and were dropped.
    pub(crate) duplicates: u64,
    /// Heartbeats of the peer that a lost packet would have held up, had not a copy come first.
    pub(crate) overtaken: u64,
    /// Control frames that a newer one replaced before they were written.
    pub(crate) superseded: u64,
    /// Frames given up, by lane and cause.
    pub(crate) dropped: Vec<DroppedLine>,
    /// Gossip packets that were not sent or not taken in.
    pub(crate) gossip_dropped: u64,
    /// Bytes by lane on this connection.
    pub(crate) bytes: Vec<LaneLine>,
    /// Bytes by lane on all connections.
    pub(crate) total_bytes: Vec<LaneLine>,
    /// Packets sent on all connections.
    pub(crate) total_sent_packets: u64,
    /// Packets lost on all connections.
    pub(crate) total_lost_packets: u64,
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
