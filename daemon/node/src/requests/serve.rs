//! Requests at the leader: proposals in one batch a turn, reads behind one confirmed index, waits for epochs.
//!
//! A read is served from the own state once a majority has confirmed the leadership after the read came in
//! (ReadIndex); reads of one turn share one round. raft may drop a read round silently, so it is repeated.

use crate::event::Output;
use crate::node::Node;
use crate::requests::forwarding::RETRY;
use crate::requests::{Stage, Work};
use crate::timers::Timer;
use bytes::Bytes;
use quorate_consensus::ProposeError;
use quorate_meta::{AdmitRefusal, AppliedResult};
use quorate_proto::{
    Command, CommandBody, KvError, KvResponse, Refusal, RefusalCode, ResponseHeader,
    forward_answer, kv_response,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// After this long a read round that raft may have dropped is started again.
const READ_REPEAT: Duration = Duration::from_millis(150);

/// What the leader has in hand.
#[derive(Debug, Default)]
pub(crate) struct Serving {
    /// Encoded commands for the next proposal, with their tickets.
    batch: Vec<(u64, Bytes)>,
    /// Ticket of a proposed command -> request.
    proposed: BTreeMap<u64, u64>,
    /// Requests that wait for the next read round.
    fresh_reads: Vec<u64>,
    /// Read rounds under way: ticket -> requests.
    rounds: BTreeMap<u64, Vec<u64>>,
    /// Confirmed reads that wait for the state to reach the index.
    confirmed: Vec<(u64, Vec<u64>)>,
    /// Requests that wait for an epoch.
    waits: Vec<u64>,
}

impl Serving {
    /// Whether a request waits here for something that only a leader can do. Proposed ones are settled by the log.
    fn holds_requests(&self) -> bool {
        let reads = self.fresh_reads.len() + self.rounds.len() + self.confirmed.len();
        reads + self.batch.len() + self.waits.len() > 0
    }
}

/// A keyspace error as it travels.
pub(crate) fn kv_refusal(error: KvError) -> Refusal {
    Refusal {
        code: RefusalCode::Kv.into(),
        detail: u32::try_from(i32::from(error)).unwrap_or(0),
        text: error.text().to_owned(),
    }
}

impl Node {
    /// This node leads: takes a request in hand.
    pub(crate) fn serve(&mut self, id: u64) {
        let Some(request) = self.requests.table.get(&id) else { return };
        match request.work.clone() {
            Work::Write(kv) => {
                if let Err(error) = self.check_write(&kv) {
                    self.finish_with(id, forward_answer::Outcome::Refused(kv_refusal(error)));
                } else if self.disk.is_full() {
                    let text = format!(
                        "the disk of {}, which leads, is full; nothing was changed. Free space in its data directory",
                        self.config.name
                    );
                    self.refuse(id, RefusalCode::NoSpace, &text);
                } else {
                    self.propose_for(id, CommandBody::Kv(kv));
                }
            }
            Work::Read(_) => {
                self.requests.set_stage(id, Stage::Here);
                self.requests.serving.fresh_reads.push(id);
            }
            Work::WaitAll(epoch) => {
                self.requests.set_stage(id, Stage::Here);
                if self.acknowledged_by_all() >= epoch {
                    self.finish_wait(id);
                } else {
                    self.requests.serving.waits.push(id);
                }
            }
            Work::Admit(admit) => self.look_at_asker(id, *admit),
            Work::WaitHere(_) => {}
        }
    }

    /// Queues a command on behalf of a request.
    pub(crate) fn propose_for(&mut self, id: u64, body: CommandBody) {
        let ticket = self.requests.new_ticket();
        self.requests.serving.proposed.insert(ticket, id);
        self.requests.set_stage(id, Stage::Here);
        self.enqueue_proposal(ticket, body);
    }

    /// Queues a command for this turn's batch.
    pub(crate) fn enqueue_proposal(&mut self, ticket: u64, body: CommandBody) {
        self.requests.serving.batch.push((ticket, Command::to_entry(ticket, body)));
    }

    /// Hands this turn's commands to raft as one proposal, and this turn's reads as one round.
    pub(crate) fn flush_proposals(&mut self) {
        let Some(group) = &mut self.group else { return };
        let serving = &mut self.requests.serving;
        if !serving.batch.is_empty() {
            let mut batch = std::mem::take(&mut serving.batch);
            // Whoever was told that nothing happened, or is gone, finds nothing done.
            batch.retain(|(ticket, _)| {
                let id = serving.proposed.get(ticket);
                let wanted = id.is_none_or(|id| self.requests.table.contains_key(id));
                if !wanted {
                    serving.proposed.remove(ticket);
                }
                wanted
            });
            self.turn.counters.proposals += batch.len() as u64;
            let entries = batch.iter().map(|(_, data)| data.clone()).collect();
            match group.propose(entries) {
                Ok(()) => {
                    let term = group.replica().term();
                    for (ticket, _) in batch {
                        let id = serving.proposed.get(&ticket).copied();
                        if let Some(request) = id.and_then(|id| self.requests.table.get_mut(&id)) {
                            request.stage = Stage::Proposed { term };
                        }
                    }
                }
                Err(error) => self.batch_refused(batch, &error),
            }
        }
        self.start_read_round();
    }

    /// Nothing of the batch was proposed: its requests wait for the next leader, or for room.
    fn batch_refused(&mut self, batch: Vec<(u64, Bytes)>, error: &ProposeError) {
        tracing::debug!(%error, entries = batch.len(), "proposal refused");
        for (ticket, _) in batch {
            let _ = self.duties.settled(ticket);
            if let Some(id) = self.requests.serving.proposed.remove(&ticket) {
                self.requests.set_stage(id, Stage::Waiting { tried: None });
            }
        }
        self.turn.timers.arm_if_idle(Timer::Retry, self.turn.now + RETRY);
    }

    fn start_read_round(&mut self) {
        let Some(group) = &mut self.group else { return };
        let serving = &mut self.requests.serving;
        if serving.fresh_reads.is_empty() || !group.replica().leads_safely() {
            return;
        }
        let reads = std::mem::take(&mut serving.fresh_reads);
        let ticket = self.requests.new_ticket();
        if group.read_index(ticket).is_ok() {
            self.requests.serving.rounds.insert(ticket, reads);
            self.turn.timers.arm_if_idle(Timer::Reads, self.turn.now + READ_REPEAT);
        } else {
            self.requests.serving.fresh_reads = reads;
        }
    }

    /// Rounds that were not confirmed in time are started again under a new ticket.
    pub(crate) fn repeat_reads(&mut self) {
        let lost: Vec<u64> =
            std::mem::take(&mut self.requests.serving.rounds).into_values().flatten().collect();
        self.requests.serving.fresh_reads.extend(lost);
    }

    /// raft confirmed the leadership for a round.
    pub(crate) fn read_ready(&mut self, ticket: u64, index: u64) {
        if let Some(reads) = self.requests.serving.rounds.remove(&ticket) {
            self.requests.serving.confirmed.push((index, reads));
            self.serve_ready_reads();
        }
        if self.requests.serving.rounds.is_empty() {
            self.turn.timers.disarm(Timer::Reads);
        }
    }

    /// Serves every confirmed read whose index is applied.
    pub(crate) fn serve_ready_reads(&mut self) {
        let applied = self.group.as_ref().map_or(0, |group| group.meta().applied());
        let confirmed = std::mem::take(&mut self.requests.serving.confirmed);
        for (index, reads) in confirmed {
            if index > applied {
                self.requests.serving.confirmed.push((index, reads));
                continue;
            }
            for id in reads {
                self.serve_read(id);
            }
        }
    }

    fn serve_read(&mut self, id: u64) {
        let Some(request) = self.requests.table.get(&id) else { return };
        let Work::Read(kv) = &request.work else { return };
        let Some(group) = &self.group else { return };
        if group.meta().reads_many(kv) {
            let (origin, kv, deadline) = (request.origin, kv.clone(), request.deadline);
            self.requests.remove(id);
            let read = self.large_read(origin, kv, deadline);
            self.turn.out.extend(read.map(Output::Read));
            return;
        }
        let outcome = match group.meta().read(kv) {
            Ok(response) => forward_answer::Outcome::Kv(response),
            Err(error) => forward_answer::Outcome::Refused(kv_refusal(error)),
        };
        self.finish_with(id, outcome);
    }

    /// A command was applied here; whoever waits for it is answered.
    pub(crate) fn proposal_applied(&mut self, ticket: u64, result: AppliedResult) {
        self.turn.duties_due |= self.duties.settled(ticket);
        let Some(id) = self.requests.serving.proposed.remove(&ticket) else { return };
        let outcome = match result {
            AppliedResult::Kv(Ok(response)) => forward_answer::Outcome::Kv(response),
            AppliedResult::Kv(Err(error)) => forward_answer::Outcome::Refused(kv_refusal(error)),
            AppliedResult::Admitted(Ok(epoch)) => {
                forward_answer::Outcome::Admitted(self.admitted(epoch))
            }
            AppliedResult::Admitted(Err(refusal)) => {
                forward_answer::Outcome::Refused(admit_refusal(&refusal))
            }
            AppliedResult::Health { .. } | AppliedResult::Void => return,
        };
        self.finish_with(id, outcome);
    }

    /// An entry of a newer term was applied: proposals of older terms that were not applied by now never will
    /// be, so their requests may be asked again.
    pub(crate) fn proposals_lost_before(&mut self, term: u64) {
        let table = &self.requests.table;
        self.requests.serving.proposed.retain(|_, id| table.contains_key(id));
        let lost: Vec<(u64, u64)> = self
            .requests
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
            self.requests.serving.proposed.remove(&ticket);
            self.requests.set_stage(id, Stage::Waiting { tried: None });
        }
        self.requests.due = true;
    }

    /// The state jumped over entries by a snapshot: whether older proposals are in it cannot be told, so asking
    /// again could do them twice.
    pub(crate) fn proposals_jumped(&mut self) {
        let proposed = std::mem::take(&mut self.requests.serving.proposed);
        for (ticket, id) in proposed {
            let stage = self.requests.table.get(&id).map(|request| request.stage);
            if matches!(stage, Some(Stage::Proposed { .. })) {
                self.fate_unknown(id);
            } else {
                self.requests.serving.proposed.insert(ticket, id);
            }
        }
    }

    /// Once this node no longer leads, what was not proposed goes back to waiting. Looked at in every turn: who leads
    /// may have been heard from a ping before the own replica was deposed.
    pub(crate) fn stop_serving_if_deposed(&mut self) {
        if self.sight().leads() {
            return;
        }
        if !(self.forget_askers() | self.requests.serving.holds_requests()) {
            return;
        }
        let serving = &mut self.requests.serving;
        serving.fresh_reads.clear();
        serving.rounds.clear();
        serving.confirmed.clear();
        serving.waits.clear();
        let batch = std::mem::take(&mut serving.batch);
        for (ticket, _) in batch {
            serving.proposed.remove(&ticket);
        }
        for request in self.requests.table.values_mut() {
            if request.stage == Stage::Here {
                request.stage = Stage::Waiting { tried: None };
            }
        }
        self.requests.due = true;
    }

    /// An acknowledgement came in: waits for epochs may be over.
    pub(crate) fn epoch_acknowledged(&mut self) {
        if self.requests.serving.waits.is_empty() {
            return;
        }
        let all = self.acknowledged_by_all();
        let waits = std::mem::take(&mut self.requests.serving.waits);
        for id in waits {
            match self.requests.table.get(&id).map(|request| &request.work) {
                Some(Work::WaitAll(epoch)) if *epoch <= all => self.finish_wait(id),
                Some(_) => self.requests.serving.waits.push(id),
                None => {}
            }
        }
    }

    /// This node has seen a new epoch.
    pub(crate) fn epoch_reached(&mut self) {
        let here = self.health.view().epoch;
        let reached: Vec<u64> = self
            .requests
            .table
            .iter()
            .filter(|(_, request)| matches!(request.work, Work::WaitHere(epoch) if epoch <= here))
            .map(|(id, _)| *id)
            .collect();
        for id in reached {
            self.finish_wait(id);
        }
        self.epoch_acknowledged();
    }

    /// What the answering node knows of itself, for the header of an answer.
    pub(crate) fn header(&mut self) -> ResponseHeader {
        let genesis = self.genesis.unwrap_or_default();
        let cluster =
            u64::from_be_bytes(genesis.to_bytes()[..8].try_into().expect("8 of 16 bytes"));
        ResponseHeader {
            cluster_id: cluster.max(1),
            member_id: self.peers.raft_id(genesis, self.config.instance).get(),
            revision: 0,
            raft_term: self.leadership.leader().map_or(0, |leader| leader.term),
        }
    }
}

/// Completes the header of an answer, whose revision stays.
pub(crate) fn put_header(mut response: KvResponse, of: ResponseHeader) -> KvResponse {
    let header = match &mut response.response {
        Some(kv_response::Response::Range(range)) => &mut range.header,
        Some(kv_response::Response::Put(put)) => &mut put.header,
        Some(kv_response::Response::DeleteRange(delete)) => &mut delete.header,
        Some(kv_response::Response::Txn(txn)) => &mut txn.header,
        Some(kv_response::Response::Compact(compact)) => &mut compact.header,
        None => return response,
    };
    let revision = header.map_or(0, |header| header.revision);
    *header = Some(ResponseHeader { revision, ..of });
    response
}

fn admit_refusal(refusal: &AdmitRefusal) -> Refusal {
    let code = match refusal {
        AdmitRefusal::NameTaken { .. } => RefusalCode::NameTaken,
        AdmitRefusal::Superseded { .. } => RefusalCode::Superseded,
        _ => RefusalCode::Other,
    };
    Refusal { code: code.into(), detail: 0, text: refusal.to_string() }
}
