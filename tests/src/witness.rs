//! Two servers and a witness: every order in which they die and come back, starts from cold with the witness there, away or reached one way,
//! the witness as the only one with the newest entry, and the link between the servers cut.
//!
//! What must hold in all of them: two that talk to each other have a leader, in the end a server; nobody who comes back changes who leads,
//! the term, or who holds what; the witness holds nothing. That there are never two leaders of a term, and that applications never believe
//! more than there is, the checkers watch all the while. Knows nothing of how a node decides.

use crate::disturbances::act;
use crate::figures::healthy_with;
use crate::network::Network;
use crate::workload::{get, put};
use crate::world::{Setup, World};
use quorate_node::{ClientReply, State};
use quorate_proto::{
    Assignment, Budget, KvResponse, ReasonCode, Role, SetAssignment, SetBudget, act, kv_response,
};
use std::time::Duration;

/// One server, ...
pub const A: usize = 0;
/// ... the other one, ...
pub const B: usize = 1;
/// ... and the witness.
pub const W: usize = 2;
const ALL: [usize; 3] = [A, B, W];

/// Two that talk have a leader within this: a silence, the longest wait of a witness, a few campaigns that fail before it, and as much again
/// for a server that leads in the end.
const LED: Duration = Duration::from_secs(8);
/// The same from nothing: founders wait for the third host for a while.
const BORN: Duration = Duration::from_secs(20);
/// For so long nothing may change where nothing happens.
const REST: Duration = Duration::from_secs(6);
/// What is divided.
const MAX: u64 = 30;

fn setup() -> Setup {
    Setup { witness: Some(W), quiet: Duration::ZERO, ..Setup::default() }
}

/// Two servers and a witness, whole.
#[must_use]
pub fn servers(seed: u64) -> World {
    let mut world = healthy_with(seed, setup());
    led(&mut world, "at first");
    world
}

fn is_quorate(world: &World, host: usize) -> bool {
    world.status(host).is_some_and(|status| status.state == State::Quorate)
}

/// Who leads in which term, where that is a server that all running hosts follow.
fn led_by(world: &World) -> Option<(usize, u64)> {
    let leader = world.leader().filter(|leader| *leader != W)?;
    let term = world.status(leader)?.term;
    let follows = |host: &usize| {
        world.status(*host).is_none_or(|it| it.state == State::Quorate && it.term == term)
    };
    ALL.iter().all(follows).then_some((leader, term))
}

/// Waits until a server leads all that run.
fn led(world: &mut World, when: &str) -> (usize, u64) {
    led_within(world, LED, when)
}

fn led_within(world: &mut World, limit: Duration, when: &str) -> (usize, u64) {
    let there = world.run_until_true(limit, |world| led_by(world).is_some());
    assert!(there, "{when}: no server leads within {limit:?}\n{}", world.describe());
    led_by(world).expect("just found")
}

/// Nothing happens, and nothing changes.
fn rests(world: &mut World, leads: (usize, u64), when: &str) {
    world.run_for(REST);
    assert_eq!(led_by(world), Some(leads), "{when}: who leads, and the term\n{}", world.describe());
}

fn whole(world: &mut World, when: &str) {
    let limit = Duration::from_secs(60);
    let settled = world.run_until_true(limit, |world| world.is_settled());
    assert!(settled, "{when}: not whole\n{}", world.describe());
}

/// A write at a host, which is acknowledged.
fn writes(world: &mut World, host: usize, value: &str, when: &str) {
    let limit = Duration::from_secs(5);
    let ticket = world.ask(host, put("key", value), limit).expect("it runs");
    let mut reply = None;
    world.run_until_true(limit, |world| {
        reply = world.take_reply(ticket);
        reply.is_some()
    });
    assert!(matches!(reply, Some(ClientReply::Kv(_))), "{when}: {reply:?}\n{}", world.describe());
}

fn reads(world: &mut World, host: usize) -> Option<String> {
    let limit = Duration::from_secs(5);
    let ticket = world.ask(host, get("key"), limit)?;
    let mut found = None;
    world.run_until_true(limit, |world| match world.take_reply(ticket) {
        Some(ClientReply::Kv(KvResponse {
            response: Some(kv_response::Response::Range(range)),
        })) => {
            found = range.kvs.first().map(|kv| String::from_utf8_lossy(&kv.value).into_owned());
            true
        }
        _ => false,
    });
    found
}

/// All orders of the three.
#[must_use]
pub fn orders() -> Vec<[usize; 3]> {
    let pairs = ALL.iter().flat_map(|one| ALL.iter().map(move |other| (*one, *other)));
    let apart = pairs.filter(|(one, other)| one != other);
    apart.map(|(one, other)| [one, other, A + B + W - one - other]).collect()
}

/// One after another dies and comes back, in this order; then two die before the first comes back.
///
/// # Panics
/// When two that talk have no leader, or a return changes anything.
pub fn die_and_come_back(seed: u64, order: [usize; 3]) {
    let mut world = servers(seed);
    for (number, dead) in order.into_iter().enumerate() {
        let when = format!("{order:?}, {dead} is dead");
        world.checks.disturbed();
        world.crash(dead);
        let leads = led(&mut world, &when);
        writes(&mut world, leads.0, &number.to_string(), &when);
        rests(&mut world, leads, &when);
        world.start(dead);
        whole(&mut world, &when);
        assert_eq!(led_by(&world), Some(leads), "{when}: it came back\n{}", world.describe());
        rests(&mut world, leads, "it is back");
    }
    let [first, second, last] = order;
    world.checks.disturbed();
    world.crash(first);
    led(&mut world, "the first of two is dead");
    world.crash(second);
    world.run_for(REST);
    assert!(!is_quorate(&world, last), "one of three is no majority");
    world.start(first);
    let when = format!("{order:?}: the first of two is back");
    let leads = led(&mut world, &when);
    assert_eq!(reads(&mut world, leads.0).as_deref(), Some("2"), "{when}: what was written");
    world.start(second);
    whole(&mut world, "the second is back");
    assert_eq!(led_by(&world), Some(leads), "the second came back\n{}", world.describe());
}

/// A server was away while the other one and the witness took a write; the other one dies, and the first comes back. Whether the witness led
/// meanwhile.
///
/// # Panics
/// When no server leads in the end, or the write is lost.
#[must_use]
pub fn the_witness_alone_has_it(seed: u64, dies: usize) -> bool {
    let mut world = servers(seed);
    let away = A + B - dies;
    world.checks.disturbed();
    world.crash(away);
    let leads = led(&mut world, "one server is away");
    assert_eq!(leads.0, dies);
    writes(&mut world, dies, "newest", "one server is away");
    world.crash(dies);
    world.start(away);
    let mut witness_led = false;
    let there = world.run_until_true(LED, |world| {
        witness_led |= world.leader() == Some(W);
        led_by(world).is_some()
    });
    assert!(there, "no server leads\n{}", world.describe());
    assert_eq!(reads(&mut world, away).as_deref(), Some("newest"));
    let leads = led_by(&world).expect("just found");
    rests(&mut world, leads, "the witness handed over");
    witness_led
}

/// How the witness is reached at a start.
pub type Reached = fn(&mut Network);

/// Every way in which a start may find the witness, but for its being off.
pub const WAYS: [(&str, Reached); 7] = [
    ("both ways", |_| ()),
    ("A hears it not", |network| network.set_cut(W, A, true)),
    ("it hears A not", |network| network.set_cut(A, W, true)),
    ("B hears it not", |network| network.set_cut(W, B, true)),
    ("it hears B not", |network| network.set_cut(B, W, true)),
    ("nobody hears it", |network| ALL.iter().for_each(|to| network.set_cut(W, *to, true))),
    ("it hears nobody", |network| ALL.iter().for_each(|from| network.set_cut(*from, W, true))),
];

/// Both servers start from cold, with data or fresh, while the witness is off or reached in one of these ways.
///
/// # Panics
/// When no server leads.
pub fn cold_boot(seed: u64, fresh: bool, witness: Option<Reached>) {
    let mut world = if fresh { World::new(seed, setup()) } else { servers(seed) };
    world.checks.disturbed();
    ALL.into_iter().for_each(|host| world.crash(host));
    if let Some(cut) = witness {
        cut(&mut world.network);
    }
    let starts = if witness.is_some() { &ALL[..] } else { &ALL[..2] };
    for host in starts {
        world.start(*host);
        let wait = Duration::from_millis(world.random.below(400));
        world.run_for(wait);
    }
    let both = |world: &mut World| {
        world.leader().is_some() && is_quorate(world, A) && is_quorate(world, B)
    };
    let there = world.run_until_true(BORN, both);
    assert!(there, "fresh {fresh}: no leader\n{}", world.describe());
    let leader = world.leader().expect("just found");
    writes(&mut world, leader, "cold", "after a cold boot");
    world.heal();
    world.checks.disturbed();
    world.start_all();
    whole(&mut world, "all is well again");
    led(&mut world, "all is well again");
}

/// The link between the servers is cut, while both have that to the witness. Who does not lead.
fn behind_a_cut_link(seed: u64) -> (World, usize) {
    let mut world = sharing(seed);
    let leads = led(&mut world, "before the cut");
    world.checks.disturbed();
    world.network.cut_both(A, B);
    rests(&mut world, leads, "the link is cut");
    (world, A + B - leads.0)
}

/// The link between the servers is cut, while both have that to the witness; then the witness dies, too.
///
/// # Panics
/// When who leads changes, the other one is not served or does not say what is wrong, or something is believed by both.
pub fn the_link_between_the_servers_is_cut(seed: u64) {
    let (mut world, other) = behind_a_cut_link(seed);
    let told = |world: &World| {
        world.status(other).is_some_and(|status| {
            status.reasons.iter().any(|reason| reason.code == ReasonCode::NoLink)
        })
    };
    assert!(told(&world), "it says what is wrong\n{}", world.describe());
    writes(&mut world, other, "through the witness", "the link is cut");
    assert_eq!(held(&world), MAX, "what both believe");
    // Each alone is no majority: all lapses.
    world.crash(W);
    let none = |world: &mut World| held(world) == 0 && items(world).iter().all(|it| *it == 0);
    assert!(
        world.run_until_true(Duration::from_secs(5), none),
        "what nobody renews lapses on time"
    );
    world.heal();
    let both = |world: &mut World| held(world) == MAX;
    assert!(world.run_until_true(Duration::from_secs(20), both), "{}", world.describe());
}

/// A server stands still while its link to the leader is cut, until its share is over; then it goes on, and so does the cut.
///
/// # Panics
/// When it does not have its part again through the witness.
pub fn who_stood_still_behind_a_cut_link_shares_again(seed: u64) {
    let (mut world, other) = behind_a_cut_link(seed);
    world.pause(other, Duration::from_secs(6));
    let all = if other == A { [0, MAX, 0] } else { [MAX, 0, 0] };
    divided(&mut world, all, "it stands still");
    divided(&mut world, [15, 15, 0], "it goes on behind the cut");
}

fn held(world: &World) -> u64 {
    ALL.iter().map(|host| world.believed(*host)).sum()
}

fn items(world: &World) -> [usize; 3] {
    ALL.map(|host| world.items_of(host).len())
}

/// A budget and an assignment, which the servers have and the witness has not.
fn sharing(seed: u64) -> World {
    let mut world = servers(seed);
    world.applications_share(MAX, 0, Duration::from_millis(300));
    world.applications_let_go_within(Duration::from_millis(300));
    let budget = Budget { name: "pg".to_owned(), max: MAX, ttl_ms: 3_000, ..Budget::default() };
    act(&mut world, A, act::Body::SetBudget(SetBudget { budget }));
    let (name, count, ttl_ms) = ("vip".to_owned(), 1, 3_000);
    let assignment = Assignment { name, count, ttl_ms, ..Assignment::default() };
    act(&mut world, A, act::Body::SetAssignment(SetAssignment { assignment }));
    divided(&mut world, [15, 15, 0], "at first");
    world
}

fn divided(world: &mut World, expected: [u64; 3], when: &str) {
    let is = |world: &World| ALL.map(|host| world.believed(host)) == expected;
    let one = |world: &World| items(world).iter().sum::<usize>() == 1 && items(world)[W] == 0;
    let there = world.run_until_true(Duration::from_secs(20), |world| is(world) && one(world));
    let found = (ALL.map(|host| world.believed(host)), items(world));
    assert!(there, "{when}: {found:?} where {expected:?} is right\n{}", world.describe());
}

/// A server dies: the other one has all of it. It comes back: half each, and the item stays where it is. The same the other way round.
///
/// # Panics
/// When that is not so.
pub fn what_a_dead_server_had_is_the_others(seed: u64) {
    let mut world = sharing(seed);
    for dead in [A, B] {
        world.checks.disturbed();
        world.crash(dead);
        let all = if dead == A { [0, MAX, 0] } else { [MAX, 0, 0] };
        divided(&mut world, all, "one is dead");
        let (leads, holds) = (led(&mut world, "one is dead"), items(&world));
        world.start(dead);
        whole(&mut world, "it is back");
        divided(&mut world, [15, 15, 0], "it is back");
        assert_eq!((led_by(&world), items(&world)), (Some(leads), holds), "it only has its part");
    }
}

/// The witness dies: all are told within 5 s, and both servers go on. It comes back with a new disk: it votes once it has the log.
///
/// # Panics
/// When that is not so.
pub fn the_witness_is_lost(seed: u64) {
    let mut world = servers(seed);
    let leads = led(&mut world, "before");
    world.checks.disturbed();
    world.wipe(W);
    world.run_for(Duration::from_secs(5));
    for host in [A, B] {
        let view = world.status(host).expect("it runs").view;
        let gone = view.members.iter().find(|it| it.is_witness()).expect("it is a member yet");
        assert_eq!(gone.state().word(), "down", "told to {host}");
    }
    writes(&mut world, A + B - leads.0, "without it", "the witness is lost");
    world.start(W);
    let mut without_the_log = false;
    let votes = |world: &mut World| {
        let Some(own) = world.status(W) else { return false };
        let behind = own.applied + 100 < world.status(leads.0).map_or(0, |it| it.applied);
        without_the_log |= own.role == Some(Role::Voter) && behind;
        own.role == Some(Role::Voter) && own.state == State::Quorate
    };
    assert!(world.run_until_true(BORN, votes), "it votes again\n{}", world.describe());
    assert!(!without_the_log, "it had a vote before it had the log");
    whole(&mut world, "it is back");
    rests(&mut world, leads, "it is back");
    let view = world.status(leads.0).expect("it runs").view;
    assert!(view.members.iter().any(|it| it.is_witness() && it.role() == Role::Voter));
    world.checks.disturbed();
    world.crash(leads.0);
    led(&mut world, "its vote counts");
}
