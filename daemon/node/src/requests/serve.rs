//! Requests at the leader: proposals in one batch a turn, reads behind one confirmed index, waits for epochs.
//!
//! A read is served from the own state once a majority has confirmed the leadership after the read came in
//! (ReadIndex); reads of one turn share one round. raft may drop a read round silently, so it is repeated.

use crate::answers::kv_refusal;
use crate::event::Output;
use crate::groups::Group;
use crate::news::News;
use crate::requests::first_answers::{is_clients, outcome_of};
use crate::requests::outcomes::outcome_of_result;
use crate::requests::renewals::confirmed;
use crate::requests::{RETRY, Request, Requests, Stage, Ways, Work};
use crate::sight::Sight;
use crate::timers::Timer;
use crate::turn::Turn;
use bytes::Bytes;
use quorate_consensus::ProposeError;
use quorate_meta::AppliedResult;
use quorate_proto::{
    Command, CommandBody, KvRequest, NamedWrite, RefusalCode, ResponseHeader, forward_answer,
};
use std::time::Duration;

/// After this long a read round that raft may have dropped is started again.
const READ_REPEAT: Duration = Duration::from_millis(150);

impl Requests {
    /// This node leads: takes a request in hand.
    pub(super) fn serve(&mut self, ways: &Ways<'_>, turn: &mut Turn, id: u64) {
        let Some(request) = self.table.get(&id) else { return };
        match &request.work {
            Work::Write(kv) => {
                let kv = kv.clone();
                self.serve_write(&ways.sight, turn, id, kv);
            }
            Work::Read(_) => {
                self.set_stage(id, Stage::Serving);
                self.serving.fresh_reads.push(id);
            }
            Work::WaitAll(epoch) => {
                let epoch = *epoch;
                self.set_stage(id, Stage::Serving);
                if ways.acknowledged_by_all() >= epoch {
                    self.finish_wait(ways, turn, id);
                } else {
                    self.serving.waits.push(id);
                }
            }
            Work::Admit(admit) => {
                turn.tell(News::JoinerWaits { request: id, admit: admit.clone() });
            }
            Work::Act(act) => turn.tell(News::ActAsked { request: id, act: act.clone() }),
            Work::Renew(ask, _) => {
                let ask = ask.clone();
                self.serve_renewal(turn, id, ask);
            }
            Work::WaitHere(_) => {}
        }
    }

    fn serve_write(&mut self, sight: &Sight<'_>, turn: &mut Turn, id: u64, kv: KvRequest) {
        let Some(request) = self.table.get(&id) else { return };
        // What may have been done is not refused as if it had not: the state has the first answer, or finds it behind the log.
        let (repeated, mut name) = (request.again || request.lost, self.name_of(request));
        let named = name.is_some();
        name = name.filter(|_| sight.level() >= Some(NamedWrite::LEVEL));
        let first = name.as_ref().filter(|name| repeated || is_clients(name));
        let first = first.and_then(|name| sight.group?.meta().first_answer(name));
        if let Some(first) = first {
            turn.counters.first_answers += 1;
            return self.finish_with(sight, turn, id, outcome_of(first));
        }
        let check = if repeated { Ok(()) } else { self.quota.check(sight, &kv) };
        if let Err(error) = check {
            let outcome = forward_answer::Outcome::Refused(kv_refusal(error));
            self.finish_with(sight, turn, id, outcome);
        } else if sight.disk.is_full() && repeated {
            self.fate_unknown(sight, turn, id);
        } else if sight.disk.is_full() {
            let text = format!(
                "the disk of {}, which leads, is full; nothing was changed. Free space in its data directory",
                sight.config.name
            );
            self.refuse(sight, turn, id, RefusalCode::NoSpace, &text);
        } else if named && name.is_none() && !self.is_settled(sight.own_term()) {
            // What the leader before this one left in the log may raise the level: then the name counts.
            turn.timers.arm_if_idle(Timer::Retry, turn.now + RETRY);
            self.set_stage(id, Stage::Waiting { tried: None });
        } else {
            let clock_ms = self.serving.clock.read(sight);
            let body = match name {
                Some(name) => CommandBody::Write(NamedWrite { name, clock_ms, request: kv }),
                None => CommandBody::Kv(kv),
            };
            self.propose_for(id, body);
        }
    }

    /// Queues a command on behalf of a request.
    pub(crate) fn propose_for(&mut self, id: u64, body: CommandBody) {
        let ticket = self.new_ticket();
        self.serving.proposed.insert(ticket, id);
        if matches!(body, CommandBody::Remove(_) | CommandBody::Revoke(_)) {
            self.serving.removal = Some(ticket);
        }
        self.set_stage(id, Stage::Serving);
        self.enqueue_proposal(ticket, body);
    }

    /// Whether a removal is proposed and not applied: until then the view shows the host that it takes out.
    pub(crate) fn is_removing(&self) -> bool {
        self.serving.removal.is_some_and(|ticket| self.serving.proposed.contains_key(&ticket))
    }

    /// Whether what leaders before this term left in the log is applied.
    pub(crate) fn is_settled(&self, term: u64) -> bool {
        self.serving.settled >= term
    }

    /// Queues a command for this turn's batch.
    pub(crate) fn enqueue_proposal(&mut self, ticket: u64, body: CommandBody) {
        self.note_level(ticket, &body);
        self.serving.batch.push((ticket, Command::to_entry(ticket, body)));
    }

    /// Hands this turn's commands to raft as one proposal, and this turn's reads as one round.
    pub(crate) fn flush(&mut self, turn: &mut Turn, group: &mut Group) {
        let serving = &mut self.serving;
        if !serving.batch.is_empty() {
            let mut batch = std::mem::take(&mut serving.batch);
            // Whoever was told that nothing happened, or is gone, finds nothing done.
            batch.retain(|(ticket, _)| {
                let id = serving.proposed.get(ticket);
                let wanted = id.is_none_or(|id| self.table.contains_key(id));
                if !wanted {
                    serving.proposed.remove(ticket);
                }
                wanted
            });
            turn.counters.proposals += batch.len() as u64;
            let entries = batch.iter().map(|(_, data)| data.clone()).collect();
            match group.propose(entries) {
                Ok(()) => {
                    let mut clients = false;
                    let term = group.replica().term();
                    for (ticket, _) in batch {
                        let id = serving.proposed.get(&ticket).copied();
                        if let Some(request) = id.and_then(|id| self.table.get_mut(&id)) {
                            request.stage = Stage::Proposed { term };
                            request.asked.get_or_insert(turn.now);
                            clients |= matches!(request.work, Work::Write(_));
                        }
                    }
                    if clients {
                        group.clients_write(turn.now);
                    }
                }
                Err(error) => self.batch_refused(turn, batch, &error),
            }
        }
        self.start_read_round(turn, group);
    }

    /// Nothing of the batch was proposed: its requests wait for the next leader, or for room.
    fn batch_refused(&mut self, turn: &mut Turn, batch: Vec<(u64, Bytes)>, error: &ProposeError) {
        tracing::debug!(%error, entries = batch.len(), "proposal refused");
        self.serving.raise = None;
        for (ticket, _) in batch {
            match self.serving.proposed.remove(&ticket) {
                Some(id) => self.set_stage(id, Stage::Waiting { tried: None }),
                None => turn.tell(News::NotProposed { ticket }),
            }
        }
        turn.timers.arm_if_idle(Timer::Retry, turn.now + RETRY);
    }

    fn start_read_round(&mut self, turn: &mut Turn, group: &mut Group) {
        if self.serving.fresh_reads.is_empty() || !group.replica().leads_safely() {
            return;
        }
        let reads = std::mem::take(&mut self.serving.fresh_reads);
        let ticket = self.new_ticket();
        if group.read_index(ticket).is_ok() {
            self.serving.rounds.insert(ticket, reads);
            turn.timers.arm_if_idle(Timer::Reads, turn.now + READ_REPEAT);
        } else {
            self.serving.fresh_reads = reads;
        }
    }

    /// Rounds that were not confirmed in time are started again under a new ticket.
    pub(crate) fn repeat_reads(&mut self) {
        let lost = std::mem::take(&mut self.serving.rounds).into_values().flatten();
        self.serving.fresh_reads.extend(lost);
    }

    /// raft confirmed the leadership for a round.
    pub(crate) fn read_ready(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        ticket: u64,
        index: u64,
    ) {
        if let Some(reads) = self.serving.rounds.remove(&ticket) {
            self.serving.confirmed.push((index, reads));
            self.serve_ready_reads(sight, turn);
        }
        if self.serving.rounds.is_empty() {
            turn.timers.disarm(Timer::Reads);
        }
    }

    /// Serves every confirmed read whose index is applied.
    pub(crate) fn serve_ready_reads(&mut self, sight: &Sight<'_>, turn: &mut Turn) {
        let applied = sight.group.map_or(0, |group| group.meta().applied());
        let confirmed = std::mem::take(&mut self.serving.confirmed);
        for (index, reads) in confirmed {
            if index > applied {
                self.serving.confirmed.push((index, reads));
                continue;
            }
            for id in reads {
                self.serve_read(sight, turn, id);
            }
        }
    }

    fn serve_read(&mut self, sight: &Sight<'_>, turn: &mut Turn, id: u64) {
        let Some(request) = self.table.get(&id) else { return };
        if let Some(news) = confirmed(id, &request.work) {
            return turn.tell(news);
        }
        let Work::Read(kv) = &request.work else { return };
        let Some(group) = sight.group else { return };
        if group.meta().reads_many(kv) {
            let (origin, kv, deadline) = (request.origin, kv.clone(), request.deadline);
            self.remove(id);
            let read = self.large_read(sight, origin, kv, deadline);
            turn.out.extend(read.map(Output::Read));
            return;
        }
        let outcome = match group.meta().read(kv) {
            Ok(response) => forward_answer::Outcome::Kv(response),
            Err(error) => forward_answer::Outcome::Refused(kv_refusal(error)),
        };
        self.finish_with(sight, turn, id, outcome);
    }

    /// A command was applied here; whoever waits for it is answered.
    pub(crate) fn proposal_applied(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        ticket: u64,
        result: AppliedResult,
    ) {
        let Some(id) = self.serving.proposed.remove(&ticket) else { return };
        if matches!(result, AppliedResult::Before(_)) {
            turn.counters.first_answers += 1;
        }
        if let Some(outcome) = outcome_of_result(sight, result) {
            self.finish_with(sight, turn, id, outcome);
        }
    }

    /// An entry of a newer term was applied: proposals of older terms that were not applied by now never will
    /// be, so their requests may be asked again.
    pub(crate) fn proposals_lost_before(&mut self, term: u64) {
        self.serving.settled = term;
        let table = &self.table;
        self.serving.proposed.retain(|_, id| table.contains_key(id));
        let lost: Vec<(u64, u64)> = self
            .serving
            .proposed
            .iter()
            .filter(|(_, id)| {
                table.get(id).is_some_and(
                    |request| matches!(request.stage, Stage::Proposed { term: proposed } if proposed < term),
                )
            })
            .map(|(ticket, id)| (*ticket, *id))
            .collect();
        for (ticket, id) in lost {
            self.serving.proposed.remove(&ticket);
            self.set_stage(id, Stage::Waiting { tried: None });
        }
        self.due = true;
    }

    /// The state jumped over entries by a snapshot: whether older proposals are in it, their names tell. What has none, and is no act that may be asked again, is of unknown fate.
    pub(crate) fn proposals_jumped(&mut self, sight: &Sight<'_>, turn: &mut Turn) {
        let proposed = std::mem::take(&mut self.serving.proposed);
        for (ticket, id) in proposed {
            let stage = self.table.get(&id).map(|request| request.stage);
            if !matches!(stage, Some(Stage::Proposed { .. })) {
                self.serving.proposed.insert(ticket, id);
            } else if self.table.get(&id).is_some_and(Request::may_be_asked_again) {
                self.lose(id, None);
                self.due = true;
            } else {
                self.fate_unknown(sight, turn, id);
            }
        }
    }

    /// This node does not lead: what was not proposed goes back to waiting. `askers`: somebody waited to be let in. Said in every turn: who
    /// leads may have been heard from a ping before the own replica was deposed.
    pub(crate) fn stop_serving(&mut self, askers: bool) {
        self.serving.raise = None;
        if !(askers | self.serving.holds_requests()) {
            return;
        }
        let serving = &mut self.serving;
        serving.fresh_reads.clear();
        serving.rounds.clear();
        serving.confirmed.clear();
        serving.waits.clear();
        serving.demanding.clear();
        let batch = std::mem::take(&mut serving.batch);
        for (ticket, _) in batch {
            serving.proposed.remove(&ticket);
        }
        for request in self.table.values_mut() {
            if request.stage == Stage::Serving {
                request.stage = Stage::Waiting { tried: None };
            }
        }
        self.due = true;
    }

    /// An acknowledgement came in: waits for epochs may be over.
    pub(crate) fn epoch_acknowledged(&mut self, ways: &Ways<'_>, turn: &mut Turn) {
        if self.serving.waits.is_empty() {
            return;
        }
        let all = ways.acknowledged_by_all();
        let waits = std::mem::take(&mut self.serving.waits);
        for id in waits {
            match self.table.get(&id).map(|request| &request.work) {
                Some(Work::WaitAll(epoch)) if *epoch <= all => self.finish_wait(ways, turn, id),
                Some(_) => self.serving.waits.push(id),
                None => {}
            }
        }
    }

    /// This node has seen a new epoch.
    pub(crate) fn epoch_reached(&mut self, ways: &Ways<'_>, turn: &mut Turn) {
        let here = ways.sight.health.view().epoch;
        let reached: Vec<u64> = self
            .table
            .iter()
            .filter(|(_, request)| matches!(request.work, Work::WaitHere(epoch) if epoch <= here))
            .map(|(id, _)| *id)
            .collect();
        for id in reached {
            self.finish_wait(ways, turn, id);
        }
        self.epoch_acknowledged(ways, turn);
    }

    /// What the answering node knows of itself, for the header of an answer.
    pub(super) fn header(&mut self, sight: &Sight<'_>) -> ResponseHeader {
        let cluster_id = sight.cluster_id.unwrap_or_default();
        let cluster =
            u64::from_be_bytes(cluster_id.to_bytes()[..8].try_into().expect("8 of 16 bytes"));
        ResponseHeader {
            cluster_id: cluster.max(1),
            member_id: self.own_id(cluster_id, sight.config.instance).get(),
            revision: 0,
            raft_term: sight.leadership.leader().map_or(0, |leader| leader.term),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::Origin;
    use crate::trial::{life, put_request};
    use quorate_proto::Moment;

    /// Takes writes in, each from a client of its own; their numbers.
    fn writes<const N: usize>(requests: &mut Requests) -> [u64; N] {
        std::array::from_fn(|client| {
            let (origin, work) = (Origin::Client(client as u64), Work::Write(put_request("a")));
            requests.add(Request::new(origin, work, Moment::from_micros(9)))
        })
    }

    fn propose(requests: &mut Requests, id: u64, term: u64) {
        requests.propose_for(id, CommandBody::Kv(put_request("a")));
        requests.set_stage(id, Stage::Proposed { term });
    }

    fn stage(requests: &Requests, id: u64) -> Stage {
        requests.table[&id].stage
    }

    #[test]
    fn an_entry_of_a_newer_term_frees_what_was_proposed_in_older_ones_and_nothing_else() {
        let mut requests = Requests::new(life(1), 1);
        let [older, newer] = writes(&mut requests);
        propose(&mut requests, older, 4);
        propose(&mut requests, newer, 5);
        requests.proposals_lost_before(5);
        assert_eq!(stage(&requests, older), Stage::Waiting { tried: None });
        assert_eq!(stage(&requests, newer), Stage::Proposed { term: 5 });
        assert!(requests.is_due(), "it is asked again");
    }

    #[test]
    fn a_deposed_leader_lets_go_of_what_it_has_not_proposed_and_of_nothing_else() {
        let mut requests = Requests::new(life(1), 1);
        let [proposed, queued, asked] = writes(&mut requests);
        propose(&mut requests, proposed, 5);
        requests.serving.batch.clear();
        let stays = Stage::Forwarded { to: life(2), leader: life(2), ask: 7 };
        requests.set_stage(asked, stays);
        requests.stop_serving(false);
        assert!(!requests.is_due(), "nothing is in hand");
        requests.propose_for(queued, CommandBody::Kv(put_request("a")));
        requests.stop_serving(false);
        assert!(requests.is_due());
        assert_eq!(stage(&requests, proposed), Stage::Proposed { term: 5 });
        assert_eq!(stage(&requests, queued), Stage::Waiting { tried: None });
        assert_eq!(stage(&requests, asked), stays);
    }
}
