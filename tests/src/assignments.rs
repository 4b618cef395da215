//! Random stories of an assignment: hosts whose clocks run fast or slow come, go, are cut off, frozen, drained, wiped and fenced, leaders are
//! deposed, and the rule by which items move is changed, while applications hold their items. Whatever happens, no item has two believers;
//! and in the end each has one.

use crate::disturbances::{act, born, calm_down, disturb, renews_while_cut_off};
use crate::fences::freed;
use crate::world::World;
use quorate_proto::{Assignment, Rebalance, SetAssignment, act};
use std::time::Duration;

/// So many items there are.
const ITEMS: u32 = 6;
/// For so long an item may be held.
const TTL: Duration = Duration::from_secs(3);

/// What a story came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// Items that are held at the end.
    pub in_the_end: usize,
    /// How often one came to another host.
    pub moves: u64,
    /// Items that were freed because of a fence, of those changes that are remembered.
    pub fenced: usize,
    /// Hash over everything that happened.
    pub trace: u64,
}

fn assign(world: &mut World, host: usize, rebalance: Rebalance) {
    let assignment = Assignment {
        name: "p".to_owned(),
        count: ITEMS,
        ttl_ms: u64::try_from(TTL.as_millis()).unwrap_or(0),
        rebalance: rebalance.into(),
        ..Assignment::default()
    };
    act(world, host, act::Body::SetAssignment(SetAssignment { assignment }));
}

fn held(world: &World) -> Vec<usize> {
    (0..world.hosts.len()).map(|host| world.items_of(host).len()).collect()
}

/// A cluster with an assignment and with clocks that are off.
///
/// # Panics
/// When its items do not come to be held.
#[must_use]
pub fn assigning(seed: u64, hosts: usize) -> World {
    let mut world = born(seed, hosts);
    world.applications_let_go_within(Duration::from_millis(800));
    assign(&mut world, 0, Rebalance::Lazy);
    let all = |world: &mut World| held(world).iter().sum::<usize>() == ITEMS as usize;
    assert!(world.run_until_true(Duration::from_secs(20), all), "all items are held at first");
    world
}

/// Plays a story.
///
/// # Panics
/// When an item has two believers, or none in the end.
#[must_use]
pub fn assigned(seed: u64, verbose: bool) -> Assigned {
    let hosts = 3 + usize::try_from(seed % 3).unwrap_or(0);
    let mut world = assigning(seed, hosts);
    world.verbose = verbose;
    if seed.is_multiple_of(2) {
        world.application_keeps_silent(usize::try_from(seed).unwrap_or(0) % hosts);
    }
    for step in 0..40 {
        match step % 8 {
            // The last host founded nothing, so its disk may go.
            4 if step == 20 && hosts > 3 && seed.is_multiple_of(4) => world.wipe(hosts - 1),
            0 => {
                let rules = [Rebalance::Lazy, Rebalance::Eager, Rebalance::Never];
                let rule = rules[usize::try_from(world.random.below(3)).unwrap_or(0)];
                assign(&mut world, usize::try_from(seed).unwrap_or(0) % hosts, rule);
            }
            _ => disturb(&mut world, hosts),
        }
        let at = usize::try_from(world.random.below(hosts as u64)).unwrap_or(0);
        world.fences_run(at);
        let wait = world.random.between(10, 3_500);
        world.run_for(Duration::from_millis(wait));
    }
    calm_down(&mut world, hosts);
    world.fences_are_lifted();
    assign(&mut world, 0, Rebalance::Eager);
    let all = |world: &mut World| {
        world.start_all();
        let held = held(world);
        let spread = held.iter().max().zip(held.iter().min()).map(|(most, least)| most - least);
        held.iter().sum::<usize>() == ITEMS as usize && spread <= Some(1)
    };
    let done = world.run_until_true(Duration::from_secs(90), all);
    if verbose {
        world.log.iter().for_each(|line| eprintln!("{line}"));
    }
    let held = held(&world);
    assert!(done, "each item is held in the end, evenly: {held:?}\n{}", world.describe());
    let (in_the_end, moves) = (held.iter().sum(), world.moves());
    Assigned { in_the_end, moves, fenced: freed(&world, 0), trace: world.trace() }
}

/// The leader loses both ways to the other voters while a host without a vote hears it: whether it renews that host's items in the time in
/// which it takes itself for the leader yet.
///
/// # Panics
/// When there is no leader, or no item to renew.
#[must_use]
pub fn item_renewed_by_a_leader_that_is_cut_off(seed: u64) -> bool {
    let mut world = assigning(seed, 4);
    renews_while_cut_off(&mut world, World::item_until)
}
