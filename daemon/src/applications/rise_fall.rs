//! What a row of results says of an application.
//!
//! The first result decides at once, because nothing was known. From then on it takes `rise` good ones in a row to come up and `fall` bad ones
//! to go down, so that one lost packet changes nothing. That it is down is never held back. One that goes down again and again is told to be
//! up only once it has worked for a while without a break, which doubles with each time, as for a host that comes and goes. Reads no clock
//! and runs no check.

use quorate_node::hold_down;
use quorate_proto::ApplicationState;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Over so long it is counted how often an application went down: a check takes seconds to see that it did, and as long to see it back.
const WINDOW: Duration = Duration::from_secs(300);
/// So many are kept: with the last of these it is held for as long as anybody.
const KEPT: usize = 8;

/// What is known of one application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RiseFall {
    state: ApplicationState,
    /// Results in a row that say something else than the state.
    against: u32,
    /// When the first of them came.
    since: Option<Instant>,
    /// There were as many of them as it takes, though it is held down.
    enough: bool,
    /// The next result decides at once.
    fresh: bool,
    /// When it went down of late.
    fell: VecDeque<Instant>,
}

/// Why one that works is told to be down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    /// So often it went down of late, as far as that is kept.
    times: usize,
    /// For so long it has to work.
    pub(super) hold: Duration,
    /// When it will have.
    pub(super) until: Instant,
}

impl Held {
    /// How often it went down of late.
    pub(super) fn times(self) -> String {
        let more = if self.times < KEPT { "" } else { " or more" };
        format!("{} times{more}", self.times)
    }
}

impl RiseFall {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        let (state, fell) = (ApplicationState::Unknown, VecDeque::new());
        Self { state, against: 0, since: None, enough: false, fresh: true, fell }
    }

    /// What is known.
    pub(super) fn state(&self) -> ApplicationState {
        self.state
    }

    /// It is checked in another way from now on: what was known stands until the first result.
    pub(super) fn begin_anew(&mut self) {
        self.count_anew();
        self.fresh = true;
    }

    /// No row of results is under way.
    fn count_anew(&mut self) {
        (self.against, self.since, self.enough, self.fresh) = (0, None, false, false);
    }

    /// A result.
    pub(super) fn note(&mut self, now: Instant, works: bool, rise: u32, fall: u32) {
        let said = if works { ApplicationState::Up } else { ApplicationState::Down };
        if self.state == said {
            return self.count_anew();
        }
        self.against += 1;
        self.since.get_or_insert(now);
        if self.fresh || self.against >= if works { rise } else { fall } {
            self.enough = true;
            if self.fresh || !works || self.held().is_none_or(|held| held.until <= now) {
                self.become_known(now, said);
            }
        }
    }

    /// The application said so itself: it is believed.
    pub(super) fn set(&mut self, now: Instant, works: bool) {
        self.note(now, works, 1, 1);
    }

    /// Time has passed: one that was held down for long enough is up.
    pub(super) fn look(&mut self, now: Instant) {
        if self.held().is_some_and(|held| held.until <= now) {
            self.become_known(now, ApplicationState::Up);
        }
    }

    /// That it works, though it is told to be down for now.
    pub(super) fn held(&self) -> Option<Held> {
        self.since.filter(|_| self.enough && self.is_down()).and_then(|since| self.hold_from(since))
    }

    /// How it is going to be held where it works again: since it went down last, and the same until it is up.
    pub(super) fn will_be_held(&self) -> Option<Held> {
        self.fell.back().filter(|_| self.is_down()).and_then(|fell| self.hold_from(*fell))
    }

    fn is_down(&self) -> bool {
        self.state == ApplicationState::Down
    }

    fn hold_from(&self, since: Instant) -> Option<Held> {
        let of_late = |at: &&Instant| since.saturating_duration_since(**at) < WINDOW;
        let times = self.fell.iter().filter(of_late).count();
        let hold = hold_down(times);
        (!hold.is_zero()).then(|| Held { times, hold, until: since + hold })
    }

    fn become_known(&mut self, now: Instant, state: ApplicationState) {
        if (self.state, state) == (ApplicationState::Up, ApplicationState::Down) {
            if self.fell.len() >= KEPT {
                self.fell.pop_front();
            }
            self.fell.push_back(now);
        }
        self.state = state;
        self.count_anew();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The states after each result, one a second: `+` is a good one, `-` a bad one; up 2 and down 3 are needed.
    fn states(results: &str) -> String {
        let (mut known, began) = (RiseFall::new(), Instant::now());
        let after = |(second, result)| {
            known.note(began + Duration::from_secs(second), result == '+', 2, 3);
            match known.state() {
                ApplicationState::Up => 'U',
                ApplicationState::Down => 'D',
                ApplicationState::Unknown => '?',
            }
        };
        (0..).zip(results.chars()).map(after).collect()
    }

    #[test]
    fn the_first_result_decides_and_later_ones_only_in_a_row() {
        assert_eq!(states("+"), "U");
        assert_eq!(states("-"), "D");
        assert_eq!(states("+--+---"), "UUUUUUD");
        assert_eq!(states("-+-++-"), "DDDDUU");
    }

    #[test]
    fn what_was_known_stands_until_the_first_result_of_another_check() {
        let (mut known, now) = (RiseFall::new(), Instant::now());
        known.set(now, true);
        known.begin_anew();
        assert_eq!(known.state(), ApplicationState::Up);
        known.note(now, false, 2, 3);
        assert_eq!(known.state(), ApplicationState::Down);
    }

    #[test]
    fn one_that_goes_down_again_and_again_has_to_work_for_longer_each_time() {
        // The second time it works for 2 s without a break before it is told, the third time for 4 s.
        assert_eq!(states("+---++---++++---++++++"), "UUUDDUUUDDDUUUUDDDDDUU");
        // A bad result begins the wait anew.
        assert_eq!(states("+---++---++-+++"), "UUUDDUUUDDDDDDU");
    }

    #[test]
    fn one_that_is_held_down_is_up_when_its_time_has_passed_without_a_result() {
        let (mut known, began) = (RiseFall::new(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        for (second, works) in [(0, true), (1, false), (2, true), (3, false), (4, true)] {
            known.set(at(second), works);
        }
        let held = known.held().expect("it went down twice");
        assert_eq!((held.times, held.hold, held.until), (2, Duration::from_secs(2), at(6)));
        assert_eq!(known.state(), ApplicationState::Down);
        assert_eq!(known.will_be_held().map(|held| (held.times, held.hold)), Some((2, held.hold)));
        known.look(at(5));
        assert_eq!(known.state(), ApplicationState::Down);
        known.look(at(6));
        assert_eq!((known.state(), known.held()), (ApplicationState::Up, None));
        assert_eq!(known.will_be_held(), None, "it is up");
        // What lies far back counts no more.
        known.set(at(400), false);
        known.set(at(401), true);
        assert_eq!(known.state(), ApplicationState::Up);
    }
}
