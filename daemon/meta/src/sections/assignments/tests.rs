//! What an entry of the log does to assignments, and what it cannot do.

use super::*;
use crate::sections::numbers::JUMP;
use crate::{AppliedResult, Meta};
use quorate_proto::{
    Command, CommandBody, DefineAssignment, FoundingCertificate, Generation, ItemHolder, KvRequest,
    RangeRequest, RemoveAssignment, kv_request, kv_response,
};

fn assignment(count: u32) -> Assignment {
    Assignment { name: "p".to_owned(), count, ttl_ms: 3_000, ..Assignment::default() }
}

fn holder(life: u8, generation: u64) -> ItemHolder {
    let (instance, generation) = (Instance::from_bytes([life; 16]), Generation::new(generation));
    ItemHolder { instance, generation, host: format!("n{life}"), address: format!("10.0.0.{life}") }
}

fn give(item: u32, life: u8) -> ItemChange {
    ItemChange { item, number: 0, step: ItemStep::Give.into(), to: Some(holder(life, 1)) }
}

fn does(meta: &Meta, item: u32, step: ItemStep) -> ItemChange {
    ItemChange { item, number: number(meta, item), step: step.into(), to: None }
}

fn apply(meta: &mut Meta, body: CommandBody) -> Result<String, AssignmentRefusal> {
    let applied = meta.apply(meta.applied() + 1, &Command::to_entry(1, body));
    match applied.expect("it is known").result {
        AppliedResult::Assignment(result) => result,
        other => panic!("{other:?}"),
    }
}

fn define(meta: &mut Meta, assignment: Assignment) -> Result<String, AssignmentRefusal> {
    apply(meta, CommandBody::DefineAssignment(DefineAssignment { assignment, at_unix_ms: 5 }))
}

fn remove(meta: &mut Meta) -> Result<String, AssignmentRefusal> {
    let name = "p".to_owned();
    apply(meta, CommandBody::RemoveAssignment(RemoveAssignment { name, at_unix_ms: 5 }))
}

fn items_if(
    meta: &mut Meta,
    if_version: u64,
    changes: &[ItemChange],
    waited: bool,
) -> Result<String, AssignmentRefusal> {
    let (assignment, changes) = ("p".to_owned(), changes.to_vec());
    let change = ChangeItems { assignment, if_version, changes, waited, at_unix_ms: 7 };
    apply(meta, CommandBody::ChangeItems(change))
}

fn items(meta: &mut Meta, changes: &[ItemChange]) -> Result<String, AssignmentRefusal> {
    items_if(meta, version(meta), changes, false)
}

fn version(meta: &Meta) -> u64 {
    meta.assignments().next().map_or(0, |assigned| assigned.record.version)
}

fn grant(meta: &Meta, item: u32) -> Option<ItemGrant> {
    meta.assignments().next()?.record.grant(item).cloned()
}

fn number(meta: &Meta, item: u32) -> u64 {
    grant(meta, item).map_or(0, |grant| grant.number)
}

fn born() -> Meta {
    let mut meta = Meta::from_founding(&FoundingCertificate::default());
    define(&mut meta, assignment(3)).expect("a sound one");
    meta
}

fn keys(meta: &Meta) -> Vec<String> {
    [below(meta, "__meta/assignments", "__meta/assignmentt"), ledger(meta)].concat()
}

fn ledger(meta: &Meta) -> Vec<String> {
    below(meta, "__meta/ledgers/assignments/p/", "__meta/ledgers/assignments/p0")
}

fn below(meta: &Meta, key: &'static str, end: &'static str) -> Vec<String> {
    let (key, range_end) = (key.into(), end.into());
    let range = RangeRequest { key, range_end, ..RangeRequest::default() };
    let request = KvRequest { request: Some(kv_request::Request::Range(range)) };
    match meta.read(&request).expect("a range").response {
        Some(kv_response::Response::Range(range)) => {
            let text = |kv: &quorate_proto::KeyValue| {
                let [key, value] = [&kv.key, &kv.value].map(|it| String::from_utf8_lossy(it));
                format!("{key} {value}")
            };
            range.kvs.iter().map(text).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_entry_that_would_give_an_item_to_a_second_holder_changes_nothing() {
    let mut meta = born();
    items(&mut meta, &[give(0, 1), give(1, 2)]).expect("they are free");
    let before = (version(&meta), keys(&meta));
    let second = |changes: &[ItemChange], meta: &mut Meta| {
        let refused = items(meta, changes).expect_err("it is held");
        assert!(matches!(refused, AssignmentRefusal::Taken { .. }), "{refused}");
    };
    second(&[give(0, 2)], &mut meta);
    second(&[give(2, 2), give(2, 1)], &mut meta);
    let leave = does(&meta, 0, ItemStep::Leave);
    second(&[leave.clone(), give(0, 2)], &mut meta);
    let to = Some(holder(2, 9));
    let takes_over = ItemChange { to, ..does(&meta, 0, ItemStep::TakeOver) };
    second(&[takes_over], &mut meta);
    assert_eq!((version(&meta), keys(&meta)), before);
    items(&mut meta, &[leave]).expect("it is held");
    second(&[give(0, 2)], &mut meta);
    let release = does(&meta, 0, ItemStep::Release);
    items(&mut meta, &[release, give(0, 2)]).expect("what one let go another gets");
    assert_eq!(grant(&meta, 0).expect("held").host, "n2");
}

#[test]
fn a_word_about_an_earlier_grant_does_nothing_to_a_later_one_and_numbers_only_grow() {
    let mut meta = born();
    items(&mut meta, &[give(0, 1)]).expect("it is free");
    let first = number(&meta, 0);
    let release = does(&meta, 0, ItemStep::Release);
    items(&mut meta, &[release.clone(), give(0, 2)]).expect("freed and given");
    assert!(number(&meta, 0) > first, "a fencing token grows with each holder");
    assert!(matches!(items(&mut meta, &[release]), Err(AssignmentRefusal::Unsound(_))));
    let hold = does(&meta, 0, ItemStep::Hold);
    let (token, heard) = (number(&meta, 0), meta.newest_item(holder(2, 1).instance));
    items(&mut meta, &[hold]).expect("it was given");
    assert_eq!(grant(&meta, 0).expect("held").state(), ItemState::Held);
    assert_eq!((number(&meta, 0), meta.newest_item(holder(2, 1).instance)), (token, heard));
    let stale = items_if(&mut meta, first, &[give(1, 1)], false);
    assert_eq!(stale, Err(AssignmentRefusal::Overtaken));
}

#[test]
fn the_next_start_of_a_holder_takes_its_item_over_under_a_new_number() {
    let mut meta = born();
    items(&mut meta, &[give(0, 1)]).expect("it is free");
    let first = number(&meta, 0);
    let takes = |meta: &Meta, generation| {
        let to = Some(holder(1, generation));
        ItemChange { to, ..does(meta, 0, ItemStep::TakeOver) }
    };
    let same = takes(&meta, 1);
    assert!(matches!(items(&mut meta, &[same]), Err(AssignmentRefusal::Taken { .. })));
    let next = takes(&meta, 2);
    items(&mut meta, &[next]).expect("a later start");
    let now = grant(&meta, 0).expect("held");
    assert!(now.number > first && now.generation == Generation::new(2));
    assert_eq!(now.state(), ItemState::Given, "its application is told anew");
}

#[test]
fn items_are_added_behind_and_none_is_taken_away_and_the_ttl_stands_while_one_is_held() {
    let mut meta = born();
    define(&mut meta, Assignment { ttl_ms: 5_000, ..assignment(3) }).expect("nobody holds");
    items(&mut meta, &[give(2, 1)]).expect("it is free");
    assert!(matches!(items(&mut meta, &[give(3, 1)]), Err(AssignmentRefusal::Unsound(_))));
    let other = [assignment(4), Assignment { ttl_ms: 5_000, ..assignment(2) }];
    for other in other {
        assert!(matches!(define(&mut meta, other), Err(AssignmentRefusal::Fixed(_))));
    }
    define(&mut meta, Assignment { ttl_ms: 5_000, ..assignment(4) }).expect("one more");
    items(&mut meta, &[give(3, 1)]).expect("it is free");
    let text = remove(&mut meta).expect("it is there");
    assert!(text.contains("2 items"), "{text}");
    assert!(matches!(items(&mut meta, &[give(0, 1)]), Err(AssignmentRefusal::Removing(_))));
    assert!(matches!(define(&mut meta, assignment(9)), Err(AssignmentRefusal::Removing(_))));
    let freed = [does(&meta, 2, ItemStep::Lapse), does(&meta, 3, ItemStep::Release)];
    items(&mut meta, &freed).expect("they are held");
    assert_eq!((meta.assignments().count(), keys(&meta).len()), (0, 0), "it goes with the last");
}

#[test]
fn there_are_so_many_assignments_and_no_more() {
    let mut meta = Meta::from_founding(&FoundingCertificate::default());
    for number in 0..limits::ASSIGNMENTS {
        let name = format!("a{number}");
        define(&mut meta, Assignment { name, ..assignment(1) }).expect("there is room");
    }
    assert_eq!(define(&mut meta, assignment(1)), Err(AssignmentRefusal::TooMany));
    assert!(matches!(define(&mut meta, assignment(0)), Err(AssignmentRefusal::Unsound(_))));
}

#[test]
fn assignments_and_their_numbers_come_back_from_a_snapshot() {
    let mut meta = born();
    items(&mut meta, &[give(0, 1), give(2, 2)]).expect("they are free");
    let mut restored = Meta::restore(meta.chunks()).expect("it was just written");
    assert!(restored == meta);
    for twin in [&mut meta, &mut restored] {
        let hold = does(twin, 0, ItemStep::Hold);
        items(twin, &[hold, give(1, 3)]).expect("it fits");
    }
    assert_eq!(restored.state_hash(), meta.state_hash());
    let shown = keys(&meta);
    assert!(shown[0].starts_with("__meta/assignments/p {\"name\":\"p\",\"count\":3"), "{shown:?}");
    let item = "__meta/assignments/p/0 {\"item\":\"0\",\"host\":\"n1\",";
    assert!(shown[1].starts_with(item) && shown[1].ends_with("\"state\":\"held\"}"), "{shown:?}");
    assert_eq!(ledger(&meta).len(), 4);
}

#[test]
fn the_ledger_keeps_the_newest_changes() {
    let mut meta = born();
    for _ in 0..=keys::LEDGER / 2 {
        items(&mut meta, &[give(0, 1)]).expect("it is free");
        let free = does(&meta, 0, ItemStep::Release);
        items(&mut meta, &[free]).expect("it is held");
    }
    assert_eq!(ledger(&meta).len() as u64, keys::LEDGER);
}

#[test]
fn in_a_cluster_that_is_founded_anew_nobody_holds_anything_before_its_leader_has_waited() {
    let mut meta = born();
    items(&mut meta, &[give(0, 1)]).expect("it is free");
    let first = number(&meta, 0);
    meta.change_assignments(Change::Anew { at_unix_ms: 0 });
    assert_eq!(grant(&meta, 0), None, "behind this state another may hold it");
    assert!(!keys(&meta).iter().any(|it| it.contains("/p/0")));
    assert_eq!(items(&mut meta, &[give(0, 1)]), Err(AssignmentRefusal::Waits));
    let now = version(&meta);
    items_if(&mut meta, now, &[give(0, 2)], true).expect("it has waited");
    assert!(number(&meta, 0) > first + JUMP, "behind all that was given");
    items(&mut meta, &[give(1, 3)]).expect("once is enough");
    let mut empty = Meta::from_founding(&FoundingCertificate::default());
    empty.change_assignments(Change::Anew { at_unix_ms: 0 });
    define(&mut empty, assignment(3)).expect("a sound one");
    let refused = items(&mut empty, &[give(0, 1)]);
    assert_eq!(refused, Err(AssignmentRefusal::Waits), "it may have been there behind the state");
}
