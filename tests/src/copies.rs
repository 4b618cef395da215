//! Copies of disks that are started while the originals run, and older copies in their place, in virtual time.

use crate::world::{Setup, World};
use quorate_node::State;
use quorate_proto::{Generation, HealthEpoch, Instance, MemberState, Role};
use std::time::Duration;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);
/// The host whose disk is copied, and the one that runs the copy.
const ORIGINAL: usize = 1;
const COPY: usize = 3;

fn three_of_four(seed: u64) -> World {
    let setup = Setup { hosts: 4, quiet: Duration::ZERO, ..Setup::default() };
    let mut world = World::new(seed, setup);
    (0..3).for_each(|host| world.start(host));
    let quorate = |world: &mut World| {
        let mut processes = world.hosts[..3].iter().map(|host| host.process.as_ref());
        processes.all(|process| {
            process.is_some_and(|process| process.node.status(world.now).state == State::Quorate)
        })
    };
    assert!(world.run_until_true(LIMIT, quorate), "{}", world.describe());
    world.run_for(Duration::from_secs(2));
    world
}

/// The original as a host has it: life, start, state, role.
fn seen_by(world: &World, host: usize) -> (Instance, Generation, MemberState, Role) {
    let status = world.hosts[host].process.as_ref().expect("it runs").node.status(world.now);
    let mut members = status.view.members.iter();
    let member = members.find(|member| member.name == world.hosts[ORIGINAL].name);
    let member = member.expect("it is a member");
    (member.instance, member.generation, member.state(), member.role())
}

fn epoch_at(world: &World, host: usize) -> HealthEpoch {
    world.hosts[host].process.as_ref().expect("it runs").node.status(world.now).view.epoch
}

fn says(world: &World, host: usize, words: &str) -> bool {
    let process = world.hosts[host].process.as_ref();
    let reasons = process.map(|process| process.node.status(world.now).reasons);
    reasons.is_some_and(|reasons| reasons.iter().any(|reason| reason.text.contains(words)))
}

/// A copy of a voter's disk starts while the voter runs; only hosts that it reaches can see it. Gives whether the voter stays what it
/// was, on all three hosts, with few epochs, and which hosts are told.
#[must_use]
pub fn a_copy_of_a_running_disk(seed: u64, reaches: &[usize]) -> (bool, [bool; 3]) {
    let mut world = three_of_four(seed);
    let before = seen_by(&world, 0);
    let epoch = epoch_at(&world, 0);
    world.copy_disk(ORIGINAL, COPY);
    for host in (0..3).filter(|host| !reaches.contains(host)) {
        world.network.cut_both(host, COPY);
    }
    world.start(COPY);
    world.run_for(LIMIT);
    let same = (0..3).all(|host| seen_by(&world, host) == before);
    let runs = world.hosts[ORIGINAL].process.is_some();
    let told = [0, 1, 2].map(|host| {
        let words =
            if host == ORIGINAL { "the disk of this node runs" } else { "one disk runs twice" };
        says(&world, host, words)
    });
    (same && runs && epoch_at(&world, 0) == epoch, told)
}

/// A voter restarts in good order while a copy of its disk waits. Gives whether the voter is back in its place, on all three hosts, and
/// what the host with the copy says.
#[must_use]
pub fn an_original_that_restarts_beside_its_copy(seed: u64) -> (bool, bool) {
    let mut world = three_of_four(seed);
    let (instance, generation, ..) = seen_by(&world, 0);
    world.copy_disk(ORIGINAL, COPY);
    world.start(COPY);
    world.run_for(Duration::from_secs(3));
    world.checks.disturbed();
    world.stop(ORIGINAL);
    let over = |world: &mut World| world.hosts[ORIGINAL].process.is_none();
    assert!(world.run_until_true(LIMIT, over), "{}", world.describe());
    // Long enough for the copy to try; its starts count up like the original's.
    for _ in 0..3 {
        world.run_for(Duration::from_secs(2));
        world.crash(COPY);
        world.start(COPY);
    }
    world.checks.disturbed();
    world.start(ORIGINAL);
    world.run_for(LIMIT);
    let next = Generation::new(generation.get() + 1);
    let back = (instance, next, MemberState::Alive, Role::Voter);
    let same = (0..3).all(|host| seen_by(&world, host) == back);
    let runs = world.hosts[ORIGINAL].process.is_some();
    (same && runs, says(&world, COPY, "do not listen to this host"))
}

/// A voter and the copy of its disk start at once, each met by another host only; then all ways are open. Gives which of the two
/// each of the other hosts listens to in the end.
#[must_use]
pub fn a_copy_and_its_original_met_by_one_each(seed: u64) -> [Vec<usize>; 2] {
    let mut world = three_of_four(seed);
    world.checks.disturbed();
    world.crash(ORIGINAL);
    world.run_for(Duration::from_secs(5));
    world.copy_disk(ORIGINAL, COPY);
    world.network.cut_both(2, ORIGINAL);
    world.network.cut_both(0, COPY);
    world.network.cut_both(ORIGINAL, COPY);
    world.checks.disturbed();
    world.start(ORIGINAL);
    world.start(COPY);
    world.run_for(Duration::from_secs(3));
    let met = |world: &World, host: usize| {
        let process = world.hosts[host].process.as_ref().expect("it runs");
        let links = [ORIGINAL, COPY].into_iter().filter(|peer| process.link_with(*peer).is_some());
        links.collect::<Vec<_>>()
    };
    assert_eq!([0, 2].map(|host| met(&world, host)), [[ORIGINAL], [COPY]], "one each");
    world.network.heal();
    world.run_for(LIMIT);
    [0, 2].map(|host| met(&world, host))
}

/// An older copy of a voter's disk is put in its place. Gives whether the others listen to it, and whether they say what it is.
#[must_use]
pub fn an_older_copy_in_its_place(seed: u64) -> (bool, [bool; 2]) {
    let mut world = three_of_four(seed);
    let old = world.hosts[ORIGINAL].disk.copy();
    for _ in 0..2 {
        world.checks.disturbed();
        world.crash(ORIGINAL);
        world.run_for(Duration::from_secs(2));
        world.start(ORIGINAL);
        world.run_for(Duration::from_secs(5));
    }
    world.checks.disturbed();
    world.crash(ORIGINAL);
    world.run_for(Duration::from_secs(5));
    // What they have committed is what they go by, not whom they remember.
    for other in [0, 2] {
        world.checks.disturbed();
        world.crash(other);
        world.run_for(Duration::from_secs(1));
        world.start(other);
        world.run_for(Duration::from_secs(5));
    }
    world.hosts[ORIGINAL].disk = old;
    world.start(ORIGINAL);
    world.run_for(LIMIT);
    let listened = seen_by(&world, 0).2 == MemberState::Alive;
    (listened, [0, 2].map(|host| says(&world, host, "an older copy of a disk")))
}
