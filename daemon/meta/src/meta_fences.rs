//! Grants whose use was ended from outside: who is up the health says, whose grant it is the record of what is shared.

use crate::apply::Effects;
use crate::sections::{assignments, budgets};
use crate::{KeyChange, Meta};
use quorate_proto::{FreeGrant, FreeItem, Instance, MemberState};

impl Meta {
    pub(crate) fn free_grant(&mut self, free: &FreeGrant) -> (Effects, Vec<KeyChange>) {
        let record = self.budgets().find(|record| record.budget.name == free.budget);
        let grant = record.and_then(|it| it.grants.iter().find(|it| it.number == free.number));
        let is_up = grant.is_some_and(|grant| self.is_up(grant.instance));
        self.change_budgets(budgets::Change::Free { free, is_up })
    }

    pub(crate) fn free_item(&mut self, free: &FreeItem) -> (Effects, Vec<KeyChange>) {
        let is_up = self.holder_of(free).is_some_and(|holder| self.is_up(holder));
        self.change_assignments(assignments::Change::Free { free, is_up })
    }

    fn holder_of(&self, free: &FreeItem) -> Option<Instance> {
        let mut records = self.assignments().map(|assigned| assigned.record());
        let record = records.find(|record| record.assignment.name == free.assignment)?;
        record.grants.iter().find(|it| it.number == free.number).map(|it| it.instance)
    }

    /// Whether a disk life is a member that is counted as alive. One that said goodbye is not: whoever frees its grant has looked there.
    fn is_up(&self, instance: Instance) -> bool {
        self.member(instance).is_some_and(|member| member.state() == MemberState::Alive)
    }
}
