//! The budgets, and what each host is granted of them.
//!
//! Invariants: the grants of a budget that are not freed add up to no more than its `max`, whatever is proposed; where an operator lowered
//! `max` below what is granted, nothing grows and the sum only falls until it fits. The same holds of all classes of a budget together, which
//! are granted each for itself. A number is given to one change alone, over all budgets and for ever, so that the newest grant of anything
//! has the highest. When a grant may be freed is the leader's to know.

mod define;
mod free;
mod keys;
mod refusal;
mod section;

pub use refusal::BudgetRefusal;
pub(crate) use section::Change;

use super::numbers::Numbers;
use quorate_proto::{BudgetRecord, ChangeGrants, DefineBudget, Grant, RemoveBudget, limits};
use std::collections::BTreeMap;
use std::sync::Arc;

/// See the head of this file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Budgets {
    all: BTreeMap<String, Arc<BudgetRecord>>,
    numbers: Numbers,
}

impl Budgets {
    /// All of them, in the order of names.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<BudgetRecord>> {
        self.all.values()
    }

    /// For so long what waits behind a founding anew waits at least, in milliseconds.
    pub(crate) fn longest_ttl_ms(&self) -> u64 {
        self.numbers.longest_ttl_ms()
    }

    /// What is granted of all other classes of the same budget.
    fn granted_beside(&self, record: &BudgetRecord) -> u64 {
        let family = record.family().into_iter().flat_map(|family| self.classes(family));
        let others = family.filter(|it| it.budget.name != record.budget.name);
        others.map(|it| it.granted()).sum()
    }

    fn forget_if_over(&mut self, name: &str) {
        if self.all.get(name).is_some_and(|it| it.removing && it.grants.is_empty()) {
            self.all.remove(name);
        }
    }

    /// Carries out a change whole, or not at all. Gives the grants as they are now, the freed ones too.
    fn change(&mut self, change: &ChangeGrants) -> Result<Vec<Grant>, BudgetRefusal> {
        let name = &change.budget;
        let record =
            self.all.get(name).ok_or_else(|| BudgetRefusal::Unknown(name.to_owned()))?.clone();
        if record.version != change.if_version {
            return Err(BudgetRefusal::Overtaken);
        }
        let mut grants: BTreeMap<_, _> =
            record.grants.iter().map(|grant| (grant.instance, grant.clone())).collect();
        let mut numbers = self.numbers;
        let (mut grows, mut changed) = (false, Vec::new());
        for grant in &change.grants {
            if grant.told > grant.counted || grant.counted > limits::BUDGET_MOST {
                return Err(BudgetRefusal::Unsound(format!("a grant of {}", grant.host)));
            }
            let grant = Grant { number: numbers.next(), ..grant.clone() };
            let before = match grant.counted {
                0 => grants.remove(&grant.instance),
                _ => grants.insert(grant.instance, grant.clone()),
            };
            grows |= grant.counted > before.map_or(0, |before| before.counted);
            changed.push(grant);
        }
        let (before, after) = (record.granted(), grants.values().map(|it| it.counted).sum());
        let rises = grows || after > before;
        if after > record.limit() && rises {
            return Err(BudgetRefusal::OverMax { granted: after, max: record.limit() });
        }
        let together = self.granted_beside(&record) + after;
        if record.family().is_some() && together > record.whole && rises {
            return Err(BudgetRefusal::OverMax { granted: together, max: record.whole });
        }
        if grows && record.waits && !change.waited {
            return Err(BudgetRefusal::Waits);
        }
        if grants.len() > limits::MEMBERS {
            return Err(BudgetRefusal::TooMany);
        }
        self.numbers = numbers;
        let version = self.numbers.next();
        let record = self.all.entry(name.clone()).or_default();
        let record = Arc::make_mut(record);
        record.version = version;
        record.waits &= !change.waited;
        record.changes += changed.len() as u64;
        record.grants = grants.into_values().collect();
        self.forget_if_over(name);
        Ok(changed)
    }

    /// The cluster is founded anew: what it granted behind this state may be in use, so nothing grows before all of that has lapsed, and
    /// no number is given twice.
    fn begin_anew(&mut self, at_unix_ms: u64) {
        let ttls = self.all.values().map(|record| record.budget.ttl_ms);
        self.numbers.jump(at_unix_ms, ttls);
        for record in self.all.values_mut() {
            let record = Arc::make_mut(record);
            record.waits = true;
            record.version = self.numbers.next();
        }
    }
}

#[cfg(test)]
mod tests;
