//! Pings and their answers: which rooms hear of each, in which order; and the table of what rides on them.

use crate::node::Node;
use crate::pace::LOOK;
use crate::pings::bare::pong;
use crate::pings::rider::Rider;
use crate::sight::sight;
use crate::timers::Timer;
use quorate_proto::{EnvelopeBody, FrameKind, Instance, Ping, Pong};

/// What rides on pings, in the order in which it is taken.
macro_rules! riders {
    ($node:expr) => {
        [
            &mut $node.push as &mut dyn Rider,
            &mut $node.relay,
            &mut $node.copies,
            &mut $node.secrets,
            &mut $node.shares,
            &mut $node.applications,
        ]
    };
}

impl Node {
    /// A round of pings is due.
    pub(super) fn ping_round(&mut self) {
        let resigned = self.campaign.resigned_in(&self.sight());
        self.pings.due(&sight!(self), &mut self.turn, resigned, &mut riders!(self));
    }

    /// What was measured is looked at: how long the silence of others is borne with from now on.
    pub(super) fn look_at_pace(&mut self) {
        let now = self.turn.now;
        self.turn.timers.arm(Timer::Pace, now + LOOK);
        let (members, leads) = (self.health.view().members.len(), self.sight().leads());
        let silences = self.detector.longest_silences();
        if let Some(patience) = self.pace.look(now, members, leads, silences) {
            self.step_detector(patience);
        }
    }

    /// The leader tells everybody who lacks the newest epoch, at once.
    pub(super) fn push_news(&mut self) {
        let sight = sight!(self);
        if let Some(lacking) = self.push.news(&sight) {
            self.pings.ping_members(&sight, &mut self.turn, lacking, &mut riders!(self));
        }
    }

    /// Another node leads, or in another term.
    pub(super) fn riders_begin(&mut self) {
        riders!(self).into_iter().for_each(Rider::begin);
    }

    /// There is a new view: who is in none any more is forgotten.
    pub(super) fn riders_retain(&mut self, is_member: &dyn Fn(Instance) -> bool) {
        riders!(self).into_iter().for_each(|rider| rider.retain(is_member));
    }

    /// It may be time to ask a voter about the leader.
    pub(super) fn ask_around(&mut self) {
        if let Some(voter) = self.relay.whom_to_ask(&sight!(self), &mut self.turn) {
            let report = self.applications.report(&self.sight());
            let number = self.pings.ask(&sight!(self), &mut self.turn, voter, report);
            self.relay.has_asked(voter, number);
        }
    }

    /// A ping came in: take what it brings, answer with what this node has.
    pub(super) fn pinged(&mut self, from: Instance, mut ping: Ping) {
        if self.cluster_id != Some(ping.cluster_id) {
            self.turn.counters.frames_fenced += 1;
            return;
        }
        self.campaign.pinged(&sight!(self), &mut self.turn, from, &ping);
        self.hand_on();
        // By what this node knew of the leader when it was asked.
        let relayed =
            self.relay.vouch_for_leader(&sight!(self), &self.copies, &self.warnings, from, &ping);
        if let (Some(_), Some(report)) = (&relayed, ping.applications.take()) {
            self.applications.pass_on(&sight!(self), &mut self.turn, from, report);
        }
        if ping.leader == Some(from) && self.leader_pinged(from, ping.term) {
            self.evidence.leaders_ping(&mut self.turn, from, ping.number);
            if self.pace.told(from, ping.interval_ms, ping.patience_ms) {
                self.turn.timers.arm(Timer::Pace, self.turn.now);
            }
            self.leadership.has_applied(ping.applied);
            self.level_told(from, ping.level);
            for at in 0..riders!(self).len() {
                riders!(self)[at].take(&sight!(self), &mut self.turn, &mut ping);
                self.hand_on();
            }
        }
        let sight = sight!(self);
        let mut pong = Pong { relayed, ..pong(&sight, ping.number) };
        for rider in riders!(self) {
            rider.answer(&sight, from, &mut pong);
        }
        self.send_control(from, FrameKind::Pong, ping.number, EnvelopeBody::Pong(pong));
    }

    /// An answer came in: it acknowledges what rode on the ping.
    pub(super) fn ponged(&mut self, from: Instance, pong: Pong) {
        if self.health.member(from).is_none() {
            return;
        }
        let mut answer = self.pings.answered(&sight!(self), from, pong);
        if let Some(took) = answer.took {
            self.pace.answered(self.turn.now, from, took, answer.pong.late_ms);
        }
        for at in 0..riders!(self).len() {
            riders!(self)[at].acknowledged(&sight!(self), &mut self.turn, &mut answer);
            self.hand_on();
        }
        if self.sight().leads() {
            self.epoch_acknowledged();
        }
    }
}
