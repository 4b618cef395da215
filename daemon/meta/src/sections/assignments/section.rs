//! The assignments as a section: what can happen to them, and their records in a snapshot.

use super::{Assigned, AssignmentRefusal, Assignments, Done, keys};
use crate::apply::{AppliedResult, Effects};
use crate::section::{Publish, Section};
use crate::sections::THERE;
use crate::sections::holder::Holder;
use crate::snapshot::fields::{bounded, content};
use crate::snapshot::record::{Records, RestoreError};
use quorate_proto::{
    AssignmentRecord, ChangeItems, DefineAssignment, FreeItem, ItemState, Message as _,
    RemoveAssignment, limits,
};
use std::sync::Arc;

const ASSIGNMENT: u8 = 140;
const NUMBERS: u8 = 141;

/// What can happen to the assignments.
pub(crate) enum Change<'a> {
    Define(&'a DefineAssignment),
    /// Defined if there is none of its name.
    Offer(&'a DefineAssignment),
    Remove(&'a RemoveAssignment),
    Items(&'a ChangeItems),
    Free {
        free: &'a FreeItem,
        /// Whose the grant with that number is.
        holder: Holder,
    },
    /// The cluster is founded anew.
    Anew {
        /// By the clock of who founds it, in milliseconds since 1970.
        at_unix_ms: u64,
    },
}

impl Section for Assignments {
    type Command<'a> = Change<'a>;

    fn tags(&self) -> &'static [u8] {
        &[ASSIGNMENT, NUMBERS]
    }

    fn apply(&mut self, change: Change<'_>, publish: &mut Publish<'_>) -> Effects {
        let result = match change {
            Change::Offer(offer) if self.all.contains_key(&offer.assignment.name) => {
                Ok(THERE.to_owned())
            }
            Change::Define(define) | Change::Offer(define) => {
                let defined = self.define(&define.assignment);
                defined.map(|changed| self.defined(changed.as_deref(), publish))
            }
            Change::Remove(remove) => {
                self.remove(&remove.name).map(|()| self.removed(&remove.name, publish))
            }
            Change::Items(change) => self.carry_out(change, publish).map(|()| String::new()),
            Change::Free { free, holder } => self.fenced(free, holder, publish),
            Change::Anew { at_unix_ms } => {
                let before: Vec<String> = self.all.keys().cloned().collect();
                self.begin_anew(at_unix_ms);
                for name in before.iter().filter(|name| !self.all.contains_key(*name)) {
                    keys::forget(name, publish);
                }
                publish.number(self.numbers.last());
                for assigned in self.all() {
                    keys::forget_items(&assigned.record, publish);
                    keys::put_assignment(&assigned.record, publish);
                }
                Ok(String::new())
            }
        };
        Effects { result: AppliedResult::Assignment(result), health: None }
    }

    fn save(&self, records: &mut Records<'_>) {
        for assigned in self.all() {
            records.add(ASSIGNMENT, |out| out.extend(assigned.record.encode_to_vec()));
        }
        self.numbers.save(NUMBERS, records);
    }

    fn load(&mut self, tag: u8, body: &mut &[u8]) -> Result<(), RestoreError> {
        if tag == NUMBERS {
            return self.numbers.load(body, "the numbers of assignments");
        }
        let wrong = || content("an assignment");
        let record = AssignmentRecord::decode(std::mem::take(body)).map_err(|_| wrong())?;
        let items = record.assignment.items();
        let sorted = record.grants.is_sorted_by(|one, next| one.item < next.item);
        let sound = record
            .grants
            .iter()
            .all(|grant| (grant.item as usize) < items && ItemState::try_from(grant.state).is_ok());
        let fits = record.assignment.fault().is_none() && bounded(record.changes).is_ok();
        if !(self.all.len() < limits::ASSIGNMENTS && sorted && sound && fits) {
            return Err(wrong());
        }
        let name = record.assignment.name.clone();
        let before = self.all.insert(name, Arc::new(Assigned::of(record)));
        before.map_or(Ok(()), |_| Err(wrong()))
    }

    fn check(&self) -> Result<(), RestoreError> {
        let numbers = |assigned: &Arc<Assigned>| {
            let record = &assigned.record;
            let grants = record.grants.iter().map(|grant| grant.number.max(grant.changed));
            grants.chain([record.version]).all(|number| number <= self.numbers.last())
        };
        let known = self.all().all(numbers);
        known.then_some(()).ok_or(content("an assignment has a number that was not given"))
    }
}

impl Assignments {
    fn defined(&self, changed: Option<&str>, publish: &mut Publish<'_>) -> String {
        let Some(assigned) = changed.and_then(|name| self.all.get(name)) else {
            return "so already".to_owned();
        };
        publish.number(self.numbers.last());
        keys::put_assignment(&assigned.record, publish);
        "defined".to_owned()
    }

    fn removed(&self, name: &str, publish: &mut Publish<'_>) -> String {
        publish.number(self.numbers.last());
        match self.all.get(name) {
            Some(assigned) => {
                keys::put_assignment(&assigned.record, publish);
                let held = assigned.record.grants.len();
                format!(
                    "nothing of it is given any more; it is gone once the {held} items that are held are freed"
                )
            }
            None => {
                keys::forget(name, publish);
                "removed".to_owned()
            }
        }
    }

    fn carry_out(
        &mut self,
        change: &ChangeItems,
        publish: &mut Publish<'_>,
    ) -> Result<(), AssignmentRefusal> {
        let done = self.change(change)?;
        self.put_done(&change.assignment, &done, change.at_unix_ms, publish);
        Ok(())
    }

    fn fenced(
        &mut self,
        free: &FreeItem,
        holder: Holder,
        publish: &mut Publish<'_>,
    ) -> Result<String, AssignmentRefusal> {
        let FreeItem { assignment, item, number, at_unix_ms, .. } = free;
        let Some(done) = self.free(free, holder)? else {
            return Ok(format!("nobody holds {item} any more"));
        };
        let text = format!("grant {number} of {} is freed: {item}", done.grant.host);
        self.put_done(assignment, &[done], *at_unix_ms, publish);
        Ok(text)
    }

    /// Tells what a change did to items of an assignment, which may be gone with it.
    fn put_done(&self, name: &str, done: &[Done], at_unix_ms: u64, publish: &mut Publish<'_>) {
        publish.number(self.numbers.last());
        let Some(assigned) = self.all.get(name) else {
            keys::forget(name, publish);
            return;
        };
        let record = &assigned.record;
        keys::put_items(&record.assignment, record.changes, done, at_unix_ms, publish);
        keys::put_assignment(record, publish);
    }
}
