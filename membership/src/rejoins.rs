//! How often a node joins gossip again after it was declared down, and how often that is said.
//!
//! Invariants: the first rejoin is at once; each further one waits twice as long as the one before, up to a bound; a quiet
//! minute forgives. Two copies of one disk would otherwise declare each other down as fast as packets travel.

use quorate_proto::Moment;
use std::time::Duration;

/// The pause behind the first rejoin.
const FIRST: Duration = Duration::from_millis(100);
/// The longest pause: well above the time in which gossip tells everybody, so that each rejoin has had its chance.
const LONGEST: Duration = Duration::from_secs(10);
/// Without a rejoin for so long beyond the pause, the next one is a first one; and as often one is told.
const FORGIVE: Duration = Duration::from_secs(60);

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Rejoins {
    /// When the last one was, and how many in a row.
    last: Option<(Moment, u32)>,
    told: Option<Moment>,
    untold: u64,
}

impl Rejoins {
    /// Whether word of our own end may be acted on now. Otherwise it is passed over: it comes again.
    pub(crate) fn may(&self, now: Moment) -> bool {
        self.last.is_none_or(|(at, row)| now.since(at) >= pause(row))
    }

    /// So many rejoins have just been. How many are to be told now, if any.
    pub(crate) fn rejoined(&mut self, now: Moment, count: u64) -> Option<u64> {
        let row = self.last.filter(|(at, row)| now.since(*at) < pause(*row) + FORGIVE);
        self.last = Some((now, row.map_or(1, |(_, row)| row.saturating_add(1))));
        self.untold += count;
        if self.told.is_some_and(|told| now.since(told) < FORGIVE) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

/// How long the next rejoin waits behind so many in a row.
fn pause(row: u32) -> Duration {
    (FIRST * (1 << row.saturating_sub(1).min(10))).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn each_rejoin_in_a_row_waits_twice_as_long_up_to_a_bound() {
        let (mut rejoins, mut now, mut waits) = (Rejoins::default(), 0, Vec::new());
        assert!(rejoins.may(at(0)));
        for _ in 0..9 {
            rejoins.rejoined(at(now), 1);
            let wait = (1..).find(|wait| rejoins.may(at(now + wait))).expect("an end");
            waits.push(wait);
            now += wait;
        }
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        assert_eq!(pause(u32::MAX), LONGEST);
    }

    #[test]
    fn a_quiet_minute_forgives() {
        let mut rejoins = Rejoins::default();
        for _ in 0..8 {
            rejoins.rejoined(at(0), 1);
        }
        assert!(!rejoins.may(at(9_999)));
        rejoins.rejoined(at(70_001), 1);
        assert!(rejoins.may(at(70_101)));
    }

    #[test]
    fn rejoins_are_told_once_a_minute_with_their_number() {
        let mut rejoins = Rejoins::default();
        assert_eq!(rejoins.rejoined(at(0), 1), Some(1));
        for second in 1..60 {
            assert_eq!(rejoins.rejoined(at(second * 1_000), 2), None);
        }
        assert_eq!(rejoins.rejoined(at(60_000), 1), Some(119));
    }
}
