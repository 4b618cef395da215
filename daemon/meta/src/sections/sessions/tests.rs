//! A write happens once under its name, for as long as it is remembered, and that comes back from a snapshot.

use super::*;
use crate::{AppliedResult, Meta};
use bytes::Bytes;
use quorate_proto::{
    Command, CommandBody, Compare, CompareTarget, FoundingCertificate, KvRequest, KvResponse,
    NamedWrite, PutRequest, RangeRequest, RequestOp, TxnRequest, compare, kv_request, kv_response,
    request_op,
};

fn put(key: &str) -> KvRequest {
    let put = PutRequest { key: Bytes::from(key.to_owned()), ..PutRequest::default() };
    KvRequest { request: Some(kv_request::Request::Put(put)) }
}

fn born() -> Meta {
    Meta::from_founding(&FoundingCertificate::default())
}

fn numbered(origin: u8, number: u64, settled: u64) -> WriteName {
    let origin = Instance::from_bytes([origin; 16]);
    WriteName::numbered(Numbered { origin, run: 9, number, settled })
}

fn called(id: &str, request: &KvRequest) -> WriteName {
    WriteName::of_client(Bytes::from(id.to_owned()), request)
}

fn write(meta: &mut Meta, name: WriteName, clock_ms: u64, request: KvRequest) -> AppliedResult {
    let write = NamedWrite { name, clock_ms, request };
    let entry = Command::to_entry(1, CommandBody::Write(write));
    meta.apply(meta.applied() + 1, &entry).expect("a command").result
}

fn revision(result: &AppliedResult) -> i64 {
    let (AppliedResult::Kv(Ok(answer)) | AppliedResult::Before(FirstAnswer::Kv(Ok(answer)))) =
        result
    else {
        panic!("no answer: {result:?}")
    };
    match &answer.response {
        Some(kv_response::Response::Put(put)) => put.header.as_ref().expect("a header").revision,
        other => panic!("{other:?}"),
    }
}

fn is_before(result: &AppliedResult) -> bool {
    matches!(result, AppliedResult::Before(_))
}

#[test]
fn a_write_that_comes_again_gets_its_first_answer_and_changes_nothing() {
    let names = [numbered(1, 1, 0), called("job 7", &put("a"))];
    for name in names {
        let mut meta = born();
        let first = write(&mut meta, name.clone(), 5, put("a"));
        let between = write(&mut meta, numbered(2, 1, 0), 6, put("a"));
        let (state, hash) = ((meta.revision(), meta.remembered()), meta.state_hash());
        let again = write(&mut meta, name.clone(), 7, put("a"));
        assert!(!is_before(&first) && is_before(&again), "{name:?}");
        assert_eq!(revision(&again), revision(&first), "{name:?}");
        assert!(revision(&between) > revision(&first));
        assert_eq!((meta.revision(), meta.remembered()), state, "{name:?}");
        assert_ne!(meta.state_hash(), hash, "the index of the entry counts");
    }
}

#[test]
fn an_answer_that_is_no_bare_put_is_given_again_whole_and_so_is_an_error() {
    let mut meta = born();
    write(&mut meta, numbered(1, 1, 0), 0, put("a"));
    let former = PutRequest { key: "a".into(), prev_kv: true, ..PutRequest::default() };
    let former = KvRequest { request: Some(kv_request::Request::Put(former)) };
    for (number, request) in [(2, former), (3, put("")), (4, put("__meta/mine"))] {
        let AppliedResult::Kv(first) = write(&mut meta, numbered(1, number, 0), 0, request.clone())
        else {
            panic!("it is applied")
        };
        let again = write(&mut meta, numbered(1, number, 0), 0, request);
        assert_eq!(again, AppliedResult::Before(FirstAnswer::Kv(first)));
    }
}

/// Reads `large`, and puts `a` beside it if `large` is of this version.
fn reads_and_puts_if(version: i64) -> KvRequest {
    let is_so = Compare {
        target: CompareTarget::Version.into(),
        key: "large".into(),
        target_union: Some(compare::TargetUnion::Version(version)),
        ..Compare::default()
    };
    let read = RangeRequest { key: "large".into(), ..RangeRequest::default() };
    let read = RequestOp { request: Some(request_op::Request::Range(read)) };
    let put = PutRequest { key: "a".into(), ..PutRequest::default() };
    let put = RequestOp { request: Some(request_op::Request::Put(put)) };
    let (success, failure) = (vec![read.clone(), put], vec![read]);
    let txn = TxnRequest { compare: vec![is_so], success, failure };
    KvRequest { request: Some(kv_request::Request::Txn(txn)) }
}

#[test]
fn of_an_answer_that_is_too_large_to_be_kept_it_is_known_whether_the_write_changed_something() {
    let mut meta = born();
    let value = vec![b'v'; 100 * 1024].into();
    let large = PutRequest { key: "large".into(), value, ..PutRequest::default() };
    let large = KvRequest { request: Some(kv_request::Request::Put(large)) };
    write(&mut meta, numbered(1, 1, 0), 0, large);
    for (number, version, changed) in [(2, 1, true), (3, 7, false)] {
        let name = || numbered(1, number, 0);
        let request = || reads_and_puts_if(version);
        let AppliedResult::Kv(Ok(first)) = write(&mut meta, name(), 0, request()) else {
            panic!("it is applied")
        };
        assert_eq!(first.tells_of_a_change(), changed, "the answer itself says so");
        let mut restored = Meta::restore(meta.chunks()).expect("it was just written");
        for twin in [&mut meta, &mut restored] {
            let again = write(twin, name(), 0, request());
            assert_eq!(again, AppliedResult::Before(FirstAnswer::TooLarge { changed }));
        }
    }
    let digests = [true, false].map(|changed| Answer::TooLarge { changed }.digest());
    assert_ne!(digests[0], digests[1], "the hash of the state tells them apart");
}

#[test]
fn an_id_that_comes_with_another_request_is_refused_and_changes_nothing() {
    let mut meta = born();
    write(&mut meta, called("x", &put("a")), 0, put("a"));
    let revision = meta.revision();
    let other = write(&mut meta, called("x", &put("b")), 0, put("b"));
    assert_eq!(other, AppliedResult::Before(FirstAnswer::OtherRequest));
    assert_eq!(meta.revision(), revision);
}

#[test]
fn a_number_that_is_over_is_neither_remembered_nor_done_again() {
    let mut meta = born();
    for number in 1..=3 {
        write(&mut meta, numbered(1, number, 0), 0, put("a"));
    }
    assert_eq!(meta.remembered()[0], 3);
    write(&mut meta, numbered(1, 4, 2), 0, put("a"));
    assert_eq!(meta.remembered()[0], 2, "3 and 4");
    let revision = meta.revision();
    let late = write(&mut meta, numbered(1, 2, 0), 0, put("a"));
    assert_eq!(late, AppliedResult::Before(FirstAnswer::Forgotten));
    assert_eq!(meta.revision(), revision);
    assert!(!is_before(&write(&mut meta, numbered(2, 2, 0), 0, put("a"))), "of another node");
}

#[test]
fn many_numbers_that_are_over_go_over_several_writes_and_nobody_gets_them_meanwhile() {
    let mut meta = born();
    let many = 2 * SETTLED_AT_ONCE as u64 + 10;
    for number in 1..=many {
        write(&mut meta, numbered(1, number, 0), 0, put("a"));
    }
    write(&mut meta, numbered(1, many + 1, many), 0, put("a"));
    let left = SETTLED_AT_ONCE as u64 + 11;
    assert_eq!(meta.remembered()[0], left, "no entry forgets more than its share");
    let mut restored = Meta::restore(meta.chunks()).expect("it was just written");
    assert!(restored == meta, "what is over and still there is in a snapshot, too");
    for twin in [&mut meta, &mut restored] {
        let over = twin.first_answer(&numbered(1, many, 0));
        assert_eq!(over, Some(FirstAnswer::Forgotten), "though its record is there");
        write(twin, numbered(1, many + 2, many + 1), 0, put("a"));
        assert_eq!(twin.remembered()[0], 12, "and another share");
        write(twin, numbered(1, many + 3, many + 2), 0, put("a"));
        assert_eq!(twin.remembered(), [1, RECORD_BYTES, 0], "all of it is gone");
    }
    assert!(restored == meta);
}

#[test]
fn a_write_is_remembered_for_five_minutes_of_the_leaders_time() {
    let mut meta = born();
    let id = || called("x", &put("a"));
    write(&mut meta, id(), 1_000, put("a"));
    write(&mut meta, numbered(1, 1, 0), 1_000, put("a"));
    write(&mut meta, numbered(2, 1, 0), 1_000 + KEPT_MS, put("a"));
    assert!(meta.first_answer(&id()).is_some());
    // A leader whose clock is behind turns no time back.
    write(&mut meta, numbered(2, 2, 0), 0, put("a"));
    assert_eq!(meta.clock_ms(), 1_000 + KEPT_MS);
    write(&mut meta, numbered(2, 3, 0), 1_001 + KEPT_MS, put("a"));
    assert_eq!(meta.first_answer(&id()), None, "the id is new");
    let number = meta.first_answer(&numbered(1, 1, 0));
    assert_eq!(number, Some(FirstAnswer::Forgotten), "nobody can tell");
    assert_eq!(meta.remembered()[2], 0, "none was forgotten before its time");
}

#[test]
fn at_the_bound_the_oldest_is_forgotten_first_and_that_is_counted() {
    let mut meta = born();
    let most = MOST_RECORDS as u64;
    let id = |number: u64| called(&format!("id {number}"), &put("a"));
    for number in 0..=most {
        write(&mut meta, id(number), 0, put("a"));
    }
    let [count, _, early] = meta.remembered();
    assert_eq!((count, early), (most, 1));
    assert_eq!(meta.first_answer(&id(0)), None);
    assert!(meta.first_answer(&id(1)).is_some());
}

#[test]
fn a_run_that_wrote_nothing_for_long_makes_room_and_so_does_the_oldest_of_too_many() {
    let mut sessions = Sessions::empty();
    let done = |run: u64, clock_ms: u64| NamedWrite {
        name: WriteName::numbered(Numbered { run, number: 1, ..Numbered::default() }),
        clock_ms,
        request: put("a"),
    };
    let answer = Ok(KvResponse::default());
    for run in 0..=MOST_RUNS as u64 {
        sessions.remember(&Done { write: &done(run, run), result: &answer, changed: false });
    }
    assert_eq!(sessions.runs.len(), MOST_RUNS);
    assert_eq!(sessions.first_answer(&done(0, 0).name), None, "the oldest");
    assert_eq!(sessions.records.len(), MOST_RUNS, "nothing of it is left");
    let write = done(1 << 40, 100_000 + RUN_KEPT_MS);
    sessions.remember(&Done { write: &write, result: &answer, changed: false });
    assert_eq!(sessions.runs.len(), 1);
}

#[test]
fn what_is_remembered_comes_back_from_a_snapshot_and_goes_on_alike() {
    let mut meta = born();
    let client = || called("job", &put("b"));
    write(&mut meta, numbered(1, 7, 5), 1_000, put("a"));
    let first = write(&mut meta, client(), 2_000, put("b"));
    write(&mut meta, numbered(3, 1, 0), 3_000, put(""));
    let mut restored = Meta::restore(meta.chunks()).expect("it was just written");
    assert!(restored == meta);
    for twin in [&mut meta, &mut restored] {
        assert_eq!(revision(&write(twin, client(), 4_000, put("b"))), revision(&first));
        assert!(is_before(&write(twin, numbered(1, 7, 5), 4_000, put("a"))));
        assert!(is_before(&write(twin, numbered(1, 5, 0), 4_000, put("a"))), "it is over");
        write(twin, numbered(1, 8, 7), 4_000, put("a"));
    }
    assert_eq!(restored.state_hash(), meta.state_hash());
    assert!(restored == meta);
}

#[test]
fn a_state_that_remembers_nothing_writes_no_record_of_it() {
    let bytes: Vec<u8> = born().chunks().flatten().collect();
    let mut restored = Meta::restore(born().chunks()).expect("it was just written");
    write(&mut restored, numbered(1, 1, 0), 1, put("a"));
    assert!(restored.chunks().flatten().count() > bytes.len());
    let replaced = Meta::restore(born().chunks()).expect("it was just written");
    assert_eq!(replaced.remembered(), [0, 0, 0]);
}
