//! The group of this node: how it begins, what reaches it, and who hears of what it says.

use crate::disk::Owner;
use crate::event::{Output, Write};
use crate::groups::{Arrived, Group, Ways};
use crate::node::Node;
use crate::sight::sight;
use crate::timers::Timer;
use crate::told::Event;
use crate::{RecoveredLog, duties};
use quorate_consensus::{Committed, GuardError, LogRecord, Recovered, ReplicaOutput};
use quorate_meta::{AppliedResult, Meta};
use quorate_proto::{
    FoundingCertificate, GroupId, Instance, NodeKey, RaftFrame, RaftId, RaftMessage, Role,
    SnapshotMetadata, Steer,
};

impl Node {
    /// Starts the group from the founding record: this life is one of its voters.
    pub(super) fn found_group(&mut self, founded: &FoundingCertificate) {
        let recovered = Recovered::from_founding(&founded.record.raft_ids());
        self.write_log(Owner::Nobody, recovered.founding_records());
        self.start_group(recovered, Meta::from_founding(founded), None);
    }

    /// Starts an empty group that waits for the leader's snapshot: this life was let in later.
    fn join_group(&mut self) {
        let recovered = Recovered::empty();
        self.write_log(Owner::Nobody, recovered.founding_records());
        self.start_group(recovered, Meta::empty(), None);
    }

    /// Continues the group from the disk.
    pub(super) fn continue_group(&mut self, log: RecoveredLog) {
        let founded = self.founding.state().founded.clone();
        let durable = log.snapshot.as_ref().map(|(metadata, _)| metadata.clone());
        let (recovered, meta) = log.begun(founded.as_ref());
        self.start_group(recovered, meta, durable);
        self.campaign_if_alone();
    }

    /// The group with this number, if this node has a replica of it.
    pub(super) fn group_of(&mut self, id: GroupId) -> Option<&mut Group> {
        self.group.as_mut().filter(|group| group.id() == id)
    }

    fn write_log(&mut self, owner: Owner, records: Vec<LogRecord>) {
        let write = Write::Log { group: GroupId::META, records };
        self.disk.write(&mut self.turn, owner, write);
    }

    fn start_group(&mut self, recovered: Recovered, meta: Meta, durable: Option<SnapshotMetadata>) {
        let Some(cluster_id) = self.cluster_id else { return };
        let group =
            match Group::start(GroupId::META, cluster_id, &self.config, recovered, meta, durable) {
                Ok(group) => self.group.insert(group),
                Err(reason) => {
                    return self.turn.out.push(Output::Halt { reason, again: false });
                }
            };
        group.withdraw(self.shares.is_withdrawn());
        self.health.replaced(group.meta());
        self.leadership.begin(self.turn.now);
        self.notice_level();
        self.turn.timers.arm(Timer::Tick, self.turn.now + quorate_consensus::TICK);
        for (from, message) in self.early_frames.take() {
            self.receive_raft(from, message);
        }
    }

    /// Whether this life joins the group that others founded, and so waits for a snapshot.
    fn joins_group(&self) -> bool {
        let founded = self.founding.state().founded.is_some();
        founded && self.sight().is_founding_voter() == Some(false)
    }

    /// A Raft message from an authenticated peer, fenced by GENESIS rule 18.
    pub(super) fn raft_frame(&mut self, from: Instance, frame: RaftFrame) {
        let known = self.cluster_id;
        let me = self.config.instance;
        let bound = known.is_some_and(|cluster_id| {
            frame.group() == GroupId::META
                && frame.cluster_id == cluster_id
                && frame.message.from == self.peers.raft_id(cluster_id, from).get()
                && frame.message.to == self.peers.raft_id(cluster_id, me).get()
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
        if known.is_some() && self.joins_group() {
            self.join_group();
        }
    }

    fn receive_raft(&mut self, from: Instance, message: RaftMessage) {
        let Some(group) = &self.group else { return };
        if message.from != self.peers.raft_id(group.cluster_id(), from).get() {
            self.turn.counters.frames_fenced += 1;
            return;
        }
        if !self.is_replica(from) {
            self.fence_stranger(from);
            return;
        }
        let own_term = self.sight().own_term();
        self.handover.hear(&mut self.turn, own_term, &message);
        let Some(group) = &mut self.group else { return };
        match group.receive(message) {
            Ok(()) => {}
            Err(GuardError::LogLost { commit, .. }) => {
                self.copies.loss_suspected(&sight!(self), &mut self.turn, commit);
            }
            Err(GuardError::PeerLost { had, has, .. }) => self.copies.peer_lost(from, had, has),
            Err(error) => {
                if let GuardError::Contradiction(index) = error {
                    self.copies.contradicted(&sight!(self), &mut self.turn, from, index);
                }
                self.turn.counters.frames_guarded += 1;
                tracing::debug!(?from, %error, "raft message refused");
            }
        }
    }

    /// Something that Raft said to a peer has not reached it, or not for good.
    pub(super) fn undelivered(&mut self, to: Instance) {
        if let Some(group) = &mut self.group {
            group.unreachable(self.peers.raft_id(group.cluster_id(), to));
        }
    }

    /// No append came that would have told the commit index.
    pub(super) fn tell_commit(&mut self) {
        if let Some(group) = &mut self.group {
            group.tell_commit();
        }
    }

    /// Carries out everything raft has to say, until it is quiet.
    pub(super) fn settle_group(&mut self) {
        loop {
            self.flush_proposals();
            let Some(group) = &mut self.group else { return };
            group.tell_commit_unless_it_rides(&mut self.turn);
            let said = group.ready();
            if said.is_empty() {
                break;
            }
            for output in said {
                self.raft_said(output);
            }
        }
        let Self { group: Some(group), turn, .. } = self else { return };
        group.drop_arrived(turn);
        if group.may_release(turn.now) {
            self.compact_log();
        }
        if let Some(group) = &mut self.group {
            group.take_snapshot_when_due(&mut self.turn, self.config.settings.snapshot_every);
        }
    }

    fn raft_said(&mut self, said: ReplicaOutput) {
        match said {
            ReplicaOutput::Send(message) => {
                let Self { group: Some(group), turn, peers, founding, .. } = self else { return };
                let ways = Ways { peers, founded: founding.state().founded.as_ref() };
                group.send(message, turn, ways);
            }
            ReplicaOutput::Persist { number, records } => {
                self.write_log(Owner::Log(GroupId::META, number), records);
            }
            ReplicaOutput::Commit(entries) => {
                for entry in entries {
                    self.apply(entry);
                }
                if let Some(group) = &mut self.group {
                    group.has_applied();
                }
                self.serve_ready_reads();
            }
            ReplicaOutput::Install(metadata) => self.install(&metadata),
            ReplicaOutput::ReadReady { ticket, index } => self.read_ready(ticket, index),
            ReplicaOutput::ChangeRefused(set) => {
                self.duties.voters_refused(self.turn.now);
                let group = self.group.as_ref();
                let words = group.map(|group| duties::describe(group.meta(), &set.changes));
                tracing::warn!(changes = %words.unwrap_or_default(), "raft refused a change of voters");
            }
            ReplicaOutput::RemovedAsLeader => {
                self.group = None;
                self.turn.event(Event::RemovedAsLeader);
            }
        }
    }

    /// Each entry is heard of as it is applied: the next one changes the state that it is told from.
    fn apply(&mut self, entry: Committed) {
        let Some(group) = &mut self.group else { return };
        let applied = match group.apply(entry, &mut self.turn) {
            Ok(applied) => applied,
            Err(unknown) => {
                // What is behind it is not applied either, nor written into a snapshot.
                self.group = None;
                let reason = unknown.to_string();
                return self.turn.out.push(Output::Halt { reason, again: false });
            }
        };
        if let Some(term) = applied.new_term {
            self.requests.proposals_lost_before(term);
        }
        if let (Some(delta), Some(group)) = (applied.epoch, &self.group) {
            self.health.committed(&mut self.turn, group.meta(), delta);
        }
        if let Some((ticket, result)) = applied.outcome {
            if let AppliedResult::Steered { steer, changed: true } = &result {
                let Steer { paused, reason, .. } = steer.clone();
                self.turn.event(Event::Autopilot { paused, reason });
                self.turn.duties_due = true;
            }
            self.proposal_applied(ticket, result);
        }
        self.notice_level();
    }

    fn install(&mut self, metadata: &SnapshotMetadata) {
        let Self { group: Some(group), turn, health, disk, .. } = self else { return };
        let Some(write) = group.install(metadata) else {
            let reason =
                "raft took a snapshot whose content is not here; this is a defect".to_owned();
            return turn.out.push(Output::Halt { reason, again: true });
        };
        disk.write(turn, Owner::Nobody, write);
        health.replaced(group.meta());
        self.notice_level();
        self.proposals_jumped();
    }

    /// Whether a snapshot that a host begins to send may be written to this disk: from the leader that the replica here
    /// follows; while it follows none, from any replica in the view.
    ///
    /// It comes on a connection of its own: with the key that the host is known by.
    #[must_use]
    pub fn takes_snapshot_of(&self, from: Instance, key: NodeKey) -> bool {
        let leader = self.sight().followed().map(|leader| leader.instance);
        self.peers.is_pinned(from, key)
            && self.is_replica(from)
            && leader.is_none_or(|leader| leader == from)
    }

    /// A snapshot that arrived whole and is durable: raft decides whether it takes it.
    pub(super) fn snapshot_received(
        &mut self,
        group: GroupId,
        from: Instance,
        message: RaftMessage,
        arrived: Arrived,
    ) {
        let file = arrived.file;
        match group == GroupId::META && self.offer_arrived(from, &message, arrived) {
            true => self.receive_raft(from, message),
            false => self.turn.out.push(Output::DropSnapshot { file }),
        }
    }

    /// Whether raft is to hear of it.
    fn offer_arrived(&mut self, from: Instance, message: &RaftMessage, arrived: Arrived) -> bool {
        let Some(metadata) = message.snapshot.clone() else { return false };
        if !self.is_replica(from) {
            self.turn.counters.frames_fenced += 1;
            return false;
        }
        if self.group.is_none() {
            if !self.joins_group() {
                return false;
            }
            self.join_group();
        }
        // In the same turn came another: raft decides on that one first.
        if self.group.as_ref().is_some_and(Group::has_arrived) {
            self.settle_group();
        }
        let Some(group) = &mut self.group else { return false };
        let offered = group.offer_arrived(metadata, arrived);
        self.turn.counters.frames_guarded += u64::from(!offered);
        offered
    }

    /// The shell wrote a snapshot.
    pub(super) fn snapshot_taken(&mut self, group: GroupId, metadata: SnapshotMetadata) {
        if self.group_of(group).is_some_and(|group| group.snapshot_taken(metadata)) {
            self.compact_log();
        }
    }

    /// Forgets what the durable snapshot covers and no live peer needs.
    fn compact_log(&mut self) {
        let Self { group: Some(group), peers, health, turn, disk, .. } = self else { return };
        let cluster_id = group.cluster_id();
        let live = health.alive().filter(|member| member.role() != Role::Member);
        let live: Vec<RaftId> = live.map(|it| peers.raft_id(cluster_id, it.instance)).collect();
        if let Some(write) = group.compact_log(turn.now, live.into_iter()) {
            disk.write(turn, Owner::Nobody, write);
        }
    }
}
