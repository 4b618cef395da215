//! A disk that runs twice, or that goes back to an older state, while nothing else is broken.
//!
//! What must hold then: nothing that was acknowledged is lost, reads are linearizable, health turns no more than for any
//! restart, no honest node halts. Only the host whose disk went back may halt, and is then begun anew, as it says itself.
//! Whether a disk went back *while another is lost or cut off* is what no cluster can see, and acknowledged writes can be
//! lost then (README, Limits): so these mishaps come alone, in a cluster that is whole, and the run waits for their end.

use crate::contention::Contention;
use crate::disk::Disk;
use crate::workload::Workload;
use crate::world::World;
use std::time::Duration;

/// The cluster is whole within this, before and after.
const WHOLE: Duration = Duration::from_secs(60);
/// Pauses of clients meanwhile, in milliseconds.
const PAUSES: (u64, u64) = (5, 200);
/// The cluster is written to for so long, in milliseconds, while a disk is there that went back.
const ASKED: u64 = 4_000;
/// A disk that went back is either noticed or filled up within this.
const NOTICED: Duration = Duration::from_secs(20);

/// What becomes of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// A copy of it runs at another host beside it, under that host's name or under its own.
    Twice {
        /// Whether that host keeps its own name.
        own_name: bool,
    },
    /// It loses what was written since some moment after its last start.
    Back,
    /// It is that of an earlier start. With `noted`, the host still knows elsewhere which start it had reached.
    EarlierStart {
        /// Whether that is known.
        noted: bool,
    },
}

impl Mishap {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Twice { own_name: false },
        Self::Twice { own_name: true },
        Self::Back,
        Self::EarlierStart { noted: false },
        Self::EarlierStart { noted: true },
    ];

    /// One of them.
    pub fn draw(world: &mut World) -> Self {
        let drawn = world.random.below(Self::ALL.len() as u64);
        Self::ALL[usize::try_from(drawn).unwrap_or(0)]
    }
}

/// Those who use the cluster meanwhile.
pub struct Clients<'a> {
    /// Keys of one write each.
    pub workload: &'a mut Workload,
    /// Keys that are fought for.
    pub contention: &'a mut Contention,
}

impl Clients<'_> {
    /// Uses it for so long, with pauses from so long to so long, all in milliseconds.
    pub(crate) fn work(&mut self, world: &mut World, millis: u64, (least, most): (u64, u64)) {
        let until = world.elapsed() + Duration::from_millis(millis);
        while world.elapsed() < until {
            let host = world.any_host();
            if world.random.percent(70) {
                self.workload.write(world, host);
            } else {
                self.workload.read(world, host);
            }
            let host = world.any_host();
            self.contention.call(world, host);
            let pause = Duration::from_millis(world.random.between(least, most));
            world.run_for(pause);
            self.workload.collect(world);
            self.contention.collect(world);
        }
    }
}

/// Lets a mishap come over a disk of a cluster that is whole, and waits until it is whole again. False when it did not
/// become whole before: then nothing is done.
///
/// # Panics
/// When a promise is broken.
pub fn befall(world: &mut World, mishap: Mishap, clients: &mut Clients<'_>) -> bool {
    if world.hosts.len() < 3 || !is_whole(world) {
        return false;
    }
    let hosts = world.hosts.len();
    let host = world.any_host();
    let step = usize::try_from(world.random.between(1, hosts as u64 - 1)).unwrap_or(1);
    let other = (host + step) % hosts;
    if !world.run_until_true(WHOLE, |world| meets_everybody(world, host)) {
        return false;
    }
    world.note(|| format!("{mishap:?} comes over the disk of n{}", host + 1));
    match mishap {
        Mishap::Twice { own_name } => runs_twice(world, host, other, own_name, clients),
        Mishap::Back => goes_back(world, host, 0, true, clients),
        Mishap::EarlierStart { noted } => {
            let starts = usize::try_from(world.random.between(1, 3)).unwrap_or(1);
            goes_back(world, host, starts, noted, clients);
        }
    }
    let whole = is_whole(world);
    assert!(whole, "whole again within {WHOLE:?} after {mishap:?}:\n{}", world.describe());
    true
}

/// Ends all other faults and waits until the cluster is whole and no change of voters is under way.
pub(crate) fn is_whole(world: &mut World) -> bool {
    world.heal();
    world.is_disturbed();
    world.run_until_true(WHOLE, |world| {
        world.start_all();
        world.is_settled() && world.voters_agree()
    })
}

/// Whether everybody has a connection with a host. Who has none takes a copy for a later start of it, as a copy is.
fn meets_everybody(world: &World, host: usize) -> bool {
    let others = (0..world.hosts.len()).filter(|other| *other != host);
    others.into_iter().all(|other| is_met(world, other, host))
}

fn is_met(world: &World, by: usize, host: usize) -> bool {
    world.hosts[by].process.as_ref().is_some_and(|process| process.link_with(host).is_some())
}

/// A copy of the disk of a host that goes on running is started at another, whose own disk lies in a drawer meanwhile.
fn runs_twice(
    world: &mut World,
    original: usize,
    place: usize,
    own_name: bool,
    clients: &mut Clients<'_>,
) {
    let copy = world.hosts[original].disk.copy();
    let age = world.random.below(3_000);
    clients.work(world, age, PAUSES);
    world.crash(place);
    world.is_disturbed();
    let drawer = std::mem::replace(&mut world.hosts[place].disk, copy);
    let name = world.hosts[place].name.clone();
    if !own_name {
        world.hosts[place].name = world.hosts[original].name.clone();
    }
    world.checks.clone_begins(original, place);
    let run = world.hosts[original].run;
    world.start(place);
    let lasts = world.random.between(500, 8_000);
    clients.work(world, lasts, PAUSES);
    let goes_on = world.hosts[original].process.is_some() && world.hosts[original].run == run;
    assert!(goes_on, "the original goes on beside its copy: {:?}", world.hosts[original].halted);
    if world.random.below(2) == 0 {
        comes_back_beside_its_copy(world, original, place, clients);
    }
    world.crash(place);
    world.is_disturbed();
    world.hosts[place].disk = drawer;
    world.hosts[place].name = name;
    world.hosts[place].halted = None;
    world.checks.clone_ends(original, place);
    world.start(place);
}

/// The original restarts while the copy waits, which everybody who is connected with the original has seen: the place is kept for it.
fn comes_back_beside_its_copy(
    world: &mut World,
    original: usize,
    place: usize,
    clients: &mut Clients<'_>,
) {
    let others = (0..world.hosts.len()).filter(|host| ![original, place].contains(host));
    let knows = |host: usize| {
        let process = world.hosts[host].process.as_ref();
        process.is_some_and(|process| process.copies.contains(&place))
    };
    // An original with two addresses may come from the one at which nobody has seen it yet: it waits for five minutes then.
    let moves = world.hosts[original].leaves_from.is_some();
    if moves || world.hosts[place].process.is_none() || !others.clone().all(knows) {
        return;
    }
    if world.random.below(2) == 0 {
        world.stop(original);
        let over = |world: &mut World| world.hosts[original].process.is_none();
        world.run_until_true(WHOLE, over);
    } else {
        world.crash(original);
    }
    world.is_disturbed();
    let away = world.random.between(10, 5_000);
    clients.work(world, away, PAUSES);
    world.start(original);
    let everybody = |world: &mut World| others.clone().all(|host| is_met(world, host, original));
    assert!(
        world.run_until_true(WHOLE, everybody),
        "the original is let in again, and not its copy:\n{}",
        world.describe()
    );
}

/// The disk of a host becomes what it was so many starts ago. It is begun anew where its host says so, or does not find its
/// way back.
fn goes_back(
    world: &mut World,
    host: usize,
    starts: usize,
    noted: bool,
    clients: &mut Clients<'_>,
) {
    let old = world.hosts[host].disk.copy();
    for start in 0..=starts {
        let span = world.random.between(20, 2_000);
        clients.work(world, span, PAUSES);
        world.crash(host);
        world.is_disturbed();
        if start < starts {
            world.start(host);
        }
    }
    put_back(world, host, old, noted);
    world.start(host);
    clients.work(world, ASKED, PAUSES);
    let found = world
        .run_until_true(NOTICED, |world| world.hosts[host].halted.is_some() || world.is_settled());
    let halted = world.hosts[host].halted.take();
    world.note(|| format!("n{} with its older disk: halted {halted:?}, found {found}", host + 1));
    if halted.is_some() || !found {
        world.wipe(host);
        world.is_disturbed();
        world.start(host);
    }
}

fn put_back(world: &mut World, host: usize, mut old: Disk, noted: bool) {
    let disk = &mut world.hosts[host].disk;
    if noted {
        old.reached = disk.reached;
    }
    *disk = old;
}
