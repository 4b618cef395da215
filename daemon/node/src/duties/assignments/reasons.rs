//! Which items nobody holds, or nobody has told its application of, and why. Knows nothing of what is done about it.

use super::Assignments;
use super::unheld::free;
use crate::duties::shared::lapse;
use crate::sight::Sight;
use quorate_proto::{
    AssignmentCause, AssignmentRecord, InScope, Instance, ItemGrant, ItemState, Member,
    MemberState, Moment, Reason,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is not as it should be for so long is told.
const LATE: Duration = Duration::from_secs(2);
/// So many items are named; of more there is the number.
const NAMED: usize = 4;

impl Assignments {
    /// What keeps items from being held, for long enough to be spoken of. Who has not said something the leader alone knows; that no host may
    /// hold an item, every replica.
    pub(crate) fn reasons(&self, sight: &Sight<'_>, now: Moment) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let assigned = sight.group.into_iter().flat_map(|group| group.meta().assignments());
        for record in assigned.map(|assigned| assigned.record()) {
            if sight.leads() {
                self.unreleased(sight, record, now, &mut reasons);
                self.untaken(record, now, &mut reasons);
            }
            self.unheld(sight, record, now, &mut reasons);
        }
        reasons
    }

    pub(super) fn unreleased(
        &self,
        sight: &Sight<'_>,
        record: &AssignmentRecord,
        now: Moment,
        reasons: &mut Vec<Reason>,
    ) {
        // One item of each host: the others follow it.
        let mut named: BTreeMap<Instance, &ItemGrant> = BTreeMap::new();
        for grant in record.grants.iter().filter(|it| it.state() == ItemState::Leaving) {
            named.entry(grant.instance).or_insert(grant);
        }
        for grant in named.into_values() {
            let since = self.known.get(&grant.number).and_then(|known| known.leaving);
            let Some(since) = since.filter(|since| now.since(*since) >= LATE) else { continue };
            let cause = AssignmentCause::Unreleased {
                assignment: record.assignment.name.clone(),
                item: record.assignment.item(grant.item),
                host: grant.host.clone(),
                number: grant.number,
                gone: gone(sight, grant.instance),
            };
            reasons.push(Reason::of(&cause, since));
        }
    }

    fn untaken(&self, record: &AssignmentRecord, now: Moment, reasons: &mut Vec<Reason>) {
        let mut by_host: BTreeMap<&str, (Vec<u32>, Moment)> = BTreeMap::new();
        for grant in record.grants.iter().filter(|it| it.state() == ItemState::Given) {
            let Some(known) = self.known.get(&grant.number) else { continue };
            if now.since(known.since) >= LATE {
                let entry = by_host.entry(&grant.host).or_insert((Vec::new(), known.since));
                entry.0.push(grant.item);
                entry.1 = entry.1.min(known.since);
            }
        }
        for (host, (items, since)) in by_host {
            let (assignment, host) = (record.assignment.name.clone(), host.to_owned());
            let items = named(record, &items);
            reasons.push(Reason::of(&AssignmentCause::Untaken { assignment, items, host }, since));
        }
    }

    fn unheld(
        &self,
        sight: &Sight<'_>,
        record: &AssignmentRecord,
        now: Moment,
        reasons: &mut Vec<Reason>,
    ) {
        let free = free(record);
        if free.is_empty() {
            return;
        }
        let (assignment, items) = (record.assignment.name.clone(), named(record, &free));
        let since = self.unheld.since(&assignment).unwrap_or(now);
        let began = self.looks.since().unwrap_or(now);
        let cause = if self.hosts(sight, record).iter().all(|host| host.weight == 0) {
            let others = in_scope(sight, record);
            AssignmentCause::NoHost { assignment, items, scope: scope(record), others }
        } else if record.waits && now < began + lapse::span(record.assignment.ttl_ms) {
            AssignmentCause::Waits { assignment, items }
        } else {
            // They are being given.
            return;
        };
        reasons.push(Reason::of(&cause, since));
    }
}

/// How the host is gone that has this disk life, if it is.
fn gone(sight: &Sight<'_>, instance: Instance) -> Option<&'static str> {
    match sight.health.member(instance).map(Member::state) {
        Some(MemberState::Alive) => None,
        Some(MemberState::Left) => Some("stopped"),
        Some(state) => Some(state.word()),
        None => Some("removed"),
    }
}

/// Who has the labels of its scope.
fn in_scope(sight: &Sight<'_>, record: &AssignmentRecord) -> InScope {
    let members = sight.health.view().members.iter();
    let fit: Vec<&Member> =
        members.filter(|member| record.assignment.is_for(&member.labels)).collect();
    match fit.iter().all(|member| member.is_witness()) {
        true if fit.is_empty() => InScope::Nobody,
        true => InScope::Witnesses(fit.iter().map(|member| member.name.clone()).collect()),
        false => InScope::Others,
    }
}

fn named(record: &AssignmentRecord, items: &[u32]) -> String {
    let name = |item: &u32| record.assignment.item(*item);
    match items {
        [item] => format!("item {}", name(item)),
        few if few.len() <= NAMED => {
            format!("items {}", few.iter().map(name).collect::<Vec<_>>().join(", "))
        }
        many => format!("{} items ({} and others)", many.len(), name(&many[0])),
    }
}

/// With a space behind it, where there is any.
fn scope(record: &AssignmentRecord) -> String {
    let label = |label: &quorate_proto::Label| format!("{}={}", label.name, label.value);
    let labels: Vec<String> = record.assignment.scope.iter().map(label).collect();
    if labels.is_empty() { String::new() } else { format!("with {} ", labels.join(" and ")) }
}
