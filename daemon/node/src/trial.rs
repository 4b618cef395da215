//! One node on a bench: it is told what its peers say, word by word, and what it asks for is looked at.
//!
//! Time stands still unless a trial lets it pass, and no write is durable before the trial says so. Lives are numbered
//! from 1; the node under trial is 1, in a cluster whose founders are 1, or 1 to 3.

use crate::client::{ClientReply, ClientRequest};
use crate::event::{Input, Output};
use crate::{Boot, FoundingSettings, Node, NodeConfig, Settings};
use bytes::Bytes;
use quorate_membership::Mode;
use quorate_meta::Meta;
use quorate_proto::{
    Admit, Admitted, Ballot, ClusterId, ClusterName, Digest, Envelope, EnvelopeBody, FeatureLevel,
    ForwardAnswer, ForwardRequest, FounderVoter, FoundingCertificate, FoundingProof,
    FoundingRecord, FoundingState, Generation, GroupId, HealthEpoch, HealthUpdate, Instance,
    KvRequest, KvResponse, Lane, Levels, Moment, NodeKey, NodeName, NotLeader, Ping, ProofVote,
    PutRequest, RaftFrame, RaftMessage, RangeRequest, Session, forward_answer, forward_request,
    kv_request, kv_response, raft_id,
};
use std::net::SocketAddr;
use std::time::Duration;

/// A client of a trial waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn life(number: u8) -> Instance {
    Instance::from_bytes([number; 16])
}

pub(crate) fn key(number: u8) -> NodeKey {
    NodeKey::from_bytes([number; 32])
}

pub(crate) fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 4747))
}

fn cluster() -> ClusterName {
    ClusterName::new("trial").expect("a valid name")
}

fn founded(voters: u8, levels: Levels) -> FoundingCertificate {
    let ballot = Ballot { round: 1, instance: life(1) };
    let voter = |number: u8| FounderVoter {
        slot: u32::from(number - 1),
        instance: life(number),
        key: key(number),
        address: Some(address(number).into()),
        name: format!("n{number}"),
    };
    let record = FoundingRecord {
        cluster: cluster().to_string(),
        digest: Digest::default(),
        voters: (1..=voters).map(voter).collect(),
        ballot,
        slots: u32::from(voters),
        level: levels.highest().in_record(),
    };
    let vote = |number: u8| ProofVote { slot: u32::from(number - 1), instance: life(number) };
    FoundingCertificate {
        record,
        proof: FoundingProof {
            ballot,
            votes: (1..=voters).map(vote).collect(),
            ..FoundingProof::default()
        },
        lineage: None,
    }
}

/// The node under trial.
pub(crate) struct Trial {
    pub(crate) node: Node,
    pub(crate) now: Moment,
    founded: FoundingCertificate,
    clients: u64,
    /// The newest write that was asked for.
    written: u64,
    /// The newest request that was put out to be let in.
    asked_in: u64,
}

impl Trial {
    /// The only voter of a cluster of one.
    pub(crate) fn alone() -> Self {
        Self::new(1, true)
    }

    /// The same, once it leads and all that came with that is durable.
    pub(crate) fn leading_alone() -> Self {
        Self::leading_alone_with(Levels::HERE)
    }

    /// The same with a program that can run these feature levels.
    pub(crate) fn leading_alone_with(levels: Levels) -> Self {
        let mut trial = Self::with(1, true, levels);
        trial.durable();
        trial.pass(PATIENCE);
        for _ in 0..3 {
            trial.durable();
        }
        trial
    }

    /// One voter of three.
    pub(crate) fn voter() -> Self {
        Self::new(3, true)
    }

    /// One voter of two.
    pub(crate) fn voter_of_two() -> Self {
        Self::new(2, true)
    }

    /// The same of a cluster of the first level, with a program of today.
    pub(crate) fn voter_at_the_first_level() -> Self {
        let mut trial = Self::with(3, true, Levels::BASE);
        trial.node.config.levels = Levels::HERE;
        trial
    }

    /// No replica: all it knows of the cluster is that it exists.
    pub(crate) fn stranger() -> Self {
        Self::new(3, false)
    }

    /// No replica: it has heard of the cluster of 2, 3 and a third, which runs the highest level, and follows 2 in a term.
    pub(crate) fn member_under_2(term: u64) -> Self {
        let mut trial = Self::member_before_levels(term);
        trial.node.features.tell(FeatureLevel::HIGHEST.get());
        trial
    }

    /// The same of a cluster whose leader says no level.
    pub(crate) fn member_before_levels(term: u64) -> Self {
        let mut trial = Self::new(3, false);
        let leader = Some(life(2));
        let admitted = Admitted { founded: None, epoch: HealthEpoch::new(1), leader };
        let outcome = Some(forward_answer::Outcome::Admitted(admitted));
        let answer = Ok(ForwardAnswer { outcome });
        trial.turn([Input::ForwardAnswered { ticket: trial.asked_in, answer }]);
        trial.hears_leader(2, term);
        trial
    }

    fn new(voters: u8, replica: bool) -> Self {
        Self::with(voters, replica, Levels::HERE)
    }

    fn with(voters: u8, replica: bool, levels: Levels) -> Self {
        let founded = founded(voters, levels);
        let mut founding = FoundingState::fresh(life(1), &cluster());
        if replica {
            founding.founded = Some(founded.clone());
        } else {
            founding.exists = Some(founded.record.cluster_id());
        }
        let config = NodeConfig {
            cluster: cluster(),
            name: NodeName::new("n1").expect("a valid name"),
            instance: life(1),
            made_on: crate::MadeOn::default(),
            generation: Generation::new(1),
            boot_nonce: 1,
            key: key(1),
            software: "0.1.0".to_owned(),
            levels,
            seed: 1,
            founding: FoundingSettings {
                seeds: (1..=voters).map(|number| address(number).to_string()).collect(),
                mode: Mode::Majority,
                quiet: Duration::from_secs(1),
                grace: Duration::from_secs(3),
            },
            settings: Settings { advertise: Some(address(1)), ..Settings::default() },
        };
        let now = Moment::from_micros(1_000_000);
        let boot = Boot { config, founding, marker: None, log: None };
        let (node, out) = Node::start(now, 0, boot);
        let mut trial = Self { node, now, founded, clients: 0, written: 0, asked_in: 0 };
        trial.note_writes(&out);
        for number in 2..=voters {
            let (slot, addresses) = (usize::from(number) - 1, vec![address(number)]);
            trial.turn([Input::Resolved { slot, addresses, problem: None }]);
            trial.turn([Input::SessionUp(trial.session(number))]);
        }
        trial
    }

    pub(crate) fn cluster_id(&self) -> ClusterId {
        self.founded.record.cluster_id()
    }

    pub(crate) fn session(&self, number: u8) -> Session {
        Session {
            number: u64::from(number),
            boot_nonce: u64::from(number),
            dialled: Some(address(number)),
            cluster_id: Some(self.cluster_id()),
            digest: quorate_proto::founders_digest(
                &cluster(),
                &self.node.config.founding.seeds,
                &Mode::Majority.to_string(),
            ),
            ..Session::of_host(
                (life(number), key(number)),
                (cluster(), NodeName::new(&format!("n{number}")).expect("a valid name")),
                address(number),
            )
        }
    }

    fn note_writes(&mut self, out: &[Output]) {
        for output in out {
            if let Output::Persist { number, .. } = output {
                self.written = *number;
            }
            if let Output::Forward { ticket, request, .. } = output
                && matches!(request.body, Some(forward_request::Body::Admit(_)))
            {
                self.asked_in = *ticket;
            }
        }
    }

    /// One turn; what the node asks for.
    pub(crate) fn turn(&mut self, inputs: impl IntoIterator<Item = Input>) -> Vec<Output> {
        let mut out = Vec::new();
        self.node.turn(self.now, 0, inputs, &mut out);
        self.note_writes(&out);
        out
    }

    /// Turns as the node wants them, until so much time has passed or it has stopped; what it asks for.
    pub(crate) fn pass(&mut self, span: Duration) -> Vec<Output> {
        let end = self.now + span;
        let mut out = Vec::new();
        while let Some(at) = self.node.next_wake().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            out.extend(self.turn([Input::Wake]));
            if out.iter().any(|output| matches!(output, Output::Stopped)) {
                break;
            }
        }
        self.now = end;
        out
    }

    /// Everything written so far is durable.
    pub(crate) fn durable(&mut self) -> Vec<Output> {
        self.turn([Input::Persisted { number: self.written }])
    }

    /// A frame of a peer arrives.
    pub(crate) fn hears(&mut self, from: u8, lane: Lane, body: EnvelopeBody) -> Vec<Output> {
        let bytes = Envelope::encode_body(body);
        self.turn([Input::Frame { from: life(from), lane, bytes }])
    }

    /// A ping of a leader that brings the view of the founders.
    pub(crate) fn hears_leader(&mut self, leader: u8, term: u64) -> Vec<Output> {
        let meta = Meta::from_founding(&self.founded);
        let full = Some((*meta.view()).clone());
        let ping = Ping {
            number: term,
            cluster_id: self.cluster_id(),
            term,
            leader: Some(life(leader)),
            epoch: meta.epoch(),
            update: Some(HealthUpdate { full, deltas: Vec::new() }),
            ..Ping::default()
        };
        self.hears(leader, Lane::Control, EnvelopeBody::Ping(ping))
    }

    /// A host connects, and asks to be let in.
    pub(crate) fn asks_to_come_in(&mut self, number: u8) {
        self.turn([Input::SessionUp(self.session(number))]);
        let (name, instance) = (format!("n{number}"), life(number));
        let body = Some(forward_request::Body::Admit(Admit { name, instance, ..Admit::default() }));
        let (cluster_id, remaining_ms) = (self.cluster_id(), 9_000);
        let request = ForwardRequest { cluster_id, remaining_ms, body, ..Default::default() };
        self.turn([Input::Forwarded { from: instance, ticket: 1, request }]);
    }

    /// A client puts a key; its ticket.
    pub(crate) fn put(&mut self, name: &str) -> (u64, Vec<Output>) {
        self.asks(put_request(name), PATIENCE)
    }

    /// A client asks; its ticket.
    pub(crate) fn asks(&mut self, request: KvRequest, patience: Duration) -> (u64, Vec<Output>) {
        self.clients += 1;
        let (ticket, deadline) = (self.clients, self.now + patience);
        let request = ClientRequest::Kv(request);
        (ticket, self.turn([Input::Client { ticket, deadline, request }]))
    }

    /// How often a key was put, by the own replica.
    pub(crate) fn version(&mut self, name: &str) -> i64 {
        let range = RangeRequest {
            key: Bytes::from(name.to_owned()),
            serializable: true,
            ..RangeRequest::default()
        };
        let request = KvRequest { request: Some(kv_request::Request::Range(range)) };
        let (ticket, out) = self.asks(request, PATIENCE);
        match reply(&out, ticket) {
            Some(ClientReply::Kv(KvResponse {
                response: Some(kv_response::Response::Range(range)),
            })) => range.kvs.first().map_or(0, |kv| kv.version),
            other => panic!("a serializable read is answered at once, not with {other:?}"),
        }
    }

    /// A message of another replica arrives.
    pub(crate) fn hears_raft(&mut self, from: u8, message: RaftMessage) -> Vec<Output> {
        let message = self.raft_from(from, message);
        let frame = RaftFrame::new(GroupId::META, self.cluster_id(), message);
        self.hears(from, Lane::Log, EnvelopeBody::Raft(frame))
    }

    /// A message with its sender and receiver filled in.
    pub(crate) fn raft_from(&self, from: u8, message: RaftMessage) -> RaftMessage {
        let id = |number| raft_id(self.cluster_id(), life(number)).get();
        RaftMessage { from: id(from), to: id(1), ..message }
    }

    /// The state of the founders, so many entries later.
    pub(crate) fn later_state(&self, applied: u64) -> Meta {
        let mut meta = Meta::from_founding(&self.founded);
        for index in meta.applied() + 1..=applied {
            meta.apply_nothing(index);
        }
        meta
    }
}

pub(crate) fn put_request(name: &str) -> KvRequest {
    let put = PutRequest { key: Bytes::from(name.to_owned()), ..PutRequest::default() };
    KvRequest { request: Some(kv_request::Request::Put(put)) }
}

/// A leader's answer that names another.
pub(crate) fn not_leader(leader: u8, term: u64) -> ForwardAnswer {
    let (leader, address) = (Some(life(leader)), Some(address(leader).into()));
    let outcome = forward_answer::Outcome::NotLeader(NotLeader { leader, term, address });
    ForwardAnswer { outcome: Some(outcome) }
}

/// What was asked of other nodes: of whom, under which ticket.
pub(crate) fn forwards(out: &[Output]) -> Vec<(Instance, u64, &ForwardRequest)> {
    let asked = out.iter().filter_map(|output| match output {
        Output::Forward { ticket, to, request, .. } => Some((*to, *ticket, request)),
        _ => None,
    });
    asked.collect()
}

/// The asks that are taken back.
pub(crate) fn withdrawn(out: &[Output]) -> Vec<u64> {
    let asks = out.iter().filter_map(|output| match output {
        Output::Withdraw { ticket } => Some(*ticket),
        _ => None,
    });
    asks.collect()
}

/// What a client is told.
pub(crate) fn reply(out: &[Output], client: u64) -> Option<&ClientReply> {
    out.iter().find_map(|output| match output {
        Output::Reply { ticket, reply } if *ticket == client => Some(reply),
        _ => None,
    })
}

/// What is said to other replicas.
pub(crate) fn raft_said(out: &[Output]) -> Vec<(Instance, RaftMessage)> {
    let said = out.iter().filter_map(|output| match output {
        Output::Send { to, frame, .. } => match Envelope::open(frame.lane, frame.bytes.clone()) {
            Ok(EnvelopeBody::Raft(raft)) => Some((*to, raft.message)),
            _ => None,
        },
        _ => None,
    });
    said.collect()
}
