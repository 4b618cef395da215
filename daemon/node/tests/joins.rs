//! Hosts that ask a leader to let them in, and what becomes of them when it leads no more.

mod stage;

use quorate_node::{Input, Output};
use quorate_proto::{
    Admit, ForwardAnswer, ForwardRequest, KvRequest, NotLeader, PutRequest, Session,
    forward_answer, forward_request, kv_request,
};
use stage::{Stage, address, cluster_id, key, life, name};
use std::time::Duration;

fn asks(stage: &mut Stage, host: u8, ticket: u64, body: forward_request::Body) -> Vec<Output> {
    let body = Some(body);
    let request = ForwardRequest {
        cluster_id: cluster_id(),
        remaining_ms: 5_000,
        body,
        ..ForwardRequest::default()
    };
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

/// Whom a joiner asks within a time in which everybody says that it knows no leader.
fn asked_within(stage: &mut Stage, span: Duration) -> Vec<u8> {
    let (end, mut all) = (stage.now + span, Vec::new());
    while stage.now < end {
        for (ticket, to) in std::mem::take(&mut stage.asked) {
            all.push(to.to_bytes()[0]);
            let nobody = NotLeader { leader: None, term: 2, address: None };
            let outcome = Some(forward_answer::Outcome::NotLeader(nobody));
            let answer = Ok(ForwardAnswer { outcome });
            stage.give(Input::ForwardAnswered { ticket, answer });
        }
        stage.pass(Duration::from_millis(10));
    }
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn a_joiner_asks_founders_before_it_believes_anybody_else() {
    let mut stage = Stage::new(4);
    assert_eq!(asked_within(&mut stage, Duration::from_millis(1_900)), [1, 2, 3]);
    let more = asked_within(&mut stage, Duration::from_secs(2));
    assert_eq!(more, [1, 2, 3, 5, 6], "they do not help");
}

#[test]
fn a_joiner_that_knows_no_founder_asks_whom_it_met_at_the_address_of_a_seed() {
    let mut stage = Stage::that_knows_nobody(4);
    stage.resolves_seeds();
    // Host 5 says that its address is a seed's, and host 2 is one.
    let liar = Session { address: address(1), ..Stage::session(50, 5, key(5), 1, 5) };
    stage.give(Input::SessionUp(liar));
    // Host 6 was dialled where gossip says that it is.
    let other = Session { dialled: Some(address(6)), ..Stage::session(52, 6, key(6), 1, 6) };
    stage.give(Input::SessionUp(other));
    let seed = Session { dialled: Some(address(2)), ..Stage::session(51, 2, key(2), 1, 2) };
    stage.give(Input::SessionUp(seed));
    assert_eq!(asked_within(&mut stage, Duration::from_millis(1_900)), [2]);
    assert_eq!(asked_within(&mut stage, Duration::from_secs(2)), [2, 5, 6]);
}

#[test]
fn a_leader_publishes_its_own_labels_and_asks_nobody_for_it() {
    let mut stage = Stage::labelled(1, &[("rack", "r7")]).elected();
    stage.acknowledge(2);
    stage.pass(Duration::from_millis(50));
    stage.acknowledge(2);
    let status = stage.node.status(stage.now);
    let own = status.view.members.iter().find(|member| member.instance == life(1));
    let labels: Vec<_> =
        own.expect("a founder").labels.iter().map(|it| (&*it.name, &*it.value)).collect();
    assert_eq!(labels, [("rack", "r7")]);
    assert_eq!(stage.asked, [], "nobody dials itself");
}

#[test]
fn a_leader_that_is_deposed_before_its_labels_are_committed_asks_the_next_one() {
    let mut stage = Stage::labelled(1, &[("rack", "r7")]).elected();
    let term = stage.term() + 1;
    stage.heartbeat(2, term, 0);
    stage.pass(Duration::from_secs(7));
    let asked: Vec<u8> = stage.asked.iter().map(|(_, to)| to.to_bytes()[0]).collect();
    assert_eq!(asked.first(), Some(&2), "{asked:?}");
}
