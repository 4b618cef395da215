//! The counterexamples of GENESIS section 5 that concern founding, by their names, played against the rules.
//!
//! Where the rules are said to hold, at most one record is founded. Where a run is said to break (P1, Q1, P6, Q4), it
//! must break here too, or the test proves nothing; then the margin alarm must have been there before.

mod founding_world;

use founding_world::{SECOND, World};
use quorate_membership::Mode;

fn apart(world: &mut World, left: &[usize], right: &[usize]) {
    for a in left {
        for b in right {
            world.part(*a, *b);
        }
    }
}

#[test]
fn a1_five_founders_that_see_each_other_in_part_found_one_cluster() {
    for seed in 0..50 {
        let mut world = World::new(seed, Mode::Majority, 5, 0);
        // f1 sees {1,2,5}, f2 sees {2,4,5}.
        apart(&mut world, &[0], &[2, 3]);
        apart(&mut world, &[1], &[2]);
        apart(&mut world, &[2], &[3, 4]);
        (0..5).for_each(|host| world.start(host));
        world.run_for(20 * SECOND);
        assert_eq!(world.founded.len(), 1, "seed {seed}");
        world.heal_all();
        world.run_for(5 * SECOND);
        assert_eq!(world.founded.len(), 1, "seed {seed}");
        assert!(world.all_founded(&[0, 1, 2, 3, 4]));
    }
}

/// f1 and f2 found without f3; f2's disk is lost while f1 is cut off; f2' and f3 are alone.
fn lose_f2_of_three(seed: u64, mode: Mode, third_has_heard: bool, keep_marker: bool) -> World {
    let mut world = World::new(seed, mode, 3, 0);
    world.start(0);
    world.start(1);
    if mode == Mode::Durable || third_has_heard {
        world.start(2);
    }
    world.run_for(6 * SECOND);
    assert_eq!(world.founded.len(), 1, "a first birth");
    apart(&mut world, &[0], &[1, 2]);
    world.wipe(1, keep_marker);
    world.start(1);
    if world.hosts[2].run.is_none() {
        world.start(2);
    }
    world.run_for(20 * SECOND);
    world
}

#[test]
fn a2_three_founders_and_one_wipe_within_the_margin_found_one_cluster() {
    for seed in 0..50 {
        for mode in [Mode::Majority, Mode::Durable] {
            let mut world = lose_f2_of_three(seed, mode, true, false);
            assert_eq!(world.founded.len(), 1, "{mode}, seed {seed}");
            assert!(world.outcome_is_founded(1), "the wiped host was healed by the third");
            world.heal_all();
            world.run_for(5 * SECOND);
            assert_eq!(world.founded.len(), 1, "{mode}, seed {seed}");
        }
    }
}

#[test]
fn p1_with_two_of_three_a_wipe_before_the_third_has_heard_breaks_it_after_the_alarm() {
    let world = lose_f2_of_three(1, Mode::Majority, false, false);
    assert_eq!(world.founded.len(), 2, "the bound is tight");
    assert!(world.alarm_before_second);
    assert!(world.hosts[0].alarms.iter().any(|(code, _)| *code == "margin"));
}

#[test]
fn p1_with_the_marker_kept_the_wiped_host_only_rejoins() {
    for seed in 0..50 {
        let mut world = lose_f2_of_three(seed, Mode::Majority, false, true);
        assert_eq!(world.founded.len(), 1);
        assert!(world.codes(1).contains(&"marker"));
        assert!(world.joins(1) && world.joins(2));
        world.heal_all();
        world.run_for(5 * SECOND);
        assert!(world.all_founded(&[0, 1, 2]));
        assert_eq!(world.founded.len(), 1);
    }
}

#[test]
fn p1_once_it_is_healed_both_sides_of_two_clusters_raise_the_alarm() {
    let mut world = lose_f2_of_three(1, Mode::Majority, false, false);
    world.heal_all();
    world.run_for(5 * SECOND);
    for host in 0..3 {
        assert!(world.hosts[host].alarms.iter().any(|(code, _)| *code == "two-clusters"));
        assert_eq!(world.codes(host), ["two-clusters"]);
    }
}

#[test]
fn q1_with_three_of_five_a_wipe_before_the_rest_has_heard_breaks_it_after_the_alarm() {
    let mut world = World::new(2, Mode::Majority, 5, 0);
    (0..3).for_each(|host| world.start(host));
    world.run_for(6 * SECOND);
    assert_eq!(world.voters(0), [0, 1, 2]);
    assert!(world.margin(0).alarm);
    apart(&mut world, &[0, 1], &[2, 3, 4]);
    world.wipe(2, false);
    (2..5).for_each(|host| world.start(host));
    world.run_for(20 * SECOND);
    assert_eq!(world.founded.len(), 2, "the bound is tight");
    assert!(world.alarm_before_second);
}

#[test]
fn p6_three_of_three_breaks_only_when_all_three_disks_forget() {
    for lost in 1..=3 {
        let mut world = World::new(3, Mode::Durable, 3, 0);
        (0..3).for_each(|host| world.start(host));
        world.run_for(SECOND);
        assert_eq!(world.margin(0).disks, 2);
        (0..lost).for_each(|host| world.wipe(host, false));
        (0..lost).for_each(|host| world.start(host));
        world.run_for(20 * SECOND);
        assert_eq!(world.founded.len(), if lost == 3 { 2 } else { 1 }, "{lost} lost");
    }
}

#[test]
fn q4_three_of_four_breaks_with_two_forgetful_disks_and_not_with_one() {
    for lost in [1, 2] {
        let mut world = World::new(4, Mode::Durable, 4, 0);
        (0..3).for_each(|host| world.start(host));
        world.run_for(6 * SECOND);
        assert_eq!(world.voters(0), [0, 1, 2]);
        assert_eq!(world.margin(0).disks, 1);
        let keeps: Vec<usize> = (0..3 - lost).collect();
        let rest: Vec<usize> = (3 - lost..4).collect();
        apart(&mut world, &keeps, &rest);
        (3 - lost..3).for_each(|host| world.wipe(host, false));
        rest.iter().for_each(|host| world.start(*host));
        world.run_for(20 * SECOND);
        assert_eq!(world.founded.len(), lost, "{lost} lost");
    }
}

#[test]
fn d1_a_wiped_promiser_is_a_new_life_and_never_the_same_voter() {
    let mut world = World::new(5, Mode::Majority, 3, 0);
    (0..3).for_each(|host| world.start(host));
    world.run_for(SECOND);
    let record = world.hosts[0].disk.founded.clone().expect("founded").record;
    let old = world.hosts[2].instance;
    world.wipe(2, false);
    world.start(2);
    world.run_for(SECOND);
    assert!(world.outcome_is_founded(2), "it has heard");
    let new = world.hosts[2].instance;
    assert!(record.voters.iter().any(|voter| voter.instance == old));
    assert!(!record.voters.iter().any(|voter| voter.instance == new), "learner, not voter");
    let cluster_id = record.cluster_id();
    let ids = [quorate_proto::raft_id(cluster_id, old), quorate_proto::raft_id(cluster_id, new)];
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn d3_an_answer_given_before_is_a_promise_and_no_evidence_for_a_second_history() {
    // f3 heard "fresh" from f1; f1 and f2 found; f2 is wiped; f3 and f2' must end in f1's cluster or wait.
    for seed in 0..50 {
        let mut world = World::new(seed, Mode::Durable, 3, 0);
        (0..3).for_each(|host| world.start(host));
        world.run_until(SECOND, |world| world.hosts[0].disk.accepted.is_some());
        world.part(0, 2);
        world.run_for(seed * 100);
        apart(&mut world, &[0], &[1]);
        world.wipe(1, false);
        world.start(1);
        world.run_for(20 * SECOND);
        world.heal_all();
        world.run_for(20 * SECOND);
        assert_eq!(world.founded.len(), 1, "seed {seed}");
        assert!(world.all_founded(&[0, 1, 2]), "seed {seed}");
    }
}

#[test]
fn l1_an_ordinary_start_without_faults_never_gets_stuck() {
    for seed in 0..200 {
        for mode in [Mode::Majority, Mode::Durable] {
            let mut world = World::new(seed, mode, 3, 0);
            world.slowest = 200_000;
            world.slowest_write = 100_000;
            for host in 0..3 {
                world.start(host);
                let pause = world.random.below(2 * SECOND);
                world.run_for(pause);
            }
            let done = world.run_until(20 * SECOND, |world| world.all_founded(&[0, 1, 2]));
            assert!(done.is_some(), "seed {seed}");
            assert_eq!(world.founded.len(), 1);
        }
    }
}
