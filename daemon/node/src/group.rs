//! The `__meta` group on this node: the replica, the state it applies to, and its snapshots.
//!
//! Order kept here: what raft wants durable is put out before anything that depends on it; commits are
//! applied in the turn in which they appear; a snapshot's metadata is exactly the applied position.

use crate::event::{Event, Output, Write};
use crate::node::{Node, PersistOwner};
use crate::timers::Timer;
use quorate_consensus::{Committed, Recovered, Replica, ReplicaConfig, ReplicaOutput};
use quorate_meta::Meta;
use quorate_proto::{
    Envelope, EnvelopeBody, Founded, Frame, FrameKind, GenesisId, Instance, Lane, MessageKind,
    RaftFrame, RaftId, RaftMessage, SnapshotMetadata, Supersede, limits, raft_id,
};
use std::time::Duration;

/// A vote or a TimeoutNow that waited this long unsent is worthless: its term is over by then.
const ELECTION_FRAME_LIFE: Duration = Duration::from_secs(1);
/// Most entries that stay in the log behind a snapshot, so that a follower that was away for a moment is caught
/// up without a snapshot.
const KEPT_ENTRIES: u64 = 2_000;
/// So many bytes of commands make a snapshot due even when they are few entries: the log is held in memory.
const SNAPSHOT_BYTES: u64 = 64 * 1024 * 1024;

/// Replica and state of `__meta`.
pub(crate) struct Group {
    pub(crate) replica: Replica,
    pub(crate) meta: Meta,
    pub(crate) me: RaftId,
    pub(crate) genesis: GenesisId,
    /// What raft may send as a snapshot, with the state it names.
    offered: Option<(SnapshotMetadata, Meta)>,
    /// A received snapshot that raft has been told of.
    arriving: Option<(SnapshotMetadata, Meta)>,
    taking: bool,
    last_snapshot: u64,
    /// Bytes of commands applied since, which the log in memory holds.
    bytes_since_snapshot: u64,
    /// Entries that stay in the log behind the snapshot under way.
    keep: u64,
    applied_term: u64,
    pub(crate) durable_snapshot: Option<SnapshotMetadata>,
}

impl Group {
    /// Whether this replica leads.
    pub(crate) fn leads(&self) -> bool {
        self.replica.leads()
    }

    /// The instance behind a Raft id.
    pub(crate) fn instance_of(&self, id: RaftId, founded: Option<&Founded>) -> Option<Instance> {
        self.meta.member_by_raft(id).map(|member| member.instance).or_else(|| {
            let record = &founded?.record;
            let voter =
                record.voters.iter().find(|voter| raft_id(self.genesis, voter.instance) == id)?;
            Some(voter.instance)
        })
    }

    /// The position and configuration that the state stands at now.
    fn position(&self) -> SnapshotMetadata {
        SnapshotMetadata {
            conf_state: self.replica.status().conf,
            index: self.meta.applied(),
            term: self.applied_term,
        }
    }
}

impl Node {
    /// Starts the group from the founding record: this life is one of its voters.
    pub(crate) fn found_group(&mut self, founded: &Founded, out: &mut Vec<Output>) {
        let recovered = Recovered::genesis(&founded.record.raft_ids());
        self.persist(PersistOwner::Nobody, Write::Log(recovered.genesis_records()), out);
        let metadata = recovered.snapshot.clone();
        self.start_group(recovered, Meta::genesis(founded), Some(metadata), None, out);
    }

    /// Starts an empty group that waits for the leader's snapshot: this life was let in later.
    pub(crate) fn join_group(&mut self, out: &mut Vec<Output>) {
        let recovered = Recovered::empty();
        self.persist(PersistOwner::Nobody, Write::Log(recovered.genesis_records()), out);
        self.start_group(recovered, Meta::empty(), None, None, out);
    }

    /// Continues the group from the disk.
    pub(crate) fn continue_group(&mut self, log: crate::RecoveredLog, out: &mut Vec<Output>) {
        let founded = self.founding.state().founded.clone();
        let durable = log.snapshot.as_ref().map(|(metadata, _)| metadata.clone());
        let (snapshot, meta) = match (log.snapshot, &founded) {
            (Some((metadata, meta)), _) => (metadata, meta),
            (None, Some(founded)) if log.reset == (1, 1) => {
                (Recovered::genesis(&founded.record.raft_ids()).snapshot, Meta::genesis(founded))
            }
            _ => (SnapshotMetadata::default(), Meta::empty()),
        };
        let offered = (snapshot.index > 0).then(|| snapshot.clone());
        let recovered = Recovered { hard_state: log.hard_state, snapshot, entries: log.entries };
        self.start_group(recovered, meta, offered, durable, out);
    }

    fn start_group(
        &mut self,
        recovered: Recovered,
        meta: Meta,
        offered: Option<SnapshotMetadata>,
        durable_snapshot: Option<SnapshotMetadata>,
        out: &mut Vec<Output>,
    ) {
        let Some(genesis) = self.genesis else { return };
        let me = raft_id(genesis, self.config.instance);
        let (last_snapshot, applied_term) = (recovered.snapshot.index, recovered.snapshot.term);
        let config = ReplicaConfig { me, seed: self.config.seed };
        let mut replica = match Replica::start(config, recovered) {
            Ok(replica) => replica,
            Err(error) => {
                let reason = format!("the log cannot be continued: {error}");
                out.push(Output::Halt { reason });
                return;
            }
        };
        let offered = offered.map(|metadata| {
            replica.offer_snapshot(metadata.clone());
            (metadata, meta.clone())
        });
        self.group = Some(Group {
            replica,
            meta,
            me,
            genesis,
            offered,
            arriving: None,
            taking: false,
            last_snapshot,
            bytes_since_snapshot: 0,
            keep: 0,
            applied_term,
            durable_snapshot,
        });
        self.health_replaced(out);
        self.timers.arm(Timer::Tick, self.now + quorate_consensus::TICK);
        for (from, message) in std::mem::take(&mut self.held) {
            self.receive_raft(from, message, out);
        }
    }

    /// A Raft message from an authenticated peer, fenced by GENESIS rule 18.
    pub(crate) fn raft_frame(&mut self, from: Instance, frame: RaftFrame, out: &mut Vec<Output>) {
        let known = self.genesis;
        let me = self.config.instance;
        let bound = known.is_some_and(|genesis| {
            frame.group == 0
                && frame.genesis == genesis
                && frame.message.from == self.peers.raft_id(genesis, from).get()
                && frame.message.to == self.peers.raft_id(genesis, me).get()
        });
        if known.is_some() && !bound {
            self.counters.frames_fenced += 1;
            return;
        }
        if self.group.is_some() {
            self.receive_raft(from, frame.message, out);
            return;
        }
        // Full: the sender repeats what matters, so dropping the newest is safe.
        if self.held.len() < limits::HELD_RAFT_FRAMES {
            self.held.push((from, frame.message));
        }
        let founder = self.is_founding_voter();
        if known.is_some() && self.founding.state().founded.is_some() && founder == Some(false) {
            self.join_group(out);
        }
    }

    /// Whether this life is a voter of the founding record; none before the record is known.
    pub(crate) fn is_founding_voter(&self) -> Option<bool> {
        let founded = self.founding.state().founded.as_ref()?;
        let me = self.config.instance;
        Some(founded.record.voters.iter().any(|voter| voter.instance == me))
    }

    fn receive_raft(&mut self, from: Instance, message: RaftMessage, out: &mut Vec<Output>) {
        let Some(group) = &mut self.group else { return };
        if group.meta.is_tombstone(from)
            || message.from != self.peers.raft_id(group.genesis, from).get()
        {
            self.counters.frames_fenced += 1;
            return;
        }
        match group.replica.receive(message) {
            Ok(()) => {}
            Err(quorate_consensus::GuardError::LogLost { .. }) => {
                let reason = "the leader knows of entries that this log acknowledged and no longer has: the disk lost \
                     data. Run `quorate reset` on this host and start it again; it rejoins as a new instance"
                    .to_owned();
                out.push(Output::Halt { reason });
            }
            Err(error) => {
                self.counters.frames_guarded += 1;
                tracing::debug!(?from, %error, "raft message refused");
            }
        }
    }

    /// A snapshot that arrived whole and is durable: raft decides whether it takes it.
    pub(crate) fn snapshot_received(
        &mut self,
        from: Instance,
        message: RaftMessage,
        image: Meta,
        out: &mut Vec<Output>,
    ) {
        let Some(metadata) = message.snapshot.clone() else { return };
        if self.group.is_none() {
            if self.founding.state().founded.is_none() || self.is_founding_voter() != Some(false) {
                return;
            }
            self.join_group(out);
        }
        let Some(group) = &mut self.group else { return };
        if image.applied() != metadata.index {
            self.counters.frames_guarded += 1;
            return;
        }
        group.arriving = Some((metadata, image));
        self.receive_raft(from, message, out);
    }

    /// The shell wrote a snapshot: raft may send it, and the log may forget what it covers.
    pub(crate) fn snapshot_taken(&mut self, metadata: SnapshotMetadata, out: &mut Vec<Output>) {
        let Some(group) = &mut self.group else { return };
        group.taking = false;
        group.last_snapshot = group.last_snapshot.max(metadata.index);
        let record = group.replica.compact(metadata.index.saturating_sub(group.keep));
        group.durable_snapshot = Some(metadata);
        if let Some(record) = record {
            self.persist(PersistOwner::Nobody, Write::Log(vec![record]), out);
        }
    }

    /// The shell had no room for a snapshot: the next one is asked for after as many entries again.
    pub(crate) fn snapshot_not_taken(&mut self) {
        if let Some(group) = &mut self.group {
            group.taking = false;
            group.last_snapshot = group.meta.applied();
        }
    }

    /// Offers the present state as the snapshot for a peer that needs one.
    pub(crate) fn offer_present_state(&mut self) {
        let Some(group) = &mut self.group else { return };
        let position = group.position();
        group.replica.offer_snapshot(position.clone());
        group.offered = Some((position, group.meta.clone()));
    }

    /// A peer is in need of a snapshot that raft does not have: the present state is one.
    pub(crate) fn offer_wanted_snapshot(&mut self) {
        let wanted = self.group.as_ref().is_some_and(|group| group.replica.wants_snapshot());
        if wanted {
            self.offer_present_state();
        }
    }

    /// Carries out everything raft has to say, until it is quiet.
    pub(crate) fn settle_group(&mut self, out: &mut Vec<Output>) {
        loop {
            self.flush_proposals();
            let Some(group) = &mut self.group else { return };
            let mut said = Vec::new();
            group.replica.ready(&mut said);
            if said.is_empty() {
                break;
            }
            for output in said {
                self.replica_said(output, out);
            }
        }
        self.take_snapshot_when_due(out);
    }

    fn replica_said(&mut self, output: ReplicaOutput, out: &mut Vec<Output>) {
        match output {
            ReplicaOutput::Send(message) => self.send_raft(message, out),
            ReplicaOutput::Persist { number, records } => {
                self.persist(PersistOwner::Log(number), Write::Log(records), out);
            }
            ReplicaOutput::Commit(entries) => {
                for entry in entries {
                    self.apply(entry, out);
                }
                if let Some(group) = &mut self.group {
                    let applied = group.meta.applied();
                    group.replica.applied(applied);
                }
                self.serve_ready_reads(out);
            }
            ReplicaOutput::Install(metadata) => self.install(&metadata, out),
            ReplicaOutput::ReadReady { ticket, index } => self.read_ready(ticket, index, out),
            ReplicaOutput::ChangeRefused(changes) => {
                self.autopilot.refused(self.now);
                tracing::warn!(?changes, "raft refused a change of voters");
            }
            ReplicaOutput::RemovedAsLeader => {
                self.group = None;
                self.event(
                    "voters",
                    "this node was removed from the voters while it led".into(),
                    true,
                    out,
                );
            }
        }
    }

    fn apply(&mut self, entry: Committed, out: &mut Vec<Output>) {
        let Some(group) = &mut self.group else { return };
        let (term, delta, outcome) = match entry {
            Committed::Command { index, term, data } => {
                group.bytes_since_snapshot += data.len() as u64;
                let applied = group.meta.apply(index, &data);
                (term, applied.health, Some((applied.ticket, applied.result)))
            }
            Committed::Nothing { index, term } => {
                group.meta.apply_nothing(index);
                (term, None, None)
            }
            Committed::Voters { index, term, conf } => {
                self.duties_due = true;
                (term, group.meta.apply_voters(index, &conf, 0), None)
            }
        };
        if term != group.applied_term {
            group.applied_term = term;
            self.proposals_lost_before(term, out);
        }
        if let Some(delta) = delta {
            self.health_committed(delta, out);
        }
        if let Some((ticket, result)) = outcome {
            self.proposal_applied(ticket, result, out);
        }
    }

    fn install(&mut self, metadata: &SnapshotMetadata, out: &mut Vec<Output>) {
        let Some(group) = &mut self.group else { return };
        match group.arriving.take() {
            Some((arrived, image)) if arrived.index == metadata.index => {
                group.meta = image.clone();
                group.applied_term = metadata.term;
                group.last_snapshot = metadata.index;
                group.offered = Some((metadata.clone(), image));
                group.durable_snapshot = Some(metadata.clone());
                group.replica.offer_snapshot(metadata.clone());
                group.replica.applied(metadata.index);
                self.health_replaced(out);
                self.proposals_jumped(out);
            }
            _ => {
                let reason =
                    "raft took a snapshot whose content is not here; this is a defect".to_owned();
                out.push(Output::Halt { reason });
            }
        }
    }

    fn take_snapshot_when_due(&mut self, out: &mut Vec<Output>) {
        let every = self.config.snapshot_every;
        let Some(group) = &mut self.group else { return };
        // Replicas apply the same entries at the same time; their snapshots need not fall together as well.
        let every = every + group.me.get() % (every / 4 + 1);
        let entries = group.meta.applied().saturating_sub(group.last_snapshot);
        let due = entries >= every || group.bytes_since_snapshot >= SNAPSHOT_BYTES;
        if group.taking || !due || group.replica.status().joint {
            return;
        }
        let metadata = group.position();
        group.taking = true;
        // A quarter at most: few entries are large ones.
        group.keep = KEPT_ENTRIES.min(entries / 4);
        group.bytes_since_snapshot = 0;
        group.replica.offer_snapshot(metadata.clone());
        group.offered = Some((metadata.clone(), group.meta.clone()));
        out.push(Output::TakeSnapshot { metadata, image: Box::new(group.meta.clone()) });
    }

    fn send_raft(&mut self, message: RaftMessage, out: &mut Vec<Output>) {
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
            self.send_snapshot(to, instance, address, message, out);
            return;
        }
        let frame = raft_frame(group.genesis, kind, message);
        out.push(Output::Send { to: instance, address, frame });
    }

    fn send_snapshot(
        &mut self,
        to: RaftId,
        instance: Instance,
        address: std::net::SocketAddr,
        message: RaftMessage,
        out: &mut Vec<Output>,
    ) {
        let Some(group) = &mut self.group else { return };
        let wanted = message.snapshot.as_ref().map(|metadata| metadata.index);
        match &group.offered {
            Some((metadata, image)) if Some(metadata.index) == wanted => {
                let image = Box::new(image.clone());
                out.push(Output::SendSnapshot { to: instance, address, message, image });
            }
            // Raft asks again with the next heartbeat answer, and then gets the newer one.
            _ => group.replica.snapshot_sent(to, false),
        }
    }

    /// Says a line in the journal and in `quorate events`.
    pub(crate) fn event(
        &mut self,
        kind: &'static str,
        text: String,
        warning: bool,
        out: &mut Vec<Output>,
    ) {
        out.push(Output::Event(Event { kind, text, warning }));
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
