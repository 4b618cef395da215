//! Requests between nodes: forwarded to the leader, taken from other nodes, and settled when leaders come and go.
//!
//! A forwarded request is never forwarded again, but by a voter for an origin without a link to the leader. As long as nothing was proposed it is asked elsewhere; a write whose
//! answer is lost is of unknown fate. Knows nothing of how a leader serves.

use crate::event::{ForwardFailure, Output};
use crate::node::Node;
use crate::requests::{Origin, Request, Stage, Work, work_of};
use crate::timers::Timer;
use quorate_proto::{
    ForwardAnswer, ForwardRequest, Instance, NotLeader, Refusal, RefusalCode, WaitEpoch, Waited,
    forward_answer, forward_request,
};
use std::time::Duration;

/// How soon a request that came back without an answer is asked again: above a round trip of any network we serve.
pub(crate) const RETRY: Duration = Duration::from_millis(100);
/// How long a write waits for a leader that is none any more, or to which the link is cut: an answer that was on its way
/// comes within that.
const LAST_WAIT: Duration = Duration::from_secs(1);

impl Node {
    /// Another node asks this one as leader.
    pub(crate) fn forwarded(&mut self, from: Instance, ticket: u64, request: ForwardRequest) {
        let origin = Origin::Forwarded(ticket);
        if self.genesis != Some(request.genesis) {
            let text = "this node belongs to another cluster".to_owned();
            self.answer(
                origin,
                Err(Refusal { code: RefusalCode::OtherCluster.into(), detail: 0, text }),
            );
            return;
        }
        if let Some(forward_request::Body::Echo(_)) = request.body {
            let epoch = self.health.view().epoch;
            self.forward_reply(ticket, forward_answer::Outcome::Waited(Waited { epoch }));
            return;
        }
        // Its connection stands, but it was not let in, as a copy is not.
        if self.peers.session(from).is_none() {
            self.turn.counters.frames_fenced += 1;
            let outcome = forward_answer::Outcome::NotLeader(NotLeader::default());
            self.forward_reply(ticket, outcome);
            return;
        }
        let hands_on = self.hands_on(from, &request);
        // A stranger's number must not keep a request for ever.
        let deadline =
            self.turn.now + std::time::Duration::from_millis(request.remaining_ms.min(600_000));
        let work = match request.body {
            Some(forward_request::Body::Kv(kv)) => work_of(kv),
            Some(forward_request::Body::Admit(admit)) => Work::Admit(Box::new(admit)),
            Some(forward_request::Body::Wait(wait)) => Work::WaitAll(wait.epoch),
            Some(forward_request::Body::Echo(_)) | None => {
                let text = "a request of a kind that this version does not know".to_owned();
                self.answer(
                    origin,
                    Err(Refusal { code: RefusalCode::Other.into(), detail: 0, text }),
                );
                return;
            }
        };
        // Every replica knows who was replaced: a second word for one that was told so.
        if let Work::Admit(_) = work
            && let Some(refusal) = self.sight().tombstone_of(from)
        {
            return self.answer(origin, Err(refusal));
        }
        if !(self.sight().leads() || hands_on) || self.stopping.is_some() {
            let outcome = forward_answer::Outcome::NotLeader(self.sight().leader_hint());
            self.forward_reply(ticket, outcome);
            return;
        }
        if let Work::Admit(admit) = work {
            return self.admit_asked(ticket, from, *admit, deadline);
        }
        let origin = if self.sight().leads() { origin } else { Origin::Relayed(ticket) };
        self.accept(origin, work, deadline);
    }

    /// A leader is asked unless this node has reason to think that it is gone; a voter that hears it knows better.
    fn may_be_asked(&self, leader: Instance) -> bool {
        let gone = !self.sight().seems_alive(leader) || self.campaign.gave_up(leader);
        !gone || self.relay().is_some()
    }

    pub(crate) fn forward(&mut self, id: u64) {
        let me = self.config.instance;
        let leader = self
            .leadership
            .leader()
            .filter(|leader| leader.instance != me && self.may_be_asked(leader.instance));
        let genesis = self.genesis;
        let Some(request) = self.requests.table.get(&id) else { return };
        let to = leader.map(|leader| self.way_to_leader(leader.instance, request.origin));
        let address = to.and_then(|to| self.peers.address(to));
        let (Some(leader), Some((to, address)), Some(genesis)) = (leader, to.zip(address), genesis)
        else {
            // Without a leader the next one is waited for; one that is in doubt may come back in the same term.
            if self.leadership.leader().is_some() {
                self.turn.timers.arm_if_idle(Timer::Retry, self.turn.now + RETRY);
            }
            return;
        };
        if request.stage == (Stage::Waiting { tried: Some((leader.instance, leader.term)) }) {
            return;
        }
        let body = match &request.work {
            Work::Write(kv) | Work::Read(kv) => forward_request::Body::Kv(kv.clone()),
            Work::WaitAll(epoch) => forward_request::Body::Wait(WaitEpoch { epoch: *epoch }),
            Work::Admit(_) | Work::WaitHere(_) => return,
        };
        let (deadline, leader) = (request.deadline, leader.instance);
        let remaining = deadline.since(self.turn.now).as_millis();
        let remaining_ms = u64::try_from(remaining).unwrap_or(u64::MAX);
        let ask = self.requests.new_ticket();
        self.requests.set_stage(id, Stage::Forwarded { to, leader, ask });
        let request =
            ForwardRequest { genesis, remaining_ms, body: Some(body), relay: to != leader };
        self.turn.out.push(Output::Forward { ticket: ask, to, address, deadline, request });
    }

    /// The leader's answer to an ask, or the lack of one. It settles the request only as long as that ask stands.
    pub(crate) fn forward_answered(
        &mut self,
        ticket: u64,
        answer: Result<ForwardAnswer, ForwardFailure>,
    ) {
        if self.admission_answered(ticket, &answer) {
            return;
        }
        let Some(id) = self.requests.answered(ticket) else { return };
        let Some(request) = self.requests.table.get(&id) else { return };
        let Stage::Forwarded { leader, .. } = request.stage else { return };
        let is_write = request.is_write();
        match answer {
            Ok(ForwardAnswer {
                outcome: Some(forward_answer::Outcome::NotLeader(hint)), ..
            }) => {
                self.turned_away(id, leader, &hint);
            }
            Ok(ForwardAnswer {
                outcome: Some(forward_answer::Outcome::Waited(waited)), ..
            }) => {
                self.all_have(id, waited);
            }
            Ok(ForwardAnswer { outcome: Some(outcome), .. }) => self.finish_with(id, outcome),
            Ok(_) | Err(ForwardFailure::Lost) if is_write => self.fate_unknown(id),
            Ok(_) | Err(_) => {
                let term = self.leadership.leader().map_or(0, |leader| leader.term);
                self.requests.set_stage(id, Stage::Waiting { tried: Some((leader, term)) });
                self.turn.timers.arm_if_idle(Timer::Retry, self.turn.now + RETRY);
            }
        }
    }

    /// A connection can lose a request although it is the same leader in the same term, and nothing else happens:
    /// what waits is then asked again.
    pub(crate) fn retry_requests(&mut self) {
        for request in self.requests.table.values_mut() {
            if let Stage::Waiting { tried } = &mut request.stage {
                *tried = None;
            }
        }
        self.requests.due = true;
    }

    fn turned_away(&mut self, id: u64, by: Instance, hint: &NotLeader) {
        let term = self.leadership.leader().map_or(0, |leader| leader.term);
        self.requests.set_stage(id, Stage::Waiting { tried: Some((by, term)) });
        let newer = hint.term > term && hint.leader.is_some_and(|leader| leader != by);
        if let (true, Some(leader)) = (newer, hint.leader) {
            if let Some(address) = hint.address.as_ref().and_then(|address| address.socket()) {
                self.peers.learn_hint(leader, address);
            }
            // Only a node that is no replica takes a leader on somebody's word; a replica has Raft's.
            if self.group.is_none() {
                self.leader_pinged(leader, hint.term);
            }
        }
        self.requests.due = true;
        self.turn.timers.arm_if_idle(Timer::Retry, self.turn.now + RETRY);
    }

    /// A session with the leader came up: what could not be sent is tried again.
    pub(crate) fn session_helps_requests(&mut self, instance: Instance) {
        if self.leadership.leader().is_some_and(|leader| leader.instance == instance) {
            self.retry_requests();
        }
    }

    /// Reads that were asked of an earlier leader, or over a link that is cut, are asked anew, and what waits goes on where it can. Once in
    /// a turn, when who leads is known. A write stays with the leader that it was asked of, which alone knows what became of it, for
    /// a while.
    pub(crate) fn settle_requests(&mut self) {
        if !self.requests.due {
            return;
        }
        for (id, is_write) in self.asked_in_vain() {
            if is_write {
                self.requests.hurry(id, self.turn.now + LAST_WAIT);
            } else {
                self.requests.set_stage(id, Stage::Waiting { tried: None });
            }
        }
        self.requests.due = false;
        let table = self.requests.table.iter();
        let waiting: Vec<u64> = table
            .filter(|(_, request)| matches!(request.stage, Stage::Waiting { .. }))
            .map(|(id, _)| *id)
            .collect();
        for id in waiting {
            self.advance(id);
        }
    }

    /// Those whose answer may never come: another leads now, or there is a way around the link that they went over. Each with
    /// whether it is a write.
    fn asked_in_vain(&self) -> Vec<(u64, bool)> {
        let Some(leader) = self.leadership.leader() else { return Vec::new() };
        let around = self.relay().is_some();
        let earlier = |request: &Request| {
            matches!(request.stage, Stage::Forwarded { to, leader: asked, .. }
                if to == asked && (to != leader.instance || around))
        };
        let table = self.requests.table.iter().filter(|(_, request)| earlier(request));
        table.map(|(id, request)| (*id, request.is_write())).collect()
    }

    /// What was asked of a node that is gone: writes are of unknown fate, the rest is asked elsewhere.
    pub(crate) fn fail_requests_at(&mut self, instance: Instance) {
        let asked: Vec<(u64, bool)> = self
            .requests
            .table
            .iter()
            .filter(|(_, request)| {
                matches!(request.stage, Stage::Forwarded { to, .. } if to == instance)
            })
            .map(|(id, request)| (*id, request.is_write()))
            .collect();
        for (id, is_write) in asked {
            if is_write {
                self.fate_unknown(id);
            } else {
                self.requests.set_stage(id, Stage::Waiting { tried: None });
                self.requests.due = true;
            }
        }
    }
}
