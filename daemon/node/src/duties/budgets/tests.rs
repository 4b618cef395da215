//! What the leader knows of grants, by itself and in a node that leads alone.

use super::*;
use crate::client::{Acknowledgement, ClientRequest};
use crate::event::{Input, Output};
use crate::shares::{Share, ShareState};
use crate::trial::{PATIENCE, Trial, life};
use quorate_proto::{Act, Budget, Class, Command, FoundingCertificate, SetBudget, ShareUse, act};

const TTL_MS: u64 = 3_000;

fn budget() -> Budget {
    Budget { name: "pg".to_owned(), max: 30, ttl_ms: TTL_MS, ..Budget::default() }
}

fn at(ms: u64) -> Moment {
    Moment::from_micros(ms * 1_000)
}

fn grant(number: u8, told: u64, counted: u64) -> Grant {
    let (instance, generation) = (life(number), Generation::new(2));
    Grant { instance, generation, told, counted, ..Grant::default() }
}

fn apply(meta: &mut Meta, body: CommandBody) {
    meta.apply(meta.applied() + 1, &Command::to_entry(1, body)).expect("it is known");
}

fn granted(grants: &[Grant]) -> Meta {
    let mut meta = Meta::from_founding(&FoundingCertificate::default());
    let define = quorate_proto::DefineBudget { budget: budget(), at_unix_ms: 0 };
    apply(&mut meta, CommandBody::DefineBudget(define));
    change(&mut meta, grants);
    meta
}

fn change(meta: &mut Meta, grants: &[Grant]) {
    let if_version = record(meta).version;
    let (budget, grants) = ("pg".to_owned(), grants.to_vec());
    let change = ChangeGrants { budget, if_version, grants, ..ChangeGrants::default() };
    apply(meta, CommandBody::ChangeGrants(change));
}

fn record(meta: &Meta) -> &BudgetRecord {
    meta.budgets().next().expect("there is one")
}

fn lapses_at(budgets: &Budgets, meta: &Meta) -> Moment {
    let record = record(meta);
    budgets.lapses_at(record, &record.grants[0])
}

fn ask(generation: u64, uses: Vec<ShareUse>) -> RenewShares {
    let generation = Generation::new(generation);
    RenewShares { instance: life(1), generation, uses, ..RenewShares::default() }
}

fn uses(meta: &Meta, in_use: u64) -> Vec<ShareUse> {
    let number = record(meta).grants[0].number;
    vec![ShareUse { budget: "pg".to_owned(), number, in_use }]
}

#[test]
fn a_new_leader_counts_each_grant_in_full_from_its_first_look() {
    let meta = granted(&[grant(1, 15, 15)]);
    let mut budgets = Budgets::default();
    budgets.note(&meta, at(5_000));
    assert_eq!(lapses_at(&budgets, &meta), at(5_000) + lapse::span(TTL_MS));
    budgets.renew(&meta, &ask(2, Vec::new()), at(6_000)).expect("nothing is under way");
    budgets.note(&meta, at(9_000));
    assert_eq!(lapses_at(&budgets, &meta), at(6_000) + lapse::span(TTL_MS), "as it came");
    budgets.begin();
    budgets.note(&meta, at(10_000));
    assert_eq!(lapses_at(&budgets, &meta), at(10_000) + lapse::span(TTL_MS), "it led anew");
}

#[test]
fn what_an_earlier_start_holds_is_renewed_by_no_later_one() {
    let meta = granted(&[grant(1, 15, 15)]);
    let mut budgets = Budgets::default();
    budgets.note(&meta, at(5_000));
    for generation in [1, 3] {
        let answer = budgets.renew(&meta, &ask(generation, Vec::new()), at(7_000));
        assert_eq!(answer.expect("nothing is under way").len(), 1, "it hears of it");
    }
    assert_eq!(lapses_at(&budgets, &meta), at(5_000) + lapse::span(TTL_MS));
    let known = budgets.known.values().next().expect("there is one");
    assert_eq!(known.taken_over, None, "its application was not told");
    budgets.renew(&meta, &ask(3, uses(&meta, 15)), at(7_500)).expect("nothing is under way");
    let known = budgets.known.values().next().expect("there is one");
    let number = record(&meta).grants[0].number;
    assert_eq!(known.taken_over, Some((number, Generation::new(3))));
}

#[test]
fn no_renewal_is_answered_while_a_change_of_its_budget_is_under_way() {
    let meta = granted(&[grant(1, 15, 15)]);
    let mut budgets = Budgets::default();
    budgets.note(&meta, at(5_000));
    budgets.under_way.begin("pg", record(&meta).version);
    budgets.proposed(&[9]);
    assert_eq!(budgets.renew(&meta, &ask(2, Vec::new()), at(6_000)), None);
    budgets.settled(8);
    assert_eq!(budgets.renew(&meta, &ask(2, Vec::new()), at(6_000)), None);
    budgets.settled(9);
    assert!(budgets.renew(&meta, &ask(2, Vec::new()), at(6_000)).is_some());
}

#[test]
fn a_share_that_shrinks_twice_lapses_from_the_second_time_and_while_its_application_says_that_it_uses_more_not_at_all()
 {
    let mut meta = granted(&[grant(1, 20, 30)]);
    let mut budgets = Budgets::default();
    let above = |budgets: &Budgets, meta: &Meta| {
        let record = record(meta);
        budgets.above(record, &record.grants[0])
    };
    budgets.note(&meta, at(5_000));
    assert_eq!(above(&budgets, &meta), Some(at(5_000)));
    change(&mut meta, &[grant(1, 10, 30)]);
    budgets.note(&meta, at(6_000));
    assert_eq!(above(&budgets, &meta), Some(at(6_000)), "it was told 20 until now");
    budgets.renew(&meta, &ask(2, uses(&meta, 25)), at(8_000)).expect("nothing is under way");
    assert_eq!(above(&budgets, &meta), Some(at(8_000)), "it is at work on it");
    budgets.renew(&meta, &ask(2, uses(&meta, 10)), at(8_500)).expect("nothing is under way");
    let known = budgets.known.values().next().expect("there is one");
    assert_eq!(known.within, record(&meta).grants[0].number);
    change(&mut meta, &[grant(1, 10, 10)]);
    budgets.note(&meta, at(9_000));
    assert_eq!(above(&budgets, &meta), None);
}

/// A leader alone that has all of a budget, and what it told its application last.
fn sharing() -> (Trial, Share) {
    let mut trial = Trial::leading_alone();
    let out = set(&mut trial, budget());
    let share = told(&out).expect("it holds all of it");
    (trial, share)
}

fn set(trial: &mut Trial, budget: Budget) -> Vec<Output> {
    let set = act::Body::SetBudget(SetBudget { budget });
    asked(trial, ClientRequest::Act(Act { body: Some(set) }))
}

fn asked(trial: &mut Trial, request: ClientRequest) -> Vec<Output> {
    let deadline = trial.now + PATIENCE;
    let mut out = trial.turn([Input::Client { ticket: 77, deadline, request }]);
    for _ in 0..6 {
        out.extend(trial.durable());
    }
    out
}

#[test]
fn a_class_grows_into_what_another_has_let_go_and_not_before() {
    let mut trial = Trial::leading_alone();
    let with = |classes: [(&str, u64); 2]| {
        let classes = classes.map(|(name, max)| Class { name: name.to_owned(), max });
        Budget { classes: classes.to_vec(), ..budget() }
    };
    let amounts = |out: &[Output]| {
        let of = |name: &str| {
            let shares = out.iter().filter_map(|it| match it {
                Output::Share(share) if share.budget == name => Some(share),
                _ => None,
            });
            shares.last().map(|share| (share.amount, share.number, share.acknowledge))
        };
        [of("pg:app"), of("pg:report")]
    };
    let first = amounts(&set(&mut trial, with([("app", 20), ("report", 10)])));
    assert_eq!(first.map(|it| it.map(|(amount, ..)| amount)), [Some(20), Some(10)]);
    let [app, report] = amounts(&set(&mut trial, with([("app", 10), ("report", 20)])));
    let (amount, number, acknowledge) = app.expect("it is told");
    assert_eq!((amount, acknowledge), (10, true));
    assert!(report.is_none_or(|(amount, ..)| amount == 10), "app may use 20 yet: {report:?}");
    let use_of = Acknowledgement { budget: "pg:app".to_owned(), number, in_use: 10 };
    let [_, report] = amounts(&asked(&mut trial, ClientRequest::Acknowledge(use_of)));
    assert_eq!(report.map(|(amount, ..)| amount), Some(20), "what app let go is report's");
}

fn told(out: &[Output]) -> Option<Share> {
    let shares = out.iter().filter_map(|output| match output {
        Output::Share(share) => Some(share.clone()),
        _ => None,
    });
    shares.last()
}

#[test]
fn a_leader_alone_gives_itself_all_and_renews_it_in_time() {
    let (mut trial, share) = sharing();
    assert_eq!((share.amount, share.state, share.acknowledge), (30, ShareState::Held, false));
    let deadline = share.deadline.expect("it has one");
    assert_eq!(deadline, trial.now + Duration::from_millis(TTL_MS));
    let later = told(&trial.pass(Duration::from_millis(1_100))).expect("it was renewed");
    assert!(later.deadline > Some(deadline) && later.number == share.number);
}

#[test]
fn an_application_acknowledges_the_newest_grant_alone() {
    let (mut trial, share) = sharing();
    let mut said = |number, in_use| {
        let use_of = Acknowledgement { budget: "pg".to_owned(), number, in_use };
        let (deadline, request) = (trial.now + PATIENCE, ClientRequest::Acknowledge(use_of));
        let out = trial.turn([Input::Client { ticket: 78, deadline, request }]);
        format!("{:?}", crate::trial::reply(&out, 78).expect("it is answered at once"))
    };
    assert!(said(share.number, 12).contains("acknowledged: 12 in use of 30"));
    assert!(said(share.number, 31).contains("say so again"));
    assert!(said(share.number - 1, 3).contains("is not the newest"));
}
