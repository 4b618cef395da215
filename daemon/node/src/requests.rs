//! Requests at their origin: held until a leader is known, forwarded to it, or served here when this node leads.
//!
//! A request is in exactly one stage. As long as nothing was proposed it may be asked elsewhere; once a proposal
//! may have happened and its answer is lost, the client is told just that. Every request ends at its deadline.

use crate::event::{ClientReply, ClientRequest, ForwardFailure, Output};
use crate::node::Node;
use quorate_meta::Meta;
use quorate_proto::{
    Admit, ForwardAnswer, ForwardRequest, HealthEpoch, Instance, KvRequest, Moment, NotLeader,
    Refusal, RefusalCode, WaitEpoch, Waited, forward_answer, forward_request, kv_request,
};
use std::collections::{BTreeMap, BTreeSet};

/// Most requests under way at one node; more are told that it is busy.
const MAX_REQUESTS: usize = 16_384;

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    Write(KvRequest),
    Read(KvRequest),
    Admit(Box<Admit>),
    /// Until every live node has acknowledged the epoch.
    WaitAll(HealthEpoch),
    /// Until this node has seen the epoch.
    WaitHere(HealthEpoch),
}

/// Who gets the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin {
    Client(u64),
    Forwarded(u64),
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nobody to ask yet. `tried`: the leader and term that turned it away.
    Waiting { tried: Option<(Instance, u64)> },
    /// Asked of a leader.
    Forwarded { to: Instance },
    /// This node leads and it is in hand: queued, read or waited for.
    Here,
    /// Proposed by this node in this term.
    Proposed { term: u64 },
}

/// One request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) origin: Origin,
    pub(crate) work: Work,
    pub(crate) deadline: Moment,
    pub(crate) stage: Stage,
}

/// All requests of this node.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) table: BTreeMap<u64, Request>,
    deadlines: BTreeSet<(Moment, u64)>,
    clients: BTreeMap<u64, u64>,
    next: u64,
    pub(crate) serving: crate::serve::Serving,
}

impl Requests {
    /// Tickets of different runs never meet: the upper half is random.
    pub(crate) fn new(boot_nonce: u64) -> Self {
        Self {
            table: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            clients: BTreeMap::new(),
            next: (boot_nonce << 32) | 1,
            serving: crate::serve::Serving::default(),
        }
    }

    pub(crate) fn new_ticket(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1).max(1);
        self.next
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        self.table.contains_key(&id)
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    fn add(&mut self, request: Request) -> u64 {
        let id = self.new_ticket();
        self.deadlines.insert((request.deadline, id));
        if let Origin::Client(ticket) = request.origin {
            self.clients.insert(ticket, id);
        }
        self.table.insert(id, request);
        id
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Request> {
        let request = self.table.remove(&id)?;
        self.deadlines.remove(&(request.deadline, id));
        if let Origin::Client(ticket) = request.origin {
            self.clients.remove(&ticket);
        }
        Some(request)
    }

    /// The client went away; a proposal of it may still happen.
    pub(crate) fn client_gone(&mut self, ticket: u64) {
        if let Some(id) = self.clients.get(&ticket).copied() {
            self.remove(id);
        }
    }
}

/// Sorts a keyspace request.
fn work_of(request: KvRequest) -> Work {
    if Meta::is_read_only(&request) { Work::Read(request) } else { Work::Write(request) }
}

impl Node {
    /// A local client asks.
    pub(crate) fn client(
        &mut self,
        ticket: u64,
        deadline: Moment,
        request: ClientRequest,
        out: &mut Vec<Output>,
    ) {
        self.counters.requests += 1;
        let work = match request {
            ClientRequest::Kv(request) => {
                if let Some(reply) = self.local_read(&request) {
                    out.push(Output::Reply { ticket, reply });
                    return;
                }
                work_of(request)
            }
            ClientRequest::WaitEpoch { epoch, all_live: true } => Work::WaitAll(epoch),
            ClientRequest::WaitEpoch { epoch, all_live: false } => Work::WaitHere(epoch),
        };
        self.accept(Origin::Client(ticket), work, deadline, out);
    }

    /// A serializable read is answered from the own replica, whatever the quorum.
    fn local_read(&mut self, request: &KvRequest) -> Option<ClientReply> {
        let Some(kv_request::Request::Range(range)) = &request.request else { return None };
        let group = self.group.as_ref().filter(|group| group.meta.applied() > 0)?;
        if !range.serializable {
            return None;
        }
        let read = group.meta.read(request);
        Some(match read {
            Ok(response) => ClientReply::Kv(self.with_header(response)),
            Err(error) => ClientReply::Refused(crate::serve::kv_refusal(error)),
        })
    }

    /// Another node asks this one as leader.
    pub(crate) fn forwarded(
        &mut self,
        from: Instance,
        ticket: u64,
        request: ForwardRequest,
        out: &mut Vec<Output>,
    ) {
        let origin = Origin::Forwarded(ticket);
        if self.genesis != Some(request.genesis) {
            let text = "this node belongs to another cluster".to_owned();
            self.answer(
                origin,
                Err(Refusal { code: RefusalCode::OtherCluster.into(), detail: 0, text }),
                out,
            );
            return;
        }
        if let Some(forward_request::Body::Echo(_)) = request.body {
            let epoch = self.health.view.epoch;
            self.forward_reply(ticket, forward_answer::Outcome::Waited(Waited { epoch }), out);
            return;
        }
        // A stranger's number must not keep a request for ever.
        let deadline =
            self.now + std::time::Duration::from_millis(request.remaining_ms.min(600_000));
        let work = match request.body {
            Some(forward_request::Body::Kv(kv)) => work_of(kv),
            Some(forward_request::Body::Admit(admit)) => Work::Admit(Box::new(admit)),
            Some(forward_request::Body::Wait(wait)) => Work::WaitAll(wait.epoch),
            Some(forward_request::Body::Echo(_)) | None => {
                let text = "a request of a kind that this version does not know".to_owned();
                self.answer(
                    origin,
                    Err(Refusal { code: RefusalCode::Other.into(), detail: 0, text }),
                    out,
                );
                return;
            }
        };
        if !self.leads() {
            let outcome = forward_answer::Outcome::NotLeader(self.leader_hint());
            self.forward_reply(ticket, outcome, out);
            return;
        }
        if let Work::Admit(admit) = work {
            if self.requests.table.len() < MAX_REQUESTS {
                let work = Work::Admit(admit.clone());
                let id = self.requests.add(Request { origin, work, deadline, stage: Stage::Here });
                self.admit_asked(id, from, *admit, out);
            }
            return;
        }
        self.accept(origin, work, deadline, out);
    }

    fn leader_hint(&self) -> NotLeader {
        let me = self.config.instance;
        let leader = self.health.leader.filter(|leader| leader.instance != me);
        NotLeader {
            leader: leader.map(|leader| leader.instance),
            term: leader.map_or(0, |leader| leader.term),
            address: leader.and_then(|leader| self.peers.address(leader.instance)).map(Into::into),
        }
    }

    fn accept(&mut self, origin: Origin, work: Work, deadline: Moment, out: &mut Vec<Output>) {
        if self.requests.table.len() >= MAX_REQUESTS {
            let text = "too many requests are under way at this node; try again".to_owned();
            self.answer(
                origin,
                Err(Refusal { code: RefusalCode::Busy.into(), detail: 0, text }),
                out,
            );
            return;
        }
        let stage = Stage::Waiting { tried: None };
        let id = self.requests.add(Request { origin, work, deadline, stage });
        self.advance(id, out);
    }

    /// Moves a waiting request on, if it can be.
    pub(crate) fn advance(&mut self, id: u64, out: &mut Vec<Output>) {
        let Some(request) = self.requests.table.get(&id) else { return };
        if let Work::WaitHere(epoch) = request.work {
            if self.health.view.epoch >= epoch {
                self.finish_wait(id, out);
            }
            return;
        }
        if self.leads() {
            self.serve(id, out);
            return;
        }
        if matches!(request.origin, Origin::Forwarded(_)) {
            // This node led when the request came; it may not be forwarded twice.
            let outcome = forward_answer::Outcome::NotLeader(self.leader_hint());
            if let Some(Request { origin: Origin::Forwarded(ticket), .. }) =
                self.requests.remove(id)
            {
                self.forward_reply(ticket, outcome, out);
            }
            return;
        }
        self.forward(id, out);
    }

    fn forward(&mut self, id: u64, out: &mut Vec<Output>) {
        let me = self.config.instance;
        let leader = self
            .health
            .leader
            .filter(|leader| leader.instance != me && self.seems_alive(leader.instance));
        let genesis = self.genesis;
        let (Some(leader), Some(genesis)) = (leader, genesis) else { return };
        let Some(address) = self.peers.address(leader.instance) else { return };
        let now = self.now;
        let Some(request) = self.requests.table.get_mut(&id) else { return };
        if request.stage == (Stage::Waiting { tried: Some((leader.instance, leader.term)) }) {
            return;
        }
        let body = match &request.work {
            Work::Write(kv) | Work::Read(kv) => forward_request::Body::Kv(kv.clone()),
            Work::WaitAll(epoch) => forward_request::Body::Wait(WaitEpoch { epoch: *epoch }),
            Work::Admit(_) | Work::WaitHere(_) => return,
        };
        request.stage = Stage::Forwarded { to: leader.instance };
        let deadline = request.deadline;
        let remaining = deadline.since(now).as_millis();
        let remaining_ms = u64::try_from(remaining).unwrap_or(u64::MAX);
        let request = ForwardRequest { genesis, remaining_ms, body: Some(body) };
        out.push(Output::Forward { ticket: id, to: leader.instance, address, deadline, request });
    }

    /// The leader's answer to a forwarded request, or the lack of one.
    pub(crate) fn forward_answered(
        &mut self,
        ticket: u64,
        answer: Result<ForwardAnswer, ForwardFailure>,
        out: &mut Vec<Output>,
    ) {
        if self.admission_answered(ticket, &answer, out) {
            return;
        }
        let Some(request) = self.requests.table.get(&ticket) else { return };
        let Stage::Forwarded { to } = request.stage else { return };
        let is_write = matches!(request.work, Work::Write(_));
        match answer {
            Ok(ForwardAnswer {
                outcome: Some(forward_answer::Outcome::NotLeader(hint)), ..
            }) => {
                self.turned_away(ticket, to, &hint, out);
            }
            Ok(ForwardAnswer { outcome: Some(outcome), .. }) => {
                self.finish_with(ticket, outcome, out)
            }
            Ok(_) | Err(ForwardFailure::Lost) if is_write => self.fate_unknown(ticket, out),
            Ok(_) | Err(_) => {
                let term = self.health.leader.map_or(0, |leader| leader.term);
                self.set_stage(ticket, Stage::Waiting { tried: Some((to, term)) });
                self.advance(ticket, out);
            }
        }
    }

    fn turned_away(&mut self, id: u64, by: Instance, hint: &NotLeader, out: &mut Vec<Output>) {
        let term = self.health.leader.map_or(0, |leader| leader.term);
        self.set_stage(id, Stage::Waiting { tried: Some((by, term)) });
        let newer = hint.term > term && hint.leader.is_some_and(|leader| leader != by);
        if let (true, Some(leader)) = (newer, hint.leader) {
            if let Some(address) = hint.address.as_ref().and_then(|address| address.socket()) {
                self.peers.learn_hint(leader, address);
            }
            // Only a node that is no replica takes a leader on somebody's word; a replica has Raft's.
            if self.group.is_none() {
                self.leader_pinged(leader, hint.term, out);
            }
        }
        self.advance(id, out);
    }

    pub(crate) fn set_stage(&mut self, id: u64, stage: Stage) {
        if let Some(request) = self.requests.table.get_mut(&id) {
            request.stage = stage;
        }
    }

    /// Another leader is known: what waits goes there; what was asked of the old one is settled.
    pub(crate) fn leader_helps_requests(&mut self, out: &mut Vec<Output>) {
        let now_leader = self.health.leader.map(|leader| leader.instance);
        let old: Vec<Instance> = self
            .requests
            .table
            .values()
            .filter_map(|request| match request.stage {
                Stage::Forwarded { to } if now_leader.is_some_and(|leader| leader != to) => {
                    Some(to)
                }
                _ => None,
            })
            .collect();
        for instance in old {
            self.fail_requests_at(instance, out);
        }
        if !self.leads() {
            self.stop_serving();
        }
        self.advance_waiting(out);
    }

    /// A session with the leader came up: what could not be sent is tried again.
    pub(crate) fn session_helps_requests(&mut self, instance: Instance, out: &mut Vec<Output>) {
        if self.health.leader.is_some_and(|leader| leader.instance == instance) {
            for request in self.requests.table.values_mut() {
                if let Stage::Waiting { tried } = &mut request.stage {
                    *tried = None;
                }
            }
            self.advance_waiting(out);
        }
    }

    fn advance_waiting(&mut self, out: &mut Vec<Output>) {
        let waiting: Vec<u64> = self
            .requests
            .table
            .iter()
            .filter(|(_, request)| matches!(request.stage, Stage::Waiting { .. }))
            .map(|(id, _)| *id)
            .collect();
        for id in waiting {
            self.advance(id, out);
        }
    }

    /// What was asked of a node that is gone: writes are of unknown fate, the rest is asked elsewhere.
    pub(crate) fn fail_requests_at(&mut self, instance: Instance, out: &mut Vec<Output>) {
        let asked: Vec<(u64, bool)> = self
            .requests
            .table
            .iter()
            .filter(|(_, request)| request.stage == Stage::Forwarded { to: instance })
            .map(|(id, request)| (*id, matches!(request.work, Work::Write(_))))
            .collect();
        for (id, is_write) in asked {
            if is_write {
                self.fate_unknown(id, out);
            } else {
                self.set_stage(id, Stage::Waiting { tried: None });
                self.advance(id, out);
            }
        }
    }

    /// Ends every request whose deadline has come.
    pub(crate) fn expire_requests(&mut self, out: &mut Vec<Output>) {
        while let Some((at, id)) = self.requests.deadlines.first().copied() {
            if at > self.now {
                return;
            }
            let Some(request) = self.requests.table.get(&id) else { return };
            let write = matches!(request.work, Work::Write(_) | Work::Admit(_));
            let unknown = match request.stage {
                Stage::Proposed { .. } | Stage::Forwarded { .. } => write,
                _ => false,
            };
            if unknown {
                self.fate_unknown(id, out);
            } else {
                let text = self.why_nothing_happened();
                self.refuse(id, RefusalCode::TimedOut, &text, out);
            }
        }
    }

    fn why_nothing_happened(&self) -> String {
        match self.health.leader {
            Some(leader) if self.is_quorate() => {
                format!(
                    "{} leads but did not answer before the deadline",
                    self.health.name(leader.instance)
                )
            }
            _ if self.genesis.is_none() => {
                "there is no cluster yet; `quorate why` on this host says what it waits for"
                    .to_owned()
            }
            _ => "no leader with a majority was known before the deadline; run `quorate why`"
                .to_owned(),
        }
    }

    pub(crate) fn fate_unknown(&mut self, id: u64, out: &mut Vec<Output>) {
        let text =
            "it was handed to a leader whose answer is lost: it may or may not have happened";
        self.refuse(id, RefusalCode::FateUnknown, text, out);
    }

    /// Ends a request with a refusal.
    pub(crate) fn refuse(&mut self, id: u64, code: RefusalCode, text: &str, out: &mut Vec<Output>) {
        let Some(request) = self.requests.remove(id) else { return };
        self.counters.refusals += 1;
        let refusal = Refusal { code: code.into(), detail: 0, text: text.to_owned() };
        self.answer(request.origin, Err(refusal), out);
    }

    /// Ends a request with an outcome.
    pub(crate) fn finish_with(
        &mut self,
        id: u64,
        outcome: forward_answer::Outcome,
        out: &mut Vec<Output>,
    ) {
        let Some(request) = self.requests.remove(id) else { return };
        let answer = match outcome {
            forward_answer::Outcome::Refused(refusal) => Err(refusal),
            outcome => Ok(outcome),
        };
        self.answer(request.origin, answer, out);
    }

    fn answer(
        &mut self,
        origin: Origin,
        answer: Result<forward_answer::Outcome, Refusal>,
        out: &mut Vec<Output>,
    ) {
        match origin {
            Origin::Forwarded(ticket) => {
                let outcome = answer.unwrap_or_else(forward_answer::Outcome::Refused);
                self.forward_reply(ticket, outcome, out);
            }
            Origin::Client(ticket) => {
                let reply = match answer {
                    Ok(forward_answer::Outcome::Kv(response)) => {
                        ClientReply::Kv(self.with_header(response))
                    }
                    Ok(forward_answer::Outcome::Waited(waited)) => ClientReply::Epoch(waited.epoch),
                    Ok(_) => {
                        let text = "the leader gave an answer of another kind".to_owned();
                        ClientReply::Refused(Refusal {
                            code: RefusalCode::Other.into(),
                            detail: 0,
                            text,
                        })
                    }
                    Err(refusal) => ClientReply::Refused(refusal),
                };
                out.push(Output::Reply { ticket, reply });
            }
        }
    }

    fn forward_reply(
        &mut self,
        ticket: u64,
        outcome: forward_answer::Outcome,
        out: &mut Vec<Output>,
    ) {
        let term = self.group.as_ref().map_or(0, |group| group.replica.term());
        out.push(Output::ForwardReply {
            ticket,
            answer: ForwardAnswer { term, outcome: Some(outcome) },
        });
    }
}
