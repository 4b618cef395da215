//! Stops that wait for their turn: of two that wait for the same host one goes, and a moment without a leader releases nobody.

use super::*;
use crate::event::{Input, Output};
use crate::trial::Trial;
use quorate_proto::{EnvelopeBody, Generation, Lane, MessageKind, RaftMessage, Session};

const A_MOMENT: Duration = Duration::from_millis(100);

/// So much time passes under this leader of a term.
fn led(trial: &mut Trial, (leader, term): (u8, u64), span: Duration) -> Vec<Output> {
    let end = trial.now + span;
    let mut out = Vec::new();
    while trial.now < end {
        let kind = MessageKind::Heartbeat.into();
        out.extend(trial.hears_raft(leader, RaftMessage { kind, term, ..RaftMessage::default() }));
        out.extend(trial.hears_leader(leader, term));
        out.extend(trial.durable());
        out.extend(trial.pass(A_MOMENT));
    }
    out
}

/// It was stopped, and is started again.
fn comes_back(trial: &mut Trial, number: u8) {
    let session = trial.session(number);
    let generation = Generation::new(session.generation.get() + 1);
    let (number, boot_nonce) = (session.number + 10, session.boot_nonce + 10);
    trial.turn([Input::SessionUp(Session { generation, number, boot_nonce, ..session })]);
}

fn says_goodbye(trial: &mut Trial, number: u8) {
    trial.hears(number, Lane::Control, EnvelopeBody::Farewell(1));
}

fn waits(trial: &Trial) -> bool {
    matches!(trial.node.stopping, Some(Stopping::AwaitsTurn { .. }))
}

const LED_BY_2: (u8, u64) = (2, 5);

/// Voter 1 of three, in which 2 leads: asked to stop while 3 is away.
fn asked_while_3_is_away() -> Trial {
    let mut trial = Trial::voter();
    led(&mut trial, LED_BY_2, A_MOMENT);
    says_goodbye(&mut trial, 3);
    trial.turn([Input::StopInTurn]);
    led(&mut trial, LED_BY_2, Duration::from_secs(5));
    assert!(waits(&trial));
    trial
}

#[test]
fn a_voter_that_can_be_spared_begins_to_stop_at_once() {
    let mut trial = Trial::voter();
    led(&mut trial, LED_BY_2, A_MOMENT);
    trial.turn([Input::StopInTurn]);
    assert!(trial.node.stopping.is_some() && !waits(&trial));
}

#[test]
fn of_two_that_wait_for_a_third_one_goes_and_the_other_waits_for_that() {
    let mut trial = asked_while_3_is_away();
    comes_back(&mut trial, 3);
    led(&mut trial, LED_BY_2, 5 * A_MOMENT);
    assert!(waits(&trial), "the other one may go in this moment");
    // It hands leadership over, and goes.
    led(&mut trial, (3, 6), 3 * A_MOMENT);
    says_goodbye(&mut trial, 2);
    led(&mut trial, (3, 6), Duration::from_secs(5));
    assert!(waits(&trial), "without both nothing could be written");
    comes_back(&mut trial, 2);
    led(&mut trial, (3, 6), 9 * A_MOMENT);
    assert!(waits(&trial));
    led(&mut trial, (3, 6), 3 * A_MOMENT);
    assert!(!waits(&trial), "nobody went before it");
}

#[test]
fn each_voter_looks_for_another_while_before_it_stops() {
    let trial = Trial::voter();
    assert_eq!(spared_for(&trial.node.sight()), SPARED, "the first of three");
    let mut trial = Trial::voter();
    trial.node.config.instance = crate::trial::life(9);
    assert_eq!(spared_for(&trial.node.sight()), 4 * SPARED, "behind all three");
}

#[test]
fn a_moment_without_a_leader_does_not_end_the_wait() {
    let mut trial = asked_while_3_is_away();
    let mut silent = Duration::ZERO;
    while trial.node.is_quorate() {
        trial.pass(A_MOMENT);
        silent += A_MOMENT;
        assert!(silent < Duration::from_secs(5), "it follows a leader that says nothing");
    }
    trial.pass(3 * A_MOMENT);
    led(&mut trial, (2, 50), Duration::from_secs(5));
    assert!(waits(&trial));
}

#[test]
fn where_nothing_can_be_written_for_long_nobody_waits() {
    let mut trial = asked_while_3_is_away();
    trial.pass(Duration::from_secs(4));
    assert!(!waits(&trial));
}

#[test]
fn a_stop_waits_half_a_minute_at_most() {
    let mut trial = asked_while_3_is_away();
    led(&mut trial, LED_BY_2, Duration::from_secs(24));
    assert!(waits(&trial));
    led(&mut trial, LED_BY_2, Duration::from_secs(2));
    assert!(!waits(&trial));
}

#[test]
fn who_leads_reluctantly_hands_over_to_who_has_the_log_and_to_nobody_else() {
    let id = RaftId::new(2).expect("not zero");
    assert!(could_at_once((true, true, 1_000, id), 1_010));
    assert!(!could_at_once((true, true, 10, id), 1_010), "it has to catch up first");
    assert!(!could_at_once((true, false, 1_010, id), 1_010), "it would hand back");
    assert!(!could_at_once((false, true, 1_010, id), 1_010), "it acknowledges nothing");
}
