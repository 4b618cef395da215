//! What one peer's connections have carried, over all of them, and since when it has none.
//!
//! Invariant: no total ever falls, whatever connection takes the place of which: a link counts from its beginning to
//! its end, and what it counted is added to the sum when it ends.

use crate::link::Link;
use crate::lock::lock;
use crate::traffic::{LaneBytes, Packets};
use quorate_proto::SessionEnd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// All connections of one peer.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Links that have ended.
    ended: Carried,
    /// Links that have not; a handful, since each has an established connection of an admitted peer.
    running: Vec<Arc<Link>>,
    /// Links that ever began.
    pub(crate) connections: u64,
    /// When the last session ended, and how.
    pub(crate) gone: Option<(Instant, SessionEnd)>,
}

/// What links have carried.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Carried {
    pub(crate) sent: LaneBytes,
    pub(crate) received: LaneBytes,
    pub(crate) packets: Packets,
    pub(crate) gossip_dropped: u64,
    pub(crate) overtaken: u64,
}

impl Carried {
    pub(crate) fn by(link: &Link) -> Self {
        let (sent, received, gossip_dropped) = link.traffic.counted();
        let packets = Packets::of(&link.connection.stats().path);
        let overtaken = link.traffic.overtaken.load(Ordering::Relaxed);
        Self { sent, received, packets, gossip_dropped, overtaken }
    }

    fn add(&mut self, other: &Self) {
        self.sent.add(&other.sent);
        self.received.add(&other.received);
        self.packets.add(&other.packets);
        self.gossip_dropped += other.gossip_dropped;
        self.overtaken += other.overtaken;
    }
}

impl Record {
    /// All connections that have not ended.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.running.iter()
    }

    /// Everything carried since the peer is known.
    pub(crate) fn total(&self) -> Carried {
        let mut total = self.ended;
        self.running.iter().for_each(|link| total.add(&Carried::by(link)));
        total
    }
}

/// A link that is counted as running until this goes.
pub(crate) struct Counted<'a> {
    peer: &'a Mutex<Record>,
    link: &'a Arc<Link>,
}

impl<'a> Counted<'a> {
    pub(crate) fn new(peer: &'a Mutex<Record>, link: &'a Arc<Link>) -> Self {
        let mut record = lock(peer);
        record.connections += 1;
        record.running.push(link.clone());
        Self { peer, link }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut record = lock(self.peer);
        record.running.retain(|link| !Arc::ptr_eq(link, self.link));
        record.ended.add(&Carried::by(self.link));
    }
}
