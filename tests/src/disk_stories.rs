//! Stories of disks that fail: they fill up, hang, slow down, decay, and lose power in any of that, from the first start on.
//!
//! Within the budget: any number of disks may be full, slow or silent at any time, since nothing is lost by that. What had been written
//! safely is lost on one disk at a time, in a cluster that is whole. Then every promise holds, and all is well in the end. Beyond it, with
//! two of three disks bad at once, nothing may be promised but that nothing false is said.

use crate::ailing::{Rare, Tally};
use crate::contention::Contention;
use crate::disk::{Decay, Room};
use crate::faults::{Roughness, break_something};
use crate::random::Random;
use crate::restored::{Clients, is_whole};
use crate::runs::{Outcome, draw_setup, heal_and_verify};
use crate::workload::Workload;
use crate::world::{Setup, World};
use quorate_membership::Mode;
use std::time::Duration;

/// Rounds of a story.
const ROUNDS: usize = 10;
/// A snapshot takes so long, so that the power may go in the middle.
const SNAPSHOT: Duration = Duration::from_millis(300);
/// No write that was asked for before has an answer any more.
const ANSWERED: Duration = Duration::from_secs(6);

/// Those who use the cluster, whatever becomes of its disks.
#[derive(Debug, Default)]
struct Users {
    workload: Workload,
    contention: Contention,
}

impl Users {
    fn work(&mut self, world: &mut World, millis: u64) {
        let Self { workload, contention } = self;
        Clients { workload, contention }.work(world, millis, (20, 1_200));
    }

    fn verify(&mut self, world: &mut World) -> Outcome {
        renew(world);
        heal_and_verify(world, &mut self.workload, &mut self.contention);
        Outcome::of(world, &self.workload)
    }
}

/// The cluster of a seed.
#[must_use]
pub fn disk_setup(seed: u64) -> Setup {
    let mut random = Random::new(seed ^ 0x0d15_c5ee);
    let (setup, _) = draw_setup(seed ^ 0x0d15_0000);
    Setup { two_addresses: None, snapshot_every: random.between(4, 60), ..setup }
}

/// Runs the story of a seed.
///
/// # Panics
/// When a promise is broken.
#[must_use]
pub fn disk_story(seed: u64) -> (Outcome, Tally) {
    let mut world = World::new(seed, disk_setup(seed));
    let outcome = disk_story_in(&mut world);
    (outcome, world.tally().clone())
}

/// The same in a world that the caller can look at afterwards.
///
/// # Panics
/// When a promise is broken.
pub fn disk_story_in(world: &mut World) -> Outcome {
    let mut users = Users::default();
    world.snapshot_time = SNAPSHOT;
    for _ in 0..world.hosts.len() * 2 {
        if world.random.percent(40) {
            let host = world.any_host();
            ail(world, host);
        }
        let host = world.any_host();
        world.start(host);
        let wait = world.random.between(0, 4_000);
        world.run_for(Duration::from_millis(wait));
    }
    for _ in 0..ROUNDS {
        match world.random.below(10) {
            0..=5 => ail_somebody(world),
            6 | 7 => break_something(world, Roughness::Crashes),
            _ => decay_within_margin(world, &mut users),
        }
        let longest = if world.random.percent(15) { 40_000 } else { 5_000 };
        let span = world.random.between(100, longest);
        users.work(world, span);
        if world.random.percent(50) {
            renew(world);
        }
        if world.random.percent(60) {
            let host = world.any_host();
            if world.hosts[host].halted.is_none() {
                world.start(host);
            }
        }
    }
    users.verify(world)
}

/// Something comes over a disk, more often that of the leader than of another; or the power goes where something is wrong already.
fn ail_somebody(world: &mut World) {
    let leader = world.leader().filter(|_| world.random.percent(40));
    let host = leader.unwrap_or_else(|| world.any_host());
    if world.ails(host) && world.random.percent(50) {
        world.is_disturbed();
        if world.random.percent(30) {
            world.stop(host)
        } else {
            world.crash(host)
        }
        return;
    }
    ail(world, host);
}

fn ail(world: &mut World, host: usize) {
    world.is_disturbed();
    match world.random.below(6) {
        0 => world.spoil_a_snapshot(host),
        1 | 2 => {
            let most = if world.random.percent(50) { 3 } else { 60 };
            let room = Room { batches: world.random.below(most), files: world.random.percent(50) };
            let span = Duration::from_millis(world.random.between(500, 40_000));
            world.fill(host, room, span);
        }
        3 | 4 => {
            let longest = if world.random.percent(50) { 60_000 } else { 15_000 };
            let span = Duration::from_millis(world.random.between(2_500, longest));
            world.stall(host, span);
        }
        _ => {
            let slowest = world.random.between(60_000, 1_000_000);
            let span = Duration::from_secs(world.random.between(10, 180));
            world.slow_disk(host, (50_000, slowest), span);
        }
    }
}

/// What had been written safely is no longer what it was, on one disk of a cluster that is whole. Its next start finds it.
fn decay_within_margin(world: &mut World, users: &mut Users) {
    renew(world);
    // Two voters make a majority of two: a cluster that lost one of their disks stops for good, as it must.
    if world.hosts.len() < 3 || !is_whole(world) {
        return;
    }
    let margins = world.hosts.iter().map(|host| {
        let process = host.process.as_ref()?;
        let margin = process.node.status(world.now).margin?;
        (!margin.alarm).then_some(margin.disks)
    });
    if margins.min().flatten().unwrap_or(0) < 1 {
        return;
    }
    let host = world.any_host();
    let decay = if world.random.percent(50) { Decay::Log } else { Decay::Snapshot };
    let World { hosts, random, .. } = world;
    if !hosts[host].disk.decays(decay, random) {
        return;
    }
    world.note(|| format!("{decay:?} of n{} decays", host + 1));
    world.is_disturbed();
    if decay == Decay::Snapshot {
        // It may be wanted before the host starts again.
        users.work(world, 3_000);
    }
    world.crash(host);
    world.start(host);
}

/// The operator begins anew where a host refuses its data: `quorate reset --set-aside`, and a start.
fn renew(world: &mut World) {
    for host in 0..world.hosts.len() {
        let refuses = |reason: &String| Rare::of_refusal(reason).is_some();
        if world.hosts[host].halted.as_ref().is_some_and(refuses) {
            world.tally.add(Rare::BegunAnew);
            world.is_disturbed();
            world.hosts[host].halted = None;
            world.wipe(host);
            world.start(host);
        }
    }
}

/// Two of three disks go bad at once. Whether what had been written safely is lost on both: then nobody writes or reads any more, and
/// nothing else is promised; else all is well again once the disks are.
///
/// # Panics
/// When something false is said, or what is left does not heal although a majority has its data.
#[must_use]
pub fn two_bad_disks(seed: u64) -> bool {
    let mode = if seed.is_multiple_of(2) { Mode::Majority } else { Mode::Durable };
    let mut world = World::new(seed, Setup { snapshot_every: 20, mode, ..Setup::default() });
    let mut users = Users::default();
    world.start_all();
    assert!(is_whole(&mut world), "it is born");
    users.work(&mut world, 5_000);
    assert!(is_whole(&mut world), "and whole");
    let first = world.any_host();
    let mut lost = 0;
    for host in [first, (first + 1) % 3] {
        if world.random.percent(60) {
            let World { hosts, random, .. } = &mut world;
            lost += usize::from(hosts[host].disk.decays(Decay::Log, random));
            world.crash(host);
            world.start(host);
        } else {
            ail(&mut world, host);
        }
        users.work(&mut world, 300);
    }
    users.work(&mut world, 20_000);
    if lost < 2 {
        let _ = users.verify(&mut world);
        return false;
    }
    world.heal();
    world.run_for(ANSWERED);
    users.workload.collect(&mut world);
    let acknowledged = users.workload.acknowledged();
    users.work(&mut world, 20_000);
    assert_eq!(users.workload.acknowledged(), acknowledged, "one of three acknowledges nothing");
    assert_eq!(world.checks.births(), 1, "one birth");
    assert_eq!(world.leader(), None, "one of three leads nobody");
    true
}
