//! What breaks in a random run: power, links, weather, pauses, disks, hosts that lie. Never more disks at once than the margin
//! allows, so that the promises must hold to the end.

use crate::network::Weather;
use crate::world::World;
use quorate_membership::Mode;
use std::time::Duration;

/// How rough a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roughness {
    /// Nothing breaks but the weather.
    Weather,
    /// Crashes, cuts, pauses and lies too.
    Crashes,
    /// Disks are lost too, one at a time.
    Wipes,
}

/// Breaks something, at random.
pub fn break_something(world: &mut World, roughness: Roughness) {
    world.is_disturbed();
    let hosts = world.hosts.len() as u64;
    let host = usize::try_from(world.random.below(hosts)).unwrap_or(0);
    let other = usize::try_from(world.random.below(hosts)).unwrap_or(0);
    let kinds = match roughness {
        Roughness::Weather => 2,
        Roughness::Crashes => 18,
        Roughness::Wipes => 20,
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
        6 => world.isolate(host),
        7 | 8 => {
            world.note(|| "the network heals".to_owned());
            world.network.heal();
        }
        9 => world.stop(host),
        10 => {
            let span = Duration::from_millis(world.random.between(20, 3_000));
            world.stall(host, span);
        }
        11 => {
            let span = Duration::from_millis(world.random.below(40));
            world.slow_down(host, span);
        }
        12 => split(world),
        13 if host != other => {
            world.note(|| format!("the link between n{} and n{} is cut", host + 1, other + 1));
            world.network.cut_both(host, other);
        }
        14..=16 => world.lie(),
        17 => world.shut_one_address(),
        18 => lose_disk_within_margin(world, host, true),
        19 => lose_disk_within_margin(world, host, false),
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
        breaks: if world.random.percent(50) { world.random.below(60) } else { 0 },
    };
}

/// Two halves that do not hear each other.
fn split(world: &mut World) {
    let side: Vec<bool> = world.hosts.iter().map(|_| world.random.percent(50)).collect();
    world.note(|| {
        let there = side.iter().enumerate().filter(|(_, side)| **side);
        let names: Vec<String> = there.map(|(host, _)| format!("n{}", host + 1)).collect();
        format!("[{}] and the rest no longer hear each other", names.join(" "))
    });
    for a in 0..side.len() {
        for b in (0..a).filter(|b| side[*b] != side[a]) {
            world.network.cut_both(a, b);
        }
    }
}

/// A disk is lost only while everybody has heard of the birth, all voters are up to date, and nothing else is
/// broken: then the loss of one is within every promise. Without `whole` the marker beside the data survives.
fn lose_disk_within_margin(world: &mut World, host: usize, whole: bool) {
    let alarm = world.hosts.iter().any(|host| {
        host.process.as_ref().is_none_or(|process| {
            process
                .node
                .status(world.now)
                .margin
                .is_none_or(|margin| margin.alarm || margin.disks < 1)
        })
    });
    // Two voters make a majority of two: a cluster that lost one of their disks stops for good, as it must.
    let replaceable = world.hosts.len() > 2;
    let allowed = (!alarm && replaceable && world.is_settled() && world.voters_agree())
        || spares_an_early_disk(world);
    if allowed && whole {
        world.wipe(host);
    } else if allowed {
        world.remove_data(host);
    }
}

/// Mode "durable" bears forgetful founders during the birth itself: fewer than 2q - N at one time (GENESIS 4.1). One
/// is lost here, once, and only among three seeds or more, so that the voters left still have a majority.
fn spares_an_early_disk(world: &mut World) -> bool {
    let seeds = world.setup.seeds;
    let spares = world.setup.mode == Mode::Durable && (3..=5).contains(&seeds);
    spares && world.checks.births() == 0 && !std::mem::replace(&mut world.lost_early, true)
}
