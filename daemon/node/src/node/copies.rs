//! Copies of the log that are not what they should be, for whoever asks the node: `copies/` decides.

use crate::node::Node;
use crate::sight::sight;
use quorate_proto::{Instance, Moment, Reason};

impl Node {
    pub(crate) fn peer_lost(&mut self, who: Instance, had: u64, has: u64) {
        self.copies.peer_lost(who, had, has);
    }

    pub(crate) fn loss_suspected(&mut self, had: u64) {
        self.copies.loss_suspected(&sight!(self), &mut self.turn, had);
    }

    pub(crate) fn contradicted(&mut self, from: Instance, index: u64) {
        self.copies.contradicted(&sight!(self), &mut self.turn, from, index);
    }

    pub(crate) fn watch_copies(&mut self) {
        self.copies.watch(&sight!(self));
    }

    pub(crate) fn copy_reasons(&self, now: Moment) -> Vec<Reason> {
        self.copies.reasons(&self.sight(), now)
    }
}
