//! A clean stop: leadership handed over, what is in hand answered, goodbye said, then out. Bounded in time: a stop never
//! waits for a majority that is not there. What comes meanwhile is refused as not done; what is still in hand at the end is
//! told to be of unknown fate.

use crate::event::Output;
use crate::handover::HANDOVER;
use crate::node::Node;
use crate::timers::Timer;
use quorate_membership::DetectorInput;
use quorate_proto::{EnvelopeBody, FrameKind, Instance, Moment, RaftId};

/// How far a stop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopping {
    /// Leadership is being handed over, if there was any, and what is in hand comes to its end.
    Draining { since: Moment, hands_over: bool },
    /// Goodbye is said; the turn in which it was is brought to its end.
    Leaving,
    /// The shell was told, as the last thing.
    Gone,
}

impl Node {
    /// The process was asked to stop.
    pub(crate) fn begin_stop(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        let successor = self.successor().filter(|_| self.sight().leads());
        if let Some(successor) = successor {
            self.hand_over_to(successor);
        }
        let hands_over = successor.is_some();
        self.stopping = Some(Stopping::Draining { since: self.turn.now, hands_over });
        self.turn.timers.arm(Timer::Stop, self.turn.now + HANDOVER);
    }

    /// The voter that is most up to date and alive, of those with a disk that works if there are any.
    pub(crate) fn successor(&self) -> Option<RaftId> {
        self.successors().max().map(|(_, _, id)| id)
    }

    /// The same, of those with a disk that works alone.
    pub(crate) fn successor_with_disk(&self) -> Option<RaftId> {
        self.successors().filter(|(works, ..)| *works).max().map(|(_, _, id)| id)
    }

    /// Each with whether its disk works, and how far it is.
    fn successors(&self) -> impl Iterator<Item = (bool, u64, RaftId)> {
        self.group.iter().flat_map(move |group| {
            let voters = group.replica().status().conf.voters;
            let others = self.health.alive().filter(|member| {
                member.instance != self.config.instance
                    && self.sight().heard_of_late(member.instance)
            });
            others.filter_map(move |member| {
                let id = quorate_proto::raft_id(group.genesis(), member.instance);
                let matched = group.replica().progress(id).filter(|_| voters.contains(&id.get()));
                let works = self.has_working_disk(member.instance);
                Some((works, matched?.matched, id))
            })
        })
    }

    /// Looks whether somebody else leads by now and nothing is in hand. Called last in a turn: nothing may follow
    /// `Stopped`.
    pub(crate) fn continue_stop(&mut self) {
        if let Some(Stopping::Draining { since, hands_over }) = self.stopping {
            let another = self
                .leadership
                .leader()
                .is_some_and(|leader| leader.instance != self.config.instance);
            let handed_over = !hands_over || (another && self.turn.now > since);
            if handed_over && !self.requests.in_hand() {
                self.finish_stop();
            }
        }
        if self.stopping == Some(Stopping::Leaving) {
            self.stopping = Some(Stopping::Gone);
            self.turn.out.push(Output::Stopped);
        }
    }

    /// Answers what is left, and says goodbye to everybody who has a session with us.
    pub(crate) fn finish_stop(&mut self) {
        if matches!(self.stopping, Some(Stopping::Leaving | Stopping::Gone)) {
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
            self.send_control(peer, FrameKind::Farewell, 0, goodbye);
        }
    }
}
