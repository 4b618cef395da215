//! A grant is freed because its holder's use was ended from outside: by a fence, or by an operator.
//!
//! Invariant: only the grant that is meant goes, by its number, and only that of a host that the committed health does not count as up: what
//! was ended under an earlier number may be in use under a later one, who is up renews, and who was up since may have begun anew. Knows nothing of how a use is ended.

use super::{BudgetRefusal, Budgets};
use crate::sections::holder::Holder;
use quorate_proto::{FreeGrant, Grant};
use std::sync::Arc;

impl Budgets {
    /// The grant as it is then: freed. None when the holder has none any more.
    pub(super) fn free(
        &mut self,
        free: &FreeGrant,
        of: Holder,
    ) -> Result<Option<Grant>, BudgetRefusal> {
        let FreeGrant { budget, holder, number, .. } = free;
        let record = self.all.get(budget).ok_or_else(|| self.no_grants_of(budget))?;
        let is_of = |it: &&Grant| it.host == *holder || it.instance.to_string() == *holder;
        let meant = record.grants.iter().filter(is_of).find(|it| it.number == *number);
        let Some(grant) = meant.cloned() else {
            let newest = record.grants.iter().filter(is_of).map(|it| it.number).max();
            let other = |now| BudgetRefusal::NotThatGrant {
                budget: budget.clone(),
                holder: holder.clone(),
                number: *number,
                now,
            };
            return match newest {
                Some(now) => Err(other(now)),
                None if of == Holder::Unknown => Err(BudgetRefusal::UnknownHolder(holder.clone())),
                None => Ok(None),
            };
        };
        match of {
            Holder::Away | Holder::Unknown => {}
            Holder::Up => {
                let (budget, host) = (budget.clone(), grant.host);
                return Err(BudgetRefusal::HolderUp { budget, host });
            }
            Holder::WasUp => return Err(BudgetRefusal::HolderWasUp(grant.host)),
        }
        let number = self.numbers.next();
        let version = self.numbers.next();
        if let Some(record) = self.all.get_mut(budget).map(Arc::make_mut) {
            record.grants.retain(|it| it.instance != grant.instance);
            record.changes += 1;
            record.version = version;
        }
        self.forget_if_over(budget);
        Ok(Some(Grant { counted: 0, told: 0, number, ..grant }))
    }

    /// Why nothing has grants under this name.
    fn no_grants_of(&self, budget: &str) -> BudgetRefusal {
        let classes: Vec<&str> =
            self.classes(budget).map(|record| record.budget.name.as_str()).collect();
        match classes.is_empty() {
            true => BudgetRefusal::Unknown(budget.to_owned()),
            false => BudgetRefusal::OfAClass(classes.join(", ")),
        }
    }
}
