//! How connections come and go between the hosts of the simulator.
//!
//! Mirrors the transport's contract: a session counts when both hellos are in, a connection that is silent for the idle time
//! dies at each end by itself.

use crate::host::{Host, Link, Process};
use crate::network::{DIAL, Door, IDLE};
use crate::shipping::CONTROL;
use crate::world::{Happening, World};
use quorate_node::{ForwardFailure, Input};
use quorate_proto::{ClusterName, DialFailure, NodeName, Session, SessionEnd, founders_digest};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// How often each end looks whether its connection is still alive.
const IDLE_CHECK: Duration = Duration::from_millis(500);

impl World {
    pub(crate) fn host_at(&self, address: SocketAddr) -> Option<usize> {
        let is_at = |host: &Host| host.address == address || host.leaves_from == Some(address);
        self.hosts.iter().position(is_at)
    }

    /// Whether a host's half of a connection is still this one.
    pub(crate) fn link_stands(&self, host: usize, peer: usize, connection: u64) -> bool {
        let process = self.hosts[host].process.as_ref();
        process
            .and_then(|process| process.links.get(&peer))
            .is_some_and(|link| link.connection == connection)
    }

    pub(crate) fn heard(&mut self, host: usize, peer: usize) {
        let now = self.now;
        if let Some(link) =
            self.hosts[host].process.as_mut().and_then(|process| process.links.get_mut(&peer))
        {
            link.heard = now;
        }
    }

    pub(crate) fn dial(&mut self, host: usize, address: SocketAddr, explicit: bool) {
        let run = self.hosts[host].run;
        let Some(peer) = self.host_at(address) else {
            let input = Input::DialFailed { address, failure: DialFailure::NoAnswer };
            let at = self.now + DIAL;
            self.schedule(at, Happening::Arrive { host, run, input: Box::new(input) });
            return;
        };
        let now = self.now;
        let Some(process) = &mut self.hosts[host].process else { return };
        if peer == host {
            let input = Input::DialFailed { address, failure: DialFailure::Myself };
            self.schedule(
                now + Duration::from_micros(50),
                Happening::Arrive { host, run, input: Box::new(input) },
            );
            return;
        }
        if let Some(link) = process.links.get(&peer) {
            let connection = link.connection;
            let elsewhere = explicit && self.is_elsewhere(host, peer, address);
            if explicit && !elsewhere {
                self.report_session(host, peer, connection);
            }
            if !elsewhere {
                return;
            }
        }
        let Some(process) = &mut self.hosts[host].process else { return };
        if process.dialling.contains_key(&peer) {
            return;
        }
        process.dialling.insert(peer, address);
        let answers = self.answers(host, peer, address);
        let wait = if answers {
            let there = self.network.stream_arrival(now, &mut self.random, host, peer, 9);
            self.network.stream_arrival(there, &mut self.random, peer, host, 9)
        } else {
            now + DIAL
        };
        self.schedule(wait, Happening::Dialled { host, run, peer });
    }

    pub(crate) fn dialled(&mut self, host: usize, run: u64, peer: usize) {
        if self.hosts[host].run != run || self.hosts[host].process.is_none() {
            return;
        }
        let there = self.hosts[peer].address;
        let Some(process) = &mut self.hosts[host].process else { return };
        let address = process.dialling.remove(&peer).unwrap_or(there);
        let link = process.links.get(&peer).map(|link| link.connection);
        if let Some(connection) = link.filter(|_| !self.is_elsewhere(host, peer, address)) {
            self.report_session(host, peer, connection);
            return;
        }
        let banned = self.bans(host, peer) || self.bans(peer, host);
        if banned || !self.answers(host, peer, address) {
            let knocks = !banned && self.knocks(peer, host);
            let failure = if knocks { DialFailure::OneWay } else { DialFailure::NoAnswer };
            self.give(host, Input::DialFailed { address, failure });
            return;
        }
        if self.turns_away(host, peer) || self.turns_away(peer, host) {
            self.give(host, Input::DialFailed { address, failure: DialFailure::Twice });
            return;
        }
        self.connections += 1;
        let connection = self.connections;
        let doors = self.doors(host, peer, address);
        self.join(host, peer, connection, doors, Some(address));
        self.join(peer, host, connection, doors, None);
    }

    /// Whether the connection with a peer that has two addresses is with the other one than this.
    fn is_elsewhere(&self, host: usize, peer: usize, address: SocketAddr) -> bool {
        self.hosts[peer].leaves_from.is_some()
            && self.session(host, peer).is_some_and(|session| session.address != address)
    }

    fn bans(&self, host: usize, peer: usize) -> bool {
        let other = self.hosts[peer].process.as_ref().map(|process| process.instance);
        self.hosts[host]
            .process
            .as_ref()
            .is_some_and(|process| other.is_some_and(|other| process.banned.contains(&other)))
    }

    /// One end of a new connection: an older one with the same host is replaced.
    fn join(
        &mut self,
        host: usize,
        peer: usize,
        connection: u64,
        doors: [Door; 2],
        dialled: Option<SocketAddr>,
    ) {
        let now = self.now;
        let Some(other) = self.hosts[peer].process.as_ref().map(|process| process.instance) else {
            return;
        };
        let (peer_run, run) = (self.hosts[peer].run, self.hosts[host].run);
        // One connection per instance, wherever it is: a clone's takes the place of the other's.
        let links = self.hosts[host].process.iter().flat_map(|process| process.links.values());
        let replaced: Vec<usize> = links
            .filter(|link| link.peer == peer || link.instance == other)
            .map(|link| link.peer)
            .collect();
        for earlier in replaced {
            self.lose_link(host, earlier, SessionEnd::Replaced);
        }
        let Some(process) = &mut self.hosts[host].process else { return };
        process.sessions += 1;
        let number = process.sessions;
        let link = Link {
            peer,
            peer_run,
            number,
            connection,
            instance: other,
            dialled,
            doors,
            heard: now,
            numbered: false,
            acknowledged: false,
            owed: 0,
            held: VecDeque::new(),
        };
        process.links.insert(peer, link);
        self.schedule(now + IDLE_CHECK, Happening::Idle { host, run, connection });
        self.report_session(host, peer, connection);
        self.open_lanes(host, peer);
    }

    fn report_session(&mut self, host: usize, peer: usize, connection: u64) {
        let Some(session) = self.session(host, peer) else { return };
        // Handed over by another task in the real shell: after what is under way, before what comes later.
        let input = Box::new(Input::SessionUp(session));
        let run = self.hosts[host].run;
        let _ = connection;
        let at = self.now;
        self.schedule(at, Happening::Arrive { host, run, input });
    }

    fn session(&self, host: usize, peer: usize) -> Option<Session> {
        let link = self.hosts[host].process.as_ref()?.links.get(&peer)?;
        self.session_of(peer, link.number, link.dialled)
    }

    /// What a host's hello says on a connection.
    pub(crate) fn session_of(
        &self,
        peer: usize,
        number: u64,
        dialled: Option<SocketAddr>,
    ) -> Option<Session> {
        let other = &self.hosts[peer];
        let process = other.process.as_ref()?;
        let cluster = ClusterName::new("sim").ok()?;
        Some(Session {
            number,
            instance: process.instance,
            generation: process.generation,
            boot_nonce: process.boot_nonce,
            name: NodeName::new(&other.name).ok()?,
            digest: founders_digest(&cluster, &other.seeds, &self.setup.mode.to_string()),
            cluster,
            key: process.key,
            address: match other.leaves_from {
                Some(source) => dialled.unwrap_or(source),
                None => other.address,
            },
            advertised: other.leaves_from.is_none(),
            dialled,
            genesis: process.genesis,
            seeds: other.seeds.clone(),
            moved: false,
            voters: 0,
            software: String::new(),
            source: None,
        })
    }

    pub(crate) fn reset(&mut self, host: usize, peer: usize, connection: u64) {
        let running = self.hosts[peer].process.is_some();
        if running && self.connects(host, peer) && self.link_stands(host, peer, connection) {
            self.lose_link(host, peer, SessionEnd::Reset);
        }
    }

    pub(crate) fn idle(&mut self, host: usize, run: u64, connection: u64) {
        if self.hosts[host].run != run {
            return;
        }
        let now = self.now;
        let Some(process) = &self.hosts[host].process else { return };
        let Some(link) = process.links.values().find(|link| link.connection == connection) else {
            return;
        };
        let (peer, heard) = (link.peer, link.heard);
        // Keep-alive: both transports ask each other, unless the way is cut or an end is dead or frozen.
        let frozen = |index: usize| self.hosts[index].paused_until.is_some_and(|until| until > now);
        let alive = self.link_stands(peer, host, connection)
            && self.connects(host, peer)
            && !frozen(peer)
            && !frozen(host);
        let forgotten = self.hosts[peer].process.is_some()
            && !self.link_stands(peer, host, connection)
            && self.connects(host, peer);
        if forgotten {
            self.lose_link(host, peer, SessionEnd::Reset);
        } else if !alive && now.since(heard) > IDLE {
            self.lose_link(host, peer, SessionEnd::TimedOut);
        } else {
            if alive {
                self.heard(host, peer);
            }
            self.schedule(now + IDLE_CHECK, Happening::Idle { host, run, connection });
        }
    }

    pub(crate) fn lose_link(&mut self, host: usize, peer: usize, end: SessionEnd) {
        let now = self.now;
        let run = self.hosts[host].run;
        let Some(process) = &mut self.hosts[host].process else { return };
        let Some(link) = process.links.remove(&peer) else { return };
        let (instance, number) = (link.instance, link.number);
        if let Some(outbox) = process.outboxes.get_mut(&instance) {
            outbox.connection_lost(now);
        }
        if end != SessionEnd::Replaced {
            self.schedule(now, Happening::Redial { host, run, peer, instance, failures: 0 });
        }
        let asked = |there: &(usize, u64), origin: &(usize, u64, u64)| {
            there.0 == peer && (origin.0, origin.1) == (host, run)
        };
        let unanswered: Vec<_> =
            self.forwards.extract_if(.., |there, origin| asked(there, origin)).collect();
        for (_, (_, _, ticket)) in unanswered {
            let input = Input::ForwardAnswered { ticket, answer: Err(ForwardFailure::Lost) };
            self.schedule(now, Happening::Arrive { host, run, input: Box::new(input) });
        }
        let input = Box::new(Input::SessionDown { instance, number, end });
        self.schedule(now, Happening::Arrive { host, run, input });
    }

    pub(crate) fn close_links(&mut self, host: usize, process: &Process) {
        // The goodbye has left already; the close follows it on every connection.
        let links: Vec<(usize, u64)> =
            process.links.values().map(|link| (link.peer, link.connection)).collect();
        for (peer, connection) in links {
            let at = self.network.stream_arrival(self.now, &mut self.random, host, peer, CONTROL);
            let run = self.hosts[peer].run;
            self.schedule(at, Happening::Idle { host: peer, run, connection });
        }
    }
}
