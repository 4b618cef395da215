//! Who is believed, for whoever asks the node: `trust.rs` decides.

use crate::node::Node;
use crate::sight::sight;
use quorate_proto::Instance;

impl Node {
    pub(crate) fn may_lead(&self, instance: Instance, term: u64) -> bool {
        self.trust.may_lead(&self.sight(), instance, term)
    }

    pub(crate) fn is_replica(&self, instance: Instance) -> bool {
        self.trust.is_replica(&self.sight(), instance)
    }

    pub(crate) fn fence_stranger(&mut self, who: Instance) {
        self.trust.fence_stranger(&sight!(self), &mut self.turn, who);
        self.hand_on();
    }

    pub(crate) fn doubted(&self) -> Option<Instance> {
        self.trust.doubted(&self.sight())
    }

    pub(crate) fn vouched_for(&mut self, leader: Option<Instance>) {
        self.trust.vouched_for(&sight!(self), leader);
    }
}
