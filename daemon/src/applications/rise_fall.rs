//! What a row of results says of an application.
//!
//! The first result decides at once, because nothing was known. From then on it takes `rise` good ones in a row to come up and `fall` bad ones
//! to go down, so that one lost packet changes nothing. Reads no clock and runs no check.

use quorate_proto::ApplicationState;

/// What is known of one application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RiseFall {
    state: ApplicationState,
    /// Results in a row that say something else than the state.
    against: u32,
    /// The next result decides at once.
    fresh: bool,
}

impl RiseFall {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        Self { state: ApplicationState::Unknown, against: 0, fresh: true }
    }

    /// What is known.
    pub(super) fn state(self) -> ApplicationState {
        self.state
    }

    /// It is checked in another way from now on: what was known stands until the first result.
    pub(super) fn begin_anew(&mut self) {
        (self.against, self.fresh) = (0, true);
    }

    /// A result.
    pub(super) fn note(&mut self, works: bool, rise: u32, fall: u32) {
        let said = if works { ApplicationState::Up } else { ApplicationState::Down };
        if self.state == said {
            (self.against, self.fresh) = (0, false);
            return;
        }
        self.against += 1;
        let enough = if works { rise } else { fall };
        if self.fresh || self.against >= enough {
            *self = Self { state: said, against: 0, fresh: false };
        }
    }

    /// The application said so itself: it is believed.
    pub(super) fn set(&mut self, works: bool) {
        self.note(works, 1, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The states after each result: `+` is a good one, `-` a bad one; up 2 and down 3 are needed.
    fn states(results: &str) -> String {
        let mut known = RiseFall::new();
        let after = |result| {
            known.note(result == '+', 2, 3);
            match known.state() {
                ApplicationState::Up => 'U',
                ApplicationState::Down => 'D',
                ApplicationState::Unknown => '?',
            }
        };
        results.chars().map(after).collect()
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
        let mut known = RiseFall::new();
        known.set(true);
        known.begin_anew();
        assert_eq!(known.state(), ApplicationState::Up);
        known.note(false, 2, 3);
        assert_eq!(known.state(), ApplicationState::Down);
    }
}
