//! Forgets a member without a vote that has been gone for long, on the leader's word.
//!
//! Invariant: who votes is never forgotten, nor who came back. No tombstone is left, because nobody said that it shall not come back: its
//! disk has no vote that could count twice, and it is let in as it was the first time. How long is long is the leader's business.

use super::{Roster, Step};
use quorate_proto::{Forget, HealthDelta, MemberState, Role};
use std::sync::Arc;

impl Roster {
    /// Forgets a member; none when it is alive, votes, or is none.
    pub(super) fn forget(&mut self, forget: &Forget) -> Option<Arc<HealthDelta>> {
        let member = self.by_instance(forget.instance)?;
        let votes = self.role(member.instance) == Role::Voter;
        let came_back = member.state() == MemberState::Alive || forget.if_epoch != self.epoch();
        if votes || came_back || member.is_drained() {
            return None;
        }
        let mut draft = self.draft(forget.at_unix_ms);
        draft.end(forget.instance);
        let step = Step { forgotten: true, ..draft.finish() };
        self.apply_step(step)
    }
}
