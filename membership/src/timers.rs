//! Gossip's timers, in the order in which they are due.
//!
//! Of several at one instant the protocol's own order decides, then the order of submission: so equal inputs
//! give equal outputs. Bounded by the protocol: one timer per periodic task and one per suspicion.

use crate::codec::SwimId;
use foca::Timer;
use quorate_proto::Moment;
use std::collections::BTreeSet;
use std::time::Duration;

/// The timers that are not due yet.
#[derive(Debug, Default)]
pub(crate) struct TimerQueue {
    waiting: BTreeSet<(Moment, Timer<SwimId>, u64)>,
    submitted: u64,
}

impl TimerQueue {
    pub(crate) fn submit(&mut self, at: Moment, timer: Timer<SwimId>) {
        self.submitted += 1;
        self.waiting.insert((at, timer, self.submitted));
    }

    pub(crate) fn next_wake(&self) -> Option<Moment> {
        self.waiting.first().map(|(at, ..)| *at)
    }

    pub(crate) fn pop_due(&mut self, now: Moment) -> Option<Timer<SwimId>> {
        let due = self.next_wake().is_some_and(|at| at <= now);
        if due { self.waiting.pop_first().map(|(_, timer, _)| timer) } else { None }
    }

    /// Time stood still for us, not for the others: what was to come is still as far away as before.
    pub(crate) fn postpone(&mut self, by: Duration) {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting = waiting.into_iter().map(|(at, timer, n)| (at + by, timer, n)).collect();
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }
}
