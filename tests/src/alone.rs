//! Two voters and no witness, with a budget whose holder may use the whole behind a fence: they die, are cut off from each other and frozen, while
//! fences cut a host off from the resource until it has a quorum again. Whatever happens, what the applications of hosts believe that are not cut
//! off never adds up to more than there is.

use crate::disturbances::{act, born, calm_down};
use crate::world::World;
use quorate_node::status::State;
use quorate_node::{AloneFence, ClientRequest, FencedAlone};
use quorate_proto::{Budget, QuorumLoss, SetBudget, act};
use std::time::Duration;

const MAX: u64 = 30;
const HOSTS: usize = 2;
/// Between looks of whoever runs fences.
const LOOK: Duration = Duration::from_millis(100);

/// What a story came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedAlone {
    /// The most that was believed at one time by hosts that are not cut off.
    pub most: u64,
    /// Fences that succeeded.
    pub fenced: u64,
    /// How often an application was told the whole without a majority's word.
    pub whole: u64,
    /// What each believes at the end.
    pub in_the_end: [u64; HOSTS],
    /// Hash over everything that happened.
    pub trace: u64,
}

/// Who runs fences on both hosts, and what was not said yet.
#[derive(Debug, Default)]
struct Runners {
    unsaid: Vec<(usize, FencedAlone)>,
    fenced: u64,
}

impl Runners {
    /// Each runs what its host asks for. Some fail, and one of a host that is itself cut off does; what is said of one may come late.
    fn look(&mut self, world: &mut World) {
        for host in 0..HOSTS {
            let Some(status) = world.status(host) else { continue };
            if status.state == State::Quorate {
                world.is_let_in(host);
            }
            for fence in status.alone.into_iter().filter(|fence| !fence.done) {
                self.run(world, host, fence);
            }
        }
        if !self.unsaid.is_empty() && world.random.percent(30) {
            let (host, fenced) = self.unsaid.swap_remove(0);
            world.ask(host, ClientRequest::Fenced(fenced), Duration::from_secs(1));
        }
    }

    fn run(&mut self, world: &mut World, host: usize, fence: AloneFence) {
        if world.is_cut_off(host) || world.random.percent(40) {
            return;
        }
        let AloneFence { budget, instance, round, .. } = fence;
        let Some(other) = world.hosts.iter().position(|it| it.name == fence.host) else { return };
        world.is_cut(other);
        self.fenced += 1;
        let fenced = FencedAlone { budget, instance, round };
        match world.random.percent(80) {
            true => {
                world.ask(host, ClientRequest::Fenced(fenced), Duration::from_secs(1));
            }
            false => self.unsaid.push((host, fenced)),
        }
    }

    fn run_for(&mut self, world: &mut World, span: Duration) {
        let until = world.now + span;
        while world.now < until {
            self.look(world);
            world.run_for(LOOK);
        }
    }
}

fn disturb(world: &mut World) {
    world.is_disturbed();
    let host = usize::try_from(world.random.below(2)).unwrap_or(0);
    match world.random.below(10) {
        0..=2 => world.crash(host),
        3 => world.stop(host),
        4 | 5 => world.network.cut_both(0, 1),
        6 => world.network.set_cut(host, 1 - host, true),
        7 => {
            let span = Duration::from_millis(world.random.between(50, 9_000));
            world.pause(host, span);
        }
        8 => world.network.heal(),
        _ => world.start_all(),
    }
}

/// Plays a story.
///
/// # Panics
/// When the applications believe more than there is, or do not share all of it in the end.
#[must_use]
pub fn used_alone(seed: u64, loss: QuorumLoss, verbose: bool) -> UsedAlone {
    let mut world = born(seed, HOSTS);
    world.applications_share(MAX, 0, Duration::from_millis(500));
    let local = loss == QuorumLoss::Local;
    let fence = if local { "cut".to_owned() } else { String::new() };
    let budget = Budget {
        name: "pg".to_owned(),
        max: MAX,
        ttl_ms: 3_000,
        on_quorum_loss: loss.into(),
        fence,
        ..Budget::default()
    };
    act(&mut world, 0, act::Body::SetBudget(SetBudget { budget }));
    let both = |world: &mut World| [0, 1].map(|host| world.believed(host)) == [15, 15];
    assert!(world.run_until_true(Duration::from_secs(20), both), "both share it at first");
    world.verbose = verbose;
    let mut runners = Runners::default();
    for _ in 0..12 {
        disturb(&mut world);
        let wait = world.random.between(10, 22_000);
        runners.run_for(&mut world, Duration::from_millis(wait));
        if world.random.percent(60) {
            world.network.heal();
            world.start_all();
        }
    }
    calm_down(&mut world, HOSTS);
    for _ in 0..60 {
        world.start_all();
        runners.run_for(&mut world, Duration::from_secs(1));
    }
    if verbose {
        world.log.iter().for_each(|line| eprintln!("{line}"));
    }
    let in_the_end = [0, 1].map(|host| world.believed(host));
    assert_eq!(in_the_end, [15, 15], "both share it in the end\n{}", world.describe());
    let (most, whole) = (world.apps.most(), world.apps.told_alone());
    UsedAlone { most, fenced: runners.fenced, whole, in_the_end, trace: world.trace() }
}
