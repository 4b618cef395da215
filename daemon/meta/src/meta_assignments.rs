//! The assignments in the state: how a command reaches them, and what others may read of them.

use crate::apply::Effects;
use crate::sections::assignments::{Assigned, Change};
use crate::{KeyChange, Meta};
use quorate_proto::Instance;
use std::sync::Arc;

impl Meta {
    pub(crate) fn change_assignments(&mut self, change: Change<'_>) -> (Effects, Vec<KeyChange>) {
        self.carry_out(|sections| &mut sections.assignments, change)
    }

    /// All assignments, in the order of their names.
    pub fn assignments(&self) -> impl Iterator<Item = &Arc<Assigned>> {
        self.sections.assignments.all()
    }

    /// The newest change of its items that a holder has to hear of; 0 when it holds none.
    #[must_use]
    pub fn newest_item(&self, holder: Instance) -> u64 {
        let newest = self.assignments().filter_map(|assigned| assigned.newest(holder));
        newest.max().unwrap_or(0)
    }
}
