//! Hundreds of seeded runs under everything at once: loss, doubling, reordering, partitions, lagging disks, power
//! cuts, changes of voters, transfers, snapshots, evidence. Then the faults end and the group must work again.

mod world;

use quorate_consensus::Replica;
use quorate_proto::ConfChangeKind::{AddLearner, AddVoter, Remove};
use std::collections::BTreeMap;
use world::{Draw, World, id};

const HOSTS: u64 = 5;

/// One step of a run.
fn step(world: &mut World, draw: &mut Draw, count: u64) {
    let host = 1 + draw.below(HOSTS);
    match draw.below(1000) {
        0..=549 => deliver_one(world, draw),
        550..=679 => {
            world.with(host, Replica::tick);
        }
        680..=839 => {
            let writes = 1 + usize::try_from(draw.below(3)).expect("small");
            world.sync(host, writes);
        }
        840..=919 => {
            let leader = world.leader().unwrap_or(host);
            world.propose(leader, &format!("{count}"));
        }
        920..=934 => {
            if let Some(leader) = world.leader() {
                world.read(leader);
            }
        }
        935..=949 => change(world, draw),
        950..=956 => {
            let other = id(1 + draw.below(HOSTS));
            world.with(host, |replica| replica.transfer_to(other));
        }
        957..=963 => {
            let other = id(1 + draw.below(HOSTS));
            world.with(host, |replica| replica.evidence_against(other));
            world.with(host, Replica::campaign);
        }
        964..=973 => world.compact(host, draw.below(10)),
        974..=983 if world.hosts[&host].replica.is_some() => {
            let kept = usize::try_from(draw.below(3)).expect("small");
            world.crash(host, kept);
        }
        984..=991 => world.cut = (1..=HOSTS).filter(|_| draw.percent(30)).collect(),
        992..=996 => world.cut.clear(),
        997 => world.commits_ride = draw.percent(50),
        _ => {
            world.with(host, Replica::tell_commit);
        }
    }
    for number in 1..=HOSTS {
        if world.hosts[&number].replica.is_none() && draw.percent(1) {
            world.restart(number);
        }
        if world.hosts[&number].removed {
            world.crash(number, 0);
        }
    }
}

fn deliver_one(world: &mut World, draw: &mut Draw) {
    if world.network.is_empty() {
        return;
    }
    let window = world.network.len().min(12) as u64;
    let at = usize::try_from(draw.below(window)).expect("small");
    let (message, image) = world.network.remove(at).expect("within the window");
    if draw.percent(5) {
        world.report(&message, false);
        return;
    }
    if draw.percent(3) && message.snapshot.is_none() {
        world.network.push_back((message.clone(), image.clone()));
    }
    world.deliver(message, image);
}

fn change(world: &mut World, draw: &mut Draw) {
    let Some(leader) = world.leader() else { return };
    let kinds = [AddVoter, AddLearner, Remove, AddVoter];
    let mut list = BTreeMap::new();
    for _ in 0..=draw.below(2) {
        let kind = kinds[usize::try_from(draw.below(4)).expect("small")];
        list.insert(1 + draw.below(HOSTS), kind);
    }
    let list: Vec<_> = list.into_iter().map(|(number, kind)| (kind, number)).collect();
    world.change(leader, &list);
}

struct Tally {
    hash: u64,
    committed: usize,
    leaders: usize,
    installs: usize,
    refused: usize,
}

fn run(seed: u64) -> Tally {
    let mut draw = Draw::new(seed);
    let mut world = World::new(seed, &[1, 2, 3], &[4, 5]);
    for count in 0..3_000 {
        step(&mut world, &mut draw, count);
    }
    heal(&mut world);
    Tally {
        hash: world.hash,
        committed: world.committed.len(),
        leaders: world.leaders.len(),
        installs: world.hosts.values().map(|host| host.installs).sum(),
        refused: world.hosts.values().map(|host| host.refused.len()).sum(),
    }
}

/// Without faults the group elects a leader, and all that it counts agree.
fn heal(world: &mut World) {
    world.cut.clear();
    for number in 1..=HOSTS {
        if world.hosts[&number].replica.is_none() {
            world.restart(number);
        }
    }
    world.settle();
    world.ticks(150);
    for number in 1..=HOSTS {
        if world.hosts[&number].removed {
            world.crash(number, 0);
            world.restart(number);
        }
    }
    world.ticks(150);
    let leader = world.leader().unwrap_or_else(|| panic!("seed {}: no leader", world.seed));
    assert!(world.propose(leader, "the end"), "seed {}", world.seed);
    world.ticks(10);
    let conf = world.status(leader).conf;
    for number in conf.voters.iter().chain(&conf.learners) {
        let texts = world.texts(*number);
        assert_eq!(texts.last().map(String::as_str), Some("the end"), "seed {}", world.seed);
        assert_eq!(texts, world.texts(leader), "seed {}", world.seed);
    }
}

#[test]
fn nothing_committed_is_lost_and_the_group_recovers_whatever_happens() {
    let (mut committed, mut leaders, mut installs, mut refused) = (0, 0, 0, 0);
    for seed in 1..=300 {
        let tally = run(seed);
        committed += tally.committed;
        leaders += tally.leaders;
        installs += tally.installs;
        refused += tally.refused;
    }
    println!("{committed} entries, {leaders} leaders, {installs} installs, {refused} refused");
    assert!(committed > 3_000, "only {committed} entries committed in all runs");
    assert!(leaders > 300 && installs > 100 && refused > 10, "{leaders} {installs} {refused}");
}

#[test]
fn a_run_is_the_same_every_time() {
    for seed in 1..=30 {
        assert_eq!(run(seed).hash, run(seed).hash, "seed {seed} does not replay");
    }
}
