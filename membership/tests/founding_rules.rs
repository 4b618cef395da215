//! One machine alone, rule by rule: what it answers, what it writes first, and what it never does.

mod founding_world;

use founding_world::one::{One, ballot, config, founded, record, session};
use founding_world::{cluster, life};
use quorate_membership::{FoundingInput as Input, FoundingOutput as Output, Mode, Outcome};
use quorate_proto::{
    Accept, Accepted, AcceptedRecord, Answer, Ask, Ballot, ClusterId, Confirm, Confirmed, Exists,
    FeatureLevel, FoundingRecord, FoundingState, Levels, Message as _, Nack, Prepare, Promise,
    Session, founding_message::Body,
};
use std::time::Duration;

fn prepare(ballot: Ballot) -> Body {
    Body::Prepare(Prepare { ballot })
}

fn accept(ballot: Ballot, hosts: &[usize]) -> Body {
    let record = record(hosts, 3, Mode::Majority, ballot);
    Body::Accept(Accept {
        ballot,
        record,
        lives: hosts.iter().map(|h| life(*h, 0)).collect(),
        waiver: None,
    })
}

fn is_promise(body: &Body, of: Ballot) -> bool {
    matches!(body, Body::Promise(promise) if promise.ballot == of)
}

#[test]
fn rule_5_an_answer_to_the_nonce_of_an_earlier_session_does_not_count() {
    let mut one = One::of(2, Mode::Majority);
    one.up(session(1, 1, 2, Mode::Majority));
    let nonce = one.asked_nonce(1);
    one.step(Input::SessionDown { instance: life(1, 0), number: 1 });
    one.up(session(1, 2, 2, Mode::Majority));
    let old = Answer { nonce, slot: Some(1), round: 0 };
    one.say_with(1, 2, Mode::Majority, Body::Answer(old));
    assert_eq!(one.persists(), 0);
    let nonce = one.asked_nonce(1);
    let answer = Answer { nonce, slot: Some(1), round: 0 };
    one.say_with(1, 2, Mode::Majority, Body::Answer(answer));
    assert_eq!(one.persists(), 1, "a ballot is opened at once");
}

#[test]
fn rule_6_a_veto_is_durable_before_the_join_and_ends_the_ballot() {
    let mut one = One::fresh();
    one.hear(1, 3, Mode::Majority);
    one.hear(2, 3, Mode::Majority);
    assert_eq!(one.persists(), 1);
    one.flush();
    assert!(one.said(1).iter().any(|body| matches!(body, Body::Prepare(_))));
    one.take();
    let cluster_id = ClusterId::from_bytes([9; 16]);
    one.say_with(2, 5, Mode::Durable, Body::Exists(Exists { cluster_id, nonce: 0 }));
    assert_eq!(one.persists(), 1);
    assert_eq!(one.founding.outcome(), Outcome::Waiting);
    assert!(!one.out.contains(&Output::Join(cluster_id)));
    one.flush();
    assert!(one.out.contains(&Output::Join(cluster_id)));
    assert_eq!(one.founding.outcome(), Outcome::Join(cluster_id));
    one.take();
    one.say(1, prepare(ballot(50, 1)));
    assert_eq!(one.said(1), [Body::Exists(Exists { cluster_id, nonce: 0 })]);
    assert_eq!(one.persists(), 0, "nothing is promised after a veto");
    assert!(one.reason("joining").remedy.contains("quorate reset --cluster test"));
}

#[test]
fn rule_6_two_clusters_are_joined_by_nobody_and_loud() {
    let mut one = One::fresh();
    one.up(session(1, 1, 3, Mode::Majority));
    one.up(session(2, 2, 3, Mode::Majority));
    let (first, second) = (ClusterId::from_bytes([1; 16]), ClusterId::from_bytes([2; 16]));
    one.say(1, Body::Exists(Exists { cluster_id: first, nonce: 0 }));
    one.flush();
    one.say(2, Body::Exists(Exists { cluster_id: second, nonce: 0 }));
    assert_eq!(one.founding.outcome(), Outcome::Waiting);
    assert_eq!(one.alarms(), ["two-clusters"]);
    let reason = one.reason("two-clusters");
    assert!(reason.text.contains(&first.to_string()) && reason.text.contains(&second.to_string()));
    let later = founded(record(&[1, 2], 3, Mode::Majority, ballot(1, 1)));
    one.say(1, Body::Founded(later));
    one.flush();
    assert_eq!(one.founding.outcome(), Outcome::Waiting, "join neither");
}

#[test]
fn rule_6_a_hello_that_names_a_cluster_is_a_veto() {
    let mut one = One::fresh();
    let cluster_id = ClusterId::from_bytes([4; 16]);
    one.up(quorate_proto::Session {
        cluster_id: Some(cluster_id),
        ..session(1, 1, 3, Mode::Majority)
    });
    one.flush();
    assert_eq!(one.founding.outcome(), Outcome::Join(cluster_id));
}

#[test]
fn rule_6_a_cluster_heard_of_is_remembered_over_a_restart_without_its_marker() {
    let cluster_id = ClusterId::from_bytes([9; 16]);
    let mut state = FoundingState::fresh(life(0, 0), &cluster());
    state.exists = Some(cluster_id);
    let state = FoundingState::from_file(&state.to_file()).expect("whole");
    let mut again = One::new(config(3, Mode::Majority), state);
    again.step(Input::OwnSlot(quorate_membership::OwnSlot::Slot(0)));
    assert_eq!(again.founding.outcome(), Outcome::Join(cluster_id));
    again.hear(1, 3, Mode::Majority);
    again.hear(2, 3, Mode::Majority);
    again.wait(Duration::from_secs(9));
    assert_eq!(again.persists(), 0, "no ballot of its own");
    again.take();
    again.say(1, prepare(ballot(50, 1)));
    assert_eq!(again.persists(), 0, "and no promise");
    assert_eq!(again.founding.outcome(), Outcome::Join(cluster_id));
}

#[test]
fn rule_7_nothing_is_proposed_in_the_quiet_time() {
    let mut settings = config(2, Mode::Majority);
    settings.quiet = Duration::from_secs(1);
    let mut one = One::new(settings, FoundingState::fresh(life(0, 0), &cluster()));
    one.step(Input::OwnSlot(quorate_membership::OwnSlot::Slot(0)));
    one.hear(1, 2, Mode::Majority);
    one.wait(Duration::from_millis(999));
    assert_eq!(one.persists(), 0);
    one.wait(Duration::from_millis(2));
    assert_eq!(one.persists(), 1);
}

#[test]
fn rule_9_a_ballot_leaves_only_when_the_own_promise_is_durable() {
    let mut one = One::fresh();
    one.hear(1, 3, Mode::Majority);
    one.hear(2, 3, Mode::Majority);
    assert_eq!(one.persists(), 1);
    assert!(!one.said(1).iter().any(|body| matches!(body, Body::Prepare(_))));
    one.flush();
    for host in [1, 2] {
        let prepared = one.said(host).contains(&prepare(Ballot { round: 1, instance: one.me() }));
        assert!(prepared);
    }
}

#[test]
fn rule_10_a_promise_leaves_only_when_durable_and_binds_across_a_restart() {
    let mut one = One::fresh();
    one.up(session(1, 1, 3, Mode::Majority));
    one.up(session(2, 2, 3, Mode::Majority));
    one.say(1, prepare(ballot(5, 1)));
    assert!(!one.said(1).iter().any(|body| is_promise(body, ballot(5, 1))));
    one.flush();
    assert!(one.said(1).iter().any(|body| is_promise(body, ballot(5, 1))));
    one.take();
    one.say(2, prepare(ballot(4, 2)));
    let nack = Nack { ballot: ballot(4, 2), promised: ballot(5, 1) };
    assert_eq!(one.said(2), [Body::Nack(nack)]);

    let state = one.founding.state().clone();
    let mut again = One::new(config(3, Mode::Majority), state);
    again.step(Input::OwnSlot(quorate_membership::OwnSlot::Slot(0)));
    again.up(session(2, 1, 3, Mode::Majority));
    again.say(2, prepare(ballot(5, 0)));
    assert_eq!(again.persists(), 0);
    let nack = Nack { ballot: ballot(4, 2), promised: ballot(5, 1) };
    again.say(2, prepare(ballot(4, 2)));
    assert!(again.said(2).contains(&Body::Nack(nack)));
}

/// The lowest of three opens its ballot; both others promise, with what they accepted before, and confirm. What it proposes.
fn proposed_after(accepted: impl Fn(usize) -> Option<AcceptedRecord>) -> Accept {
    proposed_among(Levels::HERE, accepted)
}

/// The same where the last of the three runs a program of these levels.
fn proposed_among(levels: Levels, accepted: impl Fn(usize) -> Option<AcceptedRecord>) -> Accept {
    let mut one = One::fresh();
    one.hear(1, 3, Mode::Majority);
    one.hear(2, 3, Mode::Majority);
    one.up(Session { levels, ..session(2, 9, 3, Mode::Majority) });
    let nonce = one.asked_nonce(2);
    one.say(2, Body::Answer(Answer { nonce, slot: Some(2), round: 0 }));
    one.flush();
    let open = Ballot { round: 1, instance: one.me() };
    for host in [1, 2] {
        let voter = record(&[host], 3, Mode::Majority, open).voters.remove(0);
        let promise = Promise { ballot: open, voter, accepted: accepted(host) };
        one.say(host, Body::Promise(promise));
    }
    one.take();
    for host in [1, 2] {
        one.say(host, Body::Confirmed(Confirmed { ballot: open }));
    }
    let mut sent = one.said(1);
    let Some(Body::Accept(accept)) = sent.pop() else { panic!("no record at the end of {sent:?}") };
    accept
}

#[test]
fn a_cluster_begins_at_the_highest_level_that_all_can_run_who_promised() {
    let level = |levels| proposed_among(levels, |_| None).record.level();
    assert_eq!(level(Levels::HERE), FeatureLevel::HIGHEST);
    assert_eq!(level(Levels::BASE), FeatureLevel::BASE);
}

#[test]
fn a_record_at_the_first_level_has_the_bytes_of_a_program_that_does_not_speak_of_levels() {
    let record = proposed_among(Levels::BASE, |_| None).record;
    assert_eq!(record.level(), FeatureLevel::BASE);
    let without = FoundingRecord { level: 0, ..record.clone() };
    assert_eq!(record.encode_to_vec(), without.encode_to_vec());
    assert_eq!(record.cluster_id(), without.cluster_id());
}

#[test]
fn rule_11_the_highest_accepted_record_is_proposed_again() {
    let earlier = record(&[1, 2], 3, Mode::Majority, ballot(1, 0));
    let accepted = AcceptedRecord { ballot: Ballot::default(), record: earlier.clone() };
    let accept = proposed_after(|host| (host == 2).then(|| accepted.clone()));
    assert_eq!(accept.record, earlier);
    assert_eq!(accept.lives.len(), 3);
}

#[test]
fn rule_11_of_two_accepted_records_the_one_of_the_higher_ballot_is_proposed_again() {
    let low = record(&[1, 2], 3, Mode::Majority, ballot(1, 0));
    let high = record(&[0, 1, 2], 3, Mode::Majority, ballot(1, 0));
    let mut ballots = [ballot(0, 1), ballot(0, 2)];
    ballots.sort();
    for highest_at in [1, 2] {
        let accept = proposed_after(|host| {
            let (ballot, record) =
                if host == highest_at { (ballots[1], &high) } else { (ballots[0], &low) };
            Some(AcceptedRecord { ballot, record: record.clone() })
        });
        assert_eq!(accept.record, high, "reported by host {highest_at}");
    }
}

#[test]
fn r1_without_the_own_promise_or_a_place_in_the_list_nothing_is_accepted() {
    let mut one = One::fresh();
    one.up(session(1, 1, 3, Mode::Majority));
    one.say(1, accept(ballot(3, 1), &[0, 1]));
    assert_eq!(one.persists(), 0, "never promised");
    one.say(1, prepare(ballot(3, 1)));
    one.flush();
    one.take();
    one.say(1, accept(ballot(3, 1), &[1, 2]));
    assert_eq!(one.persists(), 0, "another life of the slot promised, not this one");
    one.say(1, accept(ballot(3, 1), &[0, 1]));
    assert_eq!(one.persists(), 1);
    assert!(one.said(1).is_empty(), "the acceptance is not durable yet");
    one.flush();
    assert!(one.said(1).iter().any(|body| matches!(body, Body::Accepted(_))));
}

#[test]
fn r5_a_promiser_that_was_healed_since_does_not_confirm() {
    let mut one = One::fresh();
    one.up(session(1, 1, 3, Mode::Majority));
    one.up(session(2, 2, 3, Mode::Majority));
    one.say(1, prepare(ballot(7, 1)));
    one.flush();
    one.say(2, Body::Founded(founded(record(&[0, 2], 3, Mode::Majority, ballot(2, 2)))));
    one.take();
    one.say(1, Body::Confirm(Confirm { ballot: ballot(7, 1) }));
    assert!(one.said(1).is_empty(), "knows, but not durably: says nothing");
    one.flush();
    one.take();
    one.say(1, Body::Confirm(Confirm { ballot: ballot(7, 1) }));
    assert!(matches!(one.said(1)[..], [Body::Founded(_)]));
}

#[test]
fn r5_without_the_confirmation_of_every_promiser_no_record_leaves() {
    let mut one = One::of(4, Mode::Durable);
    for host in 1..4 {
        one.hear(host, 4, Mode::Durable);
    }
    one.flush();
    let open = Ballot { round: 1, instance: one.me() };
    for host in 1..4 {
        let voter = record(&[host], 4, Mode::Durable, open).voters.remove(0);
        let promise = Promise { ballot: open, voter, accepted: None };
        one.say_with(host, 4, Mode::Durable, Body::Promise(promise));
    }
    for host in 1..3 {
        let confirmed = Body::Confirmed(Confirmed { ballot: open });
        one.say_with(host, 4, Mode::Durable, confirmed);
    }
    one.wait(Duration::from_secs(4));
    for host in 1..4 {
        assert!(!one.said(host).iter().any(|body| matches!(body, Body::Accept(_))));
    }
}

#[test]
fn rule_13_acceptances_of_q_slots_found_and_the_record_is_pushed_when_durable() {
    let mut one = One::fresh();
    one.up(session(1, 1, 3, Mode::Majority));
    one.up(session(2, 2, 3, Mode::Majority));
    one.say(1, prepare(ballot(3, 1)));
    one.flush();
    one.say(1, accept(ballot(3, 1), &[0, 1]));
    one.flush();
    one.take();
    let cluster_id = record(&[0, 1], 3, Mode::Majority, ballot(3, 1)).cluster_id();
    one.accepted(1, ballot(3, 1), cluster_id);
    assert_eq!(one.persists(), 1);
    assert!(one.said(2).is_empty());
    one.flush();
    for host in [1, 2] {
        assert!(matches!(one.said(host)[..], [Body::Founded(_)]));
    }
    assert!(one.out.iter().any(|output| matches!(output, Output::Founded(_))));
    one.take();
    one.say(2, Body::Ask(Ask { nonce: 4 }));
    assert!(matches!(one.said(2)[..], [Body::Founded(_)]));
}

#[test]
fn rule_13_one_life_is_not_counted_in_two_slots() {
    let mut one = One::fresh();
    one.up(session(1, 1, 3, Mode::Majority));
    one.say(1, prepare(ballot(3, 1)));
    one.flush();
    one.say(1, accept(ballot(3, 1), &[0, 1]));
    let cluster_id = record(&[0, 1], 3, Mode::Majority, ballot(3, 1)).cluster_id();
    for slot in [0, 2] {
        let accepted = quorate_proto::Accepted { ballot: ballot(3, 1), cluster_id, slot };
        one.say(1, Body::Accepted(accepted));
    }
    assert!(one.founding.state().founded.is_none());
}

#[test]
fn rule_13_a_record_without_enough_votes_or_with_broken_voters_is_not_believed() {
    let good = founded(record(&[0, 1], 3, Mode::Majority, ballot(2, 1)));
    let mut few = good.clone();
    few.proof.votes.pop();
    let mut twice = good.clone();
    twice.proof.votes[1] = twice.proof.votes[0];
    let mut stranger = good.clone();
    stranger.proof.votes[1].instance = life(2, 9);
    let mut other = good.clone();
    other.record.cluster = "another".to_owned();
    let mut order = good.clone();
    order.record.voters.reverse();
    let mut minority = good.clone();
    minority.record.voters.pop();
    for (what, bad) in [few, twice, stranger, other, order, minority].into_iter().enumerate() {
        let mut one = One::fresh();
        one.up(session(1, 1, 3, Mode::Majority));
        one.say(1, Body::Founded(bad));
        assert_eq!(one.persists(), 0, "number {what}");
        assert_eq!(one.founding.refused_records(), 1);
    }
    let mut one = One::fresh();
    one.up(session(1, 1, 3, Mode::Majority));
    one.say(1, Body::Founded(good));
    one.flush();
    assert!(matches!(one.founding.outcome(), Outcome::Founded(_)));
}

#[test]
fn rule_14_a_refused_ballot_is_followed_by_a_higher_one() {
    let mut one = One::fresh();
    one.hear(1, 3, Mode::Majority);
    one.hear(2, 3, Mode::Majority);
    one.flush();
    let open = Ballot { round: 1, instance: one.me() };
    one.say(1, Body::Nack(Nack { ballot: open, promised: ballot(8, 2) }));
    one.take();
    one.wait(Duration::from_secs(1));
    one.flush();
    assert!(one.said(1).contains(&prepare(Ballot { round: 9, instance: one.me() })));
}

#[test]
fn rounds_at_the_end_of_the_numbers_are_refused() {
    let mut one = One::fresh();
    one.up(session(1, 1, 3, Mode::Majority));
    one.say(1, prepare(ballot(u64::MAX, 1)));
    assert_eq!(one.persists(), 0);
    one.hear(1, 3, Mode::Majority);
    one.hear(2, 3, Mode::Majority);
    one.flush();
    let open = Ballot { round: 1, instance: one.me() };
    one.say(1, Body::Nack(Nack { ballot: open, promised: ballot(u64::MAX, 2) }));
    one.wait(Duration::from_secs(1));
    one.flush();
    let promised = one.founding.state().promised.expect("a ballot of its own");
    let next = Ballot { round: 2, instance: one.me() };
    assert_eq!(promised, next, "the refusal ends the ballot; its round is not believed");
    assert!(one.said(1).contains(&prepare(next)), "and the next one goes out");
}

/// A founder that has heard this, with two others fresh, and the round of the ballot that it opens then.
fn round_after(body: Body) -> u64 {
    let mut one = One::fresh();
    one.hear(1, 3, Mode::Majority);
    one.hear(2, 3, Mode::Majority);
    one.flush();
    one.say(1, body);
    one.flush();
    one.wait(Duration::from_secs(30));
    one.flush();
    one.founding.state().promised.expect("a ballot of its own").round
}

#[test]
fn nobody_carries_the_rounds_to_their_end_with_one_message() {
    let open = Ballot { round: 1, instance: One::fresh().me() };
    for far in [1 << 33, 1 << 40, 1 << 62] {
        let cluster_id = ClusterId::from_bytes([9; 16]);
        let bodies = [
            prepare(ballot(far, 1)),
            Body::Nack(Nack { ballot: open, promised: ballot(far, 2) }),
            Body::Accepted(Accepted { ballot: ballot(far, 1), cluster_id, slot: 1 }),
        ];
        for body in bodies {
            let round = round_after(body.clone());
            assert!((2..=(1 << 32) + 20).contains(&round), "{round} after {body:?}");
        }
    }
}

#[test]
fn a_ballot_that_is_far_above_what_was_seen_is_promised_when_it_is_repeated() {
    let mut one = One::fresh();
    one.up(session(1, 1, 3, Mode::Majority));
    let far = ballot(3 << 32, 1);
    one.say(1, prepare(far));
    assert_eq!(one.persists(), 0, "not at once");
    one.say(1, prepare(far));
    one.say(1, prepare(far));
    assert_eq!(one.founding.state().promised, Some(far));
}

#[test]
fn a_founding_whose_rounds_come_to_nothing_is_told() {
    let mut one = One::fresh();
    one.hear(1, 3, Mode::Majority);
    one.hear(2, 3, Mode::Majority);
    one.flush();
    for round in 0..200 {
        let Some(promised) = one.founding.state().promised else { break };
        one.say(
            1,
            Body::Nack(Nack {
                ballot: promised,
                promised: ballot(promised.round, 2).max(promised),
            }),
        );
        let above = Ballot { round: promised.round + 1, instance: promised.instance };
        one.say(2, Body::Nack(Nack { ballot: promised, promised: above }));
        one.wait(Duration::from_secs(3));
        one.flush();
        if round > 20 {
            break;
        }
    }
    let reason = one.reason("founding-stuck");
    assert!(reason.text.contains("3 of 3 seeds are here"), "{}", reason.text);
}
