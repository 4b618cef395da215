//! How leadership ends: what is asked of `campaign.rs` and `handover.rs`, and what the replica is told of it.

use crate::campaign::resign_if_unheard;
use crate::node::Node;
use crate::sight::sight;
use quorate_proto::{Generation, Instance, RaftId, raft_id};

impl Node {
    pub(super) fn campaign_on_evidence(&mut self) {
        self.campaign.is_due(&sight!(self), &mut self.turn);
        self.hand_on();
    }

    pub(super) fn campaign_if_alone(&mut self) {
        self.campaign.begin_if_alone(&sight!(self), &mut self.turn);
        self.hand_on();
    }

    pub(super) fn leader_restarted(&mut self, instance: Instance, start: Generation) {
        self.campaign.restarted(&sight!(self), &mut self.turn, instance, start);
        self.hand_on();
    }

    pub(super) fn resign_if_unheard(&mut self) {
        resign_if_unheard(&sight!(self), &mut self.turn);
        self.hand_on();
    }

    /// Hands leadership over, if this node leads.
    pub(super) fn hand_over_to(&mut self, successor: RaftId) {
        if let Some(group) = self.group.as_mut().filter(|group| group.leads()) {
            group.transfer_to(successor);
            self.handover.begin(&mut self.turn);
        }
    }

    /// The same, for who asks again and again: not while it is under way, or it would never be over.
    pub(super) fn hand_over_once(&mut self, successor: RaftId) {
        if !self.handover.is_under_way(self.turn.now) {
            self.hand_over_to(successor);
        }
    }

    /// The lease of a leader that is gone keeps this replica from voting for another no more.
    pub(super) fn end_lease_of(&mut self, leader: Instance) {
        if let Some(group) = &mut self.group {
            group.evidence_against(raft_id(group.cluster_id(), leader));
        }
    }
}
