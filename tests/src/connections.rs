//! How connections come and go between the hosts of the simulator.
//!
//! Mirrors the transport: a connection counts when both hellos are in; which of several is kept, and what the nodes hear, decide
//! the transport's own sessions at each end; a connection that is silent for the idle time dies at each end by itself. Each
//! node takes what it is told at once.

use crate::host::{Host, Link, Process};
use crate::network::{DIAL, Door, IDLE};
use crate::shell::CONTROL;
use crate::world::{SimEvent, World};
use quorate_node::{ForwardFailure, Input};
use quorate_proto::{
    ClusterName, DialFailure, Instance, NodeName, Session, SessionEnd, founders_digest,
};
use quorate_transport::Timings;
use quorate_transport::inbox::Inbox;
use quorate_transport::outbox::Outbox;
use quorate_transport::sessions::{Action, Admitted, Greeting, Refused, Sessions, Word};
use std::net::SocketAddr;
use std::time::Duration;

/// How often each end looks whether its connection is still alive.
const IDLE_CHECK: Duration = Duration::from_millis(500);

impl World {
    pub(crate) fn host_at(&self, address: SocketAddr) -> Option<usize> {
        let is_at = |host: &Host| host.address == address || host.leaves_from == Some(address);
        self.hosts.iter().position(is_at)
    }

    /// Whether a host still has its half of a connection.
    pub(crate) fn has_link(&self, host: usize, connection: u64) -> bool {
        let process = self.hosts[host].process.as_ref();
        process.is_some_and(|process| process.links.contains_key(&connection))
    }

    /// Whether a host's frames go over a connection.
    pub(crate) fn writes_on(&self, host: usize, connection: u64) -> bool {
        self.hosts[host].process.as_ref().is_some_and(|process| {
            process.links.get(&connection).is_some_and(|link| process.stands(link))
        })
    }

    pub(crate) fn heard(&mut self, host: usize, connection: u64) {
        let now = self.now;
        let process = self.hosts[host].process.as_mut();
        if let Some(link) = process.and_then(|process| process.links.get_mut(&connection)) {
            link.heard = now;
        }
    }

    pub(crate) fn dial(&mut self, host: usize, address: SocketAddr, explicit: bool) {
        let run = self.hosts[host].run;
        let Some(peer) = self.host_at(address) else {
            let input = Input::DialFailed { address, failure: DialFailure::NoAnswer };
            let at = self.now + DIAL;
            self.schedule(at, SimEvent::Arrive { host, run, input: Box::new(input) });
            return;
        };
        let now = self.now;
        let Some(process) = &mut self.hosts[host].process else { return };
        if peer == host {
            let input = Input::DialFailed { address, failure: DialFailure::Myself };
            self.schedule(
                now + Duration::from_micros(50),
                SimEvent::Arrive { host, run, input: Box::new(input) },
            );
            return;
        }
        if let Some(link) = process.link_with(peer) {
            let connection = link.connection;
            let elsewhere = explicit && self.is_elsewhere(host, peer, address);
            if explicit && !elsewhere {
                self.tell_again(host, connection);
            }
            if !elsewhere {
                return;
            }
        }
        let Some(process) = &mut self.hosts[host].process else { return };
        if let Some((_, asked)) = process.dialling.get_mut(&peer) {
            *asked |= explicit;
            return;
        }
        process.dialling.insert(peer, (address, explicit));
        let answers = self.answers(host, peer, address);
        let wait = if answers {
            let there = self.network.stream_arrival(now, &mut self.random, host, peer, 9);
            self.network.stream_arrival(there, &mut self.random, peer, host, 9)
        } else {
            now + DIAL
        };
        self.schedule(wait, SimEvent::Dialled { host, run, peer });
    }

    pub(crate) fn dialled(&mut self, host: usize, run: u64, peer: usize) {
        if self.hosts[host].run != run {
            return;
        }
        let Some(process) = &mut self.hosts[host].process else { return };
        let Some((address, asked)) = process.dialling.remove(&peer) else { return };
        let banned = self.bans(host, peer) || self.bans(peer, host);
        if banned || !self.answers(host, peer, address) {
            let knocks = !banned && self.knocks(peer, host);
            let failure = if knocks { DialFailure::OneWay } else { DialFailure::NoAnswer };
            self.give(host, Input::DialFailed { address, failure });
            return;
        }
        if let Some(failure) = self.revoked_dial(host, peer) {
            self.give(host, Input::DialFailed { address, failure });
            return;
        }
        if let Some(failure) = self.other_secret(host, peer) {
            self.give(host, Input::DialFailed { address, failure });
            return;
        }
        match self.meet(host, peer, address) {
            Ok((connection, continued)) => {
                if asked && continued {
                    self.tell_again(host, connection);
                }
            }
            Err(refused) => {
                let reason = format!("{refused:?}");
                let failure = match is_a_copy(&refused) {
                    true => DialFailure::Twice,
                    false => DialFailure::Handshake { reason },
                };
                self.give(host, Input::DialFailed { address, failure });
            }
        }
    }

    /// Whether the connection with a peer that has two addresses is with the other one than this.
    fn is_elsewhere(&self, host: usize, peer: usize, address: SocketAddr) -> bool {
        let process = self.hosts[host].process.as_ref();
        let link = process.and_then(|process| process.link_with(peer));
        self.hosts[peer].leaves_from.is_some()
            && link.is_some_and(|link| link.met.address != address)
    }

    fn bans(&self, host: usize, peer: usize) -> bool {
        let other = self.hosts[peer].process.as_ref().map(|process| process.instance);
        self.hosts[host]
            .process
            .as_ref()
            .is_some_and(|process| other.is_some_and(|other| process.banned.contains(&other)))
    }

    /// Both hellos of a new connection are in at both ends. Its number, and whether it carries on what stood at its dialler.
    fn meet(
        &mut self,
        host: usize,
        peer: usize,
        address: SocketAddr,
    ) -> Result<(u64, bool), Refused> {
        self.connections += 1;
        let connection = self.connections;
        let doors = self.doors(host, peer, address);
        self.greet(peer, host, connection, doors, None)?;
        let greeted = self.greet(host, peer, connection, doors, Some(address));
        if let Err(refused) = &greeted {
            let end = if is_a_copy(refused) { SessionEnd::Twice } else { SessionEnd::Closed };
            self.end_link(peer, connection, end);
        }
        self.open_lanes(host, connection);
        self.open_lanes(peer, connection);
        greeted.map(|continued| (connection, continued))
    }

    /// Both hellos are in at one end. True when the connection carries a session on that stood.
    fn greet(
        &mut self,
        host: usize,
        peer: usize,
        connection: u64,
        doors: [Door; 2],
        dialled: Option<SocketAddr>,
    ) -> Result<bool, Refused> {
        let (now, run, peer_run) = (self.now, self.hosts[host].run, self.hosts[peer].run);
        let still_runs = self.still_runs(host, peer);
        let process = self.hosts[host].process.as_mut().expect("who dials or answers runs");
        process.last_session += 1;
        let (number, key) = (process.last_session, process.key);
        let session = self.session_of(peer, number, dialled).expect("who dials or answers runs");
        let instance = session.instance;
        let greeting = Greeting { session, lost: false, standing_ended: None, still_runs };
        let met = greeting.met();
        let process = self.hosts[host].process.as_mut().expect("who dials or answers runs");
        let new = || Sessions::new(key, Timings::default().settled());
        let sessions = process.sessions.entry(instance).or_insert_with(new);
        let mut actions = Vec::new();
        let admitted = sessions.greeted(now, greeting, &mut actions);
        if admitted.as_ref().is_err_and(is_a_copy) {
            self.meets_a_copy(host, peer);
        }
        let Admitted { link: name, session, continued, anew } = admitted?;
        self.forget_lives(host, peer, instance);
        let carried = (name, session.number);
        let link = Link::new(now, (peer, peer_run), connection, carried, instance, met, doors);
        let process = self.hosts[host].process.as_mut().expect("who dials or answers runs");
        process.links.insert(connection, link);
        process.outboxes.entry(instance).or_insert_with(|| Outbox::new(now));
        if anew {
            process.inboxes.insert(instance, Inbox::default());
            self.checks.numbers_forgotten((peer, peer_run), (host, run));
        }
        self.schedule(now + IDLE_CHECK, SimEvent::Idle { host, run, connection });
        self.carry_out(host, instance, actions);
        self.speak(host, peer, instance);
        Ok(continued)
    }

    /// Another disk life runs on a host: whatever stood with those before it is over.
    fn forget_lives(&mut self, host: usize, peer: usize, instance: Instance) {
        let process = self.hosts[host].process.as_ref();
        let links = process.into_iter().flat_map(|process| process.links.values());
        let earlier = links.filter(|link| link.peer == peer && link.instance != instance);
        for connection in Vec::from_iter(earlier.map(|link| link.connection)) {
            self.end_link(host, connection, SessionEnd::Replaced);
        }
    }

    /// What was decided of a host's sessions with a peer.
    fn carry_out(&mut self, host: usize, instance: Instance, actions: Vec<Action>) {
        let mut closed = Vec::new();
        for action in actions {
            let now = self.now;
            let Some(process) = &mut self.hosts[host].process else { return };
            let named = |link: &Link| (link.instance, Some(link.name)) == (instance, action.link());
            let connection = process.links.values().find(|link| named(link));
            let connection = connection.map(|link| link.connection);
            let link = connection.and_then(|connection| process.links.get_mut(&connection));
            let outbox = process.outboxes.get_mut(&instance);
            match (action, link) {
                (Action::Lost, _) => {
                    outbox.into_iter().for_each(|outbox| outbox.connection_lost(now))
                }
                (Action::Stands { start, .. }, _) => {
                    let given_up = outbox.and_then(|outbox| outbox.connection_up(start));
                    self.tell_given_up(host, instance, given_up);
                }
                (Action::Yields(_), Some(link)) => {
                    let connection = link.connection;
                    self.end_streams(host, connection);
                }
                (Action::Read(_), Some(link)) => link.readable = true,
                (Action::Close(..), Some(link)) => closed.push((link.peer, link.connection)),
                (_, None) => {}
            }
        }
        for (peer, connection) in closed {
            self.close(host, peer, connection, SessionEnd::Replaced);
        }
    }

    /// A host closes a connection; the other end hears why, if the way is open.
    pub(crate) fn close(&mut self, host: usize, peer: usize, connection: u64, end: SessionEnd) {
        let at = self.network.stream_arrival(self.now, &mut self.random, host, peer, CONTROL);
        self.schedule(at, SimEvent::Closed { host: peer, from: host, connection, end });
        self.end_link(host, connection, SessionEnd::Closed);
    }

    /// Tells a host's node what it is to hear of a peer.
    fn speak(&mut self, host: usize, peer: usize, instance: Instance) {
        let (now, run) = (self.now, self.hosts[host].run);
        loop {
            let Some(process) = &mut self.hosts[host].process else { return };
            let mut actions = Vec::new();
            let sessions = process.sessions.get_mut(&instance);
            let Some(word) = sessions.and_then(|sessions| sessions.next_word(&mut actions)) else {
                return;
            };
            self.carry_out(host, instance, actions);
            let input = Box::new(match word {
                Word::Up(session) => Input::SessionUp(*session),
                Word::Down { instance, number, end } => {
                    let redial = SimEvent::Redial { host, run, peer, instance, failures: 0 };
                    self.schedule(now, redial);
                    Input::SessionDown { instance, number, end }
                }
            });
            // Handed over by another task in the real shell: after what is under way, before what comes later.
            self.schedule(now, SimEvent::Arrive { host, run, input });
        }
    }

    /// A host's node is told of a session once more, as this connection met the peer.
    fn tell_again(&mut self, host: usize, connection: u64) {
        let Some(process) = &mut self.hosts[host].process else { return };
        let Some(link) = process.links.get(&connection) else { return };
        let (peer, instance) = (link.peer, link.instance);
        if let Some(sessions) = process.sessions.get_mut(&instance) {
            sessions.tell_again(link.session, link.met);
        }
        self.speak(host, peer, instance);
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
            cluster_id: process.cluster_id,
            seeds: other.seeds.clone(),
            moved: false,
            voters: 0,
            software: other.software.clone(),
            levels: other.levels,
            source: None,
        })
    }

    pub(crate) fn reset(&mut self, host: usize, peer: usize, connection: u64) {
        if self.is_forgotten(host, peer, connection) {
            self.end_link(host, connection, SessionEnd::Reset);
        }
    }

    /// Whether the other end of a connection answers packets on it with a reset.
    fn is_forgotten(&self, host: usize, peer: usize, connection: u64) -> bool {
        self.hosts[peer].process.is_some()
            && self.connects(host, peer, connection)
            && !self.has_link(peer, connection)
    }

    pub(crate) fn idle(&mut self, host: usize, run: u64, connection: u64) {
        if self.hosts[host].run != run {
            return;
        }
        let now = self.now;
        let Some(process) = &self.hosts[host].process else { return };
        let Some(link) = process.links.get(&connection) else { return };
        let (peer, heard) = (link.peer, link.heard);
        // Keep-alive: both transports ask each other, unless the way is cut or an end is dead or frozen.
        let frozen = |index: usize| self.hosts[index].paused_until.is_some_and(|until| until > now);
        let alive = self.has_link(peer, connection)
            && self.connects(host, peer, connection)
            && !frozen(peer)
            && !frozen(host);
        if self.is_forgotten(host, peer, connection) {
            self.end_link(host, connection, SessionEnd::Reset);
        } else if !alive && now.since(heard) > IDLE {
            self.end_link(host, connection, SessionEnd::TimedOut);
        } else {
            if alive {
                self.heard(host, connection);
            }
            self.schedule(now + IDLE_CHECK, SimEvent::Idle { host, run, connection });
        }
    }

    /// A connection is over at one end.
    pub(crate) fn end_link(&mut self, host: usize, connection: u64, end: SessionEnd) {
        let (now, run) = (self.now, self.hosts[host].run);
        let Some(process) = &mut self.hosts[host].process else { return };
        let Some(link) = process.links.remove(&connection) else { return };
        let Link { peer, instance, name, session, .. } = link;
        let mut actions = Vec::new();
        if let Some(sessions) = process.sessions.get_mut(&instance) {
            sessions.closed(now, name, end, &mut actions);
        }
        let goes_on = process.link_to(instance).is_some_and(|link| link.session == session);
        self.carry_out(host, instance, actions);
        if !goes_on {
            self.lose_requests(host, run, peer);
        }
        self.speak(host, peer, instance);
    }

    /// What a host asked of another in a session that is over has no answer.
    fn lose_requests(&mut self, host: usize, run: u64, peer: usize) {
        let asked = |there: &(usize, u64), origin: &(usize, u64, u64)| {
            there.0 == peer && (origin.0, origin.1) == (host, run)
        };
        let unanswered: Vec<_> =
            self.forwards.extract_if(.., |there, origin| asked(there, origin)).collect();
        for (_, (_, _, ticket)) in unanswered {
            let input = Input::ForwardAnswered { ticket, answer: Err(ForwardFailure::Lost) };
            self.schedule(self.now, SimEvent::Arrive { host, run, input: Box::new(input) });
        }
    }

    pub(crate) fn close_links(&mut self, host: usize, process: &Process) {
        // The goodbye has left already; the close follows it on every connection.
        let links: Vec<(usize, u64)> =
            process.links.values().map(|link| (link.peer, link.connection)).collect();
        for (peer, connection) in links {
            let at = self.network.stream_arrival(self.now, &mut self.random, host, peer, CONTROL);
            let run = self.hosts[peer].run;
            self.schedule(at, SimEvent::Idle { host: peer, run, connection });
        }
    }
}

/// Whether a connection was turned away because its host's disk life runs elsewhere, as far as this end can tell.
fn is_a_copy(refused: &Refused) -> bool {
    matches!(refused, Refused::Twice | Refused::Older)
}
