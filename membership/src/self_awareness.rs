//! The detector's doubt in itself, before it doubts others (Lifeguard, Dadgar et al. 2018).
//!
//! Three things speak against ourselves: we were run later than we wanted (the process or host stood still);
//! we asked and nobody answered (we may be the one that is cut off); others heard whom we did not (then we
//! wait longer before the next suspicion). While in doubt, no "not heard" and no campaign comes from here.

use crate::config::Profile;
use crate::patience::Spans;
use quorate_proto::Moment;
use std::time::Duration;

/// Most the patience grows, in halves: a suspicion then takes three times as long.
const MOST_STRAIN: u32 = 4;

#[derive(Debug)]
pub(crate) struct SelfAwareness {
    profile: Profile,
    /// A turn that is later than this counts.
    pub(crate) late: Duration,
    wanted: Moment,
    late_since: Option<Moment>,
    heard_since_late: bool,
    unanswered: bool,
    strain: u32,
    eased: Moment,
}

impl SelfAwareness {
    pub(crate) fn new(now: Moment, profile: Profile) -> Self {
        Self {
            profile,
            late: Spans::of(profile.silence).late,
            wanted: now,
            late_since: None,
            heard_since_late: false,
            unanswered: false,
            strain: 0,
            eased: now,
        }
    }

    /// Called first in each step: by how much this turn is late, if it matters.
    pub(crate) fn turn(&mut self, now: Moment) -> Option<Duration> {
        let late_by = now.since(self.wanted);
        if late_by <= self.late {
            return None;
        }
        self.late_since = Some(now);
        self.heard_since_late = false;
        self.wanted = now;
        Some(late_by)
    }

    /// Called last in each step.
    pub(crate) fn want(&mut self, wake: Moment) {
        self.wanted = wake;
    }

    pub(crate) fn heard(&mut self) {
        self.heard_since_late = true;
        self.unanswered = false;
    }

    /// We asked others about a suspect, and none of them said anything.
    pub(crate) fn nobody_answered(&mut self, now: Moment) {
        if !self.unanswered {
            self.unanswered = true;
            self.refuted(now);
        }
    }

    /// Another node heard whom we suspected.
    pub(crate) fn refuted(&mut self, now: Moment) {
        self.strain = (self.strain + 1).min(MOST_STRAIN);
        self.eased = now;
    }

    /// Another node did not hear whom we suspected either.
    pub(crate) fn confirmed(&mut self) {
        self.strain = self.strain.saturating_sub(1);
    }

    /// Lets doubt pass with time.
    pub(crate) fn settle(&mut self, now: Moment) {
        if let Some(since) = self.late_since {
            let passed = now.since(since);
            let drained = self.heard_since_late && passed >= self.profile.doubt_least;
            if drained || passed >= self.profile.doubt_most {
                self.late_since = None;
            }
        }
        if now.since(self.eased) >= self.profile.ease {
            self.eased = now;
            self.strain = self.strain.saturating_sub(1);
        }
    }

    pub(crate) fn doubts(&self) -> bool {
        self.late_since.is_some() || self.unanswered
    }

    /// Whether we stood still a moment ago.
    pub(crate) fn stood_still(&self) -> bool {
        self.late_since.is_some()
    }

    /// A span of patience, as long as our own health asks for.
    pub(crate) fn patience(&self, span: Duration) -> Duration {
        span * (2 + self.strain) / 2
    }
}
