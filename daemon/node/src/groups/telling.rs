//! When a leader tells the commit index by itself, and when it waits for the next append to carry it.
//!
//! An append without entries costs every follower a packet, a turn and an answer, as much as one with entries. A leader at which clients have
//! written twice within [`BUSY`] waits up to [`PATIENCE`] for the next write; any other tells at once: where nobody writes, a change of health reaches
//! the followers without a wait. Knows nothing of what is written.

use quorate_proto::Moment;
use std::time::Duration;

/// So long a commit index waits for an append that carries it, at most. A program that writes in a row has its next write here within that,
/// also through a follower.
pub(super) const PATIENCE: Duration = Duration::from_millis(2);
/// Two turns with writes within this time make a leader expect the next one.
const BUSY: Duration = Duration::from_millis(10);

/// When the last two turns were that proposed what clients write.
#[derive(Debug, Default)]
pub(super) struct Telling {
    newest: Option<Moment>,
    before: Option<Moment>,
}

impl Telling {
    /// Something that clients write was proposed.
    pub(super) fn clients_write(&mut self, now: Moment) {
        if self.newest != Some(now) {
            self.before = self.newest.replace(now);
        }
    }

    /// Whether an append is likely to follow soon.
    pub(super) fn expects_an_append(&self, now: Moment) -> bool {
        self.before.is_some_and(|before| now < before + BUSY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::default() + Duration::from_millis(ms)
    }

    #[test]
    fn only_a_leader_at_which_clients_wrote_twice_within_ten_milliseconds_expects_more() {
        let mut telling = Telling::default();
        assert!(!telling.expects_an_append(at(0)), "nothing was written");
        telling.clients_write(at(10));
        telling.clients_write(at(10));
        assert!(!telling.expects_an_append(at(11)), "in one turn something was");
        telling.clients_write(at(13));
        assert!(telling.expects_an_append(at(19)), "in two turns");
        assert!(!telling.expects_an_append(at(20)), "the first of them is too long ago");
        telling.clients_write(at(30));
        assert!(!telling.expects_an_append(at(30)), "the one before is too long ago");
    }
}
