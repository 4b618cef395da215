//! One peer: its outbox, its session, and the connection that carries it.
//!
//! Invariants: at most one session stands, and exactly one link of it (the *standing* one) takes frames from the
//! outbox; other links of the same session are only read until both sides are done with them. Locks are held for
//! bookkeeping only, never across an await.

use crate::incoming::Incoming;
use crate::link::{InUse, Life, Link};
use crate::lock::lock;
use crate::outbox::{FalseAcknowledgement, GivenUp, Outbox, Outgoing};
use crate::record::Record;
use crate::turns::Share;
use quorate_proto::{Frame, Instance, Lane, Moment};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// What changes about a peer.
#[derive(Debug)]
pub(crate) struct PeerState {
    pub(crate) outbox: Outbox,
    pub(crate) address: SocketAddr,
    pub(crate) standing: Option<Arc<Link>>,
    /// What came from the start of the peer that was seen last.
    pub(crate) incoming: Arc<Incoming>,
    /// The last session, standing or over, for the order of what is reported.
    pub(crate) last: Option<Arc<Life>>,
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
    pub(crate) record: Mutex<Record>,
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

impl Peer {
    pub(crate) fn new(now: Moment, instance: Instance, address: SocketAddr) -> Arc<Self> {
        let state = PeerState {
            outbox: Outbox::new(now),
            address,
            standing: None,
            incoming: Arc::default(),
            last: None,
            dialling: false,
            waiting_requests: 0,
            closing: false,
        };
        Arc::new(Self {
            instance,
            state: Mutex::new(state),
            share: Share::default(),
            record: Mutex::default(),
            linked: Notify::new(),
            undelivered: AtomicBool::new(false),
        })
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, PeerState> {
        lock(&self.state)
    }

    /// The link that carries the session, when its connection is open as far as we know.
    pub(crate) fn standing(&self) -> Option<Arc<Link>> {
        self.state().standing.clone().filter(|link| link.is_open())
    }

    /// The same, counted as in use by a request until the guard goes.
    pub(crate) fn standing_for_request(&self) -> Option<InUse> {
        let state = self.state();
        // Counted under the lock under which a link is chosen: one that is not kept sees every request on it.
        let link = state.standing.clone().filter(|link| link.is_open())?;
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
        match &state.standing {
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
        link: &Arc<Link>,
        now: Moment,
        lane: Lane,
        mut take: impl FnMut(Outgoing) -> bool,
    ) -> (Next, Option<GivenUp>) {
        let mut state = self.state();
        if !state.standing.as_ref().is_some_and(|standing| Arc::ptr_eq(standing, link)) {
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
        link: &Arc<Link>,
        number: u64,
        first: bool,
    ) -> Result<(), FalseAcknowledgement> {
        let mut state = self.state();
        if !Arc::ptr_eq(&state.incoming, &link.incoming) {
            // A word of an earlier start of the peer.
            return Ok(());
        }
        let stands = state.standing.as_ref().is_some_and(|standing| Arc::ptr_eq(standing, link));
        state.outbox.acknowledged(number, first && stands)?;
        if first && stands {
            link.wake(Lane::Log);
        }
        Ok(())
    }

    /// The peer is owed an acknowledgement: the writer of the standing link sees to it.
    pub(crate) fn owes_acknowledgement(&self) {
        if let Some(link) = &self.state().standing {
            link.wake(Lane::Control);
        }
    }
}
