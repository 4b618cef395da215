//! The change of the secret: when its room is asked, and how what it wants is carried out.

use crate::node::Node;
use crate::sight::sight;

impl Node {
    /// What is committed here is known to the room, and to the shell, before anything else is done on it.
    pub(super) fn catch_up_with_secrets(&mut self) {
        let quietly = self.turn.counters.turns == 0;
        self.secrets.catch_up(&sight!(self), &mut self.turn, quietly);
    }

    /// As leader: takes the step that all live members are ready for.
    pub(super) fn change_secret(&mut self) {
        let Some(step) = self.secrets.next_step(&sight!(self)) else { return };
        let ticket = self.requests.new_ticket();
        self.requests.enqueue_proposal(ticket, step);
    }
}
