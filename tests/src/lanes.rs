//! The ordered lanes of the simulated shell: the real outbox at one end, the real inbox at the other, and connections
//! in between that may break at any frame.
//!
//! Mirrors the transport: the first word on a connection says what its sender has, acknowledgements ride along with
//! control frames or go after a while, heartbeats may overtake where packets are lost, a connection that takes no frames any
//! more is read to its end, and what waits for a peer without a connection is dialled for with pauses.

use crate::shell::{CONTROL, LOG};
use crate::world::{SimEvent, World};
use bytes::Bytes;
use quorate_node::Input;
use quorate_proto::{Frame, FrameKind, Instance, Lane, SessionEnd};
use quorate_transport::inbox::{Arrival, Inbox};
use quorate_transport::outbox::{GivenUp, Outbox};
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
    /// Nothing comes behind this.
    End,
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
    /// A connection was let in at this end: says what came before, and writes what waits, if it takes the frames.
    pub(crate) fn open_lanes(&mut self, host: usize, connection: u64) {
        self.acknowledge(host, connection);
        let link = self.hosts[host].process.as_ref().and_then(|p| p.links.get(&connection));
        let Some(instance) = link.map(|link| link.instance) else { return };
        if self.writes_on(host, connection) {
            self.drain(host, instance);
        } else {
            self.end_streams(host, connection);
        }
    }

    /// Nothing more is written on a connection. Its other end hears that behind all that was.
    pub(crate) fn end_streams(&mut self, host: usize, connection: u64) {
        let Some(process) = &self.hosts[host].process else { return };
        let Some(peer) = process.links.get(&connection).map(|link| link.peer) else { return };
        let arrivals = [CONTROL, LOG]
            .map(|lane| self.network.stream_arrival(self.now, &mut self.random, host, peer, lane));
        let at = arrivals[0].max(arrivals[1]);
        self.schedule(at, SimEvent::Deliver(Shipment::new(host, peer, connection, Cargo::End)));
    }

    pub(crate) fn tell_given_up(&mut self, host: usize, to: Instance, given_up: Option<GivenUp>) {
        if given_up.is_some_and(|given_up| given_up.undelivered()) {
            let run = self.hosts[host].run;
            let input = Box::new(Input::Undelivered { to });
            self.schedule(self.now, SimEvent::Arrive { host, run, input });
        }
    }

    /// Tells a peer what came from it.
    pub(crate) fn acknowledge(&mut self, host: usize, connection: u64) {
        let Some(process) = &mut self.hosts[host].process else { return };
        let Some(link) = process.links.get_mut(&connection) else { return };
        link.owed = 0;
        let (peer, instance) = (link.peer, link.instance);
        let number = process.inboxes.get(&instance).map_or(0, Inbox::last);
        let cargo = Cargo::Acknowledgement { number };
        let at = self.network.stream_arrival(self.now, &mut self.random, host, peer, CONTROL);
        self.schedule(at, SimEvent::Deliver(Shipment::new(host, peer, connection, cargo)));
    }

    /// Writes what waits for a peer onto the connection that stands, which may break under any frame.
    pub(crate) fn drain(&mut self, host: usize, instance: Instance) {
        let now = self.now;
        for lane in [Lane::Control, Lane::Log] {
            loop {
                let Some(process) = &mut self.hosts[host].process else { return };
                let Some(link) = process.link_to(instance) else { return };
                let (peer, connection, me) = (link.peer, link.connection, process.instance);
                let Some(outbox) = process.outboxes.get_mut(&instance) else { return };
                let Some(outgoing) = outbox.next_to_write(now, lane) else { break };
                let Some(link) = process.links.get_mut(&connection) else { return };
                outgoing.bytes.iter().for_each(|bytes| self.overheard.frame(lane, bytes));
                let rides = lane == Lane::Control && link.owed > 0;
                let (cargo, number) = if lane == Lane::Control {
                    let bytes = outgoing.bytes.unwrap_or_default();
                    (Cargo::Input(Box::new(Input::Frame { from: me, lane, bytes })), CONTROL)
                } else {
                    let opens = !std::mem::replace(&mut link.numbered, true);
                    let (sender, number) = ((host, self.hosts[host].run), outgoing.number);
                    self.checks.log_written(sender, instance, number, outgoing.bytes.as_ref());
                    (Cargo::Log { number, opens, bytes: outgoing.bytes }, LOG)
                };
                let doomed = lane == Lane::Log && self.network.drops_log_frame(host, peer);
                if doomed || self.network.breaks(&mut self.random) {
                    self.break_connection([host, peer], connection);
                    return;
                }
                if rides {
                    self.acknowledge(host, connection);
                }
                let mut at = self.network.stream_arrival(now, &mut self.random, host, peer, number);
                let beats = outgoing.kind.is_some_and(FrameKind::beats);
                if beats && let Some(copy) = self.network.copy_arrival(now, &mut self.random) {
                    at = at.min(copy);
                }
                self.schedule(at, SimEvent::Deliver(Shipment::new(host, peer, connection, cargo)));
            }
        }
        let Some(process) = &mut self.hosts[host].process else { return };
        let given_up = process.outboxes.get_mut(&instance).and_then(Outbox::take_given_up);
        self.tell_given_up(host, instance, given_up);
    }

    /// Both ends lose their connection, and what is under way on it is gone.
    pub(crate) fn break_connection(&mut self, ends: [usize; 2], connection: u64) {
        for host in ends {
            self.end_link(host, connection, SessionEnd::TimedOut);
        }
    }

    /// Both ends of what stands between two hosts lose it.
    pub(crate) fn break_between(&mut self, host: usize, peer: usize) {
        let process = self.hosts[host].process.as_ref();
        let link = process.and_then(|process| process.link_with(peer));
        if let Some(connection) = link.map(|link| link.connection) {
            self.break_connection([host, peer], connection);
        }
    }

    pub(crate) fn send(&mut self, host: usize, to: Instance, address: SocketAddr, frame: Frame) {
        let now = self.now;
        self.mix(&[&frame.bytes, &to.to_bytes()]);
        self.log_frames += u64::from(frame.lane == Lane::Log);
        let Some(process) = &mut self.hosts[host].process else { return };
        let outbox = process.outboxes.entry(to).or_insert_with(|| Outbox::new(now));
        let given_up = outbox.push(now, frame);
        let stands = process.link_to(to).is_some();
        self.tell_given_up(host, to, given_up);
        match stands {
            true => self.drain(host, to),
            false => self.dial(host, address, false),
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
        let redial = SimEvent::Redial { host, run, peer, instance, failures: 0 };
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
        if process.link_to(instance).is_some() {
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
            let again = SimEvent::Redial { host, run, peer, instance, failures };
            self.schedule(now + pause, again);
        }
    }

    /// Something arrived on a connection that this end has.
    pub(crate) fn unload(&mut self, from: usize, host: usize, connection: u64, cargo: Cargo) {
        let stands = self.writes_on(host, connection);
        let Some(process) = &mut self.hosts[host].process else { return };
        let Some(link) = process.links.get_mut(&connection) else { return };
        let (instance, session) = (link.instance, link.session);
        match cargo {
            Cargo::Input(input) => {
                self.judge_reading(host, connection, session);
                self.give(host, *input);
            }
            Cargo::Log { number, opens, bytes } => {
                self.judge_reading(host, connection, session);
                self.take_log_frame(from, host, connection, (number, opens, bytes));
            }
            Cargo::Acknowledgement { number } => {
                let first = !std::mem::replace(&mut link.acknowledged, true) && stands;
                let Some(outbox) = process.outboxes.get_mut(&instance) else { return };
                outbox.acknowledged(number, first).expect("only what was sent is acknowledged");
                if first {
                    self.drain(host, instance);
                }
            }
            Cargo::End => {
                link.read_out = true;
                let other = self.hosts[from].process.as_ref();
                let other = other.and_then(|process| process.links.get(&connection));
                if other.is_some_and(|link| link.read_out) {
                    self.end_link(host, connection, SessionEnd::Closed);
                    self.end_link(from, connection, SessionEnd::Replaced);
                }
            }
        }
    }

    /// What is read is of a session that the node knows, and that is not over.
    fn judge_reading(&self, host: usize, connection: u64, session: u64) {
        let Some(process) = &self.hosts[host].process else { return };
        let Some(link) = process.links.get(&connection) else { return };
        let sessions = &process.sessions[&link.instance];
        let handed_over = link.readable && sessions.hands_over(session);
        assert!(handed_over, "n{}: a frame behind the end of session {session}", host + 1);
    }

    fn take_log_frame(
        &mut self,
        from: usize,
        host: usize,
        connection: u64,
        (number, opens, bytes): (u64, bool, Option<Bytes>),
    ) {
        let receiver = (host, self.hosts[host].run);
        let now = self.now;
        let Some(process) = &mut self.hosts[host].process else { return };
        let me = process.instance;
        let Some(link) = process.links.get(&connection) else { return };
        let instance = link.instance;
        // The sender may have been started again since.
        let sender = (from, link.peer_run);
        let Some(inbox) = process.inboxes.get_mut(&instance) else { return };
        match inbox.judge(number, opens) {
            Arrival::New => inbox.handed(number),
            Arrival::Again => return,
            Arrival::Gap => panic!("log frame {number} came without those before it"),
        }
        // Whatever connection it came on, the one that stands says so.
        let owing = process.link_to(instance).map(|link| link.connection);
        if let Some(link) = owing.and_then(|owing| process.links.get_mut(&owing)) {
            link.owed += 1;
            if link.owed == 1 {
                let at = now + ACKNOWLEDGE_AFTER;
                let connection = link.connection;
                self.schedule(at, SimEvent::Acknowledge { host, connection });
            }
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
