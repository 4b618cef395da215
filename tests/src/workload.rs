//! Clients that write and read while things break, and the check of what they were told.
//!
//! Every write has a key of its own, so an acknowledged one must be there at the end, whatever happened. A
//! linearizable read must show every write that was acknowledged before the read began.

use crate::world::World;
use quorate_node::{ClientReply, ClientRequest};
use quorate_proto::{KvRequest, KvResponse, PutRequest, RangeRequest, kv_request, kv_response};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A put.
#[must_use]
pub fn put(key: &str, value: &str) -> ClientRequest {
    let put = PutRequest {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        ..PutRequest::default()
    };
    ClientRequest::Kv(KvRequest { request: Some(kv_request::Request::Put(put)) })
}

/// A linearizable read of one key.
#[must_use]
pub fn get(key: &str) -> ClientRequest {
    let range = RangeRequest { key: key.to_owned().into(), ..RangeRequest::default() };
    ClientRequest::Kv(KvRequest { request: Some(kv_request::Request::Range(range)) })
}

/// A linearizable read of every key that begins with `w`, values included.
#[must_use]
pub fn range_all() -> ClientRequest {
    let range = RangeRequest { key: "w".into(), range_end: "x".into(), ..RangeRequest::default() };
    ClientRequest::Kv(KvRequest { request: Some(kv_request::Request::Range(range)) })
}

/// A linearizable read of every key that begins with `w`.
#[must_use]
pub fn read_all() -> ClientRequest {
    let range = RangeRequest {
        key: "w".into(),
        range_end: "x".into(),
        keys_only: true,
        ..RangeRequest::default()
    };
    ClientRequest::Kv(KvRequest { request: Some(kv_request::Request::Range(range)) })
}

/// Writers and readers.
#[derive(Debug, Default)]
pub struct Workload {
    next: u64,
    writing: BTreeMap<u64, String>,
    reading: BTreeMap<u64, BTreeSet<String>>,
    acknowledged: BTreeSet<String>,
    /// Keys that a finished read has shown: no later read may miss them.
    shown: BTreeSet<String>,
}

impl Workload {
    /// Writes acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// A client at a host writes a new key.
    pub fn write(&mut self, world: &mut World, host: usize) {
        self.next += 1;
        let key = format!("w{:06}", self.next);
        if let Some(ticket) = world.ask(host, put(&key, "v"), Duration::from_secs(4)) {
            self.writing.insert(ticket, key);
        }
    }

    /// A client at a host reads everything.
    pub fn read(&mut self, world: &mut World, host: usize) {
        if let Some(ticket) = world.ask(host, read_all(), Duration::from_secs(4)) {
            let owed = self.acknowledged.union(&self.shown).cloned().collect();
            self.reading.insert(ticket, owed);
        }
    }

    /// Takes the replies that are there.
    pub fn collect(&mut self, world: &mut World) {
        let writing: Vec<u64> = self.writing.keys().copied().collect();
        for ticket in writing {
            let Some(reply) = world.take_reply(ticket) else { continue };
            let key = self.writing.remove(&ticket);
            if let (ClientReply::Kv(_), Some(key)) = (reply, key) {
                self.acknowledged.insert(key);
            }
        }
        let reading: Vec<u64> = self.reading.keys().copied().collect();
        for ticket in reading {
            let Some(reply) = world.take_reply(ticket) else { continue };
            let Some(owed) = self.reading.remove(&ticket) else { continue };
            if let Some(found) = keys(&reply) {
                let missing: Vec<_> = owed.difference(&found).take(5).collect();
                assert!(
                    missing.is_empty(),
                    "linearizable reads: one misses {missing:?}, written or read before it began"
                );
                self.shown.extend(found);
            }
        }
    }

    /// The last word: one linearizable read that must succeed and show everything.
    pub fn verify(&mut self, world: &mut World, host: usize) {
        let owed = self.acknowledged.clone();
        let ticket = world.ask(host, read_all(), Duration::from_secs(5)).expect("the host is up");
        let mut reply = None;
        world.run_until_true(Duration::from_secs(6), |world| {
            reply = world.take_reply(ticket);
            reply.is_some()
        });
        let found = reply.as_ref().and_then(keys);
        let found =
            found.unwrap_or_else(|| panic!("a healed cluster answers reads; it said {reply:?}"));
        let missing: Vec<_> = owed.difference(&found).take(5).collect();
        assert!(
            missing.is_empty(),
            "no acknowledged write lost: {} are gone, first {missing:?}",
            missing.len()
        );
    }
}

fn keys(reply: &ClientReply) -> Option<BTreeSet<String>> {
    let ClientReply::Kv(KvResponse { response: Some(kv_response::Response::Range(range)) }) = reply
    else {
        return None;
    };
    Some(range.kvs.iter().map(|kv| String::from_utf8_lossy(&kv.key).into_owned()).collect())
}
