//! Requests at their origin: held until a leader is known, forwarded to it, or served here when this node leads.
//!
//! A request is in exactly one stage. As long as nothing was proposed it may be asked elsewhere; once a proposal
//! may have happened and its answer is lost, the client is told just that. Every request ends at its deadline.

use crate::event::{ClientReply, ClientRequest, Output};
use crate::node::Node;
use crate::requests::serve::{kv_refusal, put_header};
use quorate_proto::{
    ForwardAnswer, KvError, KvRequest, Message as _, Moment, Refusal, RefusalCode, forward_answer,
    kv_request, limits,
};

pub(crate) mod forwarding;
pub(crate) mod large_reads;
pub(crate) mod quota;
mod refusals;
pub(crate) mod serve;
mod table;
#[cfg(test)]
mod tests;
mod waits;

pub use large_reads::{Answered, Asker, LargeRead};
pub use refusals::Refusals;
pub(crate) use table::{Origin, Place, Request, Requests, Stage, Work, work_of};

/// What a node that stops says to whom nothing was done for.
fn stopping() -> Refusal {
    let text = "this node is stopping and has not done it; ask another".to_owned();
    Refusal { code: RefusalCode::Stopping.into(), detail: 0, text }
}

/// An answer that no frame between nodes carries. Of a write it must be said that it happened.
pub(crate) fn too_large(written: bool) -> Refusal {
    let mut refusal = kv_refusal(KvError::AnswerTooLarge);
    if written {
        refusal.code = RefusalCode::DoneTooLarge.into();
        refusal.text = format!("the write was done, but: {}", refusal.text);
    }
    refusal
}

impl Node {
    /// A local client asks.
    pub(crate) fn client(&mut self, ticket: u64, deadline: Moment, request: ClientRequest) {
        self.turn.counters.requests += 1;
        let work = match request {
            ClientRequest::Kv(request) => {
                if let Some(answered) = self.local_read(ticket, deadline, &request) {
                    self.turn.out.push(answered);
                    return;
                }
                work_of(request)
            }
            ClientRequest::WaitEpoch { epoch, all_live: true } => Work::WaitAll(epoch),
            ClientRequest::WaitEpoch { epoch, all_live: false } => Work::WaitHere(epoch),
        };
        self.accept(Origin::Client(ticket), work, deadline);
    }

    /// A serializable read is answered from the own replica, whatever the quorum.
    fn local_read(&mut self, ticket: u64, deadline: Moment, request: &KvRequest) -> Option<Output> {
        let Some(kv_request::Request::Range(range)) = &request.request else { return None };
        let group = self.group.as_ref().filter(|group| group.meta().applied() > 0)?;
        if !range.serializable {
            return None;
        }
        if group.meta().reads_many(request) {
            let read = self.large_read(Origin::Client(ticket), request.clone(), deadline);
            return read.map(Output::Read);
        }
        let reply = match group.meta().read(request) {
            Ok(response) => ClientReply::Kv(put_header(response, self.header())),
            Err(error) => ClientReply::Refused(kv_refusal(error)),
        };
        Some(Output::Reply { ticket, reply })
    }

    pub(crate) fn accept(&mut self, origin: Origin, work: Work, deadline: Moment) {
        if self.stopping.is_some() {
            self.answer(origin, Err(stopping()));
            return;
        }
        let place = Place::of(origin, &work);
        if !self.requests.has_room(place, self.turn.now) {
            let text = format!("{} {} already; try again", place.bound(), place.crowd());
            let refusal = Refusal { code: RefusalCode::Busy.into(), detail: 0, text };
            return self.answer(origin, Err(refusal));
        }
        let stage = Stage::Waiting { tried: None };
        let id = self.requests.add(Request { origin, work, deadline, stage });
        self.advance(id);
    }

    /// Moves a waiting request on, if it can be. One that is asked or served already stays where it is.
    pub(crate) fn advance(&mut self, id: u64) {
        let Some(request) = self.requests.table.get(&id) else { return };
        if !matches!(request.stage, Stage::Waiting { .. }) {
            return;
        }
        if let Work::WaitHere(epoch) = request.work {
            if self.health.view().epoch >= epoch {
                self.finish_wait(id);
            }
            return;
        }
        if self.leads() {
            self.serve(id);
            return;
        }
        // This node led when the request came, or hears the leader no more: it may not go over one node more.
        let origin = request.origin;
        let turned_away = match origin {
            Origin::Client(_) => false,
            Origin::Forwarded(_) | Origin::Own(_) => true,
            Origin::Relayed(_) => self.is_cut_off(),
        };
        if turned_away {
            self.requests.remove(id);
            let outcome = forward_answer::Outcome::NotLeader(self.leader_hint());
            return self.answer(origin, Ok(outcome));
        }
        match (request.origin, &request.work) {
            (Origin::Client(_), Work::WaitAll(_)) => self.ask_lowest_wait(),
            _ => self.forward(id),
        }
    }

    /// Ends every request whose deadline has come.
    pub(crate) fn expire_requests(&mut self) {
        while let Some((at, id)) = self.requests.deadlines.first().copied() {
            if at > self.turn.now {
                return;
            }
            let Some(request) = self.requests.table.get(&id) else { return };
            if request.is_of_unknown_fate() {
                self.fate_unknown(id);
            } else {
                let text = self.why_nothing_happened();
                self.refuse(id, RefusalCode::TimedOut, &text);
            }
        }
    }

    /// Ends every request, because the node does.
    pub(crate) fn end_requests(&mut self) {
        while let Some((id, request)) = self.requests.table.first_key_value() {
            let id = *id;
            if request.is_of_unknown_fate() {
                self.fate_unknown(id);
            } else if let Some(request) = self.requests.remove(id) {
                self.turn.counters.refusals += 1;
                self.answer(request.origin, Err(stopping()));
            }
        }
    }

    fn why_nothing_happened(&self) -> String {
        match self.leadership.leader() {
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

    pub(crate) fn fate_unknown(&mut self, id: u64) {
        let text =
            "it was handed to a leader whose answer is lost: it may or may not have happened";
        self.refuse(id, RefusalCode::FateUnknown, text);
    }

    /// Ends a request with a refusal.
    pub(crate) fn refuse(&mut self, id: u64, code: RefusalCode, text: &str) {
        let Some(request) = self.requests.remove(id) else { return };
        self.turn.counters.refusals += 1;
        let refusal = Refusal { code: code.into(), detail: 0, text: text.to_owned() };
        self.answer(request.origin, Err(refusal));
    }

    /// Ends a request with an outcome.
    pub(crate) fn finish_with(&mut self, id: u64, outcome: forward_answer::Outcome) {
        if matches!(outcome, forward_answer::Outcome::Waited(_)) && self.waits_here_too(id) {
            return;
        }
        let Some(request) = self.requests.remove(id) else { return };
        let answer = match outcome {
            forward_answer::Outcome::Refused(refusal) => Err(refusal),
            // Alike whoever asked: what fits must not hang on which node leads.
            forward_answer::Outcome::Kv(response)
                if response.encoded_len() > limits::RANGE_ANSWER =>
            {
                Err(too_large(matches!(request.work, Work::Write(_))))
            }
            outcome => Ok(outcome),
        };
        self.answer(request.origin, answer);
    }

    pub(crate) fn answer(
        &mut self,
        origin: Origin,
        answer: Result<forward_answer::Outcome, Refusal>,
    ) {
        match origin {
            Origin::Forwarded(ticket) | Origin::Relayed(ticket) | Origin::Own(ticket) => {
                let outcome = match answer {
                    // Its origin asks the next leader by itself.
                    Err(refusal) if refusal.code() == RefusalCode::Stopping => {
                        forward_answer::Outcome::NotLeader(self.leader_hint())
                    }
                    answer => answer.unwrap_or_else(forward_answer::Outcome::Refused),
                };
                if let Origin::Own(_) = origin {
                    let answer = ForwardAnswer { outcome: Some(outcome) };
                    self.admission_answered(ticket, &Ok(answer));
                } else {
                    self.forward_reply(ticket, outcome);
                }
            }
            Origin::Client(ticket) => {
                let reply = match answer {
                    Ok(forward_answer::Outcome::Kv(response)) => {
                        ClientReply::Kv(put_header(response, self.header()))
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
                self.turn.out.push(Output::Reply { ticket, reply });
            }
        }
    }

    pub(crate) fn forward_reply(&mut self, ticket: u64, outcome: forward_answer::Outcome) {
        let answer = ForwardAnswer { outcome: Some(outcome) };
        self.turn.out.push(Output::ForwardReply { ticket, answer });
    }
}
