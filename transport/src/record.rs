//! The connections of one peer by their names, and what all of them have carried.
//!
//! Invariant: no total ever falls, whatever connection takes the place of which: a link counts from its beginning to
//! its end, and what it counted is added to the sum when it ends.

use crate::link::Link;
use crate::sessions::LinkId;
use crate::traffic::{LaneBytes, Packets};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// All connections of one peer.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Links that have ended.
    ended: Carried,
    /// Links that have not; as many as `sessions` lets in.
    running: BTreeMap<LinkId, Arc<Link>>,
    /// Links that ever began.
    pub(crate) connections: u64,
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
    /// A connection was let in.
    pub(crate) fn begins(&mut self, link: Arc<Link>) {
        self.connections += 1;
        self.running.insert(link.id, link);
    }

    /// It is over.
    pub(crate) fn ends(&mut self, link: LinkId) {
        if let Some(link) = self.running.remove(&link) {
            self.ended.add(&Carried::by(&link));
        }
    }

    pub(crate) fn get(&self, link: LinkId) -> Option<&Arc<Link>> {
        self.running.get(&link)
    }

    /// All connections that have not ended.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.running.values()
    }

    /// Everything carried since the peer is known.
    pub(crate) fn total(&self) -> Carried {
        let mut total = self.ended;
        self.running().for_each(|link| total.add(&Carried::by(link)));
        total
    }
}
