//! The newest round-trip times of one connection, for a median and a 99th percentile, and how many packets had been
//! sent and lost a little while ago, so that what is lost now can be told from what was lost last week.
//!
//! Fixed in size from the start, fed by whoever reads something anyway, and at most every 100 ms: so it needs no timer,
//! costs nothing on an idle connection, and tells of the last thirteen seconds of a busy one.

use crate::traffic::Packets;
use std::time::{Duration, Instant};

/// Samples that are kept: enough that one of them is the worst in a hundred.
const SAMPLES: usize = 128;
/// Between two samples. QUIC's own estimate moves no faster in any way that a person could use.
const EVERY: Duration = Duration::from_millis(100);

/// Between two looks at the packets.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A link on which a packet was lost counts as one that loses for so long: where one in a hundred is lost, the next one
/// is within that time, at some twenty packets a second.
const OF_LATE: Duration = Duration::from_secs(30);

/// A ring of samples, and two looks.
#[derive(Debug)]
pub(crate) struct RoundTrips {
    /// Whole microseconds; four bytes reach beyond an hour.
    samples: [u32; SAMPLES],
    /// How many were ever taken.
    taken: usize,
    next: Option<Instant>,
    /// The look before the last one, and the last one.
    before: Packets,
    looked: Option<(Instant, Packets)>,
    /// Packets lost so far, and until when the link counts as one that loses.
    lost: u64,
    loses_until: Option<Instant>,
}

impl RoundTrips {
    pub(crate) fn new() -> Self {
        Self {
            samples: [0; SAMPLES],
            taken: 0,
            next: None,
            before: Packets::default(),
            looked: None,
            lost: 0,
            loses_until: None,
        }
    }

    /// Whether another sample is due.
    pub(crate) fn due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| next <= now)
    }

    /// Takes a sample; the oldest goes.
    pub(crate) fn take(&mut self, now: Instant, trip: Duration) {
        self.next = Some(now + EVERY);
        self.samples[self.taken % SAMPLES] = u32::try_from(trip.as_micros()).unwrap_or(u32::MAX);
        self.taken += 1;
    }

    /// Whether any packet was lost of late, given how many were lost so far.
    pub(crate) fn loses(&mut self, now: Instant, lost: u64) -> bool {
        if lost > self.lost {
            (self.lost, self.loses_until) = (lost, Some(now + OF_LATE));
        }
        self.loses_until.is_some_and(|until| now < until)
    }

    /// Whether another look at the packets is due.
    pub(crate) fn look_due(&self, now: Instant) -> bool {
        self.looked.is_none_or(|(at, _)| at + LOOK_EVERY <= now)
    }

    /// Takes a look.
    pub(crate) fn look(&mut self, now: Instant, packets: Packets) {
        self.before = self.looked.map_or(Packets::default(), |(_, packets)| packets);
        self.looked = Some((now, packets));
    }

    /// The packets of the look before the last: one to two looks ago.
    pub(crate) fn packets_before(&self) -> Packets {
        self.before
    }

    /// The median and the 99th percentile of what is kept: the smallest sample that at least so many are not above.
    pub(crate) fn median_and_worst(&self) -> Option<(Duration, Duration)> {
        let count = self.taken.min(SAMPLES);
        let mut sorted = self.samples;
        let sorted = sorted.get_mut(..count)?;
        sorted.sort_unstable();
        let at = |percent: usize| {
            let micros = sorted.get((count * percent).div_ceil(100).checked_sub(1)?)?;
            Some(Duration::from_micros(u64::from(*micros)))
        };
        Some((at(50)?, at(99)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(trips: &mut RoundTrips, now: Instant, millis: impl Iterator<Item = u64>) {
        millis.for_each(|millis| trips.take(now, Duration::from_millis(millis)));
    }

    #[test]
    fn nothing_is_said_before_the_first_sample_and_one_sample_is_both() {
        let (mut trips, now) = (RoundTrips::new(), Instant::now());
        assert_eq!(trips.median_and_worst(), None);
        fill(&mut trips, now, [7].into_iter());
        let seven = Duration::from_millis(7);
        assert_eq!(trips.median_and_worst(), Some((seven, seven)));
    }

    #[test]
    fn the_percentiles_are_samples_and_one_outlier_in_a_hundred_is_the_worst() {
        let (mut trips, now) = (RoundTrips::new(), Instant::now());
        fill(&mut trips, now, 1..=100);
        let expected = (Duration::from_millis(50), Duration::from_millis(99));
        assert_eq!(trips.median_and_worst(), Some(expected));
        let (mut trips, now) = (RoundTrips::new(), Instant::now());
        fill(&mut trips, now, (0..SAMPLES as u64).map(|number| if number < 2 { 900 } else { 1 }));
        let expected = (Duration::from_millis(1), Duration::from_millis(900));
        assert_eq!(trips.median_and_worst(), Some(expected));
    }

    #[test]
    fn packets_are_told_since_the_look_before_the_last() {
        let (mut trips, mut now) = (RoundTrips::new(), Instant::now());
        for sent in [100, 200, 300] {
            assert!(trips.look_due(now));
            trips.look(now, Packets { sent, lost: sent / 10 });
            assert!(!trips.look_due(now));
            now += LOOK_EVERY;
        }
        assert_eq!(trips.packets_before(), Packets { sent: 200, lost: 20 });
    }

    #[test]
    fn a_link_loses_for_a_while_after_each_lost_packet() {
        let (mut trips, now) = (RoundTrips::new(), Instant::now());
        assert!(!trips.loses(now, 0));
        assert!(trips.loses(now, 1));
        assert!(trips.loses(now + OF_LATE / 2, 2));
        assert!(trips.loses(now + OF_LATE, 2), "the last one counts");
        assert!(!trips.loses(now + OF_LATE * 3 / 2, 2));
    }

    #[test]
    fn the_oldest_sample_goes_and_samples_are_rare() {
        let (mut trips, now) = (RoundTrips::new(), Instant::now());
        assert!(trips.due(now));
        fill(&mut trips, now, std::iter::repeat_n(900, SAMPLES));
        fill(&mut trips, now, std::iter::repeat_n(2, SAMPLES));
        let two = Duration::from_millis(2);
        assert_eq!(trips.median_and_worst(), Some((two, two)));
        assert!(!trips.due(now + EVERY - Duration::from_millis(1)));
        assert!(trips.due(now + EVERY));
        trips.take(now, Duration::from_secs(100_000));
        assert_eq!(trips.median_and_worst().map(|(_, worst)| worst), Some(two));
    }
}
