//! Whatever a peer writes: an error or a shrug, never a panic.

mod world;

use bytes::Bytes;
use quorate_consensus::{ConvertError, GuardError, ReplicaOutput};
use quorate_proto::{ConfState, Entry, EntryKind, MessageKind, RaftMessage, SnapshotMetadata};
use world::{Draw, World};

/// A follower (2) of leader 1 in term 2, with entries up to 3.
fn follower() -> World {
    let mut world = World::new(1, &[1, 2, 3], &[4]);
    world.elect(1);
    assert!(world.propose(1, "a"));
    world.ticks(2);
    assert_eq!((world.status(2).last, world.status(2).term), (3, 2));
    world
}

fn message(kind: MessageKind) -> RaftMessage {
    RaftMessage { kind: kind as i32, to: 2, from: 1, term: 2, ..RaftMessage::default() }
}

fn entry(index: u64, term: u64) -> Entry {
    let kind = EntryKind::Normal as i32;
    Entry { kind, index, term, data: Bytes::from_static(b"x"), context: Bytes::new() }
}

fn append(index: u64, log_term: u64, entries: Vec<Entry>) -> RaftMessage {
    RaftMessage { index, log_term, entries, ..message(MessageKind::Append) }
}

/// What host `to` says to the message.
fn verdict(to: u64, message: RaftMessage) -> Result<(), GuardError> {
    let mut world = follower();
    let before = world.status(to);
    let message = RaftMessage { to: if message.to == 2 { to } else { message.to }, ..message };
    let result = world.with(to, |replica| replica.receive(message)).expect("it lives");
    if result.is_err() {
        assert_eq!(world.status(to), before, "what is refused changes nothing");
    }
    result
}

fn refused(message: RaftMessage) -> GuardError {
    verdict(2, message).expect_err("it must be refused")
}

#[test]
fn envelopes_that_cannot_be_are_refused() {
    let heartbeat = || message(MessageKind::Heartbeat);
    let not_ours = RaftMessage { to: 9, ..heartbeat() };
    assert_eq!(refused(not_ours), GuardError::NotForUs(9));
    assert_eq!(refused(RaftMessage { from: 0, ..heartbeat() }), GuardError::Sender(0));
    assert_eq!(refused(RaftMessage { from: 2, ..heartbeat() }), GuardError::Sender(2));
    for term in [0, u64::MAX] {
        let expected = GuardError::Term { found: term, ours: 2 };
        assert_eq!(refused(RaftMessage { term, ..heartbeat() }), expected);
        let vote = RaftMessage { term, from: 3, ..message(MessageKind::RequestVote) };
        assert_eq!(refused(vote), expected);
    }
    for kind in [0, 13, -1, i32::MAX] {
        let unknown = RaftMessage { kind, ..heartbeat() };
        assert_eq!(refused(unknown), GuardError::Unknown(ConvertError::Message(kind)));
    }
}

#[test]
fn a_second_leader_of_a_term_is_refused() {
    let expected = GuardError::SecondLeader { from: 3, term: 2 };
    let rival = RaftMessage { from: 3, ..message(MessageKind::Heartbeat) };
    assert_eq!(refused(rival.clone()), expected);
    assert_eq!(verdict(1, rival), Err(expected));
}

#[test]
fn appends_that_would_panic_or_lie_are_refused() {
    let hole = GuardError::Entries("there is a hole");
    let fall = GuardError::Entries("their terms fall, or are above the message's");
    assert_eq!(refused(append(3, 2, vec![entry(4, 2), entry(6, 2)])), hole);
    assert_eq!(refused(append(3, 2, vec![entry(5, 2)])), hole);
    assert_eq!(refused(append(u64::MAX, 2, vec![entry(0, 2)])), hole);
    assert_eq!(refused(append(3, 2, vec![entry(4, 1)])), fall);
    assert_eq!(refused(append(3, 2, vec![entry(4, 3)])), fall);
    let termless = GuardError::Entries("they follow an entry without a term");
    assert_eq!(refused(append(9, 0, vec![entry(10, 2)])), termless);
    let early = GuardError::Entries("they follow an entry of a later term");
    assert_eq!(refused(append(3, 3, Vec::new())), early);
    assert_eq!(refused(append(1, 1, vec![entry(2, 1)])), GuardError::Contradiction(2));
    let late = RaftMessage { term: 1, ..append(1, 1, vec![entry(2, 1)]) };
    assert_eq!(verdict(2, late), Ok(()), "an earlier leader may have meant something else");
    let unknown = Entry { kind: 7, ..entry(4, 2) };
    let expected = GuardError::Unknown(ConvertError::Entry(7));
    assert_eq!(refused(append(3, 2, vec![unknown])), expected);
    let garbage = Entry {
        kind: EntryKind::ConfChange as i32,
        data: Bytes::from_static(&[0xff; 9]),
        ..entry(4, 2)
    };
    let expected = GuardError::Entries("a change of voters cannot be read");
    assert_eq!(refused(append(3, 2, vec![garbage])), expected);
    let carrying = RaftMessage { entries: vec![entry(4, 2)], ..message(MessageKind::Heartbeat) };
    assert_eq!(refused(carrying), GuardError::Entries("in a message that carries none"));
    assert_eq!(verdict(2, append(3, 2, vec![entry(4, 2)])), Ok(()));
    assert_eq!(verdict(2, append(9, 2, vec![entry(10, 2)])), Ok(()), "a gap is raft's to reject");
}

/// What a follower that was told of entries beyond its log says to that.
fn answer(heartbeat: RaftMessage) -> Vec<RaftMessage> {
    let mut world = follower();
    let before = world.status(2);
    let taken = world.with(2, |replica| {
        replica.receive(heartbeat).expect("it is a question");
        let mut out = Vec::new();
        replica.ready(&mut out);
        out
    });
    let after = world.status(2);
    assert_eq!((after.commit, after.last), (before.commit, before.last), "nothing is obeyed");
    let sent = taken.expect("it lives").into_iter().filter_map(|output| match output {
        ReplicaOutput::Send(message) => Some(message),
        _ => None,
    });
    sent.filter(|message| message.reject).collect()
}

#[test]
fn a_heartbeat_beyond_our_log_moves_nothing_and_is_told_where_the_log_ends() {
    for commit in [4, 1 << 40] {
        let beyond = RaftMessage { commit, ..message(MessageKind::Heartbeat) };
        let said = answer(beyond.clone());
        let [said] = &said[..] else { panic!("one answer: {said:?}") };
        assert_eq!((said.to, said.term, said.index, said.reject_hint), (1, 2, commit, 3));
        let stranger = RaftMessage { from: 9, term: 3, ..beyond.clone() };
        assert!(matches!(refused(stranger), GuardError::OutOfPlace(_)));
        let old = RaftMessage { term: 1, ..beyond };
        assert!(matches!(refused(old), GuardError::OutOfPlace(_)));
    }
    let end = RaftMessage { commit: u64::MAX, ..message(MessageKind::Heartbeat) };
    assert!(matches!(refused(end), GuardError::OutOfPlace(_)));
}

#[test]
fn a_leader_of_whose_entries_a_follower_lost_some_is_answered_all_the_same() {
    let mut world = rolled_back(2, false);
    assert_eq!(world.told.first(), Some(&2));
    let term = world.status(1).term;
    world.cut.insert(3);
    world.ticks(100);
    let after = world.status(1);
    assert_eq!(world.leader(), Some(1), "it hears a majority: {after:?}");
    assert_eq!(after.term, term);
    assert_eq!(world.status(2).last, 6, "the hole is not filled");
}

/// Host 2 acknowledged entries up to 8; its disk goes back by some entries, and it goes on under its id.
fn rolled_back(by: usize, proposals: bool) -> World {
    let mut world = follower();
    let mut disks = vec![world.host(2).durable.clone()];
    for count in 0..5 {
        assert!(world.propose(1, &format!("{count}")));
        world.ticks(2);
        disks.push(world.host(2).durable.clone());
    }
    world.crash(2, 0);
    world.host(2).durable = disks[disks.len() - 1 - by].clone();
    world.restart(2);
    world.with(1, |replica| replica.unreachable(world::id(2)));
    for count in 0..20 {
        if proposals {
            world.propose(1, &format!("later {count}"));
        }
        world.ticks(1);
    }
    world
}

#[test]
fn a_voter_that_lost_what_it_acknowledged_is_found_out_and_is_not_healed_in_silence() {
    for by in 1..=5 {
        for proposals in [false, true] {
            let world = rolled_back(by, proposals);
            let has = 8 - by as u64;
            if proposals {
                assert_eq!(world.lost.first(), Some(&(2, 8, has)), "by {by}");
            } else {
                assert_eq!(world.told.first(), Some(&2), "by {by}: told again behind its answer");
            }
            assert_eq!(world.status(2).last, has, "the hole is not filled");
            assert!(!proposals || world.status(1).commit > 8, "the others go on");
        }
    }
}

#[test]
fn a_voter_that_lost_nothing_is_not_suspected() {
    for proposals in [false, true] {
        let world = rolled_back(0, proposals);
        assert_eq!((world.lost, world.told), (Vec::new(), Vec::new()));
    }
}

#[test]
fn false_acknowledgements_are_refused_by_the_leader() {
    let ack = |index, reject| RaftMessage {
        from: 3,
        index,
        reject,
        ..message(MessageKind::AppendResponse)
    };
    assert_eq!(verdict(1, ack(4, false)), Err(GuardError::FalseAck { index: 4, last: 3 }));
    assert_eq!(verdict(1, ack(u64::MAX, true)), Ok(()));
    let asking = RaftMessage { request_snapshot: 1, ..ack(1, true) };
    assert!(matches!(verdict(1, asking), Err(GuardError::OutOfPlace(_))));
}

#[test]
fn snapshots_that_contradict_themselves_are_refused() {
    let good = ConfState { voters: vec![1, 2, 3], learners: vec![4], ..ConfState::default() };
    let snapshot = |conf_state: ConfState, index, term| RaftMessage {
        snapshot: Some(SnapshotMetadata { conf_state, index, term }),
        ..message(MessageKind::Snapshot)
    };
    let bad = [
        ConfState { learners: vec![3], ..good.clone() },
        ConfState { voters: vec![0, 1], ..good.clone() },
        ConfState { voters: vec![1, 1], ..good.clone() },
        ConfState { auto_leave: true, ..good.clone() },
        ConfState { learners_next: vec![5], ..good.clone() },
        ConfState { voters_outgoing: vec![4], ..good.clone() },
        ConfState::default(),
    ];
    for conf in bad {
        assert!(matches!(refused(snapshot(conf, 9, 2)), GuardError::Snapshot(_)));
    }
    for (index, term) in [(0, 1), (9, 0), (9, 3)] {
        assert!(matches!(refused(snapshot(good.clone(), index, term)), GuardError::Snapshot(_)));
    }
    let missing = message(MessageKind::Snapshot);
    assert!(matches!(refused(missing), GuardError::Snapshot(_)));
    let misplaced = RaftMessage { kind: MessageKind::Heartbeat as i32, ..snapshot(good, 9, 2) };
    assert!(matches!(refused(misplaced), GuardError::Snapshot(_)));
}

#[test]
fn reads_and_calls_to_campaign_out_of_place_are_refused() {
    let read =
        |entries| RaftMessage { from: 3, term: 0, entries, ..message(MessageKind::ReadIndex) };
    let expected = GuardError::Entries("a read has exactly one, and it is not empty");
    assert_eq!(verdict(1, read(Vec::new())), Err(expected.clone()));
    assert_eq!(verdict(1, read(vec![entry(0, 0), entry(0, 0)])), Err(expected.clone()));
    let empty = Entry { data: Bytes::new(), ..entry(0, 0) };
    assert_eq!(verdict(1, read(vec![empty])), Err(expected));
    assert_eq!(verdict(1, read(vec![entry(0, 0)])), Ok(()));
    let termless = RaftMessage { term: 0, ..message(MessageKind::ReadIndexResponse) };
    assert_eq!(refused(termless), GuardError::Term { found: 0, ours: 2 });
    let early = RaftMessage { term: 3, ..message(MessageKind::TimeoutNow) };
    assert!(matches!(refused(early), GuardError::OutOfPlace(_)));
}

#[test]
fn no_message_that_can_be_written_is_the_death_of_a_replica() {
    let numbers = [0, 1, 2, 3, 4, 5, 9, 1000, u64::MAX - 1, u64::MAX];
    for seed in 1..=400 {
        let mut draw = Draw::new(seed);
        let mut world = follower();
        for _ in 0..200 {
            let to = 1 + draw.below(4);
            let forged = forge(&mut draw, &numbers, to);
            // Panics are what is looked for; a lost log is an answer that ends a real node.
            let _ =
                world.hosts.get_mut(&to).and_then(|host| host.replica.as_mut()).map(|replica| {
                    let _ = replica.receive(forged);
                    let mut out = Vec::new();
                    replica.tick();
                    replica.ready(&mut out);
                    out
                });
        }
    }
}

fn forge(draw: &mut Draw, numbers: &[u64], to: u64) -> RaftMessage {
    let mut number = || numbers[usize::try_from(draw.below(numbers.len() as u64)).expect("small")];
    let (index, log_term, term) = (number(), number() % 4, number());
    let (commit, commit_term, from) = (number(), number(), 1 + number() % 5);
    let (reject_hint, snapshot_index, snapshot_term) = (number(), number(), number() % 4);
    let kind = i32::try_from(draw.below(14)).expect("small");
    let entries = (0..draw.below(3))
        .map(|k| Entry {
            kind: i32::try_from(draw.below(2)).expect("small"),
            ..entry(index.wrapping_add(k + 1), 1 + draw.below(3))
        })
        .map(|entry| Entry { data: Bytes::from_static(b""), ..entry })
        .collect();
    let conf_state = ConfState { voters: vec![1, 2, 3], learners: vec![4], ..ConfState::default() };
    let metadata = SnapshotMetadata { conf_state, index: snapshot_index, term: snapshot_term };
    let snapshot = (kind == MessageKind::Snapshot as i32).then_some(metadata);
    RaftMessage {
        kind,
        to,
        from,
        term: if term > 9 { term } else { draw.below(4) },
        log_term,
        index,
        entries,
        commit,
        commit_term,
        snapshot,
        request_snapshot: 0,
        reject: draw.percent(50),
        reject_hint,
        context: Bytes::new(),
        priority: 0,
    }
}
