//! Clients that fight for a few keys, by every kind of call, while things break; and whether what they were told can be true.
//!
//! Each value is written by one call. Half of the writes have an id: one of those whose answer was lost is asked again under it through
//! another host, until there is an answer, and has happened once for all that. Knows nothing of what breaks.

use crate::history::{Act, Answer, Before, Key, Operation, Value, key_name, value_number};
use crate::registers::judge;
use crate::workload::{delete, get, put, swap};
use crate::world::World;
use bytes::Bytes;
use quorate_node::{ClientReply, ClientRequest};
use quorate_proto::{KvResponse, Moment, RefusalCode, WriteName, kv_response};
use std::collections::BTreeMap;
use std::time::Duration;

/// Clients wait so long for an answer.
const PATIENCE: Duration = Duration::from_secs(4);
/// Nobody asks again under an id for longer.
const REMEMBERED: Duration = Duration::from_secs(240);
/// Keys that are fought for.
const KEYS: u64 = 3;

/// The clients, and what they were told.
#[derive(Debug, Default)]
pub struct Contention {
    /// Calls that are over.
    history: Vec<Operation>,
    /// Calls without an answer yet.
    open: BTreeMap<u64, Call>,
    /// Calls with an id whose answer was lost, and nobody was there to be asked again.
    lost: Vec<Call>,
    /// What each key held by the newest answer.
    seen: BTreeMap<Key, Option<Value>>,
    values: Value,
}

/// One call, and the id under which it is asked again; 0 = none.
#[derive(Debug, Clone, Copy)]
struct Call {
    operation: Operation,
    id: Value,
    /// An earlier ask of it may have been done.
    lost: bool,
}

impl Call {
    fn request(self) -> ClientRequest {
        match request(self.operation.key, self.operation.act) {
            ClientRequest::Kv(request) if self.id > 0 => {
                let id = Bytes::from(format!("call {}", self.id));
                ClientRequest::Named { name: WriteName::of_client(id, &request), request }
            }
            request => request,
        }
    }

    /// Whether it may be asked again: ids are remembered for five minutes.
    fn is_remembered(self, now: Duration) -> bool {
        self.id > 0 && now < self.operation.sent + REMEMBERED
    }
}

fn since_the_beginning(at: Moment) -> Duration {
    at.since(Moment::ZERO)
}

fn request(key: Key, act: Act) -> ClientRequest {
    let key = key_name(key);
    match act {
        Act::Put(value) => put(&key, &value.to_string()),
        Act::Get => get(&key),
        Act::Delete => delete(&key),
        Act::Swap { expected, new } => {
            let expected = expected.map(|value| value.to_string());
            swap(&key, expected.as_deref(), &new.to_string())
        }
    }
}

/// What an answer says, and what the key held then, as far as it says.
fn told(act: Act, response: &kv_response::Response) -> (Answer, Option<Value>) {
    let (header, changed, before, after) = match (act, response) {
        (Act::Put(value), kv_response::Response::Put(put)) => {
            (&put.header, true, Before::NotAsked, Some(value))
        }
        (Act::Delete, kv_response::Response::DeleteRange(delete)) => {
            (&delete.header, delete.deleted > 0, Before::NotAsked, None)
        }
        (Act::Swap { new, .. }, kv_response::Response::Txn(txn)) => {
            // After a failure the next swap is from what a read shows.
            (&txn.header, txn.succeeded, Before::NotAsked, txn.succeeded.then_some(new))
        }
        (Act::Get, kv_response::Response::Range(range)) => {
            let value = range.kvs.first().and_then(|kv| value_number(&kv.value));
            (&range.header, false, Before::Was(value), value)
        }
        (act, response) => panic!("{act:?} is answered with {response:?}"),
    };
    let revision = header.as_ref().map_or(0, |header| header.revision);
    let revision = u64::try_from(revision).expect("revisions begin with 1");
    (Answer::Done { revision, changed, before }, after)
}

impl Contention {
    /// A client at a host makes a call.
    pub fn call(&mut self, world: &mut World, host: usize) {
        let key = Key::try_from(world.random.below(KEYS)).unwrap_or(0);
        self.values += 1;
        let value = self.values;
        let expected = self.seen.get(&key).copied().flatten();
        let act = match world.random.below(8) {
            0 | 1 => Act::Put(value),
            2 => Act::Delete,
            3..=5 => Act::Swap { expected, new: value },
            _ => Act::Get,
        };
        self.ask(world, host, key, act);
    }

    fn ask(&mut self, world: &mut World, host: usize, key: Key, act: Act) {
        let sent = since_the_beginning(world.now);
        let answer = Answer::Unknown;
        let operation =
            Operation { client: host, node: host, key, act, sent, answered: sent, answer };
        let id = if act != Act::Get && self.values % 2 == 1 { self.values } else { 0 };
        let call = Call { operation, id, lost: false };
        if let Some(ticket) = world.ask(host, call.request(), PATIENCE) {
            self.open.insert(ticket, call);
        }
    }

    /// Takes the replies that are there.
    pub fn collect(&mut self, world: &mut World) {
        let tickets: Vec<u64> = self.open.keys().copied().collect();
        for ticket in tickets {
            let Some((at, reply)) = world.take_timed_reply(ticket) else { continue };
            let Some(mut call) = self.open.remove(&ticket) else { continue };
            let operation = &mut call.operation;
            operation.answered = since_the_beginning(at);
            operation.answer = match reply {
                ClientReply::Kv(KvResponse { response: Some(response) }) => {
                    let (answer, after) = told(operation.act, &response);
                    self.seen.insert(operation.key, after);
                    answer
                }
                ClientReply::Refused(refusal) if refusal.code() == RefusalCode::FateUnknown => {
                    Answer::Unknown
                }
                // Ids do not count there yet, for how long nobody knows: whether the lost ask was done stays open.
                ClientReply::Refused(refusal) if refusal.code() == RefusalCode::Level => {
                    call.id = 0;
                    if call.lost { Answer::Unknown } else { Answer::NotDone }
                }
                _ if call.lost => Answer::Unknown,
                _ => Answer::NotDone,
            };
            match operation.answer {
                Answer::Unknown if call.id > 0 => {
                    let host = world.random.below(world.hosts.len() as u64);
                    self.ask_again(world, usize::try_from(host).unwrap_or(0), call);
                }
                _ => self.history.push(call.operation),
            }
        }
    }

    /// The answer to a call is lost: it is asked for at this host, if it runs and the id is still known.
    fn ask_again(&mut self, world: &mut World, host: usize, call: Call) {
        let call = Call { lost: true, ..call };
        if !call.is_remembered(since_the_beginning(world.now)) {
            return self.history.push(call.operation);
        }
        match world.ask(host, call.request(), PATIENCE) {
            Some(ticket) => {
                self.open.insert(ticket, call);
            }
            None => self.lost.push(call),
        }
    }

    /// The last word: each key is read once more, and every history is judged. How many revisions all that took, at least
    /// and at most.
    pub fn verify(&mut self, world: &mut World, host: usize) -> [i64; 2] {
        self.collect(world);
        // Whose host was lost with the answer.
        let lost = std::mem::take(&mut self.open).into_values();
        for call in lost.chain(std::mem::take(&mut self.lost)).collect::<Vec<_>>() {
            self.ask_again(world, host, call);
        }
        for key in self.seen.keys().copied().collect::<Vec<_>>() {
            self.ask(world, host, key, Act::Get);
        }
        world.run_until_true(PATIENCE + Duration::from_secs(1), |world| {
            self.collect(world);
            self.open.is_empty()
        });
        assert!(self.open.is_empty(), "a healed cluster answers reads");
        let verdict = judge(&self.history);
        assert!(verdict.offences.is_empty(), "linearizable: {}", verdict.offences.join("\n"));
        assert!(verdict.undecided.is_empty(), "undecided: keys {:?}", verdict.undecided);
        let count = |of: fn(&&Operation) -> bool| {
            i64::try_from(self.history.iter().filter(of).count()).unwrap_or(i64::MAX)
        };
        let written = count(|operation| operation.made().is_some());
        let unknown =
            count(|operation| operation.answer == Answer::Unknown && operation.act != Act::Get);
        [written, written + unknown]
    }
}
