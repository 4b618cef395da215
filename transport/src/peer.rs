//! One peer: its outbox, its sessions, and the connections that carry them.
//!
//! All of it changes under one lock, so what `sessions` decides is carried out before anybody sees it half done. The lock is
//! held for bookkeeping only, never across an await.

use crate::incoming::Incoming;
use crate::link::{InUse, Link};
use crate::lock::lock;
use crate::outbox::{FalseAcknowledgement, GivenUp, Outbox, Outgoing};
use crate::record::Record;
use crate::sessions::Sessions;
use crate::turns::Share;
use quorate_proto::{Frame, Instance, Lane, Moment, NodeKey};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// What changes about a peer.
#[derive(Debug)]
pub(crate) struct PeerState {
    pub(crate) outbox: Outbox,
    pub(crate) sessions: Sessions,
    /// The connections, by the names that `sessions` gave them.
    pub(crate) record: Record,
    pub(crate) address: SocketAddr,
    /// What came from the start of the peer that was seen last.
    pub(crate) incoming: Arc<Incoming>,
    /// A task dials this peer because something waits for it.
    pub(crate) dialling: bool,
    /// Requests that wait for a connection.
    pub(crate) waiting_requests: usize,
    /// The transport closes: writers end their streams once the outbox is empty.
    pub(crate) closing: bool,
}

/// One peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) instance: Instance,
    state: Mutex<PeerState>,
    /// Requests of it that are under way here.
    pub(crate) share: Share,
    /// Rings when a session stands, or the peer is to be dialled elsewhere.
    pub(crate) linked: Notify,
    /// An `Undelivered` is on its way to the owner; a second one would say the same.
    pub(crate) undelivered: AtomicBool,
}

/// Why a writer got no further frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// What it has is enough for one write.
    Full,
    /// Nothing waits.
    Nothing,
    /// This link takes no more frames: end the stream.
    Over,
}

impl PeerState {
    /// The link that carries the session.
    pub(crate) fn standing(&self) -> Option<&Arc<Link>> {
        self.record.get(self.sessions.standing()?)
    }
}

impl Peer {
    /// `key` is this node's own, `settled` the age from which a connection crosses with no other.
    pub(crate) fn new(
        now: Moment,
        instance: Instance,
        address: SocketAddr,
        key: NodeKey,
        settled: Duration,
    ) -> Arc<Self> {
        let state = PeerState {
            outbox: Outbox::new(now),
            sessions: Sessions::new(key, settled),
            record: Record::default(),
            address,
            incoming: Arc::default(),
            dialling: false,
            waiting_requests: 0,
            closing: false,
        };
        Arc::new(Self {
            instance,
            state: Mutex::new(state),
            share: Share::default(),
            linked: Notify::new(),
            undelivered: AtomicBool::new(false),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, PeerState> {
        lock(&self.state)
    }

    /// While this is held, the session does not end, and what came in it may be handed over. None when it is over.
    pub(crate) fn handing_over(&self, session: u64) -> Option<MutexGuard<'_, PeerState>> {
        Some(self.state()).filter(|state| state.sessions.hands_over(session))
    }

    /// The link that carries the session, when its connection is open as far as we know.
    pub(crate) fn standing(&self) -> Option<Arc<Link>> {
        self.state().standing().filter(|link| link.is_open()).cloned()
    }

    /// The same, counted as in use by a request until the guard goes.
    pub(crate) fn standing_for_request(&self) -> Option<InUse> {
        let state = self.state();
        // Counted under the lock under which a link is chosen: one that is not kept sees every request on it.
        let link = state.standing().filter(|link| link.is_open())?.clone();
        link.asking.send_modify(|asking| *asking += 1);
        Some(InUse { link })
    }

    /// Puts a frame into the outbox. Says what was given up for it and whether a dial is needed.
    pub(crate) fn push(
        &self,
        now: Moment,
        address: SocketAddr,
        frame: Frame,
    ) -> (Option<GivenUp>, bool) {
        let lane = frame.lane;
        let mut state = self.state();
        let given_up = state.outbox.push(now, frame);
        match state.standing() {
            Some(link) => {
                link.wake(lane);
                (given_up, false)
            }
            None => {
                if state.address != address {
                    state.address = address;
                    // Whoever dials waits for the pause of the address before.
                    self.linked.notify_waiters();
                }
                (given_up, !state.dialling)
            }
        }
    }

    /// Gives what waits to a writer of this link, until `take` says that it has enough. When it ends for another reason,
    /// what was given up until then comes with it.
    pub(crate) fn next_frames(
        &self,
        link: &Link,
        now: Moment,
        lane: Lane,
        mut take: impl FnMut(Outgoing) -> bool,
    ) -> (Next, Option<GivenUp>) {
        let mut state = self.state();
        if state.sessions.standing() != Some(link.id) {
            return (Next::Over, state.outbox.take_given_up());
        }
        while let Some(outgoing) = state.outbox.next_to_write(now, lane) {
            link.used.store(true, Ordering::Relaxed);
            if take(outgoing) {
                return (Next::Full, None);
            }
        }
        let next = if state.closing { Next::Over } else { Next::Nothing };
        (next, state.outbox.take_given_up())
    }

    /// The peer acknowledged log frames on this link; `first` when that opened the connection.
    pub(crate) fn acknowledged(
        &self,
        link: &Link,
        number: u64,
        first: bool,
    ) -> Result<(), FalseAcknowledgement> {
        let mut state = self.state();
        if !Arc::ptr_eq(&state.incoming, &link.incoming) {
            // A word of an earlier start of the peer.
            return Ok(());
        }
        let stands = state.sessions.standing() == Some(link.id);
        state.outbox.acknowledged(number, first && stands)?;
        if first && stands {
            link.wake(Lane::Log);
        }
        Ok(())
    }

    /// The peer is owed an acknowledgement: the writer of the standing link sees to it.
    pub(crate) fn owes_acknowledgement(&self) {
        if let Some(link) = self.state().standing() {
            link.wake(Lane::Control);
        }
    }
}
