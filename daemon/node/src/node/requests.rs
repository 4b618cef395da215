//! Requests in the node: who else hears what comes to them, in which order.
//!
//! Knows nothing of what becomes of a request.

use super::Node;
use crate::client::{ClientRequest, ForwardFailure};
use crate::requests::{Origin, Request, Ways, Work};
use crate::sight::sight;
use quorate_meta::AppliedResult;
use quorate_proto::{
    ForwardAnswer, ForwardRequest, Instance, Moment, Refusal, RefusalCode, forward_answer,
};

/// What requests look at, borrowed apart from them.
macro_rules! ways {
    ($node:expr) => {
        Ways {
            sight: sight!($node),
            relay: &$node.relay,
            campaign: &$node.campaign,
            push: &$node.push,
        }
    };
}

impl Node {
    /// A local client asks.
    pub(super) fn client(&mut self, ticket: u64, deadline: Moment, request: ClientRequest) {
        self.requests.client(&ways!(self), &mut self.turn, ticket, deadline, request);
        self.hand_on();
    }

    /// Another node asks this one as leader.
    pub(super) fn forwarded(&mut self, from: Instance, ticket: u64, request: ForwardRequest) {
        self.requests.forwarded(&ways!(self), &mut self.turn, from, ticket, request);
        self.hand_on();
    }

    /// Another node answered, or will not: what this node asked for itself, or for a request.
    pub(super) fn forward_answered(
        &mut self,
        ticket: u64,
        answer: Result<ForwardAnswer, ForwardFailure>,
    ) {
        if self.admission_answered(ticket, &answer) {
            return;
        }
        self.requests.forward_answered(&sight!(self), &mut self.turn, ticket, answer);
        self.hand_on();
    }

    /// Ends every request whose deadline has come.
    pub(super) fn expire_requests(&mut self) {
        while let Some(id) = self.requests.overdue(self.turn.now) {
            let quorate = self.is_quorate();
            self.requests.expire(&sight!(self), &mut self.turn, id, quorate);
            self.hand_on();
        }
    }

    /// What waits goes on where it can.
    pub(super) fn settle_requests(&mut self) {
        let settled = self.requests.settle(&ways!(self), &mut self.turn);
        for id in settled {
            self.requests.advance(&ways!(self), &mut self.turn, id);
            self.hand_on();
        }
    }

    /// Once this node no longer leads, nothing that only a leader does is in hand.
    pub(super) fn stop_serving_if_deposed(&mut self) {
        if !self.sight().leads() {
            let askers = self.forget_askers();
            self.requests.stop_serving(askers);
        }
    }

    /// Ends every request, because the node does.
    pub(super) fn end_requests(&mut self) {
        self.requests.end_all(&sight!(self), &mut self.turn);
        self.hand_on();
    }

    /// The joining half of this node, or another node by its session, asks to be let in.
    pub(super) fn accept(&mut self, origin: Origin, work: Work, deadline: Moment) {
        let request = Request::new(origin, work, deadline);
        self.requests.accept(&ways!(self), &mut self.turn, request);
        self.hand_on();
    }

    /// Answers what never became a request.
    pub(super) fn answer(
        &mut self,
        origin: Origin,
        answer: Result<forward_answer::Outcome, Refusal>,
    ) {
        self.requests.answer(&sight!(self), &mut self.turn, origin, answer);
        self.hand_on();
    }

    /// Ends a request with an outcome.
    pub(super) fn finish_request(&mut self, id: u64, outcome: forward_answer::Outcome) {
        self.requests.finish_with(&sight!(self), &mut self.turn, id, outcome);
        self.hand_on();
    }

    /// Ends a request with a refusal.
    pub(super) fn refuse(&mut self, id: u64, code: RefusalCode, text: &str) {
        self.requests.refuse(&sight!(self), &mut self.turn, id, code, text);
        self.hand_on();
    }

    /// Hands what waits to the replica.
    pub(super) fn flush_proposals(&mut self) {
        self.hold_back_what_is_too_high();
        let Some(group) = &mut self.group else { return };
        self.requests.flush(&mut self.turn, group);
        self.hand_on();
    }

    /// raft confirmed the leadership for a round of reads.
    pub(super) fn read_ready(&mut self, ticket: u64, index: u64) {
        self.requests.read_ready(&sight!(self), &mut self.turn, ticket, index);
        self.hand_on();
    }

    /// The replica has applied more.
    pub(super) fn serve_ready_reads(&mut self) {
        self.requests.serve_ready_reads(&sight!(self), &mut self.turn);
        self.hand_on();
    }

    /// A command was applied: the duty or the request that waits for it hears.
    pub(super) fn proposal_applied(&mut self, ticket: u64, result: AppliedResult) {
        self.turn.duties_due |= self.duties.settled(ticket) | self.applications.settled(ticket);
        self.requests.proposal_applied(&sight!(self), &mut self.turn, ticket, result);
        self.hand_on();
    }

    /// The state jumped over entries by a snapshot.
    pub(super) fn proposals_jumped(&mut self) {
        self.requests.proposals_jumped(&sight!(self), &mut self.turn);
        self.hand_on();
    }

    /// A node is gone.
    pub(super) fn fail_requests_at(&mut self, instance: Instance) {
        self.requests.fail_at(&sight!(self), &mut self.turn, instance);
        self.hand_on();
    }

    /// An acknowledgement came in.
    pub(super) fn epoch_acknowledged(&mut self) {
        self.requests.epoch_acknowledged(&ways!(self), &mut self.turn);
        self.hand_on();
    }

    /// This node has seen a new epoch.
    pub(super) fn epoch_reached(&mut self) {
        self.requests.epoch_reached(&ways!(self), &mut self.turn);
        self.hand_on();
    }
}
