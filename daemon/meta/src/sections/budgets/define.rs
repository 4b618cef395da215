//! A budget is defined, defined otherwise, or to go; with all of its classes, or not at all.
//!
//! Invariant: no state has a part of a definition. A class that a definition names no more goes as a budget goes: nothing of it is granted
//! any more, and it is forgotten once all is freed; until then it counts against what all classes are together.

use super::{BudgetRefusal, Budgets};
use quorate_proto::{Budget, BudgetRecord, limits};
use std::sync::Arc;

impl Budgets {
    /// The classes of a budget, those that are going too; in the order of names.
    pub(super) fn classes(&self, budget: &str) -> impl Iterator<Item = &Arc<BudgetRecord>> {
        self.all.range(Budget::class_names(budget)).map(|(_, record)| record)
    }

    /// Whether there is a budget of this name, with classes or without.
    pub(super) fn has(&self, name: &str) -> bool {
        self.all.contains_key(name) || self.classes(name).next().is_some()
    }

    /// The names of what changed; none where it is so already.
    pub(super) fn define(&mut self, budget: &Budget) -> Result<Vec<String>, BudgetRefusal> {
        if let Some(fault) = budget.fault() {
            return Err(BudgetRefusal::Unsound(fault));
        }
        let parts = budget.parts();
        self.may_be_defined(budget, &parts)?;
        let whole = if budget.classes.is_empty() { 0 } else { budget.max };
        let is_named = |record: &BudgetRecord| parts.iter().any(|it| it.name == record.budget.name);
        let gone = self.classes(&budget.name).filter(|record| !is_named(record));
        let gone: Vec<String> = gone.map(|record| record.budget.name.clone()).collect();
        let mut changed = Vec::new();
        for part in parts {
            if self.put(&part, whole) {
                changed.push(part.name);
            }
        }
        for name in gone {
            let same = |it: &Arc<BudgetRecord>| it.removing && it.whole == whole;
            if !self.all.get(&name).is_some_and(same) {
                self.let_go(&name, whole);
                changed.push(name);
            }
        }
        Ok(changed)
    }

    fn may_be_defined(&self, budget: &Budget, parts: &[Budget]) -> Result<(), BudgetRefusal> {
        let name = || budget.name.clone();
        let is_class = !budget.classes.is_empty();
        // One number and classes of it would be granted beside each other.
        match self.all.get(&budget.name) {
            Some(record) if record.removing => return Err(BudgetRefusal::Removing(name())),
            Some(_) if is_class => return Err(BudgetRefusal::HasNoClasses(name())),
            _ => {}
        }
        let mut classes = self.classes(&budget.name).peekable();
        if !is_class && classes.peek().is_some() {
            return Err(match classes.all(|record| record.removing) {
                true => BudgetRefusal::Removing(name()),
                false => BudgetRefusal::HasClasses(name()),
            });
        }
        for part in parts {
            let Some(record) = self.all.get(&part.name) else { continue };
            if record.removing {
                return Err(BudgetRefusal::Removing(part.name.clone()));
            }
            let was = &record.budget;
            // A holder goes by what it was told when it asked last: which nobody remembers once it is changed.
            if !record.grants.is_empty() && (was.ttl_ms, was.reserve) != (part.ttl_ms, part.reserve)
            {
                return Err(BudgetRefusal::Fixed(name()));
            }
        }
        let new = parts.iter().filter(|part| !self.all.contains_key(&part.name)).count();
        match self.all.len() + new > limits::BUDGETS {
            true => Err(BudgetRefusal::TooMany),
            false => Ok(()),
        }
    }

    /// Whether that is another definition than before.
    fn put(&mut self, part: &Budget, whole: u64) -> bool {
        let same = |record: &Arc<BudgetRecord>| record.budget == *part && record.whole == whole;
        if self.all.get(&part.name).is_some_and(same) {
            return false;
        }
        let version = self.numbers.next();
        // In a cluster that was founded anew a budget of this name may have been granted behind the state that was left.
        let waits = self.numbers.have_jumped();
        let fresh = || Arc::new(BudgetRecord { waits, ..BudgetRecord::default() });
        let record = Arc::make_mut(self.all.entry(part.name.clone()).or_insert_with(fresh));
        record.budget = part.clone();
        (record.version, record.whole) = (version, whole);
        true
    }

    /// The names of what goes: the budget, or all of its classes.
    pub(super) fn remove(&mut self, name: &str) -> Result<Vec<String>, BudgetRefusal> {
        let classes = self.classes(name).map(|record| record.budget.name.clone());
        let mut names: Vec<String> = classes.collect();
        if self.all.contains_key(name) {
            if let Some((family, _)) = Budget::class_of(name) {
                let (name, of) = (name.to_owned(), family.to_owned());
                return Err(BudgetRefusal::IsAClass { name, of });
            }
            names.push(name.to_owned());
        }
        if names.is_empty() {
            return Err(BudgetRefusal::Unknown(name.to_owned()));
        }
        for name in &names {
            let whole = self.all.get(name).map_or(0, |record| record.whole);
            self.let_go(name, whole);
        }
        Ok(names)
    }

    fn let_go(&mut self, name: &str, whole: u64) {
        let version = self.numbers.next();
        let Some(record) = self.all.get_mut(name) else { return };
        let record = Arc::make_mut(record);
        record.removing = true;
        (record.version, record.whole) = (version, whole);
        self.forget_if_over(name);
    }
}
