//! Raft messages into the replicas of a group of three that has a leader and some entries.
//!
//! The corpus is what the three really sent. Of each input the first byte says to whom it goes, and what happens
//! beside it: ticks, writes that become durable, proposals.

use crate::mutation::harness::Target;
use crate::mutation::memory::{Bound, within};
use crate::mutation::samples::raft_message;
use crate::mutation::wire::mix;
use crate::mutation::words::{Word as _, decoded, name};
use bytes::Bytes;
use quorate_consensus::{GuardError, Recovered, Replica, ReplicaConfig, ReplicaOutput};
use quorate_proto::{
    ConfChange, ConfChangeKind, ConfChangeSet, Entry, EntryKind, GroupId, Message as _,
    MessageKind, RaftId, RaftMessage,
};
use std::collections::VecDeque;

/// What one message may hold: raft copies entries, and a leader answers each follower.
const STEP: Bound = Bound { per_byte: 512, constant: 256 * 1024 };

fn id(number: u64) -> RaftId {
    RaftId::new(number).expect("not zero")
}

fn kind_name(message: &RaftMessage) -> String {
    format!("{:?}", message.kind()).to_lowercase()
}

/// Three replicas and what is on its way between them.
struct Group {
    replicas: Vec<Replica>,
    /// For each, writes that are not durable yet.
    writes: Vec<u64>,
    waiting: VecDeque<RaftMessage>,
    sent: Vec<RaftMessage>,
}

impl Group {
    fn new() -> Self {
        let cluster_id = Recovered::from_founding(&[1, 2, 3].map(id));
        let replica = |me| {
            let config = ReplicaConfig { group: GroupId::META, me: id(me), seed: 1 };
            Replica::start(config, cluster_id.clone()).expect("a birth")
        };
        let replicas = (1..=3).map(replica).collect();
        Self { replicas, writes: vec![0; 3], waiting: VecDeque::new(), sent: Vec::new() }
    }

    /// Takes out what replica `at` says. Whether it may go on.
    fn drain(&mut self, at: usize, durable: bool) -> (bool, Vec<u64>) {
        let (mut alive, mut outcomes) = (true, Vec::new());
        // A write that is durable releases more, and what is applied may too; each turn of this has less to do.
        for _ in 0..20 {
            let mut out = Vec::new();
            self.replicas[at].ready(&mut out);
            if out.is_empty() {
                return (alive, outcomes);
            }
            for output in out {
                let text = format!("{output:?}");
                outcomes.push(name(text.get(..24).unwrap_or(&text)));
                match output {
                    ReplicaOutput::Send(message) => {
                        self.sent.push(message.clone());
                        self.waiting.push_back(message);
                    }
                    ReplicaOutput::Persist { number, .. } => self.writes[at] = number,
                    ReplicaOutput::Commit(entries) => {
                        let last = entries.last().expect("a commit has entries").index();
                        self.replicas[at].applied(last);
                    }
                    ReplicaOutput::Install(metadata) => self.replicas[at].applied(metadata.index),
                    ReplicaOutput::RemovedAsLeader => alive = false,
                    _ => {}
                }
            }
            if durable {
                self.replicas[at].persisted(self.writes[at]);
            }
        }
        panic!("replica {} has something to say for ever", at + 1);
    }

    /// Delivers everything that is on its way.
    fn deliver(&mut self) {
        for _ in 0..2_000 {
            let Some(message) = self.waiting.pop_front() else { return };
            let at = usize::try_from(message.to).unwrap_or(0).wrapping_sub(1);
            if at < 3 {
                let _ = self.replicas[at].receive(message);
                self.drain(at, true);
            }
        }
        panic!("the replicas have something to say for ever");
    }

    fn ticks(&mut self, ticks: usize) {
        for _ in 0..ticks {
            for at in 0..3 {
                self.replicas[at].tick();
                self.drain(at, true);
            }
            self.deliver();
        }
    }

    /// Replica 1 leads, and three entries are committed.
    fn elected() -> Self {
        let mut group = Self::new();
        group.replicas[0].campaign();
        group.drain(0, true);
        group.deliver();
        for text in ["a", "b", "c"] {
            group.replicas[0].propose(vec![Bytes::from(text)]).expect("it leads");
            group.drain(0, true);
            group.deliver();
        }
        group.ticks(3);
        assert!(group.replicas[0].leads_safely());
        group
    }
}

/// One replica after the other gets the inputs; the answers reach the others.
pub(crate) struct Replicas {
    group: Group,
    over: bool,
}

impl Replicas {
    /// Something that happens beside the messages.
    fn happen(&mut self, how: u8, at: usize) {
        match how >> 4 & 7 {
            1 => self.group.replicas[at].tick(),
            2 => {
                let _ = self.group.replicas[at].propose(vec![Bytes::from_static(b"d")]);
            }
            3 => self.group.replicas[at].campaign(),
            4 => {
                let _ = self.group.replicas[at].read_index(7);
            }
            5 => {
                let metadata = self.group.replicas[at].status();
                self.group.replicas[at].compact(metadata.applied);
            }
            6 => self.group.ticks(25),
            _ => {}
        }
    }
}

impl Target for Replicas {
    const NAME: &'static str = "raft";
    const LONGEST: usize = RaftMessage::LONGEST;
    const INPUTS: u64 = 20_000;
    const LIFE: u64 = 200;
    const HEAD: usize = 1;

    fn fresh() -> Self {
        let mut group = Group::elected();
        group.sent.clear();
        Self { group, over: false }
    }

    fn seeds() -> Vec<(String, Vec<u8>)> {
        let mut group = Group::elected();
        // A change of voters, a transfer and a replica that was away, for the rarer kinds.
        let add = ConfChange { kind: ConfChangeKind::AddLearner as i32, node_id: 4 };
        let changes = ConfChangeSet { transition: 0, changes: vec![add], context: Bytes::new() };
        group.replicas[0].change(changes).expect("it leads");
        group.ticks(3);
        group.replicas[0].read_index(9).expect("it leads");
        group.replicas[0].transfer_to(id(2));
        group.ticks(30);
        let read = Entry { data: "12345678".into(), ..Entry::default() };
        let kind = MessageKind::ReadIndex as i32;
        let read = RaftMessage { kind, to: 1, from: 2, entries: vec![read], ..raft_message() };
        let read = RaftMessage { term: 0, snapshot: None, ..read };
        let snapshot = RaftMessage {
            kind: MessageKind::Snapshot as i32,
            entries: Vec::new(),
            request_snapshot: 0,
            reject: false,
            ..raft_message()
        };
        let probing = RaftMessage { kind: MessageKind::Append as i32, ..snapshot.clone() };
        let normal =
            Entry { kind: EntryKind::Normal as i32, term: 2, index: 6, ..Entry::default() };
        let append = RaftMessage { entries: vec![normal], snapshot: None, index: 5, ..probing };
        let mut seeds: Vec<(String, Vec<u8>)> = Vec::new();
        for message in group.sent.iter().chain([&read, &snapshot, &append, &raft_message()]) {
            let name = kind_name(message);
            let known = seeds.iter().filter(|(known, _)| known.starts_with(&format!("{name}-")));
            if known.count() < 4 {
                let mut bytes = vec![0x08 | u8::try_from(message.to % 4).unwrap_or(0)];
                message.encode(&mut bytes).expect("a vector has room");
                if seeds.iter().all(|(_, known)| *known != bytes) {
                    seeds.push((format!("{name}-{}", seeds.len()), bytes));
                }
            }
        }
        seeds
    }

    fn feed(&mut self, input: &[u8]) -> Vec<u64> {
        let Some((how, bytes)) = input.split_first() else { return Vec::new() };
        let (mut message, mut outcomes) = match decoded::<RaftMessage>(bytes, RaftMessage::BOUND) {
            Ok(decoded) => decoded,
            Err(error) => return vec![error],
        };
        let at = usize::from(how & 3).saturating_sub(1).min(2);
        if how & 8 != 0 {
            message.to = at as u64 + 1;
        }
        let before = self.group.replicas[at].status();
        let replica = &mut self.group.replicas[at];
        match within(STEP, bytes.len(), || replica.receive(message)) {
            Err(GuardError::LogLost { .. }) => {
                self.over = true;
                outcomes.push(1);
            }
            // The sender is said to have lost something, and is not heard.
            Err(GuardError::PeerLost { .. }) => outcomes.push(2),
            Err(error) => {
                assert_eq!(
                    self.group.replicas[at].status(),
                    before,
                    "refused, and changed: {error}"
                );
                outcomes.push(name(&error.to_string()));
            }
            Ok(()) => {
                self.happen(*how, at);
                let (alive, said) = self.group.drain(at, how & 4 == 0);
                outcomes.extend(said);
                let after = self.group.replicas[at].status();
                assert!(after.term >= before.term && after.commit >= before.commit);
                assert!(after.applied <= after.commit && after.commit <= after.last);
                outcomes.push(mix(after.role as u64, u64::from(after.joint)));
                self.over |= !alive;
                if how & 4 == 0 && !self.over {
                    self.group.deliver();
                }
                self.group.waiting.clear();
                self.group.sent.clear();
            }
        }
        outcomes
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
