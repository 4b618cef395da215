//! One simulated host: its disk, its address, and the node while it runs.

use crate::disk::Disk;
use crate::lanes::Cargo;
use crate::network::Door;
use quorate_node::{Input, Node};
use quorate_proto::{Generation, GenesisId, Instance, Moment, NodeKey};
use quorate_transport::inbox::Inbox;
use quorate_transport::outbox::{Outbox, PeerStart};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// The half of a connection that one host holds.
#[derive(Debug)]
pub struct Link {
    /// The other host.
    pub peer: usize,
    /// Which run of the other host this connection was made with.
    pub peer_run: u64,
    /// Number of the session at this host.
    pub number: u64,
    /// Number of the connection, the same at both ends.
    pub connection: u64,
    /// The peer's instance.
    pub instance: Instance,
    /// Where the peer was dialled; none when it dialled.
    pub dialled: Option<SocketAddr>,
    /// The addresses between which it runs; the same at both ends.
    pub doors: [Door; 2],
    /// Last sign of life.
    pub heard: Moment,
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
    pub genesis: Option<GenesisId>,
    /// Frames that wait or go, by peer instance.
    pub outboxes: BTreeMap<Instance, Outbox>,
    /// Which numbered frames came, by peer instance, of the start that was seen last.
    pub inboxes: BTreeMap<Instance, (PeerStart, Inbox)>,
    /// Connections that stand, by peer host.
    pub links: BTreeMap<usize, Link>,
    /// Hosts being dialled, and at which address.
    pub dialling: BTreeMap<usize, SocketAddr>,
    /// Instances that are not spoken with.
    pub banned: Vec<Instance>,
    /// Hosts that came with a copy of a disk whose original was connected.
    pub copies: BTreeSet<usize>,
    /// Sessions made so far.
    pub sessions: u64,
    /// The next moment at which the node wants a turn, as far as it is scheduled.
    pub wake: Option<Moment>,
    /// It was asked to stop, and may still be at it.
    pub asked_to_stop: bool,
    /// It has said goodbye.
    pub stopped: bool,
}

/// A host, on or off.
pub struct Host {
    /// Host name, `n1` for the first.
    pub name: String,
    /// Where it is.
    pub address: SocketAddr,
    /// Its packets leave from this other address, at which it is reached too, and it does not say which one counts.
    pub leaves_from: Option<SocketAddr>,
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
    /// No fsync ends before then.
    pub stalled_until: Moment,
    /// Each turn of its node takes up to so long.
    pub slow: Duration,
    /// The seeds in its config.
    pub seeds: Vec<String>,
    /// Its slot among them.
    pub slot: Option<usize>,
    /// Why it refuses to go on, if it does.
    pub halted: Option<String>,
}
