//! A verdict, a dissent and a new view: which rooms hear of each, in which order.

use crate::node::Node;
use crate::sight::sight;
use quorate_membership::Opinion;
use quorate_proto::{Dissent, Instance};
use std::sync::Arc;

impl Node {
    /// The detector changed its mind about somebody.
    pub(super) fn verdict_changed(&mut self, opinion: &Opinion) {
        self.evidence.judged(&sight!(self), &mut self.turn, opinion);
        self.hand_on();
        self.campaign.judged(&sight!(self), &mut self.turn, opinion);
        self.hand_on();
    }

    pub(super) fn send_dissent(&mut self) {
        self.evidence.send(&sight!(self), &mut self.turn);
    }

    pub(super) fn dissent_received(&mut self, from: Instance, dissent: Dissent) {
        let sent = self.pings.sent_at(dissent.ping);
        self.evidence.received(&sight!(self), &mut self.turn, from, dissent, sent);
        self.hand_on();
    }

    /// A new view is here: on what its states rest, and who is no member any more.
    pub(super) fn note_states(&mut self) {
        self.evidence.note_states(&sight!(self), &mut self.turn);
        self.hand_on();
        let view = Arc::clone(self.health.view());
        let is_member = |instance| view.members.iter().any(|member| member.instance == instance);
        self.duties.retain(is_member);
        self.riders_retain(&is_member);
        self.pace.retain(&is_member);
    }
}
