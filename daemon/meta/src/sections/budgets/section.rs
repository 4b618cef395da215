//! The budgets as a section: what can happen to them, and their records in a snapshot.

use super::{BudgetRefusal, Budgets, ChangeGrants, DefineBudget, RemoveBudget, keys};
use crate::apply::{AppliedResult, Effects};
use crate::section::{Publish, Section};
use crate::sections::THERE;
use crate::sections::holder::Holder;
use crate::snapshot::fields::{bounded, content};
use crate::snapshot::record::{Records, RestoreError};
use quorate_proto::{BudgetRecord, FreeGrant, Message as _, limits};
use std::fmt::Write as _;
use std::sync::Arc;

const BUDGET: u8 = 115;
const NUMBERS: u8 = 116;

/// What can happen to the budgets.
pub(crate) enum Change<'a> {
    Define(&'a DefineBudget),
    /// Defined if there is none of its name.
    Offer(&'a DefineBudget),
    Remove(&'a RemoveBudget),
    Grants(&'a ChangeGrants),
    Free {
        free: &'a FreeGrant,
        /// Whose the grant with that number is.
        holder: Holder,
    },
    /// The cluster is founded anew.
    Anew {
        at_unix_ms: u64,
    },
}

impl Section for Budgets {
    type Command<'a> = Change<'a>;

    fn tags(&self) -> &'static [u8] {
        &[BUDGET, NUMBERS]
    }

    fn apply(&mut self, change: Change<'_>, publish: &mut Publish<'_>) -> Effects {
        let result = match change {
            Change::Offer(offer) if self.has(&offer.budget.name) => Ok(THERE.to_owned()),
            Change::Define(define) | Change::Offer(define) => {
                let defined = self.define(&define.budget);
                defined.map(|changed| self.defined(&changed, publish))
            }
            Change::Remove(remove) => {
                self.remove(&remove.name).map(|names| self.removed(&names, publish))
            }
            Change::Grants(change) => self.carry_out(change, publish).map(|()| String::new()),
            Change::Free { free, holder } => self.fenced(free, holder, publish),
            Change::Anew { at_unix_ms } => {
                self.begin_anew(at_unix_ms);
                publish.number(self.numbers.last());
                self.all.values().for_each(|record| keys::put_budget(record, publish));
                Ok(String::new())
            }
        };
        Effects { result: AppliedResult::Budget(result), health: None }
    }

    fn save(&self, records: &mut Records<'_>) {
        for record in self.all.values() {
            records.add(BUDGET, |out| out.extend(record.encode_to_vec()));
        }
        self.numbers.save(NUMBERS, records);
    }

    fn load(&mut self, tag: u8, body: &mut &[u8]) -> Result<(), RestoreError> {
        if tag == NUMBERS {
            return self.numbers.load(body, "the numbers of budgets");
        }
        let wrong = || content("a budget");
        let record = BudgetRecord::decode(std::mem::take(body)).map_err(|_| wrong())?;
        let within = record.grants.len() <= limits::MEMBERS && self.all.len() < limits::BUDGETS;
        let sorted = record.grants.is_sorted_by(|one, next| one.instance < next.instance);
        let sound = record.grants.iter().all(|grant| {
            (1..=limits::BUDGET_MOST).contains(&grant.counted) && grant.told <= grant.counted
        });
        let fits = record.fault().is_none() && bounded(record.changes).is_ok();
        if !(within && sorted && sound && fits) {
            return Err(wrong());
        }
        let before = self.all.insert(record.budget.name.clone(), Arc::new(record));
        before.map_or(Ok(()), |_| Err(wrong()))
    }

    fn check(&self) -> Result<(), RestoreError> {
        let numbers = |record: &Arc<BudgetRecord>| {
            let grants = record.grants.iter().map(|grant| grant.number);
            grants.chain([record.version]).all(|number| number <= self.numbers.last())
        };
        let known = self.all.values().all(numbers);
        known.then_some(()).ok_or(content("a budget has a number that was not given"))?;
        let of_one_whole = |record: &Arc<BudgetRecord>| {
            record.family().is_none_or(|family| {
                let whole = self.classes(family).all(|it| it.whole == record.whole);
                whole && !self.all.contains_key(family)
            })
        };
        let sound = self.all.values().all(of_one_whole);
        sound.then_some(()).ok_or(content("the classes of a budget are not of one"))
    }
}

impl Budgets {
    /// Publishes what is as a definition left it; what is gone with it goes.
    fn publish(&self, names: &[String], publish: &mut Publish<'_>) {
        publish.number(self.numbers.last());
        for name in names {
            match self.all.get(name) {
                Some(record) => keys::put_budget(record, publish),
                None => keys::forget(name, publish),
            }
        }
    }

    fn defined(&self, changed: &[String], publish: &mut Publish<'_>) -> String {
        if changed.is_empty() {
            return "so already".to_owned();
        }
        self.publish(changed, publish);
        let mut out = "defined".to_owned();
        let records = changed.iter().filter_map(|name| self.all.get(name));
        for record in records.filter(|record| record.granted() > record.limit()) {
            let of =
                record.family().map_or(String::new(), |_| format!(" of {}", record.budget.name));
            let (granted, limit) = (record.granted(), record.limit());
            let _ = write!(
                out,
                "; {granted}{of} are granted, and that shrinks to {limit} as its holders let go"
            );
        }
        out
    }

    fn removed(&self, names: &[String], publish: &mut Publish<'_>) -> String {
        self.publish(names, publish);
        let left = names.iter().filter_map(|name| self.all.get(name));
        match left.map(|record| record.granted()).sum::<u64>() {
            0 => "removed".to_owned(),
            granted => format!(
                "nothing of it is granted any more; it is gone once the {granted} that are granted are freed"
            ),
        }
    }

    fn carry_out(
        &mut self,
        change: &ChangeGrants,
        publish: &mut Publish<'_>,
    ) -> Result<(), BudgetRefusal> {
        let changed = self.change(change)?;
        publish.number(self.numbers.last());
        let Some(record) = self.all.get(&change.budget) else {
            keys::forget(&change.budget, publish);
            return Ok(());
        };
        keys::put_grants(record, &changed, change.at_unix_ms, publish);
        keys::put_budget(record, publish);
        Ok(())
    }

    fn fenced(
        &mut self,
        free: &FreeGrant,
        holder: Holder,
        publish: &mut Publish<'_>,
    ) -> Result<String, BudgetRefusal> {
        let FreeGrant { budget, number, at_unix_ms, .. } = free;
        let Some(freed) = self.free(free, holder)? else {
            return Ok(format!("{} has nothing of it any more", free.holder));
        };
        publish.number(self.numbers.last());
        match self.all.get(budget) {
            Some(record) => {
                keys::put_fenced(record, &freed, *number, *at_unix_ms, publish);
                keys::put_budget(record, publish);
            }
            None => keys::forget(budget, publish),
        }
        Ok(format!("grant {number} of {} is freed", freed.host))
    }
}
