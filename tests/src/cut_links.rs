//! Runs in which links break, one after another: one of many, one way of one, all ways to a host or from it, one address of a
//! host that has two. Each cut lasts. Hosts lie meanwhile, and between two cuts a disk may run twice or go back.
//!
//! While a cut lasts, every host is alive, and a majority hears each other; so whatever a node loses then, it loses to a
//! link. Knows nothing of what the nodes make of it.

use crate::contention::Contention;
use crate::figures::healthy_with;
use crate::host::Process;
use crate::restored::{Clients, Mishap, befall};
use crate::runs::{Outcome, heal_and_verify, settled_text};
use crate::workload::Workload;
use crate::world::{Setup, World};
use quorate_node::{ClientReply, ClientRequest, State};
use quorate_proto::{KvRequest, RangeRequest, kv_request};
use std::time::Duration;

/// Cuts in a run.
const CUTS: usize = 3;
/// A node that is cut off from the leader has what is committed within this: from the silence of a leader that cannot
/// be heard to the next one, a question, an answer, and as much again for a question to the wrong voter.
pub const REACHED: Duration = Duration::from_millis(2_500);

/// What is cut. Hosts are numbered from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Both ways between two hosts.
    Link(usize, usize),
    /// The way from the first to the second.
    Way(usize, usize),
    /// All ways to a host: it can be heard and hears nobody.
    Deaf(usize),
    /// All ways from a host: it hears everybody and nobody hears it.
    Mute(usize),
    /// One address of a host that has two; the second one, if so.
    Address(usize, bool),
}

/// Draws a cut; half of them at the leader, where they cost most.
pub fn draw_cut(world: &mut World) -> Cut {
    let hosts = world.hosts.len() as u64;
    let drawn = usize::try_from(world.random.below(hosts)).unwrap_or(0);
    let at_leader = world.random.percent(50);
    let one = world.leader().filter(|_| at_leader).unwrap_or(drawn);
    let step = usize::try_from(world.random.between(1, hosts - 1)).unwrap_or(1);
    let other = (one + step) % world.hosts.len();
    let two = world.setup.two_addresses;
    match world.random.below(if two.is_some() { 12 } else { 8 }) {
        8.. => Cut::Address(two.unwrap_or(one), world.random.percent(50)),
        0..=2 => Cut::Link(one, other),
        3 | 4 => Cut::Way(one, other),
        5 => Cut::Way(other, one),
        6 => Cut::Deaf(one),
        _ => Cut::Mute(one),
    }
}

impl World {
    /// Cuts it, until the network heals.
    pub fn cut(&mut self, cut: Cut) {
        self.is_disturbed();
        self.note(|| format!("cut: {cut:?}, counted from 0"));
        let others = |one: usize, hosts: usize| (0..hosts).filter(move |other| *other != one);
        let hosts = self.hosts.len();
        match cut {
            Cut::Link(one, other) => self.network.cut_both(one, other),
            Cut::Way(from, to) => self.network.set_cut(from, to, true),
            Cut::Deaf(one) => {
                others(one, hosts).for_each(|from| self.network.set_cut(from, one, true));
            }
            Cut::Mute(one) => others(one, hosts).for_each(|to| self.network.set_cut(one, to, true)),
            Cut::Address(one, second) => self.network.shut((one, second)),
        }
    }
}

/// Runs a seed: 5 or 7 hosts, one cut after another, with writes at every host all the while. Panics when a promise is
/// broken.
#[must_use]
pub fn run_cuts(seed: u64) -> Outcome {
    run_cuts_in(&mut healthy_with(seed, setup_of(seed)))
}

/// The cluster of a seed: 5 or 7 hosts, and in one of three one that has two addresses.
#[must_use]
pub fn setup_of(seed: u64) -> Setup {
    let hosts = if seed.is_multiple_of(2) { 5 } else { 7 };
    let two = usize::try_from(seed % hosts as u64).ok().filter(|_| seed.is_multiple_of(3));
    Setup { hosts, two_addresses: two, ..Setup::default() }
}

/// Runs a seed in a healthy world that the caller can look at afterwards.
pub fn run_cuts_in(world: &mut World) -> Outcome {
    let (mut workload, mut contention) = (Workload::default(), Contention::default());
    for _ in 0..CUTS {
        let cut = draw_cut(world);
        world.cut(cut);
        let lasts = Duration::from_millis(world.random.between(200, 8_000));
        let until = world.elapsed() + lasts;
        while world.elapsed() < until {
            let host = world.random.below(world.hosts.len() as u64);
            workload.write(world, usize::try_from(host).unwrap_or(0));
            let pause = Duration::from_millis(world.random.between(50, 500));
            if world.random.percent(10) {
                world.lie();
            }
            world.run_for(pause);
            workload.collect(world);
        }
        if let Cut::Link(..) | Cut::Way(..) = cut {
            everybody_is_reached(world);
        }
        world.network.heal();
        let settled = settled_text(world);
        assert!(settled.starts_with("whole"), "after {cut:?}: {settled}");
        if world.random.percent(30) {
            let (workload, contention) = (&mut workload, &mut contention);
            let mishap = Mishap::draw(world);
            befall(world, mishap, &mut Clients { workload, contention });
        }
    }
    heal_and_verify(world, &mut workload, &mut contention);
    Outcome::of(world, &workload)
}

/// With one link or one way cut, a majority hears each other and every node has a live path to the leader over one voter
/// at most: so each has a quorum, the newest epoch within a bound, and serves its clients. A read goes the way of a put.
fn everybody_is_reached(world: &mut World) {
    let served = |world: &mut World| {
        let epochs: Vec<_> = running(world).map(|process| process.node.vitals().epoch).collect();
        let states = running(world).map(|process| process.node.status(world.now).state);
        let quorate = states.into_iter().all(|state| state == State::Quorate);
        quorate && epochs.iter().all(|epoch| *epoch == epochs[0])
    };
    let reached = world.run_until_true(REACHED, served);
    assert!(reached, "everybody is told within {REACHED:?}:\n{}", world.describe());
    for host in 0..world.hosts.len() {
        let range = RangeRequest { key: "reached".into(), ..RangeRequest::default() };
        let read = KvRequest { request: Some(kv_request::Request::Range(range)) };
        let Some(ticket) = world.ask(host, ClientRequest::Kv(read), REACHED) else { continue };
        let mut reply = None;
        let answered = world.run_until_true(REACHED * 2, |world| {
            reply = world.take_reply(ticket);
            reply.is_some()
        });
        let served = answered && matches!(reply, Some(ClientReply::Kv(_)));
        assert!(served, "n{} serves its clients: {reply:?}\n{}", host + 1, world.describe());
    }
}

fn running(world: &World) -> impl Iterator<Item = &Process> {
    world.hosts.iter().filter_map(|host| host.process.as_ref())
}
