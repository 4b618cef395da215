//! The assignments, and who holds each of their items.
//!
//! Invariants: an item has one grant at most, whatever is proposed: one that is not freed is given to nobody else, and the whole entry that
//! would do so is refused. A number is given to one grant alone, over all assignments and for ever, so that the newest holder of an item
//! has its highest. When an item may be freed is the leader's to know.

mod free;
mod keys;
mod refusal;
mod section;

pub use refusal::AssignmentRefusal;
pub(crate) use section::Change;

use super::numbers::Numbers;
use quorate_proto::{
    Assignment, AssignmentRecord, ChangeItems, Instance, ItemChange, ItemGrant, ItemState,
    ItemStep, limits,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An assignment, and what its holders have to hear of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Assigned {
    record: AssignmentRecord,
    /// Holder -> the newest change that it has to hear of. Made from the record.
    newest: BTreeMap<Instance, u64>,
}

impl Assigned {
    fn of(record: AssignmentRecord) -> Self {
        let mut newest: BTreeMap<Instance, u64> = BTreeMap::new();
        for grant in &record.grants {
            let of_host = newest.entry(grant.instance).or_default();
            *of_host = (*of_host).max(grant.changed);
        }
        Self { record, newest }
    }

    /// As it is committed.
    #[must_use]
    pub fn record(&self) -> &AssignmentRecord {
        &self.record
    }

    /// The newest change that a holder has to hear of; none of who holds nothing of it.
    #[must_use]
    pub fn newest(&self, holder: Instance) -> Option<u64> {
        self.newest.get(&holder).copied()
    }
}

/// See the head of this file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Assignments {
    all: BTreeMap<String, Arc<Assigned>>,
    numbers: Numbers,
}

/// What a change did to one item.
struct Done {
    step: ItemStep,
    /// The grant behind it; of one that was freed, as it was.
    grant: ItemGrant,
}

impl Assignments {
    /// All of them, in the order of names.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Assigned>> {
        self.all.values()
    }

    /// For so long what waits behind a founding anew waits at least, in milliseconds.
    pub(crate) fn longest_ttl_ms(&self) -> u64 {
        self.numbers.longest_ttl_ms()
    }

    fn record(&self, name: &str) -> Result<&AssignmentRecord, AssignmentRefusal> {
        let known = self.all.get(name).map(|assigned| &assigned.record);
        known.ok_or_else(|| AssignmentRefusal::Unknown(name.to_owned()))
    }

    fn put(&mut self, record: AssignmentRecord) {
        let name = record.assignment.name.clone();
        if record.removing && record.grants.is_empty() {
            self.all.remove(&name);
        } else {
            self.all.insert(name, Arc::new(Assigned::of(record)));
        }
    }

    /// What changed, if anything did.
    fn define(&mut self, assignment: &Assignment) -> Result<Option<String>, AssignmentRefusal> {
        if let Some(fault) = assignment.fault() {
            return Err(AssignmentRefusal::Unsound(fault));
        }
        let name = assignment.name.clone();
        // In a cluster that was founded anew others may hold items of it behind the state that was left.
        let waits = self.numbers.have_jumped();
        let mut record = AssignmentRecord { waits, ..AssignmentRecord::default() };
        if let Some(known) = self.all.get(&name) {
            let was = &known.record.assignment;
            if known.record.removing {
                return Err(AssignmentRefusal::Removing(name));
            }
            if was == assignment {
                return Ok(None);
            }
            // A holder goes by what it was told when it asked last: which nobody remembers once it is changed.
            let held = !known.record.grants.is_empty();
            if (held && was.ttl_ms != assignment.ttl_ms) || !was.goes_on_in(assignment) {
                return Err(AssignmentRefusal::Fixed(name));
            }
            record = known.record.clone();
        } else if self.all.len() >= limits::ASSIGNMENTS {
            return Err(AssignmentRefusal::TooMany);
        }
        record.assignment = assignment.clone();
        record.version = self.numbers.next();
        self.put(record);
        Ok(Some(name))
    }

    fn remove(&mut self, name: &str) -> Result<(), AssignmentRefusal> {
        let mut record = self.record(name)?.clone();
        record.removing = true;
        record.version = self.numbers.next();
        self.put(record);
        Ok(())
    }

    /// Carries out a change whole, or not at all.
    fn change(&mut self, change: &ChangeItems) -> Result<Vec<Done>, AssignmentRefusal> {
        let mut record = self.record(&change.assignment)?.clone();
        if record.version != change.if_version {
            return Err(AssignmentRefusal::Overtaken);
        }
        let mut grants: BTreeMap<u32, ItemGrant> =
            record.grants.drain(..).map(|grant| (grant.item, grant)).collect();
        let (mut numbers, mut done) = (self.numbers, Vec::new());
        let may_wait = record.waits && !change.waited;
        for one in &change.changes {
            let gives = matches!(one.step(), ItemStep::Give | ItemStep::TakeOver);
            if gives && may_wait {
                return Err(AssignmentRefusal::Waits);
            }
            if gives && record.removing {
                return Err(AssignmentRefusal::Removing(change.assignment.clone()));
            }
            if one.item as usize >= record.assignment.items() {
                return Err(AssignmentRefusal::Unsound(format!("there is no item {}", one.item)));
            }
            done.push(step(&mut grants, &mut numbers, &record.assignment, one)?);
        }
        self.numbers = numbers;
        record.version = self.numbers.next();
        record.waits &= !change.waited;
        record.changes += done.len() as u64;
        record.grants = grants.into_values().collect();
        self.put(record);
        Ok(done)
    }

    /// The cluster is founded anew: others may hold behind this state what it says that somebody holds. So nobody holds anything, nothing is
    /// given before all of that has lapsed, and no number is given twice.
    fn begin_anew(&mut self, at_unix_ms: u64) {
        let ttls = self.all.values().map(|assigned| assigned.record.assignment.ttl_ms);
        self.numbers.jump(at_unix_ms, ttls);
        for assigned in std::mem::take(&mut self.all).into_values() {
            let mut record = assigned.record.clone();
            record.waits = true;
            record.grants.clear();
            record.version = self.numbers.next();
            self.put(record);
        }
    }
}

/// Carries out one change, if it fits what is there. This is where no item gets a second holder.
fn step(
    grants: &mut BTreeMap<u32, ItemGrant>,
    numbers: &mut Numbers,
    assignment: &Assignment,
    change: &ItemChange,
) -> Result<Done, AssignmentRefusal> {
    let (step, item) = (change.step(), change.item);
    let now = grants.get_mut(&item);
    let taken = |grant: &ItemGrant| AssignmentRefusal::Taken {
        item: assignment.item(item),
        host: grant.host.clone(),
        number: grant.number,
    };
    let unsound = |text: &str| AssignmentRefusal::Unsound(format!("item {item}: {text}"));
    if let (ItemStep::Give, Some(grant)) = (step, &now) {
        return Err(taken(grant));
    }
    let held = now.filter(|grant| grant.number == change.number);
    let grant = match (step, held, &change.to) {
        (ItemStep::Give, _, Some(to)) => {
            let number = numbers.next();
            let (host, address) = (to.host.clone(), to.address.clone());
            let (instance, generation) = (to.instance, to.generation);
            let state = ItemState::Given.into();
            let grant = ItemGrant {
                item,
                instance,
                generation,
                host,
                address,
                state,
                number,
                changed: number,
            };
            grants.insert(item, grant.clone());
            grant
        }
        (ItemStep::Hold, Some(grant), _) if grant.state() == ItemState::Given => {
            grant.state = ItemState::Held.into();
            grant.clone()
        }
        (ItemStep::Leave, Some(grant), _) if grant.state() != ItemState::Leaving => {
            grant.state = ItemState::Leaving.into();
            grant.changed = numbers.next();
            grant.clone()
        }
        (ItemStep::Release | ItemStep::Lapse, Some(grant), _) => {
            let grant = grant.clone();
            grants.remove(&item);
            grant
        }
        (ItemStep::TakeOver, Some(grant), Some(to)) => {
            if to.instance != grant.instance || to.generation <= grant.generation {
                return Err(taken(grant));
            }
            (grant.generation, grant.number) = (to.generation, numbers.next());
            (grant.changed, grant.address) = (grant.number, to.address.clone());
            grant.state = ItemState::Given.into();
            grant.clone()
        }
        _ => return Err(unsound("it is not as the change takes it to be")),
    };
    Ok(Done { step, grant })
}

#[cfg(test)]
mod tests;
