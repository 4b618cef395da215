//! The leaders' time, which the writes carry: a leader counts on from where the state stood when it first proposed one in its term.
//!
//! So no wall clock counts, and none that is wrong makes the state forget early. Where nobody leads it stands still: then nothing is
//! written either. Knows nothing of what is done with it.

use crate::sight::Sight;
use quorate_proto::Moment;

/// See the head of the file.
#[derive(Debug, Default)]
pub(super) struct LeadersClock {
    /// The term, the time by the state then, and since when it is counted.
    begun: Option<(u64, u64, Moment)>,
}

impl LeadersClock {
    /// The time now, in milliseconds, of a node that leads.
    pub(super) fn read(&mut self, sight: &Sight<'_>) -> u64 {
        let by_state = sight.group.map_or(0, |group| group.meta().clock_ms());
        self.count(sight.own_term(), by_state, sight.now)
    }

    fn count(&mut self, term: u64, by_state: u64, now: Moment) -> u64 {
        let (base, since) = match self.begun {
            Some((begun, base, since)) if begun == term => (base, since),
            _ => {
                self.begun = Some((term, by_state, now));
                (by_state, now)
            }
        };
        let passed = u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
        base.saturating_add(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_counts_on_from_the_state_and_begins_anew_in_another_term() {
        let mut clock = LeadersClock::default();
        let at = |ms: u64| Moment::from_micros(ms * 1_000);
        assert_eq!(clock.count(3, 70, at(1_000)), 70);
        assert_eq!(clock.count(3, 70, at(1_500)), 570, "the state has not heard of it yet");
        assert_eq!(clock.count(5, 600, at(9_000)), 600, "others led meanwhile");
        assert_eq!(clock.count(5, 650, at(9_100)), 700);
    }
}
