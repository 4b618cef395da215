//! What changes of an assignment's items are due: facts in, changes out. Pure.
//!
//! Ask to let go, hear that it has, then give: an item is freed only where its holder's application has let go, or may use it no more, and
//! only what is free is given.

use super::spread::{Place, Seat, spread};
use crate::duties::shared::divide::Tie;
use crate::duties::shared::hosts::Host;
use quorate_proto::{
    AssignmentRecord, Generation, ItemChange, ItemGrant, ItemHolder, ItemState, ItemStep,
};

/// What became of a grant since it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// As it stands.
    Stands,
    /// Its holder has told its application.
    Taken,
    /// Its application has let go.
    Released,
    /// Nobody may use it any more.
    Lapsed,
    /// The next start of the holder takes it over: its application was told anew.
    TakenOver(Generation),
}

/// The changes that are due now, in an order in which they can be carried out.
pub(super) fn plan(
    record: &AssignmentRecord,
    hosts: &[Host],
    may_give: bool,
    use_of: impl Fn(&ItemGrant) -> Use,
) -> Vec<ItemChange> {
    let items = u32::try_from(record.assignment.items()).unwrap_or(0);
    let mut places = Vec::new();
    let mut changes = Vec::new();
    for item in 0..items {
        let grant = record.grant(item);
        let used = grant.map(|grant| (grant, use_of(grant)));
        places.push(place(used, hosts));
        changes.extend(used.and_then(|(grant, used)| settled(grant, used, hosts, record.removing)));
    }
    let seat = |host: &Host| Seat {
        tie: Tie::of(&record.assignment.name, host.instance),
        weight: if record.removing { 0 } else { host.weight },
        zone: host.zone.clone(),
    };
    let seats: Vec<Seat> = hosts.iter().map(seat).collect();
    let to = spread(&seats, &places, record.assignment.rebalance());
    for ((item, place), to) in (0..items).zip(&places).zip(to) {
        match (place, to, record.grant(item)) {
            (Place::Free, Some(to), _) if may_give => {
                changes.push(change(item, 0, ItemStep::Give, Some(&hosts[to])));
            }
            (Place::With(seat), to, Some(grant)) if to != Some(*seat) => {
                // What else becomes of it does not matter any more.
                changes.retain(|change| change.item != item);
                changes.push(change(item, grant.number, ItemStep::Leave, None));
            }
            _ => {}
        }
    }
    changes
}

/// Where an item is for the spread.
fn place(used: Option<(&ItemGrant, Use)>, hosts: &[Host]) -> Place {
    match used {
        None | Some((_, Use::Released | Use::Lapsed)) => Place::Free,
        Some((grant, _)) if grant.state() == ItemState::Leaving => Place::Away,
        Some((grant, _)) => {
            let seat = hosts.iter().position(|host| host.instance == grant.instance);
            seat.map_or(Place::Away, Place::With)
        }
    }
}

/// What follows from what became of a grant, before anybody is asked to let go.
fn settled(grant: &ItemGrant, used: Use, hosts: &[Host], removing: bool) -> Option<ItemChange> {
    let one = |step| Some(change(grant.item, grant.number, step, None));
    match used {
        Use::Released => one(ItemStep::Release),
        Use::Lapsed => one(ItemStep::Lapse),
        Use::Taken if grant.state() == ItemState::Given => one(ItemStep::Hold),
        Use::TakenOver(generation) if grant.state() != ItemState::Leaving && !removing => {
            let host = hosts.iter().find(|it| it.instance == grant.instance)?;
            // Nothing is given to a start that is not committed.
            let known = host.generation == generation;
            known.then(|| change(grant.item, grant.number, ItemStep::TakeOver, Some(host)))
        }
        Use::Taken | Use::TakenOver(_) | Use::Stands => None,
    }
}

fn change(item: u32, number: u64, step: ItemStep, to: Option<&Host>) -> ItemChange {
    let to = to.map(|host| ItemHolder {
        instance: host.instance,
        generation: host.generation,
        host: host.name.clone(),
        address: host.address.clone(),
    });
    ItemChange { item, number, step: step.into(), to }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_proto::{Assignment, Instance, Rebalance};

    fn life(number: u8) -> Instance {
        Instance::from_bytes([number; 16])
    }

    fn host(number: u8, generation: u64, weight: u64) -> Host {
        let (generation, name) = (Generation::new(generation), format!("n{number}"));
        let (zone, address) = (String::new(), format!("10.0.0.{number}"));
        Host { instance: life(number), generation, name, weight, zone, address }
    }

    /// Items, each with its holder and state; 0: with none.
    fn record(held: &[(u8, ItemState)]) -> AssignmentRecord {
        let count = u32::try_from(held.len()).expect("few");
        let assignment = Assignment { count, ..Assignment::default() };
        let grant = |(item, (number, state)): (u32, &(u8, ItemState))| ItemGrant {
            item,
            instance: life(*number),
            generation: Generation::new(1),
            state: (*state).into(),
            number: u64::from(item) + 1,
            ..ItemGrant::default()
        };
        let grants = (0..).zip(held).filter(|(_, (number, _))| *number > 0).map(grant).collect();
        AssignmentRecord { assignment, grants, ..AssignmentRecord::default() }
    }

    /// What happens to which item, and to whom it goes.
    fn planned(
        record: &AssignmentRecord,
        hosts: &[Host],
        use_of: impl Fn(u32) -> Use,
    ) -> Vec<(u32, ItemStep, u8)> {
        let changes = plan(record, hosts, true, |grant| use_of(grant.item));
        let to = |change: &ItemChange| change.to.as_ref().map_or(0, |to| to.instance.to_bytes()[0]);
        changes.iter().map(|it| (it.item, it.step(), to(it))).collect()
    }

    use ItemState::{Given, Held, Leaving};
    use ItemStep::{Give, Hold, Lapse, Leave, Release, TakeOver};

    const STANDS: fn(u32) -> Use = |_| Use::Stands;

    #[test]
    fn what_a_dead_host_held_is_nobodys_until_it_has_lapsed() {
        let now = record(&[(1, Held), (2, Held)]);
        let left = [host(1, 1, 1)];
        assert!(planned(&now, &left, STANDS).is_empty());
        let lapsed = |item| if item == 1 { Use::Lapsed } else { Use::Stands };
        assert_eq!(planned(&now, &left, lapsed), [(1, Lapse, 0), (1, Give, 1)]);
    }

    #[test]
    fn an_item_that_moves_is_asked_back_first_and_given_once_it_was_let_go() {
        let mut now = record(&[(1, Held), (1, Held), (1, Held), (1, Held)]);
        now.assignment.rebalance = Rebalance::Eager.into();
        let two = [host(1, 1, 1), host(2, 1, 1)];
        assert_eq!(planned(&now, &two, STANDS), [(2, Leave, 0), (3, Leave, 0)]);
        now = record(&[(1, Held), (1, Held), (1, Leaving), (1, Leaving)]);
        assert!(planned(&now, &two, STANDS).is_empty(), "it has not let go");
        let let_go = |item| if item == 2 { Use::Released } else { Use::Stands };
        assert_eq!(planned(&now, &two, let_go), [(2, Release, 0), (2, Give, 2)]);
    }

    #[test]
    fn an_item_is_held_once_its_holder_has_told_its_application() {
        let now = record(&[(1, Given), (1, Held)]);
        let hosts = [host(1, 1, 1)];
        assert!(planned(&now, &hosts, STANDS).is_empty(), "it has not said so");
        assert_eq!(planned(&now, &hosts, |_| Use::Taken), [(0, Hold, 0)]);
    }

    #[test]
    fn the_next_start_of_a_host_takes_over_what_it_was_told_of_and_nothing_that_leaves() {
        let now = record(&[(1, Held), (1, Leaving)]);
        let second = Use::TakenOver(Generation::new(2));
        assert_eq!(planned(&now, &[host(1, 2, 1)], |_| second), [(0, TakeOver, 1)]);
        assert!(planned(&now, &[host(1, 1, 1)], |_| second).is_empty(), "it is not committed");
        assert!(planned(&now, &[], |_| second).is_empty(), "it is gone");
    }

    #[test]
    fn a_host_that_is_drained_and_an_assignment_that_goes_are_asked_to_let_go() {
        let mut now = record(&[(1, Given), (2, Held)]);
        let drained = [host(1, 1, 0), host(2, 1, 1)];
        assert_eq!(planned(&now, &drained, |_| Use::Taken), [(0, Leave, 0)]);
        now.removing = true;
        let hosts = [host(1, 1, 1), host(2, 1, 1)];
        assert_eq!(planned(&now, &hosts, STANDS), [(0, Leave, 0), (1, Leave, 0)]);
        let lapsed = planned(&now, &hosts, |_| Use::Lapsed);
        assert_eq!(lapsed, [(0, Lapse, 0), (1, Lapse, 0)], "and given to nobody");
    }

    #[test]
    fn assignments_of_one_item_do_not_all_go_to_the_same_host() {
        let (hosts, mut jobs) = ([1, 2, 3].map(|number| host(number, 1, 1)), [0; 3]);
        for job in 0..60 {
            let mut now = record(&[(0, Given)]);
            now.assignment.name = format!("job-{job}");
            let [(0, Give, to)] = planned(&now, &hosts, STANDS)[..] else { panic!("it is given") };
            jobs[usize::from(to) - 1] += 1;
        }
        assert!(jobs.iter().all(|count| *count > 10), "{jobs:?}");
    }

    #[test]
    fn nothing_is_given_while_the_leader_has_to_wait() {
        let now = record(&[(0, Given), (1, Held)]);
        let hosts = [host(1, 1, 1)];
        assert!(plan(&now, &hosts, false, |_| Use::Stands).is_empty());
        assert_eq!(planned(&now, &hosts, STANDS), [(0, Give, 1)]);
    }
}
