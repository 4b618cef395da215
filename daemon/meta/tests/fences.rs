//! Grants whose use was ended from outside: which are freed, and which are not.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod support;

use quorate_meta::{AppliedResult, AssignmentRefusal, BudgetRefusal, Meta};
use quorate_proto::*;
use support::*;

/// Three hosts share 30 of a budget, with a reserve, and hold the items `vip` and `cron`, which the third has.
fn sharing() -> Replica {
    let mut replica = Replica::new();
    let name = || "pg".to_owned();
    let budget = Budget { name: name(), max: 30, reserve: 2, ttl_ms: 60_000, ..Budget::default() };
    replica.apply(CommandBody::DefineBudget(DefineBudget { budget, at_unix_ms: 1 }));
    let grant = |number: u8| Grant {
        instance: instance(number),
        generation: Generation::new(1),
        host: format!("n{number}"),
        told: 10,
        counted: 10,
        number: 0,
    };
    let grants = vec![grant(1), grant(2), grant(3)];
    change(&mut replica, grants);
    let names = vec!["vip".to_owned(), "cron".to_owned()];
    let assignment =
        Assignment { name: "edge".to_owned(), names, ttl_ms: 60_000, ..Assignment::default() };
    replica.apply(CommandBody::DefineAssignment(DefineAssignment { assignment, at_unix_ms: 1 }));
    let to = ItemHolder { instance: instance(3), host: "n3".into(), ..ItemHolder::default() };
    let give = |item| {
        let (step, to) = (ItemStep::Give.into(), Some(to.clone()));
        ItemChange { item, step, to, ..ItemChange::default() }
    };
    items(&mut replica, vec![give(0), give(1)]);
    replica
}

fn change(replica: &mut Replica, grants: Vec<Grant>) {
    let if_version = replica.meta.budgets().next().unwrap().version;
    let budget = "pg".to_owned();
    let change = ChangeGrants { budget, if_version, grants, waited: false, at_unix_ms: 2 };
    replica.apply(CommandBody::ChangeGrants(change));
}

fn items(replica: &mut Replica, changes: Vec<ItemChange>) {
    let if_version = replica.meta.assignments().next().unwrap().record().version;
    let assignment = "edge".to_owned();
    let change = ChangeItems { assignment, if_version, changes, waited: false, at_unix_ms: 2 };
    replica.apply(CommandBody::ChangeItems(change));
}

fn turn(replica: &mut Replica, number: u8, state: MemberState) {
    let if_epoch = replica.meta.epoch();
    let generation = Generation::new(1);
    let (instance, state) = (instance(number), state.into());
    let changes = vec![StateChange { instance, generation, state, ..StateChange::default() }];
    replica.apply(CommandBody::Health(HealthProposal { if_epoch, changes, at_unix_ms: 7 }));
}

fn grant(meta: &Meta, number: u8) -> Option<Grant> {
    meta.budgets().next().unwrap().grant(instance(number)).cloned()
}

fn free(replica: &mut Replica, holder: &str, number: u64) -> Result<String, BudgetRefusal> {
    free_since(replica, holder, number, 0)
}

fn free_since(
    replica: &mut Replica,
    holder: &str,
    number: u64,
    away_since_epoch: u64,
) -> Result<String, BudgetRefusal> {
    let (budget, holder) = ("pg".to_owned(), holder.to_owned());
    let free = FreeGrant { budget, holder, number, at_unix_ms: 9, away_since_epoch };
    match replica.apply(CommandBody::FreeGrant(free)).result {
        AppliedResult::Budget(result) => result,
        other => panic!("{other:?}"),
    }
}

fn item(meta: &Meta, item: u32) -> Option<ItemGrant> {
    meta.assignments().next().unwrap().record().grant(item).cloned()
}

fn free_item(replica: &mut Replica, item: &str, number: u64) -> Result<String, AssignmentRefusal> {
    free_item_since(replica, item, number, 0)
}

fn free_item_since(
    replica: &mut Replica,
    item: &str,
    number: u64,
    away_since_epoch: u64,
) -> Result<String, AssignmentRefusal> {
    let (assignment, item) = ("edge".to_owned(), item.to_owned());
    let free = FreeItem { assignment, item, number, at_unix_ms: 9, away_since_epoch };
    match replica.apply(CommandBody::FreeItem(free)).result {
        AppliedResult::Assignment(result) => result,
        other => panic!("{other:?}"),
    }
}

fn keys(replica: &Replica, below: &str) -> Vec<String> {
    let (key, range_end) = (below.to_owned().into(), format!("{below}~").into());
    let range = RangeRequest { key, range_end, ..RangeRequest::default() };
    let kvs = replica.range(range).unwrap().kvs;
    kvs.iter().map(|kv| String::from_utf8_lossy(&kv.value).into_owned()).collect()
}

#[test]
fn a_fence_frees_the_whole_grant_of_a_host_that_is_down_and_the_ledger_says_so() {
    let mut replica = sharing();
    turn(&mut replica, 3, MemberState::Down);
    let number = grant(&replica.meta, 3).unwrap().number;
    assert_eq!(free(&mut replica, "n3", number), Ok(format!("grant {number} of n3 is freed")));
    assert_eq!(grant(&replica.meta, 3), None, "its reserve too");
    let ledger = keys(&replica, "__meta/ledgers/budgets/pg/");
    let fenced: Vec<_> = ledger.iter().filter(|it| it.contains("fenced")).collect();
    assert_eq!(fenced.len(), 1, "{ledger:?}");
    assert!(fenced[0].contains(&format!("\"fenced\":{number}}}")), "{fenced:?}");
    assert!(fenced[0].contains("\"granted\":20,\"max\":30"), "{fenced:?}");
    let again = free(&mut replica, "n3", number);
    assert_eq!(again.as_deref(), Ok("n3 has nothing of it any more"), "twice does no harm");
    let restored = Meta::restore(replica.meta.chunks()).unwrap();
    assert_eq!(restored.state_hash(), replica.meta.state_hash());
}

#[test]
fn a_fence_for_an_earlier_grant_or_for_another_host_frees_nothing() {
    let mut replica = sharing();
    let number = grant(&replica.meta, 3).unwrap().number;
    let smaller = Grant { told: 8, ..grant(&replica.meta, 3).unwrap() };
    change(&mut replica, vec![smaller]);
    turn(&mut replica, 3, MemberState::Down);
    let now = grant(&replica.meta, 3).unwrap().number;
    assert!(now > number);
    let (budget, holder) = ("pg".to_owned(), "n3".to_owned());
    assert_eq!(
        free(&mut replica, "n3", number),
        Err(BudgetRefusal::NotThatGrant { budget, holder, number, now })
    );
    let of_another = free(&mut replica, "n2", now);
    assert!(matches!(of_another, Err(BudgetRefusal::NotThatGrant { .. })), "{of_another:?}");
    assert_eq!(grant(&replica.meta, 3).unwrap().counted, 10);
    let life = instance(3).to_string();
    free(&mut replica, &life, now).expect("its disk life names it too");
}

#[test]
fn nothing_of_a_host_that_is_up_is_freed_and_what_helps_is_said() {
    let mut replica = sharing();
    let number = grant(&replica.meta, 3).unwrap().number;
    let refused = free(&mut replica, "n3", number).expect_err("it is up");
    assert!(refused.to_string().contains("quorate drain n3"), "{refused}");
    let vip = item(&replica.meta, 0).unwrap().number;
    let refused = free_item(&mut replica, "vip", vip).expect_err("it is up");
    assert!(refused.to_string().contains("quorate drain n3"), "{refused}");
    turn(&mut replica, 3, MemberState::Down);
    turn(&mut replica, 3, MemberState::Alive);
    assert!(free(&mut replica, "n3", number).is_err(), "it is back");
    assert_eq!(grant(&replica.meta, 3).unwrap().counted, 10);
    turn(&mut replica, 3, MemberState::Left);
    free(&mut replica, "n3", number).expect("whoever asks has looked there");
}

#[test]
fn a_fence_frees_one_item_of_a_host_that_is_down_under_its_present_number() {
    let mut replica = sharing();
    turn(&mut replica, 3, MemberState::Down);
    let vip = item(&replica.meta, 0).unwrap().number;
    let stale = free_item(&mut replica, "vip", vip - 1);
    assert!(matches!(stale, Err(AssignmentRefusal::NotThatGrant { .. })), "{stale:?}");
    let unknown = free_item(&mut replica, "0", vip);
    assert!(matches!(unknown, Err(AssignmentRefusal::UnknownItem { .. })), "{unknown:?}");
    free_item(&mut replica, "vip", vip).expect("it is down");
    assert_eq!(item(&replica.meta, 0), None);
    assert!(item(&replica.meta, 1).is_some(), "the other one stays");
    assert_eq!(keys(&replica, "__meta/assignments/edge/").len(), 1);
    let ledger = keys(&replica, "__meta/ledgers/assignments/edge/");
    assert!(ledger.last().unwrap().contains("\"step\":\"fenced\""), "{ledger:?}");
    let again = free_item(&mut replica, "vip", vip);
    assert_eq!(again.as_deref(), Ok("nobody holds vip any more"));
}

#[test]
fn what_was_ended_before_its_host_was_back_is_not_freed_for_it() {
    let mut replica = sharing();
    let number = grant(&replica.meta, 3).unwrap().number;
    let vip = item(&replica.meta, 0).unwrap().number;
    turn(&mut replica, 3, MemberState::Down);
    let first = replica.meta.member(instance(3)).unwrap().since_epoch.get();
    turn(&mut replica, 3, MemberState::Alive);
    turn(&mut replica, 3, MemberState::Down);
    let then = replica.meta.member(instance(3)).unwrap().since_epoch.get();
    let refused = free_since(&mut replica, "n3", number, first).expect_err("it was up since");
    assert!(refused.to_string().contains("n3 was up since"), "{refused}");
    free_item_since(&mut replica, "vip", vip, first).expect_err("it was up since");
    assert!(grant(&replica.meta, 3).is_some() && item(&replica.meta, 0).is_some());
    free_since(&mut replica, "n3", number, then).expect("it was ended behind that");
    free_item_since(&mut replica, "vip", vip, then).expect("it was ended behind that");
}

#[test]
fn a_mistyped_holder_is_nobody() {
    let mut replica = sharing();
    turn(&mut replica, 3, MemberState::Down);
    let refused = free(&mut replica, "n33", 1).expect_err("it is nobody");
    assert_eq!(refused, BudgetRefusal::UnknownHolder("n33".to_owned()));
}
