//! What an operator says of a member and the cluster keeps: that it is drained, or no longer, and that it may vote.
//!
//! Invariant: it changes no role and no state. That a host is drained belongs to the name: a new disk life of the name is drained as the old one was, because
//! a disk is replaced while its host is drained; that it may vote belongs to the disk life. What follows from it is the leader's and the voters' business.

use super::{Roster, cut};
use quorate_proto::{Approve, Drain, Drained, HealthDelta, HealthEpoch, Member};
use std::sync::Arc;

/// It is no member, or none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no member of the cluster any more")]
pub struct NotMember;

impl Roster {
    /// Drains a member or ends that, or says why not. Gives the epoch that shows it, and the difference if there is one.
    pub(super) fn drain(
        &mut self,
        drain: &Drain,
    ) -> Result<(HealthEpoch, Option<Arc<HealthDelta>>), NotMember> {
        let member = self.by_instance(drain.instance).ok_or(NotMember)?;
        let told = Drained {
            reason: cut(&drain.reason).to_owned(),
            since_unix_ms: member.drained.as_ref().map_or(drain.at_unix_ms, |it| it.since_unix_ms),
        };
        let drained = drain.drained.then_some(told);
        if member.drained == drained {
            return Ok((self.epoch(), None));
        }
        let mut draft = self.draft(drain.at_unix_ms);
        draft.put(Member { drained, ..member.clone() });
        let step = draft.finish();
        let delta = self.apply_step(step);
        Ok((self.epoch(), delta))
    }
    /// Lets a member vote, or says why not. The same.
    pub(super) fn approve(
        &mut self,
        approve: &Approve,
    ) -> Result<(HealthEpoch, Option<Arc<HealthDelta>>), NotMember> {
        let member = self.by_instance(approve.instance).ok_or(NotMember)?;
        if member.approved {
            return Ok((self.epoch(), None));
        }
        let mut draft = self.draft(approve.at_unix_ms);
        draft.put(Member { approved: true, ..member.clone() });
        let step = draft.finish();
        let delta = self.apply_step(step);
        Ok((self.epoch(), delta))
    }
}
