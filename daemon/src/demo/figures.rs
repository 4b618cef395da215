//! What was measured, and how it is printed at the end.

use super::screen::{listed, millis};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// The figures of one demonstration.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// From the start of the first process until all three said quorate.
    pub(super) formation: Duration,
    /// From the same moment until a write was acknowledged that had been asked for right away.
    pub(super) first_write: Duration,
    /// Who was told of the kill, and how long after it.
    pub(super) told: Vec<(&'static str, Duration)>,
    /// Longest time without an acknowledged write, across the kill.
    pub(super) gap: Duration,
    /// Who was killed and came back.
    pub(super) back: &'static str,
    /// From the new start until it knew, was known, and served.
    pub(super) rejoin: Duration,
    /// Writes that were acknowledged across all that.
    pub(super) writes: usize,
}

impl Figures {
    /// The lines at the end.
    pub(super) fn draw(&self) -> String {
        let mut out = String::new();
        let mut line = |what: &str, time: Duration, words: &str| {
            let _ = writeln!(out, "  {what:<24}{:>9}  {words}", millis(time));
        };
        line("formation", self.formation, "three processes started -> all three are quorate");
        line("first write", self.first_write, "... -> a write, asked for at once, is acknowledged");
        for (name, time) in &self.told {
            line(
                &format!("{name} told"),
                *time,
                "kill -9 of the leader -> its health feed says so",
            );
        }
        let words =
            format!("longest wait for an acknowledged write; of {}, none lost", self.writes);
        line("write gap", self.gap, &words);
        let names: Vec<&str> = self.told.iter().map(|(name, _)| *name).collect();
        let words =
            format!("{} started again -> it has all data, and {} know", self.back, listed(&names));
        line("rejoin", self.rejoin, &words);
        out
    }
}

/// Longest time between two acknowledgements that follow each other, from the last one before `from` on.
pub(super) fn longest_gap(acknowledged: &[Instant], from: Instant) -> Duration {
    let before = acknowledged.iter().rposition(|at| *at <= from).unwrap_or(0);
    let across = acknowledged[before..].windows(2).map(|pair| pair[1].duration_since(pair[0]));
    across.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_begins_with_the_last_acknowledgement_before_the_kill() {
        let begun = Instant::now();
        let at = |millis: u64| begun + Duration::from_millis(millis);
        let acknowledged = [at(0), at(900), at(1000), at(1450), at(1460)];
        assert_eq!(longest_gap(&acknowledged, at(1010)), Duration::from_millis(450));
        assert_eq!(longest_gap(&[], at(0)), Duration::ZERO);
    }
}
