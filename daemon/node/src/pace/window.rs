//! The worst of the last minutes, in steps.
//!
//! What stays true: a span counts for five minutes, give or take a step; what took unusually long counts only once it happened again:
//! one pause, one cut or one restart is a failure and no pace. Knows nothing of what is measured.

use quorate_membership::{SILENCE_MOST, SILENCE_START};
use quorate_proto::Moment;
use std::collections::VecDeque;
use std::time::Duration;

/// A step of the window.
const STEP: Duration = Duration::from_secs(30);
/// So many of them are looked at.
const STEPS: u64 = 10;
/// For so long a span counts at most.
pub(crate) const SPAN: Duration = Duration::from_secs(STEP.as_secs() * STEPS);
/// What takes longer would be a suspicion of its own at the start: it is taken for a failure.
const UNUSUAL: Duration = SILENCE_START;
/// What is unusual within so long of the first of it is the same failure.
const APART: Duration = Duration::from_secs(5);

/// See the head of the file. At most [`STEPS`] steps.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// The number of a step and the worst of it, oldest first.
    steps: VecDeque<(u64, Duration)>,
    /// When something unusual began last.
    failed: Option<Moment>,
}

impl Window {
    /// Something took so long, and ended now.
    pub(crate) fn note(&mut self, now: Moment, span: Duration) {
        if span > UNUSUAL && !self.happened_again(now) {
            return;
        }
        let (step, span) = (step_of(now), span.min(SILENCE_MOST));
        match self.steps.back_mut().filter(|(newest, _)| *newest == step) {
            Some((_, worst)) => *worst = span.max(*worst),
            None => self.steps.push_back((step, span)),
        }
        while self.steps.len() as u64 > STEPS {
            self.steps.pop_front();
        }
    }

    /// The longest that counts.
    pub(crate) fn worst(&self, now: Moment) -> Duration {
        let last = step_of(now);
        let counts = self.steps.iter().filter(|(step, _)| step + STEPS > last);
        counts.map(|(_, span)| *span).max().unwrap_or_default()
    }

    fn happened_again(&mut self, now: Moment) -> bool {
        let before = self.failed.map(|at| now.since(at)).filter(|ago| *ago < SPAN);
        if before.is_none_or(|ago| ago >= APART) {
            self.failed = Some(now);
        }
        before.is_some_and(|ago| ago >= APART)
    }
}

fn step_of(now: Moment) -> u64 {
    now.as_micros() / u64::try_from(STEP.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_span_counts_for_five_minutes_and_the_longest_of_them_wins() {
        let (mut window, ms) = (Window::default(), Duration::from_millis);
        window.note(at(0), ms(120));
        window.note(at(10), ms(40));
        window.note(at(100), ms(60));
        assert_eq!(window.worst(at(100)), ms(120));
        assert_eq!(window.worst(at(299)), ms(120));
        assert_eq!(window.worst(at(300)), ms(60));
        assert_eq!(window.worst(at(400)), Duration::ZERO);
        for second in 0..100_000 {
            window.note(at(500 + second * 7), ms(second % 90));
        }
        assert!(window.steps.len() as u64 <= STEPS);
    }

    #[test]
    fn one_failure_is_no_pace_and_a_second_one_is() {
        let (mut window, ms) = (Window::default(), Duration::from_millis);
        for (second, span) in [(0, 900), (1, 1_200), (4, 700)] {
            window.note(at(second), ms(span));
            assert_eq!(
                window.worst(at(second)),
                Duration::ZERO,
                "one cut, told by several answers"
            );
        }
        window.note(at(200), ms(700));
        assert_eq!(window.worst(at(200)), ms(700));
        window.note(at(210), ms(9_000));
        assert_eq!(window.worst(at(210)), SILENCE_MOST);
        let mut seldom = Window::default();
        for hour in 0..9 {
            seldom.note(at(hour * 3_600), ms(900));
            assert_eq!(seldom.worst(at(hour * 3_600)), Duration::ZERO);
        }
    }
}
