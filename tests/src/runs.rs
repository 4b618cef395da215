//! A random run, whole: start in any order, safety phase under faults, heal, liveness phase.

use crate::contention::Contention;
use crate::faults::{Roughness, break_something};
use crate::host::Process;
use crate::random::Random;
use crate::restored::{Clients, Mishap, befall};
use crate::workload::Workload;
use crate::world::{Setup, World};
use quorate_membership::Mode;
use quorate_node::{Node, State};
use quorate_proto::{HealthEpoch, MemberState, Role};
use std::time::Duration;

/// A healed cluster is whole again within this.
const CONVERGE: Duration = Duration::from_secs(60);

impl World {
    /// Starts every host that is off.
    pub fn start_all(&mut self) {
        for host in 0..self.hosts.len() {
            if self.hosts[host].halted.is_none() {
                self.start(host);
            }
        }
    }

    /// Whether everybody is up to stay and quorate, sees everybody alive at one epoch, and the voters are complete.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let processes = || {
            let running = |process: &&Process| !process.asked_to_stop;
            self.hosts.iter().map(move |host| host.process.as_ref().filter(running))
        };
        let epochs =
            || processes().map(|process| process.map(|process| process.node.vitals().epoch));
        let first = epochs().next().flatten();
        if first.is_none() || epochs().any(|epoch| epoch != first) {
            return false;
        }
        // Asked at every millisecond: a whole status is drawn only while nothing speaks against it.
        let mut statuses = processes().flatten().map(|process| process.node.status(self.now));
        let Some(first) = statuses.next() else { return false };
        let target = self.setup.settings.voters.unwrap_or(match self.hosts.len() {
            1 => 1,
            2 => 2,
            3 | 4 => 3,
            _ => 5,
        });
        let voters =
            first.view.members.iter().filter(|member| member.role().word() == "voter").count();
        let members = &first.view.members;
        voters >= target
            && first.state == State::Quorate
            && members.len() == self.hosts.len()
            && members.iter().all(|member| member.state() == MemberState::Alive)
            && statuses.all(|status| {
                status.state == State::Quorate
                    && status.view == first.view
                    && status.cluster_id == first.cluster_id
            })
    }

    /// Whether every voter knows from its own log that no change of the voters is under way or due. Until it is over, the loss
    /// of a disk adds to that of the life that leaves, which still counts.
    #[must_use]
    pub fn voters_agree(&self) -> bool {
        let nodes = || self.hosts.iter().filter_map(|host| Some(&host.process.as_ref()?.node));
        let voters = || nodes().filter(|node| node.status(self.now).role == Some(Role::Voter));
        let present = voters().count();
        let mut sets = voters().map(Node::voters);
        let Some(first) = sets.next().flatten() else { return false };
        first.len() == present && sets.all(|set| set.as_ref() == Some(&first))
    }

    /// Where a node stands: term, epoch, commit, and how many verdicts of honest hosts on honest hosts differ.
    fn position(&self, at: usize, node: &Node) -> (u64, HealthEpoch, u64, usize) {
        let status = node.status(self.now);
        let lied = |name: &str| self.liars.iter().any(|liar| self.hosts[*liar].name == name);
        let mut opinions = status.opinions;
        opinions.retain(|opinion| !self.liars.contains(&at) && !lied(&opinion.name));
        (status.term, status.view.epoch, status.commit, opinions.len())
    }

    /// Demands that a healthy cluster that nobody disturbs stays as it is for a while.
    fn rests(&mut self) {
        let positions = |world: &Self| -> Vec<_> {
            let running = world.hosts.iter().enumerate();
            let running = running.filter_map(|(at, host)| Some((at, host.process.as_ref()?)));
            running.map(|(at, process)| world.position(at, &process.node)).collect()
        };
        // What was learned last may still be told: a restart, an answer after a suspicion, a second address. A silence that
        // began before the healing may have become a verdict, and who was gone again and again is held down for a while.
        self.run_for(if self.setup.two_addresses.is_some() { FOUND } else { REST });
        let whole = self.run_until_true(CONVERGE, |world| world.is_settled());
        assert!(whole, "what was learned last is told within {CONVERGE:?}:\n{}", self.describe());
        self.run_for(REST);
        let before = positions(self);
        self.run_for(REST);
        let after = positions(self);
        assert_eq!(
            before, after,
            "term, epoch, log and verdicts stay as they are in a healthy cluster"
        );
        let elections = before.iter().map(|(term, ..)| *term).max().unwrap_or(0);
        let disturbances = self.disturbances;
        assert!(
            elections <= 10 + 3 * disturbances,
            "bounded terms: {elections} elections for {disturbances} disturbances"
        );
    }

    /// What is still wrong, for a failure's text.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for host in &self.hosts {
            let line = match &host.process {
                None => format!("{}: off, halted: {:?}\n", host.name, host.halted),
                Some(process) => {
                    let status = process.node.status(self.now);
                    let members: Vec<String> = status
                        .view
                        .members
                        .iter()
                        .map(|m| format!("{}={}/{}", m.name, m.state().word(), m.role().word()))
                        .collect();
                    format!(
                        "{}: {} term {} leader {:?} commit {} applied {} epoch {} {} opinions {:?} reasons {:?}\n",
                        host.name,
                        status.state.word(),
                        status.term,
                        status.leader.map(|(_, name)| name),
                        status.commit,
                        status.applied,
                        status.view.epoch,
                        members.join(" "),
                        status.opinions,
                        status
                            .reasons
                            .iter()
                            .map(|reason| (&reason.code, &reason.text))
                            .collect::<Vec<_>>(),
                    )
                }
            };
            text.push_str(&line);
        }
        text
    }
}

/// A second address is dialled again every half minute.
const FOUND: Duration = Duration::from_secs(40);
/// A healed cluster is watched for so long.
const REST: Duration = Duration::from_secs(5);

/// Waits until a cluster is whole; what it came to, in words.
pub fn settled_text(world: &mut World) -> String {
    if world.run_until_true(CONVERGE, |world| world.is_settled()) {
        return "whole: everybody is alive, quorate and of one view\n".to_owned();
    }
    world.describe()
}

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Hash over everything that happened.
    pub trace: u64,
    /// Writes that were acknowledged.
    pub acknowledged: usize,
    /// Asks for writes that met their first answer, as far as the nodes that run at the end know.
    pub first_answers: u64,
}

impl Outcome {
    /// Of a run that is over.
    #[must_use]
    pub fn of(world: &World, workload: &Workload) -> Self {
        let running = world.hosts.iter().filter_map(|host| host.process.as_ref());
        let counters = running.flat_map(|process| process.node.status(world.now).counters);
        let first_answers =
            counters.filter(|(name, ..)| *name == "quorate_first_answers_total").map(|(.., it)| it);
        Self {
            trace: world.trace(),
            acknowledged: workload.acknowledged(),
            first_answers: first_answers.sum(),
        }
    }
}

/// Draws a setup from a seed.
#[must_use]
pub fn draw_setup(seed: u64) -> (Setup, Roughness) {
    let mut random = Random::new(seed ^ 0x5e7_ab1e);
    let seeds = usize::try_from(match random.below(10) {
        0 => 1,
        1 => 2,
        2..=6 => 3,
        7 => 4,
        _ => 5,
    })
    .unwrap_or(3);
    let extra = usize::try_from(random.below(3)).unwrap_or(0);
    let mut setup = Setup {
        hosts: seeds + extra,
        seeds,
        mode: if random.percent(30) { Mode::Durable } else { Mode::Majority },
        quiet: Duration::from_secs(1),
        snapshot_every: random.between(20, 400),
        fsync_micros: random.between(100, 20_000),
        two_addresses: None,
        ..Setup::default()
    };
    let roughness = match random.below(3) {
        0 => Roughness::Weather,
        1 => Roughness::Crashes,
        _ => Roughness::Wipes,
    };
    if random.percent(25) {
        let host = random.below(setup.hosts as u64);
        setup.two_addresses = usize::try_from(host).ok();
    }
    (setup, roughness)
}

/// Runs one seed. Panics when a promise is broken.
#[must_use]
pub fn run_seed(seed: u64) -> Outcome {
    run_seed_in(&mut World::new(seed, draw_setup(seed).0), draw_setup(seed).1)
}

/// Runs one seed in a world that the caller can look at afterwards.
pub fn run_seed_in(world: &mut World, roughness: Roughness) -> Outcome {
    let mut workload = Workload::default();
    let mut contention = Contention::default();
    let hosts = world.hosts.len();
    // Any start order, any delay between starts; faults from the very beginning.
    for _ in 0..hosts * 2 {
        let host = usize::try_from(world.random.below(hosts as u64)).unwrap_or(0);
        world.start(host);
        let longest = if world.random.percent(5) { 60_000 } else { 4_000 };
        let wait = world.random.between(0, longest);
        world.run_for(Duration::from_millis(wait));
        if roughness != Roughness::Weather && world.random.percent(25) {
            break_something(world, roughness);
        }
    }
    for _ in 0..30 {
        for _ in 0..world.random.below(6) {
            let host = usize::try_from(world.random.below(hosts as u64)).unwrap_or(0);
            if world.random.percent(70) {
                workload.write(world, host)
            } else {
                workload.read(world, host)
            }
            let host = usize::try_from(world.random.below(hosts as u64)).unwrap_or(0);
            contention.call(world, host);
            world.run_for(Duration::from_millis(20));
        }
        if world.random.percent(40) {
            break_something(world, roughness);
        }
        if world.random.percent(40) {
            let host = usize::try_from(world.random.below(hosts as u64)).unwrap_or(0);
            world.start(host);
        }
        let wait = world.random.between(20, 1_500);
        world.run_for(Duration::from_millis(wait));
        workload.collect(world);
        contention.collect(world);
        if roughness == Roughness::Wipes && world.random.percent(1) {
            let mishap = Mishap::draw(world);
            let (workload, contention) = (&mut workload, &mut contention);
            befall(world, mishap, &mut Clients { workload, contention });
        }
    }
    heal_and_verify(world, &mut workload, &mut contention);
    Outcome::of(world, &workload)
}

/// Ends all faults and demands that the cluster becomes whole and kept its word.
pub fn heal_and_verify(world: &mut World, workload: &mut Workload, contention: &mut Contention) {
    world.note(|| "everything heals".to_owned());
    world.heal();
    world.checks.disturbed();
    world.start_all();
    let settled = world.run_until_true(CONVERGE, |world| {
        world.start_all();
        world.is_settled()
    });
    assert!(settled, "a healed cluster becomes whole within {CONVERGE:?}:\n{}", world.describe());
    workload.collect(world);
    let others = contention.verify(world, 0);
    workload.verify(world, 0, others);
    assert_eq!(world.checks.births(), 1, "one birth");
    world.rests();
}
