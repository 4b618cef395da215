//! Clients that fight for a few keys, by every kind of call, while things break; and whether what they were told can be true.
//!
//! Each value is written by one call. A key is left for the next one when its history is as long as a search can
//! judge. Knows nothing of what breaks.

use crate::history::{Call, MOST_CALLS, Told, Value, Verdict, judge};
use crate::workload::{delete, get, put, swap};
use crate::world::World;
use quorate_node::ClientReply;
use quorate_proto::{KvResponse, Moment, RefusalCode, kv_response};
use std::collections::BTreeMap;
use std::time::Duration;

/// Clients wait so long for an answer.
const PATIENCE: Duration = Duration::from_secs(4);
/// Keys that are fought for at a time.
const KEYS: u64 = 2;
/// Calls on one key, without the last read.
const CALLS: usize = MOST_CALLS - 1;

/// A call that has no answer yet.
#[derive(Debug)]
struct Open {
    key: u64,
    told: Told,
    called: Moment,
}

/// The clients, and what they were told.
#[derive(Debug, Default)]
pub struct Contention {
    /// Calls that are over, by key.
    calls: BTreeMap<u64, Vec<Call>>,
    open: BTreeMap<u64, Open>,
    /// Calls made on each key.
    made: BTreeMap<u64, usize>,
    /// What each key held by the newest answer.
    seen: BTreeMap<u64, Value>,
    values: u64,
    /// Writes that took a revision.
    written: i64,
    /// Writes of which nobody knows whether they did.
    unknown: i64,
}

fn name(key: u64) -> String {
    format!("h{key:03}")
}

fn parse(value: &[u8]) -> Value {
    std::str::from_utf8(value).ok()?.parse().ok()
}

impl Contention {
    /// A client at a host makes a call.
    pub fn call(&mut self, world: &mut World, host: usize) {
        let full = self.made.values().filter(|made| **made >= CALLS).count() as u64;
        let key = full + world.random.below(KEYS);
        if self.made.get(&key).is_some_and(|made| *made >= CALLS) {
            return;
        }
        self.values += 1;
        let value = self.values;
        let from = self.seen.get(&key).copied().flatten();
        let (request, told) = match world.random.below(8) {
            0 | 1 => (put(&name(key), &value.to_string()), Told::Put(value)),
            2 => (delete(&name(key)), Told::Deleted(None)),
            3..=5 => {
                let before = from.map(|from| from.to_string());
                let told = Told::Swapped { from, to: value, done: None };
                (swap(&name(key), before.as_deref(), &value.to_string()), told)
            }
            _ => (get(&name(key)), Told::Read(None)),
        };
        self.ask(world, host, key, request, told);
    }

    fn ask(
        &mut self,
        world: &mut World,
        host: usize,
        key: u64,
        request: quorate_node::ClientRequest,
        told: Told,
    ) {
        let called = world.now;
        if let Some(ticket) = world.ask(host, request, PATIENCE) {
            *self.made.entry(key).or_default() += 1;
            self.open.insert(ticket, Open { key, told, called });
        }
    }

    /// Takes the replies that are there.
    pub fn collect(&mut self, world: &mut World) {
        let tickets: Vec<u64> = self.open.keys().copied().collect();
        for ticket in tickets {
            let Some((at, reply)) = world.take_timed_reply(ticket) else { continue };
            let Some(open) = self.open.remove(&ticket) else { continue };
            match reply {
                ClientReply::Kv(KvResponse { response: Some(response) }) => {
                    self.answered(open, at, &response);
                }
                ClientReply::Refused(refusal) if refusal.code() == RefusalCode::FateUnknown => {
                    self.lost(open);
                }
                // Nothing was done: its value must never be read.
                _ => {}
            }
        }
    }

    fn answered(&mut self, open: Open, at: Moment, response: &kv_response::Response) {
        let (told, after, wrote) = match (open.told, response) {
            (Told::Put(value), kv_response::Response::Put(_)) => {
                (Told::Put(value), Some(value), true)
            }
            (Told::Deleted(_), kv_response::Response::DeleteRange(delete)) => {
                let deleted = delete.deleted > 0;
                (Told::Deleted(Some(deleted)), None, deleted)
            }
            (Told::Swapped { from, to, .. }, kv_response::Response::Txn(txn)) => {
                let done = Some(txn.succeeded);
                // After a failure the next swap is from what a read shows.
                let after = if txn.succeeded { Some(to) } else { None };
                (Told::Swapped { from, to, done }, after, txn.succeeded)
            }
            (Told::Read(_), kv_response::Response::Range(range)) => {
                let value = range.kvs.first().and_then(|kv| parse(&kv.value));
                (Told::Read(value), value, false)
            }
            (told, response) => panic!("{told:?} is answered with {response:?}"),
        };
        self.written += i64::from(wrote);
        self.seen.insert(open.key, after);
        let call = Call { told, called: open.called, returned: Some(at) };
        self.calls.entry(open.key).or_default().push(call);
    }

    /// Its answer is lost. A read without an answer says nothing.
    fn lost(&mut self, open: Open) {
        if !matches!(open.told, Told::Read(_)) {
            self.unknown += 1;
            let call = Call { told: open.told, called: open.called, returned: None };
            self.calls.entry(open.key).or_default().push(call);
        }
    }

    /// The last word: each key is read once more, and every history is judged. How many revisions all that took, at least
    /// and at most.
    pub fn verify(&mut self, world: &mut World, host: usize) -> [i64; 2] {
        self.collect(world);
        for open in std::mem::take(&mut self.open).into_values() {
            self.lost(open);
        }
        let keys: Vec<u64> = self.calls.keys().copied().collect();
        for key in &keys {
            self.ask(world, host, *key, get(&name(*key)), Told::Read(None));
        }
        world.run_until_true(PATIENCE + Duration::from_secs(1), |world| {
            self.collect(world);
            self.open.is_empty()
        });
        assert!(self.open.is_empty(), "a healed cluster answers reads");
        for (key, calls) in &self.calls {
            let verdict = judge(calls);
            assert_ne!(verdict, Verdict::Impossible, "linearizable: {} by {calls:#?}", name(*key));
        }
        [self.written, self.written + self.unknown]
    }
}
