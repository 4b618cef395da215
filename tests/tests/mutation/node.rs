//! Frames, gossip and forwarded requests into whole nodes: members of a running cluster of three, told by one of them or
//! by a fourth host, which has the secret and is no member.
//!
//! The corpus is what the three really say. Of each input the first two bytes say who is told by whom, on which way,
//! and how much time passes; most lies are made to fit (ids, cluster, term), or a fence would stop them at once. Some name
//! the last numbers there are. What must hold: no panic, no node that stops, none that halts unless whom it follows lied,
//! no term or epoch near the end of the numbers, and nobody led by a host that its view does not call a replica.

use crate::mutation::cluster::{Cluster, Said, number};
use crate::mutation::harness::Target;
use crate::mutation::samples::{life, raft_message};
use crate::mutation::wire::{kinds, mix, parse};
use crate::mutation::words::{Words, name};
use bytes::Bytes;
use quorate_node::Input;
use quorate_proto::{
    Envelope, EnvelopeBody, ForwardRequest, FoundingMessage, HealthEpoch, Lane, Member,
    Message as _, MessageKind, RaftFrame, RaftMessage, Role, raft_id,
};
use std::time::Duration;

const CONTROL: u8 = 0;
const LOG: u8 = 1;
const DATAGRAM: u8 = 2;
const REQUEST: u8 = 3;
/// What three nodes may hold more than at their birth: logs and history of a few hundred lies, and full tables.
const HELD: i64 = 64 * 1024 * 1024;
/// What the consequences of one lie may hold at once.
const STEP: u64 = 32 * 1024 * 1024;

/// Far above what the lies of one life can add up to, and far below the end of the numbers.
const HIGHEST: u64 = 1 << 48;
/// The place of the host that is no member.
const STRANGER: usize = 3;

/// Three nodes.
pub(crate) struct Nodes {
    cluster: Cluster,
    held: i64,
    /// A node was lied to in the name of whom it followed.
    leader_lied: bool,
}

/// Puts the last numbers into a lie.
fn stretch(body: &mut EnvelopeBody) {
    match body {
        EnvelopeBody::Ping(ping) => {
            (ping.term, ping.epoch) = (u64::MAX, HealthEpoch::new(u64::MAX));
            ping.copies.iter_mut().for_each(|copy| copy.entry = u64::MAX);
            if let Some(full) = ping.update.as_mut().and_then(|update| update.full.as_mut()) {
                full.epoch = HealthEpoch::new(u64::MAX);
            }
        }
        EnvelopeBody::Pong(pong) => {
            (pong.term, pong.epoch) = (u64::MAX, HealthEpoch::new(u64::MAX));
            if let Some(relayed) = &mut pong.relayed {
                relayed.term = u64::MAX;
            }
        }
        EnvelopeBody::Raft(frame) => {
            (frame.message.term, frame.message.commit) = (u64::MAX, u64::MAX);
        }
        EnvelopeBody::Dissent(dissent) => dissent.epoch = HealthEpoch::new(u64::MAX),
        _ => {}
    }
}

impl Nodes {
    /// Makes an envelope fit to who tells whom. None when it cannot be decoded.
    fn fit(&self, bytes: &[u8], from: usize, to: usize, how: u8) -> Option<Bytes> {
        let mut body = Envelope::decode(bytes).ok()?.body?;
        let cluster_id = self.cluster.id();
        match &mut body {
            EnvelopeBody::Ping(ping) => ping.cluster_id = cluster_id,
            EnvelopeBody::Raft(RaftFrame { group, cluster_id: cluster, message }) => {
                (*group, *cluster) = (0, cluster_id);
                message.to = raft_id(cluster_id, life(number(to))).get();
                message.from = raft_id(cluster_id, life(number(from))).get();
                let status = self.cluster.nodes[to].status(self.cluster.now);
                if how & 1 == 0 {
                    message.term = status.term + u64::from(how >> 1 & 1);
                }
            }
            EnvelopeBody::Founding(FoundingMessage { digest, .. }) => {
                let seeds: Vec<String> = (0..3)
                    .map(|at| crate::mutation::samples::address(number(at)).to_string())
                    .collect();
                let name = quorate_proto::ClusterName::new("fuzz").expect("valid");
                let mode = quorate_membership::Mode::Majority.to_string();
                *digest = quorate_proto::founders_digest(&name, &seeds, &mode);
            }
            _ => {}
        }
        if how >> 5 == 7 {
            stretch(&mut body);
        }
        Some(Envelope::encode_body(body))
    }

    fn tell(&mut self, from: usize, to: usize, way: u8, how: u8, bytes: &[u8]) {
        let peer = life(number(from));
        if from == STRANGER {
            let session = self.cluster.session(from);
            self.cluster.give(to, Input::SessionUp(session));
        }
        let followed = self.cluster.nodes[to].status(self.cluster.now).leader;
        self.leader_lied |= followed.is_some_and(|(leader, _)| leader == peer);
        let raw = Bytes::copy_from_slice(bytes);
        let input = match way {
            CONTROL | LOG => {
                let lane = if way == LOG { Lane::Log } else { Lane::Control };
                let fits = !(how >> 2).is_multiple_of(8);
                let bytes = if fits { self.fit(bytes, from, to, how) } else { None };
                Input::Frame { from: peer, lane, bytes: bytes.unwrap_or(raw) }
            }
            DATAGRAM => {
                let mut packet = bytes.to_vec();
                if packet.len() > 16 && how & 1 == 0 {
                    packet[..16].fill(number(from));
                }
                Input::Datagram { from: peer, bytes: packet.into() }
            }
            _ => {
                let Ok(mut request) = ForwardRequest::decode(raw) else { return };
                if how & 1 == 0 {
                    request.cluster_id = self.cluster.id();
                }
                // No origin uses this number; the answer goes nowhere.
                Input::Forwarded { from: peer, ticket: u64::MAX - u64::from(how), request }
            }
        };
        self.cluster.give(to, input);
    }

    fn note(&self) -> Vec<u64> {
        let mut outcomes = Vec::new();
        for node in &self.cluster.nodes {
            let status = node.status(self.cluster.now);
            outcomes.push(mix(1, name(&format!("{:?}", status.state))));
            outcomes.push(mix(2, status.view.members.len() as u64));
            outcomes.push(mix(3, u64::from(status.leader.is_some())));
            let heights = [status.term, status.view.epoch.get(), node.vitals().applied];
            outcomes.extend(heights.map(|height| u64::from(height.leading_zeros())));
            let reasons = status.reasons.iter();
            outcomes.extend(reasons.map(|reason| mix(4, name(reason.code.word()))));
        }
        for said in &self.cluster.said {
            let (way, bytes) = match said {
                Said::Frame(_, bytes) => (5, bytes),
                Said::Datagram(bytes) => (6, bytes),
                Said::Request(bytes) => (7, bytes),
            };
            outcomes.push(mix(way, u64::from(bytes.first().copied().unwrap_or(0))));
        }
        outcomes.extend(self.cluster.events.iter().map(|kind| mix(8, name(kind))));
        outcomes.push(mix(9, u64::from(self.cluster.halted.is_some())));
        outcomes
    }

    /// What no lie may bring about.
    fn check(&self) {
        if let Some(reason) = &self.cluster.halted {
            assert!(
                self.leader_lied,
                "a node halts on the word of whom it does not follow: {reason}"
            );
        }
        let stranger = life(number(STRANGER));
        for node in &self.cluster.nodes {
            let status = node.status(self.cluster.now);
            let highest = status.term.max(status.view.epoch.get());
            assert!(highest < HIGHEST, "a number goes up to {highest}");
            let members = status.view.members.iter();
            let replica = |it: &Member| it.instance == stranger && it.role() != Role::Member;
            if status.leader.as_ref().is_some_and(|(leader, _)| *leader == stranger) {
                assert!(members.clone().any(replica), "a host leads that is no replica");
            }
        }
    }
}

impl Target for Nodes {
    const NAME: &'static str = "node";
    const LONGEST: usize = 8 * 1024;
    const INPUTS: u64 = 10_000;
    const LIFE: u64 = 250;
    const HEAD: usize = 2;

    fn fresh() -> Self {
        let mut cluster = Cluster::born();
        cluster.said.clear();
        Self { cluster, held: 0, leader_lied: false }
    }

    fn seeds() -> Vec<(String, Vec<u8>)> {
        let mut cluster = Cluster::born();
        for key in 0..30 {
            cluster.put(key % 3, &format!("key-{key}"));
            cluster.pass(Duration::from_millis(40));
        }
        let (mut seeds, mut kinds) = (Vec::new(), Vec::new());
        for said in &cluster.said {
            let (way, bytes) = match said {
                Said::Frame(Lane::Control, bytes) => (CONTROL, bytes),
                Said::Frame(Lane::Log, bytes) => (LOG, bytes),
                Said::Datagram(bytes) => (DATAGRAM, bytes),
                Said::Request(bytes) => (REQUEST, bytes),
            };
            let kind = (way, bytes.first().copied(), bytes.len() / 24);
            if !kinds.contains(&kind) && seeds.len() < 48 {
                kinds.push(kind);
                let head = vec![way << 4 | 0x40, 4 << 2];
                seeds.push((format!("said-{}", seeds.len()), [head, bytes.clone()].concat()));
            }
        }
        let samples =
            Words::<Envelope>::seeds().into_iter().map(|(name, bytes)| (name, CONTROL, bytes));
        let requests = Words::<ForwardRequest>::seeds().into_iter();
        let requests = requests.map(|(name, bytes)| (format!("request-{name}"), REQUEST, bytes));
        let snapshot = RaftMessage {
            kind: MessageKind::Snapshot as i32,
            entries: Vec::new(),
            request_snapshot: 0,
            ..raft_message()
        };
        let snapshot = RaftFrame { message: snapshot, ..RaftFrame::default() };
        let snapshot = Envelope::encode_body(EnvelopeBody::Raft(snapshot)).to_vec();
        let more = samples.chain(requests).chain([("snapshot".to_owned(), LOG, snapshot)]);
        let more = more.map(|(name, way, bytes)| (name, [vec![way << 4, 4 << 2], bytes].concat()));
        seeds.extend(more);
        seeds
    }

    fn feed(&mut self, input: &[u8]) -> Vec<u64> {
        let Some((&[whom, how], bytes)) = input.split_first_chunk::<2>() else {
            return Vec::new();
        };
        let to = usize::from(whom % 3);
        let from = match whom >> 2 & 3 {
            2 => STRANGER,
            other => (to + 1 + usize::from(other & 1)) % 3,
        };
        let span = [1, 5, 30, 300][usize::from(whom >> 6)];
        self.cluster.said.clear();
        self.cluster.events.clear();
        let taken = allocation_counter::measure(|| {
            self.tell(from, to, whom >> 4 & 3, how, bytes);
            self.cluster.pass(Duration::from_millis(span));
        });
        assert!(taken.bytes_max < STEP, "one lie costs {} bytes", taken.bytes_max);
        self.held += taken.bytes_current;
        assert!(self.held < HELD, "three nodes hold {} bytes more", self.held);
        self.check();
        let mut outcomes = self.note();
        outcomes.extend(parse(bytes).iter().flat_map(|fields| kinds(fields)));
        outcomes
    }

    fn is_over(&self) -> bool {
        self.cluster.halted.is_some()
    }
}
