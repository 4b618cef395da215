//! What is lost is asked again: under the same name, so that it happens once, and never told as done or not done before that is known.

use super::{answered, done, failed, is_done, number, refusal};
use crate::client::{ClientReply, ClientRequest, ForwardFailure};
use crate::event::{Input, Output};
use crate::trial::{PATIENCE, Trial, forwards, life, put_request, reply};
use quorate_proto::{
    ForwardAnswer, ForwardRequest, KvRequest, KvResponse, Levels, Numbered, Refusal, RefusalCode,
    WriteName, forward_answer, forward_request, kv_response,
};
use std::time::Duration;

/// The client that asks under an id of its own.
const NAMED: u64 = 900;
const LONG: Duration = Duration::from_mins(10);

fn refused(code: RefusalCode, detail: u32) -> ForwardAnswer {
    let refusal = Refusal { code: code.into(), detail, text: "no".to_owned() };
    ForwardAnswer { outcome: Some(forward_answer::Outcome::Refused(refusal)) }
}

/// A write of a member under 2 whose first ask was lost: its client, and the ask that followed.
fn lost_once(trial: &mut Trial) -> (u64, u64) {
    let (client, out) = trial.put("a");
    let [(_, ask, first)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    assert!(!first.again, "for the first time");
    let name = first.name.clone();
    let out = trial.turn([failed(ask, ForwardFailure::Lost)]);
    assert!(reply(&out, client).is_none() && forwards(&out).is_empty(), "not at once: {out:?}");
    let out = trial.pass(Duration::from_millis(200));
    let [(_, ask, second)] = forwards(&out)[..] else { panic!("asked once more, not {out:?}") };
    assert_eq!((second.again, &second.name), (true, &name));
    (client, ask)
}

#[test]
fn a_write_whose_answer_is_lost_is_asked_again_under_its_name() {
    let mut trial = Trial::member_under_2(5);
    let (client, ask) = lost_once(&mut trial);
    assert!(is_done(&trial.turn([answered(ask, done())]), client));
}

#[test]
fn a_lost_write_that_finds_no_answer_until_its_deadline_is_of_unknown_fate() {
    let mut trial = Trial::member_under_2(5);
    let (client, ask) = lost_once(&mut trial);
    let mut out = trial.turn([failed(ask, ForwardFailure::NotSent)]);
    out.extend(trial.pass(PATIENCE));
    assert_eq!(refusal(&out, client), Some(RefusalCode::FateUnknown), "the first ask was lost");
}

#[test]
fn a_refusal_of_a_later_ask_says_nothing_of_an_earlier_one() {
    for code in [RefusalCode::Busy, RefusalCode::TimedOut, RefusalCode::NoSpace] {
        let mut trial = Trial::member_under_2(5);
        let (client, ask) = lost_once(&mut trial);
        let out = trial.turn([answered(ask, refused(code, 0))]);
        assert!(reply(&out, client).is_none(), "{code:?}: {out:?}");
        let out = trial.pass(Duration::from_millis(200));
        let [(_, ask, request)] = forwards(&out)[..] else {
            panic!("asked once more, not {out:?}")
        };
        assert!(request.again);
        assert!(is_done(&trial.turn([answered(ask, done())]), client), "{code:?}");
    }
}

#[test]
fn what_the_leader_lost_is_asked_again_and_what_is_forgotten_is_not() {
    let mut trial = Trial::member_under_2(5);
    let (client, out) = trial.put("a");
    let [(_, ask, _)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    let lost = refused(RefusalCode::FateUnknown, 0);
    let mut out = trial.turn([answered(ask, lost)]);
    assert!(reply(&out, client).is_none(), "{out:?}");
    out.extend(trial.pass(Duration::from_millis(200)));
    let [(_, ask, request)] = forwards(&out)[..] else { panic!("asked once more, not {out:?}") };
    assert!(request.again);
    let out = trial.turn([answered(ask, refused(RefusalCode::FateUnknown, 1))]);
    assert_eq!(refusal(&out, client), Some(RefusalCode::FateUnknown), "nobody can tell");
}

#[test]
fn each_write_has_a_number_of_its_own_and_says_which_are_over() {
    let mut trial = Trial::member_under_2(5);
    let (_, out) = trial.put("a");
    let [(_, ask, request)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    assert_eq!(number(request), Some(1));
    trial.turn([answered(ask, done())]);
    let (_, out) = trial.put("b");
    let [(_, _, request)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    let numbered = Numbered { origin: life(1), run: 1, number: 2, settled: 1 };
    assert_eq!(request.name, Some(WriteName::numbered(numbered)));
}

/// A leader that is asked by node 2 for a put of `a`: what it answers.
fn asked_by_2(trial: &mut Trial, ticket: u64, name: WriteName, again: bool) -> ForwardAnswer {
    let request = ForwardRequest {
        cluster_id: trial.cluster_id(),
        remaining_ms: 5_000,
        body: Some(forward_request::Body::Kv(put_request("a"))),
        relay: false,
        name: Some(name),
        again,
    };
    let mut out = trial.turn([Input::Forwarded { from: life(2), ticket, request }]);
    for _ in 0..3 {
        out.extend(trial.durable());
    }
    let answer = out.into_iter().find_map(|output| match output {
        Output::ForwardReply { ticket: of, answer } if of == ticket => Some(answer),
        _ => None,
    });
    answer.expect("it is answered")
}

fn leader_with_2() -> Trial {
    let mut trial = Trial::leading_alone();
    let session = trial.session(2);
    trial.turn([Input::SessionUp(session)]);
    trial
}

fn of_2(number: u64) -> WriteName {
    let (origin, run, settled) = (life(2), 77, 0);
    WriteName::numbered(Numbered { origin, run, number, settled })
}

#[test]
fn a_leader_does_a_write_once_and_gives_its_first_answer_again() {
    let mut trial = leader_with_2();
    let first = asked_by_2(&mut trial, 1, of_2(1), false);
    let between = asked_by_2(&mut trial, 2, of_2(2), false);
    assert_ne!(first, between);
    // Its first answer was lost on the way, or the first ask came late.
    for (ticket, again) in [(3, true), (4, false)] {
        assert_eq!(asked_by_2(&mut trial, ticket, of_2(1), again), first);
    }
    assert_eq!(trial.version("a"), 2);
}

#[test]
fn a_write_that_was_done_is_not_refused_for_a_keyspace_that_is_full_by_now() {
    let mut trial = leader_with_2();
    let first = asked_by_2(&mut trial, 1, of_2(1), false);
    trial.node.requests.quota.limit_to(1);
    assert_eq!(asked_by_2(&mut trial, 2, of_2(1), true), first);
    let other = asked_by_2(&mut trial, 3, of_2(2), false);
    assert!(matches!(other.outcome, Some(forward_answer::Outcome::Refused(_))), "{other:?}");
}

#[test]
fn a_node_may_not_ask_under_the_number_of_another_nodes_client() {
    let mut trial = leader_with_2();
    let stolen = WriteName::numbered(Numbered { origin: life(3), run: 1, number: 9, settled: 8 });
    for name in [stolen, WriteName::default()] {
        let answer = asked_by_2(&mut trial, 1, name, false);
        assert!(matches!(answer.outcome, Some(forward_answer::Outcome::Refused(_))), "{answer:?}");
    }
    assert_eq!(trial.version("a"), 0);
}

/// A client of a member under 2 asks under an id, with much patience; the ask that follows.
fn asked_under_an_id(trial: &mut Trial) -> u64 {
    let request = put_request("a");
    let name = WriteName::of_client("job 7".into(), &request);
    let (ticket, deadline) = (NAMED, trial.now + LONG);
    let request = ClientRequest::Named { name, request };
    let out = trial.turn([Input::Client { ticket, deadline, request }]);
    let [(_, ask, _)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    ask
}

#[test]
fn a_lost_write_is_not_asked_again_when_the_id_of_its_client_may_be_forgotten() {
    let mut trial = Trial::member_under_2(5);
    let ask = asked_under_an_id(&mut trial);
    trial.now = trial.now + Duration::from_secs(241);
    let mut out = trial.turn([failed(ask, ForwardFailure::Lost)]);
    out.extend(trial.hears_leader(2, 5));
    out.extend(trial.pass(Duration::from_millis(300)));
    assert_eq!(refusal(&out, NAMED), Some(RefusalCode::FateUnknown));
    assert!(forwards(&out).is_empty(), "it could be done twice: {out:?}");
}

#[test]
fn an_ask_under_the_id_of_a_client_that_was_lost_is_repeated_for_four_minutes_and_no_longer() {
    let mut trial = Trial::member_under_2(5);
    let ask = asked_under_an_id(&mut trial);
    let mut out = trial.turn([failed(ask, ForwardFailure::Lost)]);
    out.extend(trial.pass(Duration::from_millis(200)));
    let [(_, _, request)] = forwards(&out)[..] else { panic!("asked once more, not {out:?}") };
    assert!(request.again && request.remaining_ms <= 240_000, "{request:?}");
    let out = trial.pass(Duration::from_secs(239));
    assert!(reply(&out, NAMED).is_none());
    let out = trial.pass(Duration::from_secs(1));
    assert_eq!(refusal(&out, NAMED), Some(RefusalCode::FateUnknown));
}

#[test]
fn what_nothing_came_of_does_not_count_for_how_long_an_id_is_asked_again() {
    let mut trial = Trial::member_under_2(5);
    let ask = asked_under_an_id(&mut trial);
    trial.turn([failed(ask, ForwardFailure::NotSent)]);
    trial.now = trial.now + Duration::from_secs(241);
    let mut out = trial.hears_leader(2, 5);
    out.extend(trial.pass(Duration::from_millis(300)));
    let [(_, ask, request)] = forwards(&out)[..] else { panic!("asked once more, not {out:?}") };
    assert!(!request.again);
    let mut out = trial.turn([failed(ask, ForwardFailure::Lost)]);
    out.extend(trial.pass(Duration::from_millis(200)));
    let [(_, ask, request)] = forwards(&out)[..] else { panic!("asked once more, not {out:?}") };
    assert!(request.again);
    assert!(is_done(&trial.turn([answered(ask, done())]), NAMED));
}

/// A client asks under an id of its own; what it is told.
fn named(trial: &mut Trial, id: &'static str, request: KvRequest) -> ClientReply {
    let name = WriteName::of_client(id.into(), &request);
    let (ticket, deadline) = (NAMED, trial.now + PATIENCE);
    let request = ClientRequest::Named { name, request };
    let mut out = trial.turn([Input::Client { ticket, deadline, request }]);
    for _ in 0..3 {
        out.extend(trial.durable());
    }
    reply(&out, ticket).expect("it is answered").clone()
}

#[test]
fn a_client_that_asks_again_under_its_id_gets_the_first_answer_through_any_node() {
    let mut trial = leader_with_2();
    let first = named(&mut trial, "job 7", put_request("a"));
    let again = named(&mut trial, "job 7", put_request("a"));
    assert_eq!(first, again);
    let name = WriteName::of_client("job 7".into(), &put_request("a"));
    let other = asked_by_2(&mut trial, 1, name, false);
    let revision = |response: &KvResponse| match &response.response {
        Some(kv_response::Response::Put(put)) => put.header.as_ref().map(|header| header.revision),
        _ => None,
    };
    let ClientReply::Kv(first) = first else { panic!("a put: {first:?}") };
    match other.outcome {
        Some(forward_answer::Outcome::Kv(answer)) => {
            assert_eq!(revision(&answer), revision(&first));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(trial.version("a"), 1);
    match named(&mut trial, "job 7", put_request("b")) {
        ClientReply::Refused(refusal) => assert_eq!(refusal.code(), RefusalCode::OtherRequest),
        other => panic!("{other:?}"),
    }
    assert_eq!(trial.version("b"), 0);
}

#[test]
fn below_the_level_of_names_a_lost_write_is_not_asked_again() {
    let mut trial = Trial::member_before_levels(5);
    let (client, out) = trial.put("a");
    let [(_, ask, request)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    assert_eq!(request.name, None);
    let mut out = trial.turn([failed(ask, ForwardFailure::Lost)]);
    out.extend(trial.pass(PATIENCE));
    assert_eq!(refusal(&out, client), Some(RefusalCode::FateUnknown));
    assert!(forwards(&out).is_empty(), "a leader of the version before would do it twice: {out:?}");
}

#[test]
fn below_the_level_of_names_a_leader_leaves_them_out_of_the_log() {
    let mut trial = Trial::leading_alone_with(Levels::BASE);
    let (client, mut out) = trial.put("a");
    out.extend(trial.durable());
    assert!(is_done(&out, client), "{out:?}");
    let ClientReply::Refused(refusal) = named(&mut trial, "job 7", put_request("a")) else {
        panic!(
            "its id would not be remembered, and whoever asks again under it would have it done twice"
        )
    };
    assert_eq!(refusal.code(), RefusalCode::Level, "{refusal:?}");
    assert_eq!(trial.version("a"), 1);
    let meta = trial.node.group.as_ref().expect("it leads").meta();
    assert_eq!((meta.remembered()[0], meta.level().get()), (0, 1));
}

#[test]
fn a_member_lets_no_write_with_an_id_out_below_the_level_of_names() {
    let mut trial = Trial::member_before_levels(5);
    let name = WriteName::of_client("job 7".into(), &put_request("a"));
    let request = ClientRequest::Named { name, request: put_request("a") };
    let deadline = trial.now + PATIENCE;
    let mut out = trial.turn([Input::Client { ticket: NAMED, deadline, request }]);
    out.extend(trial.pass(PATIENCE));
    assert!(forwards(&out).is_empty(), "a leader of the version before would not remember it");
    assert!(matches!(refusal(&out, NAMED), Some(RefusalCode::Level | RefusalCode::TimedOut)));
}
