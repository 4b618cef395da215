//! A holder of the secret who says what is not so: as a stranger, as a member, as a voter. Told who leads and what
//! changed, a node believes what committed state lets it believe, and no number brings it down.

mod stage;

use quorate_node::{Input, Output};
use quorate_proto::{
    Admit, Dissent, EnvelopeBody, ForwardRequest, Generation, HealthDelta, HealthEpoch,
    HealthUpdate, Lane, MemberState, NodeKey, Pong, Role, Verdict, VerdictReport, forward_request,
};
use stage::{Stage, cluster_id, key, life, member, name, view, whole};
use std::time::Duration;

/// A voter that follows host 2 in term 2.
fn follower() -> Stage {
    let mut stage = Stage::new(1);
    stage.heartbeat(2, 2, 1);
    stage.ping(2, 2, None);
    assert_eq!((stage.leader(), stage.term(), stage.epoch()), (Some(2), 2, 1));
    stage
}

/// A host that was let in by host 2 in term 2, with host 5 as a member beside it.
fn joined() -> Stage {
    let mut stage = Stage::new(4);
    let more = [4, 5].map(|host| member(host, key(host), Role::Member));
    stage.ping(2, 2, Some(view(7, more.to_vec())));
    assert_eq!((stage.leader(), stage.term(), stage.epoch()), (Some(2), 2, 7));
    stage
}

fn delta(epoch: u64) -> HealthUpdate {
    let delta = HealthDelta { epoch: HealthEpoch::new(epoch), ..HealthDelta::default() };
    HealthUpdate { full: None, deltas: vec![delta] }
}

#[test]
fn a_stranger_is_not_the_leader_of_a_replica_whatever_its_term() {
    for term in [0, 1, 2, 3, 1 << 40, u64::MAX] {
        let mut stage = follower();
        stage.ping(4, term, Some(view(9, Vec::new())));
        assert_eq!((stage.leader(), stage.term(), stage.epoch()), (Some(2), 2, 1), "{term}");
        assert_eq!(stage.counter("quorate_frames_fenced_total"), 1);
    }
}

#[test]
fn another_voter_is_not_the_leader_of_a_replica_that_hears_its_own() {
    let mut stage = follower();
    stage.ping(3, 3, Some(view(9, Vec::new())));
    assert_eq!((stage.leader(), stage.term(), stage.epoch()), (Some(2), 2, 1));
    stage.heartbeat(3, 3, 1);
    stage.ping(3, 3, Some(view(9, Vec::new())));
    assert_eq!((stage.leader(), stage.term(), stage.epoch()), (Some(3), 3, 9));
}

#[test]
fn the_last_epoch_there_is_brings_no_node_down() {
    let mut stage = follower();
    stage.ping(2, 2, Some(view(u64::MAX, Vec::new())));
    assert_eq!(stage.epoch(), 1, "it is further away than any honest one");
    for epoch in [u64::MAX, 0, 1 << 40] {
        stage.ping(2, 2, Some(delta(epoch)));
        assert_eq!(stage.epoch(), 1);
    }
    // Only in very many steps would somebody get there, and then there is no next one.
    let mut stage = Stage::new(4);
    stage.ping(2, 2, Some(view(1 << 32, Vec::new())));
    assert_eq!(stage.epoch(), 1 << 32);
    stage.ping(2, 2, Some(view((1 << 33) + 1, Vec::new())));
    assert_eq!(stage.epoch(), 1 << 32);
}

#[test]
fn a_node_that_is_no_replica_believes_the_voters_in_its_view_and_nobody_else() {
    for host in [5, 6] {
        let mut stage = joined();
        stage.ping(host, 3, Some(whole(9, vec![member(host, key(host), Role::Voter)])));
        assert_eq!((stage.leader(), stage.term(), stage.epoch()), (Some(2), 2, 7), "host {host}");
    }
    let mut stage = joined();
    stage.ping(3, 3, Some(view(8, Vec::new())));
    assert_eq!((stage.leader(), stage.term(), stage.epoch()), (Some(3), 3, 8));
    stage.ping(2, 2, Some(view(9, Vec::new())));
    assert_eq!((stage.leader(), stage.epoch()), (Some(3), 8), "an earlier leader");
    stage.ping(2, u64::MAX, Some(view(9, Vec::new())));
    assert_eq!((stage.leader(), stage.epoch()), (Some(3), 8), "a term that nobody can have");
}

#[test]
fn a_pin_is_not_overwritten_by_a_push() {
    let forged = NodeKey::from_bytes([0xbb; 32]);
    let mut stage = joined();
    stage.ping(2, 2, Some(view(8, vec![member(5, forged, Role::Member)])));
    assert_eq!(stage.epoch(), 8);
    let said = stage.meet(5, forged);
    let refused =
        |output: &Output| matches!(output, Output::RefuseKey { key, .. } if *key == forged);
    assert!(said.iter().any(refused), "the pin stands");
    assert!(!said.iter().any(|output| matches!(output, Output::Ban { .. })), "its owner may come");
}

#[test]
fn a_view_of_more_members_than_there_can_be_is_not_taken_in_parts_either() {
    let mut stage = joined();
    for epoch in 8..30_u64 {
        let invented = (0..100_u64).map(|number| {
            let mut bytes = [9; 16];
            bytes[..8].copy_from_slice(&(epoch * 1_000 + number).to_be_bytes());
            let instance = quorate_proto::Instance::from_bytes(bytes);
            quorate_proto::Member { instance, ..member(9, key(9), Role::Member) }
        });
        let members = invented.collect();
        let epoch = HealthEpoch::new(epoch);
        let delta = HealthDelta { epoch, members, ..HealthDelta::default() };
        stage.ping(2, 2, Some(HealthUpdate { full: None, deltas: vec![delta] }));
    }
    let members = stage.node.status(stage.now).view.members.len();
    assert!(members <= 1_000, "{members} members");
}

#[test]
fn a_leader_that_the_view_does_not_know_yet_is_believed_when_a_member_names_it() {
    use quorate_node::Input;
    use quorate_proto::{ForwardAnswer, NotLeader, forward_answer::Outcome};
    let mut stage = joined();
    stage.pass(Duration::from_secs(3));
    assert_eq!(stage.leader(), None, "its leader is silent");
    stage.answer_nothing();
    stage.ping(6, 3, Some(view(9, Vec::new())));
    stage.ping(6, 3, None);
    assert_eq!(stage.epoch(), 7);
    let [(ticket, to)] = stage.asked[..] else { panic!("once a second: {:?}", stage.asked) };
    assert!([life(1), life(2), life(3), life(5)].contains(&to), "no stranger vouches: {to}");
    let hint = NotLeader { leader: Some(life(6)), term: 3, address: None };
    let answer = ForwardAnswer { outcome: Some(Outcome::NotLeader(hint)) };
    stage.give(Input::ForwardAnswered { ticket, answer: Ok(answer) });
    stage.ping(6, 3, Some(view(9, Vec::new())));
    assert_eq!((stage.leader(), stage.epoch()), (Some(6), 9));
}

/// Host 1, which leads, hears host 3 and is told by another that it is in a later start, or has left.
fn told_of_a_start(by: u8, subject: u8, start: u64, verdict: Verdict) -> Vec<String> {
    let mut stage = Stage::leading();
    stage.acknowledge(2);
    told_on(&mut stage, &[2, 3], by, (subject, start, verdict));
    let view = stage.node.status(stage.now).view.clone();
    let members = view.members.iter().map(|it| format!("{} {}", it.name, it.generation.get()));
    members.collect()
}

/// For two seconds a leader hears these hosts, and one says this of another.
fn told_on(stage: &mut Stage, heard: &[u8], by: u8, (subject, start, verdict): (u8, u64, Verdict)) {
    for round in 0..20 {
        stage.pass(Duration::from_millis(100));
        stage.acknowledge(2);
        let pong =
            Pong { number: round, epoch: HealthEpoch::new(stage.epoch()), ..Pong::default() };
        for host in heard {
            stage.say(*host, Lane::Control, EnvelopeBody::Pong(pong.clone()));
        }
        let report = VerdictReport {
            goodbye: 0,
            instance: life(subject),
            generation: Generation::new(start),
            verdict: verdict.into(),
            reason: "so it is said".into(),
            age_ms: 0,
            confirmed: true,
        };
        let dissent = Dissent {
            epoch: HealthEpoch::new(stage.epoch()),
            verdicts: vec![report],
            ping: round,
            ..Dissent::default()
        };
        stage.say(by, Lane::Control, EnvelopeBody::Dissent(dissent));
    }
}

#[test]
fn a_host_that_the_leader_hears_is_in_the_start_that_the_leader_hears() {
    for start in [2, 9, u64::MAX] {
        let members = told_of_a_start(2, 3, start, Verdict::Alive);
        assert!(members.contains(&"n3 1".to_owned()), "start {start}: {members:?}");
    }
}

/// A member that is no replica: host 4, let in by the leader.
fn lets_in_4(stage: &mut Stage) {
    let admit = Admit { instance: life(4), name: name(4).to_string(), ..Admit::default() };
    let body = Some(forward_request::Body::Admit(admit));
    let request = ForwardRequest {
        cluster_id: cluster_id(),
        remaining_ms: 5_000,
        body,
        ..ForwardRequest::default()
    };
    stage.give(Input::Forwarded { from: life(4), ticket: 1, request });
    stage.acknowledge(2);
    let view = stage.node.status(stage.now).view.clone();
    assert!(view.members.iter().any(|member| member.instance == life(4)), "{view:?}");
}

#[test]
fn who_is_no_replica_has_no_word_in_what_cannot_be_undone() {
    for (start, verdict) in [(1, Verdict::Left), (2, Verdict::Alive)] {
        // Host 3 is not heard, nor is anything heard of it.
        let mut stage = Stage::leading();
        stage.acknowledge(2);
        lets_in_4(&mut stage);
        told_on(&mut stage, &[2, 4], 4, (3, start, verdict));
        let view = stage.node.status(stage.now).view.clone();
        let member = view.members.iter().find(|member| member.instance == life(3));
        let member = member.expect("it is a member");
        assert_ne!((member.state(), verdict), (MemberState::Left, Verdict::Left), "{member:?}");
        assert_eq!(member.generation.get(), 1, "{member:?}");
    }
}

#[test]
fn a_replica_that_names_a_start_far_ahead_shuts_no_host_out() {
    for (start, committed) in [(2, 2), (65, 65), (66, 1), (1 << 30, 1)] {
        let mut stage = Stage::leading();
        stage.acknowledge(2);
        // Host 3 is not heard by the leader.
        told_on(&mut stage, &[2], 2, (3, start, Verdict::Alive));
        let view = stage.node.status(stage.now).view.clone();
        let member = view.members.iter().find(|member| member.instance == life(3));
        assert_eq!(member.expect("a member").generation.get(), committed, "start {start}");
    }
}
