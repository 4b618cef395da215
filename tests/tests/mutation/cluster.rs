//! Three real nodes with nothing but a queue between them: born, with a leader, and ready to be lied to.
//!
//! Everything arrives after a millisecond, in order; writes are durable after one, too. What is said is kept, as
//! material for lies.

use crate::mutation::samples::{address, key, life};
use quorate_membership::Mode;
use quorate_meta::Meta;
use quorate_node::{
    Boot, ClientRequest, ForwardFailure, FoundingSettings, Input, MadeOn, Node, NodeConfig, Output,
    OwnSlot, Settings,
};
use quorate_proto::{
    ClusterId, ClusterName, FoundingState, Generation, KvRequest, Lane, Moment, NodeName,
    PutRequest, Session, SnapshotMetadata, founders_digest, kv_request,
};
use std::collections::BTreeMap;
use std::time::Duration;

const NODES: usize = 3;
const WAY: Duration = Duration::from_millis(1);

/// What one node said to another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Frame(Lane, Vec<u8>),
    Datagram(Vec<u8>),
    Request(Vec<u8>),
}

/// The three, and what is on its way.
pub(crate) struct Cluster {
    pub(crate) now: Moment,
    pub(crate) nodes: Vec<Node>,
    cluster_id: Vec<Option<ClusterId>>,
    /// The newest snapshot of each.
    snapshots: Vec<Option<(SnapshotMetadata, Box<Meta>)>>,
    coming: BTreeMap<(Moment, u64), (usize, Input)>,
    /// Forwarded requests by their number at the answering side.
    forwards: BTreeMap<u64, (usize, u64)>,
    sequence: u64,
    pub(crate) said: Vec<Said>,
    /// Words of what was told as an event since this was cleared last.
    pub(crate) events: Vec<&'static str>,
    /// A node gave up, as it should when the leader says that its log is lost and another voter confirms the leader.
    pub(crate) halted: Option<String>,
}

fn cluster() -> ClusterName {
    ClusterName::new("fuzz").expect("valid")
}

fn seeds() -> Vec<String> {
    (0..NODES).map(|at| address(number(at)).to_string()).collect()
}

/// Nodes count from 0, lives from 1.
pub(crate) fn number(at: usize) -> u8 {
    u8::try_from(at + 1).expect("three nodes")
}

fn boot(at: usize) -> Boot {
    let config = NodeConfig {
        cluster: cluster(),
        name: NodeName::new(&format!("n{}", at + 1)).expect("valid"),
        instance: life(number(at)),
        made_on: MadeOn::default(),
        generation: Generation::new(1),
        boot_nonce: at as u64 + 1,
        key: key(number(at)),
        software: "0.1.0".to_owned(),
        levels: quorate_proto::Levels::HERE,
        seed: at as u64 + 1,
        founding: FoundingSettings {
            seeds: seeds(),
            mode: Mode::Majority,
            quiet: Duration::from_millis(200),
            grace: Duration::from_secs(3),
        },
        settings: Settings {
            advertise: Some(address(number(at))),
            snapshot_every: 20,
            ..Settings::default()
        },
    };
    let founding = FoundingState::fresh(life(number(at)), &cluster());
    Boot { config, founding, marker: None, log: None }
}

impl Cluster {
    /// Born, with a leader and everybody alive.
    pub(crate) fn born() -> Self {
        let mut cluster = Self {
            now: Moment::from_micros(1_000_000),
            nodes: Vec::new(),
            cluster_id: vec![None; NODES],
            snapshots: vec![None; NODES],
            coming: BTreeMap::new(),
            forwards: BTreeMap::new(),
            sequence: 0,
            said: Vec::new(),
            events: Vec::new(),
            halted: None,
        };
        for at in 0..NODES {
            let (node, out) = Node::start(cluster.now, 0, boot(at));
            cluster.nodes.push(node);
            cluster.carry(at, out);
        }
        for _ in 0..200 {
            cluster.pass(Duration::from_millis(100));
            let whole = |node: &Node| {
                node.status(cluster.now).view.members.len() == NODES
                    && node.vitals().epoch.get() > 0
            };
            if cluster.leader().is_some() && cluster.nodes.iter().all(whole) {
                assert_eq!(cluster.halted, None, "a node halts at birth");
                return cluster;
            }
        }
        panic!("three nodes with nothing between them do not found a cluster");
    }

    /// Who leads.
    pub(crate) fn leader(&self) -> Option<usize> {
        self.nodes.iter().position(|node| node.vitals().leads_in.is_some())
    }

    /// The cluster id.
    pub(crate) fn id(&self) -> ClusterId {
        self.cluster_id.iter().flatten().next().copied().unwrap_or_default()
    }

    /// Asks a node to write something.
    pub(crate) fn put(&mut self, at: usize, key: &str) {
        let put = PutRequest { key: key.to_owned().into(), ..PutRequest::default() };
        let request = KvRequest { request: Some(kv_request::Request::Put(put)) };
        let deadline = self.now + Duration::from_secs(2);
        let request = ClientRequest::Kv(request);
        self.give(at, Input::Client { ticket: self.sequence, deadline, request });
    }

    /// What a host says when it connects; also one that is none of the three.
    pub(crate) fn session(&self, peer: usize) -> Session {
        Session {
            boot_nonce: peer as u64 + 1,
            cluster_id: self.cluster_id.get(peer).copied().flatten(),
            digest: founders_digest(&cluster(), &seeds(), &Mode::Majority.to_string()),
            seeds: seeds(),
            ..Session::of_host(
                (life(number(peer)), key(number(peer))),
                (cluster(), NodeName::new(&format!("n{}", peer + 1)).expect("valid")),
                address(number(peer)),
            )
        }
    }

    fn later(&mut self, at: usize, input: Input) {
        self.sequence += 1;
        self.coming.insert((self.now + WAY, self.sequence), (at, input));
    }

    /// One turn of one node.
    pub(crate) fn give(&mut self, at: usize, input: Input) {
        let mut out = Vec::new();
        self.nodes[at].turn(self.now, self.now.as_micros() / 1000, [input], &mut out);
        self.carry(at, out);
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        // Ten turns of each node a millisecond would be a storm.
        let mut turns = 30 * (span.as_millis() + 100);
        loop {
            let coming = self.coming.keys().next().map(|(at, _)| *at);
            let wakes = self.nodes.iter().enumerate();
            let wake = wakes.filter_map(|(at, node)| Some((node.next_wake()?, at))).min();
            let next = coming.into_iter().chain(wake.map(|(time, _)| time)).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            match (coming, wake) {
                (Some(first), _) if first == next => {
                    let (_, (at, input)) = self.coming.pop_first().expect("it was just seen");
                    self.give(at, input);
                }
                (_, Some((_, at))) => self.give(at, Input::Wake),
                _ => break,
            }
            turns = turns.checked_sub(1).expect("the nodes have something to say for ever");
        }
        self.now = end;
    }

    fn place(&self, life: quorate_proto::Instance) -> Option<usize> {
        let at = usize::from(life.to_bytes()[0]).checked_sub(1)?;
        (at < NODES && life == self::life(number(at))).then_some(at)
    }

    fn carry(&mut self, at: usize, out: Vec<Output>) {
        assert!(out.len() < 5_000, "one turn makes {} outputs", out.len());
        let from = life(number(at));
        for output in out {
            match output {
                Output::Persist { number, .. } => self.later(at, Input::Persisted { number }),
                Output::Send { to, frame, .. } => {
                    let Some(there) = self.place(to) else { continue };
                    self.said.push(Said::Frame(frame.lane, frame.bytes.to_vec()));
                    self.later(there, Input::Frame { from, lane: frame.lane, bytes: frame.bytes });
                }
                Output::SendDatagram { to, bytes, .. } => {
                    let Some(there) = self.place(to) else { continue };
                    self.said.push(Said::Datagram(bytes.to_vec()));
                    self.later(there, Input::Datagram { from, bytes });
                }
                Output::Forward { ticket, to, request, .. } => {
                    let Some(there) = self.place(to) else {
                        let answer = Err(ForwardFailure::NotSent);
                        self.later(at, Input::ForwardAnswered { ticket, answer });
                        continue;
                    };
                    self.said.push(Said::Request(quorate_proto::Message::encode_to_vec(&request)));
                    self.sequence += 1;
                    let number = self.sequence;
                    self.forwards.insert(number, (at, ticket));
                    self.later(there, Input::Forwarded { from, ticket: number, request });
                }
                Output::ForwardReply { ticket, answer } => {
                    if let Some((origin, ticket)) = self.forwards.remove(&ticket) {
                        self.later(origin, Input::ForwardAnswered { ticket, answer: Ok(answer) });
                    }
                }
                other => self.carry_rest(at, other),
            }
        }
    }

    fn carry_rest(&mut self, at: usize, output: Output) {
        match output {
            Output::Dial { address: wanted } => {
                for peer in 0..NODES {
                    if peer != at && address(number(peer)) == wanted {
                        self.later(at, Input::SessionUp(self.session(peer)));
                        self.later(peer, Input::SessionUp(self.session(at)));
                    }
                }
            }
            Output::ResolveSeeds => {
                for slot in 0..NODES {
                    let addresses = vec![address(number(slot))];
                    self.later(at, Input::Resolved { slot, addresses, problem: None });
                }
                self.later(at, Input::OwnSlot(OwnSlot::Slot(at)));
            }
            Output::Event(event) => self.events.push(event.kind()),
            Output::KnowsCluster(cluster_id) => self.cluster_id[at] = Some(cluster_id),
            Output::TakeSnapshot { group, metadata, image } => {
                self.snapshots[at] = Some((metadata.clone(), image));
                self.later(at, Input::SnapshotTaken { group, metadata });
            }
            Output::SendSnapshot { group, to, message, .. } => {
                let kept = self.snapshots[at].as_ref();
                let image =
                    kept.filter(|(metadata, _)| message.snapshot.as_ref() == Some(metadata));
                let image = image.map(|(_, image)| image.clone());
                let ok = image.is_some();
                if let (Some(there), Some(image)) = (self.place(to), image) {
                    let from = life(number(at));
                    self.later(
                        there,
                        Input::SnapshotReceived { group, from, message, image, file: 0 },
                    );
                }
                self.later(at, Input::SnapshotSent { group, to, ok });
            }
            Output::Halt { reason, .. } | Output::Unfit { reason } => self.halted = Some(reason),
            Output::Stopped => panic!("a node stops, and nobody asked it to"),
            _ => {}
        }
    }
}
