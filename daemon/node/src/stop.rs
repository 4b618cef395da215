//! A clean stop: leadership handed over, goodbye said, then out. Bounded in time: a stop never waits for a
//! majority that is not there.

use crate::event::Output;
use crate::node::Node;
use crate::timers::Timer;
use quorate_membership::DetectorInput;
use quorate_proto::{EnvelopeBody, FrameKind, Instance, Moment, RaftId};
use std::time::Duration;

/// How long a successor may take.
const HANDOVER: Duration = Duration::from_millis(800);

/// How far a stop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopping {
    /// Leadership is being handed over.
    HandingOver { since: Moment },
    /// Goodbye is said; the turn in which it was is brought to its end.
    Leaving,
    /// The shell was told, as the last thing.
    Gone,
}

impl Node {
    /// The process was asked to stop.
    pub(crate) fn begin_stop(&mut self, out: &mut Vec<Output>) {
        if self.stopping.is_some() {
            return;
        }
        self.stopping = Some(Stopping::HandingOver { since: self.now });
        let successor = self.successor();
        match (&mut self.group, successor) {
            (Some(group), Some(successor)) if group.leads() => {
                group.replica.transfer_to(successor);
                self.timers.arm(Timer::Stop, self.now + HANDOVER);
            }
            _ => self.finish_stop(out),
        }
    }

    /// The voter that is most up to date and alive.
    pub(crate) fn successor(&self) -> Option<RaftId> {
        let group = self.group.as_ref()?;
        let voters = group.replica.status().conf.voters;
        self.health
            .alive()
            .filter(|member| {
                member.instance != self.config.instance && self.seems_alive(member.instance)
            })
            .map(|member| quorate_proto::raft_id(group.genesis, member.instance))
            .filter(|id| voters.contains(&id.get()))
            .filter_map(|id| {
                Some((group.replica.progress(id).filter(|progress| progress.active)?.matched, id))
            })
            .max()
            .map(|(_, id)| id)
    }

    /// Looks whether somebody else leads by now. Called last in a turn: nothing may follow `Stopped`.
    pub(crate) fn continue_stop(&mut self, out: &mut Vec<Output>) {
        if let Some(Stopping::HandingOver { since }) = self.stopping {
            let another =
                self.health.leader.is_some_and(|leader| leader.instance != self.config.instance);
            if another && self.now > since {
                self.finish_stop(out);
            }
        }
        if self.stopping == Some(Stopping::Leaving) {
            self.stopping = Some(Stopping::Gone);
            out.push(Output::Stopped);
        }
    }

    /// Says goodbye to everybody who has a session with us.
    pub(crate) fn finish_stop(&mut self, out: &mut Vec<Output>) {
        if matches!(self.stopping, Some(Stopping::Leaving | Stopping::Gone)) {
            return;
        }
        self.stopping = Some(Stopping::Leaving);
        self.timers.disarm(Timer::Stop);
        self.step_detector(DetectorInput::Leave, out);
        let peers: Vec<Instance> = self.peers.sessions().map(|session| session.instance).collect();
        let generation = self.config.generation.get();
        for peer in peers {
            let goodbye = EnvelopeBody::Farewell(generation);
            self.send_control(peer, FrameKind::Farewell, 0, goodbye, out);
        }
    }
}
