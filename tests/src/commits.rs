//! What it costs to tell the followers of a commit, and how soon they know of it.

use crate::figures::healthy;
use crate::workload::put;
use crate::world::World;
use quorate_node::ClientReply;
use std::time::Duration;

/// A write that is not answered in this time ends the run.
const PATIENCE: Duration = Duration::from_secs(2);
/// In virtual time: so finely the world is looked at.
const STEP: Duration = Duration::from_micros(50);

/// What a row of writes came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Frames of the log that all hosts sent for them, answers and what told the last commit included.
    pub frames: u64,
    /// From the answer of the last one to the moment at which every follower had applied it.
    pub behind: Duration,
}

fn applied(world: &World, host: usize) -> u64 {
    world.status(host).map_or(0, |status| status.applied)
}

fn answered(world: &mut World, leader: usize, key: &str) {
    let ticket = world.ask(leader, put(key, "v"), PATIENCE).expect("the leader runs");
    let mut reply = None;
    for _ in 0..PATIENCE.as_micros() / STEP.as_micros() {
        world.run_for(STEP);
        reply = world.take_reply(ticket);
        if reply.is_some() {
            break;
        }
    }
    assert!(matches!(reply, Some(ClientReply::Kv(_))), "{reply:?}");
}

/// One client writes so often at the leader of three hosts, each time as soon as it was answered, into a cluster that had nothing to write.
///
/// # Panics
/// When a write is not answered, or a follower does not apply it.
#[must_use]
pub fn writes_in_a_row(seed: u64, writes: usize) -> Row {
    let mut world = healthy(seed, 3);
    let leader = world.leader().expect("a healthy cluster has a leader");
    let before = world.log_frames;
    for write in 0..writes {
        answered(&mut world, leader, &format!("k{write}"));
    }
    let (last, since) = (applied(&world, leader), world.now);
    let all = |world: &World| (0..3).all(|host| applied(world, host) >= last);
    while !all(&world) {
        assert!(world.now.since(since) < PATIENCE, "the followers have not applied it");
        world.run_for(STEP);
    }
    let behind = world.now.since(since);
    world.run_for(Duration::from_millis(20));
    Row { frames: world.log_frames - before, behind }
}
