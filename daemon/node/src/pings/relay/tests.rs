//! One node without a link to its leader, and one voter that is asked by such a node.

use crate::event::{Input, Output};
use crate::status::State;
use crate::trial::{Trial, forwards, life, put_request};
use quorate_proto::{
    CopyFault, CopyNotice, Envelope, EnvelopeBody, ForwardRequest, HealthEpoch, Instance,
    KvRequest, Lane, Ping, Pong, RangeRequest, Relayed, Warning, WarningKind, Warnings,
    forward_answer, forward_request, kv_request,
};
use std::net::SocketAddr;
use std::time::Duration;

/// Longer than two rounds of pings.
const SILENCE: Duration = Duration::from_millis(350);

fn said(out: &[Output]) -> Vec<(Instance, EnvelopeBody)> {
    let said = out.iter().filter_map(|output| match output {
        Output::Send { to, frame, .. } => {
            Some((*to, Envelope::open(frame.lane, frame.bytes.clone()).ok()?))
        }
        _ => None,
    });
    said.collect()
}

/// The questions about the leader among what is said: of whom, under which number.
fn questions(out: &[Output]) -> Vec<(Instance, u64)> {
    let asked = said(out).into_iter().filter_map(|(to, body)| match body {
        EnvelopeBody::Ping(ping) if ping.asks => Some((to, ping.number)),
        _ => None,
    });
    asked.collect()
}

fn pongs(out: &[Output]) -> Vec<Pong> {
    let pongs = said(out).into_iter().filter_map(|(_, body)| match body {
        EnvelopeBody::Pong(pong) => Some(pong),
        _ => None,
    });
    pongs.collect()
}

fn vouches(number: u64, leader: u8, term: u64) -> EnvelopeBody {
    let relayed = Some(Relayed { leader: life(leader), term, ..Relayed::default() });
    EnvelopeBody::Pong(Pong { number, epoch: HealthEpoch::new(1), relayed, ..Pong::default() })
}

/// A node that follows 2 in term 5 and hears it no more; the number of its last question to 3.
fn cut_off() -> (Trial, u64) {
    let mut trial = Trial::member_under_2(5);
    let out = trial.pass(SILENCE);
    let Some((to, number)) = questions(&out).pop() else { panic!("it asks, of {out:?}") };
    assert_eq!(to, life(3), "the other voter");
    (trial, number)
}

fn relayed_put(trial: &mut Trial, relay: bool) -> Vec<Output> {
    let body = Some(forward_request::Body::Kv(put_request("a")));
    let cluster_id = trial.cluster_id();
    let request = ForwardRequest {
        cluster_id,
        remaining_ms: 1_000,
        body,
        relay,
        ..ForwardRequest::default()
    };
    trial.turn([Input::Forwarded { from: life(3), ticket: 9, request }])
}

fn is_turned_away(out: &[Output]) -> bool {
    out.iter().any(|output| {
        let Output::ForwardReply { ticket: 9, answer } = output else { return false };
        matches!(answer.outcome, Some(forward_answer::Outcome::NotLeader(_)))
    })
}

#[test]
fn a_node_that_hears_its_leader_asks_nobody() {
    let mut trial = Trial::member_under_2(5);
    for _ in 0..10 {
        let out = trial.pass(Duration::from_millis(150));
        assert!(questions(&out).is_empty(), "{out:?}");
        trial.hears_leader(2, 5);
    }
}

#[test]
fn a_node_without_a_link_to_the_leader_is_quorate_while_a_voter_vouches() {
    let (mut trial, mut number) = cut_off();
    for _ in 0..30 {
        trial.hears(3, Lane::Control, vouches(number, 2, 5));
        let out = trial.pass(Duration::from_millis(160));
        let Some((3.., asked)) = questions(&out).pop().map(|(to, asked)| (to.to_bytes()[0], asked))
        else {
            panic!("it goes on asking, not {out:?}")
        };
        number = asked;
        assert_eq!(trial.node.status(trial.now).state, State::Quorate);
    }
    let reasons = trial.node.status(trial.now).reasons;
    assert_eq!(reasons.iter().map(|reason| reason.code).collect::<Vec<_>>(), ["no-link"]);
    trial.pass(Duration::from_secs(2));
    assert_eq!(trial.node.status(trial.now).state, State::NoQuorum, "nobody vouches any more");
}

#[test]
fn a_node_without_a_link_hears_through_the_voter_what_all_are_warned_of() {
    let copies = vec![CopyNotice {
        instance: life(3),
        fault: CopyFault::StateDiffers.into(),
        ..CopyNotice::default()
    }];
    let warning = Warning {
        kind: WarningKind::RunsTwice.into(),
        instance: life(3),
        name: "n3".to_owned(),
        address: SocketAddr::from(([10, 0, 0, 9], 4747)).into(),
        ..Warning::default()
    };
    // A voter that hears the leader passes on what that one says and warns of.
    let mut voter = Trial::member_under_2(5);
    let (leader, cluster_id) = (Some(life(2)), voter.cluster_id());
    let ping = Ping { cluster_id, term: 5, leader, copies: copies.clone(), ..Ping::default() };
    voter.hears(2, Lane::Control, EnvelopeBody::Ping(ping));
    voter.hears(
        2,
        Lane::Control,
        EnvelopeBody::Warnings(Warnings { list: vec![warning.clone()], choices: Vec::new() }),
    );
    let question = Ping { number: 7, cluster_id, asks: true, ..Ping::default() };
    let out = voter.hears(3, Lane::Control, EnvelopeBody::Ping(question));
    let relayed = pongs(&out).into_iter().find_map(|pong| pong.relayed).expect("it vouches");
    assert_eq!((&relayed.copies, &relayed.warnings), (&copies, &vec![warning]));
    // The one that is cut off shows it, until the voter no longer says it.
    let (mut trial, number) = cut_off();
    let codes = |trial: &Trial| {
        let reasons = trial.node.status(trial.now).reasons;
        let told = reasons.iter().map(|reason| reason.code.word());
        told.filter(|code| ["copy-state-differs", "clone"].contains(code)).collect::<Vec<_>>()
    };
    assert_eq!(codes(&trial), [""; 0]);
    let relayed = Some(relayed);
    let pong = Pong { number, epoch: HealthEpoch::new(1), relayed, ..Pong::default() };
    trial.hears(3, Lane::Control, EnvelopeBody::Pong(pong));
    assert_eq!(codes(&trial), ["clone", "copy-state-differs"]);
    trial.hears(3, Lane::Control, vouches(number, 2, 5));
    assert_eq!(codes(&trial), ["clone"], "a copy is told of for some time");
}

#[test]
fn only_a_voter_that_was_asked_is_believed() {
    let (mut trial, number) = cut_off();
    trial.hears(2, Lane::Control, vouches(number, 3, 6));
    trial.hears(3, Lane::Control, vouches(number + 1, 3, 6));
    trial.hears(3, Lane::Control, vouches(number, 2, 4));
    trial.pass(Duration::from_secs(2));
    assert_eq!(trial.node.status(trial.now).state, State::NoQuorum);
    assert_eq!(trial.node.status(trial.now).term, 5);
}

#[test]
fn a_newer_leader_is_heard_of_through_a_voter() {
    let (mut trial, number) = cut_off();
    trial.hears(3, Lane::Control, vouches(number, 3, 6));
    assert_eq!(trial.node.status(trial.now).term, 6);
}

#[test]
fn requests_go_through_the_voter_that_vouches_and_are_handed_on_once() {
    let (mut trial, number) = cut_off();
    trial.hears(3, Lane::Control, vouches(number, 2, 5));
    let (_, out) = trial.put("a");
    let [(to, _, request)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    assert_eq!((to, request.relay), (life(3), true));
}

#[test]
fn a_read_that_is_in_hand_when_the_link_is_cut_is_asked_through_the_voter_and_a_write_is_not() {
    let mut trial = Trial::member_under_2(5);
    let range = RangeRequest { key: "a".into(), ..RangeRequest::default() };
    let read = KvRequest { request: Some(kv_request::Request::Range(range)) };
    for out in [trial.asks(read.clone(), SILENCE * 10).1, trial.put("b").1] {
        assert_eq!(forwards(&out).iter().map(|(to, ..)| *to).collect::<Vec<_>>(), [life(2)]);
    }
    let out = trial.pass(SILENCE);
    let Some((_, number)) = questions(&out).pop() else { panic!("it asks, of {out:?}") };
    let out = trial.hears(3, Lane::Control, vouches(number, 2, 5));
    let [(to, _, request)] = forwards(&out)[..] else { panic!("one is asked anew, of {out:?}") };
    assert_eq!((to, request.relay), (life(3), true));
    assert_eq!(request.body, Some(forward_request::Body::Kv(read)));
}

#[test]
fn a_node_that_hears_the_leader_hands_a_request_on_as_its_own() {
    let mut trial = Trial::member_under_2(5);
    assert!(is_turned_away(&relayed_put(&mut trial, false)), "nobody asked it to");
    let out = relayed_put(&mut trial, true);
    let [(to, _, request)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    assert_eq!((to, request.relay), (life(2), false));
}

#[test]
fn a_node_that_does_not_hear_the_leader_hands_nothing_on_and_vouches_for_nobody() {
    let (mut trial, number) = cut_off();
    trial.hears(3, Lane::Control, vouches(number, 2, 5));
    assert!(is_turned_away(&relayed_put(&mut trial, true)));
    let question = |trial: &Trial| {
        let (cluster_id, epoch) = (trial.cluster_id(), HealthEpoch::new(1));
        EnvelopeBody::Ping(Ping { cluster_id, epoch, asks: true, ..Ping::default() })
    };
    let question_now = question(&trial);
    let answers = pongs(&trial.hears(3, Lane::Control, question_now));
    assert!(answers.iter().all(|pong| pong.relayed.is_none()), "{answers:?}");
    trial.hears_leader(2, 5);
    let question_now = question(&trial);
    let answers = pongs(&trial.hears(3, Lane::Control, question_now));
    assert!(answers.iter().any(|pong| pong.relayed.is_some()), "it hears the leader again");
}

#[test]
fn a_node_that_the_leader_does_not_hear_asks_around_though_it_hears_the_leader() {
    let mut trial = Trial::member_under_2(5);
    let (cluster_id, leader) = (trial.cluster_id(), Some(life(2)));
    let mut asked = |unheard| {
        let ping = Ping { cluster_id, term: 5, leader, unheard, ..Ping::default() };
        let mut out = trial.hears(2, Lane::Control, EnvelopeBody::Ping(ping));
        out.extend(trial.pass(Duration::from_millis(150)));
        questions(&out).into_iter().map(|(to, _)| to).collect::<Vec<_>>()
    };
    assert_eq!(asked(false), []);
    assert!(asked(true).contains(&life(3)));
    (0..3).for_each(|_| drop(asked(false)));
    assert_eq!(asked(false), [], "the leader hears it again");
}

#[test]
fn what_a_node_without_a_link_has_rides_on_the_next_answer_to_the_leader() {
    let mut trial = Trial::member_under_2(5);
    let (cluster_id, epoch) = (trial.cluster_id(), HealthEpoch::new(1));
    let question = Ping { cluster_id, epoch, asks: true, ..Ping::default() };
    trial.hears(3, Lane::Control, EnvelopeBody::Ping(question));
    let [pong] = &pongs(&trial.hears_leader(2, 5))[..] else { panic!("one answer") };
    let told: Vec<_> = pong.acknowledged.iter().map(|one| (one.instance, one.epoch)).collect();
    assert_eq!(told, [(life(3), epoch)]);
}
