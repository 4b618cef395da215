//! Requests at their origin: held until a leader is known, forwarded to it, or served here when this node leads.
//!
//! A request is in exactly one stage. As long as nothing was proposed it may be asked elsewhere; once a proposal
//! may have happened and its answer is lost, the client is told just that. Every request ends at its deadline.

use crate::event::{ClientReply, ClientRequest, Output};
use crate::node::Node;
use quorate_meta::Meta;
use quorate_proto::{
    Admit, ForwardAnswer, HealthEpoch, Instance, KvError, KvRequest, Message as _, Moment, Refusal,
    RefusalCode, forward_answer, kv_request, limits,
};
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// Most requests under way at one node; more are told that it is busy.
pub(crate) const MAX_REQUESTS: usize = 16_384;

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
    /// Another node, which asks this one as leader.
    Forwarded(u64),
    /// Another node without a link to the leader: this one may ask the leader for it.
    Relayed(u64),
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nobody to ask yet. `tried`: the leader and term that turned it away.
    Waiting { tried: Option<(Instance, u64)> },
    /// Asked of a leader, under a ticket of this ask's own: only its answer counts. `to` is the leader, or the voter in
    /// between.
    Forwarded { to: Instance, leader: Instance, ask: u64 },
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

impl Request {
    pub(crate) fn is_write(&self) -> bool {
        matches!(self.work, Work::Write(_))
    }

    /// Whether it may have happened, or may happen yet, although nobody here can tell.
    fn is_of_unknown_fate(&self) -> bool {
        let write = matches!(self.work, Work::Write(_) | Work::Admit(_));
        write && matches!(self.stage, Stage::Proposed { .. } | Stage::Forwarded { .. })
    }
}

/// All requests of this node.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) table: BTreeMap<u64, Request>,
    deadlines: BTreeSet<(Moment, u64)>,
    clients: BTreeMap<u64, u64>,
    /// The asks that stand, by their tickets. A late answer of an earlier leader finds none.
    asks: BTreeMap<u64, u64>,
    next: u64,
    /// Something has happened that may let waiting requests go on. They are looked at once in the settle and never
    /// in the middle of something else, so that none is moved while it is being moved.
    pub(crate) due: bool,
    pub(crate) serving: crate::serve::Serving,
}

impl Requests {
    /// Tickets of different runs never meet: the upper half is random.
    pub(crate) fn new(boot_nonce: u64) -> Self {
        Self {
            table: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            clients: BTreeMap::new(),
            asks: BTreeMap::new(),
            due: false,
            next: (boot_nonce << 32) | 1,
            serving: crate::serve::Serving::default(),
        }
    }

    pub(crate) fn new_ticket(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1).max(1);
        self.next
    }

    /// Whether something is asked, proposed or read for somebody, or is about to be. Waits for an epoch do not count.
    pub(crate) fn in_hand(&self) -> bool {
        let busy = |request: &Request| {
            !matches!(request.stage, Stage::Waiting { .. })
                && !matches!(request.work, Work::WaitAll(_))
        };
        self.due || self.table.values().any(busy)
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        self.table.contains_key(&id)
    }

    /// A request ends at this moment at the latest.
    pub(crate) fn hurry(&mut self, id: u64, at: Moment) {
        let Some(request) = self.table.get_mut(&id).filter(|request| request.deadline > at) else {
            return;
        };
        self.deadlines.remove(&(request.deadline, id));
        request.deadline = at;
        self.deadlines.insert((at, id));
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub(crate) fn add(&mut self, request: Request) -> u64 {
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
        if let Stage::Forwarded { ask, .. } = request.stage {
            self.asks.remove(&ask);
        }
        self.deadlines.remove(&(request.deadline, id));
        if let Origin::Client(ticket) = request.origin {
            self.clients.remove(&ticket);
        }
        Some(request)
    }

    /// Moves a request to another stage; an ask that it leaves stands no longer.
    pub(crate) fn set_stage(&mut self, id: u64, stage: Stage) {
        let Some(request) = self.table.get_mut(&id) else { return };
        if let Stage::Forwarded { ask, .. } = std::mem::replace(&mut request.stage, stage) {
            self.asks.remove(&ask);
        }
        if let Stage::Forwarded { ask, .. } = stage {
            self.asks.insert(ask, id);
        }
    }

    /// The request that waits for this answer.
    pub(crate) fn asked(&self, ask: u64) -> Option<u64> {
        self.asks.get(&ask).copied()
    }

    /// The client went away; a proposal of it may still happen.
    pub(crate) fn client_gone(&mut self, ticket: u64) {
        if let Some(id) = self.clients.get(&ticket).copied() {
            self.remove(id);
        }
    }
}

/// Sorts a keyspace request.
pub(crate) fn work_of(request: KvRequest) -> Work {
    if Meta::is_read_only(&request) { Work::Read(request) } else { Work::Write(request) }
}

/// What a node that stops says to whom nothing was done for.
fn stopping() -> Refusal {
    let text = "this node is stopping and has not done it; ask another".to_owned();
    Refusal { code: RefusalCode::Stopping.into(), detail: 0, text }
}

/// An answer that no frame between nodes carries. Of a write it must be said that it happened.
fn too_large(written: bool) -> Refusal {
    let mut refusal = crate::serve::kv_refusal(KvError::AnswerTooLarge);
    if written {
        refusal.text = format!("the write was done, but: {}", refusal.text);
    }
    refusal
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

    pub(crate) fn accept(
        &mut self,
        origin: Origin,
        work: Work,
        deadline: Moment,
        out: &mut Vec<Output>,
    ) {
        if self.stopping.is_some() {
            self.answer(origin, Err(stopping()), out);
            return;
        }
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

    /// Moves a waiting request on, if it can be. One that is asked or served already stays where it is.
    pub(crate) fn advance(&mut self, id: u64, out: &mut Vec<Output>) {
        let Some(request) = self.requests.table.get(&id) else { return };
        if !matches!(request.stage, Stage::Waiting { .. }) {
            return;
        }
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
        // This node led when the request came, or hears the leader no more: it may not go over one node more.
        let turned_away = match request.origin {
            Origin::Client(_) => None,
            Origin::Forwarded(ticket) => Some(ticket),
            Origin::Relayed(ticket) => Some(ticket).filter(|_| self.is_cut_off()),
        };
        if let Some(ticket) = turned_away {
            self.requests.remove(id);
            let outcome = forward_answer::Outcome::NotLeader(self.leader_hint());
            self.forward_reply(ticket, outcome, out);
            return;
        }
        self.forward(id, out);
    }

    /// Ends every request whose deadline has come.
    pub(crate) fn expire_requests(&mut self, out: &mut Vec<Output>) {
        while let Some((at, id)) = self.requests.deadlines.first().copied() {
            if at > self.now {
                return;
            }
            let Some(request) = self.requests.table.get(&id) else { return };
            if request.is_of_unknown_fate() {
                self.fate_unknown(id, out);
            } else {
                let text = self.why_nothing_happened();
                self.refuse(id, RefusalCode::TimedOut, &text, out);
            }
        }
    }

    /// Ends every request, because the node does.
    pub(crate) fn end_requests(&mut self, out: &mut Vec<Output>) {
        while let Some((id, request)) = self.requests.table.first_key_value() {
            let id = *id;
            if request.is_of_unknown_fate() {
                self.fate_unknown(id, out);
            } else if let Some(request) = self.requests.remove(id) {
                self.counters.refusals += 1;
                self.answer(request.origin, Err(stopping()), out);
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
        if matches!(outcome, forward_answer::Outcome::Waited(_)) && self.waits_here_too(id) {
            return;
        }
        let Some(request) = self.requests.remove(id) else { return };
        let crosses = !matches!(request.origin, Origin::Client(_));
        let answer = match outcome {
            forward_answer::Outcome::Refused(refusal) => Err(refusal),
            forward_answer::Outcome::Kv(response)
                if crosses && response.encoded_len() > limits::RANGE_ANSWER =>
            {
                Err(too_large(matches!(request.work, Work::Write(_))))
            }
            outcome => Ok(outcome),
        };
        self.answer(request.origin, answer, out);
    }

    /// The leader counts who is alive, and may not count the node that was asked: that one waits for the epoch itself, too.
    fn waits_here_too(&mut self, id: u64) -> bool {
        let here = self.health.view.epoch;
        let Some(request) = self.requests.table.get_mut(&id) else { return false };
        match request.work {
            Work::WaitAll(epoch) if epoch > here && matches!(request.origin, Origin::Client(_)) => {
                request.work = Work::WaitHere(epoch);
                request.stage = Stage::Waiting { tried: None };
                true
            }
            _ => false,
        }
    }

    pub(crate) fn answer(
        &mut self,
        origin: Origin,
        answer: Result<forward_answer::Outcome, Refusal>,
        out: &mut Vec<Output>,
    ) {
        match origin {
            Origin::Forwarded(ticket) | Origin::Relayed(ticket) => {
                let outcome = match answer {
                    // Its origin asks the next leader by itself.
                    Err(refusal) if refusal.code() == RefusalCode::Stopping => {
                        forward_answer::Outcome::NotLeader(self.leader_hint())
                    }
                    answer => answer.unwrap_or_else(forward_answer::Outcome::Refused),
                };
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

    pub(crate) fn forward_reply(
        &mut self,
        ticket: u64,
        outcome: forward_answer::Outcome,
        out: &mut Vec<Output>,
    ) {
        let term = self.own_term();
        out.push(Output::ForwardReply {
            ticket,
            answer: ForwardAnswer { term, outcome: Some(outcome) },
        });
    }
}
