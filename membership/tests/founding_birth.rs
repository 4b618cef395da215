//! Births without faults, or with one host that never comes: who is a voter, and how soon.

mod founding_world;

use founding_world::{SECOND, World};
use quorate_membership::{Mode, Outcome};
use quorate_proto::Moment;
use std::time::Duration;

fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for order in orders(n - 1) {
        for place in 0..=order.len() {
            let mut longer = order.clone();
            longer.insert(place, n - 1);
            all.push(longer);
        }
    }
    all
}

#[test]
fn every_start_order_of_1_2_3_and_5_seeds_founds_once_with_all_as_voters() {
    for mode in [Mode::Majority, Mode::Durable] {
        for n in [1, 2, 3, 5] {
            for (number, order) in orders(n).into_iter().enumerate() {
                let mut world = World::new(number as u64, mode, n, 0);
                for (place, host) in order.iter().enumerate() {
                    world.start(*host);
                    let last = place + 1 == n;
                    world.run_for(if last { 0 } else { 700_000 });
                }
                let everyone: Vec<usize> = (0..n).collect();
                let took = world.run_until(SECOND, |world| world.all_founded(&everyone));
                assert!(took.is_some_and(|took| took < 100_000), "{mode} {order:?}: {took:?}");
                assert_eq!(world.voters(0).len(), n, "{mode} {order:?}");
                world.run_for(2 * SECOND);
                assert_eq!(world.founded.len(), 1);
                for host in &everyone {
                    assert_eq!(world.margin(*host).known as usize, n);
                    assert!(
                        world.hosts[*host].alarms.is_empty(),
                        "{:?}",
                        world.hosts[*host].alarms
                    );
                    assert!(world.codes(*host).is_empty());
                }
            }
        }
    }
}

#[test]
fn a_majority_waits_for_the_grace_and_founds_without_the_one_that_never_comes() {
    for (n, missing) in [(3, 0), (3, 1), (3, 2), (5, 0), (5, 4)] {
        let mut world = World::new(9, Mode::Majority, n, 0);
        let up: Vec<usize> = (0..n).filter(|host| *host != missing).collect();
        up.iter().for_each(|host| world.start(*host));
        let took = world.run_until(10 * SECOND, |world| world.all_founded(&up));
        let took = took.expect("founded");
        assert!((3 * SECOND..4 * SECOND).contains(&took), "took {took}");
        assert_eq!(world.voters(up[0]).len(), n - 1);
        world.run_for(2 * SECOND);
        let alarmed = n == 3;
        for host in &up {
            assert_eq!(world.margin(*host).alarm, alarmed);
            let heard = world.hosts[*host].alarms.iter().any(|(code, _)| *code == "margin");
            assert_eq!(heard, alarmed);
        }
        world.start(missing);
        let late = world.run_until(5 * SECOND, |world| world.outcome_is_founded(missing));
        assert!(late.is_some_and(|late| late < SECOND), "healed in {late:?}");
        world.run_for(2 * SECOND);
        assert!(!world.margin(up[0]).alarm, "the third has heard");
        assert_eq!(world.founded.len(), 1);
    }
}

#[test]
fn durable_mode_never_founds_with_fewer_than_its_quorum() {
    for (n, q) in [(2, 2), (3, 3), (5, 4), (7, 6)] {
        let mut world = World::new(3, Mode::Durable, n, 0);
        (0..q - 1).for_each(|host| world.start(host));
        world.run_for(60 * SECOND);
        assert!(world.founded.is_empty());
        assert!(world.codes(0).contains(&"too-few"));
        world.start(q - 1);
        let everyone: Vec<usize> = (0..q).collect();
        assert!(world.run_until(5 * SECOND, |world| world.all_founded(&everyone)).is_some());
    }
}

#[test]
fn a_minority_waits_for_ever() {
    for (n, up) in [(2, 1), (3, 1), (5, 2), (7, 3)] {
        let mut world = World::new(3, Mode::Majority, n, 0);
        (0..up).for_each(|host| world.start(host));
        world.run_for(600 * SECOND);
        assert!(world.founded.is_empty());
        assert!(world.codes(0).contains(&"too-few"));
        assert!(world.codes(0).contains(&"no-answer"));
    }
}

#[test]
fn a_seed_that_leaves_during_the_grace_restarts_it() {
    let mut world = World::new(4, Mode::Majority, 3, 0);
    world.start(0);
    world.start(1);
    world.run_for(2 * SECOND);
    world.crash(1);
    world.run_for(SECOND / 2);
    world.start(1);
    let took = world.run_until(10 * SECOND, |world| world.outcome_is_founded(0));
    assert!(took.is_some_and(|took| took >= 3 * SECOND), "{took:?}");
}

#[test]
fn the_quiet_time_comes_before_a_ballot_and_lets_a_living_cluster_veto() {
    let mut world = World::new(5, Mode::Majority, 1, 0);
    world.quiet = Duration::from_secs(1);
    world.start(0);
    world.run_for(900_000);
    assert_eq!(world.hosts[0].persists, 0, "nothing is promised in the quiet time");
    world.run_for(SECOND);
    assert!(world.outcome_is_founded(0));
}

#[test]
fn a_host_that_is_no_seed_hears_of_the_birth_and_is_handed_the_record() {
    let mut world = World::new(6, Mode::Majority, 3, 1);
    world.start(3);
    world.run_for(SECOND);
    assert_eq!(world.codes(3), ["own-slot", "no-answer", "no-answer", "no-answer", "too-few"]);
    (0..3).for_each(|host| world.start(host));
    assert!(world.run_until(2 * SECOND, |world| world.outcome_is_founded(3)).is_some());
    let run = world.hosts[3].run.as_ref().expect("running");
    let Outcome::Founded(founded) = run.outcome() else { panic!("founded") };
    assert!(founded.record.voters.iter().all(|voter| voter.slot < 3));
}

#[test]
fn a_restart_after_the_birth_stays_founded_and_tells_nobody_twice() {
    let mut world = World::new(7, Mode::Majority, 3, 0);
    (0..3).for_each(|host| world.start(host));
    world.run_for(SECOND);
    for host in 0..3 {
        world.crash(host);
        world.start(host);
        let run = world.hosts[host].run.as_ref().expect("running");
        assert!(matches!(run.outcome(), Outcome::Founded(_)));
        assert!(run.reasons(Moment::from_micros(world.now)).is_empty());
    }
    world.run_for(5 * SECOND);
    assert_eq!(world.founded.len(), 1);
    assert_eq!(world.margin(1).disks, 1);
}
