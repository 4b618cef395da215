//! The seam of the leader's duties.
//!
//! A duty compares what is committed with what should be, and says what it wants done; it carries nothing out. It is looked at while this
//! node leads safely, and begins anew with each leader.

use crate::groups::Group;
use crate::sight::Sight;
use crate::told::Event;
use crate::warnings::Warnings;
use quorate_proto::{CommandBody, ConfChangeSet, Moment};

/// One of the leader's duties.
pub(crate) trait Duty {
    /// The leader is another one, or in another term: what was under way is void.
    fn begin(&mut self);

    /// Whether it is looked at in each turn, and so must be cheap; else when something changed, and now and then.
    fn is_in_each_turn(&self) -> bool {
        false
    }

    /// What is to be done. Only while this node leads this group safely.
    fn look(&mut self, sight: &Sight<'_>, group: &Group, warnings: &Warnings, will: &mut Will);

    /// What it wanted proposed in its last look was queued under these tickets, in their order; fewer where some were left out. Not after a
    /// look that wanted nothing.
    fn proposed(&mut self, _tickets: &[u64]) {}

    /// What it wanted of the voters was handed to raft, in this term and behind this index; or raft refused it (none).
    fn voters_proposed(&mut self, _at: Option<(u64, u64)>, _now: Moment) {}
}

/// What a duty wants done.
#[derive(Debug, Default)]
pub(crate) struct Will {
    /// Commands to propose, in order. Nobody waits for them: the next look shows what became of them.
    pub(crate) propose: Vec<CommandBody>,
    /// A change of the voters, and what it is for people.
    pub(crate) change_voters: Option<(ConfChangeSet, String)>,
    /// Leadership is to go to another voter.
    pub(crate) another_leads: bool,
    /// Leadership is to go to another voter that leads readily and has caught up.
    pub(crate) ready_one_leads: bool,
    /// What is told, as events of this node.
    pub(crate) tell: Vec<Event>,
    /// When all duties are to be looked at again, although nothing happens.
    pub(crate) look_at: Option<Moment>,
}

impl Will {
    /// Whether nothing is to be done.
    pub(crate) fn is_nothing(&self) -> bool {
        let Self { propose, change_voters, another_leads, ready_one_leads, tell, look_at } = self;
        let leads = *another_leads || *ready_one_leads;
        propose.is_empty()
            && change_voters.is_none()
            && !leads
            && tell.is_empty()
            && look_at.is_none()
    }
}
