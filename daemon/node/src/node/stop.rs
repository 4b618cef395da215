//! The course of a stop: which rooms end what, in which order.

use crate::event::Output;
use crate::handover::HANDOVER;
use crate::node::Node;
use crate::stop::{self, Stopping, TURN};
use crate::timers::Timer;
use quorate_membership::DetectorInput;
use quorate_proto::{EnvelopeBody, FrameKind, Instance};

impl Node {
    /// The process was asked to stop when it can be spared.
    pub(super) fn stop_in_turn(&mut self) {
        let spared = self.is_spared();
        if self.stopping.is_some() || spared {
            return self.begin_stop();
        }
        self.stopping = Some(Stopping::AwaitsTurn { since: self.turn.now, spared: None });
        self.await_turn();
    }

    /// Looks whether a stop that waits may begin: once it could for a while, or has waited for too long.
    fn await_turn(&mut self) {
        let Some(Stopping::AwaitsTurn { since, spared }) = self.stopping else { return };
        let (now, end) = (self.turn.now, since + TURN);
        let spared = self.is_spared().then(|| spared.unwrap_or(now));
        let spared_for = stop::spared_for(&self.sight());
        let due = spared.map_or(end, |since| end.min(since + spared_for));
        if now >= due {
            return self.begin_stop();
        }
        self.stopping = Some(Stopping::AwaitsTurn { since, spared });
        self.turn.timers.arm(Timer::Stop, due);
    }

    /// Whether what is left can write without this node, or cannot write now.
    fn is_spared(&self) -> bool {
        !self.is_quorate() || stop::missing_voters(&self.sight(), &self.warnings).is_empty()
    }

    /// The process was asked to stop.
    pub(super) fn begin_stop(&mut self) {
        if self.stopping.is_some_and(Stopping::has_begun) {
            return;
        }
        let sight = self.sight();
        let successor = stop::successor(&sight, &self.warnings).filter(|_| sight.leads());
        if let Some(successor) = successor {
            self.hand_over_to(successor);
        }
        let hands_over = successor.is_some();
        self.stopping = Some(Stopping::Draining { since: self.turn.now, hands_over });
        self.turn.timers.arm(Timer::Stop, self.turn.now + HANDOVER);
    }

    /// What the stop waits for has not come in time.
    pub(super) fn stop_is_due(&mut self) {
        match self.stopping {
            Some(Stopping::AwaitsTurn { .. }) => self.await_turn(),
            _ => self.finish_stop(),
        }
    }

    /// Looks whether the stop may begin, or end. Called last in a turn: nothing may follow `Stopped`.
    pub(super) fn continue_stop(&mut self) {
        self.await_turn();
        let in_hand = self.requests.in_hand();
        if self.stopping.is_some_and(|stop| stop.is_drained(&self.sight(), in_hand)) {
            self.finish_stop();
        }
        if self.stopping == Some(Stopping::Leaving) {
            self.stopping = Some(Stopping::Gone);
            self.turn.out.push(Output::Stopped);
        }
    }

    /// Answers what is left, and says goodbye to everybody who has a session with us.
    pub(super) fn finish_stop(&mut self) {
        if self.stopping.is_some_and(Stopping::has_left) {
            return;
        }
        self.stopping = Some(Stopping::Leaving);
        self.turn.timers.disarm(Timer::Stop);
        self.end_requests();
        self.step_detector(DetectorInput::Leave);
        let peers: Vec<Instance> = self.peers.sessions().map(|session| session.instance).collect();
        let generation = self.config.generation.get();
        for peer in peers {
            let goodbye = EnvelopeBody::Farewell(generation);
            self.turn.send_control(&self.peers, peer, FrameKind::Farewell, 0, goodbye);
        }
    }
}
