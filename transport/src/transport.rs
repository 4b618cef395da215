//! The handle that a node's shell holds: everything that can be asked of the transport.

use crate::accepted::Secrets;
use crate::bulk::{SnapshotOutcome, SnapshotPart, SnapshotPosition};
use crate::config::{BindError, TransportConfig};
use crate::connections::{BANNED, OTHER_KEY};
use crate::event::TransportEvent;
use crate::farewell::LAST_PACKETS;
use crate::greeting::check_own;
use crate::heartbeat_copies::GOSSIP;
use crate::identity::Identity;
use crate::links::LinkReport;
use crate::lock::lock;
use crate::refusal::{CLOSED, COPY, REVOKED, REVOKED_TEXT, TWICE, close_open};
use crate::requests::{self, RequestFailure};
use crate::secret::Secret;
use crate::shared::{Parts, Shared, WRITERS};
use crate::{bulk_out, endpoint};
use bytes::Bytes;
use quinn::VarInt;
use quorate_proto::{Frame, Hello, Instance, NodeKey, limits};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Longest wait for queued frames to leave when the transport closes, and again for the closing packets.
const FLUSH: Duration = Duration::from_millis(500);

/// The transport of one node. Clones are handles to the same; it closes with the last one.
#[derive(Clone)]
pub struct Transport {
    open: Arc<Open>,
}

/// Closes the endpoint, and with it all tasks, when the last handle goes.
struct Open {
    shared: Arc<Shared>,
    local: SocketAddr,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.endpoint.close(VarInt::from_u32(CLOSED), b"stopped");
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transport({})", self.open.local)
    }
}

impl Transport {
    /// Opens the UDP port and starts to take connections in. Must be called within a tokio runtime. `hello` is
    /// this node's own; everything that happens comes out of the other end of `events`, which holds all lanes up
    /// when it is full.
    ///
    /// # Errors
    /// When the port cannot be had, or the identity cannot be made.
    pub fn bind(
        config: TransportConfig,
        hello: Hello,
        events: mpsc::Sender<TransportEvent>,
    ) -> Result<Self, BindError> {
        check_own(&hello, &config.cluster).map_err(|reason| BindError::Hello { reason })?;
        let identity = Identity::new(&config.secrets, &config.key)?;
        let endpoint = endpoint::open(&config, &identity)?;
        let failed = |error| BindError::Socket { address: config.bind, error };
        let local = endpoint.local_addr().map_err(failed)?;
        let shared = Shared::new(Parts {
            secrets: Secrets::of(&identity, &hello, &config.timings),
            timings: config.timings,
            pair: config.key,
            endpoint: endpoint.clone(),
            listen: local,
            hello,
            events,
        });
        let accepting = shared.clone();
        shared.runtime.spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                accepting.peer_dialled_us(incoming);
            }
        });
        Ok(Self { open: Arc::new(Open { shared, local }) })
    }

    /// The UDP address in use.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.open.local
    }

    /// Connections that were turned away in their handshake since the start, by a stable word for the reason.
    #[must_use]
    pub fn turned_away(&self) -> Vec<(&'static str, u64)> {
        self.open.shared.turned_away.all()
    }

    /// From now on these secrets are accepted and no others; the first one is shown where the other side has no other wish. Links
    /// that stand go on: see [`Self::given_up`].
    ///
    /// # Errors
    /// When there are none, or no certificate can be made from them. Then nothing is changed.
    pub fn set_secrets(&self, secrets: &[Secret]) -> Result<(), BindError> {
        self.open.shared.set_secrets(secrets)
    }

    /// Returns when no link stands under one of these secrets, by their fingerprints, nor under one that is not accepted. Such a link is
    /// replaced by one under another secret, and cut only when its secret is not accepted and that has not come about in some seconds.
    pub async fn given_up(&self, secrets: &[String]) {
        self.open.shared.give_up(secrets).await;
    }

    /// From now on new connections carry this hello. One that cannot be sent is ignored, loudly.
    pub fn set_hello(&self, hello: Hello) {
        let length = prost_length(&hello);
        if hello.cluster != self.open.shared.secrets().side.cluster || length > limits::HELLO {
            tracing::error!(
                length,
                cluster = hello.cluster,
                "a hello that is not valid is ignored"
            );
            return;
        }
        self.open.shared.set_hello(hello);
    }

    /// Puts a frame into the peer's outbox, and dials the address when no session stands. Never blocks.
    pub fn send(&self, to: Instance, address: SocketAddr, frame: Frame) {
        let shared = &self.open.shared;
        let Some(peer) = shared.peer_at(to, address) else {
            // Banned, or more peers than there can be members.
            shared.tell_if_room(TransportEvent::Undelivered { to });
            return;
        };
        let (given_up, dial) = peer.push(shared.now(), address, frame);
        shared.report(&peer, given_up);
        if dial {
            shared.dial_if_needed(&peer);
        }
    }

    /// Sends a gossip packet on the session that stands. Without one it is dropped, and the address is dialled.
    pub fn send_datagram(&self, to: Instance, address: SocketAddr, bytes: Bytes) {
        let shared = &self.open.shared;
        let Some(peer) = shared.peer_at(to, address) else { return };
        let Some(link) = peer.standing() else {
            shared.dial_once(&peer);
            return;
        };
        let fits = bytes.len() <= limits::GOSSIP_PACKET;
        let packet = || [&[GOSSIP][..], &bytes].concat().into();
        if !fits || !link.send_datagram(packet(), &link.traffic.gossip_sent) {
            link.traffic.gossip_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Makes a session with whoever is at this address: a `SessionUp`, or a `DialFailed` that says why not. One
    /// dial at a time for each address; a session that stands already is told again.
    pub fn dial(&self, address: SocketAddr) {
        self.open.shared.dial(address);
    }

    /// Somebody is said to be at this address: dials for what waits do not wait for their pause to pass.
    pub fn is_there(&self, address: SocketAddr) {
        let shared = &self.open.shared;
        if lock(&shared.dials).is_there(std::time::Instant::now(), address) {
            shared.dial_ended.notify_waiters();
        }
    }

    /// Asks a peer, dialling it when no session stands.
    ///
    /// # Errors
    /// `NotSent` when it cannot have reached the peer's owner, `Lost` when it may have.
    pub fn request(
        &self,
        to: Instance,
        address: SocketAddr,
        bytes: Bytes,
        deadline: Duration,
    ) -> impl Future<Output = Result<Bytes, RequestFailure>> + Send + use<> {
        requests::ask(self.open.shared.clone(), to, address, bytes, deadline)
    }

    /// Streams a snapshot on connections of its own; one at a time for each peer. `read` opens it behind what the peer
    /// has of it already (or at its beginning, when that is not from this one), as often as a connection is lost, and
    /// must not block. The outcome comes once, in every case.
    pub fn send_snapshot<R>(
        &self,
        to: Instance,
        address: SocketAddr,
        header: Bytes,
        read: R,
    ) -> impl Future<Output = SnapshotOutcome> + Send + use<R>
    where
        R: Fn(SnapshotPosition) -> mpsc::Receiver<SnapshotPart> + Send + Sync + 'static,
    {
        bulk_out::send(self.open.shared.clone(), to, address, header, read)
    }

    /// Closes every connection with this instance and takes in no new one.
    pub fn ban(&self, instance: Instance) {
        let shared = &self.open.shared;
        if let Some(peer) = shared.ban(instance) {
            for link in peer.state().record.running() {
                close_open(&link.connection, CLOSED, BANNED.as_bytes());
            }
        }
        shared.snapshots_out.close(instance);
        shared.snapshots_in.close(instance);
    }

    /// Closes the session of this number, whose peer is a copy of a disk life that runs elsewhere, and says so to it; for the next
    /// 10 s that start of it is refused at once. Another session of the same instance goes on.
    pub fn turn_away(&self, instance: Instance, number: u64) {
        let standing = self.open.shared.peer(instance).and_then(|peer| peer.standing());
        if let Some(link) = standing.filter(|link| link.session.number == number) {
            self.open.shared.note_copy(instance, link.session.boot_nonce);
            close_open(&link.connection, TWICE, COPY.as_bytes());
        }
    }

    /// Closes every session in which this key speaks for this instance, and takes in no new one; another key may. A snapshot on its
    /// way is its owner's, whose key was looked at when it began.
    pub fn refuse_key(&self, instance: Instance, key: NodeKey) {
        let shared = &self.open.shared;
        shared.refuse_key(instance, key);
        if let Some(peer) = shared.peer(instance) {
            for link in peer.state().record.running() {
                if link.session.key == key {
                    close_open(&link.connection, CLOSED, OTHER_KEY.as_bytes());
                }
            }
        }
    }

    /// Closes every session with this key, whichever instance it speaks for, says why, and takes in no new one.
    pub fn revoke(&self, key: NodeKey) {
        let shared = &self.open.shared;
        for peer in shared.revoke(key) {
            for link in peer.state().record.running().filter(|link| link.session.key == key) {
                close_open(&link.connection, REVOKED, REVOKED_TEXT.as_bytes());
            }
            shared.snapshots_out.close(peer.instance);
            shared.snapshots_in.close(peer.instance);
        }
    }

    /// The state of the way to every known peer.
    #[must_use]
    pub fn links(&self) -> Vec<LinkReport> {
        let shared = &self.open.shared;
        let dials = |address| lock(&shared.dials).told(address);
        let now = (Instant::now(), shared.now());
        shared.all_peers().iter().map(|peer| LinkReport::of(peer, now, dials)).collect()
    }

    /// Sends what waits, lets askers have the answers that are being given, closes all connections with this reason, and
    /// waits until that was sent; half a second and a moment at most. A request that comes meanwhile is refused as not sent.
    pub async fn close(&self, reason: &str) {
        let shared = &self.open.shared;
        shared.closing.store(true, Ordering::Release);
        for peer in shared.all_peers() {
            let mut state = peer.state();
            state.closing = true;
            if let Some(link) = state.standing() {
                link.wake_both();
            }
        }
        let all = |count| u32::try_from(count).expect("a small constant");
        let (writers, answers) =
            (shared.writers.acquire_many(all(WRITERS)), shared.turns.all_over());
        let _ = tokio::time::timeout(FLUSH, async { tokio::join!(writers, answers) }).await;
        shared.endpoint.close(VarInt::from_u32(CLOSED), reason.as_bytes());
        // What mattered was taken before. The closing packets leave in this short while: QUIC would wait for three probe timeouts, in case
        // one is lost, and a restart with it.
        let _ = tokio::time::timeout(LAST_PACKETS, shared.endpoint.wait_idle()).await;
    }
}

fn prost_length(hello: &Hello) -> usize {
    use quorate_proto::Message as _;
    hello.encoded_len()
}
