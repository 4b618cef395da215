//! A world of replicas in virtual time: a network that may lose, double and reorder, disks that may lag and whose
//! unpersisted writes a crash takes away, and checkers that watch every step.
//!
//! Checked always: one leader a term; one entry at each committed position, whoever commits it; no read below what was
//! committed when it was asked for. Everything is drawn from one seed.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses its part")]

use bytes::Bytes;
use quorate_consensus::log_codec::fold::LogFold;
use quorate_consensus::{
    Committed, GuardError, LogRecord, RaftRole, Recovered, Replica, ReplicaConfig, ReplicaOutput,
    ReplicaStatus,
};
use quorate_proto::{
    ConfChange, ConfChangeKind, ConfChangeSet, ConfState, GroupId, Message as _, RaftId,
    RaftMessage, SnapshotMetadata,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub fn id(number: u64) -> RaftId {
    RaftId::new(number).expect("test ids are not zero")
}

pub fn ids(numbers: &[u64]) -> Vec<RaftId> {
    numbers.iter().copied().map(id).collect()
}

pub fn changes(list: &[(ConfChangeKind, u64)]) -> ConfChangeSet {
    let changes =
        list.iter().map(|(kind, node)| ConfChange { kind: *kind as i32, node_id: *node }).collect();
    ConfChangeSet { transition: 0, changes, context: Bytes::new() }
}

/// xorshift64*.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// What one replica's state machine holds: the commands in order.
type Image = Vec<(u64, Bytes)>;

pub struct Host {
    pub replica: Option<Replica>,
    pub durable: LogFold,
    pub pending: VecDeque<(u64, Vec<LogRecord>)>,
    /// The newest durable snapshot with its image.
    pub snapshot: (SnapshotMetadata, Image),
    pub image: Image,
    pub applied: (u64, u64),
    pub conf: ConfState,
    incoming: Option<Image>,
    pub refused: Vec<ConfChangeSet>,
    pub reads: Vec<(u64, u64)>,
    pub installs: usize,
    pub removed: bool,
    pub lost: bool,
}

type Filter = Box<dyn FnMut(&RaftMessage) -> bool>;

pub struct World {
    pub seed: u64,
    pub hosts: BTreeMap<u64, Host>,
    pub network: VecDeque<(RaftMessage, Image)>,
    pub cut: BTreeSet<u64>,
    /// Messages for which this says true are lost.
    pub lose: Option<Filter>,
    pub leaders: BTreeMap<u64, u64>,
    pub committed: BTreeMap<u64, (u64, Bytes)>,
    asked: BTreeMap<u64, u64>,
    next_ticket: u64,
    pub hash: u64,
    pub slow_disks: bool,
    /// A leader's commit index waits for the next append or heartbeat.
    pub commits_ride: bool,
    /// Peers that a leader says have lost something, with what they had and have. Wrong where messages are reordered.
    pub lost: Vec<(u64, u64, u64)>,
    /// Replicas that were told twice that they lost something, by the leader of their choice; they go on here.
    pub told: Vec<u64>,
}

impl World {
    /// `founders` start from the same founding, `joiners` from nothing.
    pub fn new(seed: u64, founders: &[u64], joiners: &[u64]) -> Self {
        let mut world = Self {
            seed,
            hosts: BTreeMap::new(),
            network: VecDeque::new(),
            cut: BTreeSet::new(),
            lose: None,
            leaders: BTreeMap::new(),
            committed: BTreeMap::new(),
            asked: BTreeMap::new(),
            next_ticket: 1,
            hash: 0xcbf2_9ce4_8422_2325,
            slow_disks: false,
            commits_ride: false,
            lost: Vec::new(),
            told: Vec::new(),
        };
        for &number in founders {
            world.add(number, Recovered::from_founding(&ids(founders)));
        }
        for &number in joiners {
            world.add(number, Recovered::empty());
        }
        world
    }

    fn add(&mut self, number: u64, recovered: Recovered) {
        let mut durable = LogFold::default();
        recovered.founding_records().into_iter().for_each(|record| durable.add(record));
        let metadata = recovered.snapshot.clone();
        let host = Host {
            replica: None,
            durable,
            pending: VecDeque::new(),
            snapshot: (metadata, Image::new()),
            image: Image::new(),
            applied: (0, 0),
            conf: ConfState::default(),
            incoming: None,
            refused: Vec::new(),
            reads: Vec::new(),
            installs: 0,
            removed: false,
            lost: false,
        };
        self.hosts.insert(number, host);
        self.restart(number);
    }

    /// Starts a host from what its disk holds.
    pub fn restart(&mut self, number: u64) {
        let config = ReplicaConfig { group: GroupId::META, me: id(number), seed: self.seed };
        let host = self.host(number);
        let (metadata, image) = host.snapshot.clone();
        let state = host
            .durable
            .clone()
            .behind(Some((metadata.index, metadata.term)))
            .expect("the log has no gaps");
        if state.overruled {
            host.durable.add(LogRecord::Reset { index: metadata.index, term: metadata.term });
        }
        host.applied = (metadata.index, metadata.term);
        host.conf = metadata.conf_state.clone();
        host.image = image;
        host.removed = false;
        let recovered = Recovered {
            hard_state: state.hard_state,
            snapshot: metadata.clone(),
            entries: state.entries,
        };
        let mut replica = Replica::start(config, recovered).expect("the log can be continued");
        replica.offer_snapshot(metadata);
        host.replica = Some(replica);
        self.drain(number);
        // A transport tells that a peer was started again: what it had not made durable is gone.
        let others: Vec<u64> =
            self.hosts.keys().copied().filter(|other| *other != number).collect();
        for other in others {
            self.with(other, |replica| replica.unreachable(id(number)));
        }
    }

    /// Takes the power away: what is not on disk is gone, but for the first `kept` writes.
    pub fn crash(&mut self, number: u64, kept: usize) {
        let host = self.host(number);
        for (_, records) in host.pending.drain(..).take(kept) {
            records.into_iter().for_each(|record| host.durable.add(record));
        }
        host.pending.clear();
        host.replica = None;
        host.incoming = None;
    }

    pub fn host(&mut self, number: u64) -> &mut Host {
        self.hosts.get_mut(&number).expect("a host of this world")
    }

    /// Does something with a live replica, and takes out what it says.
    pub fn with<T>(&mut self, number: u64, act: impl FnOnce(&mut Replica) -> T) -> Option<T> {
        let result = act(self.host(number).replica.as_mut()?);
        self.drain(number);
        Some(result)
    }

    pub fn status(&self, number: u64) -> ReplicaStatus {
        self.hosts[&number].replica.as_ref().expect("it runs").status()
    }

    /// The leader of the highest term among the live ones.
    pub fn leader(&self) -> Option<u64> {
        let live = self.hosts.iter().filter_map(|(n, host)| Some((*n, host.replica.as_ref()?)));
        live.map(|(n, replica)| (replica.status(), n))
            .filter(|(status, _)| status.role == RaftRole::Leader)
            .max_by_key(|(status, _)| status.term)
            .map(|(_, n)| n)
    }

    pub fn drain(&mut self, number: u64) {
        loop {
            let mut out = Vec::new();
            let rides = self.commits_ride;
            let Some(replica) = self.host(number).replica.as_mut() else { return };
            if !rides {
                replica.tell_commit();
            }
            replica.ready(&mut out);
            if out.is_empty() {
                break;
            }
            for output in out {
                self.obey(number, output);
            }
        }
        self.check_leader(number);
        if self.host(number).replica.as_ref().is_some_and(Replica::wants_snapshot) {
            self.compact(number, u64::MAX);
        }
    }

    fn check_leader(&mut self, number: u64) {
        let status = self.status(number);
        if status.role == RaftRole::Leader {
            let first = *self.leaders.entry(status.term).or_insert(number);
            assert_eq!(first, number, "two leaders of term {}", status.term);
        }
    }

    fn obey(&mut self, number: u64, output: ReplicaOutput) {
        match output {
            ReplicaOutput::Send(message) => self.post(number, message),
            ReplicaOutput::Persist { number: write, records } => {
                self.host(number).pending.push_back((write, records));
            }
            ReplicaOutput::Commit(entries) => self.apply(number, entries),
            ReplicaOutput::Install(metadata) => self.install(number, metadata),
            ReplicaOutput::ReadReady { ticket, index } => {
                let floor = self.asked.get(&ticket).copied().unwrap_or(0);
                assert!(index >= floor, "a read at {index}, committed was {floor}");
                self.host(number).reads.push((ticket, index));
            }
            ReplicaOutput::ChangeRefused(set) => self.host(number).refused.push(set),
            ReplicaOutput::RemovedAsLeader => self.host(number).removed = true,
        }
    }

    fn post(&mut self, from: u64, message: RaftMessage) {
        assert_eq!(message.from, from);
        for byte in message.encode_to_vec() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let image = match &message.snapshot {
            Some(metadata) => {
                let (offered, image) = &self.hosts[&from].snapshot;
                assert_eq!(metadata.index, offered.index, "only what is offered is sent");
                image.clone()
            }
            None => Image::new(),
        };
        self.network.push_back((message, image));
    }

    fn apply(&mut self, number: u64, entries: Vec<Committed>) {
        for entry in entries {
            let index = entry.index();
            let (term, data) = match &entry {
                Committed::Command { term, data, .. } => (*term, data.clone()),
                Committed::Nothing { term, .. } => (*term, Bytes::new()),
                Committed::Voters { term, conf, .. } => (*term, Bytes::from(conf.encode_to_vec())),
            };
            let agreed = self.committed.entry(index).or_insert_with(|| (term, data.clone()));
            assert_eq!(*agreed, (term, data.clone()), "two histories at {index}");
            let host = self.host(number);
            assert_eq!(host.applied.0 + 1, index, "host {number} skips or repeats an entry");
            host.applied = (index, term);
            match entry {
                Committed::Command { .. } => host.image.push((index, data)),
                Committed::Voters { conf, .. } => host.conf = conf,
                Committed::Nothing { .. } => {}
            }
        }
        let host = self.host(number);
        let applied = host.applied.0;
        host.replica.as_mut().expect("it spoke").applied(applied);
    }

    fn install(&mut self, number: u64, metadata: SnapshotMetadata) {
        let host = self.host(number);
        let image = host.incoming.take().expect("only what was received is installed");
        host.image = image.clone();
        host.applied = (metadata.index, metadata.term);
        host.conf = metadata.conf_state.clone();
        host.snapshot = (metadata.clone(), image);
        host.installs += 1;
        let replica = host.replica.as_mut().expect("it spoke");
        replica.offer_snapshot(metadata.clone());
        replica.applied(metadata.index);
    }

    /// Takes a snapshot of what is applied, offers it, and drops the log but for `keep` entries.
    pub fn compact(&mut self, number: u64, keep: u64) {
        let host = self.host(number);
        let Some(replica) = host.replica.as_mut() else { return };
        let (index, term) = host.applied;
        if index <= host.snapshot.0.index {
            return;
        }
        let metadata = SnapshotMetadata { conf_state: host.conf.clone(), index, term };
        host.snapshot = (metadata.clone(), host.image.clone());
        replica.offer_snapshot(metadata);
        if let Some(record) = replica.compact(index.saturating_sub(keep)) {
            // Behind everything that waits already, as one log file has it; its own write needs no answer.
            match host.pending.back_mut() {
                Some((_, records)) => records.push(record),
                None => host.durable.add(record),
            }
        }
    }

    /// Lets the first `count` writes of a host become durable.
    pub fn sync(&mut self, number: u64, count: usize) {
        let host = self.host(number);
        let mut last = None;
        for (write, records) in host.pending.drain(..count.min(host.pending.len())) {
            records.into_iter().for_each(|record| host.durable.add(record));
            last = Some(write);
        }
        if let Some(write) = last {
            self.with(number, |replica| replica.persisted(write));
        }
    }

    /// Delivers a message, or loses it when the world says so.
    pub fn deliver(&mut self, message: RaftMessage, image: Image) {
        let filtered = self.lose.as_mut().is_some_and(|lose| lose(&message));
        let apart = self.cut.contains(&message.from) != self.cut.contains(&message.to);
        let lost = filtered || apart || !self.hosts.contains_key(&message.to);
        self.report(&message, !lost);
        if lost {
            return;
        }
        let to = message.to;
        if message.snapshot.is_some() {
            self.host(to).incoming = Some(image);
        }
        match self.with(to, |replica| replica.receive(message.clone())) {
            Some(Err(GuardError::PeerLost { peer, had, has })) => self.lost.push((peer, had, has)),
            Some(Err(GuardError::LogLost { .. })) => self.told.push(to),
            Some(Err(error)) => {
                panic!("host {to} refuses an honest message: {error}\n{message:?}");
            }
            Some(Ok(())) | None => {}
        }
    }

    /// What a transport tells the sender.
    pub fn report(&mut self, message: &RaftMessage, ok: bool) {
        let (from, to) = (message.from, id(message.to));
        if message.snapshot.is_some() {
            self.with(from, |replica| replica.snapshot_sent(to, ok));
        } else if !ok {
            self.with(from, |replica| replica.unreachable(to));
        }
    }

    /// Delivers and syncs until nothing is left to do.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.slow_disks {
                let numbers: Vec<u64> = self.hosts.keys().copied().collect();
                numbers.into_iter().for_each(|number| self.sync(number, usize::MAX));
            }
            match self.network.pop_front() {
                Some((message, image)) => self.deliver(message, image),
                None if self.hosts.values().all(|host| host.pending.is_empty()) => return,
                None if self.slow_disks => return,
                None => {}
            }
        }
        panic!("the world does not come to rest");
    }

    pub fn tick(&mut self) {
        let numbers: Vec<u64> = self.hosts.keys().copied().collect();
        for number in numbers {
            self.with(number, Replica::tick);
        }
    }

    /// Ticks with everything delivered in between.
    pub fn ticks(&mut self, count: usize) {
        for _ in 0..count {
            self.tick();
            self.settle();
        }
    }

    /// Makes this host the leader.
    pub fn elect(&mut self, number: u64) {
        self.with(number, Replica::campaign);
        self.settle();
        assert_eq!(self.leader(), Some(number), "it was not elected");
    }

    pub fn propose(&mut self, number: u64, text: &str) -> bool {
        let data = Bytes::copy_from_slice(text.as_bytes());
        matches!(self.with(number, |replica| replica.propose(vec![data])), Some(Ok(())))
    }

    pub fn change(&mut self, number: u64, list: &[(ConfChangeKind, u64)]) -> bool {
        let set = changes(list);
        matches!(self.with(number, |replica| replica.change(set)), Some(Ok(())))
    }

    /// Asks for a read; the answer may not lie below what any replica has committed by now.
    pub fn read(&mut self, number: u64) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let floor = self.committed.keys().next_back().copied().unwrap_or(0);
        self.asked.insert(ticket, floor);
        self.with(number, |replica| replica.read_index(ticket));
        ticket
    }

    pub fn texts(&self, number: u64) -> Vec<String> {
        let image = &self.hosts[&number].image;
        image.iter().map(|(_, data)| String::from_utf8_lossy(data).into_owned()).collect()
    }
}
