//! One simulated host: its disk, its address, and the node while it runs.

use crate::ailing::Ailing;
use crate::disk::Disk;
use crate::lanes::Cargo;
use crate::network::Door;
use quorate_node::{Input, Node};
use quorate_proto::{
    ClusterId, Fingerprint, Generation, Instance, Levels, Moment, NodeKey, SecretChange,
};
use quorate_transport::inbox::Inbox;
use quorate_transport::outbox::Outbox;
use quorate_transport::sessions::{LinkId, Met, Sessions};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The half of a connection that one host holds.
#[derive(Debug)]
pub struct Link {
    /// The other host.
    pub peer: usize,
    /// Which run of the other host this connection was made with.
    pub peer_run: u64,
    /// Number of the session at this host that it carries, or carried.
    pub session: u64,
    /// Number of the connection, the same at both ends.
    pub connection: u64,
    /// Its name among the connections with this peer.
    pub name: LinkId,
    /// The peer's instance.
    pub instance: Instance,
    /// Where it met the peer.
    pub met: Met,
    /// The addresses between which it runs; the same at both ends.
    pub doors: [Door; 2],
    /// Last sign of life.
    pub heard: Moment,
    /// What came on it may be handed over.
    pub readable: bool,
    /// The other end writes no more on it, and all that it wrote is read.
    pub read_out: bool,
    /// The number of the first log frame was written on it.
    pub numbered: bool,
    /// The peer has said what it has.
    pub acknowledged: bool,
    /// Log frames that came on it and are not acknowledged.
    pub owed: u64,
    /// What is held up by a cut way, in order.
    pub held: VecDeque<Cargo>,
}

/// A running daemon.
pub struct Process {
    /// The node.
    pub node: Node,
    /// Its disk life.
    pub instance: Instance,
    /// Its boot counter.
    pub generation: Generation,
    /// Random number of this start.
    pub boot_nonce: u64,
    /// Its key.
    pub key: NodeKey,
    /// What its hello carries.
    pub cluster_id: Option<ClusterId>,
    /// Frames that wait or go, by peer instance.
    pub outboxes: BTreeMap<Instance, Outbox>,
    /// Which numbered frames came, by peer instance, of the start that was seen last.
    pub inboxes: BTreeMap<Instance, Inbox>,
    /// Which connection carries frames, and what the node is told of it, by peer instance.
    pub sessions: BTreeMap<Instance, Sessions>,
    /// This host's halves of connections, by their number.
    pub links: BTreeMap<u64, Link>,
    /// Hosts being dialled, at which address, and whether the node asked for it.
    pub dialling: BTreeMap<usize, (SocketAddr, bool)>,
    /// Instances that are not spoken with.
    pub banned: Vec<Instance>,
    /// Keys that are refused.
    pub revoked: Vec<NodeKey>,
    /// Hosts that came with a copy of a disk whose original was connected.
    pub copies: BTreeSet<usize>,
    /// The change of the secret, as its node knows it.
    pub change: Arc<SecretChange>,
    /// The secrets that it accepts.
    pub secrets: Vec<Fingerprint>,
    /// Number of the last session.
    pub last_session: u64,
    /// The next moment at which the node wants a turn, as far as it is scheduled.
    pub wake: Option<Moment>,
    /// It was asked to stop, and may still be at it.
    pub asked_to_stop: bool,
    /// It has said goodbye.
    pub stopped: bool,
}

impl Link {
    /// A connection on which both hellos are just in, under the name and with the session that it was given.
    #[must_use]
    pub fn new(
        now: Moment,
        (peer, peer_run): (usize, u64),
        connection: u64,
        (name, session): (LinkId, u64),
        instance: Instance,
        met: Met,
        doors: [Door; 2],
    ) -> Self {
        Self {
            peer,
            peer_run,
            session,
            connection,
            name,
            instance,
            met,
            doors,
            heard: now,
            readable: false,
            read_out: false,
            numbered: false,
            acknowledged: false,
            owed: 0,
            held: VecDeque::new(),
        }
    }
}

impl Process {
    /// The connection that takes the frames for a peer.
    #[must_use]
    pub fn link_to(&self, instance: Instance) -> Option<&Link> {
        let standing = self.sessions.get(&instance)?.standing()?;
        self.links.values().find(|link| (link.instance, link.name) == (instance, standing))
    }

    /// The same for a host. When a disk life of it that is gone still has one, that of the last one.
    #[must_use]
    pub fn link_with(&self, peer: usize) -> Option<&Link> {
        let mut links = self.links.values().rev().filter(|link| link.peer == peer);
        links.find(|link| self.stands(link))
    }

    /// Whether a connection takes frames.
    #[must_use]
    pub fn stands(&self, link: &Link) -> bool {
        let sessions = self.sessions.get(&link.instance);
        sessions.is_some_and(|sessions| sessions.standing() == Some(link.name))
    }
}

/// A host, on or off.
pub struct Host {
    /// Host name, `n1` for the first.
    pub name: String,
    /// Where it is.
    pub address: SocketAddr,
    /// Its packets leave from this other address, at which it is reached too, and it does not say which one counts.
    pub leaves_from: Option<SocketAddr>,
    /// Version of the program that it has.
    pub software: String,
    /// The feature levels that this program can run.
    pub levels: Levels,
    /// Its disk.
    pub disk: Disk,
    /// The daemon, while the host is on.
    pub process: Option<Process>,
    /// Counts the starts of the daemon on this host, over all disks.
    pub run: u64,
    /// Frozen until then.
    pub paused_until: Option<Moment>,
    /// What arrived while it was frozen; taken in one turn when it thaws.
    pub inbox: Vec<Input>,
    /// What is wrong with its disk.
    pub ailing: Ailing,
    /// Each turn of its node takes up to so long.
    pub slow: Duration,
    /// The seeds in its config.
    pub seeds: Vec<String>,
    /// Its slot among them.
    pub slot: Option<usize>,
    /// Its secret file; empty: it says nothing of secrets.
    pub secrets: Vec<Fingerprint>,
    /// Why it refuses to go on, if it does.
    pub halted: Option<String>,
    /// Its clock is fast by so many parts in a million, or slow.
    pub clock_ppm: i64,
}
