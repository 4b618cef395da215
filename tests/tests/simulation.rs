//! Random runs of the simulator: safety under faults, then liveness after healing.
//!
//! `QUORATE_SEEDS=N` runs more seeds, `QUORATE_SEED=S` runs one, with its story on failure.

use quorate_proto::Role;
use quorate_tests::addresses::two_addresses;
use quorate_tests::checks::TURNS;
use quorate_tests::figures::{failover, formation, idle, median_and_worst, told};
use quorate_tests::lasting::{Lasting, turns_under};
use quorate_tests::names::{
    Kept, name_of_a_living_voter, name_of_a_stopped_voter, name_of_a_wiped_voter,
};
use quorate_tests::runs::{draw_setup, run_seed, run_seed_in};
use quorate_tests::slow_links::{Writes, replacement_over_a_slow_link, return_over_a_slow_link};
use quorate_tests::world::World;
use std::time::Duration;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs a seed; what went wrong, if something did.
fn failure_of(seed: u64) -> Option<String> {
    let panic = std::panic::catch_unwind(|| run_seed(seed)).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Some(format!("seed {seed}: {}", text.unwrap_or_default()))
}

/// Runs one seed and prints its story.
fn tell(seed: u64) {
    let (setup, roughness) = draw_setup(seed);
    eprintln!("seed {seed}: {setup:?} {roughness:?}");
    let mut world = World::new(seed, setup);
    world.verbose = true;
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run_seed_in(&mut world, roughness)
    }));
    for line in &world.log {
        eprintln!("{line}");
    }
    if let Err(panic) = done {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn every_seed_keeps_the_promises_and_heals() {
    if let Some(seed) = number("QUORATE_SEED") {
        tell(seed);
        return;
    }
    let seeds = number("QUORATE_SEEDS").unwrap_or(600);
    let first = number("QUORATE_FIRST_SEED").unwrap_or(1);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let failures = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let failures = &failures;
            scope.spawn(move || {
                for seed in (first..first + seeds).filter(|seed| seed % threads == thread) {
                    if let Some(failure) = failure_of(seed) {
                        failures.lock().expect("no holder panics").push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no holder panics");
    let count = failures.len();
    assert!(
        failures.is_empty(),
        "{count} of {seeds} seeds failed; QUORATE_SEED=S tells the story of one:\n{}",
        failures.join("\n")
    );
}

#[test]
fn a_seed_replays_to_the_letter() {
    for seed in [3, 77, 4_242] {
        assert_eq!(run_seed(seed), run_seed(seed), "seed {seed} took another way the second time");
    }
}

fn print(what: &str, spans: Vec<Duration>) {
    let count = spans.len();
    let (median, worst) = median_and_worst(spans);
    eprintln!("{what}: median {median:.0?}, worst {worst:.0?} of {count}, in virtual time");
}

#[test]
fn what_matters_happens_soon() {
    print("three starts to a leader", (1..=40).map(formation).collect());
    print("leader lost to another leader", (1..=40).map(failover).collect());
    print(
        "follower lost, 3 nodes, to the last one told",
        (1..=40).map(|seed| told(seed, 3)).collect(),
    );
    print(
        "follower lost, 10 nodes, to the last one told",
        (1..=10).map(|seed| told(seed, 10)).collect(),
    );
}

#[test]
fn nothing_moves_in_half_an_idle_hour() {
    let [before, after] = idle(1, 3, Duration::from_secs(30 * 60));
    assert_eq!(before, after, "term and epoch stay in an idle cluster of three");
    let [before, after] = idle(2, 6, Duration::from_secs(5 * 60));
    assert_eq!(before, after, "term and epoch stay in an idle cluster of six");
}

#[test]
fn a_host_with_two_addresses_stays_at_the_one_that_answers_and_is_told_of_once() {
    for seed in 1..=10 {
        let (epochs, restless, told) = two_addresses(seed);
        assert_eq!(restless, 0, "seed {seed}: epochs in a minute in which nothing happened");
        assert!(
            epochs <= 12,
            "seed {seed}: {epochs} epochs for a birth and a restart of three hosts"
        );
        assert_eq!(told, [true; 3], "seed {seed}: every node says what is wrong");
    }
}

#[test]
fn the_name_of_a_living_voter_goes_to_nobody() {
    for seed in 1..=5 {
        assert_eq!(name_of_a_living_voter(seed), (true, true), "seed {seed}: kept, and told");
    }
}

#[test]
fn the_name_of_a_voter_that_stopped_is_kept_for_it_for_minutes() {
    let all = Kept { after_four_minutes: true, told: true, came_back: true, went_in_the_end: true };
    assert_eq!(name_of_a_stopped_voter(1), all);
}

#[test]
fn the_name_of_a_wiped_voter_goes_to_its_new_disk_at_its_place() {
    for seed in 1..=5 {
        assert!(name_of_a_wiped_voter(seed), "seed {seed}");
    }
}

#[test]
fn a_slow_snapshot_under_steady_writes_is_enough() {
    for seed in 1..=5 {
        let writes = Writes { pace: Duration::from_millis(50), size: 5 };
        let (takes, spacing) = (Duration::from_secs(30), Duration::ZERO);
        let (sent, behind) = return_over_a_slow_link(seed, takes, spacing, writes);
        assert_eq!(sent, 1, "seed {seed}: one snapshot, {behind} entries behind");
        assert!(behind <= 5, "seed {seed}: {behind} entries behind");
    }
}

#[test]
fn a_new_disk_has_no_vote_before_the_log_is_on_it() {
    for seed in 1..=5 {
        let (waiting, whole) = replacement_over_a_slow_link(seed, Duration::from_secs(10));
        assert_eq!(waiting, Some(Role::Standby), "seed {seed}: while its first snapshot comes");
        assert!(whole, "seed {seed}: it is a voter afterwards");
    }
}

#[test]
fn a_snapshot_is_enough_also_when_the_log_behind_it_comes_slowly() {
    for seed in 1..=2 {
        let writes = Writes { pace: Duration::from_millis(200), size: 200_000 };
        let (takes, spacing) = (Duration::from_secs(30), Duration::from_millis(500));
        let (sent, behind) = return_over_a_slow_link(seed, takes, spacing, writes);
        assert_eq!(sent, 1, "seed {seed}: one snapshot, {behind} entries behind");
        assert!(behind <= 20, "seed {seed}: {behind} entries behind");
    }
}

#[test]
fn no_lasting_fault_makes_a_host_turn_more_than_twice() {
    let seeds = number("QUORATE_SEED").map_or(11..=16, |seed| seed..=seed);
    let mut many = Vec::new();
    for (seed, hosts) in seeds.flat_map(|seed| [3, 5, 7].map(|hosts| (seed, hosts))) {
        for fault in Lasting::ALL {
            let done = std::panic::catch_unwind(|| turns_under(seed, hosts, fault));
            let turns = done.as_ref().map_or(99, |(turns, _)| *turns);
            if turns > TURNS {
                many.push(format!("seed {seed}, {hosts} hosts, {fault:?}: {turns}"));
                if let (Ok((_, world)), Some(_)) = (&done, number("QUORATE_SEED")) {
                    eprintln!("{}", world.log.join("\n"));
                }
            }
        }
    }
    assert!(many.is_empty(), "turns of one host under one fault:\n{}", many.join("\n"));
}
