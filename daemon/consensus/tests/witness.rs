//! Two servers and a witness, exhaustively: whatever their logs end with, and in whatever order they die, two that talk have a leader.
//!
//! The witness waits longer than the servers and refuses nobody for what it is. A rule that had it refuse votes by rank would leave two of three
//! without a leader: where it has the newest entry in a shorter log, each would refuse the other.

mod world;

use quorate_consensus::{LogRecord, Replica};
use quorate_proto::{Entry, HardState};
use world::{World, id};

/// The servers; the witness is 3.
const SERVERS: [u64; 2] = [1, 2];
const WITNESS: u64 = 3;
const ALL: [u64; 3] = [1, 2, 3];

/// All logs agree up to here; it is of term 1, and what follows is of one later term each.
const COMMON: u64 = 3;
/// Terms and indices of the last entries: all within two of each other.
const TERMS: std::ops::RangeInclusive<u64> = 5..=7;
const INDICES: std::ops::RangeInclusive<u64> = 4..=6;

/// The longest wait of a witness is 40 ticks; a server that was refused just before it may cost it another.
const LED: usize = 90;

/// Last term and last index: what an election compares.
type Last = (u64, u64);

fn entries((term, last): Last) -> Vec<Entry> {
    let of = |index| if index <= COMMON { 1 } else { term };
    (2..=last).map(|index| Entry { index, term: of(index), ..Entry::default() }).collect()
}

fn start(world: &mut World, number: u64) {
    world.restart(number);
    world.with(number, |replica| replica.set_reluctant(number == WITNESS));
}

/// The three with these logs, of which nothing but the founding is known to be committed. Whoever has an entry of a term was elected in it, so
/// the others have heard of that term.
fn with_logs(seed: u64, lasts: [Last; 3]) -> World {
    let mut world = World::new(seed, &ALL, &[]);
    let newest = lasts.iter().map(|(term, _)| *term).max().expect("three logs");
    for (number, last) in ALL.into_iter().zip(lasts) {
        world.crash(number, 0);
        let durable = &mut world.host(number).durable;
        durable.add(LogRecord::Entries(entries(last)));
        durable.add(LogRecord::HardState(HardState { term: newest, vote: 0, commit: 1 }));
    }
    world.network.clear();
    world
}

fn cases() -> impl Iterator<Item = [Last; 3]> {
    let all = || TERMS.flat_map(|term| INDICES.map(move |index| (term, index)));
    all().flat_map(move |a| all().flat_map(move |b| all().map(move |w| [a, b, w])))
}

/// Time passes until somebody leads that has committed in its term.
fn led(world: &mut World, case: &str) -> u64 {
    for _ in 0..LED {
        world.ticks(1);
        if let Some(leader) = world.leader().filter(|it| world.status(*it).leader_committed_in_term)
        {
            return leader;
        }
    }
    panic!("{case}: two of three talk, and nobody leads");
}

/// A witness that leads hands over to a server that is there.
fn in_the_end(world: &mut World, leader: u64, dead: u64, case: &str) -> u64 {
    if leader != WITNESS {
        return leader;
    }
    let to = SERVERS.into_iter().find(|it| *it != dead).expect("two servers");
    world.with(leader, |replica| replica.transfer_to(id(to)));
    world.ticks(3);
    assert_eq!(world.leader(), Some(to), "{case}: it hands over");
    to
}

#[test]
fn whatever_two_of_three_logs_end_with_a_leader_emerges_and_the_witness_leads_only_with_the_newest()
{
    let mut by_the_witness = 0;
    for (seed, lasts) in cases().enumerate() {
        for dead in ALL {
            let case = format!("{lasts:?}, {dead} is dead");
            let mut world = with_logs(seed as u64, lasts);
            let last = |number: u64| lasts[usize::try_from(number - 1).expect("one of three")];
            ALL.into_iter().filter(|it| *it != dead).for_each(|it| start(&mut world, it));
            let leader = led(&mut world, &case);
            let servers = || SERVERS.into_iter().filter(|it| *it != dead);
            if leader == WITNESS {
                by_the_witness += 1;
                assert!(servers().all(|it| last(it) < last(WITNESS)), "{case}: it leads");
            }
            in_the_end(&mut world, leader, dead, &case);
        }
    }
    assert!(by_the_witness > 100, "in {by_the_witness} cases only a witness could lead");
}

#[test]
fn in_whatever_order_they_die_and_come_back_two_that_talk_have_a_leader_and_keep_what_was_written()
{
    for (seed, lasts) in cases().enumerate() {
        for (first, second) in [(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)] {
            let case = format!("{lasts:?}, {first} is dead, then {second}");
            let mut world = with_logs(seed as u64, lasts);
            ALL.into_iter().filter(|it| *it != first).for_each(|it| start(&mut world, it));
            let leader = led(&mut world, &case);
            let leader = in_the_end(&mut world, leader, first, &case);
            assert!(world.propose(leader, "written"), "{case}");
            world.settle();
            world.crash(second, 0);
            start(&mut world, first);
            let leader = led(&mut world, &case);
            let leader = in_the_end(&mut world, leader, second, &case);
            assert!(world.texts(leader).contains(&"written".to_owned()), "{case}");
        }
    }
}

#[test]
fn of_equal_logs_a_server_campaigns_before_the_witness() {
    for seed in 1..=200 {
        let mut world = World::new(seed, &ALL, &[]);
        world.with(WITNESS, |replica: &mut Replica| replica.set_reluctant(true));
        let leader = led(&mut world, "equal logs");
        assert_ne!(leader, WITNESS, "seed {seed}");
    }
}
