//! One member of a Raft group: what goes in. What comes out is gathered in `ready.rs`.
//!
//! Invariant: promises (votes, acknowledgements) wait in `outstanding` until the caller says that what they promise is
//! durable. A leader's appends do not wait. Knows nothing of clocks (it is ticked), disks, or what an entry means.

mod losses;
mod telling;

use crate::config::{RELUCTANCE_TICKS, Recovered, ReplicaConfig, StartError};
use crate::guard::{self, GuardError, MAX_READS, Standing};
use crate::log::MemoryLog;
use crate::output::{Committed, PeerProgress, ProposeError, RaftRole, ReplicaStatus};
use crate::pacing::Pacing;
use crate::voters::{self, Awaited};
use crate::{LogRecord, convert, election, slog_bridge};
use bytes::Bytes;
use losses::Losses;
use quorate_proto::{
    ConfChangeSet, ConfState, HardState, MessageKind, RaftId, RaftMessage, SnapshotMetadata,
};
use raft::eraftpb as rs;
use raft::{RawNode, SnapshotStatus, StateRole};
use std::collections::VecDeque;

/// One replica. Call [`Replica::ready`] after each batch of other calls.
pub struct Replica {
    pub(crate) config: ReplicaConfig,
    pub(crate) raw: RawNode<MemoryLog>,
    /// As of the last committed change.
    pub(crate) conf: ConfState,
    /// Where it took place, or the snapshot that told of it.
    pub(crate) conf_index: u64,
    /// The last index that was put out as committed or installed.
    pub(crate) handed: u64,
    /// The last index that the caller applied. raft-rs is told once that index is durable.
    pub(crate) applied: u64,
    /// The commit index that the newest appends to all followers carried.
    told: u64,
    /// Number of the last `Persist`.
    pub(crate) persist_number: u64,
    /// Bounded by the caller: it stops feeding a replica whose disk does not answer.
    pub(crate) outstanding: VecDeque<Outstanding>,
    /// Promises whose durability was reported since the last `ready`.
    pub(crate) released: Vec<RaftMessage>,
    /// A commit index that rides along with the next `Persist`: losing it costs nothing, unless it moved the voters.
    pub(crate) lazy: Option<HardState>,
    pub(crate) awaited: Awaited,
    pub(crate) pacing: Pacing,
    pub(crate) losses: Losses,
    /// Removed while leading: raft-rs would panic if it went on.
    pub(crate) removed: bool,
    /// By its own timer it campaigns only when the others had their time for it.
    reluctant: bool,
}

/// One `Persist` that was not answered yet, and what must not be said before.
pub(crate) struct Outstanding {
    pub(crate) number: u64,
    pub(crate) raft_number: u64,
    pub(crate) promises: Vec<RaftMessage>,
}

impl Replica {
    /// Starts from what was durable. Committed entries behind the snapshot are put out again.
    ///
    /// # Errors
    /// When what was recovered cannot be a log that this replica may continue.
    pub fn start(config: ReplicaConfig, recovered: Recovered) -> Result<Self, StartError> {
        let recovered = recovered.checked()?;
        let applied = recovered.snapshot.index;
        let conf = recovered.snapshot.conf_state.clone();
        let log = MemoryLog::new(recovered)?;
        let raw = RawNode::new(&config.for_raft(applied), log, &slog_bridge::logger())
            .map_err(|error| StartError::Raft(error.to_string()))?;
        let mut replica = Self {
            config,
            raw,
            conf,
            conf_index: applied,
            handed: applied,
            applied,
            told: applied,
            persist_number: 0,
            outstanding: VecDeque::new(),
            released: Vec::new(),
            lazy: None,
            awaited: Awaited::default(),
            pacing: Pacing::default(),
            losses: Losses::default(),
            removed: false,
            reluctant: false,
        };
        replica.redraw();
        Ok(replica)
    }

    /// One [`TICK`](crate::TICK) has passed.
    pub fn tick(&mut self) {
        if self.removed || (!self.leads() && !self.may_elect()) {
            return;
        }
        self.pacing.tick();
        self.raw.tick();
        self.redraw();
    }

    /// Takes in a message from a peer.
    ///
    /// # Errors
    /// When it was refused, which changes nothing. [`GuardError::LogLost`] alone is told of a heartbeat that was taken: this
    /// replica may have lost what it acknowledged, and somebody else must be asked. [`GuardError::PeerLost`] is said by a leader
    /// about the sender.
    pub fn receive(&mut self, message: RaftMessage) -> Result<(), GuardError> {
        if self.removed {
            return Ok(());
        }
        let raft = &self.raw.raft;
        let standing = Standing {
            me: self.config.me.get(),
            term: raft.term,
            last: raft.raft_log.last_index(),
            committed: raft.raft_log.committed,
            leads: self.leads(),
            leader: raft.leader_id,
            conf: &self.conf,
            reads: raft.pending_read_count(),
        };
        guard::check(&message, &standing, |index| raft.store().term_at(index))?;
        let campaign = message.kind == MessageKind::TimeoutNow as i32;
        if campaign && !self.may_elect() {
            return Ok(());
        }
        if message.kind == MessageKind::AppendResponse as i32 {
            if self.shows_a_loss(&message)? {
                return Ok(());
            }
            match message.reject {
                true => self.pacing.forget(message.from),
                false => self.pacing.answered(message.from, message.index),
            }
        }
        let (message, beyond, lost) = self.within_the_log(message);
        let message = convert::message_to_raft(message)?;
        let committed = self.raw.raft.raft_log.committed;
        if let Err(error) = self.raw.step(message) {
            tracing::debug!(%error, "raft ignores a message");
        }
        self.told_by_itself(committed);
        self.answer_beyond(beyond);
        self.redraw();
        lost
    }

    /// Proposes all entries at once: one append, one message to each follower.
    ///
    /// # Errors
    /// When nothing was proposed.
    pub fn propose(&mut self, entries: Vec<Bytes>) -> Result<(), ProposeError> {
        let entries = entries.into_iter().map(|data| rs::Entry { data, ..Default::default() });
        self.step_proposal(entries.collect())
    }

    /// Proposes a change of the voters and learners; several changes at once pass through a joint state that raft
    /// leaves by itself.
    ///
    /// # Errors
    /// When nothing was proposed. A change that came at the wrong time shows up as `ChangeRefused`.
    pub fn change(&mut self, changes: ConfChangeSet) -> Result<(), ProposeError> {
        if !self.leads() {
            return Err(ProposeError::NotLeader);
        }
        if voters::takes_vote_of(&changes, self.config.me.get()) {
            return Err(ProposeError::OwnRemoval);
        }
        if self.awaited.is_full() {
            return Err(ProposeError::Full);
        }
        self.step_proposal(vec![voters::entry(&changes)])?;
        let raft = &self.raw.raft;
        self.awaited.remember(raft.raft_log.last_index(), raft.term, changes);
        Ok(())
    }

    fn step_proposal(&mut self, entries: Vec<rs::Entry>) -> Result<(), ProposeError> {
        if !self.leads() {
            return Err(ProposeError::NotLeader);
        }
        if entries.is_empty() {
            return Ok(());
        }
        let message = rs::Message {
            msg_type: rs::MessageType::MsgPropose,
            from: self.config.me.get(),
            entries: entries.into(),
            ..Default::default()
        };
        let stepped = self.raw.step(message);
        if stepped.is_ok() {
            self.told = self.raw.raft.raft_log.committed;
        }
        self.redraw();
        stepped.map_err(|_| ProposeError::Full)
    }

    /// Asks for an index that is current now; answered by `ReadReady`, or never: the caller repeats, with a new ticket.
    ///
    /// # Errors
    /// When this replica does not lead, or too many reads wait.
    pub fn read_index(&mut self, ticket: u64) -> Result<(), ProposeError> {
        if !self.leads() {
            return Err(ProposeError::NotLeader);
        }
        if self.raw.raft.pending_read_count() >= MAX_READS {
            return Err(ProposeError::Full);
        }
        self.raw.read_index(ticket.to_be_bytes().to_vec());
        self.redraw();
        Ok(())
    }

    /// Campaigns now, if it may.
    pub fn campaign(&mut self) {
        if self.removed || !self.raw.raft.promotable() || !self.may_elect() {
            return;
        }
        if let Err(error) = self.raw.campaign() {
            tracing::debug!(%error, "no campaign");
        }
        self.redraw();
    }

    /// The leader is down for sure: its lease no longer keeps this replica from answering a candidate. A heartbeat
    /// restores the lease, should the evidence be wrong.
    pub fn evidence_against(&mut self, lost: RaftId) {
        if !self.leads() && self.raw.raft.leader_id == lost.get() {
            self.raw.raft.leader_id = raft::INVALID_ID;
        }
    }

    /// Stops leading, in the same term: for a leader that a majority does not hear, or that hears no majority. What it
    /// proposed may still be committed by the next one.
    pub fn step_down(&mut self) {
        if self.leads() {
            let term = self.raw.raft.term;
            self.raw.raft.become_follower(term, raft::INVALID_ID);
            self.redraw();
        }
    }

    /// Hands leadership over, once `id` has caught up; given up after an election timeout.
    pub fn transfer_to(&mut self, id: RaftId) {
        if self.leads() && id != self.config.me {
            self.raw.transfer_leader(id.get());
            self.redraw();
        }
    }

    /// A message to `id` could not be delivered, or `id` was started again. Must be told: what was sent is not sent
    /// again before an answer, but for this.
    pub fn unreachable(&mut self, id: RaftId) {
        self.pacing.forget(id.get());
        if self.leads() {
            self.raw.report_unreachable(id.get());
        }
    }

    /// A snapshot stream to `id` has ended. Must be told in every case, or nothing more is sent to it.
    pub fn snapshot_sent(&mut self, id: RaftId, ok: bool) {
        self.pacing.forget(id.get());
        if self.leads() {
            let status = if ok { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
            self.raw.report_snapshot(id.get(), status);
        }
    }

    /// The newest snapshot that the caller has durable and can stream. An older or impossible one is ignored.
    pub fn offer_snapshot(&mut self, metadata: SnapshotMetadata) {
        let newest = self.raw.store().offered().map_or(0, |offered| offered.index);
        let committed = self.raw.raft.raft_log.committed;
        let possible = metadata.index > newest && metadata.index <= committed;
        if possible && voters::check(&metadata.conf_state).is_ok() {
            self.raw.mut_store().offer(metadata);
        }
    }

    /// The offered snapshot cannot be streamed any more. Until another is offered, nothing is sent to a peer that needs
    /// one, and the log is not compacted.
    pub fn withdraw_snapshot(&mut self) {
        self.raw.mut_store().withdraw();
    }

    /// A peer needs a snapshot that is newer than the offered one, or that names it (one from before it was added is of
    /// no use to it): the caller should make one of its present state and offer that.
    #[must_use]
    pub fn wants_snapshot(&self) -> bool {
        self.leads() && self.raw.store().wants_snapshot()
    }

    /// Drops entries up to `index`, but never beyond the offered snapshot or what is applied.
    pub fn compact(&mut self, index: u64) -> Option<LogRecord> {
        let offered = self.raw.store().offered()?.index;
        let index = index.min(offered).min(self.raw.raft.raft_log.applied);
        if self.removed || index <= self.raw.store().base().0 {
            return None;
        }
        let (index, term) = self.raw.mut_store().compact(index)?;
        Some(LogRecord::Compacted { index, term })
    }

    /// The `Persist` with this number is durable, and with it all earlier ones.
    pub fn persisted(&mut self, number: u64) {
        let mut raft_number = None;
        while self.outstanding.front().is_some_and(|front| front.number <= number) {
            let Some(done) = self.outstanding.pop_front() else { break };
            raft_number = Some(done.raft_number);
            self.released.extend(done.promises);
        }
        if let (Some(raft_number), false) = (raft_number, self.removed) {
            let committed = self.raw.raft.raft_log.committed;
            self.raw.on_persist_ready(raft_number);
            self.told_by_itself(committed);
            self.tell_applied();
            self.redraw();
        }
    }

    /// The caller has applied everything up to `index`.
    pub fn applied(&mut self, index: u64) {
        self.applied = self.applied.max(index.min(self.handed));
        self.tell_applied();
        self.redraw();
    }

    /// raft-rs panics on an applied index that is not durable, which an installed snapshot's may be for a while.
    fn tell_applied(&mut self) {
        let log = &self.raw.raft.raft_log;
        let durable = log.committed.min(log.persisted);
        if !self.removed && self.applied > log.applied && self.applied <= durable {
            self.raw.advance_apply_to(self.applied);
        }
    }

    /// Whether it leads. Like the four below, for callers to whom a whole status is too dear.
    #[must_use]
    pub fn leads(&self) -> bool {
        !self.removed && self.raw.raft.state == StateRole::Leader
    }

    /// Not while an installed snapshot is unapplied (raft-rs would look for entries that are gone), nor, alone, with
    /// entries that are not durable (it would lead at once, which raft-rs does not expect).
    fn may_elect(&self) -> bool {
        let raft = &self.raw.raft;
        let alone =
            self.conf.voters == [self.config.me.get()] && self.conf.voters_outgoing.is_empty();
        let settled = self.outstanding.is_empty() || !alone;
        settled && raft.raft_log.applied >= raft.store().base().0
    }

    /// Whether it lets the others go first when its own timer says that nobody leads. Asked to campaign, it does at once all the same.
    pub fn set_reluctant(&mut self, reluctant: bool) {
        self.reluctant = reluctant;
        self.redraw();
    }

    /// Overwrites what raft-rs drew from the operating system.
    pub(crate) fn redraw(&mut self) {
        let ReplicaConfig { group, me, seed } = self.config;
        let timeout = election::timeout(seed, group, me.get(), self.raw.raft.term)
            + if self.reluctant { RELUCTANCE_TICKS } else { 0 };
        self.raw.raft.set_randomized_election_timeout(timeout);
    }

    /// Whether it leads and has committed an entry of its own term, so that what it has applied is current.
    #[must_use]
    pub fn leads_safely(&self) -> bool {
        self.leads() && self.raw.raft.commit_to_current_term()
    }

    /// For whom it voted in its term.
    #[must_use]
    pub fn voted_for(&self) -> Option<RaftId> {
        RaftId::new(self.raw.raft.vote)
    }

    /// Last index of its log, durable or not.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.raw.raft.raft_log.last_index()
    }

    /// Term of the entry there.
    #[must_use]
    pub fn last_term(&self) -> u64 {
        self.raw.raft.raft_log.last_term()
    }

    /// What stands in the log behind what is applied, as it would be applied; none where it is more than `most`, has another set of voters,
    /// or is not all there to read. A majority may have committed any beginning of it.
    #[must_use]
    pub fn uncertain(&self, most: usize) -> Option<Vec<Committed>> {
        let (store, last) = (self.raw.store(), self.last());
        let count = usize::try_from(last.checked_sub(self.applied)?).ok()?;
        if count == 0 {
            return Some(Vec::new());
        }
        if store.last() != last || count > most {
            return None;
        }
        store.behind(self.applied).map(Self::command).collect()
    }

    fn command(entry: &rs::Entry) -> Option<Committed> {
        let (index, term) = (entry.index, entry.term);
        match entry.entry_type {
            rs::EntryType::EntryNormal if entry.data.is_empty() => {
                Some(Committed::Nothing { index, term })
            }
            rs::EntryType::EntryNormal => {
                Some(Committed::Command { index, term, data: entry.data.clone() })
            }
            _ => None,
        }
    }

    /// Its term.
    #[must_use]
    pub fn term(&self) -> u64 {
        self.raw.raft.term
    }

    /// Whom it follows, itself if it leads.
    #[must_use]
    pub fn leader(&self) -> Option<RaftId> {
        RaftId::new(self.raw.raft.leader_id).filter(|_| !self.removed)
    }

    /// What it is at the moment.
    #[must_use]
    pub fn role(&self) -> RaftRole {
        let me = self.config.me.get();
        let votes = self.conf.voters.contains(&me) || self.conf.voters_outgoing.contains(&me);
        match self.raw.raft.state {
            _ if self.removed => RaftRole::Learner,
            StateRole::Leader => RaftRole::Leader,
            StateRole::Candidate | StateRole::PreCandidate => RaftRole::Candidate,
            StateRole::Follower if votes => RaftRole::Follower,
            StateRole::Follower => RaftRole::Learner,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> ReplicaStatus {
        let raft = &self.raw.raft;
        ReplicaStatus {
            role: self.role(),
            term: raft.term,
            leader: self.leader(),
            commit: raft.raft_log.committed,
            applied: self.applied,
            last: raft.raft_log.last_index(),
            first: raft.store().base().0 + 1,
            conf: self.conf.clone(),
            joint: !self.conf.voters_outgoing.is_empty(),
            promotable: !self.removed && raft.promotable(),
            leader_committed_in_term: self.leads_safely(),
        }
    }

    /// Bytes of memory that the log takes, about.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        self.raw.store().bytes()
    }

    /// What this leader knows of a peer.
    #[must_use]
    pub fn progress(&self, id: RaftId) -> Option<PeerProgress> {
        let progress = self.raw.raft.prs().get(id.get()).filter(|_| self.leads())?;
        Some(PeerProgress {
            matched: progress.matched,
            holds_voters: progress.matched >= self.conf_index,
            active: progress.recent_active,
            snapshotting: progress.state == raft::ProgressState::Snapshot,
        })
    }
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica").field("me", &self.config.me).finish_non_exhaustive()
    }
}
