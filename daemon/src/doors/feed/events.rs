//! The feed of events.
//!
//! The newest ones are here, of this run alone; those of earlier runs are in `kept`. Knows nothing of what an event says.

use super::ring::{Ring, Subscription};
use crate::clock::wall_unix_ms;
use quorate_node::Event;
use std::sync::Arc;

/// Events kept for `quorate events`.
pub(super) const EVENT_LINES: usize = 1024;

/// One event, with its time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EventLine {
    /// Counts the events of this run of the daemon.
    pub(crate) number: u64,
    /// Wall clock, in milliseconds since 1970.
    pub(crate) at_unix_ms: u64,
    /// What.
    pub(crate) event: Event,
}

/// The newest events.
#[derive(Debug, Clone)]
pub(crate) struct EventRing {
    ring: Arc<Ring<EventLine>>,
}

impl EventRing {
    /// An empty ring.
    pub(crate) fn new() -> Self {
        Self { ring: Ring::new(EVENT_LINES) }
    }

    /// Adds an event that happened now.
    pub(crate) fn push(&self, event: Event) {
        let at_unix_ms = wall_unix_ms();
        self.ring.push(|number, _| Some(EventLine { number, at_unix_ms, event }));
    }

    /// All that is kept, oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<EventLine>> {
        self.ring.all()
    }

    /// All that come after the one with this number.
    pub(crate) fn subscribe_after(&self, number: u64) -> Subscription<EventLine> {
        Subscription::new(&self.ring, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_ring_keeps_the_newest() {
        let ring = EventRing::new();
        for _ in 0..EVENT_LINES + 10 {
            ring.push(Event::Quorate);
        }
        let numbers: Vec<u64> = ring.all().iter().map(|line| line.number).collect();
        assert_eq!((numbers[0], numbers.len()), (11, EVENT_LINES));
    }
}
