//! Who is believed, for whoever asks the node: `trust.rs` decides.

use crate::node::Node;
use crate::sight::sight;
use quorate_proto::Instance;

impl Node {
    pub(super) fn is_replica(&self, instance: Instance) -> bool {
        self.trust.is_replica(&self.sight(), instance)
    }

    pub(super) fn fence_stranger(&mut self, who: Instance) {
        self.trust.fence_stranger(&sight!(self), &mut self.turn, who);
        self.hand_on();
    }
}
