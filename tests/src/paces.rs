//! Clusters on slow networks and on hosts whose turns are late: what is told of them that is not so, and how soon a real death is told.

use crate::figures::healthy;
use crate::network::Weather;
use crate::world::World;
use quorate_proto::HealthEpoch;
use std::time::Duration;

/// How a cluster fares that loses nobody: epochs and leaders that were told all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restless {
    /// Health epochs.
    pub epochs: u64,
    /// Leaders seen elected, by the host that saw most.
    pub leaders: u64,
}

/// What is told in `span` of three hosts that all live, in this weather, after they had `before` to get used to it.
#[must_use]
pub fn in_weather(seed: u64, weather: Weather, before: Duration, span: Duration) -> Restless {
    let mut world = healthy(seed, 3);
    world.network.weather = weather;
    world.run_for(before);
    told_in(&mut world, span)
}

/// The same where each turn of a follower takes up to this long.
#[must_use]
pub fn with_late_turns(seed: u64, most: Duration, before: Duration, span: Duration) -> Restless {
    let mut world = healthy(seed, 3);
    let (_, slow) = leader_and_follower(&world);
    world.hosts[slow].slow = most;
    world.run_for(before);
    told_in(&mut world, span)
}

/// What is told in `span` of three hosts that were quiet for so long, once this weather comes, and each turn of a follower takes up to `most`.
#[must_use]
pub fn behind_quiet(
    seed: u64,
    quiet: Duration,
    weather: Weather,
    most: Duration,
    span: Duration,
) -> Restless {
    let mut world = healthy(seed, 3);
    world.run_for(quiet);
    let (_, slow) = leader_and_follower(&world);
    (world.network.weather, world.hosts[slow].slow) = (weather, most);
    told_in(&mut world, span)
}

/// Of three healthy hosts.
fn leader_and_follower(world: &World) -> (usize, usize) {
    let leader = world.leader().expect("a healthy cluster has a leader");
    let follower = (0..3).find(|host| *host != leader).expect("three hosts");
    (leader, follower)
}

fn told_in(world: &mut World, span: Duration) -> Restless {
    let [epoch, leaders] = [newest(world).get(), elections(world)];
    world.run_for(span);
    Restless { epochs: newest(world).get() - epoch, leaders: elections(world) - leaders }
}

fn newest(world: &World) -> HealthEpoch {
    let nodes = world.hosts.iter().filter_map(|host| host.process.as_ref());
    nodes.map(|process| process.node.vitals().epoch).max().unwrap_or_default()
}

fn elections(world: &World) -> u64 {
    let nodes = world.hosts.iter().filter_map(|host| host.process.as_ref());
    nodes.map(|process| process.node.status(world.now).elections).max().unwrap_or_default()
}

/// The longest silence that the leader bears with: before a follower stood still three times for this long, just behind that, and after
/// `later`.
#[must_use]
pub fn around_a_burst(seed: u64, pause: Duration, later: Duration) -> [Duration; 3] {
    let mut world = healthy(seed, 3);
    let (leader, follower) = leader_and_follower(&world);
    let borne = |world: &World| {
        let process = world.hosts[leader].process.as_ref().expect("it runs");
        process.node.status(world.now).pace.silence
    };
    let before = borne(&world);
    for _ in 0..3 {
        world.pause(follower, pause);
        world.run_for(Duration::from_secs(2));
    }
    let behind = borne(&world);
    world.run_for(later);
    [before, behind, borne(&world)]
}

/// How long it takes until all others know that a follower lost power, in a cluster that was quiet for so long before.
///
/// # Panics
/// When they do not come to know it.
#[must_use]
pub fn told_after(seed: u64, quiet: Duration) -> Duration {
    let mut world = healthy(seed, 3);
    let (_, follower) = leader_and_follower(&world);
    world.run_for(quiet);
    let (before, began) = (newest(&world), world.elapsed());
    world.crash(follower);
    let all_know = |world: &World| {
        let nodes = world.hosts.iter().filter_map(|host| host.process.as_ref());
        nodes.map(|process| process.node.vitals().epoch).all(|epoch| epoch > before)
    };
    assert!(world.run_until_true(Duration::from_secs(5), |world| all_know(world)), "it is told");
    world.elapsed() - began
}
