//! The second way to the leader: which rooms hear of what came over it, and what is asked of `pings/relay.rs`.

use crate::leadership::Leader;
use crate::node::Node;
use crate::requests::Origin;
use crate::sight::sight;
use quorate_proto::{ForwardRequest, Instance, Moment, Reason, Relayed, forward_request};

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
        self.note_told(warnings);
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

    pub(crate) fn is_cut_off(&self) -> bool {
        self.relay.is_cut_off(&self.sight())
    }

    pub(crate) fn relay(&self) -> Option<Instance> {
        self.relay.relay(&self.sight())
    }

    /// Whom a request is asked of: the leader, or, at its origin and without a link to the leader, the voter in between.
    pub(crate) fn way_to_leader(&self, leader: Instance, origin: Origin) -> Instance {
        let relay = self.relay().filter(|_| matches!(origin, Origin::Client(_)));
        relay.unwrap_or(leader)
    }

    /// Whether this node hands a member's request on to the leader, as long as it hears that itself (`Node::advance`).
    pub(crate) fn hands_on(&self, from: Instance, request: &ForwardRequest) -> bool {
        let member = self.health.member(from).is_some();
        let admit = matches!(request.body, Some(forward_request::Body::Admit(_)));
        request.relay && member && !admit
    }

    pub(crate) fn cut_link_reasons(&self, now: Moment) -> impl Iterator<Item = Reason> {
        let is_copied = |instance| self.runs_twice_somewhere(instance);
        self.relay.cut_link_reasons(self.sight(), now, is_copied)
    }
}
