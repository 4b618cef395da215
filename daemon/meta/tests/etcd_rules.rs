//! etcd's rules of the keyspace, one sentence each.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod support;

use bytes::Bytes;
use quorate_proto::compare::TargetUnion;
use quorate_proto::*;
use support::*;

fn refused(request: KvRequest) -> KvError {
    Replica::new().kv(request).expect_err("refused")
}

#[test]
fn a_fresh_store_is_at_revision_1_and_the_first_put_makes_2() {
    let mut replica = Replica::new();
    assert_eq!(replica.meta.revision(), Revision::new(1));
    assert_eq!(replica.put("a", "1"), 2);
    assert_eq!(replica.meta.revision(), Revision::new(2));
}

#[test]
fn a_range_over_everything_in_a_fresh_store_is_empty() {
    let response = Replica::new().range(range("\0", "\0")).unwrap();
    assert_eq!((response.count, response.kvs.len(), response.header.unwrap().revision), (0, 0, 1));
}

#[test]
fn deleting_nothing_and_a_txn_that_only_reads_use_up_no_revision() {
    let mut replica = Replica::new();
    replica.put("a", "1");
    assert_eq!(replica.delete("x", ""), 0);
    let read = replica.txn(all(vec![op_range("a", ""), op_delete("x", "z")])).unwrap();
    assert_eq!(read.header.unwrap().revision, 2);
    assert_eq!(replica.meta.revision(), Revision::new(2));
}

#[test]
fn all_writes_of_a_txn_share_one_revision() {
    let mut replica = Replica::new();
    replica.put("x", "old");
    let nested = all(vec![op_put("c", "3")]);
    let ops = vec![op_put("a", "1"), op_delete("x", ""), op_txn(nested), op_range("a", "z")];
    let response = replica.txn(all(ops)).unwrap();
    assert!(response.succeeded);
    assert_eq!(response.header.unwrap().revision, 3);
    let Some(response_op::Response::Put(put)) = &response.responses[0].response else { panic!() };
    assert_eq!(put.header.unwrap().revision, 3);
    let Some(response_op::Response::Range(seen)) = &response.responses[3].response else {
        panic!()
    };
    let numbers: Vec<_> = seen.kvs.iter().map(|kv| (&kv.key[..], kv.mod_revision)).collect();
    assert_eq!(numbers, [(&b"a"[..], 3), (&b"c"[..], 3)], "a range sees the writes before it");
}

#[test]
fn a_key_that_is_created_again_starts_at_version_1() {
    let mut replica = Replica::new();
    replica.put("a", "1");
    replica.put("a", "2");
    replica.delete("a", "");
    replica.put("a", "3");
    let kv = replica.range(range("a", "")).unwrap().kvs.remove(0);
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (5, 5, 1));
}

#[test]
fn a_put_keeps_the_create_revision_and_counts_versions() {
    let mut replica = Replica::new();
    replica.put("a", "1");
    replica.put("b", "1");
    replica.put("a", "2");
    let kv = replica.range(range("a", "")).unwrap().kvs.remove(0);
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version, kv.lease), (2, 4, 2, 0));
}

#[test]
fn prev_kv_is_what_the_key_was_before() {
    let mut replica = Replica::new();
    let asking = |value: &str| KvRequest {
        request: Some(kv_request::Request::Put(PutRequest {
            prev_kv: true,
            ..put_request("a", value)
        })),
    };
    let prev = |response: KvResponse| match response.response.unwrap() {
        kv_response::Response::Put(response) => response.prev_kv,
        kv_response::Response::DeleteRange(mut response) => response.prev_kvs.pop(),
        other => panic!("{other:?}"),
    };
    assert_eq!(prev(replica.kv(asking("1")).unwrap()), None);
    assert_eq!(prev(replica.kv(asking("2")).unwrap()).unwrap().value, "1");
    let request = DeleteRangeRequest { prev_kv: true, ..delete_request("a", "") };
    let request = KvRequest { request: Some(kv_request::Request::DeleteRange(request)) };
    assert_eq!(prev(replica.kv(request).unwrap()).unwrap().value, "2");
    assert_eq!(prev(replica.kv(put("a", "3")).unwrap()), None, "not asked for");
}

#[test]
fn range_ends_mean_what_etcd_says() {
    let mut replica = Replica::new();
    for key in ["a", "b", "c", "d"] {
        replica.put(key, "");
    }
    let show = |key, end| replica.show(key, end, 0).unwrap();
    assert_eq!(show("b", ""), "b=");
    assert_eq!(show("b", "d"), "b= c=");
    assert_eq!(show("b", "\0"), "b= c= d=");
    assert_eq!(show("\0", "\0"), "a= b= c= d=");
    assert_eq!(show("c", "a"), "", "an end before the key is empty");
    assert_eq!(show("c", "c"), "");
}

#[test]
fn count_is_the_total_whatever_limit_and_filters_say() {
    let mut replica = Replica::new();
    for key in ["a", "b", "c", "d"] {
        replica.put(key, "v");
    }
    let all = range("a", "z");
    let limited = replica.range(RangeRequest { limit: 3, ..all.clone() }).unwrap();
    assert_eq!((limited.kvs.len(), limited.more, limited.count), (3, true, 4));
    let exact = replica.range(RangeRequest { limit: 4, ..all.clone() }).unwrap();
    assert_eq!((exact.kvs.len(), exact.more, exact.count), (4, false, 4));
    let filtered = RangeRequest { min_mod_revision: 4, max_mod_revision: 5, ..all.clone() };
    let filtered = replica.range(RangeRequest { limit: 1, ..filtered }).unwrap();
    assert_eq!((filtered.kvs.len(), filtered.more, filtered.count), (1, true, 4));
    let created = RangeRequest { min_create_revision: 3, max_create_revision: 3, ..all.clone() };
    let created = replica.range(created).unwrap();
    assert_eq!((created.kvs.len(), created.more, created.count), (1, false, 4));
    let counted = RangeRequest { count_only: true, limit: 1, ..all.clone() };
    let counted = replica.range(counted).unwrap();
    assert_eq!((counted.kvs.len(), counted.more, counted.count), (0, false, 4));
    let keys = replica.range(RangeRequest { keys_only: true, ..all }).unwrap();
    assert!(keys.kvs.iter().all(|kv| kv.value.is_empty() && kv.mod_revision > 0));
}

#[test]
fn sorting_comes_before_the_limit() {
    let mut replica = Replica::new();
    for (key, value) in [("a", "3"), ("b", "1"), ("c", "2"), ("a", "3")] {
        replica.put(key, value);
    }
    let sorted = |order: SortOrder, target: SortTarget, limit| {
        let request = RangeRequest {
            sort_order: order as i32,
            sort_target: target as i32,
            limit,
            ..range("\0", "\0")
        };
        let keys = replica.range(request).unwrap().kvs.into_iter().map(|kv| kv.key);
        keys.map(|key| String::from_utf8(key.to_vec()).unwrap()).collect::<String>()
    };
    assert_eq!(sorted(SortOrder::Descend, SortTarget::Key, 2), "cb");
    assert_eq!(sorted(SortOrder::Ascend, SortTarget::Value, 2), "bc");
    assert_eq!(sorted(SortOrder::None, SortTarget::Value, 2), "bc");
    assert_eq!(sorted(SortOrder::Descend, SortTarget::Mod, 0), "acb");
    assert_eq!(sorted(SortOrder::Descend, SortTarget::Version, 1), "a");
    assert_eq!(sorted(SortOrder::Ascend, SortTarget::Create, 0), "abc");
    let unknown = RangeRequest { sort_order: 17, sort_target: 9, ..range("\0", "\0") };
    assert_eq!(replica.range(unknown).unwrap().kvs.len(), 3, "unknown orders are not refused");
}

#[test]
fn a_read_at_a_revision_sees_the_store_as_it_was_and_reports_the_present_one() {
    let mut replica = Replica::new();
    replica.put("a", "1");
    replica.put("b", "1");
    replica.delete("a", "");
    replica.put("b", "2");
    for (revision, wanted) in [(1, ""), (2, "a=1"), (3, "a=1 b=1"), (4, "b=1"), (5, "b=2")] {
        assert_eq!(replica.show("a", "z", revision).unwrap(), wanted, "at {revision}");
        let singles = ["a", "b"].map(|key| replica.show(key, "", revision).unwrap());
        let joined = singles.iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>();
        assert_eq!(joined.join(" "), wanted, "single keys at {revision}");
    }
    let old = replica.range(RangeRequest { revision: 2, ..range("a", "z") }).unwrap();
    assert_eq!(old.header.unwrap().revision, 5);
    assert_eq!(replica.show("a", "z", 6), Err(KvError::FutureRevision));
}

#[test]
fn compaction_forgets_below_its_revision_and_refuses_to_repeat_itself() {
    let mut replica = Replica::new();
    for value in ["1", "2", "3"] {
        replica.put("a", value);
    }
    assert_eq!(replica.compact(5), Err(KvError::FutureRevision));
    assert_eq!(replica.compact(3), Ok(()));
    assert_eq!(replica.show("a", "", 2), Err(KvError::Compacted));
    assert_eq!(replica.show("a", "", 3).unwrap(), "a=2", "at the compacted revision it works");
    assert_eq!(replica.compact(3), Err(KvError::Compacted));
    assert_eq!(replica.compact(4), Ok(()), "up to the present revision");
    assert_eq!(replica.meta.revision(), Revision::new(4), "compacting is no change");
}

#[test]
fn requests_without_a_key_are_refused() {
    let key = |request| refused(request) == KvError::KeyNotProvided;
    assert!(key(put("", "v")));
    assert!(key(delete("", "")));
    assert!(key(KvRequest { request: Some(kv_request::Request::Range(range("", "z"))) }));
    assert!(key(KvRequest { request: Some(kv_request::Request::Txn(all(vec![op_put("", "")]))) }));
    let condition = Compare::default();
    let txn = TxnRequest { compare: vec![condition], ..TxnRequest::default() };
    assert!(key(KvRequest { request: Some(kv_request::Request::Txn(txn)) }));
    let empty = all(vec![RequestOp { request: None }]);
    assert_eq!(Replica::new().txn(empty), Err(KvError::KeyNotFound));
}

#[test]
fn ignore_value_and_ignore_lease_need_the_key_and_an_empty_field() {
    let mut replica = Replica::new();
    let request = |request| KvRequest { request: Some(kv_request::Request::Put(request)) };
    let keep = PutRequest { ignore_value: true, ..put_request("a", "") };
    assert_eq!(replica.kv(request(keep.clone())), Err(KvError::KeyNotFound));
    replica.put("a", "1");
    replica.kv(request(keep.clone())).unwrap();
    assert_eq!(replica.show("a", "", 0).unwrap(), "a=1");
    assert_eq!(replica.range(range("a", "")).unwrap().kvs[0].version, 2);
    let both = PutRequest { ignore_value: true, ..put_request("a", "x") };
    assert_eq!(replica.kv(request(both)), Err(KvError::ValueProvided));
    let lease = PutRequest { ignore_lease: true, lease: 7, ..put_request("a", "x") };
    assert_eq!(replica.kv(request(lease)), Err(KvError::LeaseProvided));
    let missing = PutRequest { ignore_lease: true, ..put_request("b", "x") };
    assert_eq!(replica.kv(request(missing)), Err(KvError::KeyNotFound));
    let unknown = PutRequest { lease: 7, ..put_request("a", "x") };
    assert_eq!(replica.kv(request(unknown)), Err(KvError::LeaseNotFound));
}

#[test]
fn a_refused_txn_changes_nothing_at_all() {
    let mut replica = Replica::new();
    let bad = RequestOp {
        request: Some(request_op::Request::Put(PutRequest { lease: 7, ..put_request("b", "") })),
    };
    assert_eq!(replica.txn(all(vec![op_put("a", "1"), bad])), Err(KvError::LeaseNotFound));
    let mut future = op_range("a", "");
    if let Some(request_op::Request::Range(range)) = &mut future.request {
        range.revision = 2;
    }
    assert_eq!(replica.txn(all(vec![op_put("a", "1"), future])), Err(KvError::FutureRevision));
    assert_eq!(replica.meta.revision(), Revision::new(1));
    assert_eq!(replica.show("\0", "\0", 0).unwrap(), "");
}

#[test]
fn a_txn_has_128_operations_at_most_and_nested_ones_share_what_is_left() {
    let mut replica = Replica::new();
    let puts = |count: usize| (0..count).map(|i| op_put(&format!("k{i:03}"), "")).collect();
    assert!(replica.txn(all(puts(128))).is_ok());
    assert_eq!(replica.txn(all(puts(129))), Err(KvError::TooManyOperations));
    let nested = |count: usize| all(vec![op_txn(all(puts(count)))]);
    assert!(replica.txn(nested(127)).is_ok());
    assert_eq!(replica.txn(nested(128)), Err(KvError::TooManyOperations));
    let condition =
        compare("a", "", CompareTarget::Version, CompareResult::Equal, TargetUnion::Version(0));
    let long = TxnRequest { compare: vec![condition; 129], ..TxnRequest::default() };
    assert_eq!(replica.txn(long), Err(KvError::TooManyOperations));
    let mut deep = all(vec![]);
    for _ in 0..7 {
        deep = all(vec![op_txn(deep)]);
    }
    assert!(replica.txn(deep.clone()).is_ok(), "eight deep");
    assert_eq!(replica.txn(all(vec![op_txn(deep)])), Err(KvError::NestedTooDeep));
}

#[test]
fn a_key_is_put_once_and_not_where_the_same_branch_deletes() {
    let check = |ops: Vec<RequestOp>| Replica::new().txn(all(ops)).err();
    let duplicate = Some(KvError::DuplicateKey);
    let txn = |ops| op_txn(all(ops));
    assert_eq!(check(vec![op_put("a", ""), op_put("a", "")]), duplicate);
    assert_eq!(check(vec![op_put("a", ""), op_delete("a", "")]), duplicate);
    assert_eq!(check(vec![op_delete("a", "c"), op_put("b", "")]), duplicate);
    assert_eq!(check(vec![op_delete("a", "\0"), op_put("b", "")]), duplicate);
    assert_eq!(check(vec![op_delete("a", "c"), op_put("c", "")]), None);
    assert_eq!(check(vec![op_put("a", ""), txn(vec![op_put("a", "")])]), duplicate);
    assert_eq!(check(vec![txn(vec![op_put("a", "")]), txn(vec![op_put("a", "")])]), duplicate);
    assert_eq!(check(vec![op_delete("a", ""), txn(vec![op_put("a", "")])]), duplicate);
    assert_eq!(check(vec![txn(vec![op_delete("a", "")]), op_put("a", "")]), duplicate);
    assert_eq!(check(vec![txn(vec![op_delete("a", "")]), txn(vec![op_put("a", "")])]), duplicate);
    assert_eq!(check(vec![op_delete("a", "c"), op_delete("b", "d")]), None);
    let either = TxnRequest {
        success: vec![op_put("a", "1")],
        failure: vec![op_put("a", "2")],
        ..TxnRequest::default()
    };
    assert_eq!(check(vec![op_txn(either)]), None, "only one branch is taken");
}

#[test]
fn a_nested_txn_may_delete_what_its_elder_sibling_put() {
    let mut replica = Replica::new();
    replica.put("b", "old");
    let ops = vec![
        op_txn(all(vec![op_put("a", "1"), op_put("b", "2")])),
        op_txn(all(vec![op_delete("a", "c")])),
    ];
    let applied = replica
        .apply(CommandBody::Kv(KvRequest { request: Some(kv_request::Request::Txn(all(ops))) }));
    assert!(applied.changes.iter().all(|change| change.deleted));
    assert_eq!(applied.changes.len(), 2, "one change for each key");
    assert_eq!(replica.show("\0", "\0", 0).unwrap(), "");
    assert_eq!(replica.show("\0", "\0", 2).unwrap(), "b=old");
    assert_eq!(replica.show("\0", "\0", 3).unwrap(), "");
}

#[test]
fn compares_judge_keys_as_etcd_does() {
    use CompareResult::{Equal, Greater, Less, NotEqual};
    use CompareTarget as Of;
    let mut replica = Replica::new();
    replica.put("a", "m");
    replica.put("a", "n");
    replica.put("b", "n");
    let value = |text: &str| TargetUnion::Value(Bytes::copy_from_slice(text.as_bytes()));
    let table = [
        ("a", "", Of::Value, Equal, value("n"), true),
        ("a", "", Of::Value, Less, value("o"), true),
        ("a", "", Of::Value, NotEqual, value("n"), false),
        ("a", "", Of::Version, Equal, TargetUnion::Version(2), true),
        ("a", "", Of::Version, Greater, TargetUnion::Version(2), false),
        ("a", "", Of::Create, Equal, TargetUnion::CreateRevision(2), true),
        ("a", "", Of::Mod, Equal, TargetUnion::ModRevision(3), true),
        ("a", "", Of::Lease, Equal, TargetUnion::Lease(0), true),
        // A union of another kind counts as zero.
        ("a", "", Of::Mod, Greater, TargetUnion::Version(99), true),
        // A missing key: value never compares, numbers are zero.
        ("x", "", Of::Value, Equal, value(""), false),
        ("x", "", Of::Value, NotEqual, value("q"), false),
        ("x", "", Of::Version, Equal, TargetUnion::Version(0), true),
        ("x", "", Of::Create, Equal, TargetUnion::CreateRevision(0), true),
        ("x", "", Of::Mod, Less, TargetUnion::ModRevision(1), true),
        ("x", "", Of::Lease, Equal, TargetUnion::Lease(0), true),
        // Ranges: every key; an empty one is one missing key.
        ("a", "c", Of::Value, Equal, value("n"), true),
        ("a", "c", Of::Version, Equal, TargetUnion::Version(2), false),
        ("a", "\0", Of::Create, Greater, TargetUnion::CreateRevision(0), true),
        ("x", "z", Of::Create, Greater, TargetUnion::CreateRevision(0), false),
        ("x", "z", Of::Create, Equal, TargetUnion::CreateRevision(0), true),
        ("x", "z", Of::Value, NotEqual, value("n"), false),
    ];
    for (key, end, target, result, wanted, holds) in table {
        let condition = compare(key, end, target, result, wanted);
        let txn = TxnRequest { compare: vec![condition.clone()], ..TxnRequest::default() };
        assert_eq!(replica.txn(txn).unwrap().succeeded, holds, "{condition:?}");
    }
}

#[test]
fn nested_conditions_are_judged_by_the_state_before_the_txn() {
    let mut replica = Replica::new();
    let condition =
        compare("a", "", CompareTarget::Version, CompareResult::Equal, TargetUnion::Version(0));
    let nested = TxnRequest {
        compare: vec![condition],
        success: vec![op_put("b", "absent")],
        failure: vec![op_put("b", "present")],
    };
    replica.txn(all(vec![op_put("a", "1"), op_txn(nested)])).unwrap();
    assert_eq!(replica.show("a", "z", 0).unwrap(), "a=1 b=absent");
}

#[test]
fn a_request_above_one_and_a_half_mebibytes_is_too_large() {
    let fits = "v".repeat(limits::CLIENT_REQUEST - 100);
    assert!(Replica::new().kv(put("a", &fits)).is_ok());
    let large = "v".repeat(limits::CLIENT_REQUEST);
    assert_eq!(refused(put("a", &large)), KvError::RequestTooLarge);
    assert_eq!(Replica::new().meta.check(&put("a", &large)), Err(KvError::RequestTooLarge));
}

#[test]
fn a_read_only_request_is_told_from_a_writing_one() {
    let request = |txn| KvRequest { request: Some(kv_request::Request::Txn(txn)) };
    let failing = TxnRequest { failure: vec![op_put("a", "")], ..TxnRequest::default() };
    let meta = Replica::new().meta;
    for (request, reads) in [
        (request(all(vec![op_range("a", "")])), true),
        (request(all(vec![op_txn(all(vec![op_range("a", "")]))])), true),
        (request(failing), false),
        (request(all(vec![op_txn(all(vec![op_delete("a", "")]))])), false),
        (put("a", ""), false),
        (KvRequest { request: Some(kv_request::Request::Range(range("a", ""))) }, true),
        (KvRequest { request: None }, false),
    ] {
        assert_eq!(quorate_meta::Meta::is_read_only(&request), reads, "{request:?}");
        assert_eq!(meta.read(&request).is_ok(), reads);
    }
}
