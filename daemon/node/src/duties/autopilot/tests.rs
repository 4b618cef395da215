//! The rules of the autopilot, one situation each.

use super::facts::{Candidate, DeadVoter, Facts};
use super::plan::{Could, Why, next_change};
use super::words::rule;
use crate::boot::Promotion;
use crate::trial::{Trial, address, life};
use quorate_proto::{
    ConfChangeKind, EnvelopeBody, Lane, Moment, Ping, RaftId, ReasonCode, Warning, WarningKind,
    Warnings,
};
use std::time::Duration;

fn id(n: u64) -> RaftId {
    RaftId::new(n).expect("not zero")
}

fn node(n: u64, voter: bool, learner: bool) -> Candidate {
    Candidate {
        id: id(n),
        alive: true,
        lost: false,
        drained: false,
        works: true,
        approved: true,
        seed: true,
        zone: None,
        voter,
        learner,
        caught_up: learner,
        leads: n == 1,
    }
}

fn dead(n: u64) -> DeadVoter {
    DeadVoter { id: id(n), removed: false }
}

fn kinds(facts: &Facts) -> Vec<(ConfChangeKind, u64)> {
    next_change(facts).changes.iter().map(|one| (one.kind(), one.node_id)).collect()
}

#[test]
fn a_second_node_becomes_a_standby_and_then_a_voter() {
    let mut facts =
        Facts { candidates: vec![node(1, true, false), node(2, false, false)], ..Facts::default() };
    assert_eq!(kinds(&facts), [(ConfChangeKind::AddLearner, 2)]);
    facts.candidates[1].learner = true;
    assert_eq!(kinds(&facts), []);
    facts.candidates[1].caught_up = true;
    assert_eq!(kinds(&facts), [(ConfChangeKind::AddVoter, 2)]);
}

#[test]
fn four_nodes_keep_three_voters() {
    let voters = (1..=3).map(|n| node(n, true, false));
    let facts =
        Facts { candidates: voters.chain([node(4, false, false)]).collect(), ..Facts::default() };
    assert_eq!(kinds(&facts), []);
}

#[test]
fn from_three_to_five_both_come_in_one_change() {
    let voters = (1..=3).map(|n| node(n, true, false));
    let mut facts = Facts {
        candidates: voters.chain([node(4, false, true), node(5, false, true)]).collect(),
        ..Facts::default()
    };
    assert_eq!(kinds(&facts), [(ConfChangeKind::AddVoter, 4), (ConfChangeKind::AddVoter, 5)]);
    facts.candidates[4].caught_up = false;
    assert_eq!(kinds(&facts), []);
}

#[test]
fn a_dead_voter_leaves_in_the_change_that_brings_its_successor() {
    let mut facts = Facts {
        candidates: vec![node(1, true, false), node(2, true, false), node(9, false, false)],
        dead_voters: vec![dead(3)],
        ..Facts::default()
    };
    assert_eq!(kinds(&facts), [(ConfChangeKind::AddLearner, 9)]);
    facts.candidates[2] = node(9, false, true);
    assert_eq!(kinds(&facts), [(ConfChangeKind::AddVoter, 9), (ConfChangeKind::Remove, 3)]);
}

#[test]
fn who_was_taken_out_keeps_its_vote_while_the_living_are_no_majority_without_it() {
    let mut facts = Facts {
        candidates: vec![node(1, true, false), node(2, true, false)],
        dead_voters: vec![dead(3)],
        ..Facts::default()
    };
    assert_eq!(kinds(&facts), [(ConfChangeKind::Remove, 3)]);
    // It runs, for all that is known here: without it one of two is left.
    facts.candidates[1].alive = false;
    assert_eq!(kinds(&facts), []);
    facts.candidates = vec![node(1, true, false)];
    assert_eq!(kinds(&facts), [(ConfChangeKind::Remove, 3)], "of two voters one is left");
    facts.dead_voters.push(dead(4));
    assert_eq!(kinds(&facts), [], "the next one of two more would be one of two");
}

#[test]
fn a_dead_vote_is_taken_where_nobody_could_get_it() {
    let facts = Facts {
        candidates: vec![node(1, true, false), node(2, true, false)],
        dead_voters: vec![dead(3)],
        wanted: Some(3),
        ..Facts::default()
    };
    assert_eq!(kinds(&facts), [(ConfChangeKind::Remove, 3)]);
}

#[test]
fn a_late_seed_is_promoted_before_a_stranger() {
    let mut stranger = node(2, false, false);
    stranger.seed = false;
    let facts = Facts {
        candidates: vec![
            node(1, true, false),
            node(3, true, false),
            stranger,
            node(7, false, false),
        ],
        ..Facts::default()
    };
    assert_eq!(kinds(&facts), [(ConfChangeKind::AddLearner, 7)]);
}

/// So many voters, and members behind them.
fn cluster(voters: u64, members: u64) -> Facts {
    let voters_of = (1..=voters).map(|n| node(n, true, false));
    let members_of = (voters + 1..=voters + members).map(|n| node(n, false, true));
    Facts { candidates: voters_of.chain(members_of).collect(), ..Facts::default() }
}

fn lose(facts: &mut Facts, n: usize) {
    facts.candidates[n - 1].alive = false;
    facts.candidates[n - 1].lost = true;
}

const ADD: ConfChangeKind = ConfChangeKind::AddVoter;
const DEMOTE: ConfChangeKind = ConfChangeKind::AddLearner;

#[test]
fn a_voter_that_is_lost_gives_its_vote_to_a_standby_in_one_change() {
    let mut facts = cluster(3, 1);
    lose(&mut facts, 2);
    assert_eq!(kinds(&facts), [(ADD, 4), (DEMOTE, 2)]);
    facts.candidates[3].caught_up = false;
    assert_eq!(next_change(&facts).why, Why::CatchesUp(id(4)));
    facts.candidates[3].learner = false;
    assert_eq!(kinds(&facts), [(DEMOTE, 4)], "it has the log first");
}

#[test]
fn a_voter_that_is_gone_for_a_moment_or_drained_keeps_its_vote() {
    let mut facts = cluster(3, 1);
    facts.candidates[1].alive = false;
    assert_eq!((kinds(&facts), next_change(&facts).why), (vec![], Why::Awaits(id(2))));
    facts.candidates[1].drained = true;
    assert_eq!((kinds(&facts), next_change(&facts).why), (vec![], Why::Settled));
}

#[test]
fn without_a_host_for_its_place_a_lost_voter_keeps_its_vote_down_to_three() {
    let mut facts = cluster(3, 0);
    lose(&mut facts, 2);
    let none = Why::NoSuccessor { lost: id(2), could: Could::Nobody };
    assert_eq!((kinds(&facts), next_change(&facts).why), (vec![], none));
    let mut facts = cluster(3, 1);
    lose(&mut facts, 2);
    facts.candidates[3].drained = true;
    let none = Why::NoSuccessor { lost: id(2), could: Could::Drained };
    assert_eq!((kinds(&facts), next_change(&facts).why), (vec![], none));
    facts.candidates[3].drained = false;
    facts.candidates[3].approved = false;
    let none = Why::NoSuccessor { lost: id(2), could: Could::Unapproved };
    assert_eq!((kinds(&facts), next_change(&facts).why), (vec![], none));
}

#[test]
fn a_host_whose_disk_is_full_or_silent_gets_no_vote_and_nobody_waits_for_it() {
    let mut facts = cluster(3, 2);
    lose(&mut facts, 2);
    facts.candidates[3].works = false;
    assert_eq!(kinds(&facts), [(ADD, 5), (DEMOTE, 2)]);
    // It would never catch up, and is the first in the order.
    facts.candidates[3].caught_up = false;
    assert_eq!(kinds(&facts), [(ADD, 5), (DEMOTE, 2)]);
    facts.candidates[4].works = false;
    let none = |could| Why::NoSuccessor { lost: id(2), could };
    assert_eq!((kinds(&facts), next_change(&facts).why), (vec![], none(Could::Broken)));
    facts.candidates[4].drained = true;
    assert_eq!(next_change(&facts).why, none(Could::DrainedOrBroken));
}

#[test]
fn a_voter_whose_disk_is_full_keeps_its_vote() {
    let mut facts = cluster(3, 1);
    facts.candidates[1].works = false;
    assert_eq!((kinds(&facts), next_change(&facts).why), (vec![], Why::Settled));
}

#[test]
fn the_vote_of_a_removed_host_goes_although_its_successor_has_not_caught_up() {
    let mut facts = cluster(4, 2);
    facts.wanted = Some(5);
    facts.candidates[4].caught_up = false;
    facts.candidates[5].caught_up = false;
    facts.dead_voters = vec![dead(8)];
    assert_eq!((kinds(&facts), next_change(&facts).why), (vec![], Why::CatchesUp(id(5))));
    facts.dead_voters.push(DeadVoter { id: id(9), removed: true });
    assert_eq!(kinds(&facts), [(ConfChangeKind::Remove, 9)], "not the one with a new disk");
}

#[test]
fn five_voters_that_lose_two_for_good_become_three_in_one_change() {
    let mut facts = cluster(5, 0);
    lose(&mut facts, 2);
    lose(&mut facts, 4);
    assert_eq!(kinds(&facts), [(DEMOTE, 4), (DEMOTE, 2)]);
    let why = next_change(&facts).why;
    assert_eq!(why, Why::TooMany { target: 3, lost: Some(id(2)) });
    facts.candidates[4].alive = false;
    assert_eq!(kinds(&facts), [], "of three voters one would live");
}

#[test]
fn four_voters_become_three_where_nobody_is_unsettled() {
    let mut facts = cluster(4, 0);
    assert_eq!(kinds(&facts), [(DEMOTE, 4)]);
    facts.candidates[2].alive = false;
    assert_eq!((kinds(&facts), next_change(&facts).why), (vec![], Why::Awaits(id(3))));
}

#[test]
fn the_leader_gives_up_its_vote_last() {
    let mut facts = cluster(5, 0);
    facts.wanted = Some(1);
    assert_eq!(kinds(&facts), [(DEMOTE, 5), (DEMOTE, 4), (DEMOTE, 3), (DEMOTE, 2)]);
}

#[test]
fn voters_are_chosen_where_the_fewest_are_and_seeds_among_those() {
    let mut facts = cluster(2, 3);
    for (n, zone) in [(1, 0), (2, 1), (3, 0), (4, 2), (5, 2)] {
        facts.candidates[n - 1].zone = Some(zone);
    }
    facts.candidates[3].seed = false;
    facts.wanted = Some(3);
    assert_eq!(kinds(&facts), [(ADD, 5)]);
}

#[test]
fn a_zone_that_holds_a_majority_gives_a_vote_to_a_host_elsewhere_in_one_change() {
    let mut facts = cluster(3, 1);
    for (n, zone) in [(1, 0), (2, 0), (3, 0), (4, 1)] {
        facts.candidates[n - 1].zone = Some(zone);
    }
    assert_eq!(kinds(&facts), [(ADD, 4), (DEMOTE, 3)]);
    facts.candidates[2].zone = Some(1);
    assert_eq!(kinds(&facts), [], "two and one is as even as it gets");
}

#[test]
fn a_drained_host_keeps_its_vote_although_its_zone_is_crowded() {
    let mut facts = cluster(3, 1);
    for (n, zone) in [(1, 0), (2, 0), (3, 0), (4, 1)] {
        facts.candidates[n - 1].zone = Some(zone);
    }
    facts.candidates[2].drained = true;
    assert_eq!(kinds(&facts), [(ADD, 4), (DEMOTE, 2)]);
    facts.candidates[1].drained = true;
    assert_eq!((kinds(&facts), next_change(&facts).why), (vec![], Why::Settled), "but who leads");
}

#[test]
fn a_pause_keeps_all_from_being_done_but_what_an_operator_asked_for() {
    let mut facts = cluster(3, 2);
    facts.paused = true;
    assert_eq!((kinds(&facts), next_change(&facts).why), (vec![], Why::Paused));
    facts.dead_voters = vec![dead(9)];
    assert_eq!(kinds(&facts), [], "a new disk has its name");
    facts.dead_voters[0].removed = true;
    assert_eq!(kinds(&facts), [(ConfChangeKind::Remove, 9)]);
}

#[test]
fn seven_voters_are_as_many_as_an_operator_can_ask_for_and_come_two_by_two() {
    let mut facts = cluster(5, 2);
    facts.wanted = Some(7);
    assert_eq!(kinds(&facts), [(ADD, 6), (ADD, 7)]);
}

#[test]
fn the_number_of_voters_is_told_for_the_hosts_that_are_not_lost() {
    let mut facts = cluster(5, 0);
    assert_eq!(rule(&facts, 5), "5 voters for 5 hosts");
    lose(&mut facts, 2);
    lose(&mut facts, 4);
    assert_eq!(rule(&facts, next_change(&facts).target), "3 voters for 3 hosts");
    lose(&mut facts, 5);
    let floor = "3 voters for 5 hosts, until those that are lost are removed";
    assert_eq!(rule(&facts, next_change(&facts).target), floor);
    assert_eq!(rule(&cluster(1, 0), 1), "one voter for one host");
    facts.wanted = Some(5);
    assert_eq!(rule(&facts, 5), "`voters = 5`");
}

/// A leader beside which 2 was let in, and waits for an operator's word before it votes.
fn beside_a_host_that_waits() -> Trial {
    let mut trial = Trial::leading_alone();
    trial.node.config.settings.promotion = Promotion::Approve;
    trial.asks_to_come_in(2);
    beside_2(&mut trial, Duration::from_secs(1));
    trial
}

/// So much time passes, in which 2 gives signs of life.
fn beside_2(trial: &mut Trial, span: Duration) {
    let end = trial.now + span;
    while trial.now < end {
        let ping = Ping { cluster_id: trial.cluster_id(), ..Ping::default() };
        trial.hears(2, Lane::Control, EnvelopeBody::Ping(ping));
        trial.durable();
        trial.pass(Duration::from_millis(100));
    }
}

#[test]
fn who_waits_for_an_operators_word_waits_since_the_moment_when_it_began() {
    let mut trial = beside_a_host_that_waits();
    let since = |trial: &Trial| -> Option<Moment> {
        let reasons = trial.node.status(trial.now).reasons;
        reasons.iter().find(|it| it.code == ReasonCode::Unapproved).map(|it| it.since)
    };
    let first = since(&trial).expect("it waits for a word");
    beside_2(&mut trial, Duration::from_secs(1));
    assert!(first < trial.now);
    assert_eq!(since(&trial), Some(first));
}

#[test]
fn a_host_gets_no_vote_while_it_says_that_its_disk_is_full() {
    let mut trial = beside_a_host_that_waits();
    let does = |trial: &Trial| trial.node.status(trial.now).autopilot.expect("it leads").does;
    let says = |trial: &mut Trial, list| {
        let told = Warnings { list, choices: Vec::new() };
        trial.hears(2, Lane::Control, EnvelopeBody::Warnings(told));
    };
    let full = Warning {
        kind: WarningKind::DiskFull.into(),
        instance: life(2),
        name: "n2".to_owned(),
        address: address(2).into(),
        ..Warning::default()
    };
    says(&mut trial, vec![full]);
    trial.node.config.settings.promotion = Promotion::Auto;
    assert_eq!(does(&trial), "nothing");
    says(&mut trial, Vec::new());
    assert_eq!(does(&trial), "n2 becomes a standby");
}
