//! What an entry of the log does to budgets, and what it cannot do.

use super::*;
use crate::sections::numbers::JUMP;
use crate::{AppliedResult, Meta};
use quorate_proto::{
    Budget, Class, Command, CommandBody, FoundingCertificate, FreeGrant, Generation, Instance,
    KvRequest, RangeRequest, kv_request, kv_response,
};

fn budget(max: u64) -> Budget {
    Budget { name: "pg".to_owned(), max, ttl_ms: 3_000, ..Budget::default() }
}

fn grant(life: u8, told: u64, counted: u64) -> Grant {
    let (instance, generation) = (Instance::from_bytes([life; 16]), Generation::new(1));
    Grant { instance, generation, host: format!("n{life}"), told, counted, number: 0 }
}

fn apply(meta: &mut Meta, body: CommandBody) -> Result<String, BudgetRefusal> {
    let applied = meta.apply(meta.applied() + 1, &Command::to_entry(1, body));
    match applied.expect("it is known").result {
        AppliedResult::Budget(result) => result,
        other => panic!("{other:?}"),
    }
}

fn define(meta: &mut Meta, budget: Budget) -> Result<String, BudgetRefusal> {
    apply(meta, CommandBody::DefineBudget(DefineBudget { budget, at_unix_ms: 5 }))
}

fn remove(meta: &mut Meta) -> Result<String, BudgetRefusal> {
    let name = "pg".to_owned();
    apply(meta, CommandBody::RemoveBudget(RemoveBudget { name, at_unix_ms: 5 }))
}

fn grants_if(
    meta: &mut Meta,
    if_version: u64,
    grants: &[Grant],
    waited: bool,
) -> Result<String, BudgetRefusal> {
    let (budget, grants) = ("pg".to_owned(), grants.to_vec());
    let change = ChangeGrants { budget, if_version, grants, waited, at_unix_ms: 7 };
    apply(meta, CommandBody::ChangeGrants(change))
}

fn version(meta: &Meta) -> u64 {
    meta.budgets().next().map_or(0, |record| record.version)
}

fn grants(meta: &mut Meta, grants: &[Grant]) -> Result<String, BudgetRefusal> {
    grants_if(meta, version(meta), grants, false)
}

fn born(max: u64) -> Meta {
    let mut meta = Meta::from_founding(&FoundingCertificate::default());
    define(&mut meta, budget(max)).expect("a sound one");
    meta
}

fn keys(meta: &Meta) -> Vec<String> {
    let (key, range_end) = ("__meta/budgets".into(), "__meta/ledgert".into());
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
fn an_entry_that_would_grant_more_than_there_is_changes_nothing() {
    let mut meta = born(30);
    grants(&mut meta, &[grant(1, 15, 15), grant(2, 15, 15)]).expect("it fits");
    let (hash, records) = (version(&meta), keys(&meta));
    let over = [
        vec![grant(1, 16, 16)],
        vec![grant(1, 15, 16)],
        vec![grant(3, 1, 1)],
        vec![grant(1, 14, 14), grant(3, 2, 2)],
    ];
    for over in over {
        let refused = grants(&mut meta, &over);
        assert_eq!(refused, Err(BudgetRefusal::OverMax { granted: 31, max: 30 }), "{over:?}");
    }
    assert!(grants(&mut meta, &[grant(1, 16, 15)]).is_err(), "told more than is counted");
    assert_eq!((version(&meta), keys(&meta)), (hash, records));
    grants(&mut meta, &[grant(1, 14, 14), grant(3, 1, 1)]).expect("what one lets go another gets");
    let sum: u64 = meta.budgets().map(|record| record.granted()).sum();
    assert_eq!(sum, 30);
}

#[test]
fn a_change_is_void_once_another_came_first_and_numbers_only_grow() {
    let mut meta = born(30);
    let first = version(&meta);
    grants_if(&mut meta, first, &[grant(1, 30, 30)], false).expect("nothing came first");
    let number = meta.newest_grant(grant(1, 0, 0).instance);
    assert_eq!(
        grants_if(&mut meta, first, &[grant(1, 0, 0)], false),
        Err(BudgetRefusal::Overtaken)
    );
    grants(&mut meta, &[grant(1, 0, 0)]).expect("freed");
    remove(&mut meta).expect("it is there");
    assert_eq!(meta.budgets().count(), 0);
    assert!(keys(&meta).is_empty(), "{:?}", keys(&meta));
    define(&mut meta, budget(30)).expect("anew");
    grants(&mut meta, &[grant(1, 30, 30)]).expect("it fits");
    assert!(meta.newest_grant(grant(1, 0, 0).instance) > number, "a token is never used again");
}

#[test]
fn a_lower_max_grows_nobody_until_what_is_granted_has_shrunk_to_it() {
    let mut meta = born(30);
    grants(&mut meta, &[grant(1, 15, 15), grant(2, 15, 15)]).expect("it fits");
    let text = define(&mut meta, budget(20)).expect("lower");
    assert!(text.contains("30 are granted"), "{text}");
    grants(&mut meta, &[grant(1, 10, 15), grant(2, 10, 15)]).expect("told, and counted as before");
    assert!(grants(&mut meta, &[grant(1, 10, 10), grant(2, 15, 16)]).is_err(), "one would grow");
    grants(&mut meta, &[grant(1, 10, 10)]).expect("one let go: 25 of 20 are granted yet");
    assert!(grants(&mut meta, &[grant(3, 1, 1)]).is_err());
    grants(&mut meta, &[grant(2, 10, 10)]).expect("the other one, too");
    assert!(remove(&mut meta).expect("it is there").contains("20 that are granted"));
    assert!(matches!(define(&mut meta, budget(9)), Err(BudgetRefusal::Removing(_))));
    assert!(grants(&mut meta, &[grant(1, 0, 11)]).is_err(), "nothing grows any more");
    grants(&mut meta, &[grant(1, 0, 0), grant(2, 0, 0)]).expect("freed");
    assert_eq!(meta.budgets().count(), 0, "it goes with the last grant");
}

#[test]
fn what_holders_were_told_to_go_by_does_not_change_while_they_hold() {
    let mut meta = born(30);
    define(&mut meta, Budget { ttl_ms: 5_000, ..budget(30) }).expect("nobody holds");
    grants(&mut meta, &[grant(1, 15, 15)]).expect("it fits");
    for other in [budget(30), Budget { ttl_ms: 5_000, reserve: 2, ..budget(30) }] {
        assert!(matches!(define(&mut meta, other), Err(BudgetRefusal::Fixed(_))));
    }
    define(&mut meta, Budget { ttl_ms: 5_000, min: 3, ..budget(40) }).expect("the others may");
}

#[test]
fn there_are_so_many_budgets_and_no_more() {
    let mut meta = Meta::from_founding(&FoundingCertificate::default());
    for number in 0..limits::BUDGETS {
        let name = format!("b{number}");
        define(&mut meta, Budget { name, ..budget(1) }).expect("there is room");
    }
    assert_eq!(define(&mut meta, budget(1)), Err(BudgetRefusal::TooMany));
    assert!(matches!(define(&mut meta, budget(0)), Err(BudgetRefusal::Unsound(_))));
}

#[test]
fn budgets_and_their_numbers_come_back_from_a_snapshot() {
    let mut meta = born(30);
    grants(&mut meta, &[grant(1, 10, 15), grant(2, 15, 15)]).expect("it fits");
    let mut restored = Meta::restore(meta.chunks()).expect("it was just written");
    assert!(restored == meta);
    for twin in [&mut meta, &mut restored] {
        grants(twin, &[grant(1, 10, 10), grant(3, 5, 5)]).expect("it fits");
    }
    assert_eq!(restored.state_hash(), meta.state_hash());
    let shown = keys(&meta);
    assert!(shown[0].starts_with("__meta/budgets/pg {\"name\":\"pg\",\"max\":30"), "{shown:?}");
    assert_eq!(shown.iter().filter(|it| it.contains("/pg/grants/")).count(), 3);
    assert_eq!(shown.iter().filter(|it| it.contains("ledgers/budgets/pg/")).count(), 4);
}

#[test]
fn the_ledger_keeps_the_newest_changes() {
    let mut meta = born(30);
    for round in 0..keys::LEDGER {
        let told = 1 + round % 2;
        grants(&mut meta, &[grant(1, told, told), grant(2, told, told)]).expect("it fits");
    }
    let shown = keys(&meta);
    let ledger: Vec<_> = shown.iter().filter(|it| it.contains("ledgers/budgets/pg/")).collect();
    assert_eq!(ledger.len() as u64, keys::LEDGER);
}

#[test]
fn a_cluster_that_is_founded_anew_grants_nothing_before_its_leader_has_waited() {
    let mut meta = born(30);
    grants(&mut meta, &[grant(1, 15, 15)]).expect("it fits");
    let number = meta.newest_grant(grant(1, 0, 0).instance);
    meta.change_budgets(Change::Anew { at_unix_ms: 0 });
    assert_eq!(grants(&mut meta, &[grant(2, 15, 15)]), Err(BudgetRefusal::Waits));
    grants(&mut meta, &[grant(1, 0, 0)]).expect("what is freed needs no wait");
    let now = version(&meta);
    grants_if(&mut meta, now, &[grant(2, 15, 15)], true).expect("it has waited");
    let anew = meta.newest_grant(grant(2, 0, 0).instance);
    assert!(anew > number + JUMP, "behind all that was given: {anew}");
    grants(&mut meta, &[grant(3, 15, 15)]).expect("once is enough");
}

fn classes(max: u64, classes: &[(&str, u64)]) -> Budget {
    let class = |(name, max): &(&str, u64)| Class { name: (*name).to_owned(), max: *max };
    Budget { classes: classes.iter().map(class).collect(), ..budget(max) }
}

fn give(meta: &mut Meta, class: &str, grants: &[Grant]) -> Result<String, BudgetRefusal> {
    let name = Budget::class_name("pg", class);
    let of = |it: &&std::sync::Arc<BudgetRecord>| it.budget.name == name;
    let if_version = meta.budgets().find(of).map_or(0, |record| record.version);
    let grants = grants.to_vec();
    let change = ChangeGrants { budget: name, if_version, grants, waited: false, at_unix_ms: 7 };
    apply(meta, CommandBody::ChangeGrants(change))
}

fn shown(meta: &Meta) -> Vec<(String, u64, u64)> {
    let one = |it: &std::sync::Arc<BudgetRecord>| (it.budget.name.clone(), it.limit(), it.whole);
    meta.budgets().map(one).collect()
}

#[test]
fn a_budget_with_classes_is_defined_and_goes_as_a_whole() {
    let mut meta = Meta::from_founding(&FoundingCertificate::default());
    let family = classes(30, &[("app", 20), ("report", 10)]);
    assert_eq!(define(&mut meta, family.clone()).as_deref(), Ok("defined"));
    let both = [("pg:app".to_owned(), 20, 30), ("pg:report".to_owned(), 10, 30)];
    assert_eq!(shown(&meta), both);
    assert_eq!(define(&mut meta, family.clone()).as_deref(), Ok("so already"));
    let too_much = define(&mut meta, classes(30, &[("app", 20), ("report", 11)]));
    assert!(matches!(too_much, Err(BudgetRefusal::Unsound(_))), "{too_much:?}");
    assert_eq!(define(&mut meta, budget(30)), Err(BudgetRefusal::HasClasses("pg".to_owned())));
    assert_eq!(shown(&meta), both, "nothing was changed");
    let offer = DefineBudget { budget: budget(9), at_unix_ms: 5 };
    let offered = apply(&mut meta, CommandBody::OfferBudget(offer));
    assert_eq!(offered.as_deref(), Ok(crate::sections::THERE));
    let alone = RemoveBudget { name: "pg:app".to_owned(), at_unix_ms: 5 };
    let refused = apply(&mut meta, CommandBody::RemoveBudget(alone));
    assert!(matches!(refused, Err(BudgetRefusal::IsAClass { .. })), "{refused:?}");
    let restored = Meta::restore(meta.chunks()).expect("it was just written");
    assert!(restored == meta && restored.state_hash() == meta.state_hash());
    give(&mut meta, "report", &[grant(1, 10, 10)]).expect("it fits");
    let whole = FreeGrant { budget: "pg".to_owned(), ..FreeGrant::default() };
    let refused = apply(&mut meta, CommandBody::FreeGrant(whole));
    assert_eq!(refused, Err(BudgetRefusal::OfAClass("pg:app, pg:report".to_owned())));
    assert!(remove(&mut meta).expect("it is there").contains("10 that are granted"));
    assert_eq!(shown(&meta), [("pg:report".to_owned(), 0, 30)], "one was not in use");
    for early in [family.clone(), budget(30)] {
        assert!(matches!(define(&mut meta, early), Err(BudgetRefusal::Removing(_))));
    }
    give(&mut meta, "report", &[grant(1, 0, 0)]).expect("freed");
    assert!(shown(&meta).is_empty() && keys(&meta).is_empty());
    define(&mut meta, budget(30)).expect("nothing is in the way");
    assert_eq!(define(&mut meta, family), Err(BudgetRefusal::HasNoClasses("pg".to_owned())));
}

#[test]
fn what_moves_from_one_class_to_another_is_granted_only_once_it_is_let_go() {
    let mut meta = Meta::from_founding(&FoundingCertificate::default());
    define(&mut meta, classes(30, &[("app", 20), ("report", 10)])).expect("a sound one");
    give(&mut meta, "app", &[grant(1, 20, 20)]).expect("it fits");
    give(&mut meta, "report", &[grant(1, 10, 10)]).expect("it fits");
    let text = define(&mut meta, classes(30, &[("app", 10), ("report", 20)])).expect("it fits");
    assert_eq!(
        text,
        "defined; 20 of pg:app are granted, and that shrinks to 10 as its holders let go"
    );
    let over = give(&mut meta, "report", &[grant(1, 11, 11)]);
    assert_eq!(over, Err(BudgetRefusal::OverMax { granted: 31, max: 30 }), "app is in use yet");
    give(&mut meta, "app", &[grant(1, 10, 15)]).expect("five are let go");
    give(&mut meta, "report", &[grant(1, 15, 15)]).expect("and are another's");
    assert!(give(&mut meta, "report", &[grant(1, 16, 16)]).is_err());
    define(&mut meta, classes(30, &[("report", 30)])).expect("the other class goes");
    assert!(give(&mut meta, "report", &[grant(1, 16, 16)]).is_err(), "15 of it are in use");
    assert_eq!(shown(&meta)[0], ("pg:app".to_owned(), 0, 30));
    assert!(matches!(
        define(&mut meta, classes(30, &[("app", 1), ("report", 29)])),
        Err(BudgetRefusal::Removing(_))
    ));
    give(&mut meta, "app", &[grant(1, 0, 0)]).expect("freed");
    give(&mut meta, "report", &[grant(1, 30, 30)]).expect("it fits");
    assert_eq!(shown(&meta), [("pg:report".to_owned(), 30, 30)]);
    define(&mut meta, classes(12, &[("report", 12)])).expect("a lower one");
    assert!(give(&mut meta, "report", &[grant(2, 1, 1)]).is_err());
    Meta::restore(meta.chunks()).expect("what is granted may be more than there is by now");
}

#[test]
fn each_class_counts_as_a_budget_and_has_the_time_and_the_reserve_of_all() {
    let mut meta = Meta::from_founding(&FoundingCertificate::default());
    for number in 1..limits::BUDGETS {
        let name = format!("b{number}");
        define(&mut meta, Budget { name, ..budget(1) }).expect("there is room");
    }
    let two = define(&mut meta, classes(30, &[("app", 20), ("report", 10)]));
    assert_eq!(two, Err(BudgetRefusal::TooMany));
    define(&mut meta, classes(30, &[("app", 20)])).expect("there is room for one");
    give(&mut meta, "app", &[grant(1, 20, 20)]).expect("it fits");
    let slower = Budget { ttl_ms: 9_000, ..classes(30, &[("app", 20)]) };
    assert_eq!(define(&mut meta, slower), Err(BudgetRefusal::Fixed("pg".to_owned())));
}
