//! Hosts that are met at another address than the one at which they are reached, in virtual time.

use crate::world::{Setup, World};
use std::time::Duration;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);

/// Three hosts whose packets leave from elsewhere: epochs from birth through a restart of each, epochs in the minute after
/// that, and who says that there are two addresses.
///
/// # Panics
/// When the cluster does not become whole.
#[must_use]
pub fn two_addresses(seed: u64) -> (u64, u64, [bool; 3]) {
    let mut world = World::new(seed, Setup { quiet: Duration::ZERO, ..Setup::default() });
    (0..3).for_each(|host| world.leave_from_elsewhere(host));
    for host in 0..3 {
        let wait = world.random.below(800);
        world.run_for(Duration::from_millis(wait));
        world.start(host);
    }
    whole(&mut world);
    for host in 0..3 {
        world.crash(host);
        world.run_for(Duration::from_secs(2));
        world.start(host);
        whole(&mut world);
    }
    world.run_for(Duration::from_secs(10));
    let before = newest_epoch(&world);
    world.run_for(Duration::from_secs(60));
    let after = newest_epoch(&world);
    let told = [0, 1, 2].map(|host| {
        let process = world.hosts[host].process.as_ref().expect("it runs");
        let reasons = process.node.status(world.now).reasons;
        reasons.iter().any(|reason| reason.code == "two-addresses")
    });
    (before, after - before, told)
}

fn whole(world: &mut World) {
    assert!(world.run_until_true(LIMIT, |world| world.is_settled()), "{}", world.describe());
}

fn newest_epoch(world: &World) -> u64 {
    let processes = world.hosts.iter().filter_map(|host| host.process.as_ref());
    processes.map(|process| process.node.vitals().epoch.get()).max().unwrap_or(0)
}
