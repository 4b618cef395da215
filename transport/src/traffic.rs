//! What is counted of a connection: bytes by lane, and packets that this node sent.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of frames by lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneBytes {
    /// Control lane.
    pub control: u64,
    /// Log lane.
    pub log: u64,
    /// Gossip packets.
    pub gossip: u64,
}

impl LaneBytes {
    pub(crate) fn add(&mut self, other: &Self) {
        self.control += other.control;
        self.log += other.log;
        self.gossip += other.gossip;
    }
}

/// Packets that were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Packets {
    /// Sent, without the probes that seek the path's MTU.
    pub sent: u64,
    /// Not acknowledged in time, so held to be lost; without those probes.
    pub lost: u64,
}

impl Packets {
    pub(crate) fn of(path: &quinn::PathStats) -> Self {
        let sent = path.sent_packets.saturating_sub(path.sent_plpmtud_probes);
        Self { sent, lost: path.lost_packets }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.lost += other.lost;
    }

    /// What came after an earlier look.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let sent = self.sent.saturating_sub(before.sent);
        Self { sent, lost: self.lost.saturating_sub(before.lost) }
    }
}

/// Bytes and packets of one link.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) control_sent: AtomicU64,
    pub(crate) log_sent: AtomicU64,
    pub(crate) gossip_sent: AtomicU64,
    pub(crate) control_received: AtomicU64,
    pub(crate) log_received: AtomicU64,
    pub(crate) gossip_received: AtomicU64,
    pub(crate) gossip_dropped: AtomicU64,
    pub(crate) overtaken: AtomicU64,
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Traffic {
    /// Sent, received, and gossip packets dropped.
    pub(crate) fn counted(&self) -> (LaneBytes, LaneBytes, u64) {
        let sent = LaneBytes {
            control: read(&self.control_sent),
            log: read(&self.log_sent),
            gossip: read(&self.gossip_sent),
        };
        let received = LaneBytes {
            control: read(&self.control_received),
            log: read(&self.log_received),
            gossip: read(&self.gossip_received),
        };
        (sent, received, read(&self.gossip_dropped))
    }
}
