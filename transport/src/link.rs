//! One connection of a peer, with what belongs to it alone: what wakes its tasks, and what it carried.
//!
//! It knows which session it carries, not how far that one has come: that is for `sessions` to say. Locks are held for
//! bookkeeping only, never across an await.

use crate::heartbeat_copies::Seen;
use crate::incoming::Incoming;
use crate::lock::lock;
use crate::round_trips::RoundTrips;
use crate::sessions::{LinkId, Met};
use crate::traffic::{Packets, Traffic};
use bytes::Bytes;
use quinn::Connection;
use quorate_proto::{Lane, Session};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::{Notify, watch};

/// One connection that carries, or carried, a session.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) connection: Connection,
    pub(crate) id: LinkId,
    pub(crate) met: Met,
    pub(crate) session: Arc<Session>,
    /// Rings once what the peer sent may be read.
    pub(crate) readable: Notify,
    pub(crate) since: Instant,
    pub(crate) traffic: Traffic,
    pub(crate) round_trips: Mutex<RoundTrips>,
    /// The peer's numbered frames, over all connections to this start of it.
    pub(crate) incoming: Arc<Incoming>,
    /// Packets that this side sent were lost of late.
    pub(crate) lossy: AtomicBool,
    /// The peer's control frames on this link.
    pub(crate) seen: Mutex<Seen>,
    /// Wakes the writers.
    pub(crate) control: Notify,
    pub(crate) log: Notify,
    /// Requests asked on this link that have no answer yet. A link that is not kept stays until there is none.
    pub(crate) asking: watch::Sender<usize>,
    /// Requests of the peer that are being answered on this link.
    pub(crate) answering: AtomicUsize,
    /// Something was sent or received since the last look.
    pub(crate) used: AtomicBool,
}

impl Link {
    pub(crate) fn new(
        connection: Connection,
        id: LinkId,
        met: Met,
        session: Arc<Session>,
        incoming: Arc<Incoming>,
    ) -> Arc<Self> {
        Arc::new(Self {
            connection,
            id,
            met,
            session,
            readable: Notify::new(),
            incoming,
            lossy: AtomicBool::new(false),
            seen: Mutex::default(),
            since: Instant::now(),
            traffic: Traffic::default(),
            round_trips: Mutex::new(RoundTrips::new()),
            control: Notify::new(),
            log: Notify::new(),
            asking: watch::Sender::new(0),
            answering: AtomicUsize::new(0),
            used: AtomicBool::new(true),
        })
    }

    /// Something came in: looks at the way, now and then.
    pub(crate) fn came_in(&self) {
        self.used.store(true, Ordering::Relaxed);
        let (mut trips, now) = (lock(&self.round_trips), Instant::now());
        if trips.due(now) {
            let path = self.connection.stats().path;
            trips.take(now, path.rtt);
            let packets = Packets::of(&path);
            self.lossy.store(trips.loses(now, packets.lost), Ordering::Relaxed);
            if trips.look_due(now) {
                trips.look(now, packets);
            }
        }
    }

    /// Sends a datagram and counts its bytes; those that wait longest give way. False when it is too large for the way.
    pub(crate) fn send_datagram(&self, bytes: Bytes, sent: &AtomicU64) -> bool {
        self.used.store(true, Ordering::Relaxed);
        let length = bytes.len() as u64;
        let left = self.connection.send_datagram(bytes).is_ok();
        if left {
            sent.fetch_add(length, Ordering::Relaxed);
        }
        left
    }

    pub(crate) fn wake(&self, lane: Lane) {
        match lane {
            Lane::Control => self.control.notify_one(),
            Lane::Log => self.log.notify_one(),
        }
    }

    pub(crate) fn wake_both(&self) {
        self.wake(Lane::Control);
        self.wake(Lane::Log);
    }

    /// Waits until every request asked on this link is answered.
    pub(crate) async fn all_answered(&self) {
        // The sender lives in `self`, so the wait ends only with the last answer.
        let _ = self.asking.subscribe().wait_for(|asking| *asking == 0).await;
    }

    /// Whether anything went over it since the last look, or a request waits for its answer, which may take long.
    pub(crate) fn was_used(&self) -> bool {
        let asked = *self.asking.borrow() > 0 || self.answering.load(Ordering::Relaxed) > 0;
        self.used.swap(false, Ordering::Relaxed) || asked
    }

    pub(crate) fn is_open(&self) -> bool {
        self.connection.close_reason().is_none()
    }
}

/// A link while a request is under way on it.
#[derive(Debug)]
pub(crate) struct InUse {
    pub(crate) link: Arc<Link>,
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.link.asking.send_modify(|asking| *asking -= 1);
    }
}
