//! A stray host with the name of another, in virtual time.

use crate::world::{Setup, World};
use quorate_node::State;
use quorate_proto::{Instance, MemberState, Role};
use std::time::Duration;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);
/// The host whose name is taken, and the one that comes with it.
const VOTER: usize = 1;
const STRAY: usize = 3;

/// Three hosts that are a cluster, and a fourth that is off and has the name of the second.
fn three_and_a_stray(seed: u64) -> World {
    let setup = Setup { hosts: 4, quiet: Duration::ZERO, ..Setup::default() };
    let mut world = World::new(seed, setup);
    world.hosts[STRAY].name = world.hosts[VOTER].name.clone();
    (0..3).for_each(|host| world.start(host));
    let whole = |world: &mut World| (0..3).all(|host| is_quorate(world, host));
    assert!(world.run_until_true(LIMIT, whole), "{}", world.describe());
    world.run_for(Duration::from_secs(2));
    world
}

fn is_quorate(world: &World, host: usize) -> bool {
    let process = world.hosts[host].process.as_ref();
    process.is_some_and(|process| process.node.status(world.now).state == State::Quorate)
}

fn life(world: &World, host: usize) -> Instance {
    world.hosts[host].process.as_ref().expect("it runs").instance
}

/// The life, state and role of the name, as the first host has it.
fn holder(world: &World) -> (Instance, MemberState, Role) {
    let status = world.hosts[0].process.as_ref().expect("it runs").node.status(world.now);
    let name = &world.hosts[VOTER].name;
    let member = status.view.members.iter().find(|member| member.name == *name);
    let member = member.expect("the name is a member's");
    (member.instance, member.state(), member.role())
}

fn says(world: &World, host: usize, words: &str) -> bool {
    let status = world.hosts[host].process.as_ref().expect("it runs").node.status(world.now);
    status.reasons.iter().any(|reason| reason.text.contains(words))
}

/// The stray comes while the voter lives. Gives whether the name stayed, and whether the stray says why it is refused and all others that
/// it asks.
#[must_use]
pub fn name_of_a_living_voter(seed: u64) -> (bool, bool) {
    let mut world = three_and_a_stray(seed);
    let before = holder(&world);
    world.start(STRAY);
    world.run_for(LIMIT);
    let told = (0..3).all(|host| says(&world, host, "asks for the name of n2, which is alive"));
    (holder(&world) == before, told && says(&world, STRAY, "which is alive"))
}

/// What became of the name of a voter that stopped in good order.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// It was still the voter's, with its vote, four minutes later.
    pub after_four_minutes: bool,
    /// The stray and both other hosts said so.
    pub told: bool,
    /// The voter came back to it, alive and with its vote.
    pub came_back: bool,
    /// The stray had it after the voter was away for six minutes.
    pub went_in_the_end: bool,
}

/// The stray comes right after the voter's orderly stop; the voter comes back, and goes once more for longer.
#[must_use]
pub fn name_of_a_stopped_voter(seed: u64) -> Kept {
    let mut world = three_and_a_stray(seed);
    let before = life(&world, VOTER);
    world.stop(VOTER);
    let gone = |world: &mut World| holder(world).1 == MemberState::Left;
    assert!(world.run_until_true(LIMIT, gone), "{}", world.describe());
    world.start(STRAY);
    world.run_for(Duration::from_secs(4 * 60));
    let after_four_minutes = holder(&world) == (before, MemberState::Left, Role::Voter);
    let told = says(&world, STRAY, "is that of a voter")
        && [0, 2].iter().all(|host| says(&world, *host, "asks for the name of voter"));
    world.start(VOTER);
    world.run_for(LIMIT);
    let came_back = holder(&world) == (before, MemberState::Alive, Role::Voter);
    world.stop(VOTER);
    world.run_for(Duration::from_secs(6 * 60));
    let went_in_the_end = holder(&world).0 == life(&world, STRAY);
    Kept { after_four_minutes, told, came_back, went_in_the_end }
}

/// A voter stops, and comes back with a new disk at its old address. Gives whether the name went to the new life soon.
#[must_use]
pub fn name_of_a_wiped_voter(seed: u64) -> bool {
    let mut world = three_and_a_stray(seed);
    world.stop(VOTER);
    world.run_for(Duration::from_secs(2));
    world.wipe(VOTER);
    world.start(VOTER);
    let new = life(&world, VOTER);
    world.run_until_true(LIMIT, |world| holder(world) == (new, MemberState::Alive, Role::Voter))
}
