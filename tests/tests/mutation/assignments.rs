//! What hosts say of assignments, with every field filled in.

use crate::mutation::samples::life;
use quorate_proto::{
    Act, Assignment, ChangeItems, CommandBody, DefineAssignment, FreeItem, Generation, ItemChange,
    ItemHolder, ItemRenewed, ItemState, ItemStep, ItemsRenewed, Label, Rebalance, RemoveAssignment,
    SetAssignment, SharesRenewed, act, forward_answer, forward_request,
};

fn assignment() -> Assignment {
    let scope = vec![Label { name: "role".to_owned(), value: "broker".to_owned() }];
    let (name, names) = ("p".to_owned(), vec!["vip".to_owned(), "cron".to_owned()]);
    let rebalance = Rebalance::Eager.into();
    Assignment { name, count: 0, names, scope, ttl_ms: 3_000, rebalance }
}

fn free() -> FreeItem {
    let (assignment, item) = ("p".to_owned(), "vip".to_owned());
    FreeItem { assignment, item, number: 7, at_unix_ms: 5, away_since_epoch: 4 }
}

/// Commands of the log.
pub(super) fn commands() -> [(String, CommandBody); 5] {
    let define = DefineAssignment { assignment: assignment(), at_unix_ms: 5 };
    let (instance, generation) = (life(2), Generation::new(1));
    let (host, address) = ("n2".to_owned(), "10.0.0.2:4747".to_owned());
    let to = Some(ItemHolder { instance, generation, host, address });
    let change = ItemChange { item: 1, number: 7, step: ItemStep::TakeOver.into(), to };
    let (assignment, changes, if_version, waited) = ("p".to_owned(), vec![change], 1, true);
    let change = ChangeItems { assignment, if_version, changes, waited, at_unix_ms: 5 };
    let remove = RemoveAssignment { name: "p".to_owned(), at_unix_ms: 5 };
    [
        ("offer-assignment".to_owned(), CommandBody::OfferAssignment(define.clone())),
        ("define-assignment".to_owned(), CommandBody::DefineAssignment(define)),
        ("change-items".to_owned(), CommandBody::ChangeItems(change)),
        ("remove-assignment".to_owned(), CommandBody::RemoveAssignment(remove)),
        ("free-item".to_owned(), CommandBody::FreeItem(free())),
    ]
}

/// What one node asks of the leader.
pub(super) fn requests() -> [(String, forward_request::Body); 3] {
    let set = SetAssignment { assignment: assignment() };
    let offer = Act { body: Some(act::Body::OfferAssignment(set.clone())) };
    let set = Act { body: Some(act::Body::SetAssignment(set)) };
    let freed = Act { body: Some(act::Body::FreeItem(free())) };
    [
        ("assignment".to_owned(), forward_request::Body::Act(set)),
        ("offer-assignment".to_owned(), forward_request::Body::Act(offer)),
        ("free-item".to_owned(), forward_request::Body::Act(freed)),
    ]
}

/// The leader's answer to a holder.
pub(super) fn renewed() -> forward_answer::Outcome {
    let state = ItemState::Leaving.into();
    let item = ItemRenewed { item: "vip".to_owned(), number: 7, state, earlier: true };
    let (assignment, version, ttl_ms) = ("p".to_owned(), 9, 3_000);
    let items =
        vec![ItemsRenewed { assignment, version, ttl_ms, unchanged: true, items: vec![item] }];
    forward_answer::Outcome::Renewed(SharesRenewed { shares: Vec::new(), items })
}
