//! Who leads, from what the replica or a ping says to every room that begins anew with a leader.

use crate::leadership::{Leader, Pinged};
use crate::node::Node;
use crate::timers::Timer;
use crate::told::Event;
use quorate_proto::Instance;

impl Node {
    /// Looks whether the replica follows another leader than before.
    pub(super) fn notice_leader(&mut self) {
        let Some(group) = &self.group else { return };
        let (term, id, cluster_id) =
            (group.replica().term(), group.replica().leader(), group.cluster_id());
        // Each turn looks; mostly it is the one that is known.
        if let Some(known) = self.leadership.leader().filter(|known| known.term == term)
            && id == Some(self.peers.raft_id(cluster_id, known.instance))
        {
            return;
        }
        let seen = self.sight().replicas_leader();
        if let Some(leader) = self.leadership.news_of(seen, term, self.config.instance) {
            self.leader_changed(leader);
        }
    }

    /// Somebody leads, as a ping or an answer has it. Whether that is believed.
    pub(crate) fn leader_pinged(&mut self, instance: Instance, term: u64) -> bool {
        if !self.trust.may_lead(&self.sight(), instance, term) {
            self.fence_stranger(instance);
            return false;
        }
        let leader = Leader { instance, term };
        match self.leadership.pinged(leader) {
            Pinged::Old => return false,
            Pinged::Another => self.leader_changed(Some(leader)),
            Pinged::Same => {}
        }
        let silence = self.sight().leader_silence();
        self.leadership.is_heard(&mut self.turn, silence);
        self.turn.timers.arm_if_idle(Timer::Relay, self.turn.now);
        if !self.leadership.is_told_quorate() {
            self.health.touch();
        }
        true
    }

    /// Another leads, or nobody is known to: all that was under way with the one before is void.
    pub(crate) fn leader_changed(&mut self, leader: Option<Leader>) {
        let old = self.leadership.change(&mut self.turn, leader);
        self.health.touch();
        self.health.learn_again();
        match (leader, old) {
            (Some(leader), _) => {
                self.turn.timers.disarm(Timer::Campaign);
                self.campaign.leader_found();
                self.handover.is_over();
                self.tell_leader(leader);
            }
            (None, Some(old)) => {
                self.campaign.led(old, self.config.instance);
                let handed_over = self.handover.is_under_way(self.turn.now);
                let host = self.sight().host(old.instance);
                self.turn.event(Event::LeadsNoMore { host, term: old.term, handed_over });
            }
            (None, None) => {}
        }
        self.riders_begin();
        self.duties.begin();
        self.evidence.clear();
        let now = self.turn.now;
        self.turn.timers.arm(Timer::Ping, now);
        self.turn.timers.arm_if_idle(Timer::Relay, now);
        self.turn.timers.arm(Timer::Dissent, now);
        self.turn.duties_due = true;
        self.requests.look_again();
    }

    fn tell_leader(&mut self, leader: Leader) {
        let Leader { instance, term } = leader;
        // A node that has just joined knows it by its hello only.
        let met = self.peers.session(instance).map(|session| session.name.to_string());
        let known = self.health.member(instance).map(|member| member.name.clone());
        let name = known.or(met).unwrap_or_else(|| instance.short());
        self.turn.event(Event::Leads { host: (instance, name), term });
    }
}
