//! A follower that comes back over a slow link, with an old disk or a new one.

use crate::workload::put;
use crate::world::{Setup, World};
use quorate_proto::Role;
use std::time::Duration;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);

/// How the leader is written to.
#[derive(Debug, Clone, Copy)]
pub struct Writes {
    /// Between two writes.
    pub pace: Duration,
    /// Bytes of each.
    pub size: usize,
}

/// Lets a follower miss more than the log keeps, and gives how many snapshots were sent to it until it followed
/// again, and how many entries it was behind at the end, when each snapshot takes this long, the frames of the log come
/// with this spacing, and the leader writes and takes snapshots of its own all the while.
#[must_use]
pub fn return_over_a_slow_link(
    seed: u64,
    takes: Duration,
    log_spacing: Duration,
    writes: Writes,
) -> (u64, u64) {
    let setup = Setup { quiet: Duration::ZERO, snapshot_every: 50, ..Setup::default() };
    let (mut world, leader, follower) = settled(seed, setup);
    world.crash(follower);
    write_for(&mut world, leader, Duration::from_secs(20), writes);
    let before = world.transferred;
    world.transfer_time = Some(takes);
    world.network.log_spacing = log_spacing;
    world.start(follower);
    write_for(&mut world, leader, takes * 3, writes);
    let applied = |host: usize| {
        let process = world.hosts[host].process.as_ref();
        process.map_or(0, |process| process.node.vitals().applied)
    };
    (world.transferred - before, applied(leader).saturating_sub(applied(follower)))
}

/// Replaces a follower's disk, and gives the role of its new life while it waits for its first snapshot, and whether it
/// is a voter once that is there.
#[must_use]
pub fn replacement_over_a_slow_link(seed: u64, takes: Duration) -> (Option<Role>, bool) {
    let setup = Setup { quiet: Duration::ZERO, ..Setup::default() };
    let (mut world, _, follower) = settled(seed, setup);
    world.wipe(follower);
    world.transfer_time = Some(takes);
    world.start(follower);
    world.run_for(takes / 2);
    let process = world.hosts[follower].process.as_ref().expect("it runs");
    let waiting = process.node.status(world.now).role;
    (waiting, world.run_until_true(takes + LIMIT, |world| world.is_settled()))
}

/// Three hosts that are one cluster, with their leader and a follower.
fn settled(seed: u64, setup: Setup) -> (World, usize, usize) {
    let mut world = World::new(seed, setup);
    world.start_all();
    assert!(world.run_until_true(LIMIT, |world| world.is_settled()), "{}", world.describe());
    let leader = world.leader().expect("a settled cluster has a leader");
    let follower = (0..3).find(|host| *host != leader).expect("three hosts");
    (world, leader, follower)
}

fn write_for(world: &mut World, host: usize, span: Duration, writes: Writes) {
    let end = world.elapsed() + span;
    let value = "v".repeat(writes.size);
    let mut tickets = Vec::new();
    while world.elapsed() < end {
        tickets.extend(world.ask(host, put("key", &value), LIMIT));
        world.run_for(writes.pace);
    }
    for ticket in tickets {
        world.take_reply(ticket);
    }
}
