//! A voter of two whose neighbour falls silent: what it tells its application, and when.

use super::*;
use crate::client::{ClientReply, ClientRequest, FencedAlone};
use crate::event::Input;
use crate::trial::{PATIENCE, Trial, life, raft_said, reply};
use quorate_proto::{
    Budget, ChangeGrants, Command, CommandBody, DefineBudget, Entry, Generation, Grant,
    MessageKind, RaftMessage, SessionEnd,
};

const TTL: Duration = Duration::from_secs(3);
const TERM: u64 = 7;

fn local() -> Budget {
    Budget {
        name: "pg".to_owned(),
        max: 30,
        ttl_ms: 3_000,
        reserve: 2,
        on_quorum_loss: 1,
        fence: "cut".to_owned(),
        ..Budget::default()
    }
}

fn define(budget: Budget) -> CommandBody {
    CommandBody::DefineBudget(DefineBudget { budget, at_unix_ms: 0 })
}

fn grants(if_version: u64, of: &[(u8, u64)]) -> CommandBody {
    let grant = |(number, amount): &(u8, u64)| Grant {
        instance: life(*number),
        generation: Generation::new(1),
        host: format!("n{number}"),
        counted: *amount,
        told: *amount,
        number: 0,
    };
    let grants = of.iter().map(grant).collect();
    CommandBody::ChangeGrants(ChangeGrants {
        budget: "pg".to_owned(),
        if_version,
        grants,
        ..ChangeGrants::default()
    })
}

/// Host 2 leads, and appends these; so many of them are committed.
fn appends(trial: &mut Trial, bodies: Vec<CommandBody>, committed: u64) {
    let first = trial.node.sight().group.map_or(0, |group| group.replica().last()) + 1;
    let log_term = trial.node.sight().group.map_or(0, |group| group.replica().last_term());
    let entry = |(index, body)| Entry {
        index,
        term: TERM,
        data: Command::to_entry(1, body),
        ..Entry::default()
    };
    let message = RaftMessage {
        kind: MessageKind::Append.into(),
        term: TERM,
        log_term,
        index: first - 1,
        entries: (first..).zip(bodies).map(entry).collect(),
        commit: first - 1 + committed,
        ..RaftMessage::default()
    };
    trial.hears_raft(2, message);
    trial.durable();
    trial.durable();
}

/// Both have 15 of a budget, and host 2 leads.
fn sharing(budget: Budget) -> Trial {
    let mut trial = Trial::voter_of_two();
    trial.durable();
    trial.hears_leader(2, TERM);
    appends(&mut trial, vec![define(budget)], 1);
    let version = trial.node.copy().and_then(|meta| meta.budgets().next().map(|it| it.version));
    let version = version.expect("it is defined");
    appends(&mut trial, vec![grants(version, &[(1, 15), (2, 15)])], 1);
    trial
}

fn silent(trial: &mut Trial) {
    trial.turn([Input::SessionDown { instance: life(2), number: 2, end: SessionEnd::TimedOut }]);
}

fn shares(out: &[Output]) -> Vec<&Share> {
    let told = out.iter().filter_map(|output| match output {
        Output::Share(share) => Some(share),
        _ => None,
    });
    told.collect()
}

fn fence(trial: &mut Trial, round: u64) -> (bool, Vec<Output>) {
    let fenced = FencedAlone { budget: "pg".to_owned(), instance: life(2), round };
    let (deadline, request) = (trial.now + PATIENCE, ClientRequest::Fenced(fenced));
    let out = trial.turn([Input::Client { ticket: 90, deadline, request }]);
    let done = matches!(reply(&out, 90), Some(ClientReply::Acted(_)));
    (done, out)
}

fn round(trial: &Trial) -> Option<u64> {
    trial.node.status(trial.now).alone.first().map(|fence| fence.round)
}

fn waits_for_a_fence(trial: &mut Trial) -> u64 {
    silent(trial);
    trial.pass(Duration::from_secs(60));
    trial.durable();
    round(trial).expect("a fence is asked for")
}

#[test]
fn a_voter_of_two_whose_neighbour_is_silent_uses_the_whole_once_that_is_fenced_and_not_before() {
    let mut trial = sharing(local());
    silent(&mut trial);
    let out = trial.pass(Duration::from_secs(60));
    assert!(shares(&out).iter().all(|share| share.alone.is_none()), "nobody was fenced");
    let fences = trial.node.status(trial.now).alone;
    assert_eq!(fences.len(), 1, "{fences:?}");
    assert_eq!((fences[0].host.as_str(), fences[0].amount), ("n2", 15));
    let (done, _) = fence(&mut trial, fences[0].round + 1);
    assert!(!done, "of another round");
    let (done, out) = fence(&mut trial, fences[0].round);
    assert!(done && shares(&out).is_empty(), "what the next start must know is not durable");
    let out = trial.durable();
    let told = shares(&out);
    let [share] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((share.amount, share.deadline), (30, Some(trial.now + TTL)));
    assert_eq!(share.alone.as_ref().map(|it| it.fence.as_str()), Some("cut"));
    let out = trial.pass(TTL);
    let told = shares(&out);
    assert!(told.len() >= 3 && told.iter().all(|share| share.amount == 30), "it goes on: {told:?}");
}

#[test]
fn who_is_alone_helps_no_majority_before_nobody_can_believe_in_the_whole() {
    let mut trial = sharing(local());
    let round = waits_for_a_fence(&mut trial);
    let (done, out) = fence(&mut trial, round);
    assert!(done && shares(&out).first().is_some_and(|share| share.amount == 30));
    trial.turn([Input::SessionUp(trial.session(2))]);
    let vote = |trial: &Trial| RaftMessage {
        kind: MessageKind::RequestVote.into(),
        term: TERM + 9,
        index: trial.node.sight().group.map_or(0, |group| group.replica().last()),
        log_term: TERM,
        ..RaftMessage::default()
    };
    let asks = vote(&trial);
    let mut out = trial.hears_raft(2, asks);
    out.extend(trial.durable());
    assert!(raft_said(&out).is_empty(), "no vote: {:?}", raft_said(&out));
    assert!(trial.node.status(trial.now).alone.is_empty(), "nobody is to be fenced any more");
    let until = trial.now + TTL;
    let out = trial.pass(TTL);
    let told = shares(&out);
    assert!(told.iter().all(|share| share.amount == 15 && share.alone.is_none()), "{told:?}");
    assert_eq!(told.last().and_then(|share| share.deadline), Some(until + TTL));
    let asks = vote(&trial);
    let mut out = trial.hears_raft(2, asks);
    out.extend(trial.durable());
    assert!(!raft_said(&out).is_empty(), "it votes again");
}

#[test]
fn whoever_is_heard_before_all_is_done_has_to_be_fenced_anew() {
    let mut trial = sharing(local());
    let first = waits_for_a_fence(&mut trial);
    trial.turn([Input::SessionUp(trial.session(2))]);
    assert_eq!(round(&trial), None);
    let (done, _) = fence(&mut trial, first);
    assert!(!done, "it is there");
    let second = waits_for_a_fence(&mut trial);
    assert!(second > first);
    assert!(!fence(&mut trial, first).0, "what was cut off may be used again since");
    assert!(fence(&mut trial, second).0);
}

#[test]
fn a_holder_that_is_to_hold_asks_for_no_fence_and_votes_as_ever() {
    let held = Budget { on_quorum_loss: 0, fence: String::new(), ..local() };
    let mut trial = sharing(held);
    silent(&mut trial);
    let out = trial.pass(Duration::from_secs(60));
    assert!(shares(&out).iter().all(|share| share.amount <= 15), "{:?}", shares(&out));
    assert_eq!(round(&trial), None);
    assert!(!trial.node.shares.is_withdrawn());
}

#[test]
fn what_may_be_committed_counts_and_where_it_changes_the_budget_nothing_is_used_alone() {
    let mut trial = sharing(local());
    appends(&mut trial, vec![define(Budget { max: 20, ..local() })], 0);
    silent(&mut trial);
    trial.pass(Duration::from_secs(60));
    assert_eq!(round(&trial), None);
    let reasons = trial.node.status(trial.now).reasons;
    let why = reasons.iter().find(|it| it.code == quorate_proto::ReasonCode::BudgetAlone);
    assert!(why.is_some_and(|it| it.text.contains("the end of its log")), "{reasons:?}");

    let mut trial = sharing(local());
    let version = trial.node.copy().and_then(|meta| meta.budgets().next().map(|it| it.version));
    appends(&mut trial, vec![grants(version.expect("it is there"), &[(2, 5), (3, 10)])], 0);
    silent(&mut trial);
    trial.pass(Duration::from_secs(60));
    let fences = trial.node.status(trial.now).alone;
    let whom: Vec<_> = fences.iter().map(|it| (it.host.as_str(), it.amount)).collect();
    assert_eq!(whom, [("n2", 15), ("n3", 10)], "who may have been granted something, too");
}

#[test]
fn of_three_voters_none_is_sure_to_be_needed_and_none_uses_the_whole() {
    let mut trial = Trial::voter();
    trial.durable();
    trial.hears_leader(2, TERM);
    appends(&mut trial, vec![define(local())], 1);
    for (instance, number) in [(life(2), 2), (life(3), 3)] {
        trial.turn([Input::SessionDown { instance, number, end: SessionEnd::TimedOut }]);
    }
    trial.pass(Duration::from_secs(60));
    assert_eq!(round(&trial), None);
    assert!(!trial.node.shares.is_withdrawn());
    let reasons = trial.node.status(trial.now).reasons;
    let why = reasons.iter().find(|it| it.code == quorate_proto::ReasonCode::BudgetAlone);
    assert!(why.is_some_and(|it| it.text.contains("there are 3")), "{reasons:?}");
}
