//! The budgets in the state: how a command reaches them, and what others may read of them.

use crate::apply::Effects;
use crate::sections::budgets::Change;
use crate::{KeyChange, Meta};
use quorate_proto::{BudgetRecord, Instance};
use std::sync::Arc;

impl Meta {
    pub(crate) fn change_budgets(&mut self, change: Change<'_>) -> (Effects, Vec<KeyChange>) {
        self.carry_out(|sections| &mut sections.budgets, change)
    }

    /// All budgets, in the order of their names.
    pub fn budgets(&self) -> impl Iterator<Item = &Arc<BudgetRecord>> {
        self.sections.budgets.all()
    }

    /// For so long what waits since the cluster was founded anew waits at least, in milliseconds: what was granted before may have been granted
    /// under another definition of the same name. 0 where nothing waits.
    #[must_use]
    pub fn longest_ttl_ms(&self) -> u64 {
        self.sections.budgets.longest_ttl_ms().max(self.sections.assignments.longest_ttl_ms())
    }

    /// The newest number among the grants of a disk life; 0 when it has none.
    #[must_use]
    pub fn newest_grant(&self, instance: Instance) -> u64 {
        let grants = self.budgets().filter_map(|record| record.grant(instance));
        grants.map(|grant| grant.number).max().unwrap_or(0)
    }
}
