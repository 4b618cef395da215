//! Random requests against a naive model that keeps every state there ever was, with a second replica that
//! is thrown away and restored from a snapshot at random points.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod support;

use bytes::Bytes;
use quorate_meta::{KeyChange, KeyRange, Meta, Watch, WatchOptions};
use quorate_proto::*;
use std::collections::BTreeMap;
use support::*;

/// created, modified, version, value.
type Row = (i64, i64, i64, Bytes);
type Store = BTreeMap<Bytes, Row>;

/// Every state, by revision.
struct Model {
    states: Vec<Store>,
    compacted: i64,
}

impl Model {
    fn revision(&self) -> i64 {
        i64::try_from(self.states.len()).unwrap()
    }

    fn at(&self, revision: i64) -> &Store {
        &self.states[usize::try_from(revision).unwrap() - 1]
    }

    fn operate(store: &mut Store, revision: i64, operation: &RequestOp) -> bool {
        match operation.request.as_ref().unwrap() {
            request_op::Request::Put(put) => {
                let (created, _, version, _) =
                    store.get(&put.key).cloned().unwrap_or((revision, 0, 0, Bytes::new()));
                let row = (created, revision, version + 1, put.value.clone());
                store.insert(put.key.clone(), row);
                true
            }
            request_op::Request::DeleteRange(delete) => {
                let range = KeyRange::new(&delete.key, &delete.range_end);
                let before = store.len();
                store.retain(|key, _| !range.contains(key));
                store.len() != before
            }
            _ => false,
        }
    }
}

fn random_key(random: &mut Random) -> String {
    let letters = ["a", "b", "c", "aa", "ab", "ba", "\u{7f}", "__meta", "__metb"];
    // Half of the keys are one of two, so that some have long histories.
    if random.below(2) == 0 {
        return ["aa1", "b2"][usize::try_from(random.below(2)).unwrap()].to_owned();
    }
    let first = letters[usize::try_from(random.below(9)).unwrap()];
    format!("{first}{}", random.below(4))
}

fn random_end(random: &mut Random) -> String {
    match random.below(4) {
        0 | 1 => String::new(),
        2 => "\0".to_owned(),
        _ => random_key(random),
    }
}

fn random_operation(random: &mut Random) -> RequestOp {
    match random.below(5) {
        0 if random.below(3) == 0 => op_delete(&random_key(random), &random_end(random)),
        0 => op_delete(&random_key(random), ""),
        _ => op_put(&random_key(random), &format!("v{}", random.next())),
    }
}

fn compare_range(replica: &Replica, model: &Model, random: &mut Random) {
    let revision = i64::try_from(random.below(model.states.len() as u64 + 2)).unwrap();
    let request = RangeRequest { revision, ..range(&random_key(random), &random_end(random)) };
    let answer = replica.range(request.clone());
    if revision > model.revision() {
        assert_eq!(answer, Err(KvError::FutureRevision));
        return;
    }
    if revision > 0 && revision < model.compacted {
        assert_eq!(answer, Err(KvError::Compacted));
        return;
    }
    let at = if revision == 0 { model.revision() } else { revision };
    let within = KeyRange::new(&request.key, &request.range_end);
    let wanted = model.at(at).iter().filter(|(key, _)| within.contains(key)).map(|(key, row)| {
        let (create_revision, mod_revision, version, value) = row.clone();
        KeyValue { key: key.clone(), create_revision, mod_revision, version, value, lease: 0 }
    });
    let wanted: Vec<_> = wanted.collect();
    let answer = answer.unwrap();
    assert_eq!(answer.count, i64::try_from(wanted.len()).unwrap());
    assert_eq!(answer.kvs, wanted, "{request:?}");
    let counted = replica.range(RangeRequest { count_only: true, ..request }).unwrap();
    assert_eq!(counted.count, answer.count);
}

/// What a watcher must be told between two states.
fn difference(before: &Store, after: &Store, revision: i64) -> Vec<(Bytes, bool)> {
    let put =
        after.iter().filter(|(_, row)| row.1 == revision).map(|(key, _)| (key.clone(), false));
    let gone = before.keys().filter(|key| !after.contains_key(*key)).map(|key| (key.clone(), true));
    let mut all: Vec<_> = put.chain(gone).collect();
    all.sort();
    all
}

fn brief(changes: &[KeyChange], revision: i64) -> Vec<(Bytes, bool)> {
    let mine = changes.iter().filter(|change| change.revision() == revision);
    let mut all: Vec<_> = mine.map(|change| (change.kv.key.clone(), change.deleted)).collect();
    all.sort();
    all
}

fn check_history(replica: &Replica, model: &Model) {
    let options = WatchOptions {
        range: KeyRange::new(&Bytes::from("\0"), &Bytes::from("\0")),
        start_revision: model.compacted.max(2),
        no_put: false,
        no_delete: false,
    };
    let start = options.start_revision;
    let mut watch = Watch::new(&replica.meta, options);
    let mut changes = Vec::new();
    while !watch.synced(&replica.meta) {
        changes.extend(watch.replay(&replica.meta, 7).unwrap().changes);
    }
    for revision in start..=model.revision() {
        let wanted = difference(model.at(revision - 1), model.at(revision), revision);
        assert_eq!(brief(&changes, revision), wanted, "revision {revision}");
    }
    for change in changes.iter().filter(|change| change.revision() > start) {
        let before = model.at(change.revision() - 1).get(&change.kv.key);
        assert_eq!(change.prev.as_ref().map(|prev| &prev.value), before.map(|row| &row.3));
        if !change.deleted {
            let now = &model.at(change.revision())[&change.kv.key];
            assert_eq!((change.kv.create_revision, change.kv.version), (now.0, now.2));
            assert_eq!(change.kv.value, now.3);
        }
    }
}

/// Applies a random request and checks what came of it; gives the request.
fn step(replica: &mut Replica, model: &mut Model, random: &mut Random) -> KvRequest {
    if random.below(25) == 0 {
        let revision = i64::try_from(random.below(model.states.len() as u64 + 2)).unwrap();
        let fresh = model.compacted.max(-1);
        let wanted = match revision {
            revision if revision <= fresh => Err(KvError::Compacted),
            revision if revision > model.revision() => Err(KvError::FutureRevision),
            revision => {
                model.compacted = revision;
                Ok(())
            }
        };
        assert_eq!(replica.compact(revision), wanted);
        let request = CompactionRequest { revision, physical: false };
        return KvRequest { request: Some(kv_request::Request::Compact(request)) };
    }
    let count = if random.below(3) == 0 { random.below(5) } else { 1 };
    let operations: Vec<_> = (0..count).map(|_| random_operation(random)).collect();
    let before = replica.meta.state_hash();
    match replica.txn(all(operations.clone())) {
        Err(error) => assert_eq!(error, KvError::DuplicateKey),
        Ok(response) => {
            let mut store = model.at(model.revision()).clone();
            let revision = model.revision() + 1;
            let mut changed = false;
            for operation in &operations {
                changed |= Model::operate(&mut store, revision, operation);
            }
            if changed {
                model.states.push(store);
            }
            assert_eq!(response.header.unwrap().revision, model.revision());
        }
    }
    assert_ne!(replica.meta.state_hash(), before, "every entry moves the hash");
    KvRequest { request: Some(kv_request::Request::Txn(all(operations))) }
}

#[test]
fn random_requests_agree_with_a_model_that_remembers_everything() {
    for seed in 0..30 {
        let mut random = Random(seed);
        let mut replica = Replica::new();
        let mut twin = Replica::new();
        let mut model = Model { states: vec![Store::new()], compacted: -1 };
        for round in 0..250 {
            let entry = step(&mut replica, &mut model, &mut random);
            twin.kv(entry).ok();
            compare_range(&replica, &model, &mut random);
            if round % 25 == 24 {
                check_history(&replica, &model);
                twin.meta = Meta::restore(replica.meta.chunks()).unwrap();
            }
            assert_eq!(twin.meta.state_hash(), replica.meta.state_hash(), "seed {seed}");
            assert!(twin.meta == replica.meta, "seed {seed}, round {round}");
        }
    }
}
