//! Grants whose use was ended from outside: who is up the health says, whose grant it is the record of what is shared.

use crate::apply::Effects;
use crate::sections::holder::Holder;
use crate::sections::{assignments, budgets};
use crate::{KeyChange, Meta};
use quorate_proto::{FreeGrant, FreeItem, Instance, Member, MemberState};

impl Meta {
    pub(crate) fn free_grant(&mut self, free: &FreeGrant) -> (Effects, Vec<KeyChange>) {
        let holder = match self.holder_of_grant(&free.budget, free.number) {
            Some(instance) => self.holder(instance, free.away_since_epoch),
            None if self.is_named(&free.holder) => Holder::Away,
            None => Holder::Unknown,
        };
        self.change_budgets(budgets::Change::Free { free, holder })
    }

    pub(crate) fn free_item(&mut self, free: &FreeItem) -> (Effects, Vec<KeyChange>) {
        let instance = self.holder_of_item(&free.assignment, free.number);
        let holder = instance.map(|it| self.holder(it, free.away_since_epoch));
        let holder = holder.unwrap_or(Holder::Unknown);
        self.change_assignments(assignments::Change::Free { free, holder })
    }

    /// Who has the grant of a budget with this number.
    #[must_use]
    pub fn holder_of_grant(&self, budget: &str, number: u64) -> Option<Instance> {
        let record = self.budgets().find(|record| record.budget.name == budget)?;
        record.grants.iter().find(|it| it.number == number).map(|it| it.instance)
    }

    /// Who has the grant of an item of an assignment with this number.
    #[must_use]
    pub fn holder_of_item(&self, assignment: &str, number: u64) -> Option<Instance> {
        let mut records = self.assignments().map(|assigned| assigned.record());
        let record = records.find(|record| record.assignment.name == assignment)?;
        record.grants.iter().find(|it| it.number == number).map(|it| it.instance)
    }

    /// One that said goodbye is away too: whoever frees its grant has looked there.
    fn holder(&self, instance: Instance, away_since: u64) -> Holder {
        match self.member(instance) {
            Some(member) if member.state() == MemberState::Alive => Holder::Up,
            Some(member) if ![0, member.since_epoch.get()].contains(&away_since) => Holder::WasUp,
            _ => Holder::Away,
        }
    }

    /// Whether a member has this name, or this disk life.
    fn is_named(&self, holder: &str) -> bool {
        let is_it =
            |member: &Member| member.name == holder || member.instance.to_string() == holder;
        self.view().members.iter().any(is_it)
    }
}
