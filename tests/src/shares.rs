//! Random stories of a budget: hosts whose clocks run fast or slow come, go, are cut off, frozen, drained, wiped and fenced, and leaders are deposed,
//! while applications follow their shares. Whatever happens, they never believe more than there is; and in the end all of it is shared. In some
//! stories the budget has classes, and what is whose moves from one to the other meanwhile.

use crate::disturbances::{act, born, calm_down, disturb, renews_while_cut_off};
use crate::fences::freed;
use crate::world::World;
use quorate_proto::{Budget, Class, SetBudget, act};
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
    sharing_with(seed, hosts, reserve, &[])
}

/// The same with these classes.
fn sharing_with(seed: u64, hosts: usize, reserve: u64, classes: &[(&str, u64)]) -> World {
    let mut world = born(seed, hosts);
    world.applications_share(MAX, reserve, Duration::from_millis(800));
    set(&mut world, 0, reserve, classes);
    let all = |world: &mut World| (0..hosts).map(|host| world.believed(host)).sum::<u64>() == MAX;
    assert!(world.run_until_true(Duration::from_secs(20), all), "all of it is shared at first");
    world
}

/// An operator defines the budget at a host.
fn set(world: &mut World, host: usize, reserve: u64, classes: &[(&str, u64)]) {
    let class = |(name, max): &(&str, u64)| Class { name: (*name).to_owned(), max: *max };
    let budget = Budget {
        name: "pg".to_owned(),
        max: MAX,
        reserve,
        ttl_ms: u64::try_from(TTL.as_millis()).unwrap_or(0),
        classes: classes.iter().map(class).collect(),
        ..Budget::default()
    };
    act(world, host, act::Body::SetBudget(SetBudget { budget }));
}

/// What the classes are at first, and what they are with what moved.
const CLASSES: [[(&str, u64); 2]; 2] =
    [[("app", 20), ("report", 10)], [("app", 11), ("report", 19)]];

/// Of a budget with classes: whether all of each is shared, each host having what is its part of it. The newest definition counts.
fn each_class_is_shared(world: &World, hosts: usize) -> bool {
    let copies = world.hosts.iter().filter_map(|host| host.process.as_ref()?.node.copy());
    let Some(meta) = copies.max_by_key(|meta| meta.applied()) else { return false };
    meta.budgets().filter(|record| record.family().is_some()).all(|record| {
        let name = &record.budget.name;
        let believed = (0..hosts).map(|host| world.believed_of(host, name));
        is_even(&believed.collect::<Vec<_>>(), record.limit())
    })
}

/// Whether that is so much, and nobody has more than one above another.
fn is_even(believed: &[u64], max: u64) -> bool {
    let most = believed.iter().max().zip(believed.iter().min()).map(|(most, least)| most - least);
    believed.iter().sum::<u64>() == max && most <= Some(1)
}

/// Plays a story.
///
/// # Panics
/// When the applications believe more than there is, or do not share all of it in the end.
#[must_use]
pub fn shared(seed: u64, verbose: bool) -> Shared {
    let hosts = 3 + usize::try_from(seed % 3).unwrap_or(0);
    let reserve = if seed.is_multiple_of(4) { 2 } else { 0 };
    let has_classes = seed % 5 == 2;
    let mut world = match has_classes {
        true => sharing_with(seed, hosts, reserve, &CLASSES[0]),
        false => sharing(seed, hosts, reserve),
    };
    for (class, max) in CLASSES.concat().into_iter().filter(|_| has_classes) {
        // With one definition or the other, or with both while one follows the other.
        world.applications_share_a_class(&Budget::class_name("pg", class), max.max(20));
    }
    world.verbose = verbose;
    if seed.is_multiple_of(2) {
        world.application_is_silent(usize::try_from(seed).unwrap_or(0) % hosts);
    }
    for _ in 0..40 {
        disturb(&mut world, hosts);
        let at = usize::try_from(world.random.below(hosts as u64)).unwrap_or(0);
        world.fences_run(at);
        if has_classes && world.random.percent(15) {
            let classes = CLASSES[usize::from(world.random.percent(50))];
            set(&mut world, at, reserve, &classes);
        }
        let wait = world.random.between(10, 3_500);
        world.run_for(Duration::from_millis(wait));
    }
    calm_down(&mut world, hosts);
    world.fences_are_lifted();
    let all = |world: &mut World| {
        world.start_all();
        let believed: Vec<u64> = (0..hosts).map(|host| world.believed(host)).collect();
        is_even(&believed, MAX) && each_class_is_shared(world, hosts)
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
