//! Budgets: numbers that live hosts divide among themselves, and what each holder is granted.
//!
//! A grant has two amounts. *Counted* is what the holder's application may still use, and what counts against the budget; *told* is its
//! share. They differ while a share shrinks: until the application says that it uses no more than its share, or the earlier share has
//! lapsed. Knows nothing of who divides.

use crate::{Generation, Instance, Label, limits, scope};

/// When the grant of a host that is gone is free for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum BudgetMode {
    /// When it has lapsed by every clock within its tolerance.
    Strict = 0,
    /// When the cluster has committed that the host is gone.
    Eager = 1,
}

impl BudgetMode {
    /// The word that people and programs see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Eager => "eager",
        }
    }
}

/// A budget, as an operator defines it.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Budget {
    /// Its name: 1 to `limits::BUDGET_NAME` of `a-z`, `0-9`, `.`, `_` and `-`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// All shares together, at most.
    #[prost(uint64, tag = "2")]
    pub max: u64,
    /// The least share that is of use: who would get less gets nothing.
    #[prost(uint64, tag = "3")]
    pub min: u64,
    /// When the grant of a host that is gone is free.
    #[prost(enumeration = "BudgetMode", tag = "4")]
    pub mode: i32,
    /// For so long a share may be used behind the renewal that brought it, in milliseconds.
    #[prost(uint64, tag = "5")]
    pub ttl_ms: u64,
    /// What a holder keeps of its share when that lapses.
    #[prost(uint64, tag = "6")]
    pub reserve: u64,
    /// Hosts with all of these labels share it; none: all hosts do. At most `limits::BUDGET_SCOPE`.
    #[prost(message, repeated, tag = "7")]
    pub scope: Vec<Label>,
}

impl Budget {
    /// That there is none of a name, in words.
    #[must_use]
    pub fn unknown(name: &str) -> String {
        format!("no budget is named `{name}`; `quorate budget list` shows those that there are")
    }

    /// What is wrong with it, if anything is.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        if let Some(fault) = scope::name_fault("a budget", &self.name, limits::BUDGET_NAME) {
            return Some(fault);
        }
        let Self { max, min, reserve, ttl_ms, .. } = self;
        if !(1..=limits::BUDGET_MOST).contains(max) {
            return Some(format!("max is {max}, and must be 1 to {}", limits::BUDGET_MOST));
        }
        if min > max || reserve > max {
            return Some(format!(
                "min is {min} and reserve {reserve}, and neither may be above max, which is {max}"
            ));
        }
        if let Some(fault) = scope::ttl_fault(*ttl_ms).or_else(|| scope::fault(&self.scope)) {
            return Some(fault);
        }
        BudgetMode::try_from(self.mode).is_err().then(|| "mode is strict or eager".to_owned())
    }

    /// Whether a host with these labels shares it.
    #[must_use]
    pub fn is_for(&self, labels: &[Label]) -> bool {
        scope::holds(&self.scope, labels)
    }
}

/// What one host may use of a budget.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Grant {
    /// The holder's disk life, ...
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// ... which of its starts, ...
    #[prost(message, required, tag = "2")]
    pub generation: Generation,
    /// ... and its name when it was granted.
    #[prost(string, tag = "3")]
    pub host: String,
    /// What its application may still use: it counts against the budget. 0 in a change: the grant is freed.
    #[prost(uint64, tag = "4")]
    pub counted: u64,
    /// Its share, at most that.
    #[prost(uint64, tag = "5")]
    pub told: u64,
    /// Grows with each committed change, over all budgets: a resource that remembers the newest can refuse an older one.
    #[prost(uint64, tag = "6")]
    pub number: u64,
}

/// A budget as it is committed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct BudgetRecord {
    /// What an operator defined.
    #[prost(message, required, tag = "1")]
    pub budget: Budget,
    /// Which change of it this is; no two changes have the same.
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// It is to go: nothing is granted any more, and it is forgotten once all is freed.
    #[prost(bool, tag = "3")]
    pub removing: bool,
    /// The cluster was founded anew since: what was granted and forgotten may be in use for one full lapse.
    #[prost(bool, tag = "4")]
    pub waits: bool,
    /// In the order of instances.
    #[prost(message, repeated, tag = "5")]
    pub grants: Vec<Grant>,
    /// How many changes of grants there were.
    #[prost(uint64, tag = "6")]
    pub changes: u64,
}

impl BudgetRecord {
    /// What all grants together may be now.
    #[must_use]
    pub fn limit(&self) -> u64 {
        if self.removing { 0 } else { self.budget.max }
    }

    /// What all grants that are not freed add up to.
    #[must_use]
    pub fn granted(&self) -> u64 {
        self.grants.iter().map(|grant| grant.counted).sum()
    }

    /// The grant of a disk life.
    #[must_use]
    pub fn grant(&self, instance: Instance) -> Option<&Grant> {
        let place = self.grants.binary_search_by_key(&instance, |grant| grant.instance).ok()?;
        self.grants.get(place)
    }
}

/// Defines a budget, or defines it otherwise.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DefineBudget {
    /// As it is to be.
    #[prost(message, required, tag = "1")]
    pub budget: Budget,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "2")]
    pub at_unix_ms: u64,
}

/// Has a budget go, once all that is granted of it is freed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RemoveBudget {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "2")]
    pub at_unix_ms: u64,
}

/// Changes grants of a budget, all or none.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChangeGrants {
    /// Of which.
    #[prost(string, tag = "1")]
    pub budget: String,
    /// Void unless this is its version.
    #[prost(uint64, tag = "2")]
    pub if_version: u64,
    /// As they are to be; their numbers are given when it is applied.
    #[prost(message, repeated, tag = "3")]
    pub grants: Vec<Grant>,
    /// The leader has waited for one full lapse since it led.
    #[prost(bool, tag = "4")]
    pub waited: bool,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "5")]
    pub at_unix_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        Budget { name: "pg".to_owned(), max: 30, ttl_ms: 3_000, ..Budget::default() }
    }

    #[test]
    fn a_budget_out_of_its_bounds_is_told_which() {
        assert_eq!(budget().fault(), None);
        let label = |name: &str| Label { name: name.to_owned(), value: "x".to_owned() };
        let wrong = [
            (Budget { name: "a/b".to_owned(), ..budget() }, "name"),
            (Budget { name: String::new(), ..budget() }, "name"),
            (Budget { max: 0, ..budget() }, "max"),
            (Budget { max: limits::BUDGET_MOST + 1, ..budget() }, "max"),
            (Budget { min: 31, ..budget() }, "min"),
            (Budget { reserve: 31, ..budget() }, "reserve"),
            (Budget { ttl_ms: 999, ..budget() }, "ttl"),
            (Budget { scope: vec![label("a"); limits::BUDGET_SCOPE + 1], ..budget() }, "scope"),
            (Budget { scope: vec![label("")], ..budget() }, "scope"),
            (Budget { mode: 7, ..budget() }, "mode"),
        ];
        for (budget, what) in wrong {
            let fault = budget.fault().expect("it is out of its bounds");
            assert!(fault.contains(what), "{fault}");
        }
    }

    #[test]
    fn a_host_is_in_scope_when_it_has_all_of_the_labels() {
        let label = |name: &str| Label { name: name.to_owned(), value: "x".to_owned() };
        let scoped = Budget { scope: vec![label("a"), label("b")], ..budget() };
        assert!(budget().is_for(&[]) && !scoped.is_for(&[label("a")]));
        assert!(scoped.is_for(&[label("c"), label("b"), label("a")]));
    }
}
