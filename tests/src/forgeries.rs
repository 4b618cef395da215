//! How a lie is made: from the liar's own name, the numbers that its victim has, and what was overheard.
//!
//! Most are made to fit (cluster, ids, terms near the true ones), or a fence would stop them at once; some are far out.

use crate::lies::Overheard;
use crate::random::Random;
use bytes::Bytes;
use quorate_node::Input;
use quorate_proto::{
    ApplicationReport, ClusterId, CopyNotice, Envelope, EnvelopeBody, Generation, GroupId,
    HealthDelta, HealthEpoch, HealthUpdate, HealthView, HostApplications, Instance, Lane,
    MemberState, MessageKind, NodeKey, Ping, Pong, RaftFrame, RaftMessage, Relayed,
    RelayedAcknowledgement, Role, SecretChange, SecretLack, SecretNews, SecretsHeld, raft_id,
};
use std::sync::Arc;

/// Kinds of Raft message.
const KINDS: u64 = 12;

/// Who lies, and what it knows of its victim.
pub(crate) struct Forger {
    pub(crate) liar: Instance,
    pub(crate) generation: Generation,
    pub(crate) cluster_id: ClusterId,
    pub(crate) whom: Instance,
    pub(crate) term: u64,
    pub(crate) commit: u64,
    pub(crate) view: Arc<HealthView>,
}

/// A number near a true one, or far out.
fn near(random: &mut Random, number: u64) -> u64 {
    match random.below(12) {
        0..=3 => number,
        4 | 5 => number.saturating_add(1),
        6 => number.saturating_sub(1),
        7 => number.saturating_add(random.below(100)),
        8 => number.saturating_add(1 << 20),
        9 => number.saturating_add(1 << 40),
        10 => u64::MAX,
        _ => 0,
    }
}

fn one_of<T: Clone>(random: &mut Random, list: &[T]) -> Option<T> {
    let count = u64::try_from(list.len()).ok().filter(|count| *count > 0)?;
    list.get(usize::try_from(random.below(count)).ok()?).cloned()
}

impl Forger {
    /// One lie; none when nothing fit for it was overheard.
    pub(crate) fn lie(&self, random: &mut Random, overheard: &Overheard) -> Option<Input> {
        let from = self.liar;
        let (lane, bytes) = match random.below(10) {
            0 => one_of(random, &overheard.frames).filter(|(_, bytes)| self.may_repeat(bytes))?,
            1 | 2 => {
                let said = one_of(random, &overheard.frames)?;
                self.changed(random, said)?
            }
            3 | 4 => (Lane::Log, self.raft(random)),
            5 | 6 => (Lane::Control, self.ping(random)),
            7 => (Lane::Control, self.pong(random)),
            _ => {
                let packet = one_of(random, &overheard.packets)?;
                let bytes = self.packet(random, &packet);
                return Some(Input::Datagram { from, bytes });
            }
        };
        Some(Input::Frame { from, lane, bytes })
    }

    /// A goodbye of the liar is no lie: it is gone then, for whoever heard it.
    fn may_repeat(&self, bytes: &Bytes) -> bool {
        let body = Envelope::open(Lane::Control, bytes.clone());
        !matches!(body, Ok(EnvelopeBody::Farewell(_) | EnvelopeBody::Founding(_)))
    }

    /// What somebody really said, as if the liar had said something like it.
    fn changed(&self, random: &mut Random, said: (Lane, Bytes)) -> Option<(Lane, Bytes)> {
        let (lane, bytes) = said;
        let mut body = Envelope::open(lane, bytes).ok()?;
        match &mut body {
            EnvelopeBody::Ping(ping) => {
                ping.term = near(random, self.term);
                ping.leader = self.somebody(random);
                ping.unheard = random.percent(20);
                ping.copies.extend(self.copies(random));
            }
            EnvelopeBody::Pong(pong) => {
                pong.epoch = HealthEpoch::new(near(random, pong.epoch.get()));
                pong.leader = self.somebody(random);
            }
            EnvelopeBody::Raft(frame) => {
                frame.cluster_id = self.cluster_id;
                let message = &mut frame.message;
                self.address(random, message);
                message.term = near(random, self.term);
                if random.percent(30) {
                    message.commit = near(random, message.commit);
                    message.index = near(random, message.index);
                    message.reject = random.percent(50);
                }
            }
            EnvelopeBody::Dissent(_) | EnvelopeBody::Detector(_) | EnvelopeBody::Warnings(_) => {}
            EnvelopeBody::Founding(_) | EnvelopeBody::Farewell(_) => return None,
        }
        Some((lane, Envelope::encode_body(body)))
    }

    fn somebody(&self, random: &mut Random) -> Option<Instance> {
        match random.below(4) {
            0 => None,
            1 => one_of(random, &self.view.members).map(|member| member.instance),
            _ => Some(self.liar),
        }
    }

    /// From the liar, or in the name of a member; to the victim.
    fn address(&self, random: &mut Random, message: &mut RaftMessage) {
        let author = if random.percent(70) { Some(self.liar) } else { self.somebody(random) };
        message.from = raft_id(self.cluster_id, author.unwrap_or_default()).get();
        message.to = raft_id(self.cluster_id, self.whom).get();
    }

    fn raft(&self, random: &mut Random) -> Bytes {
        let kind = i32::try_from(random.between(1, KINDS)).unwrap_or(0);
        let mut message = RaftMessage {
            kind,
            term: near(random, self.term),
            log_term: near(random, self.term),
            index: near(random, self.commit),
            commit: near(random, self.commit),
            commit_term: near(random, self.term),
            reject: random.percent(30),
            reject_hint: near(random, self.commit),
            ..RaftMessage::default()
        };
        if message.kind() == MessageKind::Snapshot {
            // One without content is refused before anybody looks who sent it.
            message.kind = MessageKind::Heartbeat.into();
        }
        self.address(random, &mut message);
        let frame = RaftFrame::new(GroupId::META, self.cluster_id, message);
        Envelope::encode_body(EnvelopeBody::Raft(frame))
    }

    fn ping(&self, random: &mut Random) -> Bytes {
        Envelope::encode_body(EnvelopeBody::Ping(Ping {
            number: random.below(1000),
            cluster_id: self.cluster_id,
            term: near(random, self.term),
            leader: self.somebody(random),
            epoch: HealthEpoch::new(near(random, self.view.epoch.get())),
            update: random.percent(80).then(|| self.update(random)),
            applied: near(random, self.commit),
            asks: random.percent(20),
            unheard: random.percent(20),
            copies: self.copies(random),
            level: u32::try_from(random.below(9)).unwrap_or(0),
            secrets: random.percent(20).then(|| self.secrets(random)),
            shares: self.term,
            says_shares: random.percent(50),
            applications: random.percent(20).then(|| self.applications(random)),
            items: near(random, self.term),
            interval_ms: u32::try_from(random.below(3_000)).unwrap_or(0),
            patience_ms: u32::try_from(random.below(3_000)).unwrap_or(0),
        }))
    }

    fn pong(&self, random: &mut Random) -> Bytes {
        let epoch = HealthEpoch::new(near(random, self.view.epoch.get()));
        let acknowledged = self.view.members.iter();
        let acknowledged = acknowledged
            .map(|member| RelayedAcknowledgement { instance: member.instance, epoch })
            .collect();
        let relayed = random.percent(60).then(|| Relayed {
            leader: self.somebody(random).unwrap_or(self.liar),
            term: near(random, self.term),
            update: Some(self.update(random)),
            copies: self.copies(random),
            warnings: Vec::new(),
        });
        Envelope::encode_body(EnvelopeBody::Pong(Pong {
            number: random.below(1000),
            epoch,
            term: near(random, self.term),
            applied: near(random, self.commit),
            state_hash: random.draw(),
            relayed,
            acknowledged,
            leader: self.somebody(random),
            contradicted: if random.percent(20) { near(random, self.commit) } else { 0 },
            secrets: random.percent(20).then(|| SecretsHeld {
                version: near(random, 1),
                accepts: vec![random.draw(); usize::from(random.percent(90)) * 2],
                uses: random.draw(),
                has_dropped: random.percent(50),
            }),
            applications: random.percent(20).then(|| self.applications(random)),
            passed_applications: vec![self.applications(random); usize::from(random.percent(20))],
            late_ms: u32::try_from(random.below(3_000)).unwrap_or(0),
        }))
    }

    /// Of the liar's own host, or in the name of another; of any start, and not always as a host makes it.
    fn applications(&self, random: &mut Random) -> HostApplications {
        let instance = self.somebody(random).unwrap_or(self.liar);
        let generation = match random.percent(80) {
            true => self.generation,
            false => Generation::new(random.draw()),
        };
        let told = |random: &mut Random| ApplicationReport {
            name: format!("forged-{}", random.below(3)),
            endpoints: vec!["10.9.9.9:1".to_owned(); usize::from(random.percent(50))],
            state: i32::try_from(random.below(4)).unwrap_or_default(),
            ..ApplicationReport::default()
        };
        let applications = (0..random.below(3)).map(|_| told(random)).collect();
        HostApplications { instance, generation, applications }
    }

    fn secrets(&self, random: &mut Random) -> SecretNews {
        let step = i32::try_from(random.below(6)).unwrap_or_default();
        let change = SecretChange {
            version: near(random, 1),
            from: random.draw(),
            to: random.draw(),
            step,
            at_unix_ms: random.draw(),
            epoch: near(random, 9),
            dropped: vec![random.draw(); usize::from(random.percent(50))],
        };
        let instance = self.somebody(random).unwrap_or(self.liar);
        let lack = SecretLack { instance, kind: i32::from(random.percent(50)) };
        let lacking = vec![lack; usize::from(random.percent(50))];
        let prepared = vec![instance; usize::from(random.percent(50))];
        SecretNews { change, lacking, leftover: prepared.clone(), prepared }
    }

    fn copies(&self, random: &mut Random) -> Vec<CopyNotice> {
        let instance = self.somebody(random).unwrap_or(self.liar);
        let fault = i32::try_from(random.below(6)).unwrap_or_default();
        let (entry, end) = (near(random, self.commit), near(random, self.commit));
        vec![CopyNotice { instance, fault, entry, end }; usize::from(random.percent(20))]
    }

    /// A view in which something is untrue.
    fn update(&self, random: &mut Random) -> HealthUpdate {
        let mut members = self.view.members.clone();
        for member in &mut members {
            match random.below(5) {
                0 => member.state = MemberState::Down.into(),
                1 => member.key = NodeKey::from_bytes([7; 32]),
                2 => member.role = Role::Voter.into(),
                3 => member.generation = Generation::new(member.generation.get() + 1),
                _ => {}
            }
        }
        let epoch = HealthEpoch::new(near(random, self.view.epoch.get()));
        if random.percent(50) {
            let view = HealthView { epoch, members, ..HealthView::default() };
            return HealthUpdate { full: Some(view), deltas: Vec::new() };
        }
        let epoch = HealthEpoch::new(self.view.epoch.get().saturating_add(1));
        let delta = HealthDelta { epoch, members, ..HealthDelta::default() };
        HealthUpdate { full: None, deltas: vec![delta] }
    }

    /// A packet of gossip under the name of the liar, for half of them with a byte changed.
    fn packet(&self, random: &mut Random, packet: &[u8]) -> Bytes {
        let mut packet = packet.to_vec();
        if random.percent(80)
            && let Some(name) = packet.get_mut(..16)
        {
            name.copy_from_slice(&self.liar.to_bytes());
            // The number of the start behind the name is one byte as long as it is small.
            if let Some(start) = packet.get_mut(16)
                && let Ok(small) = u8::try_from(self.generation.get())
            {
                *start = small;
            }
        }
        let length = packet.len() as u64;
        if random.percent(50)
            && let Some(byte) =
                packet.get_mut(usize::try_from(random.below(length.max(1))).unwrap_or(0))
        {
            *byte = u8::try_from(random.below(256)).unwrap_or(0);
        }
        packet.into()
    }
}
