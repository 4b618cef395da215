//! A tiny network and tiny disks in virtual time, for the tests of `Founding`.
//!
//! Messages may be lost, doubled and reordered; writes take time and are lost, or half survive, in a crash; a wiped
//! host is a new disk life. Everything follows from one seed. Knows only the public vocabulary of `Founding`.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its part")]

pub mod one;

use quorate_membership::{
    FounderSelf, Founding, FoundingConfig, FoundingInput as Input, FoundingOutput as Output, Mode,
    Outcome, OwnSlot,
};
use quorate_proto::{
    ClusterId, ClusterName, DialFailure, FoundingMessage, FoundingState, Generation, Instance,
    Moment, NodeKey, NodeName, Session, founders_digest,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
    pub fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }
}

pub struct Host {
    pub name: String,
    pub seeds: Vec<String>,
    pub address: SocketAddr,
    pub slot: Option<usize>,
    pub instance: Instance,
    pub generation: u64,
    pub disk: FoundingState,
    pub marker: Option<ClusterId>,
    pub run: Option<Founding>,
    /// Grows with each crash; what was under way for an earlier run is void.
    pub epoch: u64,
    pub took_part_and_forgot: bool,
    pub joins: Vec<ClusterId>,
    pub alarms: Vec<(&'static str, String)>,
    /// Writes that were started and are not durable.
    writing: BTreeMap<u64, (FoundingState, Option<ClusterId>)>,
    wake_at: Option<u64>,
    committed: u64,
    pub persists: u64,
}

enum Event {
    Wake { host: usize, epoch: u64 },
    Written { host: usize, epoch: u64, number: u64 },
    Arrive { host: usize, epoch: u64, from: Instance, message: FoundingMessage },
    Connect { from: usize, epoch: u64, address: SocketAddr },
    Tell { host: usize, epoch: u64, input: Input },
}

pub struct World {
    pub now: u64,
    pub hosts: Vec<Host>,
    pub random: Random,
    pub mode: Mode,
    pub quiet: Duration,
    pub loss: u64,
    pub doubled: u64,
    pub slowest: u64,
    pub slowest_write: u64,
    pub cut: BTreeSet<(usize, usize)>,
    pub founded: BTreeSet<ClusterId>,
    pub alarm_before_second: bool,
    alarm_seen: bool,
    /// Most founder slots that were forgetful at one moment.
    pub most_forgetful: usize,
    queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    sessions: BTreeMap<(usize, usize), u64>,
    /// Crash this host when it has started so many writes, before (false) or after (true) the disk has them.
    pub kill: Option<(usize, u64, bool)>,
    pub trace: Vec<String>,
}

pub const SECOND: u64 = 1_000_000;

pub fn life(host: usize, number: u64) -> Instance {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(host as u64 + 1).to_be_bytes());
    bytes[8..].copy_from_slice(&(number + 1).to_be_bytes());
    Instance::from_bytes(bytes)
}

pub fn address_of(host: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host as u8 + 1], 4747))
}

pub fn cluster() -> ClusterName {
    ClusterName::new("test").expect("valid")
}

impl World {
    /// `founders` seeds, and `others` hosts that are no seeds; nobody is started.
    pub fn new(seed: u64, mode: Mode, founders: usize, others: usize) -> Self {
        let seeds: Vec<String> = (0..founders).map(|slot| format!("f{}", slot + 1)).collect();
        let host = |place: usize| Host {
            name: format!("f{}", place + 1),
            seeds: seeds.clone(),
            address: address_of(place),
            slot: (place < founders).then_some(place),
            instance: life(place, 0),
            generation: 0,
            disk: FoundingState::fresh(life(place, 0), &cluster()),
            marker: None,
            run: None,
            epoch: 0,
            took_part_and_forgot: false,
            joins: Vec::new(),
            alarms: Vec::new(),
            writing: BTreeMap::new(),
            wake_at: None,
            committed: 0,
            persists: 0,
        };
        Self {
            now: 1000,
            hosts: (0..founders + others).map(host).collect(),
            random: Random(seed),
            mode,
            quiet: Duration::ZERO,
            loss: 0,
            doubled: 0,
            slowest: 500,
            slowest_write: 1000,
            cut: BTreeSet::new(),
            founded: BTreeSet::new(),
            alarm_before_second: false,
            alarm_seen: false,
            most_forgetful: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            sessions: BTreeMap::new(),
            kill: None,
            trace: Vec::new(),
        }
    }

    fn push(&mut self, after: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.now + after, self.sequence), event);
    }

    fn delay(&mut self) -> u64 {
        1 + self.random.below(self.slowest)
    }

    pub fn start(&mut self, place: usize) {
        assert!(self.hosts[place].run.is_none(), "started twice");
        let now = Moment::from_micros(self.now);
        let (mode, quiet) = (self.mode, self.quiet);
        let nonce_key = self.random.below(u64::MAX);
        let host = &mut self.hosts[place];
        host.generation += 1;
        let config = FoundingConfig {
            cluster: cluster(),
            seeds: host.seeds.clone(),
            mode,
            digest: founders_digest(&cluster(), &host.seeds, &mode.to_string()),
            quiet,
            grace: Duration::from_secs(3),
            me: FounderSelf {
                instance: host.instance,
                generation: Generation::new(host.generation),
                boot_nonce: host.epoch * 1000 + host.generation,
                name: NodeName::new(&host.name).expect("valid"),
                key: key_of(host.instance),
                address: Some(host.address),
                levels: quorate_proto::Levels::HERE,
            },
            seed: nonce_key,
            nonce_key,
            marker: host.marker,
        };
        host.run = Some(Founding::new(now, config, host.disk.clone()));
        self.note_founded(place);
        let names = self.hosts[place].seeds.clone();
        let known: Vec<(String, SocketAddr)> =
            self.hosts.iter().map(|host| (host.name.clone(), host.address)).collect();
        for (slot, name) in names.iter().enumerate() {
            let addresses =
                known.iter().filter(|(known, _)| known == name).map(|(_, at)| *at).collect();
            self.step(place, Input::Resolved { slot, addresses, problem: None });
        }
        let own = self.hosts[place].slot.map_or(OwnSlot::NotASeed, OwnSlot::Slot);
        self.step(place, Input::OwnSlot(own));
    }

    /// The process dies. Of the writes under way a random part is on the disk all the same.
    pub fn crash(&mut self, place: usize) {
        let lands = self.random.below(8) as usize;
        self.crash_with(place, lands);
    }

    pub fn crash_with(&mut self, place: usize, lands: usize) {
        let host = &mut self.hosts[place];
        host.run = None;
        host.epoch += 1;
        host.wake_at = None;
        host.committed = 0;
        for (_, (state, marker)) in std::mem::take(&mut host.writing).into_iter().take(lands) {
            host.disk = state;
            // The marker is written after the state, so it may be missing still.
            host.marker = marker.or(host.marker);
        }
        self.hang_up(place, |_| true);
        self.note_founded(place);
    }

    /// The disk is lost; the host is a new life. The marker outside goes with it unless it is kept.
    pub fn wipe(&mut self, place: usize, keep_marker: bool) {
        self.crash_with(place, 0);
        let host = &mut self.hosts[place];
        let took_part = host.disk.promised.is_some() || host.disk.known_cluster().is_some();
        host.took_part_and_forgot |= took_part;
        host.instance = life(place, host.epoch);
        host.generation = 0;
        host.disk = FoundingState::fresh(host.instance, &cluster());
        if !keep_marker {
            host.marker = None;
        }
        let forgets = |host: &&Host| host.slot.is_some() && host.took_part_and_forgot;
        let forgetful = self.hosts.iter().filter(forgets).count();
        self.most_forgetful = self.most_forgetful.max(forgetful);
    }

    fn hang_up(&mut self, place: usize, which: impl Fn(usize) -> bool) {
        let gone: Vec<(usize, usize)> = self
            .sessions
            .keys()
            .copied()
            .filter(|(a, b)| (*a == place && which(*b)) || (*b == place && which(*a)))
            .collect();
        for (a, b) in gone {
            let number = self.sessions.remove(&(a, b)).expect("listed");
            for (at, other) in [(a, b), (b, a)] {
                let instance = self.hosts[other].instance;
                let epoch = self.hosts[at].epoch;
                let input = Input::SessionDown { instance, number };
                let delay = self.delay();
                self.push(delay, Event::Tell { host: at, epoch, input });
            }
        }
    }

    /// Cuts two hosts off from each other.
    pub fn part(&mut self, a: usize, b: usize) {
        self.cut.insert((a.min(b), a.max(b)));
        self.hang_up(a, |other| other == b);
    }

    pub fn heal(&mut self, a: usize, b: usize) {
        self.cut.remove(&(a.min(b), a.max(b)));
    }

    pub fn heal_all(&mut self) {
        self.cut.clear();
    }

    /// Hands one input to a host that runs, and carries out what it asks for.
    pub fn step(&mut self, place: usize, input: Input) {
        let now = Moment::from_micros(self.now);
        let mut out = Vec::new();
        let host = &mut self.hosts[place];
        let Some(run) = host.run.as_mut() else { return };
        run.step(now, input, &mut out);
        let wake = run.next_wake().expect("it always probes");
        assert!(wake > now, "a due timer was not fired at {now:?}: {wake:?}");
        let wake = wake.as_micros();
        let epoch = host.epoch;
        if host.wake_at.is_none_or(|at| at > wake || at <= self.now) {
            host.wake_at = Some(wake);
            self.push(wake - self.now, Event::Wake { host: place, epoch });
        }
        if self.hosts[place].run.as_ref().and_then(Founding::margin).is_some_and(|m| m.alarm) {
            self.alarm_seen = true;
        }
        for output in out {
            self.carry_out(place, output);
        }
    }

    fn carry_out(&mut self, place: usize, output: Output) {
        let epoch = self.hosts[place].epoch;
        if self.hosts[place].run.is_none() {
            return;
        }
        match output {
            Output::Dial { address } => {
                let after = self.delay();
                self.push(after, Event::Connect { from: place, epoch, address });
            }
            Output::Send { to, message } => self.send(place, to, &message),
            Output::Persist { number, state, marker } => {
                let host = &mut self.hosts[place];
                host.committed += 1;
                assert_eq!(number, host.committed, "numbers grow by one");
                host.writing.insert(number, (state, marker));
                host.persists += 1;
                if let Some((victim, at, landed)) = self.kill
                    && victim == place
                    && at == self.hosts[place].persists
                {
                    self.kill = None;
                    return self.crash_with(place, if landed { 8 } else { 0 });
                }
                let after = 1 + self.random.below(self.slowest_write);
                self.push(after, Event::Written { host: place, epoch, number });
            }
            Output::Founded(founded) => {
                let durable = self.hosts[place].disk.founded.as_ref();
                assert_eq!(durable, Some(&founded), "founded before it was durable");
            }
            Output::Join(cluster_id) => {
                assert_eq!(self.hosts[place].disk.exists, Some(cluster_id), "joins undurably");
                self.hosts[place].joins.push(cluster_id);
            }
            Output::FoundedAnew(founded) => {
                panic!("nobody founds a cluster anew here: {founded:?}")
            }
            Output::Alarm { code, text } => self.hosts[place].alarms.push((code.word(), text)),
            Output::Resolve | Output::Ban { .. } => {}
        }
    }

    fn send(&mut self, place: usize, to: Instance, message: &FoundingMessage) {
        let Some(target) = self.hosts.iter().position(|host| host.instance == to) else { return };
        let pair = (place.min(target), place.max(target));
        if !self.sessions.contains_key(&pair) {
            return;
        }
        let copies = 1 + usize::from(self.random.chance(self.doubled));
        for _ in 0..copies {
            if self.random.chance(self.loss) {
                continue;
            }
            let (after, epoch) = (self.delay(), self.hosts[target].epoch);
            let (from, message) = (self.hosts[place].instance, message.clone());
            self.push(after, Event::Arrive { host: target, epoch, from, message });
        }
    }

    fn connect(&mut self, from: usize, address: SocketAddr) {
        let target = self.hosts.iter().position(|host| host.address == address);
        let open = target.filter(|target| {
            self.hosts[*target].run.is_some()
                && !self.cut.contains(&(from.min(*target), from.max(*target)))
        });
        let Some(target) = open else {
            let failure = DialFailure::NoAnswer;
            return self.step(from, Input::DialFailed { address, failure });
        };
        if target == from {
            let failure = DialFailure::Myself;
            return self.step(from, Input::DialFailed { address, failure });
        }
        let pair = (from.min(target), from.max(target));
        self.sequence += 1;
        let fresh = self.sequence;
        let number = *self.sessions.entry(pair).or_insert(fresh);
        for (at, other) in [(from, target), (target, from)] {
            let session = self.session_with(other, number);
            self.step(at, Input::SessionUp(session));
        }
    }

    pub fn session_with(&self, other: usize, number: u64) -> Session {
        let host = &self.hosts[other];
        Session {
            number,
            instance: host.instance,
            generation: Generation::new(host.generation),
            boot_nonce: host.epoch * 1000 + host.generation,
            name: NodeName::new(&host.name).expect("valid"),
            cluster: cluster(),
            key: key_of(host.instance),
            address: host.address,
            advertised: true,
            dialled: None,
            cluster_id: host.disk.known_cluster(),
            digest: founders_digest(&cluster(), &host.seeds, &self.mode.to_string()),
            seeds: host.seeds.clone(),
            moved: false,
            voters: 0,
            software: String::new(),
            levels: quorate_proto::Levels::HERE,
            source: None,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Wake { host, epoch } if self.lives(host, epoch) => {
                self.hosts[host].wake_at = None;
                self.step(host, Input::Wake);
            }
            Event::Written { host, epoch, number } if self.lives(host, epoch) => {
                let place = &mut self.hosts[host];
                let later = place.writing.split_off(&(number + 1));
                let done = std::mem::replace(&mut place.writing, later);
                if done.is_empty() {
                    return;
                }
                for (state, marker) in done.into_values() {
                    place.disk = state;
                    place.marker = marker.or(place.marker);
                }
                self.note_founded(host);
                self.step(host, Input::Persisted { number });
            }
            Event::Arrive { host, epoch, from, message } if self.lives(host, epoch) => {
                self.step(host, Input::Message { from, message });
            }
            Event::Tell { host, epoch, input } if self.lives(host, epoch) => self.step(host, input),
            Event::Connect { from, epoch, address } if self.lives(from, epoch) => {
                self.connect(from, address);
            }
            _ => {}
        }
    }

    fn lives(&self, host: usize, epoch: u64) -> bool {
        self.hosts[host].epoch == epoch && self.hosts[host].run.is_some()
    }

    fn note_founded(&mut self, place: usize) {
        let host = &mut self.hosts[place];
        if host.disk.known_cluster().is_some() {
            host.took_part_and_forgot = false;
        }
        if let Some(founded) = &host.disk.founded
            && self.founded.insert(founded.record.cluster_id())
            && self.founded.len() == 2
        {
            self.alarm_before_second = self.alarm_seen;
        }
    }

    /// Lets time pass.
    pub fn run_for(&mut self, micros: u64) {
        let end = self.now + micros;
        while let Some(first) = self.queue.first_entry().filter(|first| first.key().0 <= end) {
            self.now = self.now.max(first.key().0);
            let event = first.remove();
            self.handle(event);
        }
        self.now = end;
    }

    /// Lets time pass until it is so, at most so long; the time it took.
    pub fn run_until(&mut self, micros: u64, is_so: impl Fn(&Self) -> bool) -> Option<u64> {
        let (begin, end) = (self.now, self.now + micros);
        while !is_so(self) {
            let first = self.queue.first_entry().filter(|first| first.key().0 <= end)?;
            self.now = self.now.max(first.key().0);
            let event = first.remove();
            self.handle(event);
        }
        Some(self.now - begin)
    }

    pub fn outcome_is_founded(&self, place: usize) -> bool {
        let run = self.hosts[place].run.as_ref();
        run.is_some_and(|run| matches!(run.outcome(), Outcome::Founded(_)))
    }

    pub fn all_founded(&self, places: &[usize]) -> bool {
        places.iter().all(|place| self.outcome_is_founded(*place))
    }

    pub fn joins(&self, place: usize) -> bool {
        let run = self.hosts[place].run.as_ref();
        run.is_some_and(|run| matches!(run.outcome(), Outcome::Join(_)))
    }

    pub fn voters(&self, place: usize) -> Vec<u32> {
        let founded = self.hosts[place].disk.founded.as_ref().expect("founded");
        founded.record.voters.iter().map(|voter| voter.slot).collect()
    }

    pub fn margin(&self, place: usize) -> quorate_membership::Margin {
        let run = self.hosts[place].run.as_ref().expect("running");
        run.margin().expect("founded")
    }

    pub fn codes(&self, place: usize) -> Vec<&'static str> {
        let run = self.hosts[place].run.as_ref().expect("running");
        let reasons = run.reasons(Moment::from_micros(self.now));
        reasons.into_iter().map(|reason| reason.code.word()).collect()
    }
}

pub fn key_of(instance: Instance) -> NodeKey {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&instance.to_bytes());
    NodeKey::from_bytes(bytes)
}
