//! A new view of health: which rooms learn of it, and when the local feed does.

use crate::node::Node;
use crate::timers::Timer;
use crate::told::Event;
use quorate_membership::{DetectorInput, FoundingInput};
use quorate_proto::{Card, HealthUpdate, Instance, Role};

impl Node {
    /// Somebody whom this node believes brought news.
    pub(crate) fn health_pushed(&mut self, update: HealthUpdate) {
        self.health.pushed(&mut self.turn, update);
    }

    /// Tells the rooms that hang on the view, the leader or the group about a new one.
    pub(super) fn catch_up_with_view(&mut self) {
        if !self.health.is_to_be_learned(self.group.as_ref().map(|group| group.meta())) {
            return;
        }
        if self.health.is_new() {
            self.note_states();
            self.learn_members();
        }
        self.tell_detector();
        let now = self.turn.now;
        self.turn.timers.arm_if_idle(Timer::Ping, now);
        self.turn.timers.arm_if_idle(Timer::Relay, now);
        self.turn.timers.arm(Timer::Dissent, now);
        self.turn.duties_due = true;
        // This node may have been let in, or may be a replica now.
        self.ask_to_join();
    }

    fn learn_members(&mut self) {
        let view = self.health.view().clone();
        let own = self.group.as_ref().map(|group| group.meta().epoch());
        self.peers.learn_view(&view, own == Some(view.epoch));
        let me = self.config.instance;
        for member in view.members.iter().filter(|member| member.instance != me) {
            let Some(address) = self.peers.address(member.instance) else { continue };
            let (instance, generation) = (member.instance, member.generation);
            self.step_detector(DetectorInput::Known { instance, generation, address });
        }
        for instance in self.health.gone_members(me) {
            self.step_detector(DetectorInput::Forget(instance));
        }
        let live = self
            .health
            .alive()
            .filter_map(|member| Some((member.instance, self.peers.address(member.instance)?)))
            .collect();
        let replica = self.sight().role().is_some_and(|role| role != Role::Member);
        self.step_founding(FoundingInput::Cluster { live, replica });
        let card = self.card();
        self.step_detector(DetectorInput::Card(card));
        self.names.note(self.turn.now, &view);
        self.duties.note_who_is_gone(self.turn.now, &view);
        let sight = self.sight();
        let reluctant = sight.is_reluctant() && sight.other_ready_voters().next().is_some();
        if let Some(group) = &mut self.group {
            group.set_reluctant(reluctant);
        }
        self.warnings.forget_the_replaced(&self.health);
        self.whereabouts.tell_of_two_addresses(&view, &mut self.turn);
    }

    fn card(&mut self) -> Card {
        Card {
            instance: self.config.instance,
            generation: self.config.generation,
            version: self.health.next_card_version(),
            name: self.config.name.to_string(),
            address: self.config.settings.advertise.map(Into::into),
            software: self.config.software.clone(),
            levels: Some(self.config.levels),
        }
    }

    /// Whom the detector is to hear from, and whom it may ask about others.
    fn tell_detector(&mut self) {
        let me = self.config.instance;
        let leader = self.leadership.leader().map(|leader| leader.instance);
        let others = || self.health.alive().map(|member| member.instance).filter(|it| *it != me);
        let expected: Vec<Instance> = match leader == Some(me) {
            true => others().collect(),
            false => leader.into_iter().collect(),
        };
        let first = leader.filter(|leader| *leader != me);
        let rest = others().filter(|one| Some(*one) != leader);
        let confirmers: Vec<Instance> = first.into_iter().chain(rest).collect();
        // Without a leader the last one is still expected: the watch on it, with the silence so far, lives on
        // into what the next leader expects.
        if leader.is_some() {
            self.step_detector(DetectorInput::Expect(expected));
        }
        self.step_detector(DetectorInput::Confirmers(confirmers));
    }

    /// Hands news to the local feed.
    pub(super) fn publish_health(&mut self) {
        let quorate = self.is_quorate();
        if !self.health.has_news((quorate, self.leadership.is_told_quorate())) {
            return;
        }
        if self.leadership.note_quorum(self.turn.now, quorate) {
            let missing = self.sight().own_opinions();
            let lost = Event::QuorumLost { missing };
            self.turn.event(if quorate { Event::Quorate } else { lost });
        }
        if self.health.begins_to_publish() {
            self.epoch_reached();
            self.health.publish(&mut self.turn, quorate);
        }
    }
}
