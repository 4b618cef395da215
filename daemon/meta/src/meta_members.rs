//! The members in the state: what others may read of them. Knows nothing of how they change.

use crate::Meta;
use crate::sections::roster::Ended;
use quorate_proto::{ConfState, HostApplications, Instance, Member, NodeKey, RaftId, Revocation};

impl Meta {
    /// Voters and learners as of the last change that was applied.
    #[must_use]
    pub fn conf(&self) -> &ConfState {
        self.sections.roster.conf()
    }

    /// The member with this disk life.
    #[must_use]
    pub fn member(&self, instance: Instance) -> Option<&Member> {
        self.sections.roster.by_instance(instance)
    }

    /// Whether what a host reports of its applications would change anything.
    #[must_use]
    pub fn is_news(&self, report: &HostApplications) -> bool {
        self.sections.roster.is_news(report)
    }

    /// The member with this name.
    #[must_use]
    pub fn member_by_name(&self, name: &str) -> Option<&Member> {
        self.sections.roster.by_name(name)
    }

    /// The member with this Raft id; none for a disk life that is over, though raft may still know it.
    #[must_use]
    pub fn member_by_raft(&self, id: RaftId) -> Option<&Member> {
        self.sections.roster.by_raft(id)
    }

    /// The name of the life with this Raft id, also of one that is over and not forgotten.
    #[must_use]
    pub fn name_by_raft(&self, id: RaftId) -> Option<&str> {
        self.sections.roster.name_by_raft(id)
    }

    /// Whether the life with this Raft id is over because an operator took it out.
    #[must_use]
    pub fn was_removed(&self, id: RaftId) -> bool {
        self.sections.roster.was_removed(id)
    }

    /// What keeps a life out that is revoked, or that comes with a key that is.
    #[must_use]
    pub fn revocation(&self, instance: Instance, key: NodeKey) -> Option<&Revocation> {
        self.sections.roster.revocation(instance, key)
    }

    /// How this disk life ended; none when it did not.
    #[must_use]
    pub fn ended(&self, instance: Instance) -> Option<Ended> {
        self.sections.roster.ended(instance)
    }

    /// Whether this disk life is over: replaced by a later one, or taken out.
    #[must_use]
    pub fn is_tombstone(&self, instance: Instance) -> bool {
        self.sections.roster.is_tombstone(instance)
    }
}
