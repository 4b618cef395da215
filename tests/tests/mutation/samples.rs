//! Messages with every field filled in, and what decoding each kind may cost.

use crate::mutation::memory::Bound;
use crate::mutation::words::Word;
use crate::mutation::{applications, assignments, budgets};
use bytes::Bytes;
use quorate_proto::{
    Address, Admit, Admitted, Ballot, Card, Choice, ClusterId, CompactionRequest, Compare,
    ConfState, ConfirmAnswer, ConfirmAsk, CopyFault, CopyNotice, DeleteRangeRequest,
    DetectorMessage, Digest, Dissent, Drained, Entry, EntryKind, Envelope, EnvelopeBody, Exists,
    ForwardAnswer, ForwardRequest, FounderVoter, FoundingCertificate, FoundingMessage,
    FoundingProof, FoundingRecord, Generation, GroupId, HealthChange, HealthDelta, HealthEpoch,
    HealthUpdate, HealthView, Hello, Instance, KeyValue, KvRequest, KvResponse, Label, LifeAnswer,
    LifeProbe, Lineage, Member, MessageKind, Nack, NodeKey, NotLeader, Numbered, Ping, Pong,
    ProofVote, PutRequest, RaftFrame, RaftMessage, RangeRequest, RangeResponse, Refusal, Relayed,
    RelayedAcknowledgement, RequestOp, ResponseHeader, Revocation, SecretChange, SecretLack,
    SecretLackKind, SecretNews, SecretStep, SecretsHeld, SnapshotAnnouncement, SnapshotMetadata,
    TxnRequest, VerdictReport, WaitEpoch, Waited, Warning, WarningKind, Warnings, WriteName,
    compare, detector_message, forward_answer, forward_request, founding_message, kv_request,
    kv_response, request_op,
};

/// A disk life.
pub(crate) fn life(number: u8) -> Instance {
    Instance::from_bytes([number; 16])
}

pub(crate) fn key(number: u8) -> NodeKey {
    NodeKey::from_bytes([number; 32])
}

pub(crate) fn address(number: u8) -> std::net::SocketAddr {
    std::net::SocketAddr::from(([10, 0, 0, number], 4747))
}

fn wire_address(number: u8) -> Option<Address> {
    Some(address(number).into())
}

fn cluster_id() -> ClusterId {
    ClusterId::from_bytes([0xce; 16])
}

fn labels() -> Vec<Label> {
    [("zone", "a"), ("rack", "17")]
        .map(|(name, value)| Label { name: name.to_owned(), value: value.to_owned() })
        .to_vec()
}

fn member(number: u8) -> Member {
    Member {
        goodbye: 2,
        drained: Some(Drained { reason: "a new disk".to_owned(), since_unix_ms: 5 }),
        role_reason: "n4 is gone".to_owned(),
        approved: true,
        name: format!("n{number}"),
        instance: life(number),
        generation: Generation::new(u64::from(number)),
        address: wire_address(number),
        key: key(number),
        role: 2,
        state: i32::from(number % 3),
        since_epoch: HealthEpoch::new(7),
        reason: "silent for two others".to_owned(),
        since_unix_ms: 1_700_000_000_000,
        labels: labels(),
        also_at: wire_address(number),
    }
}

fn revocation(number: u8) -> Revocation {
    Revocation {
        key: key(number),
        instance: life(number),
        name: format!("n{number}"),
        epoch: HealthEpoch::new(9),
        at_unix_ms: 1_700_000_000_000,
        secrets: vec![1, 2],
    }
}

fn update() -> HealthUpdate {
    let members = vec![member(1), member(2), member(3)];
    let revoked = vec![revocation(9)];
    let view = HealthView {
        epoch: HealthEpoch::new(9),
        members,
        at_unix_ms: 1_700_000_000_000,
        revoked: revoked.clone(),
        applications: vec![applications::committed()],
    };
    let delta = HealthDelta {
        epoch: HealthEpoch::new(10),
        members: vec![member(2)],
        removed: vec![life(3)],
        changed: vec![HealthChange {
            name: "n2".to_owned(),
            from: "alive".to_owned(),
            to: "down".to_owned(),
            reason: "silent".to_owned(),
        }],
        at_unix_ms: 1_700_000_000_500,
        revoked: vec![revocation(3)],
        applications: vec![applications::committed()],
        gone_applications: vec![applications::gone()],
        changed_applications: vec![applications::changed()],
    };
    HealthUpdate { full: Some(view), deltas: vec![delta] }
}

pub(crate) fn founded() -> FoundingCertificate {
    let voter = |number: u8| FounderVoter {
        slot: u32::from(number - 1),
        instance: life(number),
        key: key(number),
        address: wire_address(number),
        name: format!("n{number}"),
    };
    let ballot = Ballot { round: 1, instance: life(1) };
    let record = FoundingRecord {
        cluster: "fuzz".to_owned(),
        digest: Digest::default(),
        voters: [1, 2, 3].map(voter).to_vec(),
        ballot,
        slots: 3,
        level: 2,
    };
    let vote = |number: u8| ProofVote { slot: u32::from(number - 1), instance: life(number) };
    FoundingCertificate {
        record,
        proof: FoundingProof {
            ballot,
            votes: [1, 2, 3].map(vote).to_vec(),
            ..FoundingProof::default()
        },
        lineage: Some(Lineage { from: ClusterId::from_bytes([8; 16]), plan: 8 }),
    }
}

fn kv(request: kv_request::Request) -> KvRequest {
    KvRequest { request: Some(request) }
}

/// A number and an id.
pub(crate) fn write_names() -> Vec<WriteName> {
    let numbered = Numbered { origin: life(2), run: 5, number: 9, settled: 7 };
    let id = WriteName::of_client("job 7".into(), &KvRequest::default());
    vec![WriteName::numbered(numbered), id]
}

/// Every request to a keyspace.
pub(crate) fn kv_requests() -> Vec<(String, KvRequest)> {
    let put = PutRequest {
        key: "a/1".into(),
        value: "value".into(),
        prev_kv: true,
        ..PutRequest::default()
    };
    let range = RangeRequest {
        key: "a/".into(),
        range_end: "a0".into(),
        limit: 10,
        sort_order: 1,
        sort_target: 3,
        ..RangeRequest::default()
    };
    let deletion = DeleteRangeRequest { key: "a/2".into(), range_end: "a/4".into(), prev_kv: true };
    let compare = Compare {
        result: 0,
        target: 2,
        key: "a/1".into(),
        target_union: Some(compare::TargetUnion::ModRevision(2)),
        range_end: Bytes::new(),
    };
    let operation = |request| RequestOp { request: Some(request) };
    let inner = TxnRequest {
        compare: vec![compare.clone()],
        success: vec![operation(request_op::Request::Range(range.clone()))],
        failure: Vec::new(),
    };
    let txn = TxnRequest {
        compare: vec![compare],
        success: vec![
            operation(request_op::Request::Put(put.clone())),
            operation(request_op::Request::Txn(inner)),
        ],
        failure: vec![operation(request_op::Request::DeleteRange(deletion.clone()))],
    };
    let compaction = CompactionRequest { revision: 2, physical: true };
    [
        ("put", kv_request::Request::Put(put)),
        ("range", kv_request::Request::Range(range)),
        ("delete", kv_request::Request::DeleteRange(deletion)),
        ("txn", kv_request::Request::Txn(txn)),
        ("compact", kv_request::Request::Compact(compaction)),
    ]
    .into_iter()
    .map(|(name, request)| (name.to_owned(), kv(request)))
    .collect()
}

pub(crate) fn admit() -> Admit {
    Admit {
        name: "n4".to_owned(),
        instance: life(4),
        generation: Generation::new(1),
        key: key(4),
        address: wire_address(4),
        supersede: Some(life(3)),
        labels: labels(),
        at_unix_ms: 1_700_000_000_000,
    }
}

/// Every message from detector to detector.
pub(crate) fn detector_messages() -> Vec<(String, DetectorMessage)> {
    let ask = ConfirmAsk {
        number: 3,
        subject: life(3),
        generation: Generation::new(1),
        address: wire_address(3),
        patience_ms: 750,
    };
    let answer =
        ConfirmAnswer { number: 3, subject: life(3), generation: Generation::new(1), heard: true };
    [
        ("probe", detector_message::Body::Probe(LifeProbe { number: 1 })),
        ("life", detector_message::Body::Life(LifeAnswer { number: 1 })),
        ("ask", detector_message::Body::Ask(ask)),
        ("answer", detector_message::Body::Answer(answer)),
    ]
    .into_iter()
    .map(|(name, body)| (name.to_owned(), DetectorMessage { body: Some(body) }))
    .collect()
}

pub(crate) fn metadata() -> SnapshotMetadata {
    let conf_state = ConfState {
        voters: vec![1, 2, 3],
        learners: vec![4],
        voters_outgoing: vec![2, 3],
        learners_next: vec![3],
        auto_leave: true,
    };
    SnapshotMetadata { conf_state, index: 5, term: 2 }
}

/// An append with every field of a Raft message filled in.
pub(crate) fn raft_message() -> RaftMessage {
    let entry = |index| Entry {
        kind: EntryKind::Normal as i32,
        term: 2,
        index,
        data: "data".into(),
        context: "c".into(),
    };
    RaftMessage {
        kind: MessageKind::Append as i32,
        to: 2,
        from: 1,
        term: 2,
        log_term: 2,
        index: 3,
        entries: vec![entry(4), entry(5)],
        commit: 3,
        commit_term: 2,
        snapshot: Some(metadata()),
        request_snapshot: 1,
        reject: true,
        reject_hint: 1,
        context: "context".into(),
        priority: 1,
    }
}

fn secret_news() -> SecretNews {
    SecretNews {
        change: SecretChange {
            version: 2,
            from: 1,
            to: 2,
            step: SecretStep::Use.into(),
            at_unix_ms: 5,
            dropped: vec![3],
            epoch: 4,
        },
        lacking: vec![SecretLack { instance: life(3), kind: SecretLackKind::Accept.into() }],
        prepared: vec![life(4)],
        leftover: vec![life(2)],
    }
}

/// Each with everything in it.
fn ping_and_pong() -> (Ping, Pong) {
    let (term, applied, state_hash) = (2, 40, 0xfeed);
    let ping = Ping {
        number: 1,
        cluster_id: cluster_id(),
        term,
        leader: Some(life(1)),
        epoch: HealthEpoch::new(10),
        update: Some(update()),
        applied,
        asks: true,
        unheard: true,
        copies: vec![CopyNotice {
            instance: life(3),
            fault: CopyFault::Lost.into(),
            entry: 40,
            end: 30,
        }],
        level: 2,
        secrets: Some(secret_news()),
        shares: 7,
        says_shares: true,
        applications: Some(applications::reported()),
        items: 8,
        interval_ms: 150,
        patience_ms: 500,
    };
    let pong = Pong {
        number: 1,
        epoch: HealthEpoch::new(10),
        term,
        applied,
        state_hash,
        leader: Some(life(1)),
        contradicted: 7,
        secrets: Some(SecretsHeld { version: 2, accepts: vec![1, 2], uses: 1, has_dropped: true }),
        late_ms: 40,
        relayed: Some(Relayed {
            leader: life(1),
            term,
            update: Some(update()),
            copies: vec![CopyNotice {
                instance: life(2),
                fault: CopyFault::Contradicts.into(),
                entry: 40,
                end: 0,
            }],
            warnings: warnings().list,
        }),
        acknowledged: vec![RelayedAcknowledgement {
            instance: life(3),
            epoch: HealthEpoch::new(9),
        }],
        applications: Some(applications::reported()),
        passed_applications: vec![applications::reported()],
    };
    (ping, pong)
}

fn warnings() -> Warnings {
    let warning = Warning {
        kind: WarningKind::RunsTwice.into(),
        instance: life(2),
        generation: Generation::new(4),
        boot_nonce: 7,
        name: "n2".to_owned(),
        address: std::net::SocketAddr::from(([10, 0, 0, 9], 4747)).into(),
        copy: 2,
        standing: wire_address(3),
    };
    let choices = vec![Choice { instance: life(2), boot_nonce: 7 }];
    Warnings { list: vec![warning.clone(), warning], choices }
}

impl Word for Envelope {
    const NAME: &'static str = "envelope";
    const LONGEST: usize = 16 * 1024;
    /// A member of the health view, 184 bytes, is the largest that two bytes can become; a list that grows holds up
    /// to three times its elements.
    const BOUND: Bound = Bound { per_byte: 288, constant: 8 * 1024 };

    fn samples() -> Vec<(String, Self)> {
        let (ping, pong) = ping_and_pong();
        let report = VerdictReport {
            goodbye: 1,
            instance: life(3),
            generation: Generation::new(1),
            verdict: 2,
            reason: "silent".to_owned(),
            age_ms: 700,
            confirmed: true,
        };
        let (epoch, verdicts) = (HealthEpoch::new(10), vec![report]);
        let dissent = Dissent { epoch, verdicts, ping: 1, since_ping_ms: 20 };
        let founding = |body| {
            let digest = Digest::default();
            EnvelopeBody::Founding(FoundingMessage { digest, body: Some(body) })
        };
        let [lower, higher] = [1, 2].map(|round| Ballot { round, instance: life(1) });
        let nack = Nack { ballot: lower, promised: higher };
        let raft = RaftFrame::new(GroupId::META, cluster_id(), raft_message());
        let mut bodies = vec![
            ("ping".to_owned(), EnvelopeBody::Ping(ping)),
            ("pong".to_owned(), EnvelopeBody::Pong(pong)),
            ("founded".to_owned(), founding(founding_message::Body::Founded(founded()))),
            ("nack".to_owned(), founding(founding_message::Body::Nack(nack))),
            (
                "exists".to_owned(),
                founding(founding_message::Body::Exists(Exists {
                    cluster_id: cluster_id(),
                    nonce: 3,
                })),
            ),
            ("dissent".to_owned(), EnvelopeBody::Dissent(dissent)),
            ("raft".to_owned(), EnvelopeBody::Raft(raft)),
            ("warnings".to_owned(), EnvelopeBody::Warnings(warnings())),
            ("farewell".to_owned(), EnvelopeBody::Farewell(3)),
        ];
        let detector = detector_messages().into_iter();
        bodies.extend(detector.map(|(name, message)| (name, EnvelopeBody::Detector(message))));
        bodies.into_iter().map(|(name, body)| (name, Self { body: Some(body) })).collect()
    }
}

impl Word for Hello {
    const NAME: &'static str = "hello";
    const LONGEST: usize = quorate_proto::limits::HELLO;
    const BOUND: Bound = Bound { per_byte: 48, constant: 4 * 1024 };

    fn samples() -> Vec<(String, Self)> {
        let full = Self {
            protocol_min: 1,
            protocol_max: 1,
            kind: 2,
            cluster: "fuzz".to_owned(),
            cluster_id: Some(cluster_id()),
            instance: life(1),
            generation: Generation::new(3),
            boot_nonce: 77,
            name: "n1".to_owned(),
            digest: Digest::default(),
            seeds: vec!["n1:4747".to_owned(), "n2:4747".to_owned()],
            advertise: wire_address(1),
            software: "0.1.0".to_owned(),
            moved: true,
            voters: 5,
            levels: Some(quorate_proto::Levels::HERE),
        };
        let fresh = Self { cluster_id: None, advertise: None, seeds: Vec::new(), ..full.clone() };
        vec![("full".to_owned(), full), ("fresh".to_owned(), fresh)]
    }
}

impl Word for Card {
    const NAME: &'static str = "card";
    const LONGEST: usize = 2 * quorate_proto::limits::CARD;
    const BOUND: Bound = Bound { per_byte: 96, constant: 4 * 1024 };

    fn samples() -> Vec<(String, Self)> {
        let full = Self {
            instance: life(2),
            generation: Generation::new(1),
            version: 4,
            name: "n2".to_owned(),
            address: wire_address(2),
            software: "0.1.0".to_owned(),
            levels: Some(quorate_proto::Levels::HERE),
        };
        vec![("full".to_owned(), full)]
    }
}

impl Word for ForwardRequest {
    const NAME: &'static str = "request";
    const LONGEST: usize = 16 * 1024;
    const BOUND: Bound = Bound { per_byte: 512, constant: 32 * 1024 };

    fn samples() -> Vec<(String, Self)> {
        let mut bodies: Vec<(String, forward_request::Body)> = kv_requests()
            .into_iter()
            .map(|(name, request)| (name, forward_request::Body::Kv(request)))
            .collect();
        let wait = WaitEpoch { epoch: HealthEpoch::new(4) };
        bodies.push(("admit".to_owned(), forward_request::Body::Admit(admit())));
        bodies.push(("wait".to_owned(), forward_request::Body::Wait(wait)));
        bodies.push(("echo".to_owned(), forward_request::Body::Echo(true)));
        bodies.extend(budgets::requests());
        bodies.extend(assignments::requests());
        let request = |body| Self {
            cluster_id: cluster_id(),
            remaining_ms: 900,
            body: Some(body),
            relay: true,
            name: Some(write_names().remove(0)),
            again: true,
        };
        bodies.into_iter().map(|(name, body)| (name, request(body))).collect()
    }
}

impl Word for ForwardAnswer {
    const NAME: &'static str = "answer";
    const LONGEST: usize = 16 * 1024;
    const BOUND: Bound = Bound { per_byte: 512, constant: 32 * 1024 };

    fn samples() -> Vec<(String, Self)> {
        let header =
            Some(ResponseHeader { cluster_id: 1, member_id: 2, revision: 3, raft_term: 4 });
        let pair = KeyValue {
            key: "a".into(),
            create_revision: 2,
            mod_revision: 3,
            version: 2,
            value: "v".into(),
            lease: 0,
        };
        let range = RangeResponse { header, kvs: vec![pair], more: true, count: 2 };
        let range = KvResponse { response: Some(kv_response::Response::Range(range)) };
        let epoch = HealthEpoch::new(4);
        let admitted = Admitted { founded: Some(founded()), epoch, leader: Some(life(1)) };
        let not_leader = NotLeader { leader: Some(life(2)), term: 3, address: wire_address(2) };
        let refusal = Refusal { code: 1, detail: 11, text: "compacted".to_owned() };
        [
            ("range", forward_answer::Outcome::Kv(range)),
            ("admitted", forward_answer::Outcome::Admitted(admitted)),
            ("waited", forward_answer::Outcome::Waited(Waited { epoch })),
            ("not-leader", forward_answer::Outcome::NotLeader(not_leader)),
            ("refused", forward_answer::Outcome::Refused(refusal)),
            ("renewed", budgets::renewed()),
            ("items-renewed", assignments::renewed()),
        ]
        .into_iter()
        .map(|(name, outcome)| (name.to_owned(), Self { outcome: Some(outcome) }))
        .collect()
    }
}

/// What one replica says to another.
impl Word for RaftMessage {
    const NAME: &'static str = "raft";
    const LONGEST: usize = 16 * 1024;
    const BOUND: Bound = Bound { per_byte: 256, constant: 8 * 1024 };

    fn samples() -> Vec<(String, Self)> {
        let kind = MessageKind::Snapshot as i32;
        let snapshot = Self { kind, entries: Vec::new(), ..raft_message() };
        vec![("snapshot".to_owned(), snapshot), ("append".to_owned(), raft_message())]
    }
}

/// The head of a snapshot on the bulk lane.
impl Word for SnapshotAnnouncement {
    const NAME: &'static str = "announcement";
    const LONGEST: usize = RaftMessage::LONGEST;
    const BOUND: Bound = RaftMessage::BOUND;

    fn samples() -> Vec<(String, Self)> {
        let announced = |(name, message)| (name, Self { message, bytes: 1 << 30, group: 0 });
        RaftMessage::samples().into_iter().map(announced).collect()
    }
}
