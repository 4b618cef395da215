//! What the simulated shell does with a node's outputs, and how what is sent over a connection arrives.

use crate::ailing::Taken;
use crate::lanes::{Cargo, Shipment};
use crate::world::{SimEvent, World};
use quorate_node::{Answered, Asker, Input, LargeRead, Output};
use quorate_proto::{ForwardAnswer, Instance};
use std::net::SocketAddr;
use std::time::Duration;

/// How often a cut way is tried again.
const HOLD: Duration = Duration::from_millis(100);
/// Lane numbers for the order of arrival.
pub(crate) const CONTROL: u8 = 0;
/// See above.
pub(crate) const LOG: u8 = 1;
/// See above.
pub(crate) const REQUEST: u8 = 2;

impl World {
    pub(crate) fn carry_one(&mut self, host: usize, output: Output) {
        let run = self.hosts[host].run;
        match output {
            Output::Persist { number, write } => self.persist(host, number, write),
            Output::Send { to, address, frame } => self.send(host, to, address, frame),
            Output::SendDatagram { to, address, bytes } => {
                self.send_datagram(host, to, address, bytes)
            }
            Output::Dial { address } => self.dial(host, address, true),
            Output::IsThere { address } => self.is_there(host, address),
            Output::ResolveSeeds => self.resolve(host),
            Output::Ban { instance, reason } => self.ban(host, instance, &reason),
            // No host has two keys here.
            Output::RefuseKey { instance, reason, .. } => {
                panic!("n{} refuses a key of {instance:?}: {reason}", host + 1)
            }
            Output::Revoke { key, name } => self.revoke(host, key, &name),
            Output::TurnAway { instance, number } => self.turn_away(host, instance, number),
            Output::Secrets(change) => self.secrets_change(host, &change),
            Output::KnowsCluster(cluster_id) => {
                self.checks.knows(host, cluster_id);
                if let Some(process) = &mut self.hosts[host].process {
                    process.cluster_id = Some(cluster_id);
                }
            }
            Output::Forward { ticket, to, address, deadline, request } => {
                let deadline = self.true_time(host, deadline);
                self.forward(host, ticket, to, address, deadline, request);
            }
            Output::Withdraw { ticket } => self.withdraw(host, run, ticket),
            Output::ForwardReply { ticket, answer } => self.forward_reply(host, ticket, answer),
            Output::Read(read) => self.read(host, &read),
            Output::Reply { ticket, reply } => {
                self.replies.insert(ticket, (self.now, reply));
            }
            Output::DropSnapshot { file } => self.hosts[host].disk.drop_snapshot(file),
            Output::TakeSnapshot { group, metadata, image } => {
                let at = self.now + self.snapshot_time;
                let taken = Taken { group, metadata, image };
                self.schedule(at, SimEvent::Taken { host, run, taken: Box::new(taken) });
            }
            Output::SendSnapshot { group, to, address, message } => {
                self.send_snapshot(host, group, to, address, message);
            }
            Output::Health { view, delta, .. } => {
                let process = self.hosts[host].process.as_ref();
                let level = process.map_or(0, |process| process.node.vitals().level);
                self.checks.shown(host, (&view, delta.as_deref()), level, self.now);
            }
            Output::Share(share) => self.share_told(host, &share),
            Output::Items(items) => self.items_told(host, &items),
            Output::SharesKnown => {}
            Output::Event(event) => {
                self.note(|| format!("n{} {}: {event}", host + 1, event.kind()));
                self.count_what_is_said(host, &event);
                if event.kind() == "alarm" || event.warning() {
                    self.told.insert(format!("n{} {}", host + 1, event.kind()));
                }
            }
            Output::Founded(founded) => self.checks.founded(host, &founded),
            Output::BeginAnew(anew) => self.note(|| format!("n{} begins anew: {anew:?}", host + 1)),
            Output::Stopped => self.stopped(host),
            Output::Halt { reason, again } => self.halt(host, reason, again),
            Output::Unfit { reason } => self.halt(host, reason, false),
        }
    }

    /// A large read, which the shell answers.
    fn read(&mut self, host: usize, read: &LargeRead) {
        match (read.asker(), read.answer()) {
            (Asker::Client(ticket), Answered::Client(reply)) => {
                self.replies.insert(ticket, (self.now, reply));
            }
            (Asker::Node(ticket), Answered::Node(answer)) => {
                self.forward_reply(host, ticket, answer);
            }
            (asker, answered) => panic!("{answered:?} for {asker:?}"),
        }
    }

    fn forward_reply(&mut self, host: usize, ticket: u64, answer: ForwardAnswer) {
        let Some((origin, run, ticket)) = self.forwards.remove(&(host, ticket)) else { return };
        let input = Input::ForwardAnswered { ticket, answer: Ok(answer) };
        self.ship(host, origin, run, REQUEST, input);
    }

    fn ban(&mut self, host: usize, instance: Instance, reason: &str) {
        self.note(|| format!("n{} bans {instance:?}: {reason}", host + 1));
        if let Some(process) = &mut self.hosts[host].process {
            process.banned.push(instance);
        }
    }

    fn persist(&mut self, host: usize, number: u64, write: quorate_node::Write) {
        let run = self.hosts[host].run;
        self.hosts[host].disk.begin(number, write);
        let at = self.disk_is_done(host);
        self.schedule(at, SimEvent::Durable { host, run, number });
    }

    fn stopped(&mut self, host: usize) {
        self.note(|| format!("n{} has stopped", host + 1));
        let Some(mut process) = self.hosts[host].process.take() else { return };
        process.stopped = true;
        self.close_links(host, &process);
        self.last_writes(host);
    }

    fn resolve(&mut self, host: usize) {
        let run = self.hosts[host].run;
        let at = self.now + Duration::from_micros(300);
        let seeds = self.hosts[host].seeds.clone();
        let input = Box::new(Input::OwnSlot(self.own_slot(host)));
        self.schedule(at, SimEvent::Arrive { host, run, input });
        for (slot, seed) in seeds.iter().enumerate() {
            let addresses = seed.parse().into_iter().collect();
            let input = Box::new(Input::Resolved { slot, addresses, problem: None });
            self.schedule(at, SimEvent::Arrive { host, run, input });
        }
    }

    fn send_datagram(
        &mut self,
        host: usize,
        to: Instance,
        address: SocketAddr,
        bytes: bytes::Bytes,
    ) {
        let Some(process) = &self.hosts[host].process else { return };
        let me = process.instance;
        let Some(link) = process.link_to(to) else {
            self.dial(host, address, false);
            return;
        };
        let (peer, connection) = (link.peer, link.connection);
        self.overheard.packet(&bytes);
        for at in self.network.datagram_arrivals(self.now, &mut self.random) {
            let bytes = bytes.clone();
            let happening =
                SimEvent::Datagram { from: host, host: peer, connection, instance: me, bytes };
            self.schedule(at, happening);
        }
    }

    /// Something sent over a connection arrives, if it still stands and the way is open; a cut way holds it, and all
    /// that comes behind it, until the connection is given up.
    pub(crate) fn deliver(&mut self, shipment: Shipment) {
        let Shipment { from, host, connection, cargo } = shipment;
        if !self.has_link(host, connection) {
            // The receiver has forgotten this connection: its transport answers with a reset.
            self.reset(from, host, connection);
            return;
        }
        let cut = !self.passes(from, host, connection);
        let Some(process) = &mut self.hosts[host].process else { return };
        let Some(link) = process.links.get_mut(&connection) else { return };
        if cut || !link.held.is_empty() {
            link.held.push_back(*cargo);
            if link.held.len() == 1 {
                let at = self.now + HOLD;
                self.schedule(at, SimEvent::Release { from, host, connection });
            }
            return;
        }
        self.heard(host, connection);
        self.unload(from, host, connection, *cargo);
    }

    /// A cut way is tried again.
    pub(crate) fn release(&mut self, from: usize, host: usize, connection: u64) {
        if self.has_link(host, connection) && !self.passes(from, host, connection) {
            // Its sender sends again what was lost, as long as it has the connection.
            if self.has_link(from, connection) {
                let at = self.now + HOLD;
                self.schedule(at, SimEvent::Release { from, host, connection });
            }
            return;
        }
        while self.has_link(host, connection) {
            let Some(process) = &mut self.hosts[host].process else { return };
            let link = process.links.get_mut(&connection);
            let Some(cargo) = link.and_then(|link| link.held.pop_front()) else { return };
            self.heard(host, connection);
            self.unload(from, host, connection, cargo);
        }
    }

    /// Sends an input to another host over the connection between them, as a request's answer travels.
    pub(crate) fn ship(&mut self, host: usize, peer: usize, peer_run: u64, lane: u8, input: Input) {
        if self.hosts[peer].run != peer_run {
            return;
        }
        let process = self.hosts[host].process.as_ref();
        let link = process.and_then(|process| process.link_with(peer));
        let Some(connection) = link.map(|link| link.connection) else { return };
        let at = self.network.stream_arrival(self.now, &mut self.random, host, peer, lane);
        let cargo = Cargo::Input(Box::new(input));
        self.schedule(at, SimEvent::Deliver(Shipment::new(host, peer, connection, cargo)));
    }
}
