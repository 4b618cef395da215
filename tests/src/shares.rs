//! Random stories of a budget: hosts whose clocks run fast or slow come, go, are cut off, frozen, drained and wiped, and leaders are deposed,
//! while applications follow their shares. Whatever happens, they never believe more than there is; and in the end all of it is shared.

use crate::disturbances::{act, disturb};
use crate::world::{Setup, World};
use quorate_proto::{Budget, DrainHost, SetBudget, act};
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
    /// Hash over everything that happened.
    pub trace: u64,
}

/// A cluster with a budget and with clocks that are off.
///
/// # Panics
/// When it does not come to share it.
#[must_use]
pub fn sharing(seed: u64, hosts: usize, reserve: u64) -> World {
    let seeds = hosts.min(3);
    let mut world =
        World::new(seed, Setup { hosts, seeds, quiet: Duration::ZERO, ..Setup::default() });
    world.clocks_are_off();
    world.start_all();
    assert!(
        world.run_until_true(Duration::from_secs(60), |world| world.is_settled()),
        "it is born"
    );
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
        let wait = world.random.between(10, 3_500);
        world.run_for(Duration::from_millis(wait));
    }
    world.heal();
    world.checks.disturbed();
    world.start_all();
    world.run_for(Duration::from_secs(8));
    for host in 0..hosts {
        let name = world.hosts[host].name.clone();
        let undrain = DrainHost { name, drained: false, reason: String::new() };
        act(&mut world, host, act::Body::Drain(undrain));
    }
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
    Shared { most: world.apps.most(), in_the_end: believed.iter().sum(), trace: world.trace() }
}

/// The leader loses both ways to the other voters while a host without a vote hears it: whether it renews that host's share in the time in
/// which it takes itself for the leader yet.
///
/// # Panics
/// When there is no leader, or no share to renew.
#[must_use]
pub fn renewed_by_a_leader_that_is_cut_off(seed: u64) -> bool {
    let mut world = sharing(seed, 4, 0);
    let wait = world.random.between(0, 1_000);
    world.run_for(Duration::from_millis(wait));
    let leader = world.leader().expect("somebody leads");
    for other in (0..3).filter(|other| *other != leader) {
        world.network.cut_both(leader, other);
    }
    // What was answered before the cut is on its way.
    world.run_for(Duration::from_millis(20));
    let until = world.believed_until(3).expect("it has a share");
    world.run_for(Duration::from_millis(450));
    world.believed_until(3) != Some(until)
}
