//! Random runs of the simulator: safety under faults, then liveness after healing.
//!
//! `QUORATE_SEEDS=N` runs more seeds, `QUORATE_SEED=S` runs one, with its story on failure.

use quorate_tests::runs::{draw_setup, run_seed, run_seed_in};
use quorate_tests::world::World;

/// Prints the line that replays a run that panicked.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "replay: QUORATE_SEED={} cargo test --release -p quorate-tests --test simulation",
                self.0
            );
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn run(seed: u64) {
    let replay = Replay(seed);
    let outcome = run_seed(seed);
    drop(replay);
    assert!(outcome.trace != 0);
}

#[test]
fn every_seed_keeps_the_promises_and_heals() {
    if let Some(seed) = number("QUORATE_SEED") {
        let _replay = Replay(seed);
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
        return;
    }
    let seeds = number("QUORATE_SEEDS").unwrap_or(200);
    let first = number("QUORATE_FIRST_SEED").unwrap_or(1);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                for seed in (first..first + seeds).filter(|seed| seed % threads == thread) {
                    run(seed);
                }
            });
        }
    });
}

#[test]
fn a_seed_replays_to_the_letter() {
    for seed in [3, 77, 4_242] {
        assert_eq!(run_seed(seed), run_seed(seed), "seed {seed} took another way the second time");
    }
}
