//! When a duty that is asked in each turn has something to look at: what is committed changed, a holder said something, or a time is over.

use super::lapse;
use crate::sight::Sight;
use quorate_meta::Meta;
use quorate_proto::{HealthEpoch, Moment};

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    /// When this leader looked for the first time.
    since: Option<Moment>,
    /// What the last look saw.
    seen: Option<(HealthEpoch, u64)>,
    /// A holder said something that the next look should know of.
    stirred: bool,
    next: Option<Moment>,
}

impl Looks {
    /// Whether there is something to look at; what was to wake it is forgotten then.
    pub(crate) fn are_due(&mut self, sight: &Sight<'_>, meta: &Meta) -> bool {
        let now = (sight.health.view().epoch, meta.system_revision().get());
        let due = self.next.is_some_and(|at| at <= sight.now);
        if !due && !std::mem::take(&mut self.stirred) && self.seen == Some(now) {
            return false;
        }
        self.seen = Some(now);
        self.next = None;
        self.since.get_or_insert(sight.now);
        true
    }

    /// Whether this leader has waited for one full lapse since it looked first. If not, and something `waits` for that, it looks again then.
    pub(crate) fn waited(&mut self, waits: bool, ttl_ms: u64, now: Moment) -> bool {
        let until = *self.since.get_or_insert(now) + lapse::span(ttl_ms);
        if waits {
            self.wake_at(until, now);
        }
        until <= now
    }

    /// When this leader looked for the first time.
    pub(crate) fn since(&self) -> Option<Moment> {
        self.since
    }

    /// The next turn has something to look at.
    pub(crate) fn stir(&mut self, news: bool) {
        self.stirred |= news;
    }

    /// When it wants to look again although nothing happens.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.next
    }

    pub(crate) fn wake_at(&mut self, at: Moment, now: Moment) {
        if at > now {
            self.next = Some(self.next.map_or(at, |next| next.min(at)));
        }
    }
}
