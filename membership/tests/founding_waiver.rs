//! The operator's word of GENESIS rule 23: what it replaces, when it is refused, and that it never makes a second cluster.

mod founding_world;

use founding_world::one::{One, ballot, founded, record, session};
use founding_world::{Random, SECOND, World, address_of, cluster, life};
use quorate_membership::{FoundingInput, Mode, ProofError, WaiverRefused, check_founded, quorum};
use quorate_proto::{
    Accept, CannotSend, DialFailure, Moment, Prepare, Waiver, founding_message::Body,
};
use std::net::SocketAddr;
use std::time::Duration;

fn names(hosts: &[usize]) -> Vec<String> {
    hosts.iter().map(|host| format!("f{}", host + 1)).collect()
}

/// An operator at this host says that those will never come.
fn waive(world: &mut World, at: usize, without: &[usize]) -> Result<(), WaiverRefused> {
    let now = Moment::from_micros(world.now);
    let run = world.hosts[at].run.as_mut().expect("running");
    let shown = run.may_waive(&names(without))?.lives;
    run.waive(now, &names(without), &shown)?;
    world.step(at, FoundingInput::Wake);
    Ok(())
}

fn durable(n: usize, up: usize) -> World {
    let mut world = World::new(3, Mode::Durable, n, 0);
    (0..up).for_each(|host| world.start(host));
    world.run_for(10 * SECOND);
    assert!(world.founded.is_empty());
    world
}

#[test]
fn seeds_that_wait_found_without_the_ones_that_never_come_and_these_join_if_they_do() {
    for (n, up) in [(3, 2), (5, 3), (6, 4), (7, 4), (7, 5)] {
        let mut world = durable(n, up);
        let (there, missing): (Vec<usize>, Vec<usize>) = (0..n).partition(|host| *host < up);
        waive(&mut world, up - 1, &missing).expect("a majority is there");
        let took = world.run_until(2 * SECOND, |world| world.all_founded(&there));
        assert!(took.is_some(), "{up} of {n}");
        assert_eq!(world.voters(0).len(), up);
        missing.iter().for_each(|host| world.start(*host));
        let all: Vec<usize> = (0..n).collect();
        assert!(world.run_until(5 * SECOND, |world| world.all_founded(&all)).is_some());
        assert_eq!(world.founded.len(), 1);
    }
}

#[test]
fn the_word_never_replaces_the_majority() {
    for (n, up) in [(2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (7, 3)] {
        let mut world = durable(n, up);
        let missing: Vec<usize> = (up..n).collect();
        let refused = waive(&mut world, 0, &missing).expect_err("too few");
        let majority = n / 2 + 1;
        assert_eq!(refused, WaiverRefused::Majority { there: up, slots: n, majority });
        world.run_for(10 * SECOND);
        assert!(world.founded.is_empty());
    }
}

#[test]
fn what_is_there_unknown_or_not_waited_for_is_not_waived_and_the_reason_is_named() {
    let mut world = durable(7, 4);
    let mut refused = |without: &[usize]| waive(&mut world, 0, without).expect_err("refused");
    assert_eq!(refused(&[1, 4, 5]), WaiverRefused::Alive("f2".to_owned()));
    assert_eq!(refused(&[0]), WaiverRefused::Alive("f1".to_owned()));
    assert_eq!(refused(&[4]), WaiverRefused::More("f6, f7".to_owned()));
    assert!(matches!(refused(&[9]), WaiverRefused::NoSeed { .. }));
    let run = world.hosts[0].run.as_mut().expect("running");
    let moved = run.waive(Moment::from_micros(world.now), &names(&[4, 5, 6]), &[life(0, 0)]);
    assert_eq!(moved, Err(WaiverRefused::Moved));
    // In mode "majority" it founds by itself.
    let mut world = World::new(3, Mode::Majority, 3, 0);
    (0..2).for_each(|host| world.start(host));
    world.run_for(SECOND);
    let enough = waive(&mut world, 0, &[2]).expect_err("it founds by itself");
    assert_eq!(enough, WaiverRefused::Enough { there: 2, slots: 3, needed: 2 });
    world.run_for(5 * SECOND);
    let knows = waive(&mut world, 0, &[2]).expect_err("it is founded");
    assert!(matches!(knows, WaiverRefused::Knows(_)));
}

#[test]
fn of_a_seed_that_is_not_silent_it_is_said_what_is_there() {
    let to = address_of(2);
    let listen: SocketAddr = "[2001:db8::1]:4747".parse().expect("valid");
    let no_route = CannotSend::NoRoute { error: "Network is unreachable".to_owned() };
    for (failure, says) in [
        (no_route.into(), "this host cannot ask it: this host has no way there"),
        (CannotSend::Family { listen, to }.into(), "which is IPv6 only"),
        (DialFailure::Myself, "f3 leads to this host itself"),
        (DialFailure::Copy { reason: "it runs twice".to_owned() }, "that is not listened to"),
        (DialFailure::OneWay, "f3 answers"),
    ] {
        let mut world = durable(3, 2);
        world.step(0, FoundingInput::DialFailed { address: to, failure });
        let refused = waive(&mut world, 0, &[2]).expect_err(says).to_string();
        assert!(refused.contains(says), "{says}: {refused}");
    }
}

#[test]
fn a_founder_that_cannot_ask_a_seed_does_not_hold_the_others_back() {
    let mut world = durable(3, 2);
    let no_route = CannotSend::NoRoute { error: "Network is unreachable".to_owned() };
    waive(&mut world, 0, &[2]).expect("it is silent");
    let failed = FoundingInput::DialFailed { address: address_of(2), failure: no_route.into() };
    world.step(1, failed);
    assert!(world.run_until(2 * SECOND, |world| world.all_founded(&[0, 1])).is_some());
}

#[test]
fn the_word_is_void_once_somebody_else_is_heard() {
    let mut world = World::new(3, Mode::Durable, 3, 0);
    world.quiet = Duration::from_secs(20);
    (0..2).for_each(|host| world.start(host));
    world.run_for(5 * SECOND);
    waive(&mut world, 0, &[2]).expect("given in the quiet time");
    world.start(2);
    world.run_for(SECOND);
    world.crash(2);
    world.run_for(60 * SECOND);
    assert!(world.founded.is_empty(), "it was given before the third was heard");
    waive(&mut world, 0, &[2]).expect("given again");
    assert!(world.run_until(2 * SECOND, |world| world.all_founded(&[0, 1])).is_some());
}

#[test]
fn two_sides_of_a_cut_that_waive_each_other_never_found_two_clusters() {
    let mut world = World::new(3, Mode::Durable, 5, 0);
    for (one, other) in [(0, 3), (0, 4), (1, 3), (1, 4), (2, 3), (2, 4)] {
        world.part(one, other);
    }
    (0..5).for_each(|host| world.start(host));
    world.run_for(5 * SECOND);
    let refused = waive(&mut world, 3, &[0, 1, 2]).expect_err("two of five");
    assert!(matches!(refused, WaiverRefused::Majority { .. }), "{refused}");
    waive(&mut world, 0, &[3, 4]).expect("three of five");
    // The cut moves while the first side founds.
    world.run_for(1_500);
    world.heal_all();
    for (one, other) in [(0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4)] {
        world.part(one, other);
    }
    world.run_for(5 * SECOND);
    let _ = waive(&mut world, 3, &[0, 1]);
    world.run_for(20 * SECOND);
    world.heal_all();
    world.run_for(20 * SECOND);
    assert_eq!(world.founded.len(), 1);
    assert!(world.all_founded(&[0, 1, 2, 3, 4]));
}

/// Hosts crash, start and are cut off from each other; operators everywhere say of whomever is not heard that it never comes.
fn run(seed: u64, never: Option<usize>) -> World {
    let mut random = Random(seed ^ 0x0a1f);
    let founders = [3, 5, 5, 6, 7][random.below(5) as usize];
    let mut world = World::new(seed, Mode::Durable, founders, 0);
    world.loss = random.below(4) * 60;
    world.slowest = [500, 5_000, 200_000][random.below(3) as usize];
    world.slowest_write = [1_000, 30_000, 300_000][random.below(3) as usize];
    for _ in 0..60 {
        let pause = [5_000, 200_000, 2_000_000][world.random.below(3) as usize];
        let pause = world.random.below(pause);
        world.run_for(pause);
        let host = world.random.below(founders as u64) as usize;
        let other = world.random.below(founders as u64) as usize;
        let runs = world.hosts[host].run.is_some();
        match world.random.below(9) {
            0 if runs => world.crash(host),
            1 | 2 if host != other => world.part(host, other),
            3 if host != other => world.heal(host, other),
            4 => world.heal_all(),
            5..=7 if runs => {
                let silent: Vec<usize> = (0..founders)
                    .filter(|slot| {
                        let run = world.hosts[host].run.as_ref().expect("running");
                        !matches!(run.may_waive(&names(&[*slot])), Err(WaiverRefused::Alive(_)))
                    })
                    .filter(|slot| never.is_none_or(|never| never == *slot))
                    .collect();
                let _ = waive(&mut world, host, &silent);
            }
            _ if !runs && never != Some(host) => world.start(host),
            _ => {}
        }
    }
    world.heal_all();
    world.loss = 0;
    for host in 0..founders {
        if world.hosts[host].run.is_none() {
            world.start(host);
        }
    }
    world.run_for(90 * SECOND);
    world
}

#[test]
fn whoever_waives_whomever_there_is_one_cluster_that_all_know_while_no_disk_is_lost() {
    let mut with_less = 0;
    for seed in 0..600 {
        let world = run(seed, None);
        assert_eq!(world.founded.len(), 1, "seed {seed}");
        let everyone: Vec<usize> = (0..world.hosts.len()).collect();
        assert!(world.all_founded(&everyone), "seed {seed}");
        let founded = world.hosts[0].disk.founded.as_ref().expect("founded");
        let needed = quorum(Mode::Durable, world.hosts.len());
        with_less += u32::from(founded.proof.votes.len() < needed);
    }
    assert!(with_less > 20, "the word is hardly ever used: {with_less}");
}

#[test]
fn an_acceptor_that_hears_the_one_that_is_waived_does_not_accept() {
    let waiver = |slots: &[u32], lives: &[usize]| {
        let one = session(0, 1, 3, Mode::Durable);
        let lives = lives.iter().map(|host| life(*host, 0)).collect();
        Some(Waiver { digest: one.digest, slots: slots.to_vec(), lives })
    };
    let accepts = |hears_the_third: bool, waiver: Option<Waiver>| {
        let mut one = One::of(3, Mode::Durable);
        one.hear(1, 3, Mode::Durable);
        if hears_the_third {
            one.hear(2, 3, Mode::Durable);
        }
        let ballot = ballot(3, 1);
        one.say_with(1, 3, Mode::Durable, Body::Prepare(Prepare { ballot }));
        one.flush();
        one.take();
        let record = record(&[0, 1], 3, Mode::Durable, ballot);
        let lives = vec![life(0, 0), life(1, 0)];
        let accept = Body::Accept(Accept { ballot, record, lives, waiver });
        one.say_with(1, 3, Mode::Durable, accept);
        one.persists() == 1
    };
    assert!(accepts(false, waiver(&[2], &[0, 1])));
    assert!(!accepts(true, waiver(&[2], &[0, 1])), "the third is there");
    assert!(!accepts(false, waiver(&[2], &[1])), "this life was not there when it was given");
    assert!(!accepts(false, waiver(&[2, 1], &[0, 1])), "no waiver looks like this");
}

#[test]
fn a_proof_with_a_word_needs_the_majority_and_counts_nobody_who_was_not_there() {
    let ballot = ballot(3, 1);
    let good = founded(record(&[0, 1, 2], 5, Mode::Durable, ballot));
    let digest = good.record.digest;
    let check = |slots: &[u32], lives: &[usize], votes: usize| {
        let mut founded = good.clone();
        let lives = lives.iter().map(|host| life(*host, 0)).collect();
        founded.proof.votes.truncate(votes);
        founded.proof.waiver = Some(Waiver { digest, slots: slots.to_vec(), lives });
        check_founded(&founded, &cluster(), digest, quorum(Mode::Durable, 5))
    };
    assert_eq!(check(&[3, 4], &[0, 1, 2], 3), Ok(()));
    assert_eq!(check(&[3], &[0, 1, 2], 3), Ok(()));
    let few = |found| Err(ProofError::Votes { found, needed: 3 });
    assert_eq!(check(&[3, 4], &[0, 1, 2], 2), few(2), "never below the majority");
    assert_eq!(check(&[3, 4], &[0, 1], 3), few(2), "the third was not there");
    assert_eq!(check(&[2, 3], &[0, 1, 4], 3), few(2), "the third is waived");
    assert_eq!(check(&[4, 3], &[0, 1, 2], 3), Err(ProofError::Waiver));
    assert_eq!(check(&[2, 3, 4], &[0, 1, 2], 3), Err(ProofError::Waiver));
    let mut without = good;
    without.proof.waiver = None;
    let needed = quorum(Mode::Durable, 5);
    assert!(check_founded(&without, &cluster(), digest, needed).is_err());
}
