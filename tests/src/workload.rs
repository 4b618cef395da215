//! Clients that write and read while things break, and the check of what they were told.
//!
//! Every key belongs to one write: a put, or a creation that may happen only where the key is missing. Some are deleted
//! later, once. So an acknowledged write must be there at the end, every key must be at its first version, every creation
//! must have found nothing, and every deletion exactly one key: a write happens once or not at all. A linearizable
//! read must show every write that was acknowledged before the read began. Each acknowledged write has a revision of its own,
//! above that of all that was acknowledged before it began, and at the end the revision counts the writes that happened.

use crate::world::World;
use bytes::Bytes;
use quorate_node::{ClientReply, ClientRequest};
use quorate_proto::{
    Compare, CompareResult, CompareTarget, DeleteRangeRequest, KvRequest, KvResponse, PutRequest,
    RangeRequest, RangeResponse, RequestOp, TxnRequest, compare, kv_request, kv_response,
    request_op,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Clients wait so long for an answer.
const PATIENCE: Duration = Duration::from_secs(4);
/// The revision of a keyspace that nobody has written to.
const FIRST_REVISION: i64 = 1;

fn put_request(key: &str, value: &str) -> PutRequest {
    PutRequest {
        key: Bytes::from(key.to_owned()),
        value: Bytes::from(value.to_owned()),
        ..PutRequest::default()
    }
}

fn kv(request: kv_request::Request) -> ClientRequest {
    ClientRequest::Kv(KvRequest { request: Some(request) })
}

/// A put.
#[must_use]
pub fn put(key: &str, value: &str) -> ClientRequest {
    kv(kv_request::Request::Put(put_request(key, value)))
}

/// A put that happens only where the key has this value, or is missing.
#[must_use]
pub fn swap(key: &str, from: Option<&str>, value: &str) -> ClientRequest {
    let (target, wanted) = match from {
        Some(from) => {
            let value = Bytes::from(from.to_owned());
            (CompareTarget::Value, compare::TargetUnion::Value(value))
        }
        None => (CompareTarget::Version, compare::TargetUnion::Version(0)),
    };
    let condition = Compare {
        result: CompareResult::Equal.into(),
        target: target.into(),
        key: Bytes::from(key.to_owned()),
        target_union: Some(wanted),
        range_end: Bytes::new(),
    };
    let operation = RequestOp { request: Some(request_op::Request::Put(put_request(key, value))) };
    kv(kv_request::Request::Txn(TxnRequest {
        compare: vec![condition],
        success: vec![operation],
        failure: Vec::new(),
    }))
}

/// A deletion of one key.
#[must_use]
pub fn delete(key: &str) -> ClientRequest {
    let key = Bytes::from(key.to_owned());
    kv(kv_request::Request::DeleteRange(DeleteRangeRequest {
        key,
        ..DeleteRangeRequest::default()
    }))
}

/// A linearizable read of one key.
#[must_use]
pub fn get(key: &str) -> ClientRequest {
    let key = Bytes::from(key.to_owned());
    kv(kv_request::Request::Range(RangeRequest { key, ..RangeRequest::default() }))
}

/// A linearizable read of every key that begins with `w`, values included.
#[must_use]
pub fn range_all() -> ClientRequest {
    let range = RangeRequest { key: "w".into(), range_end: "x".into(), ..RangeRequest::default() };
    kv(kv_request::Request::Range(range))
}

/// A linearizable read of every key that begins with `w`.
#[must_use]
pub fn read_all() -> ClientRequest {
    kv(kv_request::Request::Range(RangeRequest {
        key: "w".into(),
        range_end: "x".into(),
        keys_only: true,
        ..RangeRequest::default()
    }))
}

/// A write under way.
#[derive(Debug)]
enum Write {
    Put(String),
    Create(String),
    Delete(String),
}

/// A read under way, and what it must and must not show.
#[derive(Debug)]
struct Read {
    owed: BTreeSet<String>,
    gone: BTreeSet<String>,
    floor: i64,
}

/// Writers and readers.
#[derive(Debug, Default)]
pub struct Workload {
    next: u64,
    /// With the highest revision that was acknowledged before.
    writing: BTreeMap<u64, (Write, i64)>,
    reading: BTreeMap<u64, Read>,
    acknowledged: BTreeSet<String>,
    /// Keys that a finished read has shown: no later read may miss them.
    shown: BTreeSet<String>,
    /// Keys whose deletion was asked for: they may be missing from then on.
    doomed: BTreeSet<String>,
    /// Keys whose deletion was acknowledged: no read that began later may show them.
    deleted: BTreeSet<String>,
    /// The revision of each acknowledged write.
    revisions: BTreeMap<i64, String>,
}

impl Workload {
    /// Writes acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.revisions.len()
    }

    /// A client at a host writes a new key, or deletes an older one.
    pub fn write(&mut self, world: &mut World, host: usize) {
        self.collect(world);
        self.next += 1;
        let key = format!("w{:06}", self.next);
        let spared = self.acknowledged.iter().find(|key| !self.doomed.contains(*key)).cloned();
        let (request, write) = match (self.next % 5, spared) {
            (0, Some(old)) => (delete(&old), Write::Delete(old)),
            (1 | 3, _) => (swap(&key, None, "v"), Write::Create(key)),
            _ => (put(&key, "v"), Write::Put(key)),
        };
        if let Some(ticket) = world.ask(host, request, PATIENCE) {
            if let Write::Delete(key) = &write {
                self.doomed.insert(key.clone());
            }
            self.writing.insert(ticket, (write, self.floor()));
        }
    }

    /// A client at a host reads everything.
    pub fn read(&mut self, world: &mut World, host: usize) {
        self.collect(world);
        if let Some(ticket) = world.ask(host, read_all(), PATIENCE) {
            let owed = self.acknowledged.union(&self.shown).cloned().collect();
            let (gone, floor) = (self.deleted.clone(), self.floor());
            self.reading.insert(ticket, Read { owed, gone, floor });
        }
    }

    /// The highest revision that was acknowledged.
    fn floor(&self) -> i64 {
        self.revisions.last_key_value().map_or(FIRST_REVISION, |(revision, _)| *revision)
    }

    /// Takes the replies that are there.
    pub fn collect(&mut self, world: &mut World) {
        let writing: Vec<u64> = self.writing.keys().copied().collect();
        for ticket in writing {
            let Some(reply) = world.take_reply(ticket) else { continue };
            let Some((write, floor)) = self.writing.remove(&ticket) else { continue };
            if let ClientReply::Kv(KvResponse { response: Some(response) }) = reply {
                self.written(write, floor, &response);
            }
        }
        let reading: Vec<u64> = self.reading.keys().copied().collect();
        for ticket in reading {
            let Some(reply) = world.take_reply(ticket) else { continue };
            let Some(read) = self.reading.remove(&ticket) else { continue };
            if let Some(range) = range_of(&reply) {
                self.judge(&read, range);
                self.shown.extend(keys(range));
            }
        }
    }

    /// A write was acknowledged: it happened once, at a revision of its own.
    fn written(&mut self, write: Write, floor: i64, response: &kv_response::Response) {
        let (key, header) = match (write, response) {
            (Write::Put(key), kv_response::Response::Put(put)) => (key, put.header),
            (Write::Create(key), kv_response::Response::Txn(txn)) => {
                assert!(txn.succeeded, "a write happens once: {key} was there before its creation");
                (key, txn.header)
            }
            (Write::Delete(key), kv_response::Response::DeleteRange(delete)) => {
                let deleted = delete.deleted;
                assert_eq!(deleted, 1, "a write happens once: the deletion of {key}");
                self.deleted.insert(key.clone());
                (key, delete.header)
            }
            (write, response) => panic!("{write:?} is answered with {response:?}"),
        };
        self.acknowledged.insert(key.clone());
        let revision = header.expect("an answer has a header").revision;
        let other = self.revisions.insert(revision, key.clone());
        assert_eq!(other, None, "a revision of its own: {key} at {revision}, and");
        assert!(revision > floor, "{key} at {revision}, behind {floor}, which was told before");
    }

    /// Whether what a read found is what it may find.
    fn judge(&self, read: &Read, range: &RangeResponse) {
        let found = keys(range);
        let owed = read.owed.difference(&found).filter(|key| !self.doomed.contains(*key));
        let missing: Vec<_> = owed.take(5).collect();
        assert!(
            missing.is_empty(),
            "linearizable reads: one misses {missing:?}, written or read before it began"
        );
        let back: Vec<_> = read.gone.intersection(&found).take(5).collect();
        assert!(back.is_empty(), "linearizable reads: one shows {back:?}, deleted before it began");
        let revision = range.header.map_or(0, |header| header.revision);
        let floor = read.floor;
        assert!(revision >= floor, "a read at {revision}, behind {floor}, which was told before");
        for kv in &range.kvs {
            assert_eq!(kv.version, 1, "a write happens once: {kv:?}");
        }
    }

    /// The last word: one linearizable read that must succeed and show everything. Others wrote at least and at most so
    /// often.
    pub fn verify(&mut self, world: &mut World, host: usize, others: [i64; 2]) {
        let (owed, gone) = (self.acknowledged.clone(), self.deleted.clone());
        let read = Read { owed, gone, floor: self.floor() };
        let ticket = world.ask(host, read_all(), Duration::from_secs(5)).expect("the host is up");
        let mut reply = None;
        world.run_until_true(Duration::from_secs(6), |world| {
            reply = world.take_reply(ticket);
            reply.is_some()
        });
        let range = reply.as_ref().and_then(range_of);
        let range =
            range.unwrap_or_else(|| panic!("a healed cluster answers reads; it said {reply:?}"));
        self.judge(&read, range);
        self.count(range, others);
    }

    /// Every write that happened took one revision, and nothing else took any.
    fn count(&self, range: &RangeResponse, [least, most]: [i64; 2]) {
        let found = keys(range);
        // A key that was deleted was written before.
        let deleted = self.doomed.difference(&found).count();
        let happened = i64::try_from(found.len() + 2 * deleted).unwrap_or(i64::MAX);
        let revision = range.header.map_or(0, |header| header.revision);
        let own = FIRST_REVISION + happened;
        let counted = own + least..=own + most;
        assert!(
            counted.contains(&revision),
            "each write takes one revision: {revision}, {counted:?}"
        );
    }
}

fn range_of(reply: &ClientReply) -> Option<&RangeResponse> {
    match reply {
        ClientReply::Kv(KvResponse { response: Some(kv_response::Response::Range(range)) }) => {
            Some(range)
        }
        _ => None,
    }
}

fn keys(range: &RangeResponse) -> BTreeSet<String> {
    range.kvs.iter().map(|kv| String::from_utf8_lossy(&kv.key).into_owned()).collect()
}
