//! One fault that lasts, in a cluster that was whole: how often it makes each host turn in the committed health.
//!
//! Every fault here is one that no epoch can mend, and that different hosts see differently: a cut link, a way cut in one
//! direction, a host that only one other hears. It lasts, it ends, and the cluster becomes whole again.

use crate::figures::healthy;
use crate::network::Weather;
use crate::world::World;
use std::time::Duration;

/// The kinds of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// Two hosts do not hear each other; everybody else hears both.
    Link,
    /// The leader and one other do not hear each other.
    LeadersLink,
    /// One host does not hear one other, which hears it.
    OneWay,
    /// One host hears nobody, and everybody hears it.
    Deaf,
    /// One host is heard by nobody, and hears everybody.
    Mute,
    /// One host has the word with one other only.
    Bridged,
    /// One host, which does not lead, has no power for a while.
    Off,
    /// The leader has no power for a while.
    LeaderOff,
    /// The leader loses power and is back at once.
    LeaderBack,
    /// Packets are lost, delayed and reordered, and connections break.
    Weather,
}

impl Lasting {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Link,
        Self::LeadersLink,
        Self::OneWay,
        Self::Deaf,
        Self::Mute,
        Self::Bridged,
        Self::Off,
        Self::LeaderOff,
        Self::LeaderBack,
        Self::Weather,
    ];
}

/// How long a fault lasts.
const LASTS: Duration = Duration::from_secs(20);
/// The cluster is whole again within this.
const HEALS: Duration = Duration::from_secs(60);

/// Most turns of a host from the beginning of a fault until the cluster is whole again.
///
/// # Panics
/// When it does not become whole, or another promise is broken.
#[must_use]
pub fn turns_under(seed: u64, hosts: usize, fault: Lasting) -> (u64, World) {
    let mut world = healthy(seed, hosts);
    // What the start owed is over.
    (0..hosts).for_each(|_| world.checks.disturbed());
    world.verbose = true;
    begin(&mut world, fault);
    world.run_for(LASTS);
    world.note(|| "everything heals".to_owned());
    world.heal();
    world.start_all();
    let whole = world.run_until_true(HEALS, |world| world.is_settled());
    assert!(whole, "{fault:?}, seed {seed}, {hosts} hosts: whole again:\n{}", world.describe());
    (world.checks.most_turns(), world)
}

/// A host that does not lead crashes right behind each of its starts, for five minutes: most turns of a host until the cluster is whole
/// again.
///
/// # Panics
/// When it does not become whole, or another promise is broken.
#[must_use]
pub fn turns_in_a_crash_loop(seed: u64, hosts: usize) -> (u64, World) {
    let mut world = healthy(seed, hosts);
    (0..hosts).for_each(|_| world.checks.disturbed());
    world.verbose = true;
    let leader = world.leader().expect("a healthy cluster has a leader");
    let one = (leader + 1) % hosts;
    for _ in 0..250 {
        world.crash(one);
        world.run_for(Duration::from_secs(1));
        world.start(one);
        world.run_for(Duration::from_millis(200));
    }
    let whole = world.run_until_true(HEALS, |world| world.is_settled());
    assert!(whole, "seed {seed}, {hosts} hosts: whole again:\n{}", world.describe());
    (world.checks.most_turns(), world)
}

fn begin(world: &mut World, fault: Lasting) {
    let hosts = world.hosts.len() as u64;
    let leader = world.leader().expect("a healthy cluster has a leader");
    let draw = |world: &mut World| usize::try_from(world.random.below(hosts)).unwrap_or(0);
    let other_than = |world: &mut World, one: usize| {
        (one + 1 + usize::try_from(world.random.below(hosts - 1)).unwrap_or(0)) % hosts as usize
    };
    let follower = other_than(world, leader);
    let one = draw(world);
    let other = other_than(world, one);
    world.note(|| {
        format!("{fault:?}: n{} leads, n{}, n{} n{}", leader + 1, follower + 1, one + 1, other + 1)
    });
    match fault {
        Lasting::Link => world.network.cut_both(one, other),
        Lasting::LeadersLink => world.network.cut_both(leader, follower),
        Lasting::OneWay => world.network.set_cut(one, other, true),
        Lasting::Deaf => cut_all(world, |from, to| to == follower && from != follower),
        Lasting::Mute => cut_all(world, |from, to| from == follower && to != follower),
        Lasting::Bridged => {
            let pier = if follower == other { one } else { other };
            cut_all(world, |from, to| {
                (from == follower) != (to == follower) && from != pier && to != pier
            });
        }
        Lasting::Off => world.crash(follower),
        Lasting::LeaderOff => world.crash(leader),
        Lasting::LeaderBack => {
            world.crash(leader);
            world.run_for(Duration::from_millis(5));
            world.start(leader);
        }
        Lasting::Weather => {
            world.network.weather = Weather {
                delay: Duration::from_millis(5),
                jitter: Duration::from_millis(20),
                loss: 20,
                duplicates: 3,
                breaks: 20,
            };
        }
    }
}

fn cut_all(world: &mut World, cut: impl Fn(usize, usize) -> bool) {
    for from in 0..world.hosts.len() {
        for to in (0..world.hosts.len()).filter(|to| cut(from, *to)) {
            world.network.set_cut(from, to, true);
        }
    }
}
