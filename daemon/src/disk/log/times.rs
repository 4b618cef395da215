//! How long this process's writes to its log take, and the syncs in them alone, since it began. Counted where they happen, read by whoever
//! shows it; nobody waits for anybody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the classes in microseconds: from a write cache to a disk that is about to be called silent.
pub(crate) const WITHIN: [u64; 12] =
    [250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 2_500_000];

/// Whole batches: written and synced.
pub(crate) static WRITES: Times = Times::new();
/// The syncs of batches.
pub(crate) static SYNCS: Times = Times::new();

/// A histogram that only grows.
#[derive(Debug)]
pub(crate) struct Times {
    /// By class; the last one is for all that took longer.
    counts: [AtomicU64; WITHIN.len() + 1],
    micros: AtomicU64,
}

impl Times {
    const fn new() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; WITHIN.len() + 1], micros: AtomicU64::new(0) }
    }

    /// One more.
    pub(super) fn note(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = WITHIN.partition_point(|end| *end < micros);
        self.counts[class].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// How many ended within each class's end, all of them, and the sum of their microseconds.
    pub(crate) fn seen(&self) -> (Vec<(u64, u64)>, u64, u64) {
        let mut sum = 0;
        let counts = self.counts.iter().map(|count| {
            sum += count.load(Ordering::Relaxed);
            sum
        });
        let counts: Vec<u64> = counts.collect();
        let all = counts.last().copied().unwrap_or(0);
        let within = WITHIN.into_iter().zip(counts).collect();
        (within, all, self.micros.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_in_its_class_and_in_all_above() {
        let times = Times::new();
        for micros in [250, 251, 9_000_000] {
            times.note(Duration::from_micros(micros));
        }
        let (within, all, micros) = times.seen();
        assert_eq!((within[0], within[1], within[11]), ((250, 1), (500, 2), (2_500_000, 2)));
        assert_eq!((all, micros), (3, 9_000_501));
    }
}
