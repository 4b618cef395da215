//! What a node writes down about its own log and about those it lets in: the term of what it applied, whatever term it is
//! in, and the key that the session proved, whatever the joiner says.

mod stage;

use quorate_consensus::LogRecord;
use quorate_meta::Meta;
use quorate_node::{Input, Output, Write};
use quorate_proto::{
    Admit, Command, CommandBody, ConfState, Entry, ForwardRequest, Generation, GroupId,
    Message as _, MessageKind, NodeKey, RaftMessage, SnapshotMetadata, forward_request,
};
use stage::{FOUNDERS, Stage, address, cluster_id, founded, id, key, life, name};

fn message(kind: MessageKind, term: u64) -> RaftMessage {
    RaftMessage { kind: kind.into(), term, ..RaftMessage::default() }
}

/// The positions of the snapshots that are asked for in these outputs.
fn taken(said: &[Output]) -> Vec<(u64, u64)> {
    let positions = said.iter().filter_map(|output| match output {
        Output::TakeSnapshot { metadata, .. } => Some((metadata.index, metadata.term)),
        _ => None,
    });
    positions.collect()
}

#[test]
fn a_snapshot_names_the_term_of_the_entry_that_it_ends_with() {
    let mut stage = Stage::with(1, 1);
    let entries = vec![Entry { term: 2, index: 2, ..Entry::default() }];
    let append = RaftMessage {
        log_term: 1,
        index: 1,
        entries,
        commit: 1,
        ..message(MessageKind::Append, 2)
    };
    assert_eq!(taken(&stage.raft(2, append)), []);
    // The leader of a later term commits it.
    let commit =
        RaftMessage { log_term: 2, index: 2, commit: 2, ..message(MessageKind::Append, 5) };
    let said = stage.raft(3, commit);
    assert_eq!(stage.term(), 5);
    assert_eq!(taken(&said), [(2, 2)]);
}

/// A snapshot as a host sends it that leads in a term, and the state in it.
fn snapshot(from: u8, term: u64, index: u64) -> (RaftMessage, Box<Meta>) {
    let mut image = Meta::from_founding(&founded());
    for index in 2..=index {
        image.apply_nothing(index);
    }
    let voters = (1..=FOUNDERS).map(id).collect();
    let conf_state = ConfState { voters, ..ConfState::default() };
    let snapshot = Some(SnapshotMetadata { conf_state, index, term: 4 });
    let message = message(MessageKind::Snapshot, term);
    (RaftMessage { from: id(from), to: id(1), snapshot, ..message }, Box::new(image))
}

/// It has arrived whole.
fn arrives(from: u8, (message, image): (RaftMessage, Box<Meta>), file: u64) -> Input {
    Input::SnapshotReceived { group: GroupId::META, from: life(from), message, image, file }
}

#[test]
fn a_snapshot_of_an_installed_state_names_the_term_that_it_came_with() {
    let mut stage = Stage::with(1, 1);
    let said = stage.give(arrives(2, snapshot(2, 6, 9), 8));
    assert_eq!(stage.node.vitals().applied, 9);
    assert_eq!(files(&said), ["counts 8", "the log begins at 9"], "in this order");
    let said = stage.give(arrives(2, snapshot(2, 6, 9), 9));
    assert_eq!(files(&said), ["dropped 9"], "raft has it already");
    let said = stage.give(Input::SnapshotUnreadable { group: GroupId::META, index: 9, term: 4 });
    assert_eq!(taken(&said), [(9, 4)], "another takes the place of the one that is spoilt");
}

#[test]
fn of_two_snapshots_that_come_at_once_that_of_the_deposed_leader_halts_nobody() {
    for new_first in [true, false] {
        let mut stage = Stage::with(1, 1);
        let mut both = vec![arrives(2, snapshot(2, 6, 9), 8), arrives(3, snapshot(3, 5, 12), 9)];
        if !new_first {
            both.reverse();
        }
        let mut said = Vec::new();
        stage.node.turn(stage.now, 0, both, &mut said);
        let halts = said.iter().any(|one| matches!(one, Output::Halt { .. }));
        assert!(!halts, "new first: {new_first}: {said:?}");
        let applied = if new_first { 9 } else { 12 };
        assert_eq!(stage.node.vitals().applied, applied, "what raft took first");
    }
}

/// What becomes of received files, and where the log begins.
fn files(said: &[Output]) -> Vec<String> {
    let told = said.iter().flat_map(|output| match output {
        Output::DropSnapshot { file } => vec![format!("dropped {file}")],
        Output::Persist { write: Write::Snapshot { file, .. }, .. } => {
            vec![format!("counts {file}")]
        }
        Output::Persist { write: Write::Log { records, .. }, .. } => {
            let begins = records.iter().filter_map(|record| match record {
                LogRecord::Reset { index, .. } => Some(format!("the log begins at {index}")),
                _ => None,
            });
            begins.collect()
        }
        _ => Vec::new(),
    });
    told.collect()
}

/// A snapshot that a host sends, as file 8: with all founders as voters, up to this index in this term.
fn snapshot_of(host: u8, message: RaftMessage, image: Meta, (index, term): (u64, u64)) -> Input {
    let voters = (1..=FOUNDERS).map(id).collect();
    let conf_state = ConfState { voters, ..ConfState::default() };
    let snapshot = Some(SnapshotMetadata { conf_state, index, term });
    Input::SnapshotReceived {
        group: GroupId::META,
        from: life(host),
        message: RaftMessage { from: id(host), snapshot, ..message },
        image: Box::new(image),
        file: 8,
    }
}

#[test]
fn a_snapshot_of_a_stranger_is_not_taken() {
    for host in [4, 6] {
        let mut stage = Stage::with(1, 1);
        let mut image = Meta::from_founding(&founded());
        image.apply_nothing(2);
        let to_voter = RaftMessage { to: id(1), ..message(MessageKind::Snapshot, 6) };
        let said = stage.give(snapshot_of(host, to_voter, image, (2, 4)));
        assert_eq!(stage.node.vitals().applied, 1);
        assert_eq!(files(&said), ["dropped 8"]);
    }
}

#[test]
fn a_snapshot_of_a_stranger_makes_no_joiner_begin_a_log() {
    for host in [5, 2] {
        let mut stage = Stage::new(4);
        let to_joiner = RaftMessage { to: id(4), ..message(MessageKind::Snapshot, 2) };
        let said =
            stage.give(snapshot_of(host, to_joiner, Meta::from_founding(&founded()), (1, 1)));
        let logs = |one: &&Output| matches!(one, Output::Persist { write: Write::Log { .. }, .. });
        assert_eq!(said.iter().any(|one| logs(&one)), host == 2, "host {host}; 2 is a founder");
    }
}

#[test]
fn a_joiner_is_let_in_with_the_key_that_its_session_proved() {
    let mut stage = Stage::leading();
    let forged = NodeKey::from_bytes([0xbb; 32]);
    let admit = Admit {
        name: "another".to_owned(),
        instance: life(4),
        generation: Generation::new(77),
        key: forged,
        address: Some(address(5).into()),
        supersede: Some(life(2)),
        labels: Vec::new(),
        at_unix_ms: 0,
    };
    let body = Some(forward_request::Body::Admit(admit));
    let request = ForwardRequest {
        cluster_id: cluster_id(),
        remaining_ms: 1_000,
        body,
        ..ForwardRequest::default()
    };
    stage.acknowledge(2);
    stage.give(Input::Forwarded { from: life(4), ticket: 7, request });
    stage.acknowledge(2);
    let status = stage.node.status(stage.now);
    let member = status.view.members.iter().find(|member| member.instance == life(4));
    let member = member.expect("it is let in");
    assert_eq!((member.key, member.generation), (key(4), Generation::new(1)));
    assert_eq!(member.name, name(4).to_string());
    assert_eq!(member.address, Some(address(4).into()));
    assert_eq!(status.view.members.len(), 4, "nobody had to go for it");
}

#[test]
fn a_replica_stops_at_a_command_that_it_does_not_know_and_applies_nothing_from_there_on() {
    let mut stage = Stage::with(1, 1_000);
    // The ticket is there, and a command under a tag that a later version has added.
    let mut later = Command { ticket: 7, body: None }.encode_to_vec();
    later.extend_from_slice(&[15 << 3 | 2, 1, 9]);
    let entry =
        |index, data: Vec<u8>| Entry { term: 2, index, data: data.into(), ..Entry::default() };
    let put = Command::to_entry(8, CommandBody::Admit(Admit::default())).to_vec();
    let entries = vec![entry(2, Vec::new()), entry(3, later), entry(4, put)];
    let append = RaftMessage {
        log_term: 1,
        index: 1,
        entries,
        commit: 4,
        ..message(MessageKind::Append, 2)
    };
    let said = stage.raft(2, append);
    let halts: Vec<&String> = said
        .iter()
        .filter_map(|output| match output {
            Output::Halt { reason, again: false } => Some(reason),
            _ => None,
        })
        .collect();
    assert_eq!(halts.len(), 1, "{halts:?}");
    assert!(halts[0].starts_with("entry 3 of the log holds a command"), "{halts:?}");
    assert!(halts[0].contains("start the newer version"), "{halts:?}");
    assert_eq!(stage.node.vitals().applied, 0, "it is no replica any more, and writes no snapshot");
}
