//! Budgets: numbers that live hosts divide among themselves, and what each holder is granted.
//!
//! A grant has two amounts. *Counted* is what the holder's application may still use, and what counts against the budget; *told* is its
//! share. They differ while a share shrinks: until the application says that it uses no more than its share, or the earlier share has
//! lapsed. A budget with classes is several budgets, one for each class, that are defined together and together have a maximum. Knows nothing
//! of who divides.

use crate::{Generation, Instance, Label, limits, scope};
use std::collections::BTreeSet;

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

/// What a holder that has lost the quorum may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum QuorumLoss {
    /// Its share lapses, and nobody gets more.
    Hold = 0,
    /// Behind a fence against all others it uses the whole, where nothing can be committed without it.
    Local = 1,
}

impl QuorumLoss {
    /// The word that people and programs see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Local => "local",
        }
    }
}

/// Between the name of a budget and that of a class: in no name of either, and it stands for itself in keys, file names and units.
const OF: char = ':';

/// A class of a budget: so much of it is for one use alone.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Class {
    /// Its name, by the rule of budgets' names.
    #[prost(string, tag = "1")]
    pub name: String,
    /// All shares of it together, at most.
    #[prost(uint64, tag = "2")]
    pub max: u64,
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
    /// What it is divided into; none: it is one number. At most `limits::BUDGET_CLASSES`, which add up to no more than `max`. A class has
    /// all else from the budget.
    #[prost(message, repeated, tag = "8")]
    pub classes: Vec<Class>,
    /// What a holder does that has lost the quorum.
    #[prost(enumeration = "QuorumLoss", tag = "9")]
    pub on_quorum_loss: i32,
    /// The hook that cuts all others off before a holder without a quorum uses the whole; empty where none does.
    #[prost(string, tag = "10")]
    pub fence: String,
}

impl Budget {
    /// The name under which a class of a budget is granted and followed.
    #[must_use]
    pub fn class_name(budget: &str, class: &str) -> String {
        format!("{budget}{OF}{class}")
    }

    /// The budget and the class that such a name says; none: it is that of a budget.
    #[must_use]
    pub fn class_of(name: &str) -> Option<(&str, &str)> {
        name.split_once(OF)
    }

    /// The names of all classes of a budget, and no others, are from the first to the second one.
    #[must_use]
    pub fn class_names(budget: &str) -> std::ops::Range<String> {
        let behind = char::from_u32(u32::from(OF) + 1).unwrap_or(OF);
        format!("{budget}{OF}")..format!("{budget}{behind}")
    }

    /// What is granted each for itself: the budget, or its classes.
    #[must_use]
    pub fn parts(&self) -> Vec<Self> {
        let part = |class: &Class| Self {
            name: Self::class_name(&self.name, &class.name),
            max: class.max,
            classes: Vec::new(),
            ..self.clone()
        };
        match self.classes.is_empty() {
            true => vec![self.clone()],
            false => self.classes.iter().map(part).collect(),
        }
    }

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
        self.fault_of_bounds().or_else(|| self.fault_of_classes())
    }

    fn fault_of_bounds(&self) -> Option<String> {
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
        if BudgetMode::try_from(self.mode).is_err() {
            return Some("mode is strict or eager".to_owned());
        }
        self.fault_of_quorum_loss()
    }

    fn fault_of_quorum_loss(&self) -> Option<String> {
        match QuorumLoss::try_from(self.on_quorum_loss) {
            Err(_) => Some("on_quorum_loss is hold or local".to_owned()),
            Ok(QuorumLoss::Hold) => (!self.fence.is_empty())
                .then(|| "fence goes with on_quorum_loss = local alone".to_owned()),
            Ok(QuorumLoss::Local) if self.fence.is_empty() => Some(
                "on_quorum_loss = local demands a fence, and none is named: without a quorum nobody knows whether the others are dead or cut \
                 off, so only a hook that cuts them off from the resource (fence = NAME, docs/SHARES.md) makes the whole usable here"
                    .to_owned(),
            ),
            Ok(QuorumLoss::Local) if self.ttl_ms > limits::BUDGET_LOCAL_TTL_MS => Some(format!(
                "ttl is {} ms, and with on_quorum_loss = local {} ms at most: a host that comes back waits that long for a quorum",
                self.ttl_ms,
                limits::BUDGET_LOCAL_TTL_MS
            )),
            Ok(QuorumLoss::Local) => {
                scope::name_fault("a fence", &self.fence, limits::BUDGET_NAME)
            }
        }
    }

    /// The hook behind which a holder that has lost the quorum uses the whole; none: it never does.
    #[must_use]
    pub fn fence_for_the_whole(&self) -> Option<&str> {
        (self.on_quorum_loss() == QuorumLoss::Local).then_some(self.fence.as_str())
    }

    fn fault_of_classes(&self) -> Option<String> {
        let (most, longest) = (limits::BUDGET_CLASSES, limits::BUDGET_NAME);
        if self.classes.len() > most {
            return Some(format!("{} classes, and {most} are the most", self.classes.len()));
        }
        let mut names = BTreeSet::new();
        for class in &self.classes {
            let Class { name, .. } = class;
            if let Some(fault) = scope::name_fault("a class", name, longest) {
                return Some(fault);
            }
            if Self::class_name(&self.name, name).len() > longest {
                return Some(format!(
                    "the names of {} and {name} together are too long",
                    self.name
                ));
            }
            if !names.insert(name) {
                return Some(format!("the class {name} is named twice"));
            }
            let part = Self { max: class.max, classes: Vec::new(), ..self.clone() };
            if let Some(fault) = part.fault_of_bounds() {
                return Some(format!("class {name}: {fault}"));
            }
        }
        // No sum of so few of so much overflows.
        let sum: u64 = self.classes.iter().map(|class| class.max).sum();
        let all: Vec<String> =
            self.classes.iter().map(|class| format!("{} {}", class.name, class.max)).collect();
        (sum > self.max).then(|| {
            format!("the classes are {sum} together ({}), and max is {}", all.join(", "), self.max)
        })
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
    /// Of a class: what all classes together may be at most; 0: it is a budget without classes.
    #[prost(uint64, tag = "7")]
    pub whole: u64,
}

impl BudgetRecord {
    /// What is wrong with its definition, if anything is.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let Self { budget, whole, .. } = self;
        let (family, class) = match Budget::class_of(&budget.name) {
            None if *whole > 0 || !budget.classes.is_empty() => {
                return Some("a budget with classes is granted class by class".to_owned());
            }
            None => return budget.fault(),
            Some(names) => names,
        };
        let mut of = Budget { name: family.to_owned(), max: *whole, ..budget.clone() };
        if !self.removing {
            of.classes.push(Class { name: class.to_owned(), max: budget.max });
        }
        // What is to go has the bounds that it had, and the whole may be less by now.
        (of.min, of.reserve) = (of.min.min(*whole), of.reserve.min(*whole));
        of.fault().or_else(|| budget.fault_of_bounds())
    }

    /// The budget of which this is a class.
    #[must_use]
    pub fn family(&self) -> Option<&str> {
        Budget::class_of(&self.budget.name).map(|(family, _)| family)
    }

    /// Of which budget it is: of itself, or of that of which this is a class.
    #[must_use]
    pub fn of_budget(&self) -> &str {
        self.family().unwrap_or(&self.budget.name)
    }

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

    fn local(fence: &str) -> Budget {
        Budget { on_quorum_loss: 1, fence: fence.to_owned(), ..budget() }
    }

    #[test]
    fn what_becomes_of_a_lost_quorum_is_said_of_all_classes_and_is_nothing_by_default() {
        assert_eq!(budget().fence_for_the_whole(), None);
        assert_eq!(local("cut").fault(), None);
        assert_eq!(local("cut").fence_for_the_whole(), Some("cut"));
        let parts =
            Budget { classes: vec![Class { name: "app".to_owned(), max: 20 }], ..local("cut") }
                .parts();
        assert_eq!(parts[0].fence_for_the_whole(), Some("cut"), "a class has it from the budget");
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
            (Budget { on_quorum_loss: 7, ..budget() }, "hold or local"),
            (Budget { on_quorum_loss: 1, ..budget() }, "demands a fence"),
            (Budget { fence: "cut".to_owned(), ..budget() }, "local alone"),
            (Budget { ttl_ms: 60_001, ..local("cut") }, "60000 ms at most"),
            (local("a/b"), "name of a fence"),
        ];
        for (budget, what) in wrong {
            let fault = budget.fault().expect("it is out of its bounds");
            assert!(fault.contains(what), "{fault}");
        }
    }

    #[test]
    fn classes_that_do_not_fit_into_their_budget_are_told_with_their_numbers() {
        let class = |name: &str, max| Class { name: name.to_owned(), max };
        let of = |classes: &[Class]| Budget { classes: classes.to_vec(), ..budget() };
        let sound = of(&[class("app", 20), class("report", 10)]);
        assert_eq!(sound.fault(), None);
        let parts = sound.parts();
        let parts: Vec<_> = parts.iter().map(|it| (it.name.as_str(), it.max)).collect();
        assert_eq!(parts, [("pg:app", 20), ("pg:report", 10)]);
        assert_eq!(budget().parts(), [budget()]);
        let many: Vec<Class> =
            (0..=limits::BUDGET_CLASSES).map(|it| class(&format!("c{it}"), 1)).collect();
        let wrong = [
            (
                of(&[class("app", 20), class("report", 13)]),
                "33 together (app 20, report 13), and max is 30",
            ),
            (of(&[class("app", 0)]), "class app: max is 0"),
            (of(&[class("app", 2), class("app", 3)]), "named twice"),
            (of(&[class("a:b", 2)]), "the name of a class"),
            (of(&[class(&"a".repeat(62), 2)]), "too long"),
            (of(&many), "17 classes, and 16"),
            (Budget { min: 11, ..sound.clone() }, "class report: min is 11"),
            (Budget { name: "pg:app".to_owned(), ..budget() }, "name"),
        ];
        for (budget, says) in wrong {
            let fault = budget.fault().expect("it does not fit");
            assert!(fault.contains(says), "{fault}");
        }
    }

    #[test]
    fn the_names_of_a_budgets_classes_are_a_range_of_their_own() {
        let range = Budget::class_names("pg");
        for name in ["pg:app", "pg:0", "pg:z"] {
            assert!(range.contains(&name.to_owned()), "{name}");
            assert_eq!(Budget::class_of(name).map(|(of, _)| of), Some("pg"));
        }
        for name in ["pg", "pg-a:x", "pg.a", "pg0", "pga", "pf:a"] {
            assert!(!range.contains(&name.to_owned()), "{name}");
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
