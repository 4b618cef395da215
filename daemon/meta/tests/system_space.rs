//! quorate's own records as keys: readable and watchable, never writable, never in the way of users' keys.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod support;

use quorate_meta::{KeyRange, Space, Watch, WatchOptions};
use quorate_proto::*;
use support::*;

fn down(replica: &mut Replica, number: u8) {
    let change = StateChange {
        instance: instance(number),
        generation: Generation::new(1),
        state: MemberState::Down as i32,
        reason: "silent".into(),
        ..StateChange::default()
    };
    let proposal =
        HealthProposal { if_epoch: replica.meta.epoch(), changes: vec![change], at_unix_ms: 5 };
    assert!(replica.apply(CommandBody::Health(proposal)).health.is_some());
}

#[test]
fn the_records_are_keys_with_json_values() {
    let mut replica = Replica::new();
    let value = |replica: &Replica, key: &str| {
        let kv = replica.range(range(key, "")).unwrap().kvs.remove(0);
        String::from_utf8(kv.value.to_vec()).unwrap()
    };
    let cluster_id = replica.meta.cluster_id().unwrap();
    let founders: Vec<_> = (1..=3)
        .map(|n| format!(r#"{{"name":"n{n}","instance":"{}","slot":{}}}"#, instance(n), n - 1))
        .collect();
    let cluster = format!(
        r#"{{"cluster":"test","cluster_id":"{cluster_id}","slots":3,"founders":[{}]}}"#,
        founders.join(",")
    );
    assert_eq!(value(&replica, "__meta/cluster"), cluster);
    down(&mut replica, 2);
    let health = r#"{"epoch":2,"at_unix_ms":5,"members":{"n1":"alive","n2":"down","n3":"alive"}}"#;
    assert_eq!(value(&replica, "__meta/health"), health);
    let node = format!(
        concat!(
            r#"{{"name":"n2","instance":"{}","generation":1,"address":"10.0.0.2:4747","#,
            r#""key":"{}","role":"voter","state":"down","since_epoch":2,"reason":"silent","#,
            r#""since_unix_ms":5,"labels":{{}}}}"#
        ),
        instance(2),
        NodeKey::from_bytes([2; 32])
    );
    assert_eq!(value(&replica, "__meta/nodes/n2"), node);
}

#[test]
fn a_range_inside_answers_with_the_system_revision_and_a_straddling_one_sees_users_keys_only() {
    let mut replica = Replica::new();
    for key in ["__m", "__meta", "__meta0", "z"] {
        replica.put(key, "");
    }
    let inside = replica.range(range("__meta/", "__meta0")).unwrap();
    assert_eq!(inside.count, 5);
    assert_eq!(inside.header.unwrap().revision, 2);
    assert_eq!(inside.header.unwrap().revision, replica.meta.system_revision().get() as i64);
    for (key, end) in [("\0", "\0"), ("__meta/", "\0"), ("__", "z"), ("__meta/", "__meta00")] {
        let answer = replica.range(range(key, end)).unwrap();
        assert!(answer.kvs.iter().all(|kv| !kv.key.starts_with(b"__meta/")), "{key:?} {end:?}");
        assert_eq!(answer.header.unwrap().revision, 5);
    }
    assert_eq!(replica.delete("\0", "\0"), 4, "deleting everything deletes users' keys");
    assert_eq!(replica.range(range("__meta/", "__meta0")).unwrap().count, 5);
}

#[test]
fn nobody_writes_there_and_no_transaction_mixes_the_spaces() {
    let mut replica = Replica::new();
    let before = replica.meta.system_revision();
    let mut check = |request: KvRequest, error: KvError| {
        assert_eq!(replica.meta.check(&request), Err(error), "{request:?}");
        assert_eq!(replica.kv(request), Err(error));
    };
    let txn = |txn| KvRequest { request: Some(kv_request::Request::Txn(txn)) };
    check(put("__meta/x", ""), KvError::ReservedKey);
    check(delete("__meta/health", ""), KvError::ReservedKey);
    check(delete("__meta/", "__meta0"), KvError::ReservedKey);
    check(txn(all(vec![op_txn(all(vec![op_put("__meta/x", "")]))])), KvError::ReservedKey);
    check(txn(all(vec![op_range("__meta/health", ""), op_put("a", "")])), KvError::MixedSpaces);
    check(txn(all(vec![op_range("__meta/health", ""), op_range("a", "")])), KvError::MixedSpaces);
    let reading = all(vec![op_range("__meta/health", "")]);
    assert_eq!(replica.txn(reading).unwrap().header.unwrap().revision, 2);
    assert_eq!(replica.meta.system_revision(), before);
}

#[test]
fn the_system_space_can_be_read_and_watched_at_its_own_revisions() {
    let mut replica = Replica::new();
    let options = WatchOptions {
        range: KeyRange::new(&"__meta/nodes/".into(), &"__meta/nodes0".into()),
        start_revision: 0,
        no_put: false,
        no_delete: false,
    };
    let mut watch = Watch::new(&replica.meta, options);
    assert_eq!(watch.space(), Space::System);
    replica.put("a", "1");
    down(&mut replica, 3);
    let changes = watch.replay(&replica.meta, 10).unwrap().changes;
    let keys: Vec<_> = changes.iter().map(|change| &change.kv.key[..]).collect();
    assert_eq!(keys, [b"__meta/nodes/n3"]);
    let old = replica.range(RangeRequest { revision: 2, ..range("__meta/health", "") }).unwrap();
    assert!(old.kvs[0].value.starts_with(br#"{"epoch":1,"#));
}

#[test]
fn the_system_history_is_bounded() {
    let mut replica = Replica::new();
    for round in 0..1_000_u64 {
        let change = StateChange {
            instance: instance(3),
            generation: Generation::new(round + 2),
            ..StateChange::default()
        };
        let proposal =
            HealthProposal { if_epoch: replica.meta.epoch(), changes: vec![change], at_unix_ms: 0 };
        replica.apply(CommandBody::Health(proposal));
    }
    let at = |revision| replica.range(RangeRequest { revision, ..range("__meta/health", "") });
    let newest = i64::try_from(replica.meta.system_revision().get()).unwrap();
    assert_eq!(newest, 1_002);
    assert!(at(newest - 256).is_ok());
    assert_eq!(at(newest - 257).unwrap_err(), KvError::Compacted);
    let snapshot: usize = replica.meta.chunks().map(|chunk| chunk.len()).sum();
    assert!(snapshot < 400_000, "{snapshot} bytes");
    assert!(replica.meta.deltas_since(HealthEpoch::new(1_001 - 256)).is_some());
    assert!(replica.meta.deltas_since(HealthEpoch::new(1_001 - 257)).is_none());
}
