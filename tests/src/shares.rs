//! Random stories of a budget: hosts whose clocks run fast or slow come, go, are cut off, frozen, drained, wiped and fenced, and leaders are deposed,
//! while applications follow their shares. Whatever happens, they never believe more than there is; and in the end all of it is shared.

use crate::disturbances::{act, born, calm_down, disturb, renews_while_cut_off};
use crate::fences::freed;
use crate::world::World;
use quorate_proto::{Budget, SetBudget, act};
use std::time::Duration;

/// The number that is divided.
const MAX: u64 = 30;
/// For so long a share may be used.
const TTL: Duration = Duration::from_secs(3);

/// What a story came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared {
    /// The most that was believed at one time.
    pub most: u64,
    /// What was believed at the end.
    pub in_the_end: u64,
    /// Grants that were freed because of a fence, of those that are remembered.
    pub fenced: usize,
    /// Hash over everything that happened.
    pub trace: u64,
}

/// A cluster with a budget and with clocks that are off.
///
/// # Panics
/// When it does not come to share it.
#[must_use]
pub fn sharing(seed: u64, hosts: usize, reserve: u64) -> World {
    let mut world = born(seed, hosts);
    world.applications_share(MAX, reserve, Duration::from_millis(800));
    let budget = Budget {
        name: "pg".to_owned(),
        max: MAX,
        reserve,
        ttl_ms: u64::try_from(TTL.as_millis()).unwrap_or(0),
        ..Budget::default()
    };
    act(&mut world, 0, act::Body::SetBudget(SetBudget { budget }));
    let all = |world: &mut World| (0..hosts).map(|host| world.believed(host)).sum::<u64>() == MAX;
    assert!(world.run_until_true(Duration::from_secs(20), all), "all of it is shared at first");
    world
}

/// Plays a story.
///
/// # Panics
/// When the applications believe more than there is, or do not share all of it in the end.
#[must_use]
pub fn shared(seed: u64, verbose: bool) -> Shared {
    let hosts = 3 + usize::try_from(seed % 3).unwrap_or(0);
    let reserve = if seed.is_multiple_of(4) { 2 } else { 0 };
    let mut world = sharing(seed, hosts, reserve);
    world.verbose = verbose;
    if seed.is_multiple_of(2) {
        world.application_is_silent(usize::try_from(seed).unwrap_or(0) % hosts);
    }
    for _ in 0..40 {
        disturb(&mut world, hosts);
        let at = usize::try_from(world.random.below(hosts as u64)).unwrap_or(0);
        world.fences_run(at);
        let wait = world.random.between(10, 3_500);
        world.run_for(Duration::from_millis(wait));
    }
    calm_down(&mut world, hosts);
    world.fences_are_lifted();
    let all = |world: &mut World| {
        world.start_all();
        let believed: Vec<u64> = (0..hosts).map(|host| world.believed(host)).collect();
        let spread =
            believed.iter().max().zip(believed.iter().min()).map(|(most, least)| most - least);
        believed.iter().sum::<u64>() == MAX && spread <= Some(1)
    };
    let done = world.run_until_true(Duration::from_secs(90), all);
    if verbose {
        world.log.iter().for_each(|line| eprintln!("{line}"));
    }
    let believed: Vec<u64> = (0..hosts).map(|host| world.believed(host)).collect();
    assert!(done, "all of it is shared in the end: {believed:?}\n{}", world.describe());
    let (most, in_the_end) = (world.apps.most(), believed.iter().sum());
    Shared { most, in_the_end, fenced: freed(&world, 0), trace: world.trace() }
}

/// The leader loses both ways to the other voters while a host without a vote hears it: whether it renews that host's share in the time in
/// which it takes itself for the leader yet.
///
/// # Panics
/// When there is no leader, or no share to renew.
#[must_use]
pub fn renewed_by_a_leader_that_is_cut_off(seed: u64) -> bool {
    let mut world = sharing(seed, 4, 0);
    renews_while_cut_off(&mut world, World::believed_until)
}
