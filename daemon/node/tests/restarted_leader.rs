//! A leader that was started again: what it led before is over, what it leads since then is not.

mod stage;

use quorate_node::Output;
use quorate_proto::{EnvelopeBody, Generation, MessageKind, Role};
use stage::{FOUNDERS, Stage, key, member, said_to, whole};
use std::time::Duration;

/// How often somebody asked for votes.
fn campaigns(said: &[Output]) -> usize {
    let asks = |(_, body): &(_, EnvelopeBody)| {
        let EnvelopeBody::Raft(raft) = body else { return false };
        [MessageKind::RequestPreVote.into(), MessageKind::RequestVote.into()]
            .contains(&raft.message.kind)
    };
    said_to(said).filter(asks).count()
}

/// A voter that follows host 2 in term 2, and was told in which start each founder is.
fn follower(starts: u64) -> Stage {
    let mut stage = Stage::new(1);
    stage.heartbeat(2, 2, 0);
    let founders = (1..=FOUNDERS).map(|host| {
        let member = member(host, key(host), Role::Voter);
        let start = if host == 2 { starts } else { 1 };
        quorate_proto::Member { generation: Generation::new(start), ..member }
    });
    stage.ping(2, 2, Some(whole(9, founders.collect())));
    assert_eq!((stage.leader(), stage.epoch()), (Some(2), 9));
    stage
}

/// Time passes while host 2 goes on leading.
fn led_on(stage: &mut Stage, rounds: usize) -> usize {
    let rounds = (0..rounds).map(|_| {
        let heard = campaigns(&stage.heartbeat(2, 2, 0)) + campaigns(&stage.ping(2, 2, None));
        heard + campaigns(&stage.pass(Duration::from_millis(50)))
    });
    rounds.sum()
}

#[test]
fn a_leader_whose_last_start_is_committed_leads_since_then_and_is_left_in_peace() {
    let mut stage = follower(2);
    let met = stage.meet_start(2, key(2), 2);
    assert_eq!(campaigns(&met) + led_on(&mut stage, 100), 0);
}

#[test]
fn a_leader_that_was_started_again_is_replaced_at_once() {
    let mut stage = follower(1);
    let met = stage.meet_start(2, key(2), 2);
    let asked = campaigns(&met) + campaigns(&stage.pass(Duration::from_millis(200)));
    assert!(asked > 0, "it holds a vote after {asked} requests for one");
}
