//! Since when an assignment has had items that nobody holds, as this node saw it: every node looks, also one that does not lead.

use crate::sight::Sight;
use quorate_proto::{AssignmentRecord, Moment};
use std::collections::BTreeMap;

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Unheld {
    /// What was looked at last.
    seen: Option<u64>,
    since: BTreeMap<String, Moment>,
}

impl Unheld {
    /// Notes what has free items, if anything is committed since it looked last.
    pub(super) fn look(&mut self, sight: &Sight<'_>) {
        let Some(meta) = sight.group.map(|group| group.meta()) else { return };
        let now = Some(meta.system_revision().get());
        if std::mem::replace(&mut self.seen, now) == now {
            return;
        }
        let before = std::mem::take(&mut self.since);
        let unheld = meta.assignments().map(|it| it.record()).filter(|it| !free(it).is_empty());
        self.since = unheld
            .map(|record| {
                let name = record.assignment.name.clone();
                let since = before.get(&name).copied().unwrap_or(sight.now);
                (name, since)
            })
            .collect();
    }

    /// Since when this one has had some.
    pub(super) fn since(&self, assignment: &str) -> Option<Moment> {
        self.since.get(assignment).copied()
    }
}

/// The items that nobody holds; none of an assignment that is being removed.
pub(super) fn free(record: &AssignmentRecord) -> Vec<u32> {
    let items = u32::try_from(record.assignment.items()).unwrap_or(0);
    (0..items).filter(|item| !record.removing && record.grant(*item).is_none()).collect()
}
