//! What happens to a cluster whose hosts share something: they come, go, are cut off, frozen, drained, and leaders are deposed.
//!
//! Knows nothing of what is shared.

use crate::host::Host;
use crate::world::World;
use quorate_node::ClientRequest;
use quorate_proto::{Act, DrainHost, TransferLeadership, act};
use std::time::Duration;

/// An operator asks something at a host.
pub(crate) fn act(world: &mut World, host: usize, body: act::Body) {
    world.ask(host, ClientRequest::Act(Act { body: Some(body) }), Duration::from_secs(5));
}

/// One of them, at random.
pub(crate) fn disturb(world: &mut World, hosts: usize) {
    world.disturbances += 1;
    world.checks.disturbed();
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
