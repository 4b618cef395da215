//! When one hook is run: what it was handed, what differs from that, since when, and what became of its runs.
//!
//! What stays true: never two runs at once; a run gets the newest view, so what came while one ran is one run more; a difference that is
//! gone before its time is over causes none; a run that failed is followed by another until one succeeds. Pure: time is an argument.

use super::view::{Cause, Subject, Told, differences};
use quorate_proto::Moment;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a difference must last before it is acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Debounce {
    pub(super) silence: Duration,
    pub(super) goodbye: Duration,
    pub(super) drain: Duration,
    pub(super) other: Duration,
}

impl Default for Debounce {
    fn default() -> Self {
        // A host that is not heard for a moment is back within this more often than not; whoever says goodbye means it.
        let silence = Duration::from_secs(2);
        Self { silence, goodbye: Duration::ZERO, drain: Duration::ZERO, other: Duration::ZERO }
    }
}

impl Debounce {
    fn of(&self, cause: Cause) -> Duration {
        match cause {
            Cause::Silence => self.silence,
            Cause::Goodbye => self.goodbye,
            Cause::Drain => self.drain,
            Cause::Other => self.other,
        }
    }
}

/// How long after a run that failed the next one comes: doubled each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retry {
    pub(super) first: Duration,
    pub(super) most: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), most: Duration::from_mins(1) }
    }
}

impl Retry {
    pub(super) fn after(&self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(doubled).min(self.most)
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    /// It succeeded, and has to say something again after this time.
    AndAgain(Duration),
    Badly,
}

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Schedule {
    debounce: Debounce,
    retry: Retry,
    /// What is; none before anything is known.
    newest: Option<Arc<Told>>,
    /// What the last run was handed.
    handed: Option<Arc<Told>>,
    /// What the last run that succeeded was handed.
    done: Option<Arc<Told>>,
    /// Who differs from what was handed, and when that is acted on.
    due: BTreeMap<Subject, Moment>,
    running: bool,
    /// Runs that failed, one after the other, with the same view.
    failures: u32,
    /// When to run though nothing differs.
    again: Option<Moment>,
}

impl Schedule {
    /// Nothing is known yet.
    pub(super) fn new(debounce: Debounce, retry: Retry) -> Self {
        let due = BTreeMap::new();
        Self {
            debounce,
            retry,
            newest: None,
            handed: None,
            done: None,
            due,
            running: false,
            failures: 0,
            again: None,
        }
    }

    /// This is what is now.
    pub(super) fn see(&mut self, now: Moment, told: Arc<Told>) {
        let Some(handed) = &self.handed else {
            // Level-triggered: whoever has done nothing yet acts on what is.
            self.again.get_or_insert(now);
            self.newest = Some(told);
            return;
        };
        let differ = differences(handed, &told);
        self.due.retain(|subject, _| differ.contains_key(subject));
        for (subject, cause) in differ {
            let at = now + self.debounce.of(cause);
            let due = self.due.entry(subject).or_insert(at);
            *due = at.min(*due);
        }
        self.newest = Some(told);
    }

    /// When to run it; none while it runs, and when there is nothing to do.
    pub(super) fn next(&self) -> Option<Moment> {
        let known = !self.running && self.newest.is_some();
        self.due.values().chain(&self.again).min().copied().filter(|_| known)
    }

    /// It runs, with the newest view. Gives what it was when a run last succeeded.
    pub(super) fn begin(&mut self) -> Option<Arc<Told>> {
        if self.handed != self.newest {
            // What failed is not what is tried now.
            self.failures = 0;
        }
        self.running = true;
        self.handed.clone_from(&self.newest);
        self.due.clear();
        self.again = None;
        self.done.clone()
    }

    /// The run has ended.
    pub(super) fn end(&mut self, now: Moment, ended: Ended) {
        self.running = false;
        match ended {
            Ended::Well => self.succeed(),
            Ended::AndAgain(after) => {
                self.succeed();
                self.again = Some(now + after);
            }
            Ended::Badly => {
                self.failures = self.failures.saturating_add(1);
                self.again = Some(now + self.retry.after(self.failures));
            }
        }
    }

    fn succeed(&mut self) {
        self.failures = 0;
        self.done.clone_from(&self.handed);
    }

    /// It is to be run then though nothing differs.
    pub(super) fn run_again(&mut self, at: Moment) {
        self.again = Some(self.again.map_or(at, |again| again.min(at)));
    }

    /// Runs that failed since one succeeded or the view was another.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn is_running(&self) -> bool {
        self.running
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const START: Moment = Moment::from_micros(9_000_000);

    fn at(ms: u64) -> Moment {
        START + Duration::from_millis(ms)
    }

    fn told(states: &[(&str, &str)]) -> Arc<Told> {
        let member = |(name, state): &(&str, &str)| json!({ "name": name, "state": state });
        let members: Vec<Value> = states.iter().map(member).collect();
        Arc::new(super::super::view::of_health(&json!({ "members": members })))
    }

    fn both_up() -> Arc<Told> {
        told(&[("a", "alive"), ("b", "alive")])
    }

    /// One that has acted on a view in which both are alive.
    fn settled() -> Schedule {
        let mut schedule = Schedule::new(Debounce::default(), Retry::default());
        assert_eq!(schedule.next(), None, "nothing is known");
        schedule.see(START, both_up());
        assert_eq!(schedule.next(), Some(START), "it begins with what is");
        assert!(schedule.begin().is_none());
        schedule.end(START, Ended::Well);
        assert_eq!(schedule.next(), None);
        schedule
    }

    #[test]
    fn a_silence_that_is_over_within_its_time_runs_nothing() {
        let mut schedule = settled();
        schedule.see(at(100), told(&[("a", "alive"), ("b", "down")]));
        assert_eq!(schedule.next(), Some(at(2_100)));
        schedule.see(at(2_000), both_up());
        assert_eq!(schedule.next(), None);
        schedule.see(at(2_050), told(&[("a", "alive"), ("b", "down")]));
        assert_eq!(schedule.next(), Some(at(4_050)), "the time counts from the last silence");
    }

    #[test]
    fn a_silence_counts_from_its_begin_and_a_goodbye_at_once() {
        let mut schedule = settled();
        schedule.see(at(100), told(&[("a", "alive"), ("b", "down")]));
        schedule.see(at(500), told(&[("a", "down"), ("b", "down")]));
        assert_eq!(schedule.next(), Some(at(2_100)), "another one does not delay it");
        schedule.see(at(700), told(&[("a", "down"), ("b", "left")]));
        assert_eq!(schedule.next(), Some(at(700)), "its unit said that it is gone");
    }

    #[test]
    fn what_comes_while_it_runs_is_one_run_more_with_the_newest() {
        let mut schedule = settled();
        schedule.see(at(10), told(&[("a", "alive"), ("b", "left")]));
        schedule.begin();
        for (ms, state) in [(20, "alive"), (30, "left"), (40, "alive")] {
            schedule.see(at(ms), told(&[("a", "alive"), ("b", state)]));
            assert_eq!(schedule.next(), None, "never two at once");
        }
        schedule.end(at(50), Ended::Well);
        assert_eq!(schedule.next(), Some(at(40)));
        assert_eq!(schedule.begin(), Some(told(&[("a", "alive"), ("b", "left")])));
        schedule.end(at(60), Ended::Well);
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn what_was_undone_while_it_ran_is_run_again_and_what_is_as_it_was_handed_is_not() {
        let mut schedule = settled();
        let gone = told(&[("a", "alive"), ("b", "left")]);
        schedule.see(at(10), gone.clone());
        schedule.begin();
        schedule.see(at(20), both_up());
        schedule.see(at(30), gone);
        schedule.end(at(40), Ended::Well);
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn a_failure_is_tried_again_ever_later_until_it_succeeds() {
        let mut schedule = settled();
        schedule.see(at(0), told(&[("a", "alive"), ("b", "left")]));
        let mut now = at(0);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            schedule.begin();
            schedule.end(now, Ended::Badly);
            now = now + Duration::from_secs(seconds);
            assert_eq!(schedule.next(), Some(now));
        }
        assert_eq!(schedule.failures(), 8);
        assert_eq!(schedule.begin(), Some(both_up()), "what changed counts from the last success");
        schedule.end(now, Ended::Well);
        assert_eq!((schedule.next(), schedule.failures()), (None, 0));
    }

    #[test]
    fn a_newer_view_takes_the_place_of_one_that_failed_and_the_old_one_is_made_good() {
        let mut schedule = settled();
        schedule.see(at(0), told(&[("a", "alive"), ("b", "left")]));
        for _ in 0..7 {
            schedule.begin();
            schedule.end(at(0), Ended::Badly);
        }
        schedule.see(at(10), both_up());
        assert_eq!(schedule.next(), Some(at(10)), "the failed run may have done half of it");
        schedule.begin();
        assert_eq!(schedule.failures(), 0);
        schedule.end(at(10), Ended::Badly);
        assert_eq!(schedule.next(), Some(at(1_010)), "it is another view that failed now");
    }

    #[test]
    fn who_has_to_say_something_again_is_run_though_nothing_differs() {
        let mut schedule = settled();
        schedule.see(at(0), told(&[("a", "alive")]));
        schedule.begin();
        schedule.end(at(5), Ended::AndAgain(Duration::from_secs(1)));
        assert_eq!(schedule.next(), Some(at(1_005)));
    }
}
