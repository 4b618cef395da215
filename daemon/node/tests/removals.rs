//! What a removal waits for, and what a voter that was taken out hears while its vote still counts.

mod stage;

use quorate_node::{ClientReply, ClientRequest, Input, Output};
use quorate_proto::{
    Act, Admit, Command, CommandBody, ConfChange, ConfChangeKind, ConfChangeSet, Entry, EntryKind,
    ForwardRequest, Message as _, MessageKind, RaftMessage, RefusalCode, Remove, RemoveHost, act,
    forward_answer::Outcome, forward_request,
};
use stage::{Stage, cluster_id, id, life, name};
use std::time::Duration;

/// Host 2 leads term 2 and appends an entry behind all before it, committed.
fn append(stage: &mut Stage, entry: Entry) {
    let entry = Entry { term: 2, ..entry };
    let index = entry.index - 1;
    stage.raft(
        2,
        RaftMessage {
            kind: MessageKind::Append.into(),
            term: 2,
            log_term: index.min(2),
            index,
            commit: entry.index,
            entries: vec![entry],
            ..RaftMessage::default()
        },
    );
}

/// What host 3 is told when it asks to be let in.
fn answer_to_3(stage: &mut Stage, ticket: u64) -> Option<Outcome> {
    let admit = Admit { instance: life(3), name: name(3).to_string(), ..Admit::default() };
    let body = Some(forward_request::Body::Admit(admit));
    let request = ForwardRequest {
        cluster_id: cluster_id(),
        remaining_ms: 5_000,
        body,
        ..ForwardRequest::default()
    };
    let said = stage.give(Input::Forwarded { from: life(3), ticket, request });
    said.into_iter().find_map(|output| match output {
        Output::ForwardReply { answer, .. } => answer.outcome,
        _ => None,
    })
}

#[test]
fn a_removed_voter_is_not_told_to_end_before_its_vote_is_gone() {
    let mut stage = Stage::new(1);
    append(&mut stage, Entry { index: 2, ..Entry::default() });
    let remove = CommandBody::Remove(Remove { instance: life(3), at_unix_ms: 0 });
    append(&mut stage, Entry { index: 3, data: Command::to_entry(0, remove), ..Entry::default() });
    let outcome = answer_to_3(&mut stage, 1);
    assert!(matches!(outcome, Some(Outcome::NotLeader(_))), "its vote counts: {outcome:?}");
    let change = ConfChange { kind: ConfChangeKind::Remove.into(), node_id: id(3) };
    let set = ConfChangeSet { changes: vec![change], ..ConfChangeSet::default() };
    let (kind, data) = (EntryKind::ConfChange.into(), set.encode_to_vec().into());
    append(&mut stage, Entry { kind, index: 4, data, ..Entry::default() });
    let Some(Outcome::Refused(refusal)) = answer_to_3(&mut stage, 2) else {
        panic!("it is over for host 3")
    };
    assert_eq!(refusal.code(), RefusalCode::Superseded);
}

#[test]
fn a_removal_whose_time_is_over_says_what_it_waited_for() {
    let mut stage = Stage::leading();
    stage.acknowledge(2);
    let remove = |host: u8| {
        let removed = RemoveHost { name: name(host).to_string(), instance: Some(life(host)) };
        Act { body: Some(act::Body::Remove(removed)) }
    };
    let deadline = stage.now + Duration::from_secs(60);
    let request = ClientRequest::Act(remove(3));
    stage.give(Input::Client { ticket: 1, deadline, request });
    // One of this host, and one that came to another: neither can be judged while the first is not committed.
    let deadline = stage.now + Duration::from_millis(400);
    let request = ClientRequest::Act(remove(2));
    stage.give(Input::Client { ticket: 2, deadline, request });
    let body = Some(forward_request::Body::Act(remove(2)));
    let request = ForwardRequest {
        cluster_id: cluster_id(),
        remaining_ms: 400,
        body,
        ..ForwardRequest::default()
    };
    stage.give(Input::Forwarded { from: life(2), ticket: 3, request });
    let said = stage.pass(Duration::from_millis(350));
    let forwarded = said.iter().find_map(|output| match output {
        Output::ForwardReply { ticket: 3, answer } => answer.outcome.clone(),
        _ => None,
    });
    let Some(Outcome::Refused(refusal)) = forwarded else {
        panic!("the other host hears it before its own patience ends: {forwarded:?}")
    };
    assert!(refusal.text.contains("a removal before it"), "{}", refusal.text);
    let said = stage.pass(Duration::from_millis(100));
    let Some(ClientReply::Refused(refusal)) = said.iter().find_map(|output| match output {
        Output::Reply { ticket: 2, reply } => Some(reply),
        _ => None,
    }) else {
        panic!("its time is over")
    };
    assert_eq!(refusal.code(), RefusalCode::TimedOut);
    assert!(refusal.text.contains("a removal before it"), "{}", refusal.text);
}
