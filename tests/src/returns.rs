//! What a host knows when it says that it is ready, behind a start of its own.

use crate::figures::healthy;
use crate::world::World;
use std::time::Duration;

/// Within so much a host is told to be down, and one that is started again is ready.
const PATIENCE: Duration = Duration::from_secs(10);

fn epoch(world: &World, host: usize) -> u64 {
    world.status(host).map_or(0, |status| status.view.epoch.get())
}

fn is_ready(world: &World, host: usize) -> bool {
    world.status(host).is_some_and(|status| status.caught_up)
}

/// A host dies, is told to be down, and is started again: the epoch that every live node had acknowledged before, and the one that the host
/// shows when it says that it is ready.
///
/// # Panics
/// When it is not told to be down, or does not come to be ready.
#[must_use]
pub fn epoch_of_a_host_that_is_ready(seed: u64) -> (u64, u64) {
    let mut world = healthy(seed, 3);
    let host = usize::try_from(seed % 3).unwrap_or(0);
    let before = epoch(&world, host);
    world.crash(host);
    let others =
        |world: &World| (0..3).filter(|other| *other != host).map(|it| epoch(world, it)).min();
    let told = |world: &mut World| others(world) > Some(before);
    assert!(world.run_until_true(PATIENCE, told), "{}", world.describe());
    let acknowledged = others(&world).unwrap_or(0);
    world.start(host);
    let end = world.now + PATIENCE;
    while !is_ready(&world, host) {
        assert!(world.now < end, "{}", world.describe());
        world.run_for(Duration::from_micros(100));
    }
    (acknowledged, epoch(&world, host))
}
