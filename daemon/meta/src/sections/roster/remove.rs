//! Takes a member out for good, on an operator's word.
//!
//! Invariant: it is a tombstone from then on, and never comes back as the disk life that it was. Whether the others bear its loss is
//! the leader's decision; the vote of a life that is no member any more is taken by the autopilot.

use super::{Roster, Step};
use quorate_proto::{HealthDelta, HealthEpoch, Instance, Member, RaftId, Remove};
use std::sync::Arc;

/// Why a member was not taken out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoveRefusal {
    /// It is none, or none any more.
    #[error("it is no member of the cluster any more")]
    NotMember,
    /// There would be nobody left.
    #[error("it is the only member; to give the cluster up, stop quorate and reset this host")]
    Last,
}

/// How a disk life ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The name it held.
    pub name: String,
    /// The epoch that ended it.
    pub epoch: HealthEpoch,
    /// An operator took it out; else another life took its name.
    pub removed: bool,
}

impl Roster {
    /// Takes a member out, or says why not. Gives the epoch that shows it, and the difference.
    pub(super) fn remove(
        &mut self,
        remove: &Remove,
    ) -> Result<(HealthEpoch, Option<Arc<HealthDelta>>), RemoveRefusal> {
        self.removable(remove.instance)?;
        let mut draft = self.draft(remove.at_unix_ms);
        draft.end(remove.instance);
        let step = Step { removed: true, ..draft.finish() };
        let delta = self.apply_step(step);
        Ok((self.epoch(), delta))
    }

    /// A member that is not the last one.
    pub(super) fn removable(&self, instance: Instance) -> Result<&Member, RemoveRefusal> {
        let member = self.by_instance(instance).ok_or(RemoveRefusal::NotMember)?;
        if self.view.members.len() < 2 {
            return Err(RemoveRefusal::Last);
        }
        Ok(member)
    }

    /// The name of the life with this Raft id, also of one that is over and not forgotten.
    pub(crate) fn name_by_raft(&self, id: RaftId) -> Option<&str> {
        let life = self.raft_ids.get(&id.get())?;
        let over = || self.tombstones.get(life).map(|tombstone| tombstone.name.as_str());
        self.names.get(life).map(String::as_str).or_else(over)
    }

    /// Whether the life with this Raft id is over because an operator took it out.
    pub(crate) fn was_removed(&self, id: RaftId) -> bool {
        let life = self.raft_ids.get(&id.get());
        life.and_then(|life| self.tombstones.get(life)).is_some_and(|tombstone| tombstone.removed)
    }

    /// How this disk life ended; none when it did not, or that is forgotten.
    pub(crate) fn ended(&self, instance: Instance) -> Option<Ended> {
        let tombstone = self.tombstones.get(&instance)?;
        let (name, epoch) = (tombstone.name.clone(), tombstone.epoch);
        Some(Ended { name, epoch, removed: tombstone.removed })
    }
}
