//! A holder of the secret who speaks as a replica and is none: a stranger, a member, a disk life that was replaced. Raft is
//! heard from the voters and standbys that committed state names, and a joiner hears those that it was told of.

mod stage;

use quorate_node::{ForwardFailure, Input, Output, Write};
use quorate_proto::{
    Admit, Command, CommandBody, Entry, ForwardAnswer, Generation, MessageKind, NotLeader,
    RaftMessage, Refusal, RefusalCode, Role, forward_answer::Outcome,
};
use stage::{Stage, address, key, life, member, name, view};
use std::time::Duration;

/// A voter that follows host 2 in term 2, with one empty entry of that term committed.
fn follower() -> Stage {
    let mut stage = Stage::new(1);
    append(&mut stage, 2, 2, (1, 1), vec![entry(2, 2, None)]);
    stage.ping(2, 2, None);
    assert_eq!((stage.term(), commit(&stage)), (2, 2));
    stage
}

fn commit(stage: &Stage) -> u64 {
    stage.node.status(stage.now).commit
}

fn entry(term: u64, index: u64, body: Option<CommandBody>) -> Entry {
    let data = body.map(|body| Command::to_entry(0, body));
    Entry { term, index, data: data.unwrap_or_default(), ..Entry::default() }
}

/// A host appends entries behind `(term, index)` as leader of a term, all committed.
fn append(
    stage: &mut Stage,
    host: u8,
    term: u64,
    (log_term, index): (u64, u64),
    entries: Vec<Entry>,
) -> Vec<Output> {
    let commit = index + entries.len() as u64;
    let kind = MessageKind::Append.into();
    stage.raft(
        host,
        RaftMessage { kind, term, log_term, index, entries, commit, ..RaftMessage::default() },
    )
}

#[test]
fn a_stranger_as_leader_of_a_later_term_moves_no_replica() {
    for term in [3, 100, 1 << 32] {
        let mut stage = follower();
        append(&mut stage, 4, term, (2, 2), vec![entry(term, 3, None)]);
        stage.heartbeat(4, term, 2);
        let kind = MessageKind::RequestVote.into();
        let vote = RaftMessage { kind, term, log_term: term, index: 9, ..RaftMessage::default() };
        stage.raft(4, vote);
        assert_eq!((stage.term(), commit(&stage)), (2, 2));
        assert_eq!(stage.counter("quorate_frames_fenced_total"), 3);
    }
}

#[test]
fn a_voter_that_leads_a_later_term_is_followed() {
    let mut stage = follower();
    append(&mut stage, 3, 3, (2, 2), vec![entry(3, 3, None)]);
    assert_eq!((stage.term(), commit(&stage)), (3, 3));
}

#[test]
fn a_snapshot_is_written_only_when_it_comes_from_whom_this_node_follows() {
    let mut stage = follower();
    let takes = |stage: &Stage, hosts: [u8; 3]| {
        hosts.map(|host| stage.node.takes_snapshot_of(life(host), key(host)))
    };
    assert!(!stage.node.takes_snapshot_of(life(2), key(9)), "somebody else speaks for the leader");
    assert_eq!(takes(&stage, [2, 3, 4]), [true, false, false], "2 leads, 3 votes, 4 is nobody");
    stage.pass(Duration::from_secs(5));
    assert_eq!(takes(&stage, [2, 3, 4]), [true, true, false], "the leader is silent");
}

/// The journal of a joiner begins when it takes part in the group.
fn begins_a_log(said: &[Output]) -> bool {
    said.iter().any(|one| matches!(one, Output::Persist { write: Write::Log { .. }, .. }))
}

#[test]
fn a_joiner_takes_part_on_the_word_of_a_voter_it_was_told_of_and_of_nobody_else() {
    let mut stage = Stage::new(4);
    for host in [5, 6] {
        assert!(!begins_a_log(&stage.heartbeat(host, 9, 0)), "host {host}");
    }
    stage.ping(2, 2, Some(view(7, vec![member(4, key(4), Role::Standby)])));
    assert!(!begins_a_log(&stage.heartbeat(6, 9, 0)));
    assert!(begins_a_log(&stage.heartbeat(2, 2, 0)));
}

/// Host 5 takes the name of host 3, whose disk life is over with it.
fn replaced() -> Stage {
    let mut stage = follower();
    let admit = Admit {
        name: name(3).to_string(),
        instance: life(5),
        generation: Generation::new(1),
        key: key(5),
        address: Some(address(5).into()),
        supersede: Some(life(3)),
        labels: Vec::new(),
        at_unix_ms: 0,
    };
    append(&mut stage, 2, 2, (2, 2), vec![entry(2, 3, Some(CommandBody::Admit(admit)))]);
    assert!(stage.node.status(stage.now).view.members.iter().all(|it| it.instance != life(3)));
    stage
}

#[test]
fn frames_of_a_disk_life_that_was_replaced_are_not_heard() {
    let mut stage = replaced();
    append(&mut stage, 3, 3, (2, 3), vec![entry(3, 4, None)]);
    assert_eq!((stage.term(), commit(&stage)), (2, 3));
}

#[test]
fn nobody_can_vouch_for_a_disk_life_that_was_replaced() {
    let mut stage = replaced();
    stage.pass(Duration::from_secs(3));
    stage.answer_nothing();
    stage.ping(6, 3, None);
    let [(ticket, _)] = stage.asked[..] else { panic!("a member is asked: {:?}", stage.asked) };
    let hint = NotLeader { leader: Some(life(3)), term: 3, address: None };
    let answer = ForwardAnswer { outcome: Some(Outcome::NotLeader(hint)) };
    stage.give(Input::ForwardAnswered { ticket, answer: Ok(answer) });
    let before = stage.term();
    append(&mut stage, 3, before + 1, (2, 3), vec![entry(3, 4, None)]);
    assert_eq!((stage.term(), commit(&stage)), (before, 3));
}

/// Asks a joiner's question and has the asked answer that another disk life has taken its place.
fn superseded_says(stage: &mut Stage, host: u8) {
    stage.answer_nothing();
    for _ in 0..20 {
        superseded_in_a_second(stage, host);
    }
}

fn superseded_in_a_second(stage: &mut Stage, host: u8) {
    stage.pass(Duration::from_secs(1));
    for (ticket, to) in std::mem::take(&mut stage.asked) {
        let text = "another disk life has this name".to_owned();
        let code = RefusalCode::Superseded.into();
        let refused = Outcome::Refused(Refusal { code, detail: 0, text });
        let answer = ForwardAnswer { outcome: Some(refused) };
        let answer = if to == life(host) { Ok(answer) } else { Err(ForwardFailure::NotSent) };
        stage.give(Input::ForwardAnswered { ticket, answer });
    }
}

#[test]
fn a_node_halts_as_superseded_on_the_word_of_two_replicas_and_of_nobody_else() {
    let mut stage = Stage::new(4);
    for host in [5, 6, 2] {
        superseded_says(&mut stage, host);
        assert_eq!(stage.halts, Vec::<String>::new(), "host {host} is nobody, or one alone");
    }
    superseded_says(&mut stage, 3);
    assert!(!stage.halts.is_empty(), "two founders know");
}

#[test]
fn a_node_that_has_met_one_replica_waits_for_a_second_word_before_it_halts() {
    for (waits, halts) in [(8, false), (12, true)] {
        let mut stage = Stage::that_met_nobody(4);
        stage.meet(2, key(2));
        for _ in 0..waits {
            superseded_in_a_second(&mut stage, 2);
        }
        assert_eq!(stage.halts.is_empty(), !halts, "{waits} s: {:?}", stage.halts);
    }
}
