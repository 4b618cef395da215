//! How long the answers to pings take, counted for each peer since the start: what a heartbeat on the same lane sees,
//! the loops of both ends included.
//!
//! Invariants: the counts of a member only grow; as many peers are kept as there can be members, and a few rounds of
//! pings.

use quorate_proto::{Instance, Moment, limits};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Upper bounds of the classes of [`PingTimes`] in milliseconds; what took longer is in one more class.
pub const PING_CLASSES: [u64; 10] = [1, 2, 5, 10, 25, 50, 100, 200, 500, 1_000];

/// Rounds whose answers are still timed: ten seconds of the quickest.
const ROUNDS: usize = 160;

/// The answers of one peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PingTimes {
    /// How many took so long as its class allows, and longer than the class before; the last has no limit.
    pub classes: [u64; PING_CLASSES.len() + 1],
    /// The sum of all times.
    pub sum: Duration,
}

impl PingTimes {
    fn add(&mut self, time: Duration) {
        let class = PING_CLASSES.iter().position(|most| time <= Duration::from_millis(*most));
        self.classes[class.unwrap_or(PING_CLASSES.len())] += 1;
        self.sum += time;
    }
}

/// When rounds of pings were sent, and how long their answers took.
#[derive(Debug, Default)]
pub(crate) struct PingClock {
    /// Number and time of the newest rounds, oldest first.
    rounds: VecDeque<(u64, Moment)>,
    times: BTreeMap<Instance, PingTimes>,
    /// The newest round that was sent to each member while it was down.
    pinged_while_down: BTreeMap<Instance, u64>,
}

impl PingClock {
    /// A round is sent now.
    pub(crate) fn sent(&mut self, now: Moment, round: u64) {
        if self.rounds.len() >= ROUNDS {
            self.rounds.pop_front();
        }
        self.rounds.push_back((round, now));
    }

    /// When the pings of this round were sent; none of long ago, or that was never sent.
    pub(crate) fn sent_at(&self, round: u64) -> Option<Moment> {
        self.rounds.iter().rev().find(|(number, _)| *number == round).map(|(_, sent)| *sent)
    }

    /// The ping of this round goes to a member that is down: it may wait until that comes back, which is no delay.
    pub(crate) fn pinged_while_down(&mut self, at: Instance, round: u64) {
        if self.pinged_while_down.len() >= limits::MEMBERS
            && !self.pinged_while_down.contains_key(&at)
        {
            // Most are of lives that are gone for good; for the others a wait may be counted.
            self.pinged_while_down.clear();
        }
        self.pinged_while_down.insert(at, round);
    }

    /// A member answered the ping of this round: how long that took. One of long ago, or that was never sent, is not counted.
    pub(crate) fn answered(
        &mut self,
        now: Moment,
        from: Instance,
        round: u64,
        is_member: impl Fn(Instance) -> bool,
    ) -> Option<Duration> {
        let sent = self.sent_at(round)?;
        if self.pinged_while_down.get(&from).is_some_and(|pinged| round <= *pinged) {
            return None;
        }
        if self.times.len() >= limits::MEMBERS && !self.times.contains_key(&from) {
            self.times.retain(|instance, _| is_member(*instance));
        }
        let took = now.since(sent);
        self.times.entry(from).or_default().add(took);
        Some(took)
    }

    /// All that were ever counted.
    pub(crate) fn all(&self) -> Vec<(Instance, PingTimes)> {
        self.times.iter().map(|(instance, times)| (*instance, *times)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::default() + Duration::from_millis(millis)
    }

    #[test]
    fn an_answer_is_counted_in_the_class_of_its_time() {
        let (mut clock, peer) = (PingClock::default(), Instance::from_bytes([1; 16]));
        clock.sent(at(0), 1);
        clock.answered(at(2), peer, 1, |_| true);
        clock.sent(at(150), 2);
        clock.answered(at(151), peer, 1, |_| true);
        clock.answered(at(5_000), peer, 2, |_| true);
        let (_, times) = clock.all()[0];
        assert_eq!(times.classes, [0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1]);
        assert_eq!(times.sum, Duration::from_millis(2 + 151 + 4_850));
    }

    #[test]
    fn a_ping_that_waited_for_its_member_to_come_back_is_not_counted() {
        let (mut clock, peer) = (PingClock::default(), Instance::from_bytes([1; 16]));
        clock.sent(at(0), 1);
        clock.pinged_while_down(peer, 1);
        clock.sent(at(150), 2);
        clock.answered(at(3_000), peer, 1, |_| true);
        clock.answered(at(3_000), Instance::from_bytes([2; 16]), 1, |_| true);
        clock.answered(at(160), peer, 2, |_| true);
        let counted: Vec<_> = clock.all().iter().map(|(_, times)| times.sum).collect();
        assert_eq!(counted, [Duration::from_millis(10), Duration::from_millis(3_000)]);
    }

    #[test]
    fn an_answer_to_no_ping_of_late_is_not_counted() {
        let (mut clock, peer) = (PingClock::default(), Instance::from_bytes([1; 16]));
        clock.answered(at(0), peer, 1, |_| true);
        for round in 1..=ROUNDS as u64 + 1 {
            clock.sent(at(round), round);
        }
        clock.answered(at(1_000), peer, 1, |_| true);
        clock.answered(at(1_000), peer, u64::MAX, |_| true);
        assert_eq!(clock.all(), []);
    }
}
