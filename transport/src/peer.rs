//! One peer: its outbox, its session, and the connection that carries it.
//!
//! Invariants: at most one session stands, and exactly one link of it (the *standing* one) takes frames from the
//! outbox; other links of the same session are only read until both sides are done with them. Locks are held for
//! bookkeeping only, never across an await.

use crate::copies::Seen;
use crate::incoming::Incoming;
use crate::links::Packets;
use crate::outbox::{FalseAcknowledgement, GivenUp, Outbox, Outgoing};
use crate::record::Record;
use crate::round_trips::RoundTrips;
use crate::shared::lock;
use crate::turns::Share;
use bytes::Bytes;
use quinn::Connection;
use quorate_proto::{Frame, Instance, Lane, Moment, Session, SessionEnd};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::{Notify, watch};

/// A session through all connections that carry it, and how far its owner has been told of it.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) session: Session,
    /// The address that the owner was told last. The session may go on from another.
    pub(crate) announced: Mutex<SocketAddr>,
    /// `SessionUp` has been handed over.
    pub(crate) up: watch::Sender<bool>,
    /// A link has taken it on itself to announce the session.
    pub(crate) announcing: AtomicBool,
    /// `SessionDown` is being handed over: nothing of this session is from now on. Held while something is.
    pub(crate) over: Mutex<bool>,
    /// `SessionDown` has been handed over.
    pub(crate) down: watch::Sender<bool>,
    /// The session before this one, which must be reported as over first.
    pub(crate) before: Mutex<Option<Arc<Life>>>,
}

impl Life {
    pub(crate) fn new(session: Session, before: Option<Arc<Self>>) -> Arc<Self> {
        let (up, down) = (watch::Sender::new(false), watch::Sender::new(false));
        let (announcing, before) = (AtomicBool::new(false), Mutex::new(before));
        let announced = Mutex::new(session.address);
        let over = Mutex::new(false);
        Arc::new(Self { session, announced, up, announcing, over, down, before })
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

/// One connection that carries, or carried, a session.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) connection: Connection,
    /// Where the peer is reached, as this connection shows.
    pub(crate) address: SocketAddr,
    /// Whether this side dialled it.
    pub(crate) dialled: bool,
    pub(crate) life: Arc<Life>,
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
    /// Another session took the place of this link's, with the end to report. Looked at and changed only under the lock of
    /// the peer's state, where it is also decided which link stands.
    pub(crate) displaced: Mutex<Option<SessionEnd>>,
}

impl Link {
    pub(crate) fn new(
        connection: Connection,
        address: SocketAddr,
        dialled: bool,
        life: Arc<Life>,
        incoming: Arc<Incoming>,
    ) -> Arc<Self> {
        Arc::new(Self {
            connection,
            address,
            dialled,
            life,
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
            displaced: Mutex::new(None),
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
