//! A network of detectors in virtual time: loss, pauses, kills, restarts, cuts in one or both directions.
//!
//! It plays the part of the node: it pings every 150 ms (the leader everybody, the others the leader) and
//! turns every frame that arrives into a sign of life. Equal seeds give equal runs.

use bytes::Bytes;
use quorate_membership::{
    Detector, DetectorConfig, DetectorInput, DetectorOutput, Opinion, Profile,
};
use quorate_proto::{
    ClusterName, DetectorMessage, Digest, Generation, Instance, Moment, NodeKey, NodeName, Session,
    SessionEnd, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) const PING: Duration = Duration::from_millis(150);

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn instance(host: usize) -> Instance {
    let mut bytes = [0; 16];
    bytes[0] = u8::try_from(host + 1).expect("a test's own value");
    Instance::from_bytes(bytes)
}

pub(crate) fn address(host: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, u8::try_from(host + 1).expect("a test's own value")], 4747))
}

#[derive(Debug, Clone)]
enum Frame {
    Ping,
    Pong,
    Goodbye,
    Datagram(Bytes),
    Message(DetectorMessage),
}

#[derive(Debug, Clone)]
enum Event {
    Arrive { from: usize, to: usize, number: u64, frame: Frame },
    Feed { to: usize, generation: u64, input: Box<DetectorInput> },
    Pings { host: usize, generation: u64 },
}

struct Host {
    generation: u64,
    detector: Option<Detector>,
    paused: Option<Vec<Event>>,
}

/// A standing connection: its number and both generations.
#[derive(Clone, Copy)]
struct Link {
    number: u64,
    generations: (u64, u64),
}

pub(crate) struct World {
    pub(crate) now: Moment,
    pub(crate) datagram_loss: u64,
    pub(crate) control_loss: u64,
    pub(crate) leader: Option<usize>,
    /// Who lost the word with whom: frames from the first to the second vanish.
    pub(crate) cut: BTreeSet<(usize, usize)>,
    /// Every change of every verdict: when, whose, what.
    pub(crate) log: Vec<(Moment, usize, Opinion)>,
    /// Every output of every detector, as text.
    pub(crate) trace: Vec<String>,
    pub(crate) keep_trace: bool,
    hosts: Vec<Host>,
    links: BTreeMap<(usize, usize), Link>,
    queue: BTreeMap<(Moment, u64), Event>,
    events: u64,
    sessions: u64,
    random: u64,
}

impl World {
    /// `count` hosts that know each other's addresses; host 0 leads.
    pub(crate) fn new(count: usize, seed: u64) -> Self {
        let mut world = Self {
            now: Moment::from_micros(1_000_000),
            datagram_loss: 0,
            control_loss: 0,
            leader: Some(0),
            cut: BTreeSet::new(),
            log: Vec::new(),
            trace: Vec::new(),
            keep_trace: false,
            hosts: Vec::new(),
            links: BTreeMap::new(),
            queue: BTreeMap::new(),
            events: 0,
            sessions: 0,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        };
        for _ in 0..count {
            world.hosts.push(Host { generation: 0, detector: None, paused: None });
        }
        (0..count).for_each(|host| world.start(host));
        world
    }

    pub(crate) fn detector(&self, host: usize) -> &Detector {
        self.hosts[host].detector.as_ref().expect("host is up")
    }

    pub(crate) fn verdict(&self, observer: usize, subject: usize) -> Option<Verdict> {
        self.detector(observer).verdict(instance(subject)).map(|opinion| opinion.verdict)
    }

    fn up(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|host| self.hosts[*host].detector.is_some()).collect()
    }

    fn random(&mut self, below: u64) -> u64 {
        // Xorshift64*: enough for a test's losses and delays.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.events += 1;
        self.queue.insert((self.now + after, self.events), event);
    }

    /// (Re)starts a host with the next generation.
    pub(crate) fn start(&mut self, host: usize) {
        let generation = self.hosts[host].generation + 1;
        let seed = self.random(u64::MAX >> 33) + host as u64;
        let config = DetectorConfig {
            me: instance(host),
            generation: Generation::new(generation),
            seed,
            profile: Profile::default(),
        };
        let detector = Detector::new(self.now, config);
        self.hosts[host] = Host { generation, detector: Some(detector), paused: None };
        for other in (0..self.hosts.len()).filter(|other| *other != host) {
            let known = DetectorInput::Known {
                instance: instance(other),
                generation: Generation::new(0),
                address: address(other),
            };
            self.feed(host, known);
        }
        self.appoint(host);
        let offset = Duration::from_micros(self.random(150_000));
        self.schedule(offset, Event::Pings { host, generation });
    }

    /// Tells a host whom to expect and whom to ask, as the leader has it.
    fn appoint(&mut self, host: usize) {
        let all: Vec<Instance> = (0..self.hosts.len()).map(instance).collect();
        let expected = match self.leader {
            Some(leader) if leader == host => all.clone(),
            Some(leader) => vec![instance(leader)],
            None => Vec::new(),
        };
        self.feed(host, DetectorInput::Expect(expected));
        self.feed(host, DetectorInput::Confirmers(all));
    }

    /// Changes the leader (or takes it away) on all hosts.
    pub(crate) fn lead(&mut self, leader: Option<usize>) {
        self.leader = leader;
        self.up().into_iter().for_each(|host| self.appoint(host));
    }

    /// Ends a process without a word. Its connections stay with the others until something notices.
    pub(crate) fn kill(&mut self, host: usize) {
        self.hosts[host].detector = None;
        self.links.retain(|(a, b), _| *a != host && *b != host);
    }

    /// As `kill`, and the others' connections with it end at once like this.
    pub(crate) fn kill_noticed(&mut self, host: usize, end: &SessionEnd) {
        let links: Vec<_> = self.links.iter().map(|(pair, link)| (*pair, *link)).collect();
        self.kill(host);
        for ((a, b), link) in links.into_iter().filter(|((a, b), _)| *a == host || *b == host) {
            let other = if a == host { b } else { a };
            let (instance, number, end) = (instance(host), link.number, *end);
            self.feed(other, DetectorInput::SessionDown { instance, number, end });
        }
    }

    /// A clean stop: goodbye to everybody, then gone.
    pub(crate) fn stop(&mut self, host: usize) {
        self.feed(host, DetectorInput::Leave);
        for other in self.up().into_iter().filter(|other| *other != host) {
            self.send(host, other, Frame::Goodbye);
        }
        let left = self.hosts[host].detector.take();
        assert_eq!(left.and_then(|detector| detector.next_wake()), None);
    }

    /// The process of a host stands still; what arrives waits in its socket.
    pub(crate) fn pause(&mut self, host: usize) {
        self.hosts[host].paused = Some(Vec::new());
    }

    /// It goes on: its timers first, then what has waited.
    pub(crate) fn resume(&mut self, host: usize) {
        let held = self.hosts[host].paused.take().expect("host is paused");
        self.feed(host, DetectorInput::Wake);
        held.into_iter().for_each(|event| self.happen(event));
    }

    /// Cuts all frames between two groups.
    pub(crate) fn partition(&mut self, left: &[usize], right: &[usize]) {
        for (a, b) in left.iter().flat_map(|a| right.iter().map(move |b| (*a, *b))) {
            self.cut.extend([(a, b), (b, a)]);
        }
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let timer = self.next_timer();
            let event = self.queue.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = timer.map(|(at, _)| at).into_iter().chain(event).min() else { break };
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            match timer.filter(|(at, _)| event.is_none_or(|event| *at <= event)) {
                Some((_, host)) => self.feed(host, DetectorInput::Wake),
                None => {
                    let (_, event) = self.queue.pop_first().expect("seen above");
                    self.happen(event);
                }
            }
        }
        self.now = end;
    }

    /// Lets time pass in small steps until `done`; how long it took.
    pub(crate) fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Duration {
        let start = self.now;
        while !done(self) {
            let waited = self.now.since(start);
            assert!(waited < limit, "still not so after {waited:?}: {:#?}", self.last_changes());
            self.run(ms(1));
        }
        self.now.since(start)
    }

    pub(crate) fn last_changes(&self) -> Vec<String> {
        let line = |(at, observer, opinion): &(Moment, usize, Opinion)| {
            let subject = opinion.instance.to_bytes()[0] - 1;
            let (verdict, reason) = (opinion.verdict, &opinion.reason);
            format!("{} us: {observer} holds {subject} {verdict:?}: {reason}", at.as_micros())
        };
        self.log.iter().rev().take(20).rev().map(line).collect()
    }

    fn next_timer(&self) -> Option<(Moment, usize)> {
        let running = self.hosts.iter().enumerate().filter(|(_, host)| host.paused.is_none());
        let timers = running.filter_map(|(number, host)| {
            let wake = host.detector.as_ref().and_then(Detector::next_wake);
            wake.map(|wake| (wake, number))
        });
        timers.min()
    }

    fn happen(&mut self, event: Event) {
        let (Event::Arrive { to: at, .. }
        | Event::Feed { to: at, .. }
        | Event::Pings { host: at, .. }) = &event;
        let host = &mut self.hosts[*at];
        if let Some(held) = &mut host.paused {
            // A socket's buffer is bounded too.
            if held.len() < 2_000 {
                held.push(event);
            }
            return;
        }
        match event {
            Event::Feed { to, generation, input } => {
                if self.hosts[to].generation == generation {
                    self.feed(to, *input);
                }
            }
            Event::Pings { host, generation } => self.ping(host, generation),
            Event::Arrive { from, to, number, frame } => self.arrive(from, to, number, frame),
        }
    }

    fn ping(&mut self, host: usize, generation: u64) {
        if self.hosts[host].generation != generation || self.hosts[host].detector.is_none() {
            return;
        }
        for other in 0..self.hosts.len() {
            let leads = self.leader == Some(host) || self.leader == Some(other);
            let gone = matches!(self.verdict(host, other), Some(Verdict::Down | Verdict::Left));
            if other != host && leads && !gone {
                self.send(host, other, Frame::Ping);
            }
        }
        self.schedule(PING, Event::Pings { host, generation });
    }

    fn arrive(&mut self, from: usize, to: usize, number: u64, frame: Frame) {
        let pair = (from.min(to), from.max(to));
        let stands = self.links.get(&pair).is_some_and(|link| link.number == number);
        if !stands || self.hosts[to].detector.is_none() {
            return;
        }
        let sender = instance(from);
        match frame {
            Frame::Ping => {
                self.feed(to, DetectorInput::Heard { instance: sender });
                self.send(to, from, Frame::Pong);
            }
            Frame::Pong => self.feed(to, DetectorInput::Heard { instance: sender }),
            Frame::Goodbye => {
                let generation = Generation::new(self.hosts[from].generation);
                self.feed(
                    to,
                    DetectorInput::Farewell {
                        instance: sender,
                        generation,
                        by: quorate_proto::Goodbye::Stopped,
                    },
                );
            }
            Frame::Datagram(bytes) => {
                self.feed(to, DetectorInput::Datagram { from: sender, bytes })
            }
            Frame::Message(message) => {
                self.feed(to, DetectorInput::Heard { instance: sender });
                self.feed(to, DetectorInput::Message { from: sender, message });
            }
        }
    }

    /// Sends over the standing connection, or makes one first.
    fn send(&mut self, from: usize, to: usize, frame: Frame) {
        let fresh = !self.connected(from, to);
        if fresh && !self.connect(from, to) {
            return;
        }
        let loss = match frame {
            Frame::Datagram(_) => self.datagram_loss,
            _ => self.control_loss,
        };
        let lost = self.random(100) < loss || self.cut.contains(&(from, to));
        let delay = Duration::from_micros(300 + self.random(400));
        let delay = if fresh { delay + ms(2) } else { delay };
        let number = self.links[&(from.min(to), from.max(to))].number;
        let lost = lost || (fresh && matches!(frame, Frame::Datagram(_)));
        if !lost {
            self.schedule(delay, Event::Arrive { from, to, number, frame });
        }
    }

    fn connected(&self, a: usize, b: usize) -> bool {
        let (low, high) = (a.min(b), a.max(b));
        let generations = (self.hosts[low].generation, self.hosts[high].generation);
        self.links.get(&(low, high)).is_some_and(|link| link.generations == generations)
    }

    fn connect(&mut self, a: usize, b: usize) -> bool {
        let dead = [a, b]
            .iter()
            .any(|host| self.hosts[*host].detector.is_none() || self.hosts[*host].paused.is_some());
        if dead || self.cut.contains(&(a, b)) || self.cut.contains(&(b, a)) {
            return false;
        }
        self.sessions += 1;
        let number = self.sessions;
        let (low, high) = (a.min(b), a.max(b));
        let generations = (self.hosts[low].generation, self.hosts[high].generation);
        self.links.insert((low, high), Link { number, generations });
        for (to, peer) in [(a, b), (b, a)] {
            let session = self.session(peer, number);
            let generation = self.hosts[to].generation;
            let input = Box::new(DetectorInput::SessionUp(session));
            self.schedule(ms(1), Event::Feed { to, generation, input });
        }
        true
    }

    fn session(&self, peer: usize, number: u64) -> Session {
        Session {
            number,
            instance: instance(peer),
            generation: Generation::new(self.hosts[peer].generation),
            boot_nonce: self.hosts[peer].generation,
            name: NodeName::new(&format!("h{peer}")).expect("a test's own value"),
            cluster: ClusterName::new("test").expect("a test's own value"),
            key: NodeKey::default(),
            address: address(peer),
            advertised: true,
            dialled: None,
            cluster_id: None,
            digest: Digest::default(),
            seeds: Vec::new(),
            moved: false,
            voters: 0,
            software: String::new(),
            levels: quorate_proto::Levels::HERE,
            source: None,
        }
    }

    /// Feeds one input in and carries out what comes of it.
    pub(crate) fn feed(&mut self, host: usize, input: DetectorInput) {
        let Some(detector) = &mut self.hosts[host].detector else { return };
        let mut outputs = Vec::new();
        detector.step(self.now, input, &mut outputs);
        let wake = detector.next_wake();
        assert!(wake.is_none_or(|wake| wake > self.now), "a due timer was not fired");
        for output in outputs {
            if self.keep_trace {
                self.trace.push(format!("{} {host} {output:?}", self.now.as_micros()));
            }
            match output {
                DetectorOutput::Datagram { to, bytes, .. } => {
                    self.send(host, usize::from(to.to_bytes()[0]) - 1, Frame::Datagram(bytes));
                }
                DetectorOutput::Send { to, message } => {
                    self.send(host, usize::from(to.to_bytes()[0]) - 1, Frame::Message(message));
                }
                DetectorOutput::Verdict(opinion) => self.log.push((self.now, host, opinion)),
                // Nothing waits for anybody here.
                DetectorOutput::IsThere { .. } => {}
                DetectorOutput::Dial { address } => {
                    let std::net::IpAddr::V4(ip) = address.ip() else { continue };
                    let other = usize::from(ip.octets()[3]) - 1;
                    if !self.connected(host, other) {
                        self.connect(host, other);
                    }
                }
            }
        }
    }

    /// Nobody holds anybody of these down or left, and nobody has since the log was cleared.
    pub(crate) fn assert_nobody_condemned(&self) {
        let condemned = |verdict| matches!(verdict, Verdict::Down | Verdict::Left);
        let found = self.log.iter().find(|(_, _, opinion)| condemned(opinion.verdict));
        assert!(found.is_none(), "condemned without cause: {found:?} {:#?}", self.last_changes());
    }
}
