//! Hosts that ask a leader to let them in, and what becomes of them when it leads no more.

mod stage;

use quorate_node::{Input, Output};
use quorate_proto::{
    Admit, ForwardRequest, KvRequest, PutRequest, Session, forward_answer, forward_request,
    kv_request,
};
use stage::{Stage, genesis, key, life, name};

fn asks(stage: &mut Stage, host: u8, ticket: u64, body: forward_request::Body) -> Vec<Output> {
    let body = Some(body);
    let request = ForwardRequest { genesis: genesis(), remaining_ms: 5_000, body, relay: false };
    stage.give(Input::Forwarded { from: life(host), ticket, request })
}

/// What an ask was answered with.
fn answer(said: &[Output], ticket: u64) -> Option<forward_answer::Outcome> {
    said.iter().find_map(|output| match output {
        Output::ForwardReply { ticket: one, answer } if *one == ticket => answer.outcome.clone(),
        _ => None,
    })
}

#[test]
fn who_waits_for_a_name_at_a_leader_that_is_deposed_is_sent_on_at_once() {
    let mut stage = Stage::leading();
    stage.acknowledge(2);
    // A wiped host that comes under the name of host 3, which is alive: it is looked at for some seconds.
    let wiped = Session { name: name(3), ..Stage::session(90, 7, key(7), 1, 7) };
    stage.give(Input::SessionUp(wiped));
    let admit = Admit { instance: life(7), name: name(3).to_string(), ..Admit::default() };
    let said = asks(&mut stage, 7, 1, forward_request::Body::Admit(admit));
    assert_eq!(answer(&said, 1), None, "the holder of the name may be found dead");
    let term = stage.term() + 1;
    let said = stage.heartbeat(2, term, 0);
    let outcome = answer(&said, 1);
    assert!(matches!(outcome, Some(forward_answer::Outcome::NotLeader(_))), "{outcome:?}");
}

#[test]
fn nothing_is_done_for_who_was_not_let_in_but_an_answer_to_a_ping() {
    let mut stage = Stage::leading();
    stage.acknowledge(2);
    let put =
        kv_request::Request::Put(PutRequest { key: b"k".to_vec().into(), ..PutRequest::default() });
    let put = || forward_request::Body::Kv(KvRequest { request: Some(put.clone()) });
    let proposals = stage.counter("quorate_proposals_total");
    // Host 9 has no session here: its connection was not listened to.
    let outcome = answer(&asks(&mut stage, 9, 1, put()), 1);
    assert!(matches!(outcome, Some(forward_answer::Outcome::NotLeader(_))), "{outcome:?}");
    assert_eq!(stage.counter("quorate_proposals_total"), proposals);
    let echo = forward_request::Body::Echo(true);
    assert!(matches!(
        answer(&asks(&mut stage, 9, 2, echo), 2),
        Some(forward_answer::Outcome::Waited(_))
    ));
    asks(&mut stage, 2, 3, put());
    assert_eq!(stage.counter("quorate_proposals_total"), proposals + 1);
}
