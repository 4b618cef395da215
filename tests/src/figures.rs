//! Spans of virtual time that matter to people: how soon a cluster is born, has another leader, has told everybody.
//!
//! Printed by the tests, and bounded only where a promise is: what a span comes to depends on the drawn delays.

use crate::world::{Setup, World};
use quorate_node::State;
use quorate_proto::{HealthEpoch, MemberState};
use std::time::Duration;

/// Longer than anything measured here takes.
const LIMIT: Duration = Duration::from_secs(30);

/// A healthy cluster of so many hosts, three of them seeds.
#[must_use]
pub fn healthy(seed: u64, hosts: usize) -> World {
    let setup = Setup { hosts, quiet: Duration::ZERO, ..Setup::default() };
    let mut world = World::new(seed, setup);
    world.start_all();
    assert!(world.run_until_true(LIMIT, |world| world.is_settled()), "{}", world.describe());
    // Any phase of pings, ticks and probes.
    let phase = world.random.below(2_000);
    world.run_for(Duration::from_secs(2) + Duration::from_millis(phase));
    world
}

/// From the last of three starts to a leader that all follow, without a quiet time.
#[must_use]
pub fn formation(seed: u64) -> Duration {
    let setup = Setup { quiet: Duration::ZERO, ..Setup::default() };
    let mut world = World::new(seed, setup);
    for host in 0..3 {
        let wait = world.random.below(200);
        world.run_for(Duration::from_millis(wait));
        world.start(host);
    }
    span_until(&mut world, |world| {
        world.hosts.iter().all(|host| {
            let process = host.process.as_ref();
            process.is_some_and(|process| process.node.status(world.now).state == State::Quorate)
        })
    })
}

/// From the leader's loss of power to another leader.
#[must_use]
pub fn failover(seed: u64) -> Duration {
    let mut world = healthy(seed, 3);
    let leader = world.leader().expect("a healthy cluster has a leader");
    world.crash(leader);
    span_until(&mut world, |world| world.leader().is_some())
}

/// From a follower's loss of power to the last live node's having the epoch that says so.
#[must_use]
pub fn told(seed: u64, hosts: usize) -> Duration {
    let mut world = healthy(seed, hosts);
    let leader = world.leader().expect("a healthy cluster has a leader");
    let follower = (0..3).find(|host| *host != leader).expect("three seeds");
    let gone = world.hosts[follower].process.as_ref().map(|process| process.instance);
    world.crash(follower);
    span_until(&mut world, |world| {
        world.hosts.iter().filter_map(|host| host.process.as_ref()).all(|process| {
            let view = process.node.status(world.now).view;
            let member = view.members.iter().find(|member| Some(member.instance) == gone);
            member.is_some_and(|member| member.state() == MemberState::Down)
        })
    })
}

fn span_until(world: &mut World, holds: impl FnMut(&mut World) -> bool) -> Duration {
    let since = world.elapsed();
    assert!(world.run_until_true(LIMIT, holds), "not within {LIMIT:?}:\n{}", world.describe());
    world.elapsed() - since
}

/// Half an idle hour: the highest term, the newest epoch, and how often a verdict differed, before and after.
#[must_use]
pub fn idle(seed: u64, hosts: usize, span: Duration) -> [(u64, HealthEpoch); 2] {
    let mut world = healthy(seed, hosts);
    let position = |world: &World| {
        let processes = || world.hosts.iter().filter_map(|host| host.process.as_ref());
        let statuses = || processes().map(|process| process.node.status(world.now));
        let term = statuses().map(|status| status.term).max().unwrap_or(0);
        (term, statuses().map(|status| status.view.epoch).max().unwrap_or_default())
    };
    let before = position(&world);
    let end = world.elapsed() + span;
    while world.elapsed() < end {
        world.run_for(Duration::from_secs(1));
        for process in world.hosts.iter().filter_map(|host| host.process.as_ref()) {
            let opinions = process.node.status(world.now).opinions;
            assert!(opinions.is_empty(), "no verdict is passed in a healthy cluster: {opinions:?}");
        }
    }
    [before, position(&world)]
}

/// Median and longest of some spans.
#[must_use]
pub fn median_and_worst(mut spans: Vec<Duration>) -> (Duration, Duration) {
    spans.sort_unstable();
    (spans[spans.len() / 2], spans[spans.len() - 1])
}
