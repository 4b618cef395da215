//! What hosts say of budgets, with every field filled in.

use crate::mutation::samples::life;
use quorate_proto::{
    Act, Budget, BudgetMode, ChangeGrants, Class, CommandBody, DefineBudget, FreeGrant, Generation,
    Grant, ItemsKnown, Label, RemoveBudget, RenewShares, SetBudget, ShareRenewed, ShareUse,
    SharesRenewed, act, forward_answer, forward_request,
};

fn budget() -> Budget {
    let scope = vec![Label { name: "role".to_owned(), value: "proxy".to_owned() }];
    let (name, mode) = ("pg".to_owned(), BudgetMode::Eager.into());
    let classes = vec![Class { name: "app".to_owned(), max: 20 }];
    Budget {
        name,
        max: 30,
        min: 2,
        mode,
        ttl_ms: 3_000,
        reserve: 1,
        scope,
        classes,
        ..Budget::default()
    }
}

fn grant() -> Grant {
    let (instance, generation, host) = (life(2), Generation::new(1), "n2".to_owned());
    Grant { instance, generation, host, counted: 15, told: 10, number: 7 }
}

fn free() -> FreeGrant {
    let (budget, holder) = ("pg".to_owned(), "n2".to_owned());
    FreeGrant { budget, holder, number: 7, at_unix_ms: 5, away_since_epoch: 4 }
}

/// Commands of the log.
pub(super) fn commands() -> [(String, CommandBody); 5] {
    let name = || "pg".to_owned();
    let define = DefineBudget { budget: budget(), at_unix_ms: 5 };
    let (budget, grants, if_version, waited) = (name(), vec![grant()], 1, true);
    let change = ChangeGrants { budget, if_version, grants, waited, at_unix_ms: 5 };
    let remove = RemoveBudget { name: name(), at_unix_ms: 5 };
    [
        ("offer-budget".to_owned(), CommandBody::OfferBudget(define.clone())),
        ("define-budget".to_owned(), CommandBody::DefineBudget(define)),
        ("change-grants".to_owned(), CommandBody::ChangeGrants(change)),
        ("remove-budget".to_owned(), CommandBody::RemoveBudget(remove)),
        ("free-grant".to_owned(), CommandBody::FreeGrant(free())),
    ]
}

/// What one node asks of the leader.
pub(super) fn requests() -> [(String, forward_request::Body); 4] {
    let set = Act { body: Some(act::Body::SetBudget(SetBudget { budget: budget() })) };
    let freed = Act { body: Some(act::Body::FreeGrant(free())) };
    let offer = Act { body: Some(act::Body::OfferBudget(SetBudget { budget: budget() })) };
    let uses = vec![ShareUse { budget: "pg".to_owned(), number: 7, in_use: 9 }];
    let known = vec![ItemsKnown { assignment: "p".to_owned(), version: 9 }];
    let (taken, released) = (vec![4, 5], vec![6]);
    let (instance, generation) = (life(2), Generation::new(1));
    let renew = RenewShares { instance, generation, uses, taken, released, known };
    [
        ("budget".to_owned(), forward_request::Body::Act(set)),
        ("offer-budget".to_owned(), forward_request::Body::Act(offer)),
        ("free-grant".to_owned(), forward_request::Body::Act(freed)),
        ("renew".to_owned(), forward_request::Body::Renew(renew)),
    ]
}

/// The leader's answer to that.
pub(super) fn renewed() -> forward_answer::Outcome {
    let (budget, ttl_ms, reserve) = ("pg".to_owned(), 3_000, 1);
    let shares = vec![ShareRenewed { budget, grant: grant(), ttl_ms, reserve }];
    forward_answer::Outcome::Renewed(SharesRenewed { shares, items: Vec::new() })
}
