//! Spans of virtual time that matter to people: how soon a cluster is born, has another leader, has told everybody.
//!
//! The tests bound median and longest of each over many seeds. Virtual time has no noise: a bound that is passed was
//! passed by what the nodes do.

use crate::cut_links::Cut;
use crate::world::{Setup, World};
use quorate_node::{ClientRequest, State, Status};
use quorate_proto::{HealthEpoch, Instance, MemberState};
use std::time::Duration;

/// Longer than anything measured here takes.
const LIMIT: Duration = Duration::from_secs(30);

/// A healthy cluster of so many hosts, three of them seeds.
#[must_use]
pub fn healthy(seed: u64, hosts: usize) -> World {
    healthy_with(seed, Setup { hosts, ..Setup::default() })
}

/// The same of another setup, but for its quiet time.
#[must_use]
pub fn healthy_with(seed: u64, setup: Setup) -> World {
    let mut world = World::new(seed, Setup { quiet: Duration::ZERO, ..setup });
    world.start_all();
    assert!(world.run_until_true(LIMIT, |world| world.is_settled()), "{}", world.describe());
    // Any phase of pings, ticks and probes.
    let phase = world.random.below(2_000);
    world.run_for(Duration::from_secs(2) + Duration::from_millis(phase));
    world
}

/// From the last of three starts to a leader that all follow, without a quiet time.
#[must_use]
pub fn formation(seed: u64) -> Duration {
    let setup = Setup { quiet: Duration::ZERO, ..Setup::default() };
    let mut world = World::new(seed, setup);
    for host in 0..3 {
        let wait = world.random.below(200);
        world.run_for(Duration::from_millis(wait));
        world.start(host);
    }
    span_until(&mut world, |world| {
        world.hosts.iter().all(|host| {
            let process = host.process.as_ref();
            process.is_some_and(|process| process.node.status(world.now).state == State::Quorate)
        })
    })
}

/// From the leader's loss of power to another leader.
#[must_use]
pub fn failover(seed: u64) -> Duration {
    let mut world = healthy(seed, 3);
    let leader = world.leader().expect("a healthy cluster has a leader");
    world.crash(leader);
    span_until(&mut world, |world| world.leader().is_some())
}

/// From a follower's loss of power to the last live node's having the epoch that says so.
#[must_use]
pub fn told(seed: u64, hosts: usize) -> Duration {
    let mut world = healthy(seed, hosts);
    let leader = world.leader().expect("a healthy cluster has a leader");
    let follower = (0..3).find(|host| *host != leader).expect("three seeds");
    let gone = world.hosts[follower].process.as_ref().map(|process| process.instance);
    world.crash(follower);
    span_until(&mut world, |world| sees_down(world, gone))
}

/// From the leader's loss of power to the last live node's having the epoch that says so.
#[must_use]
pub fn leader_told(seed: u64, hosts: usize) -> Duration {
    let mut world = healthy(seed, hosts);
    let leader = world.leader().expect("a healthy cluster has a leader");
    let gone = world.hosts[leader].process.as_ref().map(|process| process.instance);
    world.crash(leader);
    span_until(&mut world, |world| sees_down(world, gone))
}

/// Whether every running node has the epoch that says that this one is down.
fn sees_down(world: &World, gone: Option<Instance>) -> bool {
    world.hosts.iter().filter_map(|host| host.process.as_ref()).all(|process| {
        let view = process.node.status(world.now).view;
        let member = view.members.iter().find(|member| Some(member.instance) == gone);
        member.is_some_and(|member| member.state() == MemberState::Down)
    })
}

/// From the cut of all ways to the leader, which is still heard by everybody, to another leader.
#[must_use]
pub fn deaf_leader(seed: u64, hosts: usize) -> Duration {
    let mut world = healthy(seed, hosts);
    let leader = world.leader().expect("a healthy cluster has a leader");
    world.cut(Cut::Deaf(leader));
    span_until(&mut world, |world| world.leader().is_some_and(|host| host != leader))
}

/// One link is cut, and a follower of others loses power. How long it takes until the last live node has the epoch that
/// says so, and until the leader knows that all have it.
///
/// # Panics
/// When the leader changes, which no node without a link to it may bring about.
#[must_use]
pub fn told_over_a_cut_link(
    seed: u64,
    hosts: usize,
    cut: fn(usize, usize) -> Cut,
) -> [Duration; 2] {
    let mut world = healthy(seed, hosts);
    let leader = world.leader().expect("a healthy cluster has a leader");
    let others: Vec<usize> = (0..hosts).filter(|host| *host != leader).collect();
    let leads = |world: &World| Some(world.hosts[leader].process.as_ref()?.node.vitals().leads_in);
    let term = leads(&world);
    world.cut(cut(leader, others[0]));
    world.run_for(Duration::from_secs(5));
    let gone = others[1];
    let process = world.hosts[gone].process.as_ref().expect("everybody runs");
    let (instance, epoch) = (process.instance, process.node.vitals().epoch.next());
    let epoch = epoch.expect("epochs go on");
    world.crash(gone);
    let request = ClientRequest::WaitEpoch { epoch, all_live: true };
    let ticket = world.ask(leader, request, LIMIT).expect("the leader runs");
    let told = span_until(&mut world, |world| sees_down(world, Some(instance)));
    let acknowledged = span_until(&mut world, |world| world.take_reply(ticket).is_some());
    assert_eq!(leads(&world), term, "the leader leads on in its term");
    [told, told + acknowledged]
}

/// From the loss of a majority to the last node's saying that there is no quorum.
#[must_use]
pub fn majority_lost(seed: u64) -> Duration {
    let mut world = healthy(seed, 5);
    let leader = world.leader().expect("a healthy cluster has a leader");
    for step in 0..3 {
        world.crash((leader + step) % 5);
    }
    span_until(&mut world, |world| {
        world
            .hosts
            .iter()
            .filter_map(|host| host.process.as_ref())
            .all(|process| process.node.status(world.now).state == State::NoQuorum)
    })
}

/// All hosts stand still at once, as when the machine below them does. Whether the same leader leads in the same term
/// a while after they go on.
#[must_use]
pub fn stands_still_and_goes_on(seed: u64, span: Duration) -> bool {
    let mut world = healthy(seed, 3);
    let led = |world: &World| {
        let leads = |host: usize| world.hosts[host].process.as_ref()?.node.vitals().leads_in;
        (0..3).filter_map(|host| Some((host, leads(host)?))).collect::<Vec<_>>()
    };
    let before = led(&world);
    (0..3).for_each(|host| world.pause(host, span));
    world.run_for(span + Duration::from_secs(3));
    before == led(&world)
}

/// From a kill of the leader, which is started again within milliseconds, to a leader; of so many seeds.
#[must_use]
pub fn leader_killed_and_back(seed: u64, hosts: usize) -> Duration {
    let mut world = if hosts == 1 { lone(seed) } else { healthy(seed, hosts) };
    let leader = world.leader().expect("a healthy cluster has a leader");
    world.crash(leader);
    let away = world.random.between(1, 40);
    world.run_for(Duration::from_millis(away));
    world.start(leader);
    span_until(&mut world, |world| world.leader().is_some())
}

/// From the wiping of the leader, which is started again within milliseconds, to its being a member again.
#[must_use]
pub fn leader_wiped_and_back(seed: u64) -> Duration {
    let mut world = healthy(seed, 3);
    let leader = world.leader().expect("a healthy cluster has a leader");
    world.wipe(leader);
    let away = world.random.between(1, 40);
    world.run_for(Duration::from_millis(away));
    world.start(leader);
    span_until(&mut world, |world| {
        let process = world.hosts[leader].process.as_ref();
        process.is_some_and(|process| process.node.status(world.now).state == State::Quorate)
    })
}

/// A cluster of one host.
fn lone(seed: u64) -> World {
    let setup = Setup { hosts: 1, seeds: 1, quiet: Duration::ZERO, ..Setup::default() };
    let mut world = World::new(seed, setup);
    world.start_all();
    assert!(world.run_until_true(LIMIT, |world| world.is_settled()), "{}", world.describe());
    world
}

fn span_until(world: &mut World, holds: impl FnMut(&mut World) -> bool) -> Duration {
    let since = world.elapsed();
    assert!(world.run_until_true(LIMIT, holds), "not within {LIMIT:?}:\n{}", world.describe());
    world.elapsed() - since
}

/// Where an idle cluster stands: the highest term, the newest epoch, the highest commit and applied index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Elections raise it.
    pub term: u64,
    /// Verdicts raise it.
    pub epoch: HealthEpoch,
    /// Every entry of the log raises it, also one that changes nothing.
    pub commit: u64,
    /// The same, as far as it has been carried out.
    pub applied: u64,
}

/// A cluster without clients or faults for so long: where it stood before and stands after, while no verdict differed.
///
/// # Panics
/// When a node passed a verdict.
#[must_use]
pub fn idle(seed: u64, hosts: usize, span: Duration) -> [Standing; 2] {
    let mut world = healthy(seed, hosts);
    let standing = |world: &World| {
        let processes = || world.hosts.iter().filter_map(|host| host.process.as_ref());
        let statuses: Vec<_> = processes().map(|process| process.node.status(world.now)).collect();
        let highest = |of: fn(&Status) -> u64| statuses.iter().map(of).max().unwrap_or(0);
        Standing {
            term: highest(|status| status.term),
            epoch: HealthEpoch::new(highest(|status| status.view.epoch.get())),
            commit: highest(|status| status.commit),
            applied: highest(|status| status.applied),
        }
    };
    let before = standing(&world);
    let end = world.elapsed() + span;
    while world.elapsed() < end {
        world.run_for(Duration::from_secs(1));
        for process in world.hosts.iter().filter_map(|host| host.process.as_ref()) {
            let opinions = process.node.status(world.now).opinions;
            assert!(opinions.is_empty(), "no verdict is passed in a healthy cluster: {opinions:?}");
        }
    }
    [before, standing(&world)]
}

/// Median and longest of some spans.
#[must_use]
pub fn median_and_worst(mut spans: Vec<Duration>) -> (Duration, Duration) {
    spans.sort_unstable();
    (spans[spans.len() / 2], spans[spans.len() - 1])
}
