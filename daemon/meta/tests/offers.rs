//! Definitions that hosts offer: the first of a name is taken, and none that is there is changed.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod support;

use quorate_meta::AppliedResult;
use quorate_proto::*;
use support::*;

fn budget(max: u64) -> DefineBudget {
    let budget = Budget { name: "pg".to_owned(), max, ttl_ms: 3_000, ..Budget::default() };
    DefineBudget { budget, at_unix_ms: 5 }
}

fn assignment(count: u32) -> DefineAssignment {
    let (name, ttl_ms) = ("p".to_owned(), 3_000);
    let assignment = Assignment { name, count, ttl_ms, ..Assignment::default() };
    DefineAssignment { assignment, at_unix_ms: 5 }
}

fn said(replica: &mut Replica, body: CommandBody) -> String {
    match replica.apply(body).result {
        AppliedResult::Budget(result) => result.unwrap(),
        AppliedResult::Assignment(result) => result.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_definition_that_is_offered_is_taken_once_and_changes_none_that_is_there() {
    let mut replica = Replica::new();
    assert_eq!(said(&mut replica, CommandBody::OfferBudget(budget(30))), "defined");
    let there = said(&mut replica, CommandBody::OfferBudget(budget(40)));
    assert!(there.contains("nothing was changed"), "{there}");
    assert_eq!(replica.meta.budgets().next().unwrap().budget.max, 30);
    assert_eq!(said(&mut replica, CommandBody::DefineBudget(budget(40))), "defined");
    assert_eq!(replica.meta.budgets().next().unwrap().budget.max, 40, "an operator may");
    assert_eq!(said(&mut replica, CommandBody::OfferAssignment(assignment(3))), "defined");
    said(&mut replica, CommandBody::OfferAssignment(assignment(6)));
    assert_eq!(replica.meta.assignments().next().unwrap().record().assignment.count, 3);
}
