//! A write happens once: whom it is asked of, how often, and what its client is told when answers are lost.

use crate::client::{ClientReply, ClientRequest, ForwardFailure};
use crate::event::{Input, Output};
use crate::leadership::LEADER_SILENCE;
use crate::trial::{
    PATIENCE, Trial, forwards, key, life, not_leader, put_request, raft_said, reply, withdrawn,
};
use quorate_proto::{
    EnvelopeBody, ForwardAnswer, ForwardRequest, Generation, GroupId, HealthEpoch, HealthUpdate,
    HealthView, KvRequest, KvResponse, Lane, MessageKind, Numbered, Ping, PutResponse, RaftMessage,
    RangeRequest, RefusalCode, SnapshotMetadata, Waited, WriteName, forward_answer, kv_request,
    kv_response, raft_id, write_name,
};
use std::time::Duration;

mod acts;
mod once;

fn answered(ticket: u64, answer: ForwardAnswer) -> Input {
    Input::ForwardAnswered { ticket, answer: Ok(answer) }
}

fn failed(ticket: u64, failure: ForwardFailure) -> Input {
    Input::ForwardAnswered { ticket, answer: Err(failure) }
}

fn done() -> ForwardAnswer {
    let response = Some(kv_response::Response::Put(PutResponse::default()));
    let outcome = forward_answer::Outcome::Kv(KvResponse { response });
    ForwardAnswer { outcome: Some(outcome) }
}

fn refusal(out: &[Output], client: u64) -> Option<RefusalCode> {
    match reply(out, client)? {
        ClientReply::Refused(refusal) => RefusalCode::try_from(refusal.code).ok(),
        _ => None,
    }
}

/// The number under which a write is asked.
fn number(request: &ForwardRequest) -> Option<u64> {
    match request.name.as_ref()?.kind.as_ref()? {
        write_name::Kind::Numbered(name) => Some(name.number),
        write_name::Kind::Client(_) => None,
    }
}

fn stopped(out: &[Output]) -> bool {
    out.iter().any(|output| matches!(output, Output::Stopped))
}

fn is_done(out: &[Output], client: u64) -> bool {
    matches!(reply(out, client), Some(ClientReply::Kv(_)))
}

#[test]
fn a_leader_that_names_a_newer_one_causes_exactly_one_more_ask() {
    let mut trial = Trial::member_under_2(5);
    let (client, out) = trial.put("a");
    let [(to, first, _)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    assert_eq!(to, life(2));
    let out = trial.turn([answered(first, not_leader(3, 6))]);
    let [(to, second, _)] = forwards(&out)[..] else { panic!("asked once more, not {out:?}") };
    assert_eq!(to, life(3));
    assert_ne!(first, second, "each ask has a ticket of its own");
    let out = trial.turn([answered(second, done())]);
    assert!(is_done(&out, client));
    let out = trial.pass(PATIENCE * 2);
    assert!(forwards(&out).is_empty() && reply(&out, client).is_none(), "that was all: {out:?}");
}

#[test]
fn a_write_that_never_left_is_asked_again() {
    let mut trial = Trial::member_under_2(5);
    let (client, out) = trial.put("a");
    let [(_, ask, _)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    let out = trial.turn([failed(ask, ForwardFailure::NotSent)]);
    assert!(forwards(&out).is_empty(), "not at once: {out:?}");
    let out = trial.pass(Duration::from_millis(200));
    let [(_, second, _)] = forwards(&out)[..] else { panic!("asked once more, not {out:?}") };
    assert!(is_done(&trial.turn([answered(second, done())]), client));
}

#[test]
fn a_write_waits_while_this_node_itself_seeks_another_leader() {
    let mut trial = Trial::member_under_2(5);
    trial.pass(LEADER_SILENCE);
    let (client, out) = trial.put("a");
    assert!(forwards(&out).is_empty(), "handed to one that may be dead: {out:?}");
    let mut out = trial.hears_leader(2, 5);
    out.extend(trial.pass(Duration::from_millis(200)));
    let [(_, ask, _)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    assert!(is_done(&trial.turn([answered(ask, done())]), client));
}

#[test]
fn a_late_answer_of_an_earlier_leader_settles_nothing() {
    let mut trial = Trial::member_under_2(5);
    let (client, out) = trial.put("a");
    let [(_, first, _)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    let out = trial.turn([answered(first, not_leader(3, 6))]);
    let [(_, second, _)] = forwards(&out)[..] else { panic!("asked once more, not {out:?}") };
    // The transport says once more what became of the first ask, at its deadline.
    let out = trial.turn([failed(first, ForwardFailure::Lost), answered(first, not_leader(2, 7))]);
    assert!(reply(&out, client).is_none() && forwards(&out).is_empty(), "heeded: {out:?}");
    assert!(is_done(&trial.turn([answered(second, done())]), client));
}

#[test]
fn a_proposal_of_the_present_term_is_not_taken_for_lost() {
    let mut trial = Trial::alone();
    // Asked before anybody leads: it is proposed right behind the first entry of the term, before that is durable.
    let (client, _) = trial.put("a");
    let mut out = trial.pass(Duration::from_secs(3));
    assert!(trial.node.vitals().leads_in.is_some(), "the only voter leads");
    assert!(reply(&out, client).is_none(), "nothing is durable yet: {out:?}");
    for _ in 0..5 {
        out.extend(trial.durable());
        out.extend(trial.pass(Duration::from_millis(10)));
    }
    assert!(is_done(&out, client), "{out:?}");
    assert_eq!(trial.version("a"), 1, "a write happens once");
}

#[test]
fn a_node_that_all_others_count_without_waits_for_the_epoch_itself() {
    let mut trial = Trial::member_under_2(5);
    let (ticket, deadline) = (77, trial.now + PATIENCE * 4);
    let request = ClientRequest::WaitEpoch { epoch: HealthEpoch::new(9), all_live: true };
    let out = trial.turn([Input::Client { ticket, deadline, request }]);
    let [(_, asked, _)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    let epoch = HealthEpoch::new(9);
    let outcome = Some(forward_answer::Outcome::Waited(Waited { epoch }));
    let mut out = trial.turn([answered(asked, ForwardAnswer { outcome })]);
    out.extend(trial.pass(Duration::from_millis(300)));
    assert!(reply(&out, ticket).is_none(), "it has epoch 1: {out:?}");
    let ping = Ping {
        number: 6,
        cluster_id: trial.cluster_id(),
        term: 5,
        leader: Some(life(2)),
        epoch,
        update: Some(HealthUpdate {
            full: Some(HealthView { epoch, ..HealthView::default() }),
            deltas: Vec::new(),
        }),
        ..Ping::default()
    };
    let out = trial.hears(2, Lane::Control, EnvelopeBody::Ping(ping));
    assert!(matches!(reply(&out, ticket), Some(ClientReply::Epoch(it)) if *it == epoch), "{out:?}");
}

#[test]
fn a_write_that_comes_after_its_deadline_is_not_proposed() {
    let mut trial = Trial::alone();
    trial.pass(Duration::from_secs(3));
    for _ in 0..5 {
        trial.durable();
        trial.pass(Duration::from_millis(10));
    }
    let (client, mut out) = trial.asks(put_request("a"), Duration::ZERO);
    for _ in 0..5 {
        out.extend(trial.durable());
        out.extend(trial.pass(Duration::from_millis(10)));
    }
    assert_eq!(refusal(&out, client), Some(RefusalCode::TimedOut));
    assert_eq!(trial.version("a"), 0, "its client was told that nothing happened");
}

/// One voter of three is made leader by the words of the second.
fn leader_of_three() -> Trial {
    let mut trial = Trial::voter();
    let mut out = trial.pass(Duration::from_secs(4));
    for _ in 0..50 {
        out.extend(trial.durable());
        for (_, said) in raft_said(&out).into_iter().filter(|(to, _)| *to == life(2)) {
            let kind = match MessageKind::try_from(said.kind) {
                Ok(MessageKind::RequestPreVote) => MessageKind::RequestPreVoteResponse,
                Ok(MessageKind::RequestVote) => MessageKind::RequestVoteResponse,
                _ => continue,
            };
            trial.hears_raft(
                2,
                RaftMessage { kind: kind.into(), term: said.term, ..RaftMessage::default() },
            );
        }
        if trial.node.vitals().leads_in.is_some() {
            return trial;
        }
        out = trial.pass(Duration::from_millis(50));
    }
    panic!("a voter with two votes of three leads");
}

/// A snapshot of another leader passes over a proposal, which has a name or none: its client, and what followed.
fn passed_over(named: bool) -> (Trial, u64, Vec<Output>) {
    let mut trial = leader_of_three();
    let term = trial.node.vitals().leads_in.expect("it leads");
    let (client, out) = trial.put("a");
    assert!(reply(&out, client).is_none(), "nobody has acknowledged it: {out:?}");
    for request in trial.node.requests.table.values_mut() {
        let numbered = Numbered { origin: life(1), run: 1, number: 1, settled: 0 };
        (request.once, request.name) = (named, named.then(|| WriteName::numbered(numbered)));
    }
    let voters = [1, 2, 3].map(|number| raft_id(trial.cluster_id(), life(number)).get()).to_vec();
    let conf_state = quorate_proto::ConfState { voters, ..quorate_proto::ConfState::default() };
    let metadata = SnapshotMetadata { conf_state, index: 50, term: term + 1 };
    let message = RaftMessage {
        kind: MessageKind::Snapshot.into(),
        term: term + 1,
        snapshot: Some(metadata),
        ..RaftMessage::default()
    };
    let message = trial.raft_from(2, message);
    let image = Box::new(trial.later_state(50));
    let mut out = trial.turn([Input::SnapshotReceived {
        group: GroupId::META,
        from: life(2),
        message,
        image,
        file: 1,
    }]);
    for _ in 0..5 {
        out.extend(trial.durable());
        out.extend(trial.pass(Duration::from_millis(100)));
    }
    assert_eq!(trial.node.vitals().applied, 50, "the snapshot is taken");
    out.extend(trial.hears_leader(2, term + 1));
    (trial, client, out)
}

#[test]
fn a_proposal_without_a_name_that_a_snapshot_may_have_passed_over_is_of_unknown_fate() {
    let (_, client, out) = passed_over(false);
    assert_eq!(refusal(&out, client), Some(RefusalCode::FateUnknown));
}

#[test]
fn a_proposal_that_a_snapshot_may_have_passed_over_is_asked_again_under_its_name() {
    let (mut trial, client, out) = passed_over(true);
    assert_eq!(refusal(&out, client), None, "the next leader knows");
    let [(to, ask, request)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    assert_eq!((to, request.again, number(request)), (life(2), true, Some(1)));
    assert!(is_done(&trial.turn([answered(ask, done())]), client));
}

#[test]
fn a_read_is_not_answered_before_a_majority_has_confirmed_the_leader() {
    let mut trial = leader_of_three();
    let range = RangeRequest { key: "a".into(), ..RangeRequest::default() };
    let request = KvRequest { request: Some(kv_request::Request::Range(range)) };
    let (client, mut out) = trial.asks(request, PATIENCE);
    out.extend(trial.durable());
    out.extend(trial.pass(Duration::from_millis(300)));
    assert!(reply(&out, client).is_none(), "read from a state that may be stale: {out:?}");
}

#[test]
fn a_proposal_that_its_deadline_overtakes_is_of_unknown_fate() {
    let mut trial = leader_of_three();
    let (client, mut out) = trial.asks(put_request("a"), Duration::from_millis(50));
    out.extend(trial.pass(Duration::from_millis(60)));
    assert_eq!(refusal(&out, client), Some(RefusalCode::FateUnknown));
}

#[test]
fn a_write_asked_of_a_leader_that_died_is_asked_of_the_next_one_under_its_name() {
    let mut trial = Trial::member_under_2(5);
    let (client, out) = trial.put("a");
    let [(_, ask, first)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    let first = first.name.clone();
    let (instance, generation) = (life(2), Generation::new(1));
    let mut out =
        trial.turn([Input::Farewell { instance, generation, boot_nonce: 2, key: key(2) }]);
    assert_eq!(withdrawn(&out), [ask], "or it would be sent once the link is back");
    assert!(forwards(&out).is_empty() && reply(&out, client).is_none(), "nobody leads: {out:?}");
    out.extend(trial.hears_leader(3, 6));
    out.extend(trial.turn([failed(ask, ForwardFailure::NotSent)]));
    out.extend(trial.pass(Duration::from_secs(1)));
    let [(to, second, request)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    assert_eq!((to, request.again, &request.name), (life(3), true, &first));
    assert!(is_done(&trial.turn([answered(second, done())]), client));
}

#[test]
fn a_write_waits_for_the_answer_of_the_leader_that_it_was_asked_of_also_when_another_leads() {
    let mut trial = Trial::member_under_2(5);
    let (client, out) = trial.put("a");
    let [(_, ask, _)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    let out = trial.hears_leader(3, 6);
    assert!(forwards(&out).is_empty() && reply(&out, client).is_none(), "{out:?}");
    // It says goodbye behind its answer, but on another stream.
    let out = trial.hears(2, Lane::Control, EnvelopeBody::Farewell(1));
    assert!(forwards(&out).is_empty() && reply(&out, client).is_none(), "{out:?}");
    let out = trial.turn([answered(ask, done())]);
    assert!(is_done(&out, client) && withdrawn(&out).is_empty(), "it is over: {out:?}");
}

#[test]
fn a_write_asked_of_a_leader_that_leads_no_more_is_asked_of_the_next_one_within_a_moment() {
    let mut trial = Trial::member_under_2(5);
    let (client, out) = trial.put("a");
    let [(_, ask, _)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    let mut out = trial.hears_leader(3, 6);
    out.extend(trial.pass(Duration::from_millis(190)));
    assert!(forwards(&out).is_empty(), "its answer may be on its way: {out:?}");
    assert!(withdrawn(&out).is_empty());
    let out = trial.pass(Duration::from_millis(200));
    let [(to, second, request)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    assert_eq!((to, request.again, number(request)), (life(3), true, Some(1)));
    assert_eq!(withdrawn(&out), [ask]);
    assert!(is_done(&trial.turn([answered(second, done())]), client));
}

#[test]
fn a_node_that_stops_waits_for_its_answers_and_refuses_what_is_new() {
    let mut trial = Trial::member_under_2(5);
    let (first, out) = trial.put("a");
    let [(_, ask, _)] = forwards(&out)[..] else { panic!("asked once, of {out:?}") };
    let out = trial.turn([Input::Stop]);
    assert!(!stopped(&out), "an answer is on its way: {out:?}");
    let (second, out) = trial.put("b");
    assert_eq!(refusal(&out, second), Some(RefusalCode::Stopping));
    assert!(forwards(&out).is_empty(), "it is not asked: {out:?}");
    let out = trial.turn([answered(ask, done())]);
    assert!(is_done(&out, first) && stopped(&out), "{out:?}");
}

#[test]
fn a_node_that_stops_does_not_wait_for_ever_and_says_what_it_does_not_know() {
    let mut trial = leader_of_three();
    let (client, _) = trial.put("a");
    let (started, mut out) = (trial.now, trial.turn([Input::Stop]));
    out.extend(trial.pass(Duration::from_secs(2)));
    assert_eq!(refusal(&out, client), Some(RefusalCode::FateUnknown));
    let at = out.iter().position(|output| matches!(output, Output::Stopped));
    assert_eq!(at, Some(out.len() - 1), "stopped within 2 s of {started:?}, and nothing behind it");
}

#[test]
fn a_node_that_stops_with_nothing_in_hand_stops_at_once() {
    let mut trial = Trial::member_under_2(5);
    assert!(stopped(&trial.turn([Input::Stop])));
}
