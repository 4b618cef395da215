//! Campaigns: one story for each of many seeds, on all cores, and the story of one in words.
//!
//! `QUORATE_SEEDS` says how many, `QUORATE_FIRST_SEED` from which on.

use crate::world::World;

/// A number from the environment.
#[must_use]
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs a seed; what went wrong, if something did.
fn failure_of(seed: u64, run: fn(u64)) -> Option<String> {
    let panic = std::panic::catch_unwind(|| run(seed)).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Some(format!("seed {seed}: {}", text.unwrap_or_default()))
}

/// Runs a world and prints its story.
pub fn tell(mut world: World, run: impl FnOnce(&mut World)) {
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&mut world)));
    for line in &world.log {
        eprintln!("{line}");
    }
    if let Err(panic) = done {
        std::panic::resume_unwind(panic);
    }
}

/// Runs many seeds, on all cores. Panics with all that failed.
///
/// # Panics
/// When one failed.
pub fn run_many(default: u64, run: fn(u64)) {
    let seeds = number("QUORATE_SEEDS").unwrap_or(default);
    let first = number("QUORATE_FIRST_SEED").unwrap_or(1);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let failures = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let failures = &failures;
            scope.spawn(move || {
                for seed in (first..first + seeds).filter(|seed| seed % threads == thread) {
                    if let Some(failure) = failure_of(seed, run) {
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
