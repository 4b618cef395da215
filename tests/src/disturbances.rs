//! What happens to a cluster whose hosts share something, from its birth on: they come, go, are cut off, frozen, drained, and leaders are
//! deposed.
//!
//! Knows nothing of what is shared.

use crate::host::Host;
use crate::world::{Setup, World};
use quorate_node::ClientRequest;
use quorate_proto::{Act, DrainHost, Moment, TransferLeadership, act};
use std::time::Duration;

/// A cluster that was just born, whose clocks are off.
///
/// # Panics
/// When it is not born.
pub(crate) fn born(seed: u64, hosts: usize) -> World {
    let seeds = hosts.min(3);
    let setup = Setup { hosts, seeds, quiet: Duration::ZERO, ..Setup::default() };
    let mut world = World::new(seed, setup);
    world.clocks_are_off();
    world.start_all();
    let settled = world.run_until_true(Duration::from_secs(60), |world| world.is_settled());
    assert!(settled, "it is born");
    world
}

/// All of it is over: who is down starts, who is cut off is reached, and nobody is drained any more.
pub(crate) fn calm_down(world: &mut World, hosts: usize) {
    world.heal();
    world.checks.disturbed();
    world.start_all();
    world.run_for(Duration::from_secs(8));
    for host in 0..hosts {
        let name = world.hosts[host].name.clone();
        let undrain = DrainHost { name, drained: false, reason: String::new() };
        act(world, host, act::Body::Drain(undrain));
    }
}

/// The leader loses both ways to the other voters of four hosts, while the fourth, which has no vote, hears it. Whether what that one may use
/// counts for longer in the time in which it takes itself for the leader yet.
///
/// # Panics
/// When there is no leader, or nothing to renew.
pub(crate) fn renews_while_cut_off(
    world: &mut World,
    until: fn(&World, usize) -> Option<Moment>,
) -> bool {
    let wait = world.random.between(0, 1_000);
    world.run_for(Duration::from_millis(wait));
    let leader = world.leader().expect("somebody leads");
    for other in (0..3).filter(|other| *other != leader) {
        world.network.cut_both(leader, other);
    }
    // What was answered before the cut is on its way.
    world.run_for(Duration::from_millis(20));
    let before = until(world, 3).expect("it has something to renew");
    // The others may elect somebody before the half second is over, who renews with right.
    let deposed = |world: &mut World| world.leader() != Some(leader);
    let renewed = |world: &mut World| until(world, 3) != Some(before);
    world.run_until_true(Duration::from_millis(450), |world| deposed(world) || renewed(world));
    renewed(world) && !deposed(world)
}

/// An operator asks something at a host.
pub(crate) fn act(world: &mut World, host: usize, body: act::Body) {
    world.ask(host, ClientRequest::Act(Act { body: Some(body) }), Duration::from_secs(5));
}

/// One of them, at random.
pub(crate) fn disturb(world: &mut World, hosts: usize) {
    world.is_disturbed();
    let [host, other] =
        [0, 1].map(|_| usize::try_from(world.random.below(hosts as u64)).unwrap_or(0));
    let name = |host: &Host| host.name.clone();
    match world.random.below(14) {
        0 | 1 => world.crash(host),
        2 => world.stop(host),
        3 | 4 => world.start_all(),
        5 => {
            let span = Duration::from_millis(world.random.between(50, 5_000));
            world.pause(host, span);
        }
        6 => world.isolate(host),
        7 if host != other => world.network.cut_both(host, other),
        8 if host != other => world.network.set_cut(host, other, true),
        9 | 10 => world.network.heal(),
        11 => {
            let drained = world.random.percent(50);
            let drain =
                DrainHost { name: name(&world.hosts[other]), drained, reason: String::new() };
            act(world, host, act::Body::Drain(drain));
        }
        12 => {
            let to = name(&world.hosts[other]);
            act(world, host, act::Body::Transfer(TransferLeadership { to }));
        }
        _ => {
            if let Some(leader) = world.leader() {
                world.isolate(leader);
            }
        }
    }
}
