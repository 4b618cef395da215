//! One node and the plan: what it answers, when it begins anew, and when it stops.

use super::*;
use crate::client::{ClientReply, ClientRequest};
use crate::event::Input;
use crate::trial::{Trial, reply};
use quorate_proto::{
    ClusterId, ClusterName, Digest, EnvelopeBody, FounderVoter, FoundingMessage, Instance, Lane,
    Lineage, ReasonCode, founding_message,
};
use std::time::Duration;

fn asked(trial: &mut Trial, ask: RecoveryAsk) -> (RecoveryAnswer, Vec<Output>) {
    let (ticket, deadline) = (99, trial.now + Duration::from_secs(5));
    let request = ClientRequest::Recover(ask);
    let out = trial.turn([Input::Client { ticket, deadline, request }]);
    let Some(ClientReply::Recovering(answer)) = reply(&out, ticket) else {
        panic!("not answered at once: {out:?}")
    };
    (answer.clone(), out)
}

fn survey(trial: &mut Trial) -> Holding {
    let ask = RecoveryAsk { body: Some(recovery_ask::Body::Survey(true)) };
    asked(trial, ask).0.holding
}

fn ordered(trial: &mut Trial, founds: bool, holding: Holding) -> (String, Vec<Output>) {
    let order = RecoveryOrder { plan: 7, founds, holding };
    let ask = RecoveryAsk { body: Some(recovery_ask::Body::Order(order)) };
    let (answer, out) = asked(trial, ask);
    (answer.refused, out)
}

fn begins(out: &[Output]) -> Option<&BeginAnew> {
    out.iter().find_map(|output| match output {
        Output::BeginAnew(anew) => Some(anew),
        _ => None,
    })
}

/// The record of the cluster that 2 founds anew by a plan, as it comes on a session.
fn hears_record(trial: &mut Trial, plan: u64) -> Vec<Output> {
    let lineage = Lineage { from: trial.cluster_id(), plan };
    let founder = FounderVoter {
        instance: Instance::from_bytes([42; 16]),
        name: "n2".to_owned(),
        ..FounderVoter::default()
    };
    let cluster = ClusterName::new(trial.node.config.cluster.as_str()).expect("valid");
    let founded = FoundingCertificate::anew(&cluster, lineage, founder);
    let digest = Digest::of_lineage(&lineage);
    let body = Some(founding_message::Body::Founded(founded));
    let message = FoundingMessage { digest, body };
    let mut out = trial.hears(2, Lane::Control, EnvelopeBody::Founding(message));
    out.extend(trial.pass(Duration::from_secs(5)));
    out
}

#[test]
fn a_node_that_knows_a_leader_with_a_majority_takes_no_order() {
    let mut trial = Trial::leading_alone();
    let holding = survey(&mut trial);
    assert!(holding.quorate && holding.applied > 1 && holding.voters.len() == 1);
    let (refused, out) = ordered(&mut trial, true, holding);
    assert!(refused.contains("a leader with a majority"), "{refused}");
    assert!(begins(&out).is_none());
}

#[test]
fn a_voter_founds_anew_once_and_only_what_the_plan_says_that_it_holds() {
    let mut trial = Trial::voter();
    let holding = survey(&mut trial);
    assert!(!holding.quorate);
    let other = Holding { last: holding.last + 1, ..holding.clone() };
    let (refused, out) = ordered(&mut trial, true, other);
    assert!(refused.contains("something else") && begins(&out).is_none(), "{refused}");
    let (refused, out) = ordered(&mut trial, true, holding.clone());
    let last = (holding.last, holding.last_term);
    assert_eq!((refused.as_str(), begins(&out)), ("", Some(&BeginAnew::Found { plan: 7, last })));
    let stopped = |output: &Output| matches!(output, Output::Stopped);
    let mut after = out;
    after.extend(trial.pass(Duration::from_secs(5)));
    assert!(after.iter().any(stopped), "it stops in order");
}

#[test]
fn a_node_without_a_copy_of_the_state_founds_nothing() {
    let mut trial = Trial::member_under_2(3);
    trial.pass(Duration::from_secs(60));
    let holding = survey(&mut trial);
    assert!(!holding.quorate, "its leader was silent for a minute");
    let (refused, _) = ordered(&mut trial, true, holding);
    assert!(refused.contains("no copy of the state"), "{refused}");
}

#[test]
fn who_agreed_to_the_plan_joins_the_cluster_that_was_founded_by_it() {
    let mut trial = Trial::voter();
    let holding = survey(&mut trial);
    let (refused, out) = ordered(&mut trial, false, holding);
    assert!(refused.is_empty() && begins(&out).is_none(), "{refused}");
    let out = hears_record(&mut trial, 7);
    assert!(matches!(begins(&out), Some(BeginAnew::Join(_))), "{out:?}");
    assert!(!out.iter().any(|output| matches!(output, Output::Halt { .. })));
}

#[test]
fn who_was_never_let_in_joins_the_cluster_that_was_founded_anew_when_it_found_no_majority() {
    let mut trial = Trial::stranger();
    let mut out = hears_record(&mut trial, 8);
    assert!(begins(&out).is_none(), "it looks for a majority of the cluster that it knows first");
    for _ in 0..35 {
        out.extend(trial.durable());
        out.extend(trial.pass(Duration::from_secs(1)));
    }
    assert!(matches!(begins(&out), Some(BeginAnew::Join(_))), "{out:?}");
    assert!(!out.iter().any(|output| matches!(output, Output::Halt { .. })));
}

#[test]
fn who_did_not_agree_to_that_plan_stops_and_keeps_its_data() {
    for agrees in [false, true] {
        let mut trial = Trial::voter();
        if agrees {
            let holding = survey(&mut trial);
            ordered(&mut trial, false, holding);
        }
        let mut out = hears_record(&mut trial, 8);
        for _ in 0..35 {
            out.extend(trial.durable());
            out.extend(trial.pass(Duration::from_secs(1)));
        }
        let halted = out.iter().find_map(|output| match output {
            Output::Halt { reason, again } => Some((reason, *again)),
            _ => None,
        });
        let Some((reason, false)) = halted else { panic!("it goes on: {out:?}") };
        assert!(reason.contains("founded anew") && reason.contains("keeps its data"), "{reason}");
        assert!(reason.contains("`quorate reset --set-aside --cluster"), "{reason}");
        assert!(begins(&out).is_none());
    }
}

#[test]
fn who_knows_a_leader_with_a_majority_lets_nobody_found_its_cluster_anew() {
    let mut trial = Trial::leading_alone();
    let lineage = Lineage { from: trial.cluster_id(), plan: 8 };
    let cluster = trial.node.config.cluster.clone();
    let founded = FoundingCertificate::anew(
        &cluster,
        lineage,
        FounderVoter { instance: Instance::from_bytes([42; 16]), ..FounderVoter::default() },
    );
    let mut recovery = Recovery::default();
    let (sight, turn) = (crate::sight::sight!(trial.node), &mut trial.node.turn);
    assert!(!recovery.founded_anew(&sight, turn, true, founded));
    assert!(turn.out.is_empty(), "it goes on, and tells of two clusters");
}

#[test]
fn who_was_only_cut_off_has_the_time_to_find_its_own_majority_and_goes_on() {
    let mut trial = Trial::leading_alone();
    let halts = |out: &[Output]| out.iter().any(|it| matches!(it, Output::Halt { .. }));
    let record = || {
        let lineage = Lineage { from: ClusterId::default(), plan: 8 };
        let cluster = ClusterName::new("trial").expect("valid");
        let founder =
            FounderVoter { instance: Instance::from_bytes([42; 16]), ..FounderVoter::default() };
        FoundingCertificate::anew(&cluster, lineage, founder)
    };
    let mut recovery = Recovery::default();
    let mut looks = |trial: &mut Trial, seconds: u64, quorate: bool| {
        trial.node.turn.now = trial.now + Duration::from_secs(seconds);
        let (sight, turn) = (crate::sight::sight!(trial.node), &mut trial.node.turn);
        if seconds.is_multiple_of(40) {
            recovery.founded_anew(&sight, turn, quorate, record());
        } else {
            recovery.look_again(&sight, turn, quorate);
        }
        halts(&std::mem::take(&mut turn.out))
    };
    assert!(!looks(&mut trial, 0, false), "every start begins without a majority");
    assert!(!looks(&mut trial, 29, false));
    assert!(!looks(&mut trial, 30, true), "it has one after all");
    assert!(!looks(&mut trial, 31, false), "and a moment without it says nothing");
    assert!(!looks(&mut trial, 40, false) && !looks(&mut trial, 69, false));
    assert!(looks(&mut trial, 70, false));
}

#[test]
fn who_was_left_behind_founds_no_third_cluster_and_says_what_it_waits_for() {
    let mut trial = Trial::voter();
    hears_record(&mut trial, 8);
    let reasons = trial.node.status(trial.now).reasons;
    let codes: Vec<ReasonCode> = reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(codes.first(), Some(&ReasonCode::TwoClusters), "{reasons:?}");
    assert!(!codes.contains(&ReasonCode::NoLeader), "its remedy would be another recovery");
    let first = &reasons[0];
    assert!(first.text.contains("founded anew") && first.remedy.starts_with("wait"), "{first:?}");
    let holding = survey(&mut trial);
    let (refused, out) = ordered(&mut trial, true, holding);
    assert!(refused.contains("founded anew before") && begins(&out).is_none(), "{refused}");
}
