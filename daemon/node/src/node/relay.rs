//! What came over the second way to the leader (`pings/relay.rs`): which rooms hear of it, in which order.

use crate::leadership::Leader;
use crate::node::Node;
use crate::sight::sight;
use quorate_proto::{Instance, Relayed};

impl Node {
    /// A voter that was asked names the leader, and passes on what this node lacks.
    pub(super) fn vouched(&mut self, by: Instance, relayed: Relayed) {
        let Relayed { leader, term, update, copies, warnings } = relayed;
        let leader = Leader { instance: leader, term };
        if !self.trust.may_follow(&self.sight(), leader) {
            return;
        }
        if self.leadership.leader() != Some(leader) {
            self.leader_changed(Some(leader));
        }
        self.relay.vouched(&sight!(self), &mut self.turn, by, copies);
        self.hand_on();
        self.warnings.note_told(&sight!(self), &mut self.turn, warnings);
        self.hand_on();
        if let Some(update) = update {
            let before = self.health.view().epoch;
            self.health_pushed(update);
            self.relay.has_taken(&sight!(self), &mut self.turn, before);
        }
        self.requests.look_again();
    }

    pub(crate) fn is_quorate(&self) -> bool {
        self.relay.is_quorate(&self.sight())
    }
}
