//! A hostile peer over the real wire: a holder of the secret, a member, and a voter that says what it may not say. No host
//! halts or is told to erase anything, and for who is no replica nothing changes at all.
//!
//! What each frame does to one node is in the tests of `daemon/node`; here it goes through handshakes, streams and loops.

use super::cluster::{Cluster, member};
use super::host::Host;
use super::place::{free_address, until};
use bytes::Bytes;
use quorate_proto::{
    Address, Admit, Ballot, ClusterId, ClusterName, Dissent, Entry, Envelope, EnvelopeBody,
    ForwardRequest, FoundingMessage, Frame, Generation, GroupId, HealthEpoch, HealthUpdate,
    HealthView, Hello, HelloKind, Instance, KvRequest, Lane, Member, Message as _, MessageKind,
    NodeKey, Ping, Prepare, RaftFrame, RaftMessage, RequestOp, Role, SnapshotAnnouncement,
    SnapshotMetadata, TxnRequest, Verdict, VerdictReport, Warning, WarningKind, Warnings,
    forward_request, founders_digest, founding_message, kv_request, limits, raft_id,
};
use quorate_transport::{
    NodeKeyPair, Secret, SnapshotOutcome, SnapshotPart, Timings, Transport, TransportConfig,
    TransportEvent,
};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Longer than any of its requests takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A disk life, as its files say.
#[derive(Clone, Copy)]
struct Life {
    instance: Instance,
    seed: [u8; 32],
    generation: u64,
}

impl Life {
    /// One that nobody knows.
    fn new() -> Self {
        Self { instance: Instance::from_bytes([0xee; 16]), seed: [0xee; 32], generation: 1 }
    }

    /// That of a host which is off, in its next start.
    fn stolen(host: &Host) -> Self {
        let read = |name: &str| {
            let file =
                std::fs::read(host.file("data/life").join(name)).expect("a file of the life");
            // A mark of eight bytes and a checksum of four stand in front.
            file[12..].to_vec()
        };
        let (identity, generation) = (read("identity"), read("generation"));
        let array = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).expect("16 bytes");
        let number = <[u8; 8]>::try_from(&generation[16..24]).expect("8 bytes");
        Self {
            instance: Instance::from_bytes(array(&identity[..16])),
            seed: identity[16..48].try_into().expect("32 bytes"),
            generation: u64::from_be_bytes(number) + 1,
        }
    }
}

/// Somebody with the secret and a disk life.
struct Hostile {
    runtime: Runtime,
    transport: Transport,
    events: mpsc::Receiver<TransportEvent>,
    life: Life,
    cluster_id: ClusterId,
}

/// A host that it speaks with.
#[derive(Clone, Copy)]
struct Target {
    instance: Instance,
    address: SocketAddr,
}

impl Hostile {
    fn new(cluster: &Cluster, life: Life, name: &str) -> Self {
        let runtime = Runtime::new().expect("threads");
        let _inside = runtime.enter();
        let secret = std::fs::read_to_string(&cluster.secret).expect("the secret");
        let acme = ClusterName::new("acme").expect("a name");
        let config = TransportConfig {
            bind: free_address(),
            cluster: acme.clone(),
            secrets: vec![Secret::parse(secret.trim()).expect("a secret")],
            key: NodeKeyPair::from_seed(life.seed),
            timings: Timings::default(),
        };
        let hello = Hello {
            protocol_min: limits::PROTOCOL_MIN,
            protocol_max: limits::PROTOCOL_MAX,
            kind: HelloKind::Node.into(),
            cluster: "acme".to_owned(),
            cluster_id: None,
            instance: life.instance,
            generation: Generation::new(life.generation),
            boot_nonce: 0xbad,
            name: name.to_owned(),
            digest: founders_digest(&acme, &cluster.seeds, "majority"),
            seeds: cluster.seeds.clone(),
            advertise: None,
            software: "hostile".to_owned(),
            moved: false,
            voters: 0,
            levels: Some(quorate_proto::Levels::HERE),
        };
        let (sender, events) = mpsc::channel(4096);
        let transport = Transport::bind(config, hello, sender).expect("a port");
        drop(_inside);
        Self { runtime, transport, events, life, cluster_id: ClusterId::default() }
    }

    /// Speaks with a host from now on, and learns the cluster's id from it.
    fn meets(&mut self, host: &Host) -> Target {
        self.transport.dial(host.listen);
        let events = &mut self.events;
        let session = self.runtime.block_on(async {
            let met = async {
                loop {
                    match events.recv().await.expect("the transport lives") {
                        TransportEvent::SessionUp(session) if session.address == host.listen => {
                            return session;
                        }
                        _ => {}
                    }
                }
            };
            tokio::time::timeout(PATIENCE, met).await.expect("it is met")
        });
        self.cluster_id = session.cluster_id.unwrap_or(self.cluster_id);
        Target { instance: session.instance, address: session.address }
    }

    fn says(&self, to: Target, lane: Lane, bytes: Bytes) {
        let frame = Frame { lane, supersede: None, expires: None, bytes };
        self.transport.send(to.instance, to.address, frame);
    }

    fn asks(&self, to: Target, body: forward_request::Body) -> Option<Bytes> {
        let body = Some(body);
        let request = ForwardRequest {
            cluster_id: self.cluster_id,
            remaining_ms: 2_000,
            body,
            ..ForwardRequest::default()
        };
        let bytes = request.encode_to_vec().into();
        let asked = self.transport.request(to.instance, to.address, bytes, PATIENCE);
        self.runtime.block_on(asked).ok()
    }

    /// Everything on the ordered lanes that it may not say, each as the newest of all.
    fn lies(&self, to: Target, term: u64) {
        let bodies = [
            self.ping(u64::MAX, u64::MAX),
            self.ping(term + 1, 1 << 40),
            self.ping(term, 2),
            EnvelopeBody::Dissent(self.dissent(to)),
            EnvelopeBody::Warnings(self.warnings(to)),
            EnvelopeBody::Farewell(u64::MAX),
            EnvelopeBody::Founding(FoundingMessage {
                digest: quorate_proto::Digest::default(),
                body: Some(founding_message::Body::Prepare(self.prepare())),
            }),
        ];
        for body in bodies {
            self.says(to, Lane::Control, Envelope::encode_body(body));
        }
        let (from, target) =
            (raft_id(self.cluster_id, self.life.instance), raft_id(self.cluster_id, to.instance));
        let entries =
            vec![Entry { term: term + 1, index: 3, data: "lie".into(), ..Entry::default() }];
        let message = |kind: MessageKind, term: u64, commit: u64| RaftMessage {
            kind: kind.into(),
            from: from.get(),
            to: target.get(),
            term,
            commit,
            ..RaftMessage::default()
        };
        let messages = [
            message(MessageKind::Heartbeat, term, 1 << 40),
            message(MessageKind::Heartbeat, term + 1, 1 << 40),
            message(MessageKind::Heartbeat, u64::MAX, u64::MAX),
            RaftMessage {
                entries: entries.clone(),
                index: 2,
                log_term: term,
                ..message(MessageKind::Append, term, 3)
            },
            RaftMessage { entries, index: 2, log_term: 1, ..message(MessageKind::Append, 100, 3) },
            RaftMessage { index: u64::MAX, ..message(MessageKind::AppendResponse, term, 0) },
            RaftMessage {
                index: 2,
                reject: true,
                reject_hint: 1,
                ..message(MessageKind::AppendResponse, term, 0)
            },
        ];
        for message in messages {
            let frame = RaftFrame::new(GroupId::META, self.cluster_id, message);
            self.says(to, Lane::Log, Envelope::encode_body(EnvelopeBody::Raft(frame)));
        }
        for number in 0..300_u16 {
            self.says(to, Lane::Log, Bytes::copy_from_slice(&number.to_be_bytes()));
        }
    }

    /// It leads, and knows a view in which it is a voter and everybody else has its key.
    fn ping(&self, term: u64, epoch: u64) -> EnvelopeBody {
        let forged = Member {
            name: "forged".to_owned(),
            instance: self.life.instance,
            key: NodeKey::from_bytes([7; 32]),
            role: Role::Voter.into(),
            address: Some(Address::from(SocketAddr::from(([192, 0, 2, 1], 4747)))),
            ..Member::default()
        };
        let epoch = HealthEpoch::new(epoch);
        let full = Some(HealthView { epoch, members: vec![forged], ..HealthView::default() });
        EnvelopeBody::Ping(Ping {
            number: 1,
            cluster_id: self.cluster_id,
            term,
            leader: Some(self.life.instance),
            epoch,
            update: Some(HealthUpdate { full, deltas: Vec::new() }),
            ..Ping::default()
        })
    }

    /// The host itself is dead, and was started a million times.
    fn dissent(&self, about: Target) -> Dissent {
        let verdicts = [(Verdict::Down, 1), (Verdict::Left, 1), (Verdict::Alive, 1_000_000)];
        let verdicts = verdicts.map(|(verdict, generation)| VerdictReport {
            goodbye: 0,
            instance: about.instance,
            generation: Generation::new(generation),
            verdict: verdict.into(),
            reason: "it is dead".to_owned(),
            age_ms: 0,
            confirmed: true,
        });
        Dissent { verdicts: verdicts.to_vec(), ..Dissent::default() }
    }

    fn warnings(&self, about: Target) -> Warnings {
        let warning = Warning {
            kind: WarningKind::RunsTwice.into(),
            instance: about.instance,
            name: "n1".to_owned(),
            address: about.address.into(),
            ..Warning::default()
        };
        Warnings { list: vec![warning; 100], choices: Vec::new() }
    }

    fn prepare(&self) -> Prepare {
        Prepare { ballot: Ballot { round: 1 << 62, instance: self.life.instance } }
    }

    /// What is asked on the request lane, and a snapshot without an end.
    fn presses(&self, to: Target) {
        let admit = Admit {
            instance: Instance::from_bytes([1; 16]),
            name: "n1".to_owned(),
            ..Admit::default()
        };
        self.asks(to, forward_request::Body::Admit(admit));
        let success = vec![RequestOp::default(); 100_000];
        let txn = TxnRequest { success, ..TxnRequest::default() };
        let request = Some(kv_request::Request::Txn(txn));
        self.asks(to, forward_request::Body::Kv(KvRequest { request }));
        let metadata =
            SnapshotMetadata { index: 1 << 40, term: 1 << 40, ..SnapshotMetadata::default() };
        let message = RaftMessage {
            kind: MessageKind::Snapshot.into(),
            from: raft_id(self.cluster_id, self.life.instance).get(),
            to: raft_id(self.cluster_id, to.instance).get(),
            term: 1 << 40,
            snapshot: Some(metadata),
            ..RaftMessage::default()
        };
        let header = SnapshotAnnouncement { group: GroupId::META.get(), message, bytes: 1 }
            .encode_to_vec()
            .into();
        let endless = |_| {
            let (give, parts) = mpsc::channel(4);
            tokio::spawn(async move {
                let piece = SnapshotPart::Piece(Bytes::from(vec![0; limits::BULK_CHUNK]));
                let begin = SnapshotPart::Begin { pieces: 0 };
                let mut next = Some(begin);
                while let Some(part) = next {
                    next = give.send(part).await.is_ok().then(|| piece.clone());
                }
            });
            parts
        };
        let sent = self.transport.send_snapshot(to.instance, to.address, header, endless);
        let outcome = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, sent).await });
        assert!(!matches!(outcome, Ok(SnapshotOutcome::Taken)), "it is not taken");
    }
}

/// What must not change: who leads in which term, and every member but the liar.
fn standing(host: &Host, liar: &str) -> Vec<Value> {
    let status = host.status().expect("it answers");
    let keys = ["state", "leader", "term", "cluster_id"];
    let members = status["members"].as_array().cloned().unwrap_or_default();
    let others = members.into_iter().filter(|member| member["name"] != liar);
    keys.into_iter().map(|key| status[key].clone()).chain(others).collect()
}

fn term(host: &Host) -> u64 {
    host.status().expect("it answers")["term"].as_u64().expect("a number")
}

/// Every host still runs, serves, has what was written, and tells nobody to erase anything.
fn all_go_on(cluster: &Cluster, written: usize) {
    for (number, host) in cluster.hosts.iter().enumerate().filter(|(_, host)| host.child.is_some())
    {
        host.put(&format!("after-{number}"), "v");
        for key in 0..written {
            assert_eq!(host.get(&format!("k{key}")), "v");
        }
        let said = host.cli(&["why"]).text();
        assert!(!said.contains("quorate reset"), "{said}");
        assert!(!host.log().contains("panicked"), "{}", host.log());
    }
}

fn written(cluster: &Cluster) -> usize {
    (0..10).for_each(|key| cluster.hosts[key % 3].put(&format!("k{key}"), "v"));
    10
}

/// A host refuses what it is told: the counters say that it came.
fn has_refused(host: &Host, before: u64) {
    until("what was said has come", || {
        let now = refused(host);
        if now > before { Ok(()) } else { Err(format!("{before} before, {now} now")) }
    });
}

fn refused(host: &Host) -> u64 {
    let text = super::links::metrics(host);
    let names = ["quorate_frames_fenced_total", "quorate_frames_guarded_total"];
    names.into_iter().filter_map(|name| super::links::series(&text, name)).sum()
}

/// Who is no replica changes nothing, whatever it says.
fn nothing_changes(cluster: &mut Cluster, life: Life, name: &str) {
    let written = written(cluster);
    let before: Vec<_> = cluster.hosts[..3].iter().map(|host| standing(host, name)).collect();
    let mut hostile = Hostile::new(cluster, life, name);
    for host in &cluster.hosts[..3] {
        let (target, known) = (hostile.meets(host), refused(host));
        hostile.lies(target, term(host));
        hostile.presses(target);
        has_refused(host, known);
    }
    for (host, before) in cluster.hosts[..3].iter().zip(before) {
        assert_eq!(standing(host, name), before, "{}", host.name);
        let told = host.log().lines().filter(|line| line.contains("frames refused")).count();
        assert!(told <= 1, "malformed frames are told of once");
    }
    all_go_on(cluster, written);
}

#[test]
fn a_holder_of_the_secret_that_is_no_member_changes_nothing() {
    let mut cluster = Cluster::running(3);
    nothing_changes(&mut cluster, Life::new(), "nobody");
}

#[test]
fn a_member_that_is_no_replica_changes_nothing_but_itself() {
    let mut cluster = Cluster::running(3);
    cluster.add("n4").start();
    cluster.is_whole();
    cluster.sees(0, "n4", "role", "member");
    cluster.hosts[3].kill();
    cluster.sees(0, "n4", "state", "down");
    let life = Life::stolen(&cluster.hosts[3]);
    nothing_changes(&mut cluster, life, "n4");
}

#[test]
fn a_voter_that_lies_halts_nobody_and_loses_nothing() {
    let mut cluster = Cluster::running(3);
    let written = written(&cluster);
    let liar = (cluster.leader() + 1) % 3;
    cluster.hosts[liar].kill();
    let life = Life::stolen(&cluster.hosts[liar]);
    let name = cluster.hosts[liar].name.clone();
    let mut hostile = Hostile::new(&cluster, life, &name);
    for number in (0..3).filter(|number| *number != liar) {
        let host = &cluster.hosts[number];
        let target = hostile.meets(host);
        hostile.lies(target, term(host));
        hostile.presses(target);
    }
    drop(hostile);
    for number in (0..3).filter(|number| *number != liar) {
        cluster.hosts[number].status_when("a quorum", |status| status["state"] == "quorate");
    }
    all_go_on(&cluster, written);
    for host in cluster.running_hosts() {
        let status = host.status().expect("it answers");
        assert!(member(&status, "forged").is_none(), "{status}");
    }
}

#[test]
fn a_founding_message_of_a_stranger_with_a_huge_round_does_not_keep_a_cluster_from_being_founded() {
    let mut cluster = Cluster::of(3);
    cluster.hosts[0].start();
    cluster.hosts[0].is_up();
    let mut hostile = Hostile::new(&cluster, Life::new(), "nobody");
    let target = hostile.meets(&cluster.hosts[0]);
    let acme = ClusterName::new("acme").expect("a name");
    let digest = founders_digest(&acme, &cluster.seeds, "majority");
    let body = Some(founding_message::Body::Prepare(hostile.prepare()));
    let message = EnvelopeBody::Founding(FoundingMessage { digest, body });
    for _ in 0..20 {
        hostile.says(target, Lane::Control, Envelope::encode_body(message.clone()));
    }
    cluster.hosts[1].start();
    cluster.hosts[2].start();
    cluster.is_whole();
}
