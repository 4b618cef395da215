//! When the followers are told how far the leader has committed.
//!
//! raft-rs would send all of them an append without entries for each step of the commit index. It rides on the next append instead, and the
//! owner, who has the clock, says when there is none to wait for. A heartbeat tells it in any case.

use crate::replica::Replica;

impl Replica {
    /// Whether it leads and has committed what no append told the followers yet.
    #[must_use]
    pub fn has_untold_commit(&self) -> bool {
        self.leads() && self.raw.raft.raft_log.committed > self.told
    }

    /// Tells every follower how far the log is committed, with the entries that it lacks or with none.
    pub fn tell_commit(&mut self) {
        if self.has_untold_commit() {
            self.raw.raft.bcast_append();
            self.told = self.raw.raft.raft_log.committed;
        }
    }

    /// While the voters change, raft-rs tells each step by itself. `before` is the commit index of before the step.
    pub(super) fn told_by_itself(&mut self, before: u64) {
        let raft = &self.raw.raft;
        if raft.raft_log.committed > before && raft.should_bcast_commit() {
            self.told = raft.raft_log.committed;
        }
    }

    /// A new leader's first append carries what it knew to be committed before.
    pub(crate) fn forget_told_unless_leading(&mut self) {
        if !self.leads() {
            self.told = self.raw.raft.raft_log.committed;
        }
    }
}
