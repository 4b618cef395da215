//! What the leader knows of items, by itself and in a node that leads alone.

use super::*;
use crate::client::{ClientRequest, ItemRelease};
use crate::event::{Input, Output};
use crate::shares::{ItemStanding, Items};
use crate::trial::{PATIENCE, Trial, life, reply};
use quorate_proto::{
    Act, Assignment, Command, DefineAssignment, DropAssignment, FoundingCertificate, ItemChange,
    ItemHolder, ItemStep, ItemsKnown, Label, SetAssignment, act,
};
use std::time::Duration;

const TTL_MS: u64 = 3_000;

fn assignment(count: u32) -> Assignment {
    Assignment { name: "p".to_owned(), count, ttl_ms: TTL_MS, ..Assignment::default() }
}

fn at(ms: u64) -> Moment {
    Moment::from_micros(ms * 1_000)
}

fn apply(meta: &mut Meta, body: CommandBody) {
    meta.apply(meta.applied() + 1, &Command::to_entry(1, body)).expect("it is known");
}

/// The first host holds the only item, since its second start.
fn held() -> Meta {
    held_by(1)
}

fn held_by(number: u8) -> Meta {
    let mut meta = Meta::from_founding(&FoundingCertificate::default());
    let define = DefineAssignment { assignment: assignment(1), at_unix_ms: 0 };
    apply(&mut meta, CommandBody::DefineAssignment(define));
    let (instance, generation) = (life(number), Generation::new(2));
    let to = Some(ItemHolder { instance, generation, ..ItemHolder::default() });
    change(&mut meta, ItemChange { step: ItemStep::Give.into(), to, ..ItemChange::default() });
    meta
}

fn change(meta: &mut Meta, change: ItemChange) {
    let (if_version, changes) = (record(meta).version, vec![change]);
    let assignment = "p".to_owned();
    let change = ChangeItems { assignment, if_version, changes, ..ChangeItems::default() };
    apply(meta, CommandBody::ChangeItems(change));
}

fn record(meta: &Meta) -> &AssignmentRecord {
    meta.assignments().next().expect("there is one").record()
}

fn number(meta: &Meta) -> u64 {
    record(meta).grants[0].number
}

fn lapses_at(assignments: &Assignments, meta: &Meta) -> Moment {
    let record = record(meta);
    assignments.lapses_at(record, &record.grants[0])
}

fn ask(generation: u64) -> RenewShares {
    let generation = Generation::new(generation);
    RenewShares { instance: life(1), generation, ..RenewShares::default() }
}

fn known(assignments: &Assignments) -> Known {
    *assignments.known.values().next().expect("there is one")
}

#[test]
fn a_new_leader_counts_each_item_in_full_from_its_first_look() {
    let meta = held();
    let mut assignments = Assignments::default();
    assignments.note(&meta, at(5_000));
    assert_eq!(lapses_at(&assignments, &meta), at(5_000) + lapse::span(TTL_MS));
    assignments.renew(&meta, &ask(2), at(6_000)).expect("nothing is under way");
    assignments.note(&meta, at(9_000));
    assert_eq!(lapses_at(&assignments, &meta), at(6_000) + lapse::span(TTL_MS), "as it came");
    assignments.begin();
    assignments.note(&meta, at(10_000));
    assert_eq!(lapses_at(&assignments, &meta), at(10_000) + lapse::span(TTL_MS), "it led anew");
}

#[test]
fn an_item_of_an_earlier_start_is_renewed_by_no_later_one_which_may_take_it_over() {
    let meta = held();
    let mut assignments = Assignments::default();
    assignments.note(&meta, at(5_000));
    assignments.renew(&meta, &ask(2), at(6_000)).expect("nothing is under way");
    for generation in [1, 3] {
        let answer = assignments.renew(&meta, &ask(generation), at(7_000));
        assert!(answer.expect("nothing is under way")[0].items[0].earlier, "it hears of it");
    }
    assert_eq!(lapses_at(&assignments, &meta), at(6_000) + lapse::span(TTL_MS));
    assert_eq!(known(&assignments).taken_over, None, "its application was not told");
    for generation in [1, 3] {
        let taken = vec![number(&meta)];
        let ask = RenewShares { taken, ..ask(generation) };
        assignments.renew(&meta, &ask, at(7_500)).expect("nothing is under way");
    }
    assert_eq!(known(&assignments).taken_over, Some(Generation::new(3)));
    assert!(!known(&assignments).taken);
}

#[test]
fn no_renewal_is_answered_while_a_change_of_its_items_is_under_way() {
    let meta = held();
    let mut assignments = Assignments::default();
    assignments.note(&meta, at(5_000));
    assignments.under_way.begin("p", record(&meta).version);
    assignments.proposed(&[9]);
    assert_eq!(assignments.renew(&meta, &ask(2), at(6_000)), None);
    let other = RenewShares { instance: life(2), ..ask(2) };
    assert_eq!(assignments.renew(&meta, &other, at(6_000)), Some(Vec::new()), "it holds nothing");
    assignments.settled(9);
    assert!(assignments.renew(&meta, &ask(2), at(6_000)).is_some());
}

#[test]
fn an_item_that_is_asked_back_lapses_from_then_whatever_else_its_holder_renews() {
    let mut meta = held();
    let mut assignments = Assignments::default();
    assignments.note(&meta, at(5_000));
    let leave = ItemStep::Leave.into();
    let number = number(&meta);
    change(&mut meta, ItemChange { number, step: leave, ..ItemChange::default() });
    assignments.note(&meta, at(6_000));
    assignments.renew(&meta, &ask(2), at(8_000)).expect("nothing is under way");
    assignments.note(&meta, at(8_500));
    assert_eq!(lapses_at(&assignments, &meta), at(6_000) + lapse::span(TTL_MS));
    let released = RenewShares { released: vec![number], ..ask(2) };
    assignments.renew(&meta, &released, at(8_600)).expect("nothing is under way");
    assert!(known(&assignments).released);
}

#[test]
fn what_a_holder_knows_is_renewed_without_a_list() {
    let meta = held();
    let mut assignments = Assignments::default();
    assignments.note(&meta, at(5_000));
    let (assignment, version) = ("p".to_owned(), record(&meta).version);
    let knows = |version| {
        let known = vec![ItemsKnown { assignment: assignment.clone(), version }];
        RenewShares { known, ..ask(2) }
    };
    let answer = assignments.renew(&meta, &knows(version), at(6_000)).expect("an answer");
    assert!(answer[0].unchanged && answer[0].items.is_empty());
    let answer = assignments.renew(&meta, &knows(version - 1), at(6_000)).expect("an answer");
    assert!(!answer[0].unchanged && answer[0].items.len() == 1);
}

/// A leader alone that holds all items, and what it told its application last.
fn holding() -> (Trial, Items) {
    let mut trial = Trial::leading_alone();
    let set = SetAssignment { assignment: assignment(2) };
    let mut out = acts(&mut trial, act::Body::SetAssignment(set));
    for _ in 0..8 {
        out.extend(trial.durable());
    }
    let items = told(&out).expect("it holds all of them");
    (trial, items)
}

fn acts(trial: &mut Trial, body: act::Body) -> Vec<Output> {
    let (deadline, request) = (trial.now + PATIENCE, ClientRequest::Act(Act { body: Some(body) }));
    trial.turn([Input::Client { ticket: 77, deadline, request }])
}

fn told(out: &[Output]) -> Option<Items> {
    let items = out.iter().filter_map(|output| match output {
        Output::Items(items) => Some(items.clone()),
        _ => None,
    });
    items.last()
}

#[test]
fn a_leader_alone_gives_itself_all_items_and_says_that_its_application_was_told() {
    let (mut trial, items) = holding();
    let names: Vec<&str> = items.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["0", "1"]);
    assert!(items.items.iter().all(|item| item.standing == ItemStanding::Held));
    let deadline = items.items[0].deadline.expect("it has one");
    assert_eq!(deadline, trial.now + Duration::from_millis(TTL_MS));
    let later = told(&trial.pass(Duration::from_millis(1_100))).expect("it was renewed");
    assert!(later.items[0].deadline > Some(deadline));
    assert_eq!(later.items[0].number, items.items[0].number);
    let group = trial.node.sight().group.expect("a replica");
    let states = record(group.meta()).grants.iter().map(ItemGrant::state);
    assert_eq!(states.collect::<Vec<_>>(), [ItemState::Held; 2]);
}

#[test]
fn items_of_an_assignment_that_goes_are_let_go_one_by_one() {
    let (mut trial, items) = holding();
    let name = "p".to_owned();
    let mut out = acts(&mut trial, act::Body::DropAssignment(DropAssignment { name }));
    for _ in 0..6 {
        out.extend(trial.durable());
    }
    let leaving = told(&out).expect("they are asked back").items;
    assert!(leaving.iter().all(|item| item.standing == ItemStanding::Leaving));
    let mut release = |at: usize| {
        let (item, number) = (items.items[at].name.clone(), items.items[at].number);
        let release = ItemRelease { assignment: "p".to_owned(), item, number };
        let (deadline, request) = (trial.now + PATIENCE, ClientRequest::Release(release));
        let out = trial.turn([Input::Client { ticket: 78, deadline, request }]);
        let said = format!("{:?}", reply(&out, 78).expect("it is answered at once"));
        assert!(said.contains("is let go"), "{said}");
        for _ in 0..6 {
            trial.durable();
        }
    };
    release(0);
    release(1);
    let group = trial.node.sight().group.expect("a replica");
    assert_eq!(group.meta().assignments().count(), 0, "it went with the last");
}

#[test]
fn items_that_no_host_may_hold_are_told_since_they_were_free_also_under_another_leader() {
    let mut trial = Trial::leading_alone();
    let scope = vec![Label { name: "role".to_owned(), value: "broker".to_owned() }];
    let set = SetAssignment { assignment: Assignment { scope, ..assignment(2) } };
    acts(&mut trial, act::Body::SetAssignment(set));
    for _ in 0..8 {
        trial.durable();
    }
    let free = trial.now;
    for leads_anew in [false, true] {
        trial.pass(Duration::from_secs(20));
        if leads_anew {
            trial.node.duties.begin();
        }
        let reasons = trial.node.status(trial.now).reasons;
        let mut told = reasons.iter().filter(|it| it.code == quorate_proto::ReasonCode::ItemUnheld);
        let reason = told.next().expect("nobody holds them");
        assert_eq!(reason.since, free);
        assert!(reason.text.contains("no member is a host with role=broker"), "{}", reason.text);
        assert!(reason.remedy.contains("`[labels]`"), "{}", reason.remedy);
    }
}

#[test]
fn an_item_that_was_asked_back_from_a_host_that_is_gone_is_told_with_what_frees_it_sooner() {
    let trial = Trial::leading_alone();
    let mut meta = held_by(9);
    let before = number(&meta);
    let step = ItemStep::Leave.into();
    change(&mut meta, ItemChange { step, number: before, ..ItemChange::default() });
    let mut assignments = Assignments::default();
    assignments.note(&meta, at(5_000));
    let mut reasons = Vec::new();
    // Of the disk life that holds it this cluster knows nothing any more.
    let sight = Sight { now: at(9_000), ..trial.node.sight() };
    assignments.unreleased(&sight, record(&meta), at(9_000), &mut reasons);
    let [reason] = &*reasons else { panic!("{reasons:?}") };
    assert!(
        reason.text.contains("which is removed, was asked to let item 0 of p go"),
        "{reason:?}"
    );
    let free = format!("`quorate assign free p --item 0 --number {}`", number(&meta));
    assert!(reason.remedy.contains(&free), "{reason:?}");
}
