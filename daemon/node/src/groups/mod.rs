//! The `__meta` group on this node: the replica and the state it applies to.
//!
//! Order kept here: what raft wants durable is put out before anything that depends on it; commits are
//! applied in the turn in which they appear.

mod early;
pub(crate) mod snapshots;

pub(crate) use early::EarlyFrames;

use crate::disk::Owner;
use crate::event::{About, Output, Write};
use crate::groups::snapshots::Snapshots;
use crate::node::Node;
use crate::timers::Timer;
use bytes::Bytes;
use quorate_consensus::{
    Committed, GuardError, ProposeError, Recovered, Replica, ReplicaConfig, ReplicaOutput,
};
use quorate_meta::Meta;
use quorate_proto::{
    ConfChangeSet, Envelope, EnvelopeBody, FoundingCertificate, Frame, FrameKind, GenesisId,
    Instance, Lane, MessageKind, RaftFrame, RaftId, RaftMessage, Reason, SnapshotMetadata,
    Supersede, raft_id,
};
use std::time::Duration;

/// A vote or a TimeoutNow that waited this long unsent is worthless: its term is over by then.
const ELECTION_FRAME_LIFE: Duration = Duration::from_secs(1);
/// Replica and state of `__meta`.
pub(crate) struct Group {
    replica: Replica,
    meta: Meta,
    me: RaftId,
    genesis: GenesisId,
    applied_term: u64,
    snapshots: Snapshots,
}

impl Group {
    /// Whether this replica leads.
    pub(crate) fn leads(&self) -> bool {
        self.replica.leads()
    }

    /// The replica, to look at.
    pub(crate) fn replica(&self) -> &Replica {
        &self.replica
    }

    /// The state that it applies to, to look at.
    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// This node's id in it.
    pub(crate) fn me(&self) -> RaftId {
        self.me
    }

    /// The cluster.
    pub(crate) fn genesis(&self) -> GenesisId {
        self.genesis
    }

    /// One tick of Raft's clock has passed.
    pub(crate) fn tick(&mut self) {
        self.replica.tick();
    }

    /// What the replica wanted durable up to this number is.
    pub(crate) fn persisted(&mut self, number: u64) {
        self.replica.persisted(number);
    }

    /// Something for this peer was lost on the way.
    pub(crate) fn unreachable(&mut self, peer: RaftId) {
        self.replica.unreachable(peer);
    }

    /// Begins an election.
    pub(crate) fn campaign(&mut self) {
        self.replica.campaign();
    }

    /// There is evidence that this leader is gone: its lease ends.
    pub(crate) fn evidence_against(&mut self, leader: RaftId) {
        self.replica.evidence_against(leader);
    }

    /// Leads no more.
    pub(crate) fn step_down(&mut self) {
        self.replica.step_down();
    }

    /// Asks this voter to campaign at once.
    pub(crate) fn transfer_to(&mut self, successor: RaftId) {
        self.replica.transfer_to(successor);
    }

    /// Proposes these entries as one.
    pub(crate) fn propose(&mut self, entries: Vec<Bytes>) -> Result<(), ProposeError> {
        self.replica.propose(entries)
    }

    /// Begins a round that confirms the leadership for reads.
    pub(crate) fn read_index(&mut self, ticket: u64) -> Result<(), ProposeError> {
        self.replica.read_index(ticket)
    }

    /// Proposes a change of the voters.
    pub(crate) fn change(&mut self, set: ConfChangeSet) -> Result<(), ProposeError> {
        self.replica.change(set)
    }

    /// The instance behind a Raft id.
    pub(crate) fn instance_of(
        &self,
        id: RaftId,
        founded: Option<&FoundingCertificate>,
    ) -> Option<Instance> {
        self.meta.member_by_raft(id).map(|member| member.instance).or_else(|| {
            let record = &founded?.record;
            let voter =
                record.voters.iter().find(|voter| raft_id(self.genesis, voter.instance) == id)?;
            Some(voter.instance)
        })
    }
}

impl Node {
    /// Starts the group from the founding record: this life is one of its voters.
    pub(crate) fn found_group(&mut self, founded: &FoundingCertificate) {
        let recovered = Recovered::genesis(&founded.record.raft_ids());
        self.disk.write(&mut self.turn, Owner::Nobody, Write::Log(recovered.genesis_records()));
        self.start_group(recovered, Meta::genesis(founded), None);
    }

    /// Starts an empty group that waits for the leader's snapshot: this life was let in later.
    pub(crate) fn join_group(&mut self) {
        let recovered = Recovered::empty();
        self.disk.write(&mut self.turn, Owner::Nobody, Write::Log(recovered.genesis_records()));
        self.start_group(recovered, Meta::empty(), None);
    }

    /// Continues the group from the disk.
    pub(crate) fn continue_group(&mut self, log: crate::RecoveredLog) {
        let founded = self.founding.state().founded.clone();
        let durable = log.snapshot.as_ref().map(|(metadata, _)| metadata.clone());
        let (snapshot, meta) = match (log.snapshot, &founded) {
            (Some((metadata, meta)), _) => (metadata, meta),
            (None, Some(founded)) if log.reset == (1, 1) => {
                (Recovered::genesis(&founded.record.raft_ids()).snapshot, Meta::genesis(founded))
            }
            _ => (SnapshotMetadata::default(), Meta::empty()),
        };
        let recovered = Recovered { hard_state: log.hard_state, snapshot, entries: log.entries };
        self.start_group(recovered, meta, durable);
        self.campaign_if_alone();
    }

    fn start_group(&mut self, recovered: Recovered, meta: Meta, durable: Option<SnapshotMetadata>) {
        let Some(genesis) = self.genesis else { return };
        let me = raft_id(genesis, self.config.instance);
        let (last, applied_term) = (recovered.snapshot.index, recovered.snapshot.term);
        let config = ReplicaConfig { me, seed: self.config.seed };
        let mut replica = match Replica::start(config, recovered) {
            Ok(replica) => replica,
            Err(error) => {
                let reason = format!("the log cannot be continued: {error}");
                self.turn.out.push(Output::Halt { reason, again: false });
                return;
            }
        };
        if let Some(metadata) = &durable {
            replica.offer_snapshot(metadata.clone());
        }
        let snapshots = Snapshots::new(durable, last);
        self.group = Some(Group { replica, meta, me, genesis, applied_term, snapshots });
        self.leadership.begin(self.turn.now);
        self.health_replaced();
        self.turn.timers.arm(Timer::Tick, self.turn.now + quorate_consensus::TICK);
        for (from, message) in self.early_frames.take() {
            self.receive_raft(from, message);
        }
    }

    /// A Raft message from an authenticated peer, fenced by GENESIS rule 18.
    pub(crate) fn raft_frame(&mut self, from: Instance, frame: RaftFrame) {
        let known = self.genesis;
        let me = self.config.instance;
        let bound = known.is_some_and(|genesis| {
            frame.group == 0
                && frame.genesis == genesis
                && frame.message.from == self.peers.raft_id(genesis, from).get()
                && frame.message.to == self.peers.raft_id(genesis, me).get()
        });
        if known.is_some() && !bound {
            self.turn.counters.frames_fenced += 1;
            return;
        }
        if self.group.is_some() {
            self.receive_raft(from, frame.message);
            return;
        }
        if known.is_some() && !self.is_replica(from) {
            self.fence_stranger(from);
            return;
        }
        self.early_frames.keep(from, frame.message);
        let founder = self.is_founding_voter();
        if known.is_some() && self.founding.state().founded.is_some() && founder == Some(false) {
            self.join_group();
        }
    }

    /// Whether this life is a voter of the founding record; none before the record is known.
    pub(crate) fn is_founding_voter(&self) -> Option<bool> {
        let founded = self.founding.state().founded.as_ref()?;
        let me = self.config.instance;
        Some(founded.record.voters.iter().any(|voter| voter.instance == me))
    }

    pub(crate) fn receive_raft(&mut self, from: Instance, message: RaftMessage) {
        let Some(group) = &self.group else { return };
        if message.from != self.peers.raft_id(group.genesis, from).get() {
            self.turn.counters.frames_fenced += 1;
            return;
        }
        if !self.is_replica(from) {
            self.fence_stranger(from);
            return;
        }
        self.hear_of_handover(&message);
        let Some(group) = &mut self.group else { return };
        match group.replica.receive(message) {
            Ok(()) => {}
            Err(GuardError::LogLost { commit, .. }) => self.loss_suspected(commit),
            Err(GuardError::PeerLost { had, has, .. }) => self.peer_lost(from, had, has),
            Err(error) => {
                if let GuardError::Contradiction(index) = error {
                    self.contradicted(from, index);
                }
                self.turn.counters.frames_guarded += 1;
                tracing::debug!(?from, %error, "raft message refused");
            }
        }
    }

    /// Carries out everything raft has to say, until it is quiet.
    pub(crate) fn settle_group(&mut self) {
        loop {
            self.flush_proposals();
            let Some(group) = &mut self.group else { return };
            let mut said = Vec::new();
            group.replica.ready(&mut said);
            if said.is_empty() {
                break;
            }
            for output in said {
                self.replica_said(output);
            }
        }
        self.drop_arrived();
        self.take_snapshot_when_due();
    }

    fn replica_said(&mut self, output: ReplicaOutput) {
        match output {
            ReplicaOutput::Send(message) => self.send_raft(message),
            ReplicaOutput::Persist { number, records } => {
                self.disk.write(&mut self.turn, Owner::Log(number), Write::Log(records));
            }
            ReplicaOutput::Commit(entries) => {
                for entry in entries {
                    self.apply(entry);
                }
                if let Some(group) = &mut self.group {
                    let applied = group.meta.applied();
                    group.replica.applied(applied);
                }
                self.serve_ready_reads();
            }
            ReplicaOutput::Install(metadata) => self.install(&metadata),
            ReplicaOutput::ReadReady { ticket, index } => self.read_ready(ticket, index),
            ReplicaOutput::ChangeRefused(changes) => {
                self.duties.voters_refused(self.turn.now);
                tracing::warn!(changes = %self.describe(&changes.changes), "raft refused a change of voters");
            }
            ReplicaOutput::RemovedAsLeader => {
                self.group = None;
                self.turn.event(
                    "voters",
                    "this node was removed from the voters while it led".into(),
                    true,
                );
            }
        }
    }

    fn apply(&mut self, entry: Committed) {
        let Some(group) = &mut self.group else { return };
        let (term, delta, outcome) = match entry {
            Committed::Command { index, term, data } => {
                group.snapshots.applied(data.len());
                let applied = group.meta.apply(index, &data);
                (term, applied.health, Some((applied.ticket, applied.result)))
            }
            Committed::Nothing { index, term } => {
                group.meta.apply_nothing(index);
                (term, None, None)
            }
            Committed::Voters { index, term, conf, context } => {
                self.turn.duties_due = true;
                let at = <[u8; 8]>::try_from(&context[..]).map_or(0, u64::from_be_bytes);
                (term, group.meta.apply_voters(index, &conf, at), None)
            }
        };
        if term != group.applied_term {
            group.applied_term = term;
            self.proposals_lost_before(term);
        }
        if let Some(delta) = delta {
            self.health_committed(delta);
        }
        if let Some((ticket, result)) = outcome {
            self.proposal_applied(ticket, result);
        }
    }

    fn send_raft(&mut self, message: RaftMessage) {
        let Some(group) = &mut self.group else { return };
        let Some(to) = RaftId::new(message.to) else { return };
        // A replica that is still empty knows nobody but those whose frames it got.
        let target = group
            .instance_of(to, self.founding.state().founded.as_ref())
            .or_else(|| self.peers.instance_of(to));
        let reached = target.and_then(|instance| Some((instance, self.peers.address(instance)?)));
        let kind = MessageKind::try_from(message.kind).unwrap_or(MessageKind::Unknown);
        let Some((instance, address)) = reached else {
            group.replica.unreachable(to);
            if kind == MessageKind::Snapshot {
                // Raft sends nothing else to a peer until it hears how its snapshot ended.
                group.replica.snapshot_sent(to, false);
            }
            return;
        };
        if kind == MessageKind::Snapshot {
            self.send_snapshot(to, instance, address, message);
            return;
        }
        let frame = raft_frame(group.genesis, kind, message);
        self.turn.out.push(Output::Send { to: instance, address, frame });
    }

    /// Of a reason that `quorate why` tells too.
    pub(crate) fn event_of(&mut self, kind: &'static str, reason: &Reason, host: Instance) {
        let host = Some((host, self.health.name(host)));
        self.turn.event_of(kind, reason, About { host, ..About::default() });
    }
}

/// Packs a Raft message for its lane: heartbeats are superseded, everything else keeps its order.
fn raft_frame(genesis: GenesisId, kind: MessageKind, message: RaftMessage) -> Frame {
    let heartbeat = matches!(kind, MessageKind::Heartbeat | MessageKind::HeartbeatResponse);
    // A heartbeat that carries a read's context must not be replaced by one that carries another's.
    let context =
        message.context.iter().rev().take(8).fold(0u64, |n, byte| (n << 8) | u64::from(*byte));
    let subject = context.wrapping_mul(4).wrapping_add(u64::from(kind == MessageKind::Heartbeat));
    let election = matches!(
        kind,
        MessageKind::RequestVote | MessageKind::RequestPreVote | MessageKind::TimeoutNow
    );
    let bytes = Envelope::encode_body(EnvelopeBody::Raft(RaftFrame { group: 0, genesis, message }));
    Frame {
        lane: if heartbeat { Lane::Control } else { Lane::Log },
        supersede: heartbeat.then_some(Supersede { kind: FrameKind::Heartbeat, group: 0, subject }),
        expires: election.then_some(ELECTION_FRAME_LIFE),
        bytes,
    }
}
