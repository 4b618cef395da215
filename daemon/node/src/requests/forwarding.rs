//! Requests between nodes: forwarded to the leader, taken from other nodes, and settled when leaders come and go.
//!
//! A forwarded request is never forwarded again, but by a voter for an origin without a link to the leader. As long as nothing was proposed
//! it is asked elsewhere. A write whose answer is lost is asked again under its name, of whoever leads then: whichever of the asks comes
//! first is done, and the others get its answer. So is an act that says how something is to be. Any other act (a host is removed, leadership
//! goes elsewhere) is of unknown fate. Knows nothing of how a leader serves.

use crate::client::ForwardFailure;
use crate::event::Output;
use crate::news::News;
use crate::requests::{Origin, Request, Requests, Stage, Ways, Work, work_of};
use crate::sight::Sight;
use crate::timers::Timer;
use crate::turn::Turn;
use quorate_proto::{
    ForwardAnswer, ForwardRequest, Instance, NotLeader, Refusal, RefusalCode, WaitEpoch, Waited,
    WriteName, forward_answer, forward_request, limits, write_name,
};
use std::time::Duration;

/// How soon a request that came back without an answer is asked again: above a round trip of any network we serve.
pub(crate) const RETRY: Duration = Duration::from_millis(100);
/// How long a write waits for a leader that is none any more, or to which the link is cut, before the next one is asked: an answer that
/// was on its way comes within that.
const LAST_WAIT: Duration = Duration::from_millis(200);
/// The same for what may not be asked twice, and is of unknown fate then.
const LAST_WAIT_OF_ONE_ASK: Duration = Duration::from_secs(1);

impl Requests {
    /// Another node asks this one as leader.
    pub(crate) fn forwarded(
        &mut self,
        ways: &Ways<'_>,
        turn: &mut Turn,
        from: Instance,
        ticket: u64,
        request: ForwardRequest,
    ) {
        let (sight, origin) = (&ways.sight, Origin::Forwarded(ticket));
        if sight.cluster_id != Some(request.cluster_id) {
            let text = "this node belongs to another cluster".to_owned();
            let code = RefusalCode::OtherCluster.into();
            return self.answer(sight, turn, origin, Err(Refusal { code, detail: 0, text }));
        }
        if let Some(forward_request::Body::Echo(_)) = request.body {
            let epoch = sight.health.view().epoch;
            let outcome = forward_answer::Outcome::Waited(Waited { epoch });
            return forward_reply(turn, ticket, outcome);
        }
        // Its connection stands, but it was not let in, as a copy is not.
        if sight.peers.session(from).is_none() {
            turn.counters.frames_fenced += 1;
            let outcome = forward_answer::Outcome::NotLeader(NotLeader::default());
            return forward_reply(turn, ticket, outcome);
        }
        if let Some(forward_request::Body::Recover(ask)) = request.body {
            return turn.tell(News::AskedToRecover { by_node: true, ticket, ask });
        }
        let hands_on = ways.hands_on(from, &request);
        // A stranger's number must not keep a request for ever.
        let deadline = turn.now + Duration::from_millis(request.remaining_ms.min(600_000));
        let sound = request.name.as_ref().is_none_or(|name| may_name(sight, from, name));
        let sound = sound && request.body.as_ref().is_none_or(|body| may_renew(sight, from, body));
        let work = request.body.filter(|_| sound).and_then(work_of_body);
        let Some(work) = work else {
            let text = "a request of a kind that this version does not know".to_owned();
            let code = RefusalCode::Other.into();
            return self.answer(sight, turn, origin, Err(Refusal { code, detail: 0, text }));
        };
        // Every replica knows who was replaced: a second word for one that was told so.
        if let Work::Admit(_) = work
            && let Some(refusal) = sight.tombstone_of(from)
        {
            if sight.votes_yet(from) {
                // It would end, and the change that takes its vote may need it.
                let outcome = forward_answer::Outcome::NotLeader(sight.leader_hint());
                return forward_reply(turn, ticket, outcome);
            }
            return self.answer(sight, turn, origin, Err(refusal));
        }
        if !(sight.leads() || hands_on) || sight.stops {
            let outcome = forward_answer::Outcome::NotLeader(sight.leader_hint());
            return forward_reply(turn, ticket, outcome);
        }
        if let Work::Admit(admit) = work {
            return turn.tell(News::JoinerAsked { ticket, from, admit, deadline });
        }
        let origin = if sight.leads() { origin } else { Origin::Relayed(ticket) };
        let name = request.name.filter(|_| matches!(work, Work::Write(_)));
        let named = Request::new(origin, work, deadline).named(name, request.again);
        self.accept(ways, turn, named);
    }

    pub(super) fn forward(&mut self, ways: &Ways<'_>, turn: &mut Turn, id: u64) {
        let (sight, leader) = (&ways.sight, ways.leader());
        let Some(request) = self.table.get(&id) else { return };
        let to = leader.map(|leader| ways.whom_to_ask(leader.instance, request.origin));
        let address = to.and_then(|to| sight.peers.address(to));
        let (Some(leader), Some((to, address)), Some(cluster_id)) =
            (leader, to.zip(address), sight.cluster_id)
        else {
            // Without a leader the next one is waited for; one that is in doubt may come back in the same term.
            if sight.leadership.leader().is_some() {
                turn.timers.arm_if_idle(Timer::Retry, turn.now + RETRY);
            }
            return;
        };
        if request.stage == (Stage::Waiting { tried: Some((leader.instance, leader.term)) }) {
            return;
        }
        let body = match &request.work {
            Work::Write(kv) | Work::Read(kv) => forward_request::Body::Kv(kv.clone()),
            Work::WaitAll(epoch) => forward_request::Body::Wait(WaitEpoch { epoch: *epoch }),
            Work::Act(act) => forward_request::Body::Act(act.clone()),
            Work::Renew(ask, _) => forward_request::Body::Renew(ask.clone()),
            Work::Admit(_) | Work::WaitHere(_) => return,
        };
        let (deadline, leader) = (request.deadline, leader.instance);
        let remaining = deadline.since(turn.now).as_millis();
        let remaining_ms = u64::try_from(remaining).unwrap_or(u64::MAX);
        let (name, again) = (self.name_of(request), request.again || request.lost);
        turn.counters.writes_asked_again += u64::from(request.lost);
        let ask = self.new_ticket();
        self.set_stage(id, Stage::Forwarded { to, leader, ask });
        self.note_asked(id, turn.now);
        let (body, relay) = (Some(body), to != leader);
        let request = ForwardRequest { cluster_id, remaining_ms, body, relay, name, again };
        turn.out.push(Output::Forward { ticket: ask, to, address, deadline, request });
    }

    /// The leader's answer to an ask, or the lack of one. It settles the request only as long as that ask stands.
    pub(crate) fn forward_answered(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        ticket: u64,
        answer: Result<ForwardAnswer, ForwardFailure>,
    ) {
        let Some(id) = self.answered(ticket) else { return };
        let Some(request) = self.table.get(&id) else { return };
        let Stage::Forwarded { leader, .. } = request.stage else { return };
        let (is_write, again) = (request.is_write(), request.may_be_asked_again());
        // Why the next leader refuses an act is told, for that is how it is now, whatever came of the ask before.
        let lost = request.lost && !matches!(request.work, Work::Act(_));
        let term = sight.leadership.leader().map_or(0, |leader| leader.term);
        match answer {
            Ok(ForwardAnswer {
                outcome: Some(forward_answer::Outcome::NotLeader(hint)), ..
            }) => {
                self.turned_away(sight, turn, id, leader, &hint);
            }
            Ok(ForwardAnswer {
                outcome: Some(forward_answer::Outcome::Waited(waited)), ..
            }) => {
                self.all_have(sight, turn, id, waited);
            }
            Ok(ForwardAnswer { outcome: Some(outcome), .. })
                if !(again && leaves_open(&outcome, lost)) =>
            {
                self.finish_with(sight, turn, id, outcome);
            }
            Ok(_) | Err(ForwardFailure::Lost) if again => {
                self.lose(id, Some((leader, term)));
                turn.timers.arm_if_idle(Timer::Retry, turn.now + RETRY);
            }
            Ok(_) | Err(ForwardFailure::Lost) if is_write => self.fate_unknown(sight, turn, id),
            Ok(_) | Err(_) => {
                self.set_stage(id, Stage::Waiting { tried: Some((leader, term)) });
                turn.timers.arm_if_idle(Timer::Retry, turn.now + RETRY);
            }
        }
    }

    /// A connection can lose a request although it is the same leader in the same term, and nothing else happens:
    /// what waits is then asked again.
    pub(crate) fn retry(&mut self) {
        for request in self.table.values_mut() {
            if let Stage::Waiting { tried } = &mut request.stage {
                *tried = None;
            }
        }
        self.due = true;
    }

    fn turned_away(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        id: u64,
        by: Instance,
        hint: &NotLeader,
    ) {
        let term = sight.leadership.leader().map_or(0, |leader| leader.term);
        self.set_stage(id, Stage::Waiting { tried: Some((by, term)) });
        let newer = hint.term > term && hint.leader.is_some_and(|leader| leader != by);
        if let (true, Some(leader)) = (newer, hint.leader) {
            if let Some(address) = hint.address.as_ref().and_then(|address| address.socket()) {
                turn.tell(News::AddressNamed { instance: leader, address });
            }
            // Only a node that is no replica takes a leader on somebody's word; a replica has Raft's.
            if sight.group.is_none() {
                turn.tell(News::LeaderNamed { leader, term: hint.term });
            }
        }
        self.due = true;
        turn.timers.arm_if_idle(Timer::Retry, turn.now + RETRY);
    }

    /// A session came up. With the leader: what could not be sent is tried again.
    pub(crate) fn session_up(&mut self, sight: &Sight<'_>, instance: Instance) {
        if sight.leadership.leader().is_some_and(|leader| leader.instance == instance) {
            self.retry();
        }
    }

    /// Those that wait and may go on where they can, once in a turn, when who leads is known. Reads that were asked of an earlier leader,
    /// or over a link that is cut, are among them: they are asked anew. A write stays with the leader that it was asked of, which may have
    /// answered, for a while.
    pub(crate) fn settle(&mut self, ways: &Ways<'_>, turn: &mut Turn) -> Vec<u64> {
        if !self.due {
            return Vec::new();
        }
        for id in self.asked_in_vain(ways) {
            self.leave_in_time(turn, id);
        }
        self.due = false;
        let waits = |request: &Request| matches!(request.stage, Stage::Waiting { .. });
        let waiting = self.table.iter().filter(|(_, request)| waits(request));
        waiting.map(|(id, _)| *id).collect()
    }

    /// A request whose answer may never come is asked anew: a read at once, a write after its last wait.
    fn leave_in_time(&mut self, turn: &mut Turn, id: u64) {
        let Some(request) = self.table.get_mut(&id) else { return };
        if !request.is_write() {
            return self.set_stage(id, Stage::Waiting { tried: None });
        }
        if !request.may_be_asked_again() {
            return self.hurry(id, turn.now + LAST_WAIT_OF_ONE_ASK);
        }
        let at = *request.leaves_at.get_or_insert(turn.now + LAST_WAIT);
        if at > turn.now {
            turn.timers.arm_if_idle(Timer::Retry, at);
        } else {
            self.lose(id, None);
        }
    }

    /// Those whose answer may never come: another leads now, or there is a way around the link that they went over.
    fn asked_in_vain(&self, ways: &Ways<'_>) -> Vec<u64> {
        let Some(leader) = ways.sight.leadership.leader() else { return Vec::new() };
        let around = ways.leads_around();
        let earlier = |request: &Request| {
            matches!(request.stage, Stage::Forwarded { to, leader: asked, .. }
                if to == asked && (to != leader.instance || around))
        };
        let table = self.table.iter().filter(|(_, request)| earlier(request));
        table.map(|(id, _)| *id).collect()
    }

    /// What was asked of a node that is gone is asked elsewhere; a write that may not be asked twice is of unknown fate.
    pub(crate) fn fail_at(&mut self, sight: &Sight<'_>, turn: &mut Turn, instance: Instance) {
        let asked: Vec<(u64, bool, bool)> = self
            .table
            .iter()
            .filter(|(_, request)| {
                matches!(request.stage, Stage::Forwarded { to, .. } if to == instance)
            })
            .map(|(id, request)| (*id, request.may_be_asked_again(), request.is_write()))
            .collect();
        for (id, again, is_write) in asked {
            match (again, is_write) {
                (true, _) => self.lose(id, None),
                (false, true) => self.fate_unknown(sight, turn, id),
                (false, false) => self.set_stage(id, Stage::Waiting { tried: None }),
            }
        }
        self.due = true;
    }
}

/// Whether a node may ask for a write of this name: its own clients' alone, unless it may hand on those of others.
fn may_name(sight: &Sight<'_>, from: Instance, name: &WriteName) -> bool {
    let own = match &name.kind {
        Some(write_name::Kind::Numbered(name)) => name.origin == from,
        _ => true,
    };
    name.is_sound() && (own || sight.is_known_replica(from))
}

/// Whether a node may ask for these shares: its own alone, unless it may hand on what others ask.
fn may_renew(sight: &Sight<'_>, from: Instance, body: &forward_request::Body) -> bool {
    let forward_request::Body::Renew(ask) = body else { return true };
    ask.instance == from || sight.is_known_replica(from)
}

/// Whether the fate of a write is open behind this answer: the leader lost it, or only this ask was refused, and an earlier one was lost.
fn leaves_open(outcome: &forward_answer::Outcome, lost: bool) -> bool {
    let forward_answer::Outcome::Refused(refusal) = outcome else { return false };
    match refusal.code() {
        RefusalCode::FateUnknown => refusal.detail == 0,
        RefusalCode::Kv
        | RefusalCode::DoneTooLarge
        | RefusalCode::UndoneTooLarge
        | RefusalCode::OtherRequest => false,
        _ => lost,
    }
}

fn forward_reply(turn: &mut Turn, ticket: u64, outcome: forward_answer::Outcome) {
    turn.out
        .push(Output::ForwardReply { ticket, answer: ForwardAnswer { outcome: Some(outcome) } });
}

/// What another node asks; none of a kind that is not known here.
fn work_of_body(body: forward_request::Body) -> Option<Work> {
    match body {
        forward_request::Body::Kv(kv) => Some(work_of(kv)),
        forward_request::Body::Admit(admit) => Some(Work::Admit(Box::new(admit))),
        forward_request::Body::Wait(wait) => Some(Work::WaitAll(wait.epoch)),
        forward_request::Body::Act(act) => Some(Work::Act(act)),
        forward_request::Body::Renew(ask) => {
            let said = ask.taken.len() + ask.released.len();
            let few = ask.uses.len() <= limits::BUDGETS
                && ask.known.len() <= limits::ASSIGNMENTS
                && said <= limits::ASSIGNMENTS * limits::ITEMS;
            few.then_some(Work::Renew(ask, None))
        }
        forward_request::Body::Echo(_) | forward_request::Body::Recover(_) => None,
    }
}
