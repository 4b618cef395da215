//! An item is freed because what its holder did with it was ended from outside: by a fence, or by an operator.
//!
//! Invariant: only the grant that is meant goes, by its number, and only that of a host that the committed health does not count as up.
//! Knows nothing of how a use is ended.

use super::{AssignmentRefusal, Assignments, Done};
use crate::sections::holder::Holder;
use quorate_proto::{AssignmentRecord, FreeItem, ItemGrant, ItemStep};

/// The grant that is meant, if somebody holds the item.
fn meant<'a>(
    record: &'a AssignmentRecord,
    free: &FreeItem,
) -> Result<Option<&'a ItemGrant>, AssignmentRefusal> {
    let FreeItem { assignment, item, number, .. } = free;
    let named = |at: &u32| record.assignment.item(*at) == *item;
    let items = u32::try_from(record.assignment.items()).unwrap_or(0);
    let Some(at) = (0..items).find(named) else {
        let (assignment, item) = (assignment.clone(), item.clone());
        return Err(AssignmentRefusal::UnknownItem { assignment, item });
    };
    let grant = record.grant(at);
    match grant.filter(|grant| grant.number != *number) {
        None => Ok(grant),
        Some(other) => Err(AssignmentRefusal::NotThatGrant {
            item: item.clone(),
            number: *number,
            host: other.host.clone(),
            now: other.number,
        }),
    }
}

impl Assignments {
    /// What it did; none when nobody holds the item.
    pub(super) fn free(
        &mut self,
        free: &FreeItem,
        of: Holder,
    ) -> Result<Option<Done>, AssignmentRefusal> {
        let mut record = self.record(&free.assignment)?.clone();
        let Some(grant) = meant(&record, free)?.cloned() else { return Ok(None) };
        match of {
            Holder::Away | Holder::Unknown => {}
            Holder::Up => {
                let (item, host) = (free.item.clone(), grant.host);
                return Err(AssignmentRefusal::HolderUp { item, host });
            }
            Holder::WasUp => return Err(AssignmentRefusal::HolderWasUp(grant.host)),
        }
        record.grants.retain(|it| it.item != grant.item);
        record.changes += 1;
        record.version = self.numbers.next();
        self.put(record);
        Ok(Some(Done { step: ItemStep::Fenced, grant }))
    }
}
