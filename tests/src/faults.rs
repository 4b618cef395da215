//! What breaks in a random run: power, links, weather, pauses, disks. Never more disks at once than the margin
//! allows, so that the promises must hold to the end.

use crate::network::Weather;
use crate::world::World;
use std::time::Duration;

/// How rough a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roughness {
    /// Nothing breaks but the weather.
    Weather,
    /// Crashes, cuts and pauses too.
    Crashes,
    /// Disks are lost too, one at a time.
    Wipes,
}

/// Breaks something, at random.
pub fn break_something(world: &mut World, roughness: Roughness) {
    let hosts = world.hosts.len() as u64;
    let host = usize::try_from(world.random.below(hosts)).unwrap_or(0);
    let other = usize::try_from(world.random.below(hosts)).unwrap_or(0);
    let kinds = match roughness {
        Roughness::Weather => 2,
        Roughness::Crashes => 9,
        Roughness::Wipes => 10,
    };
    match world.random.below(kinds) {
        0 => new_weather(world),
        1 => world.network.weather = Weather::CALM,
        2 | 3 => world.crash(host),
        4 => {
            let span = Duration::from_millis(world.random.between(50, 4_000));
            world.pause(host, span);
        }
        5 if host != other => {
            world.note(|| format!("the way from n{} to n{} is cut", host + 1, other + 1));
            world.network.set_cut(host, other, true);
        }
        6 => isolate(world, host),
        7 => world.network.heal(),
        8 => world.stop(host),
        9 => wipe_within_margin(world, host),
        _ => {}
    }
}

fn new_weather(world: &mut World) {
    let delay = world.random.between(100, 20_000);
    world.network.weather = Weather {
        delay: Duration::from_micros(delay),
        jitter: Duration::from_micros(world.random.below(delay * 2)),
        loss: world.random.below(25),
        duplicates: world.random.below(5),
    };
}

fn isolate(world: &mut World, host: usize) {
    world.note(|| format!("n{} is cut off", host + 1));
    for other in 0..world.hosts.len() {
        if other != host {
            world.network.set_cut(host, other, true);
            world.network.set_cut(other, host, true);
        }
    }
}

/// A disk is lost only while everybody has heard of the birth, all voters are up to date, and nothing else is
/// broken: then the loss of one is within every promise.
fn wipe_within_margin(world: &mut World, host: usize) {
    let alarm = world.hosts.iter().any(|host| {
        host.process.as_ref().is_none_or(|process| {
            process
                .node
                .status(world.now)
                .margin
                .is_none_or(|margin| margin.alarm || margin.disks < 2)
        })
    });
    // Two voters make a majority of two: a cluster that lost one of their disks stops for good, as it must.
    if !alarm && world.hosts.len() > 2 && world.is_settled() {
        world.wipe(host);
    }
}
