//! The budgets, and what each host is granted of them.
//!
//! Invariants: the grants of a budget that are not freed add up to no more than its `max`, whatever is proposed; where an operator lowered
//! `max` below what is granted, nothing grows and the sum only falls until it fits. A number is given to one change alone, over all budgets
//! and for ever, so that the newest grant of anything has the highest. When a grant may be freed is the leader's to know.

mod free;
mod keys;
mod refusal;
mod section;

pub use refusal::BudgetRefusal;
pub(crate) use section::Change;

use super::numbers::Numbers;
use quorate_proto::{
    Budget, BudgetRecord, ChangeGrants, DefineBudget, Grant, RemoveBudget, limits,
};
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

    /// What changed, if anything did.
    fn define(&mut self, budget: &Budget) -> Result<Option<String>, BudgetRefusal> {
        if let Some(fault) = budget.fault() {
            return Err(BudgetRefusal::Unsound(fault));
        }
        let name = budget.name.clone();
        if let Some(record) = self.all.get(&name) {
            if record.removing {
                return Err(BudgetRefusal::Removing(name));
            }
            if record.budget == *budget {
                return Ok(None);
            }
            let was = &record.budget;
            // A holder goes by what it was told when it asked last: which nobody remembers once it is changed.
            if !record.grants.is_empty()
                && (was.ttl_ms, was.reserve) != (budget.ttl_ms, budget.reserve)
            {
                return Err(BudgetRefusal::Fixed(name));
            }
        } else if self.all.len() >= limits::BUDGETS {
            return Err(BudgetRefusal::TooMany);
        }
        let version = self.numbers.next();
        // In a cluster that was founded anew a budget of this name may have been granted behind the state that was left.
        let waits = self.numbers.have_jumped();
        let fresh = || Arc::new(BudgetRecord { waits, ..BudgetRecord::default() });
        let record = Arc::make_mut(self.all.entry(name.clone()).or_insert_with(fresh));
        record.budget = budget.clone();
        record.version = version;
        Ok(Some(name))
    }

    /// Its name, if it is there no more.
    fn remove(&mut self, name: &str) -> Result<(), BudgetRefusal> {
        if !self.all.contains_key(name) {
            return Err(BudgetRefusal::Unknown(name.to_owned()));
        }
        let version = self.numbers.next();
        let Some(record) = self.all.get_mut(name) else { return Ok(()) };
        let record = Arc::make_mut(record);
        record.removing = true;
        record.version = version;
        self.forget_if_over(name);
        Ok(())
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
        if after > record.limit() && (grows || after > before) {
            return Err(BudgetRefusal::OverMax { granted: after, max: record.limit() });
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
