//! The ordered lanes of the simulated shell: the real outbox at one end, the real inbox at the other, and connections
//! in between that may break at any frame.
//!
//! Mirrors the transport: the first word on a connection says what its sender has, acknowledgements ride along with
//! control frames or go after a while, heartbeats may overtake where packets are lost, and what waits for a peer
//! without a connection is dialled for with pauses.

use crate::shipping::{CONTROL, LOG};
use crate::world::{Happening, World};
use bytes::Bytes;
use quorate_node::Input;
use quorate_proto::{Frame, FrameKind, Instance, Lane, SessionEnd};
use quorate_transport::inbox::{Arrival, Inbox};
use quorate_transport::outbox::{GivenUp, Outbox, PeerStart};
use std::net::SocketAddr;
use std::time::Duration;

/// An acknowledgement waits so long for a control frame to ride along with.
const ACKNOWLEDGE_AFTER: Duration = Duration::from_millis(200);
/// First and last pause between dials.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// What travels on a connection.
#[derive(Debug)]
pub enum Cargo {
    /// Handed to the node as it is.
    Input(Box<Input>),
    /// A log frame, or the place of one that is skipped; `opens` the first on its connection.
    Log { number: u64, opens: bool, bytes: Option<Bytes> },
    /// The last log frame that was handed over.
    Acknowledgement { number: u64 },
}

/// Something under way on a connection.
#[derive(Debug)]
pub(crate) struct Shipment {
    pub(crate) from: usize,
    pub(crate) host: usize,
    pub(crate) connection: u64,
    pub(crate) cargo: Box<Cargo>,
}

impl Shipment {
    pub(crate) fn new(from: usize, host: usize, connection: u64, cargo: Cargo) -> Self {
        Self { from, host, connection, cargo: Box::new(cargo) }
    }
}

impl World {
    /// A connection stands at this end: says what came before, and writes what waits.
    pub(crate) fn open_lanes(&mut self, host: usize, peer: usize) {
        let Some(other) = self.hosts[peer].process.as_ref() else { return };
        let start = PeerStart { generation: other.generation, boot_nonce: other.boot_nonce };
        let instance = other.instance;
        let now = self.now;
        let Some(process) = &mut self.hosts[host].process else { return };
        let outbox = process.outboxes.entry(instance).or_insert_with(|| Outbox::new(now));
        let given_up = outbox.connection_up(start);
        let inbox = process.inboxes.entry(instance).or_insert((start, Inbox::default()));
        if inbox.0 != start {
            *inbox = (start, Inbox::default());
            let (sender, receiver) = ((peer, self.hosts[peer].run), (host, self.hosts[host].run));
            self.checks.numbers_forgotten(sender, receiver);
        }
        self.tell_given_up(host, instance, given_up);
        self.acknowledge(host, peer);
        self.drain(host, peer);
    }

    fn tell_given_up(&mut self, host: usize, to: Instance, given_up: Option<GivenUp>) {
        if given_up.is_some_and(|given_up| given_up.undelivered()) {
            let run = self.hosts[host].run;
            let input = Box::new(Input::Undelivered { to });
            self.schedule(self.now, Happening::Arrive { host, run, input });
        }
    }

    /// Tells a peer what came from it.
    pub(crate) fn acknowledge(&mut self, host: usize, peer: usize) {
        let Some(process) = &mut self.hosts[host].process else { return };
        let Some(link) = process.links.get_mut(&peer) else { return };
        link.owed = 0;
        let (connection, instance) = (link.connection, link.instance);
        let number = process.inboxes.get(&instance).map_or(0, |(_, inbox)| inbox.last());
        let cargo = Cargo::Acknowledgement { number };
        let at = self.network.stream_arrival(self.now, &mut self.random, host, peer, CONTROL);
        self.schedule(at, Happening::Deliver(Shipment::new(host, peer, connection, cargo)));
    }

    /// Writes what waits for a peer onto the connection that stands, which may break under any frame.
    pub(crate) fn drain(&mut self, host: usize, peer: usize) {
        let now = self.now;
        for lane in [Lane::Control, Lane::Log] {
            loop {
                let Some(process) = &mut self.hosts[host].process else { return };
                let Some(link) = process.links.get_mut(&peer) else { return };
                let Some(outbox) = process.outboxes.get_mut(&link.instance) else { return };
                let Some(outgoing) = outbox.next_to_write(now, lane) else { break };
                let (connection, me, to) = (link.connection, process.instance, link.instance);
                outgoing.bytes.iter().for_each(|bytes| self.overheard.frame(lane, bytes));
                let rides = lane == Lane::Control && link.owed > 0;
                let (cargo, number) = if lane == Lane::Control {
                    let bytes = outgoing.bytes.unwrap_or_default();
                    (Cargo::Input(Box::new(Input::Frame { from: me, lane, bytes })), CONTROL)
                } else {
                    let opens = !std::mem::replace(&mut link.numbered, true);
                    let sender = (host, self.hosts[host].run);
                    self.checks.log_written(sender, to, outgoing.number, outgoing.bytes.as_ref());
                    (Cargo::Log { number: outgoing.number, opens, bytes: outgoing.bytes }, LOG)
                };
                let doomed = lane == Lane::Log && self.network.drops_log_frame(host, peer);
                if doomed || self.network.breaks(&mut self.random) {
                    self.break_connection(host, peer);
                    return;
                }
                if rides {
                    self.acknowledge(host, peer);
                }
                let mut at = self.network.stream_arrival(now, &mut self.random, host, peer, number);
                let beats = outgoing.kind.is_some_and(FrameKind::beats);
                if beats && let Some(copy) = self.network.copy_arrival(now, &mut self.random) {
                    at = at.min(copy);
                }
                self.schedule(at, Happening::Deliver(Shipment::new(host, peer, connection, cargo)));
            }
        }
        let Some(process) = &mut self.hosts[host].process else { return };
        let Some(instance) = process.links.get(&peer).map(|link| link.instance) else { return };
        let given_up = process.outboxes.get_mut(&instance).and_then(Outbox::take_given_up);
        self.tell_given_up(host, instance, given_up);
    }

    /// Both ends lose their connection, and what is under way on it is gone.
    pub(crate) fn break_connection(&mut self, host: usize, peer: usize) {
        self.lose_link(host, peer, SessionEnd::TimedOut);
        self.lose_link(peer, host, SessionEnd::TimedOut);
    }

    pub(crate) fn send(&mut self, host: usize, to: Instance, address: SocketAddr, frame: Frame) {
        let now = self.now;
        self.mix(&[&frame.bytes, &to.to_bytes()]);
        let Some(process) = &mut self.hosts[host].process else { return };
        let outbox = process.outboxes.entry(to).or_insert_with(|| Outbox::new(now));
        let given_up = outbox.push(now, frame);
        let link = process.links.values().find(|link| link.instance == to).map(|link| link.peer);
        self.tell_given_up(host, to, given_up);
        match link {
            Some(peer) => self.drain(host, peer),
            None => self.dial(host, address, false),
        }
    }

    /// The pause before the next dial is cut short.
    pub(crate) fn is_there(&mut self, host: usize, address: SocketAddr) {
        let Some(peer) = self.host_at(address) else { return };
        let Some(instance) = self.hosts[peer].process.as_ref().map(|process| process.instance)
        else {
            return;
        };
        let run = self.hosts[host].run;
        let redial = Happening::Redial { host, run, peer, instance, failures: 0 };
        self.schedule(self.now, redial);
    }

    /// Gives up what has waited too long, and dials for the rest.
    pub(crate) fn redial(
        &mut self,
        host: usize,
        run: u64,
        peer: usize,
        instance: Instance,
        failures: u32,
    ) {
        let now = self.now;
        let place = &mut self.hosts[host];
        let Some(process) = place.process.as_mut().filter(|_| place.run == run) else { return };
        if process.links.values().any(|link| link.instance == instance) {
            return;
        }
        let Some(outbox) = process.outboxes.get_mut(&instance) else { return };
        let given_up = outbox.expire(now);
        let waits = !outbox.is_empty();
        self.tell_given_up(host, instance, given_up);
        if waits {
            self.dial(host, self.hosts[peer].address, false);
            let pause = BACKOFF.0.saturating_mul(1 << failures.min(10)).min(BACKOFF.1);
            let failures = failures + 1;
            let again = Happening::Redial { host, run, peer, instance, failures };
            self.schedule(now + pause, again);
        }
    }

    /// Something arrived on a connection that stands.
    pub(crate) fn unload(&mut self, from: usize, host: usize, cargo: Cargo) {
        match cargo {
            Cargo::Input(input) => self.give(host, *input),
            Cargo::Log { number, opens, bytes } => {
                self.take_log_frame(from, host, number, opens, bytes);
            }
            Cargo::Acknowledgement { number } => {
                let Some(process) = &mut self.hosts[host].process else { return };
                let Some(link) = process.links.get_mut(&from) else { return };
                let first = !std::mem::replace(&mut link.acknowledged, true);
                let Some(outbox) = process.outboxes.get_mut(&link.instance) else { return };
                outbox.acknowledged(number, first).expect("only what was sent is acknowledged");
                if first {
                    self.drain(host, from);
                }
            }
        }
    }

    fn take_log_frame(
        &mut self,
        from: usize,
        host: usize,
        number: u64,
        opens: bool,
        bytes: Option<Bytes>,
    ) {
        let receiver = (host, self.hosts[host].run);
        let now = self.now;
        let Some(process) = &mut self.hosts[host].process else { return };
        let me = process.instance;
        let Some(link) = process.links.get_mut(&from) else { return };
        let (connection, instance) = (link.connection, link.instance);
        // The sender may have been started again since.
        let sender = (from, link.peer_run);
        let Some((_, inbox)) = process.inboxes.get_mut(&instance) else { return };
        match inbox.judge(number, opens) {
            Arrival::New => inbox.handed(number),
            Arrival::Again => return,
            Arrival::Gap => panic!("log frame {number} came without those before it"),
        }
        link.owed += 1;
        if link.owed == 1 {
            let at = now + ACKNOWLEDGE_AFTER;
            self.schedule(at, Happening::Acknowledge { host, peer: from, connection });
        }
        let given_up = self.hosts[from]
            .process
            .as_ref()
            .filter(|_| self.hosts[from].run == sender.1)
            .and_then(|sender| Some(sender.outboxes.get(&me)?.given_up()));
        self.checks.log_handed(sender, me, receiver, number, bytes.as_ref(), given_up);
        if let Some(bytes) = bytes {
            self.give(host, Input::Frame { from: instance, lane: Lane::Log, bytes });
        }
    }
}
