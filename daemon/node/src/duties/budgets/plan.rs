//! What changes of a budget's grants are due: facts in, changes out. Pure.
//!
//! Shrink, acknowledge, then grow: nobody grows into what another's application may still use. What is counted falls only where it was
//! acknowledged or has lapsed, and it rises only as far as there is room.

use crate::duties::shared::divide::{Claim, Tie, divide};
use crate::duties::shared::hosts::Host;
use crate::duties::shared::together::{Sharer, divide_together};
use quorate_proto::{BudgetRecord, Generation, Grant, Instance};
use std::collections::{BTreeMap, BTreeSet};

/// What became of a grant since it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It counts as it stands.
    Stands,
    /// Its application says that it uses no more than its share.
    WithinShare,
    /// The deadlines are over that its application was told before its share shrank: it may use no more than the share, or the reserve, which
    /// is so much and has no deadline.
    WithinTime { reserve: u64 },
    /// Nobody uses more of it than the reserve, which is so much.
    Lapsed { keeps: u64 },
    /// The next start of the holder takes it over: its application knows of that.
    TakenOver(Generation),
}

/// The one whose rules are those of all classes of a budget: one that is to go has those of an earlier definition.
pub(super) fn rules_of<'a>(records: &[&'a BudgetRecord]) -> Option<&'a BudgetRecord> {
    records.iter().find(|record| !record.removing).or(records.first()).copied()
}

/// What each host is to have: of a budget, or of each class of one.
pub(super) fn shares(
    records: &[&BudgetRecord],
    hosts: &[Host],
    use_of: impl Fn(&BudgetRecord, &Grant) -> Use,
) -> Vec<Vec<u64>> {
    let there: BTreeSet<Instance> = hosts.iter().map(|host| host.instance).collect();
    let amount = |record: &&BudgetRecord| {
        // What stays with those who are gone is not divided.
        let gone = record.grants.iter().filter(|grant| !there.contains(&grant.instance));
        let counted = gone.map(|grant| as_used(grant, use_of(record, grant)).counted);
        let elsewhere: u64 = counted.map(|it| it.min(record.budget.reserve)).sum();
        record.limit().saturating_sub(elsewhere)
    };
    let amounts: Vec<u64> = records.iter().map(amount).collect();
    let Some(rules) = rules_of(records) else { return Vec::new() };
    let told = |record: &BudgetRecord, host: &Host| {
        record.grant(host.instance).map_or(0, |grant| grant.told)
    };
    let Some(family) = rules.family() else {
        let claim = |host: &Host| Claim {
            tie: Tie::of(&rules.budget.name, host.instance),
            weight: host.weight,
            holds: told(rules, host),
        };
        let claims: Vec<Claim> = hosts.iter().map(claim).collect();
        return amounts.iter().map(|it| divide(*it, rules.budget.min, &claims)).collect();
    };
    let sharer = |host: &Host| Sharer {
        tie: Tie::of(family, host.instance),
        weight: host.weight,
        holds: records.iter().map(|record| told(record, host)).collect(),
    };
    let sharers: Vec<Sharer> = hosts.iter().map(sharer).collect();
    divide_together(&amounts, rules.budget.min, &sharers)
}

/// The changes that are due now, with these `shares` of the hosts; the grant of each holder occurs once at most. `limit`: all grants together
/// grow to that at most.
pub(super) fn plan(
    record: &BudgetRecord,
    hosts: &[Host],
    shares: &[u64],
    limit: u64,
    use_of: impl Fn(&Grant) -> Use,
) -> Vec<Grant> {
    let used = |grant: &Grant| (as_used(grant, use_of(grant)), use_of(grant));
    let mut grants: Vec<(Grant, Use)> = record.grants.iter().map(used).collect();
    for host in hosts.iter().filter(|host| record.grant(host.instance).is_none()) {
        let none = Grant { instance: host.instance, host: host.name.clone(), ..Grant::default() };
        grants.push((none, Use::Lapsed { keeps: 0 }));
    }
    let places = hosts.iter().enumerate().map(|(at, host)| (host.instance, at));
    let places: BTreeMap<Instance, usize> = places.collect();
    let place_of = |grant: &Grant| places.get(&grant.instance).copied();
    let share_of = |grant: &Grant| place_of(grant).map(|at| (&hosts[at], shares[at]));
    for (grant, _) in &mut grants {
        shrink(grant, share_of(grant));
    }
    let counted: u64 = grants.iter().map(|(grant, _)| grant.counted).sum();
    let mut room = limit.saturating_sub(counted);
    for (grant, used) in &mut grants {
        let Some((host, share)) = share_of(grant) else { continue };
        // What an earlier start of the host may use is taken over, or lapses, before it is another's.
        let lapsed = matches!(used, Use::Lapsed { .. });
        if lapsed && grant.counted > 0 {
            // All that its application keeps is the reserve, which it has from the host and not from one start of the daemon.
            grant.generation = host.generation;
        }
        if lapsed || grant.generation == host.generation {
            room -= grow(grant, host, share, room, record.budget.min);
        }
    }
    let changed = |grant: &Grant| {
        let same = |it: &Grant| {
            (it.told, it.counted, it.generation) == (grant.told, grant.counted, grant.generation)
        };
        record.grant(grant.instance).map_or(grant.counted > 0, |before| !same(before))
    };
    grants.into_iter().map(|(grant, _)| grant).filter(changed).collect()
}

fn as_used(grant: &Grant, used: Use) -> Grant {
    let mut grant = grant.clone();
    match used {
        Use::Stands => {}
        Use::WithinShare => grant.counted = grant.told,
        Use::WithinTime { reserve } => grant.counted = grant.told.max(grant.counted.min(reserve)),
        Use::Lapsed { keeps } => {
            grant.counted = grant.counted.min(keeps);
            grant.told = grant.counted;
        }
        Use::TakenOver(generation) => grant.generation = generation,
    }
    grant
}

/// Tells a holder that its share is smaller. Of those who are gone nobody hears it: their grants lapse.
fn shrink(grant: &mut Grant, share: Option<(&Host, u64)>) {
    let Some((host, share)) = share else { return };
    if grant.generation == host.generation {
        grant.told = grant.told.min(share);
    }
    // Nothing is counted where nothing was granted.
    grant.told = grant.told.min(grant.counted);
}

/// Raises a share, and what counts as far as there is room. Gives how much of it that takes.
fn grow(grant: &mut Grant, host: &Host, share: u64, room: u64, min: u64) -> u64 {
    let takes = share.saturating_sub(grant.counted).min(room);
    let now = share.min(grant.counted + takes);
    if now <= grant.told || now < min {
        return 0;
    }
    grant.counted += takes;
    grant.told = now;
    grant.host.clone_from(&host.name);
    grant.generation = host.generation;
    takes
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_proto::Budget;

    fn life(number: u8) -> Instance {
        Instance::from_bytes([number; 16])
    }

    fn host(number: u8, generation: u64, weight: u64) -> Host {
        let generation = Generation::new(generation);
        let (zone, address) = (String::new(), String::new());
        Host {
            instance: life(number),
            generation,
            name: format!("n{number}"),
            weight,
            zone,
            address,
        }
    }

    fn record(grants: &[(u8, u64, u64)]) -> BudgetRecord {
        let budget = Budget { max: 30, ..Budget::default() };
        let grant = |(number, told, counted): &(u8, u64, u64)| Grant {
            instance: life(*number),
            generation: Generation::new(1),
            told: *told,
            counted: *counted,
            ..Grant::default()
        };
        let grants = grants.iter().map(grant).collect();
        BudgetRecord { budget, grants, ..BudgetRecord::default() }
    }

    fn changes(
        record: &BudgetRecord,
        hosts: &[Host],
        use_of: impl Fn(&Grant) -> Use,
    ) -> Vec<Grant> {
        let shares = shares(&[record], hosts, |_, grant| use_of(grant));
        plan(record, hosts, &shares[0], record.limit(), use_of)
    }

    /// Who is told what, and what counts.
    fn planned(
        record: &BudgetRecord,
        hosts: &[Host],
        use_of: impl Fn(u8) -> Use,
    ) -> Vec<(u8, u64, u64)> {
        let number = |grant: &Grant| grant.instance.to_bytes()[0];
        let changes = changes(record, hosts, |grant| use_of(number(grant)));
        changes.iter().map(|it| (number(it), it.told, it.counted)).collect()
    }

    const STANDS: fn(u8) -> Use = |_| Use::Stands;

    #[test]
    fn a_share_grows_only_once_the_other_has_let_go() {
        let two = [host(1, 1, 1), host(2, 1, 1)];
        let mut now = record(&[(1, 30, 30)]);
        assert_eq!(planned(&now, &two, STANDS), [(1, 15, 30)], "told, and counted as before");
        now.grants[0].told = 15;
        assert!(planned(&now, &two, STANDS).is_empty(), "it has not let go");
        let acknowledged = |_| Use::WithinShare;
        assert_eq!(planned(&now, &two, acknowledged), [(1, 15, 15), (2, 15, 15)]);
    }

    #[test]
    fn what_a_dead_host_may_use_is_nobodys_until_it_has_lapsed() {
        let now = record(&[(1, 15, 15), (2, 15, 15)]);
        let left = [host(1, 1, 1)];
        assert!(planned(&now, &left, STANDS).is_empty());
        let lapsed = |number| if number == 2 { Use::Lapsed { keeps: 0 } } else { Use::Stands };
        assert_eq!(planned(&now, &left, lapsed), [(1, 30, 30), (2, 0, 0)]);
    }

    #[test]
    fn a_reserve_stays_with_the_host_that_is_gone_and_is_divided_no_more() {
        let mut now = record(&[(1, 15, 15), (2, 15, 15)]);
        now.budget.reserve = 4;
        let keeps = now.budget.reserve;
        let lapsed = |number| if number == 2 { Use::Lapsed { keeps } } else { Use::Stands };
        assert_eq!(planned(&now, &[host(1, 1, 1)], lapsed), [(1, 26, 26), (2, 4, 4)]);
    }

    #[test]
    fn time_alone_takes_no_reserve_from_who_is_told_of_less() {
        let mut now = record(&[(1, 15, 15), (2, 2, 15)]);
        now.budget.reserve = 4;
        let hosts = [host(1, 1, 1), host(2, 1, 0)];
        let then = |used: Use| move |number| if number == 2 { used } else { Use::Stands };
        let in_time = then(Use::WithinTime { reserve: 4 });
        assert_eq!(planned(&now, &hosts, in_time), [(1, 26, 26), (2, 0, 4)]);
        assert_eq!(planned(&now, &hosts, then(Use::WithinShare)), [(1, 28, 28), (2, 0, 2)]);
    }

    #[test]
    fn the_next_start_of_a_host_keeps_the_reserve_of_the_one_before_whatever_its_share() {
        let mut now = record(&[(1, 15, 15), (2, 15, 15)]);
        now.budget.reserve = 4;
        let hosts = [host(1, 1, 9), host(2, 2, 1)];
        let keeps = now.budget.reserve;
        let lapsed = |number| if number == 2 { Use::Lapsed { keeps } } else { Use::Stands };
        let changes = changes(&now, &hosts, |grant| lapsed(grant.instance.to_bytes()[0]));
        let second = changes.iter().find(|grant| grant.instance == life(2)).expect("it changed");
        assert_eq!(
            second.generation,
            Generation::new(2),
            "it is no longer told that it was restarted"
        );
        assert_eq!((second.told, second.counted), (4, 4), "and is told of less next");
    }

    #[test]
    fn the_next_start_of_a_host_gets_its_grant_once_that_is_taken_over_or_lapsed() {
        let now = record(&[(1, 15, 15), (2, 15, 15)]);
        let hosts = [host(1, 1, 1), host(2, 2, 1)];
        assert!(planned(&now, &hosts, STANDS).is_empty());
        let then = |used: Use| move |number| if number == 2 { used } else { Use::Stands };
        let next = Generation::new(2);
        assert_eq!(planned(&now, &hosts, then(Use::TakenOver(next))), [(2, 15, 15)]);
        assert_eq!(planned(&now, &hosts, then(Use::Lapsed { keeps: 0 })), [(2, 15, 15)]);
    }

    #[test]
    fn a_host_without_weight_is_told_to_let_go_and_keeps_nothing() {
        let mut now = record(&[(1, 15, 15), (2, 15, 15)]);
        let hosts = [host(1, 1, 1), host(2, 1, 0)];
        assert_eq!(planned(&now, &hosts, STANDS), [(2, 0, 15)]);
        now.grants[1].told = 0;
        assert!(planned(&now, &hosts, STANDS).is_empty());
        assert_eq!(planned(&now, &hosts, |_| Use::WithinShare), [(1, 30, 30), (2, 0, 0)]);
    }

    #[test]
    fn a_budget_that_goes_is_taken_from_all_and_a_lower_one_grows_nobody() {
        let mut now = record(&[(1, 15, 15), (2, 15, 15)]);
        now.budget.max = 20;
        let hosts = [host(1, 1, 1), host(2, 1, 1), host(3, 1, 1)];
        let changes = planned(&now, &hosts, STANDS);
        assert_eq!(changes, [(1, 7, 15), (2, 7, 15)], "nobody grows");
        now.removing = true;
        assert_eq!(planned(&now, &hosts, STANDS), [(1, 0, 15), (2, 0, 15)]);
    }

    #[test]
    fn classes_are_divided_together_and_what_stays_with_a_host_that_is_gone_is_of_its_class() {
        let class = |name: &str, max, grants: &[(u8, u64, u64)]| {
            let mut record = record(grants);
            (record.budget.name, record.budget.max) = (format!("pg:{name}"), max);
            (record.budget.reserve, record.whole) = (2, 30);
            record
        };
        let hosts = [host(1, 1, 1), host(2, 1, 1), host(3, 1, 1)];
        let divided = |app: &BudgetRecord, report: &BudgetRecord, hosts: &[Host]| {
            let lapsed = |_: &BudgetRecord, _: &Grant| Use::Lapsed { keeps: 2 };
            let shares = shares(&[app, report], hosts, lapsed);
            let total = |at: usize| shares[0][at] + shares[1][at];
            (0..hosts.len()).map(total).collect::<Vec<u64>>()
        };
        let (app, report) = (class("app", 20, &[]), class("report", 10, &[]));
        assert_eq!(divided(&app, &report, &hosts), [10, 10, 10]);
        let app = class("app", 20, &[(9, 7, 7)]);
        assert_eq!(divided(&app, &report, &hosts[..2]), [14, 14], "two of them stay there");
        let mut report = report;
        report.removing = true;
        assert_eq!(divided(&app, &report, &hosts[..2]), [9, 9], "a class that goes is nobody's");
    }
}
