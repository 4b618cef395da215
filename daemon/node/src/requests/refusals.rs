//! Who was refused at a bound: how many since the start, and whether there is a crowd now.
//!
//! A refusal is told for a minute after the last one. Knows nothing of what the bound is of.

use quorate_proto::Moment;
use std::time::Duration;

/// After so long without a refusal a bound is no trouble any more.
const TOLD: Duration = Duration::from_mins(1);

/// See the head of this file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Refusals {
    count: u64,
    /// The first and the last refusal of the present crowd.
    crowd: Option<(Moment, Moment)>,
}

impl Refusals {
    /// One more was refused.
    pub fn note(&mut self, now: Moment) {
        self.count += 1;
        let begun = self.since(now).unwrap_or(now);
        self.crowd = Some((begun, now));
    }

    /// How many were refused since the start.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Since when there has been a crowd: none once nobody was refused for a minute.
    #[must_use]
    pub fn since(&self, now: Moment) -> Option<Moment> {
        self.crowd.filter(|(_, last)| now.since(*last) < TOLD).map(|(begun, _)| begun)
    }
}
