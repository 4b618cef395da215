//! Whose keys a node refuses since they were revoked, and when a host ends because others refuse it.

mod stage;

use quorate_node::{Input, Output};
use quorate_proto::{
    Command, CommandBody, ConfChange, ConfChangeKind, ConfChangeSet, DialFailure, Entry, EntryKind,
    HealthUpdate, Message as _, MessageKind, NodeKey, RaftMessage, Revocation, Revoke, Role,
    SessionEnd,
};
use stage::{Stage, address, id, key, life, member, view};
use std::net::SocketAddr;
use std::time::Duration;

/// Host 4, which has a view and no replica.
fn joined(more: Vec<quorate_proto::Member>) -> Stage {
    let mut stage = Stage::new(4);
    let more = std::iter::once(member(4, key(4), Role::Member)).chain(more).collect();
    stage.ping(2, 2, Some(view(7, more)));
    assert_eq!(stage.epoch(), 7);
    stage
}

/// The founders and host 4, with this host revoked.
fn without(host: u8, epoch: u64) -> HealthUpdate {
    let mut update = view(epoch, vec![member(4, key(4), Role::Member)]);
    let full = update.full.as_mut().expect("a whole view");
    full.revoked.push(Revocation { key: key(host), instance: life(host), ..Revocation::default() });
    update
}

fn refused(said: &[Output]) -> Vec<NodeKey> {
    let keys = said.iter().filter_map(|output| match output {
        Output::Revoke { key, .. } => Some(*key),
        _ => None,
    });
    keys.collect()
}

fn halts(said: &[Output]) -> bool {
    said.iter().any(|output| matches!(output, Output::Halt { again: false, .. }))
}

#[test]
fn a_node_without_a_replica_refuses_a_revoked_key_as_soon_as_it_is_told_and_says_so_once() {
    let mut stage = joined(vec![member(5, key(5), Role::Member)]);
    let said = stage.ping(2, 2, Some(without(5, 8)));
    assert_eq!(refused(&said), [key(5)]);
    let said = stage.pass(Duration::from_secs(2));
    assert_eq!(refused(&said), []);
}

#[test]
fn a_revoked_voter_is_heard_until_its_vote_is_gone_and_then_refused() {
    let mut stage = Stage::new(1);
    let append = |stage: &mut Stage, entry: Entry| {
        let (entry, index) = (Entry { term: 2, ..entry }, entry.index - 1);
        let commit = entry.index;
        let (kind, log_term) = (MessageKind::Append.into(), index.min(2));
        let entries = vec![entry];
        let message = RaftMessage {
            kind,
            term: 2,
            log_term,
            index,
            commit,
            entries,
            ..RaftMessage::default()
        };
        stage.raft(2, message)
    };
    append(&mut stage, Entry { index: 2, ..Entry::default() });
    let revoke = CommandBody::Revoke(Revoke { instance: life(3), ..Revoke::default() });
    let data = Command::to_entry(0, revoke);
    let said = append(&mut stage, Entry { index: 3, data, ..Entry::default() });
    assert_eq!(refused(&said), [], "its word may be needed to take its vote");
    let change = ConfChange { kind: ConfChangeKind::Remove.into(), node_id: id(3) };
    let set = ConfChangeSet { changes: vec![change], ..ConfChangeSet::default() };
    let (kind, data) = (EntryKind::ConfChange.into(), set.encode_to_vec().into());
    let said = append(&mut stage, Entry { kind, index: 4, data, ..Entry::default() });
    assert_eq!(refused(&said), [key(3)]);
}

#[test]
fn a_host_that_two_replicas_refuse_as_revoked_ends_and_not_on_one_word_of_many() {
    let refuse = |stage: &mut Stage, host: u8| {
        let (address, failure) = (address(host), DialFailure::Revoked);
        stage.give(Input::DialFailed { address, failure })
    };
    let mut stage = joined(vec![member(5, key(5), Role::Member)]);
    assert!(!halts(&refuse(&mut stage, 2)));
    stage.pass(Duration::from_secs(11));
    assert!(!halts(&refuse(&mut stage, 2)), "others listen to it");
    assert!(!halts(&refuse(&mut stage, 5)), "one without a replica has no word in this");
    assert!(halts(&refuse(&mut stage, 3)));
}

#[test]
fn a_host_whose_own_view_has_it_as_revoked_ends_when_the_first_one_cuts_it_off() {
    let mut stage = joined(Vec::new());
    let said = stage.ping(2, 2, Some(without(4, 8)));
    assert!(refused(&said).is_empty() && !halts(&said), "it does not refuse itself");
    let (instance, number) = (life(2), 2);
    let said = stage.give(Input::SessionDown { instance, number, end: SessionEnd::Revoked });
    assert!(halts(&said));
}

/// Another address of the host that is seed 2, which its name leads to as well.
fn second_address() -> SocketAddr {
    "[fd00::2]:4747".parse().expect("an address")
}

fn refuse_at(stage: &mut Stage, address: SocketAddr) -> bool {
    halts(&stage.give(Input::DialFailed { address, failure: DialFailure::Revoked }))
}

#[test]
fn a_host_with_two_addresses_has_one_word() {
    // Whether it is known as a replica, or as no more than a seed, by who was just let in.
    for knows_it in [true, false] {
        let mut stage = Stage::new(4);
        if knows_it {
            stage = joined(Vec::new());
        }
        stage.resolves_seeds();
        let addresses = vec![address(2), second_address()];
        stage.give(Input::Resolved { slot: 1, addresses, problem: None });
        stage.meet(3, key(3));
        for at in [address(2), second_address(), address(2), second_address()] {
            assert!(!refuse_at(&mut stage, at), "{at}, known: {knows_it}");
        }
        assert!(refuse_at(&mut stage, address(1)), "that is another host, known: {knows_it}");
    }
}

#[test]
fn a_host_that_cuts_its_session_and_refuses_at_its_second_address_has_one_word() {
    let mut stage = joined(Vec::new());
    stage.resolves_seeds();
    let addresses = vec![address(2), second_address()];
    stage.give(Input::Resolved { slot: 1, addresses, problem: None });
    stage.meet(3, key(3));
    let (instance, number) = (life(2), 2);
    let said = stage.give(Input::SessionDown { instance, number, end: SessionEnd::Revoked });
    assert!(!halts(&said));
    assert!(!refuse_at(&mut stage, second_address()));
    // Its name may lead elsewhere by now.
    stage.give(Input::Resolved { slot: 1, addresses: vec![second_address()], problem: None });
    assert!(!refuse_at(&mut stage, second_address()));
    assert!(refuse_at(&mut stage, address(3)), "that is another host");
}
