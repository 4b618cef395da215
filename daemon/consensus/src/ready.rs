//! What comes out of a replica: messages, what to persist, what is committed, in the order in which raft-rs is safe.
//!
//! Invariant: entries are readable in the memory log before raft-rs is told so, a hard state never goes out ahead of its
//! entries, and a replica that is removed while it leads does not touch raft-rs again.

use crate::output::{Committed, ReplicaOutput};
use crate::pacing::Pace;
use crate::replica::{Outstanding, Replica};
use crate::{LogRecord, convert, guard, voters};
use quorate_proto::{MessageKind, RaftMessage};
use raft::eraftpb as rs;
use raft::{Ready, StateRole};

impl Replica {
    /// Puts out everything there is to say and to do. Call it after each batch of other calls.
    pub fn ready(&mut self, out: &mut Vec<ReplicaOutput>) {
        out.extend(self.released.drain(..).map(ReplicaOutput::Send));
        while !self.removed && self.raw.has_ready() {
            self.turn(out);
        }
        self.forget_told_unless_leading();
        self.redraw();
    }

    fn turn(&mut self, out: &mut Vec<ReplicaOutput>) {
        let mut ready = self.raw.ready();
        let number = ready.number();
        let mut too_far = Vec::new();
        for message in ready.take_messages() {
            match self.pace(&message) {
                Pace::Send => out.extend(self.outgoing(message).map(ReplicaOutput::Send)),
                Pace::UnderWay => {}
                Pace::TooFar => too_far.push(message.to),
            }
        }
        out.extend(ready.take_read_states().iter().filter_map(read_ready));
        let records = self.store(&ready);
        let promises = ready.take_persisted_messages();
        let promises: Vec<_> = promises.into_iter().filter_map(|m| self.outgoing(m)).collect();
        // In this order: the snapshot counts before the log begins behind it.
        self.install(&ready, out);
        let at_once = self.persist(number, records, promises, out);
        let committed = ready.take_committed_entries();
        self.commit(committed, out);
        if self.removed {
            out.push(ReplicaOutput::RemovedAsLeader);
            return;
        }
        self.raw.advance_append_async(ready);
        if at_once {
            self.raw.on_persist_ready(number);
        }
        for id in too_far {
            self.raw.report_unreachable(id);
        }
        if !self.leads() {
            self.pacing.clear();
            self.losses.clear();
        }
        self.step_down_if_demoted();
    }

    fn pace(&mut self, message: &rs::Message) -> Pace {
        if message.msg_type != rs::MessageType::MsgAppend {
            return Pace::Send;
        }
        let bytes = message.entries.iter().map(|entry| entry.data.len()).sum();
        let count = message.entries.len() as u64;
        self.pacing.judge(message.to, message.term, message.index, count, bytes)
    }

    /// Makes what the ready brings readable in memory, and says what must become durable.
    fn store(&mut self, ready: &Ready) -> Vec<LogRecord> {
        let mut records = Vec::new();
        if !ready.snapshot().is_empty() {
            let metadata = convert::snapshot_from_raft(ready.snapshot().clone());
            self.raw.mut_store().reset(&metadata);
            records.push(LogRecord::Reset { index: metadata.index, term: metadata.term });
        }
        if !ready.entries().is_empty() {
            self.raw.mut_store().append(ready.entries());
            let entries = ready.entries().iter().cloned();
            // Own entries are of the kinds that we propose, others went through the guard.
            records
                .push(LogRecord::Entries(entries.filter_map(convert::entry_from_raft).collect()));
        }
        if let Some(state) = ready.hs() {
            self.lazy = Some(convert::hard_state_from_raft(state));
        }
        // A start counts votes by the voters of its last known commit: among those of before, nobody may be left.
        let moves_voters = ready
            .committed_entries()
            .iter()
            .any(|entry| entry.entry_type != rs::EntryType::EntryNormal);
        if ready.must_sync() || moves_voters {
            records.extend(self.lazy.take().map(LogRecord::HardState));
        }
        records
    }

    /// Numbers the records; returns whether raft-rs may be told at once, there being nothing to wait for.
    fn persist(
        &mut self,
        raft_number: u64,
        records: Vec<LogRecord>,
        promises: Vec<RaftMessage>,
        out: &mut Vec<ReplicaOutput>,
    ) -> bool {
        if !records.is_empty() {
            self.persist_number += 1;
            let number = self.persist_number;
            self.outstanding.push_back(Outstanding { number, raft_number, promises });
            out.push(ReplicaOutput::Persist { number, records });
            return false;
        }
        if let Some(last) = self.outstanding.back_mut() {
            // What it promises may rest on what is not durable yet.
            last.raft_number = raft_number;
            last.promises.extend(promises);
            return false;
        }
        out.extend(promises.into_iter().map(ReplicaOutput::Send));
        true
    }

    fn install(&mut self, ready: &Ready, out: &mut Vec<ReplicaOutput>) {
        if ready.snapshot().is_empty() {
            return;
        }
        let metadata = convert::snapshot_from_raft(ready.snapshot().clone());
        self.conf = metadata.conf_state.clone();
        self.conf_index = metadata.index;
        self.handed = metadata.index;
        self.awaited.forget_up_to(metadata.index);
        out.push(ReplicaOutput::Install(metadata));
    }

    fn commit(&mut self, entries: Vec<rs::Entry>, out: &mut Vec<ReplicaOutput>) {
        let Some(last) = entries.last() else { return };
        self.handed = last.index;
        let mut refused = Vec::new();
        let mut committed = Vec::with_capacity(entries.len());
        for entry in entries {
            let (index, term) = (entry.index, entry.term);
            let one = self.committed(entry);
            let took_place = matches!(one, Committed::Voters { .. });
            refused.extend(self.awaited.settle(index, term, took_place));
            committed.push(one);
        }
        out.push(ReplicaOutput::Commit(committed));
        out.extend(refused.into_iter().map(ReplicaOutput::ChangeRefused));
        let raft = &self.raw.raft;
        let gone = raft.prs().get(self.config.me.get()).is_none();
        self.removed = gone && raft.state == StateRole::Leader;
    }

    fn committed(&mut self, entry: rs::Entry) -> Committed {
        let rs::Entry { entry_type, index, term, data, .. } = entry;
        if entry_type == rs::EntryType::EntryNormal {
            return if data.is_empty() {
                Committed::Nothing { index, term }
            } else {
                Committed::Command { index, term, data }
            };
        }
        let Some(change) = voters::decode(&data) else {
            tracing::error!(
                index,
                "a committed change of voters cannot be read; all replicas skip it"
            );
            return Committed::Nothing { index, term };
        };
        match self.raw.apply_conf_change(&change) {
            Ok(conf) => {
                self.conf = convert::conf_from_raft(conf);
                self.conf_index = index;
                Committed::Voters { index, term, conf: self.conf.clone(), context: change.context }
            }
            Err(error) => {
                tracing::error!(index, %error, "a committed change of voters is void; all replicas skip it");
                Committed::Nothing { index, term }
            }
        }
    }

    /// raft-rs would let a leader that became a learner go on for ever.
    fn step_down_if_demoted(&mut self) {
        let me = self.config.me.get();
        let votes = self.conf.voters.contains(&me) || self.conf.voters_outgoing.contains(&me);
        if !votes {
            self.step_down();
        }
    }

    /// Belt and braces: a false append or acknowledgement loses data, an unsent one only time.
    fn outgoing(&self, message: rs::Message) -> Option<RaftMessage> {
        let last = self.raw.raft.raft_log.last_index();
        let message = convert::message_from_raft(message)?;
        let append = message.kind == MessageKind::Append as i32;
        let ack = message.kind == MessageKind::AppendResponse as i32 && !message.reject;
        let false_append = append && guard::check_order(&message).is_err();
        if false_append || (ack && message.index > last) {
            let (to, index, term) = (message.to, message.index, message.term);
            tracing::error!(
                to,
                index,
                term,
                last,
                "raft wanted to send what cannot be true; dropped"
            );
            tracing::debug!(?message, "dropped");
            return None;
        }
        Some(message)
    }
}

fn read_ready(state: &raft::ReadState) -> Option<ReplicaOutput> {
    let ticket = u64::from_be_bytes(state.request_ctx.as_slice().try_into().ok()?);
    Some(ReplicaOutput::ReadReady { ticket, index: state.index })
}
