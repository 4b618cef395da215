//! Requests at their origin: held until a leader is known, forwarded to it, or served here when this node leads.
//!
//! A request is in exactly one stage. As long as nothing was proposed it may be asked elsewhere. Once a proposal may have happened and its
//! answer is lost, a write is asked again under its name, and gets the first answer if there was one; an act that done twice is as done
//! once is asked again too, for some seconds. What else has no name ends as of unknown fate, and so does a write that found no answer until its deadline, or for as long as the name that its client gave it is surely remembered.
//! Every request ends at its deadline.

use crate::answers::{kv_refusal, put_header, too_large};
use crate::client::{ClientReply, ClientRequest};
use crate::event::Output;
use crate::groups::Group;
use crate::news::{News, ShareNews};
use crate::sight::Sight;
use crate::turn::Turn;
use quorate_meta::Meta;
use quorate_proto::{
    ForwardAnswer, KvRequest, Message as _, Moment, Refusal, RefusalCode, forward_answer,
    kv_request, limits,
};

mod first_answers;
pub(crate) mod forwarding;
pub(crate) mod large_reads;
mod leaders_clock;
mod levels;
mod numbers;
mod outcomes;
mod quota;
mod refusals;
mod renewals;
mod request;
pub(crate) mod serve;
mod serving;
mod table;
#[cfg(test)]
mod tests;
mod waits;
mod ways;

pub(crate) use forwarding::RETRY;
pub use refusals::Refusals;
pub use request::LOCAL_WAITS;
pub(crate) use request::{Origin, Place, Request, Stage, Work, work_of};
pub(crate) use table::Requests;
pub(crate) use ways::Ways;

/// What a node that stops says to whom nothing was done for.
fn stopping() -> Refusal {
    let text = "this node is stopping and has not done it; ask another".to_owned();
    Refusal { code: RefusalCode::Stopping.into(), detail: 0, text }
}

impl Requests {
    /// A local client asks.
    pub(crate) fn client(
        &mut self,
        ways: &Ways<'_>,
        turn: &mut Turn,
        ticket: u64,
        deadline: Moment,
        request: ClientRequest,
    ) {
        turn.counters.requests += 1;
        let mut name = None;
        let work = match request {
            ClientRequest::Named { name: given, request } if !Meta::is_read_only(&request) => {
                name = Some(given);
                Work::Write(request)
            }
            ClientRequest::Named { request, .. } | ClientRequest::Kv(request) => {
                if let Some(answered) = self.local_read(&ways.sight, ticket, deadline, &request) {
                    turn.out.push(answered);
                    return;
                }
                work_of(request)
            }
            ClientRequest::WaitEpoch { epoch, all_live: true } => Work::WaitAll(epoch),
            ClientRequest::WaitEpoch { epoch, all_live: false } => Work::WaitHere(epoch),
            ClientRequest::Act(act) => Work::Act(act),
            ClientRequest::Waive { without, shown } => {
                return turn.tell(News::AskedToWaive { ticket, without, shown });
            }
            ClientRequest::Release(release) => {
                return turn.tell(News::Shares(ShareNews::Released { ticket, release }));
            }
            ClientRequest::Acknowledge(use_of) => {
                return turn.tell(News::Shares(ShareNews::Acknowledged { ticket, use_of }));
            }
            ClientRequest::Fenced(fenced) => {
                return turn.tell(News::Shares(ShareNews::Fenced { ticket, fenced }));
            }
            ClientRequest::Recover(ask) => {
                return turn.tell(News::AskedToRecover { by_node: false, ticket, ask });
            }
        };
        let request = Request::new(Origin::Client(ticket), work, deadline);
        self.accept(ways, turn, request.named(name, false));
    }

    /// A serializable read is answered from the own replica, whatever the quorum.
    fn local_read(
        &mut self,
        sight: &Sight<'_>,
        ticket: u64,
        deadline: Moment,
        request: &KvRequest,
    ) -> Option<Output> {
        let Some(kv_request::Request::Range(range)) = &request.request else { return None };
        let meta = sight.group.map(Group::meta).filter(|meta| meta.applied() > 0)?;
        if !range.serializable {
            return None;
        }
        if meta.reads_many(request) {
            let read = self.large_read(sight, Origin::Client(ticket), request.clone(), deadline);
            return read.map(Output::Read);
        }
        let reply = match meta.read(request) {
            Ok(response) => ClientReply::Kv(put_header(response, self.header(sight))),
            Err(error) => ClientReply::Refused(kv_refusal(error)),
        };
        Some(Output::Reply { ticket, reply })
    }

    /// Takes a request in, if there is room, and moves it on.
    pub(crate) fn accept(&mut self, ways: &Ways<'_>, turn: &mut Turn, mut request: Request) {
        let origin = request.origin;
        request.once = levels::names_count(&ways.sight);
        if ways.sight.stops {
            return self.answer(&ways.sight, turn, origin, Err(stopping()));
        }
        let place = Place::of(origin, &request.work);
        if !self.has_room(place, turn.now) {
            let text = format!("{} {} already; try again", place.bound(), place.crowd());
            let refusal = Refusal { code: RefusalCode::Busy.into(), detail: 0, text };
            return self.answer(&ways.sight, turn, origin, Err(refusal));
        }
        let id = self.add(request);
        self.advance(ways, turn, id);
    }

    /// Moves a waiting request on, if it can be. One that is asked or served already stays where it is.
    pub(crate) fn advance(&mut self, ways: &Ways<'_>, turn: &mut Turn, id: u64) {
        let Some(request) = self.table.get(&id) else { return };
        if !matches!(request.stage, Stage::Waiting { .. }) {
            return;
        }
        if request.lost && request.deadline <= turn.now {
            return self.fate_unknown(&ways.sight, turn, id);
        }
        if let Work::WaitHere(epoch) = request.work {
            if ways.sight.health.view().epoch >= epoch {
                self.finish_wait(ways, turn, id);
            }
            return;
        }
        if self.is_held_up_by_its_id(ways, turn, id) {
            return;
        }
        let Some(request) = self.table.get(&id) else { return };
        if ways.sight.leads() {
            self.serve(ways, turn, id);
            return;
        }
        // This node led when the request came, or hears the leader no more: it may not go over one node more.
        let origin = request.origin;
        let turned_away = match origin {
            Origin::Client(_) | Origin::Holder(_) => false,
            Origin::Forwarded(_) | Origin::Own(_) => true,
            Origin::Relayed(_) => ways.is_cut_off(),
        };
        if turned_away && request.lost {
            // Its origin asks the next leader under the same name.
            return self.fate_unknown(&ways.sight, turn, id);
        }
        if turned_away {
            self.remove(id);
            let outcome = forward_answer::Outcome::NotLeader(ways.sight.leader_hint());
            return self.answer(&ways.sight, turn, origin, Ok(outcome));
        }
        match (request.origin, &request.work) {
            (Origin::Client(_), Work::WaitAll(_)) => self.ask_lowest_wait(ways, turn),
            _ => self.forward(ways, turn, id),
        }
    }

    /// A request whose deadline has come.
    pub(crate) fn overdue(&self, now: Moment) -> Option<u64> {
        let (at, id) = self.deadlines.first().copied()?;
        (at <= now && self.contains(id)).then_some(id)
    }

    /// Ends a request whose deadline has come. `quorate`: a leader with a majority is known.
    pub(crate) fn expire(&mut self, sight: &Sight<'_>, turn: &mut Turn, id: u64, quorate: bool) {
        let Some(request) = self.table.get(&id) else { return };
        if request.is_of_unknown_fate() {
            self.fate_unknown(sight, turn, id);
        } else {
            let text = match &request.waits_for {
                Some(what) if sight.leads() => {
                    format!("it waited until its deadline for this: {what}")
                }
                _ => why_nothing_happened(sight, quorate),
            };
            self.refuse(sight, turn, id, RefusalCode::TimedOut, &text);
        }
    }

    /// Ends every request, because the node does.
    pub(crate) fn end_all(&mut self, sight: &Sight<'_>, turn: &mut Turn) {
        while let Some((id, request)) = self.table.first_key_value() {
            let id = *id;
            if request.is_of_unknown_fate() {
                self.fate_unknown(sight, turn, id);
            } else if let Some(request) = self.remove(id) {
                turn.counters.refusals += 1;
                self.answer(sight, turn, request.origin, Err(stopping()));
            }
        }
    }

    pub(super) fn fate_unknown(&mut self, sight: &Sight<'_>, turn: &mut Turn, id: u64) {
        let text =
            "it was handed to a leader whose answer is lost: it may or may not have happened";
        self.refuse(sight, turn, id, RefusalCode::FateUnknown, text);
    }

    /// Ends a request with a refusal.
    pub(crate) fn refuse(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        id: u64,
        code: RefusalCode,
        text: &str,
    ) {
        let Some(request) = self.remove(id) else { return };
        turn.counters.refusals += 1;
        let refusal = Refusal { code: code.into(), detail: 0, text: text.to_owned() };
        self.answer(sight, turn, request.origin, Err(refusal));
    }

    /// Ends a request with an outcome.
    pub(crate) fn finish_with(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        id: u64,
        outcome: forward_answer::Outcome,
    ) {
        if matches!(outcome, forward_answer::Outcome::Waited(_)) && self.waits_here_too(sight, id) {
            return;
        }
        let Some(request) = self.remove(id) else { return };
        if let (Origin::Client(_), forward_answer::Outcome::Kv(response)) =
            (request.origin, &outcome)
            && !request.work.reads_own_keys()
        {
            self.acknowledges(response);
        }
        let answer = match outcome {
            forward_answer::Outcome::Refused(refusal) => Err(refusal),
            // Alike whoever asked: what fits must not hang on which node leads.
            forward_answer::Outcome::Kv(response)
                if response.encoded_len() > limits::RANGE_ANSWER =>
            {
                Err(too_large(response.tells_of_a_change()))
            }
            outcome => Ok(outcome),
        };
        self.answer(sight, turn, request.origin, answer);
    }

    /// Tells whoever asked.
    pub(crate) fn answer(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        origin: Origin,
        answer: Result<forward_answer::Outcome, Refusal>,
    ) {
        let ticket = match origin {
            Origin::Client(ticket) => {
                let reply = self.reply(sight, answer);
                turn.out.push(Output::Reply { ticket, reply });
                return;
            }
            Origin::Holder(ticket) => {
                let answer = match answer {
                    Ok(forward_answer::Outcome::Renewed(renewed)) => Some(renewed),
                    _ => None,
                };
                return turn.tell(News::Shares(ShareNews::Answered { ticket, answer }));
            }
            Origin::Forwarded(ticket) | Origin::Relayed(ticket) | Origin::Own(ticket) => ticket,
        };
        let outcome = match answer {
            // Its origin asks the next leader by itself.
            Err(refusal) if refusal.code() == RefusalCode::Stopping => {
                forward_answer::Outcome::NotLeader(sight.leader_hint())
            }
            answer => answer.unwrap_or_else(forward_answer::Outcome::Refused),
        };
        let answer = ForwardAnswer { outcome: Some(outcome) };
        if let Origin::Own(_) = origin {
            turn.tell(News::JoinAnswered { ticket, answer });
        } else {
            turn.out.push(Output::ForwardReply { ticket, answer });
        }
    }

    /// An answer as a client of this node gets it.
    fn reply(
        &mut self,
        sight: &Sight<'_>,
        answer: Result<forward_answer::Outcome, Refusal>,
    ) -> ClientReply {
        match answer {
            Ok(forward_answer::Outcome::Kv(response)) => {
                ClientReply::Kv(put_header(response, self.header(sight)))
            }
            Ok(forward_answer::Outcome::Waited(waited)) => ClientReply::Epoch(waited.epoch),
            Ok(forward_answer::Outcome::Acted(acted)) => ClientReply::Acted(acted),
            Ok(forward_answer::Outcome::Recovering(answer)) => ClientReply::Recovering(answer),
            Ok(_) => {
                let text = "the leader gave an answer of another kind".to_owned();
                ClientReply::Refused(Refusal { code: RefusalCode::Other.into(), detail: 0, text })
            }
            Err(refusal) => ClientReply::Refused(refusal),
        }
    }
}

fn why_nothing_happened(sight: &Sight<'_>, quorate: bool) -> String {
    match sight.leadership.leader() {
        Some(leader) if quorate => {
            let name = sight.health.name(leader.instance);
            format!("{name} leads but did not answer before the deadline")
        }
        _ if sight.cluster_id.is_none() => {
            "there is no cluster yet; `quorate why` on this host says what it waits for".to_owned()
        }
        _ => {
            "no leader with a majority was known before the deadline; run `quorate why`".to_owned()
        }
    }
}
