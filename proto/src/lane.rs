//! Lanes between nodes, and a frame on its way to one. A heartbeat must not wait behind a megabyte of log, so each lane has a
//! stream and bounds of its own.

use crate::GroupId;
use bytes::Bytes;
use std::time::Duration;

/// How a payload travels; each lane has its own order, bounds and behaviour when full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// One ordered stream; an unsent frame is superseded by a newer one of the same key; never sent again on another
    /// connection. On a link that loses packets, pings and heartbeats may overtake other frames.
    Control,
    /// One ordered stream of Raft messages; bounded bytes.
    Log,
}

/// What a control frame is, for superseding and for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameKind {
    /// A direct ping.
    Ping,
    /// Its answer.
    Pong,
    /// A Raft heartbeat or its answer.
    Heartbeat,
    /// A founding message.
    Founding,
    /// A dissent.
    Dissent,
    /// A detector's question or answer.
    Detector,
    /// A Raft message of the log lane.
    Raft,
    /// A goodbye.
    Farewell,
    /// What an operator should look at.
    Warnings,
}

impl FrameKind {
    /// Whether it is a heartbeat of some kind: repeated by its owner, and welcome before its turn.
    #[must_use]
    pub fn beats(self) -> bool {
        matches!(self, Self::Ping | Self::Pong | Self::Heartbeat)
    }
}

/// Two unsent control frames with equal keys: the newer replaces the older. `subject` tells apart what must
/// not replace each other (founding: a hash of message kind and ballot).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Supersede {
    /// Kind of frame.
    pub kind: FrameKind,
    /// The Raft group that it belongs to; what belongs to none counts as `__meta`'s.
    pub group: GroupId,
    /// What it is about.
    pub subject: u64,
}

/// A payload on its way to one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Which lane.
    pub lane: Lane,
    /// Control lane: what it may replace.
    pub supersede: Option<Supersede>,
    /// Worthless after this long unsent (an expired vote); none = until the bounds of the lane.
    pub expires: Option<Duration>,
    /// The encoded envelope.
    pub bytes: Bytes,
}
