//! Entries that a replica acknowledged and no longer has, because its disk went back.
//!
//! No single message proves such a loss. A follower that hears of a commit index beyond its log obeys nothing of it and
//! answers where its log ends. It tells of a loss when the leader that has its own vote repeats the
//! index behind the answer; what is made of that is not decided here. A leader that is told less than was acknowledged to it asks again, and raft-rs is not told:
//! it would fill the hole in silence, under the id of a replica that may have forgotten a vote as well. Told so twice,
//! with no acknowledgement in between, the leader knows. What was acknowledged is what this leader has heard in its term;
//! a loss that falls between two leaders is not seen. It relies on messages of one peer coming in order.

use super::Replica;
use crate::guard::GuardError;
use quorate_proto::{MessageKind, RaftId, RaftMessage};
use std::collections::BTreeSet;

/// Peers of this leader that have said once that their log ends before what they acknowledged. Only those in the
/// configuration are noted.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    doubted: BTreeSet<u64>,
    /// As follower: the leader and term that was answered where the log ends.
    answered: Option<(u64, u64)>,
}

impl Losses {
    /// No leader any more: what its peers said is void.
    pub(crate) fn clear(&mut self) {
        self.doubted.clear();
    }
}

/// A leader's heartbeat that named more than the log has.
pub(crate) struct Beyond {
    from: u64,
    term: u64,
    commit: u64,
}

impl Replica {
    /// Whether an answer says that its sender lost something, for the first time: then it is asked again.
    ///
    /// # Errors
    /// When it says so for the second time.
    pub(crate) fn shows_a_loss(&mut self, answer: &RaftMessage) -> Result<bool, GuardError> {
        let (peer, has) = (answer.from, answer.reject_hint);
        let raft = &self.raw.raft;
        if !self.leads() || answer.term != raft.term {
            return Ok(false);
        }
        let Some(had) = raft.prs().get(peer).map(|progress| progress.matched) else {
            return Ok(false);
        };
        if !answer.reject {
            self.losses.doubted.remove(&peer);
            return Ok(false);
        }
        if has >= had {
            return Ok(false);
        }
        if !self.losses.doubted.insert(peer) {
            return Err(GuardError::PeerLost { peer, had, has });
        }
        if let Some(id) = RaftId::new(peer) {
            self.unreachable(id);
        }
        Ok(true)
    }

    /// A heartbeat whose commit index is beyond the log moves nothing: what the log has there may not be what was meant. It is
    /// a sign of life of the leader all the same, and is answered: a leader without its followers would give way to one that
    /// does not know of the loss. Also what is to be answered; or, when the leader that this replica voted for says it again, the loss.
    pub(crate) fn within_the_log(
        &mut self,
        message: RaftMessage,
    ) -> (RaftMessage, Option<Beyond>, Result<(), GuardError>) {
        let raft = &self.raw.raft;
        let (last, committed) = (raft.raft_log.last_index(), raft.raft_log.committed);
        if message.kind != MessageKind::Heartbeat as i32 {
            return (message, None, Ok(()));
        }
        let RaftMessage { from, term, commit, .. } = message;
        if commit <= last {
            self.losses.answered = None;
            return (message, None, Ok(()));
        }
        let own_choice = (raft.leader_id, raft.vote, raft.term) == (from, from, term);
        let within = RaftMessage { commit: committed, ..message };
        if own_choice && self.losses.answered == Some((from, term)) {
            return (within, None, Err(GuardError::LogLost { commit, last }));
        }
        (within, Some(Beyond { from, term, commit }), Ok(()))
    }

    /// Tells the leader where the log ends, as if its entries had been refused.
    pub(crate) fn answer_beyond(&mut self, beyond: Option<Beyond>) {
        let Some(Beyond { from, term, commit }) = beyond else { return };
        let raft = &self.raw.raft;
        if raft.leader_id != from || raft.term != term {
            return;
        }
        let last = raft.raft_log.last_index();
        let answer = RaftMessage {
            kind: MessageKind::AppendResponse as i32,
            to: from,
            from: self.config.me.get(),
            term,
            log_term: raft.store().term_at(last).unwrap_or(0),
            index: commit,
            commit: raft.raft_log.committed,
            reject: true,
            reject_hint: last,
            ..RaftMessage::default()
        };
        self.losses.answered = Some((from, term));
        self.released.push(answer);
    }
}
