//! Hosts come, go for good, are drained and removed, while the autopilot keeps the voters: what must hold of them is checked at each epoch
//! (`tolerance.rs`), and at the end that they are as many as there should be.

use crate::random::Random;
use crate::workload::put;
use crate::world::{Setup, World};
use quorate_node::{ClientReply, ClientRequest, Settings};
use quorate_proto::{
    Act, DrainHost, MemberState, RaiseFeatures, RemoveHost, Role, SteerAutopilot,
    TransferLeadership, act,
};
use std::time::Duration;

/// After how long a voter is replaced in these stories.
pub const REPLACE_AFTER: Duration = Duration::from_secs(20);
/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(5);
/// What happens in one story.
const STEPS: usize = 12;

/// What came of a story.
#[derive(Debug, Default)]
pub struct Churned {
    /// Voters that were replaced, or gave up a vote, because they were gone for long.
    pub replaced: usize,
    /// Acts that were done.
    pub acts: usize,
}

/// Plays a story of so many hosts.
///
/// # Panics
/// When a promise is broken, or the cluster is not whole in the end.
#[must_use]
pub fn churn(seed: u64) -> Churned {
    let mut random = Random::new(seed ^ 0x5eed_c0de);
    let hosts = random.between(7, 9) as usize;
    let zones = (0..hosts).map(|_| ["a", "b", "c"][random.between(0, 2) as usize].to_owned());
    let setup = Setup {
        hosts,
        seeds: 3,
        zones: zones.collect(),
        settings: Settings {
            replace_after: REPLACE_AFTER,
            voters: [None, None, Some(3), Some(7)][random.between(0, 3) as usize],
            ..Settings::default()
        },
        ..Setup::default()
    };
    let mut world = World::new(seed, setup);
    world.start_all();
    assert!(world.run_until_true(LIMIT, |world| world.is_settled()), "{}", world.describe());
    // A leader that takes over before the birth has raised the level leaves that to an operator.
    let raised = act::Body::RaiseFeatures(RaiseFeatures { level: 0 });
    let done = asked(&mut world, raised);
    let level = |world: &World| {
        let leader = world.leader().and_then(|at| world.hosts[at].process.as_ref());
        leader.map_or(0, |process| process.node.vitals().level)
    };
    assert!(done || level(&world) >= 2, "{}", world.describe());
    let mut churned = Churned::default();
    for _ in 0..STEPS {
        step(&mut world, &mut random, &mut churned);
        churned.note(&world);
    }
    end(&mut world, &mut random);
    churned.note(&world);
    churned
}

impl Churned {
    /// What the newest view says of votes that were given up.
    fn note(&mut self, world: &World) {
        let running = world.hosts.iter().filter_map(|host| host.process.as_ref());
        let views = running.map(|process| process.node.status(world.now).view);
        let Some(view) = views.max_by_key(|view| view.epoch) else { return };
        let why = |word: &str| {
            let votes = |one: &&quorate_proto::Member| one.role() == Role::Standby;
            view.members.iter().filter(votes).filter(|one| one.role_reason.contains(word)).count()
        };
        self.replaced = self.replaced.max(why("has been gone for"));
    }
}

/// One thing happens, and some time goes by: often less than a replacement takes.
fn step(world: &mut World, random: &mut Random, churned: &mut Churned) {
    let host = random.between(0, world.hosts.len() as u64 - 1) as usize;
    world.checks.disturbed();
    let name = world.hosts[host].name.clone();
    let act = match random.between(0, 9) {
        0..=2 if spares(world, host) => {
            world.crash(host);
            None
        }
        3 if spares(world, host) => {
            world.stop(host);
            None
        }
        4 | 5 => {
            if world.hosts[host].process.is_none() {
                world.start(host);
            }
            None
        }
        6 => Some(act::Body::Drain(DrainHost { name, drained: true, reason: "work".to_owned() })),
        7 => Some(act::Body::Drain(DrainHost { name, drained: false, reason: String::new() })),
        8 => Some(act::Body::Transfer(TransferLeadership { to: String::new() })),
        _ => Some(act::Body::Steer(SteerAutopilot {
            paused: random.between(0, 1) == 1,
            reason: "work".to_owned(),
        })),
    };
    if let Some(act) = act {
        churned.acts += usize::from(asked(world, act));
    }
    let span = [1, 5, 15, 25, 40][random.between(0, 4) as usize];
    world.run_for(Duration::from_secs(span));
}

/// Whether the voters that live are a majority without this host, so that the story goes on.
fn spares(world: &World, host: usize) -> bool {
    let Some(leader) = world.leader() else { return false };
    let Some(process) = &world.hosts[leader].process else { return false };
    if world.hosts[host].process.is_none() {
        return false;
    }
    let view = process.node.status(world.now).view;
    let name = &world.hosts[host].name;
    let voters = || view.members.iter().filter(|one| one.role() == Role::Voter);
    let there = |one: &&quorate_proto::Member| {
        let running = world.hosts.iter().find(|host| host.name == one.name);
        &one.name != name
            && one.state() == MemberState::Alive
            && running.is_some_and(|host| host.process.is_some())
    };
    // Of a joint state both halves must live, which the view does not tell apart.
    let votes = process.node.voters().is_some();
    votes && voters().filter(there).count() * 2 > voters().count()
}

/// Asks any host that runs; whether it was done.
fn asked(world: &mut World, act: act::Body) -> bool {
    let Some(at) = world.leader() else { return false };
    let request = ClientRequest::Act(Act { body: Some(act) });
    let Some(ticket) = world.ask(at, request, PATIENCE) else { return false };
    let mut reply = None;
    world.run_until_true(PATIENCE * 2, |world| {
        reply = world.take_reply(ticket);
        reply.is_some()
    });
    matches!(reply, Some(ClientReply::Acted(_)))
}

/// All work ends, all hosts come back but one, which is removed: then the voters are as they should be.
fn end(world: &mut World, random: &mut Random) {
    world.checks.disturbed();
    world.start_all();
    let quorate = |world: &mut World| world.leader().is_some();
    assert!(world.run_until_true(LIMIT, quorate), "{}", world.describe());
    world.run_for(Duration::from_secs(5));
    for host in 0..world.hosts.len() {
        let name = world.hosts[host].name.clone();
        let undrained = DrainHost { name, drained: false, reason: String::new() };
        assert!(asked(world, act::Body::Drain(undrained)), "{}", world.describe());
    }
    let resumed = SteerAutopilot { paused: false, reason: String::new() };
    assert!(asked(world, act::Body::Steer(resumed)), "{}", world.describe());
    assert!(world.run_until_true(LIMIT, |world| world.is_settled()), "{}", world.describe());
    world.run_for(REPLACE_AFTER * 2);
    let whole = |world: &mut World| {
        let Some(leader) = world.leader().and_then(|at| world.hosts[at].process.as_ref()) else {
            return false;
        };
        let status = leader.node.status(world.now);
        let report = status.autopilot.as_ref();
        let voters = status.view.members.iter().filter(|one| one.role() == Role::Voter).count();
        // No more hosts than there are can vote, however many were asked for.
        let most = status.view.members.len();
        report.is_some_and(|it| it.does == "nothing" && (it.target as usize).min(most) == voters)
    };
    assert!(world.run_until_true(LIMIT, whole), "{}", world.describe());
    let host = random.between(0, world.hosts.len() as u64 - 1) as usize;
    let name = world.hosts[host].name.clone();
    assert!(
        asked(world, act::Body::Remove(RemoveHost { name, instance: None })),
        "{}",
        world.describe()
    );
    assert!(world.run_until_true(LIMIT, whole), "{}", world.describe());
    let at = world.leader().expect("it was just whole");
    let ticket = world.ask(at, put("k", "v"), PATIENCE);
    world.run_for(PATIENCE);
    let reply = ticket.and_then(|ticket| world.take_reply(ticket));
    assert!(matches!(reply, Some(ClientReply::Kv(_))), "{reply:?}");
}
