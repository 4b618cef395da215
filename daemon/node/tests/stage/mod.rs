//! One real node whose peers are all played by the test: each says exactly what the test wants, true or not.
//!
//! The node is host 1, a founder beside hosts 2 and 3; hosts from 4 on hold the secret too and are in no record. Writes are
//! durable at once. Everybody has a session. Knows nothing of what a peer ought to say.

#![allow(dead_code, reason = "each test uses a part of it")]

use quorate_membership::Mode;
use quorate_node::{
    Boot, ForwardFailure, FoundingSettings, Input, MadeOn, Node, NodeConfig, Output, Settings,
};
use quorate_proto::{
    Ballot, ClusterId, ClusterName, Envelope, EnvelopeBody, FounderVoter, FoundingCertificate,
    FoundingProof, FoundingRecord, FoundingState, Generation, GroupId, HealthEpoch, HealthUpdate,
    HealthView, Instance, Label, Lane, Member, MessageKind, Moment, NodeKey, NodeName, Ping,
    ProofVote, RaftFrame, RaftMessage, Role, Session, founders_digest, raft_id,
};
use std::net::SocketAddr;
use std::time::Duration;

/// Founders: the node and two others.
pub(crate) const FOUNDERS: u8 = 3;

pub(crate) fn life(host: u8) -> Instance {
    Instance::from_bytes([host; 16])
}

pub(crate) fn key(host: u8) -> NodeKey {
    NodeKey::from_bytes([host; 32])
}

pub(crate) fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 4747))
}

fn cluster() -> ClusterName {
    ClusterName::new("stage").expect("valid")
}

fn seeds() -> Vec<String> {
    (1..=FOUNDERS).map(|host| address(host).to_string()).collect()
}

pub(crate) fn name(host: u8) -> NodeName {
    NodeName::new(&format!("n{host}")).expect("valid")
}

/// The record that hosts 1 to 3 founded.
pub(crate) fn founded() -> FoundingCertificate {
    let ballot = Ballot { round: 1, instance: life(1) };
    let voters = (1..=FOUNDERS).map(|host| FounderVoter {
        slot: u32::from(host) - 1,
        instance: life(host),
        key: key(host),
        address: Some(address(host).into()),
        name: name(host).to_string(),
    });
    let digest = founders_digest(&cluster(), &seeds(), &Mode::Majority.to_string());
    let record = FoundingRecord {
        cluster: cluster().to_string(),
        digest,
        voters: voters.collect(),
        ballot,
        slots: u32::from(FOUNDERS),
        level: quorate_proto::FeatureLevel::HIGHEST.in_record(),
    };
    let votes = (1..=FOUNDERS)
        .map(|host| ProofVote { slot: u32::from(host) - 1, instance: life(host) })
        .collect();
    FoundingCertificate {
        record,
        proof: FoundingProof { ballot, votes, waiver: None },
        lineage: None,
    }
}

pub(crate) fn cluster_id() -> ClusterId {
    founded().record.cluster_id()
}

/// A host's id inside Raft.
pub(crate) fn id(host: u8) -> u64 {
    raft_id(cluster_id(), life(host)).get()
}

/// A member as the view shows it.
pub(crate) fn member(host: u8, key: NodeKey, role: Role) -> Member {
    Member {
        name: name(host).to_string(),
        instance: life(host),
        generation: Generation::new(1),
        address: Some(address(host).into()),
        key,
        role: role.into(),
        ..Member::default()
    }
}

/// A whole view of these members, as a push brings it.
pub(crate) fn whole(epoch: u64, members: Vec<Member>) -> HealthUpdate {
    let full = HealthView { epoch: HealthEpoch::new(epoch), members, ..HealthView::default() };
    HealthUpdate { full: Some(full), deltas: Vec::new() }
}

/// The founders and these, at an epoch.
pub(crate) fn view(epoch: u64, more: Vec<Member>) -> HealthUpdate {
    let founders = (1..=FOUNDERS).map(|host| member(host, key(host), Role::Voter));
    whole(epoch, founders.chain(more).collect())
}

/// What the disk of a host remembers that has the record.
fn has_record(me: u8) -> FoundingState {
    let mut founding = FoundingState::fresh(life(me), &cluster());
    founding.founded = Some(founded());
    founding
}

/// What the file of a host says.
fn config(me: u8, made_on: MadeOn, snapshot_every: u64) -> NodeConfig {
    NodeConfig {
        cluster: cluster(),
        name: name(me),
        instance: life(me),
        made_on,
        generation: Generation::new(1),
        boot_nonce: u64::from(me),
        key: key(me),
        software: "0.1.0".to_owned(),
        levels: quorate_proto::Levels::HERE,
        seed: 1,
        founding: FoundingSettings {
            seeds: seeds(),
            mode: Mode::Majority,
            quiet: Duration::from_millis(200),
            grace: Duration::from_secs(3),
        },
        settings: Settings { advertise: Some(address(me)), snapshot_every, ..Settings::default() },
    }
}

/// A node and what it said last.
pub(crate) struct Stage {
    pub(crate) node: Node,
    pub(crate) now: Moment,
    pub(crate) me: u8,
    /// All reasons to halt, ever.
    pub(crate) halts: Vec<String>,
    /// All events, ever.
    pub(crate) events: Vec<String>,
    /// Who was asked, and under which ticket, without an answer yet.
    pub(crate) asked: Vec<(u64, Instance)>,
    sessions: u64,
}

impl Stage {
    /// Host `me` holding the founding record: a voter when it is a founder, a joiner otherwise.
    pub(crate) fn new(me: u8) -> Self {
        Self::with(me, 1_000)
    }

    /// Alike, with a snapshot due after so many entries.
    pub(crate) fn with(me: u8, snapshot_every: u64) -> Self {
        Self::made_on(me, MadeOn::default(), snapshot_every)
    }

    /// Alike, with data that were made there.
    pub(crate) fn made_on(me: u8, made_on: MadeOn, snapshot_every: u64) -> Self {
        Self::off(me, made_on, snapshot_every, has_record(me)).that_met_all()
    }

    /// Host `me` holding the founding record, with labels in its file.
    pub(crate) fn labelled(me: u8, labels: &[(&str, &str)]) -> Self {
        let label = |(name, value): &(&str, &str)| Label {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        let mut config = config(me, MadeOn::default(), 1_000);
        config.settings.labels = labels.iter().map(label).collect();
        Self::start(config, has_record(me)).that_met_all()
    }

    fn that_met_all(self) -> Self {
        let (me, mut stage) = (self.me, self);
        for host in (1..=6).filter(|host| *host != me) {
            stage.meet(host, key(host));
        }
        stage
    }

    /// Host `me` with the record, right behind its start.
    pub(crate) fn that_met_nobody(me: u8) -> Self {
        Self::off(me, MadeOn::default(), 1_000, has_record(me))
    }

    /// Host `me`, which knows that there is a cluster and nothing else of it, and nobody yet.
    pub(crate) fn that_knows_nobody(me: u8) -> Self {
        let mut founding = FoundingState::fresh(life(me), &cluster());
        founding.exists = Some(cluster_id());
        Self::off(me, MadeOn::default(), 1_000, founding)
    }

    fn off(me: u8, made_on: MadeOn, snapshot_every: u64, founding: FoundingState) -> Self {
        Self::start(config(me, made_on, snapshot_every), founding)
    }

    fn start(config: NodeConfig, founding: FoundingState) -> Self {
        let me = config.instance.to_bytes()[0];
        let now = Moment::from_micros(1_000_000);
        let boot = Boot { config, founding, marker: None, log: None };
        let (node, out) = Node::start(now, 0, boot);
        let mut stage = Self {
            node,
            now,
            me,
            halts: Vec::new(),
            events: Vec::new(),
            asked: Vec::new(),
            sessions: 0,
        };
        stage.carry(out);
        stage
    }

    /// The names in the list of seeds lead to the founders.
    pub(crate) fn resolves_seeds(&mut self) {
        for slot in 0..FOUNDERS {
            let (addresses, slot) = (vec![address(slot + 1)], usize::from(slot));
            self.give(Input::Resolved { slot, addresses, problem: None });
        }
    }

    /// A host comes with a key, started for the first time.
    pub(crate) fn meet(&mut self, host: u8, key: NodeKey) -> Vec<Output> {
        self.meet_start(host, key, 1)
    }

    /// A host comes with a key, in one of its starts.
    pub(crate) fn meet_start(&mut self, host: u8, key: NodeKey, start: u64) -> Vec<Output> {
        self.sessions += 1;
        let nonce = u64::from(host) + start;
        self.give(Input::SessionUp(Self::session(self.sessions, host, key, start, nonce)))
    }

    /// What a host's hello says.
    pub(crate) fn session(number: u64, host: u8, key: NodeKey, start: u64, nonce: u64) -> Session {
        Session {
            number,
            generation: Generation::new(start),
            boot_nonce: nonce,
            cluster_id: Some(cluster_id()),
            digest: founders_digest(&cluster(), &seeds(), &Mode::Majority.to_string()),
            seeds: seeds(),
            ..Session::of_host((life(host), key), (cluster(), name(host)), address(host))
        }
    }

    fn carry(&mut self, out: Vec<Output>) -> Vec<Output> {
        let mut all = out;
        let mut at = 0;
        while at < all.len() {
            let follows = match &all[at] {
                Output::Persist { number, .. } => Some(Input::Persisted { number: *number }),
                Output::Forward { ticket, to, .. } => {
                    self.asked.push((*ticket, *to));
                    None
                }
                Output::Halt { reason, .. } | Output::Unfit { reason } => {
                    self.halts.push(reason.clone());
                    None
                }
                Output::Event(event) => {
                    self.events.push(format!("{}: {event}", event.kind()));
                    None
                }
                _ => None,
            };
            if let Some(input) = follows {
                self.node.turn(self.now, 0, [input], &mut all);
            }
            at += 1;
        }
        all
    }

    /// One turn, and what follows from it.
    pub(crate) fn give(&mut self, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        self.node.turn(self.now, 0, [input], &mut out);
        self.carry(out)
    }

    /// Time passes, with a turn whenever the node wants one.
    pub(crate) fn pass(&mut self, span: Duration) -> Vec<Output> {
        let (end, mut all) = (self.now + span, Vec::new());
        while let Some(wake) = self.node.next_wake().filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            all.extend(self.give(Input::Wake));
        }
        self.now = end;
        all
    }

    /// Nobody answers what was asked.
    pub(crate) fn answer_nothing(&mut self) {
        for (ticket, _) in std::mem::take(&mut self.asked) {
            self.give(Input::ForwardAnswered { ticket, answer: Err(ForwardFailure::NotSent) });
        }
    }

    /// A host says something.
    pub(crate) fn say(&mut self, host: u8, lane: Lane, body: EnvelopeBody) -> Vec<Output> {
        let bytes = Envelope::encode_body(body);
        self.give(Input::Frame { from: life(host), lane, bytes })
    }

    /// A host claims to lead in a term and pushes an update.
    pub(crate) fn ping(
        &mut self,
        host: u8,
        term: u64,
        update: Option<HealthUpdate>,
    ) -> Vec<Output> {
        let ping = Ping {
            number: 1,
            cluster_id: cluster_id(),
            term,
            leader: Some(life(host)),
            update,
            ..Ping::default()
        };
        self.say(host, Lane::Control, EnvelopeBody::Ping(ping))
    }

    /// A host says something as a replica; who speaks to whom is filled in.
    pub(crate) fn raft(&mut self, host: u8, message: RaftMessage) -> Vec<Output> {
        let message = RaftMessage { from: id(host), to: id(self.me), ..message };
        let frame = RaftFrame::new(GroupId::META, cluster_id(), message);
        self.say(host, Lane::Log, EnvelopeBody::Raft(frame))
    }

    /// A host sends a leader's heartbeat.
    pub(crate) fn heartbeat(&mut self, host: u8, term: u64, commit: u64) -> Vec<Output> {
        let kind = MessageKind::Heartbeat.into();
        self.raft(host, RaftMessage { kind, term, commit, ..RaftMessage::default() })
    }

    /// Host 1, elected by host 2.
    pub(crate) fn leading() -> Self {
        Self::new(1).elected()
    }

    /// It is elected by host 2.
    pub(crate) fn elected(self) -> Self {
        let mut stage = self;
        for kind in [MessageKind::RequestPreVoteResponse, MessageKind::RequestVoteResponse] {
            for _ in 0..100 {
                let term = stage.term() + u64::from(kind == MessageKind::RequestPreVoteResponse);
                if stage.node.vitals().leads_in.is_none() {
                    stage.pass(Duration::from_millis(50));
                    let kind = kind.into();
                    stage.raft(2, RaftMessage { kind, term, ..RaftMessage::default() });
                }
            }
        }
        assert!(stage.node.vitals().leads_in.is_some());
        stage
    }

    /// A host acknowledges all that this leader has.
    pub(crate) fn acknowledge(&mut self, host: u8) {
        let term = self.term();
        // Ends behind the last entry, wherever that is: what is further is refused.
        for index in 2..20 {
            let kind = MessageKind::AppendResponse.into();
            self.raft(host, RaftMessage { kind, term, index, ..RaftMessage::default() });
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.node.status(self.now).view.epoch.get()
    }

    /// The host that the node takes for the leader.
    pub(crate) fn leader(&self) -> Option<u8> {
        self.node.status(self.now).leader.map(|(life, _)| life.to_bytes()[0])
    }

    pub(crate) fn term(&self) -> u64 {
        self.node.status(self.now).term
    }

    /// A counter of `/metrics`.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let status = self.node.status(self.now);
        status.counters.iter().find(|(one, ..)| *one == name).expect("it is counted").2
    }
}

/// What a node says to others in these outputs.
pub(crate) fn said_to(said: &[Output]) -> impl Iterator<Item = (Instance, EnvelopeBody)> {
    said.iter().filter_map(|output| match output {
        Output::Send { to, frame, .. } => {
            Some((*to, Envelope::open(frame.lane, frame.bytes.clone()).ok()?))
        }
        _ => None,
    })
}
