//! What all tasks of one transport share, and how they speak to its owner.

use crate::accepted::Secrets;
use crate::bulk::UnderWay;
use crate::config::Timings;
use crate::dials::DialBook;
use crate::doorway::Doorway;
use crate::event::TransportEvent;
use crate::lock::lock;
use crate::outbox::GivenUp;
use crate::peer::Peer;
use crate::secret::NodeKeyPair;
use crate::turned_away::TurnedAway;
use crate::turns::Turns;
use quinn::Endpoint;
use quorate_proto::{Hello, Instance, Moment, NodeKey, limits};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, mpsc};

/// Peers that are remembered: all members twice over, for those that are replaced just now.
pub(crate) const PEERS: usize = 2 * limits::MEMBERS;
/// Dials of this node whose hellos are not in yet. Apart from the places of those who dial us, which a flood may fill.
pub(crate) const DIALS: usize = 256;
/// Snapshots being received at one time: each has a few chunks in memory and a disk to itself.
pub(crate) const SNAPSHOTS: usize = 4;

/// So long a copy is refused without the owner being asked anew. Else it would hold the place of the original again and again, for
/// as long as the owner needs to say no.
const COPY_REFUSED: Duration = Duration::from_secs(10);
/// Copies that are remembered for that.
const COPIES: usize = 64;

/// What all tasks of one transport share.
pub(crate) struct Shared {
    pub(crate) endpoint: Endpoint,
    /// The address of its socket.
    pub(crate) listen: SocketAddr,
    pub(crate) timings: Timings,
    /// This node's own key.
    pub(crate) pair: NodeKeyPair,
    secrets: Mutex<Arc<Secrets>>,
    pub(crate) runtime: Handle,
    pub(crate) dials: Mutex<DialBook>,
    /// Rings when any dial has ended.
    pub(crate) dial_ended: Notify,
    /// Dials of this node that are under way.
    pub(crate) dials_open: Arc<Semaphore>,
    pub(crate) turned_away: TurnedAway,
    /// Who may begin a handshake here.
    pub(crate) doorway: Mutex<Doorway>,
    /// Requests of other nodes under way.
    pub(crate) turns: Turns,
    pub(crate) snapshots: Arc<Semaphore>,
    /// Snapshots that are being sent.
    pub(crate) snapshots_out: UnderWay,
    /// Snapshots that are being received.
    pub(crate) snapshots_in: UnderWay,
    /// Log and control writers that have not ended yet, for an orderly close.
    pub(crate) writers: Arc<Semaphore>,
    pub(crate) closing: AtomicBool,
    hello: Mutex<Hello>,
    events: mpsc::Sender<TransportEvent>,
    peers: Mutex<BTreeMap<Instance, Arc<Peer>>>,
    banned: Mutex<BTreeSet<Instance>>,
    /// Instances with a key that does not speak for them; their owners come with another.
    refused_keys: Mutex<BTreeSet<(Instance, [u8; 32])>>,
    /// Keys that are refused for good, whoever comes with them.
    revoked: Mutex<BTreeSet<[u8; 32]>>,
    /// Starts that the owner took for copies, and when.
    copies: Mutex<BTreeMap<(Instance, u64), Instant>>,
    /// Whether there is any, so that the usual case asks no lock.
    bans: AtomicBool,
    started: Instant,
    numbers: AtomicU64,
}

/// What `Shared::new` is made of.
pub(crate) struct Parts {
    pub(crate) endpoint: Endpoint,
    pub(crate) listen: SocketAddr,
    pub(crate) timings: Timings,
    pub(crate) pair: NodeKeyPair,
    pub(crate) secrets: Secrets,
    pub(crate) hello: Hello,
    pub(crate) events: mpsc::Sender<TransportEvent>,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            endpoint: parts.endpoint,
            listen: parts.listen,
            timings: parts.timings,
            pair: parts.pair,
            secrets: Mutex::new(Arc::new(parts.secrets)),
            runtime: Handle::current(),
            dials: Mutex::default(),
            dial_ended: Notify::new(),
            dials_open: Arc::new(Semaphore::new(DIALS)),
            turned_away: TurnedAway::default(),
            doorway: Mutex::default(),
            turns: Turns::default(),
            snapshots: Arc::new(Semaphore::new(SNAPSHOTS)),
            snapshots_out: UnderWay::default(),
            snapshots_in: UnderWay::default(),
            writers: Arc::new(Semaphore::new(WRITERS)),
            closing: AtomicBool::new(false),
            hello: Mutex::new(parts.hello),
            events: parts.events,
            peers: Mutex::default(),
            banned: Mutex::default(),
            refused_keys: Mutex::default(),
            revoked: Mutex::default(),
            copies: Mutex::default(),
            bans: AtomicBool::new(false),
            started: Instant::now(),
            numbers: AtomicU64::new(0),
        })
    }

    /// What the secrets that are accepted now make of this node.
    pub(crate) fn secrets(&self) -> Arc<Secrets> {
        lock(&self.secrets).clone()
    }

    pub(crate) fn replace_secrets(&self, secrets: Secrets) {
        *lock(&self.secrets) = Arc::new(secrets);
    }

    /// Time since the start, in the outbox's words.
    pub(crate) fn now(&self) -> Moment {
        Moment::ZERO + self.started.elapsed()
    }

    /// When a moment of `now` is, on tokio's clock.
    pub(crate) fn instant(&self, moment: Moment) -> tokio::time::Instant {
        (self.started + moment.since(Moment::ZERO)).into()
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn hello(&self) -> Hello {
        lock(&self.hello).clone()
    }

    pub(crate) fn set_hello(&self, hello: Hello) {
        *lock(&self.hello) = hello;
    }

    /// Where events go.
    pub(crate) fn events(&self) -> &mpsc::Sender<TransportEvent> {
        &self.events
    }

    /// Hands an event over, waiting for room. False when the owner is gone.
    pub(crate) async fn tell(&self, event: TransportEvent) -> bool {
        self.events.send(event).await.is_ok()
    }

    /// Hands something of a session over, waiting for room. False when the session is over, or the owner is gone.
    pub(crate) async fn tell_of(&self, peer: &Peer, session: u64, event: TransportEvent) -> bool {
        let Ok(room) = self.events.reserve().await else { return false };
        let session = peer.handing_over(session);
        if session.is_some() {
            room.send(event);
        }
        session.is_some()
    }

    /// Hands an event over from where nothing may wait. Callers bound how many can be on their way.
    pub(crate) fn tell_soon(&self, event: TransportEvent) {
        if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            let events = self.events.clone();
            self.runtime.spawn(async move { events.send(event).await });
        }
    }

    /// Hands an event over if there is room now.
    pub(crate) fn tell_if_room(&self, event: TransportEvent) -> bool {
        self.events.try_send(event).is_ok()
    }

    /// Tells the owner that log frames to a peer were given up; one such event is on its way at a time.
    pub(crate) fn report(self: &Arc<Self>, peer: &Arc<Peer>, given_up: Option<GivenUp>) {
        if !given_up.is_some_and(|given_up| given_up.undelivered()) {
            return;
        }
        let event = TransportEvent::Undelivered { to: peer.instance };
        if self.tell_if_room(event) || peer.undelivered.swap(true, Ordering::AcqRel) {
            return;
        }
        let (shared, peer) = (self.clone(), peer.clone());
        self.runtime.spawn(async move {
            // Whatever is given up until there is room is told by this one event.
            if let Ok(permit) = shared.events.reserve().await {
                peer.undelivered.store(false, Ordering::Release);
                permit.send(TransportEvent::Undelivered { to: peer.instance });
            }
        });
    }

    pub(crate) fn peer(&self, instance: Instance) -> Option<Arc<Peer>> {
        lock(&self.peers).get(&instance).cloned()
    }

    pub(crate) fn all_peers(&self) -> Vec<Arc<Peer>> {
        lock(&self.peers).values().cloned().collect()
    }

    /// The peer, remembered from now on. None when the table is full of peers that are in use, or it is banned.
    pub(crate) fn peer_at(&self, instance: Instance, address: SocketAddr) -> Option<Arc<Peer>> {
        if self.is_banned(instance) {
            return None;
        }
        let mut peers = lock(&self.peers);
        if let Some(peer) = peers.get(&instance) {
            return Some(peer.clone());
        }
        if peers.len() >= PEERS {
            let idle = |peer: &Arc<Peer>| {
                let state = peer.state();
                let waits = state.dialling || state.waiting_requests > 0;
                state.sessions.is_quiet() && !waits && state.outbox.is_empty()
            };
            let unused =
                peers.iter().find(|(_, peer)| idle(peer)).map(|(instance, _)| *instance)?;
            peers.remove(&unused);
        }
        let peer =
            Peer::new(self.now(), instance, address, self.pair.public(), self.timings.settled());
        peers.insert(instance, peer.clone());
        Some(peer)
    }

    pub(crate) fn is_banned(&self, instance: Instance) -> bool {
        self.bans.load(Ordering::Acquire) && lock(&self.banned).contains(&instance)
    }

    /// Whether this key was found not to speak for this instance.
    pub(crate) fn refuses_key(&self, instance: Instance, key: NodeKey) -> bool {
        self.bans.load(Ordering::Acquire)
            && lock(&self.refused_keys).contains(&(instance, key.to_bytes()))
    }

    /// Remembers it. When there is no room, the owner refuses the key anew whenever it comes.
    pub(crate) fn refuse_key(&self, instance: Instance, key: NodeKey) {
        let mut refused = lock(&self.refused_keys);
        if refused.len() < PEERS {
            refused.insert((instance, key.to_bytes()));
            self.bans.store(true, Ordering::Release);
        }
    }

    /// Whether this key is refused for good.
    pub(crate) fn is_revoked(&self, key: NodeKey) -> bool {
        self.bans.load(Ordering::Acquire) && lock(&self.revoked).contains(&key.to_bytes())
    }

    /// Refuses a key from now on, and gives the peers that have it, which are forgotten.
    pub(crate) fn revoke(&self, key: NodeKey) -> Vec<Arc<Peer>> {
        let mut revoked = lock(&self.revoked);
        if revoked.len() < limits::REVOKED {
            revoked.insert(key.to_bytes());
            self.bans.store(true, Ordering::Release);
        } else {
            tracing::warn!(%key, "no room for another revoked key");
        }
        drop(revoked);
        let has_it = |_: &Instance, peer: &mut Arc<Peer>| {
            peer.state().record.running().any(|link| link.session.key == key)
        };
        lock(&self.peers).extract_if(.., has_it).map(|(_, peer)| peer).collect()
    }

    /// The owner takes this start of an instance for a copy. When there is no room, it says so anew whenever that comes.
    pub(crate) fn note_copy(&self, instance: Instance, boot_nonce: u64) {
        let mut copies = lock(&self.copies);
        copies.retain(|_, at| at.elapsed() < COPY_REFUSED);
        if copies.len() < COPIES {
            copies.insert((instance, boot_nonce), Instant::now());
            self.bans.store(true, Ordering::Release);
        }
    }

    /// Whether the owner took this start for a copy a moment ago.
    pub(crate) fn is_copy(&self, instance: Instance, boot_nonce: u64) -> bool {
        self.bans.load(Ordering::Acquire)
            && lock(&self.copies)
                .get(&(instance, boot_nonce))
                .is_some_and(|at| at.elapsed() < COPY_REFUSED)
    }

    /// Gives the peer that this is, which is forgotten.
    pub(crate) fn ban(&self, instance: Instance) -> Option<Arc<Peer>> {
        let mut banned = lock(&self.banned);
        if banned.len() >= PEERS && !banned.contains(&instance) {
            drop(banned);
            tracing::warn!(%instance, "no room for another banned instance");
            return self.peer(instance);
        }
        banned.insert(instance);
        self.bans.store(true, Ordering::Release);
        drop(banned);
        lock(&self.peers).remove(&instance)
    }
}

/// More writers than there can be: two for each link, and a peer has few links at a time.
pub(crate) const WRITERS: usize = 16 * PEERS;
