//! What follows from the state of this host's disk: all nodes are told, and a leader hands over.

use crate::node::Node;
use crate::stop;

impl Node {
    /// The disk has no room for the log to grow, or has room again.
    pub(super) fn disk_filled(&mut self, full: bool) {
        if self.disk.filled(&mut self.turn, full) {
            self.warnings.own_disk_changed(&mut self.turn, self.config.instance);
            self.watch_disk();
        }
    }

    /// Looks at the disk, and looks again while there is something to see.
    pub(super) fn watch_disk(&mut self) {
        if self.disk.look(&mut self.turn) {
            self.warnings.own_disk_changed(&mut self.turn, self.config.instance);
        }
        let leads = self.sight().leads();
        // Somebody whose disk works leads better than this node. Where there is nobody, this one goes on.
        if self.disk.is_to_hand_over(&mut self.turn, leads)
            && let Some(successor) = stop::successor_with_disk(&self.sight(), &self.warnings)
        {
            self.hand_over_to(successor);
        }
        self.disk.look_again(&mut self.turn);
    }
}
