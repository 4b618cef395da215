//! One story a test: what a group of replicas does, told in virtual time.

mod world;

use bytes::Bytes;
use quorate_consensus::{
    Committed, ProposeError, RaftRole, Recovered, Replica, ReplicaConfig, ReplicaOutput, StartError,
};
use quorate_proto::ConfChangeKind::{AddLearner, AddVoter, Remove};
use quorate_proto::{GroupId, HardState, Message as _, MessageKind, RaftMessage};
use world::{World, changes, id, ids};

fn trio(seed: u64) -> World {
    let mut world = World::new(seed, &[1, 2, 3], &[]);
    world.elect(1);
    world
}

#[test]
fn a_follower_that_lost_the_first_append_catches_up() {
    let mut world = trio(1);
    let mut lost = false;
    world.lose = Some(Box::new(move |message| {
        let append = message.kind == MessageKind::Append as i32 && message.to == 3;
        let first = append && !lost && !message.entries.is_empty();
        lost |= first;
        first
    }));
    assert!(world.propose(1, "a"));
    assert!(world.propose(1, "b"));
    world.ticks(5);
    assert_eq!(world.texts(3), ["a", "b"]);
}

#[test]
fn a_lost_rejection_only_costs_time() {
    let mut world = trio(2);
    world.cut = [3].into();
    for text in ["a", "b", "c"] {
        assert!(world.propose(1, text));
    }
    world.settle();
    let mut left = 1;
    world.lose = Some(Box::new(move |message| {
        let rejection = message.kind == MessageKind::AppendResponse as i32 && message.reject;
        let lose = rejection && left > 0;
        left -= usize::from(lose);
        lose
    }));
    world.cut.clear();
    world.ticks(30);
    let leader = world.leader().expect("there is one");
    assert!(world.propose(leader, "d"));
    world.ticks(5);
    assert_eq!(world.texts(3), ["a", "b", "c", "d"]);
}

#[test]
fn appends_go_out_before_the_leaders_own_sync_and_acks_wait_for_theirs() {
    let mut world = trio(3);
    world.slow_disks = true;
    assert!(world.propose(1, "a"));
    assert_eq!(world.network.len(), 2, "both followers are sent the entry at once");
    world.settle();
    assert!(world.texts(1).is_empty() && world.network.is_empty(), "nobody acknowledges yet");
    world.sync(2, 9);
    world.sync(3, 9);
    world.settle();
    // Two of three suffice, but raft-rs hands out nothing that is not durable at the leader itself.
    assert_eq!(world.status(1).commit, world.status(1).last);
    world.sync(1, 9);
    world.settle();
    assert_eq!(world.texts(1), ["a"]);
}

#[test]
fn voters_and_applied_position_survive_restarts() {
    let mut world = World::new(4, &[1, 2, 3], &[4]);
    world.elect(1);
    assert!(world.change(1, &[(AddLearner, 4)]));
    world.ticks(10);
    assert!(world.propose(1, "a"));
    world.ticks(3);
    world.compact(2, 0);
    assert!(world.change(1, &[(AddVoter, 4)]));
    world.ticks(10);
    for number in 1..=4 {
        world.crash(number, 0);
        world.restart(number);
    }
    world.ticks(60);
    for number in 1..=4 {
        assert_eq!(world.status(number).conf.voters, [1, 2, 3, 4]);
        assert_eq!(world.texts(number), ["a"]);
        assert_eq!(world.status(number).applied, world.status(number).commit);
    }
}

#[test]
fn a_learner_catches_up_by_snapshot_even_when_the_first_one_is_lost() {
    let mut world = World::new(5, &[1, 2, 3], &[4]);
    world.elect(1);
    for count in 0..20 {
        assert!(world.propose(1, &format!("{count}")));
    }
    world.ticks(3);
    for number in 1..=3 {
        world.compact(number, 0);
    }
    assert_eq!(world.status(1).first, world.status(1).last + 1);
    let mut lost = false;
    world.lose = Some(Box::new(move |message| {
        let lose = !lost && message.snapshot.is_some();
        lost |= lose;
        lose
    }));
    assert!(world.change(1, &[(AddLearner, 4)]));
    world.ticks(10);
    assert!(world.propose(1, "after"));
    world.ticks(3);
    assert_eq!(world.texts(4).len(), 21);
    assert_eq!((world.hosts[&4].installs, world.status(4).role), (1, RaftRole::Learner));
    let progress = world.hosts[&1].replica.as_ref().and_then(|one| one.progress(id(4)));
    let progress = progress.expect("the leader knows it");
    assert!(progress.active && !progress.snapshotting);
    assert_eq!(progress.matched, world.status(1).last);
}

#[test]
fn a_joiner_behind_the_founding_needs_a_snapshot_that_names_it() {
    let mut world = World::new(6, &[1], &[2]);
    world.elect(1);
    assert!(world.change(1, &[(AddLearner, 2)]));
    world.ticks(8);
    assert_eq!(world.hosts[&2].installs, 1);
    assert_eq!(world.status(2).conf.learners, [2]);
}

#[test]
fn one_voter_becomes_three_and_then_five_through_joint_states() {
    let mut world = World::new(7, &[1], &[2, 3, 4, 5]);
    world.elect(1);
    for pair in [[2, 3], [4, 5]] {
        assert!(world.change(1, &[(AddLearner, pair[0]), (AddLearner, pair[1])]));
        world.ticks(12);
        assert!(world.change(1, &[(AddVoter, pair[0]), (AddVoter, pair[1])]));
        world.ticks(12);
        assert!(!world.status(1).joint, "raft leaves the joint state by itself");
    }
    assert_eq!(world.status(5).conf.voters, [1, 2, 3, 4, 5]);
    world.cut = [1, 2].into();
    world.ticks(60);
    let leader = world.leader().expect("three of five elect one");
    assert!(leader > 2 && world.propose(leader, "three of five"));
    world.settle();
    assert_eq!(world.texts(leader), ["three of five"]);
}

#[test]
fn a_swap_of_voters_is_one_joint_change() {
    let mut world = World::new(8, &[1, 2, 3], &[4]);
    world.elect(1);
    assert!(world.change(1, &[(AddLearner, 4)]));
    world.ticks(10);
    assert!(world.change(1, &[(AddVoter, 4), (AddLearner, 3)]));
    world.ticks(10);
    let conf = world.status(1).conf;
    assert_eq!((conf.voters, conf.learners), (vec![1, 2, 4], vec![3]));
    assert!(conf.voters_outgoing.is_empty());
}

#[test]
fn a_joint_state_is_left_by_the_leader_that_comes_after() {
    let mut world = World::new(9, &[1, 2, 3], &[4]);
    world.elect(1);
    assert!(world.change(1, &[(AddLearner, 4)]));
    world.ticks(10);
    assert!(world.change(1, &[(AddVoter, 4), (Remove, 3)]));
    world.slow_disks = true;
    world.settle();
    world.slow_disks = false;
    world.crash(1, 0);
    world.ticks(60);
    let leader = world.leader().expect("the others elect one");
    assert!(!world.status(leader).joint);
    assert_eq!(world.status(leader).conf.voters, [1, 2, 4]);
}

#[test]
fn a_leader_refuses_to_remove_or_demote_itself() {
    let mut world = trio(10);
    for kind in [Remove, AddLearner] {
        let refused = world.with(1, |one| one.change(changes(&[(kind, 1)])));
        assert_eq!(refused, Some(Err(ProposeError::OwnRemoval)));
    }
}

#[test]
fn a_leader_that_finds_itself_removed_is_dead_and_the_others_go_on() {
    let mut world = trio(11);
    // 1 proposes that 2 goes, only 2 hears of it, 1 falls silent, and 2 is elected to commit its own removal.
    world.lose = Some(Box::new(|message| {
        message.kind == MessageKind::Append as i32 && message.to == 3 && message.from == 1
    }));
    assert!(world.change(1, &[(Remove, 2)]));
    world.cut = [1].into();
    world.slow_disks = true;
    while let Some((message, image)) = world.network.pop_front() {
        // The cut comes after the append to 2 left.
        world.cut.clear();
        world.deliver(message, image);
        world.cut = [1].into();
    }
    world.slow_disks = false;
    world.settle();
    assert_eq!(world.status(2).last, world.status(1).last);
    for number in [2, 3] {
        world.with(number, |one| one.evidence_against(id(1)));
    }
    world.with(2, Replica::campaign);
    world.settle();
    assert!(world.hosts[&2].removed, "it led when its removal was committed");
    world.cut.clear();
    world.lose = None;
    world.ticks(80);
    let leader = world.leader().expect("1 and 3 elect one");
    assert!(leader != 2 && world.propose(leader, "without 2"));
    world.ticks(3);
    assert_eq!((world.texts(1), world.texts(3)), (world.texts(3), vec!["without 2".to_owned()]));
}

#[test]
fn a_change_that_came_while_another_was_under_way_is_noticed() {
    let mut world = World::new(12, &[1, 2, 3], &[4, 5]);
    world.elect(1);
    assert!(world.change(1, &[(AddLearner, 4)]));
    assert!(world.change(1, &[(AddLearner, 5)]), "raft-rs says nothing");
    world.ticks(10);
    assert_eq!(world.hosts[&1].refused, [changes(&[(AddLearner, 5)])]);
    assert_eq!(world.status(1).conf.learners, [4]);
}

#[test]
fn a_change_whose_leader_was_deposed_is_noticed() {
    let mut world = trio(13);
    world.cut = [1].into();
    assert!(world.change(1, &[(Remove, 3)]));
    world.ticks(60);
    world.cut.clear();
    world.ticks(60);
    assert_eq!(world.hosts[&1].refused, [changes(&[(Remove, 3)])]);
}

#[test]
fn a_campaign_on_evidence_makes_a_leader_without_a_tick() {
    let mut world = trio(14);
    world.ticks(4);
    world.crash(1, 0);
    world.with(2, Replica::campaign);
    world.settle();
    assert_eq!(world.leader(), None, "the lease of the lost leader still runs at 3");
    world.with(3, |one| one.evidence_against(id(1)));
    world.with(2, Replica::campaign);
    world.settle();
    assert_eq!(world.leader(), Some(2));
}

#[test]
fn only_who_may_vote_campaigns() {
    let mut world = World::new(15, &[1, 2, 3], &[4]);
    world.with(4, Replica::campaign);
    world.settle();
    assert_eq!(world.status(4).role, RaftRole::Learner);
    assert_eq!(world.leader(), None);
}

#[test]
fn leadership_is_handed_over() {
    let mut world = trio(16);
    world.with(1, |one| one.transfer_to(id(3)));
    let refused = world.with(1, |one| one.propose(vec![Bytes::from_static(b"meanwhile")]));
    assert_eq!(refused, Some(Err(ProposeError::Full)));
    world.settle();
    assert_eq!(world.leader(), Some(3));
    assert!(world.status(3).leader_committed_in_term);
}

#[test]
fn a_follower_proposes_nothing() {
    let mut world = trio(17);
    let refused = world.with(2, |one| one.propose(vec![Bytes::from_static(b"x")]));
    assert_eq!(refused, Some(Err(ProposeError::NotLeader)));
    let refused = world.with(2, |one| one.change(changes(&[(Remove, 3)])));
    assert_eq!(refused, Some(Err(ProposeError::NotLeader)));
    assert_eq!(world.with(2, |one| one.read_index(1)), Some(Err(ProposeError::NotLeader)));
    assert!(world.network.is_empty(), "nothing is forwarded");
}

#[test]
fn a_lone_voter_reads_at_once_and_three_ask_each_other() {
    let mut alone = World::new(18, &[1], &[]);
    alone.elect(1);
    let ticket = alone.read(1);
    assert_eq!(alone.hosts[&1].reads, [(ticket, 2)]);

    let mut world = trio(18);
    assert!(world.propose(1, "a"));
    world.settle();
    let ticket = world.read(1);
    assert!(world.hosts[&1].reads.is_empty());
    world.settle();
    assert_eq!(world.hosts[&1].reads, [(ticket, world.status(1).commit)]);
    world.cut = [1].into();
    world.read(1);
    world.settle();
    assert_eq!(world.hosts[&1].reads.len(), 1, "a leader that is cut off answers nothing");
}

#[test]
fn many_entries_at_once_are_one_append() {
    let mut world = trio(19);
    let entries: Vec<Bytes> = (0..64_u8).map(|one| Bytes::from(vec![one; 8])).collect();
    let proposed = entries.clone();
    assert_eq!(world.with(1, |one| one.propose(proposed)), Some(Ok(())));
    assert_eq!(world.network.len(), 2);
    assert_eq!(world.network[0].0.entries.len(), 64);
    let sent = &world.network[0].0.entries[5].data;
    assert_eq!(sent.as_ptr(), entries[5].as_ptr(), "data is not copied");
    world.settle();
    assert_eq!(world.hosts[&3].image.len(), 64);
    assert_eq!(world.with(1, |one| one.propose(Vec::new())), Some(Ok(())));
}

#[test]
fn compaction_stops_at_the_offered_snapshot_and_at_what_is_applied() {
    let mut world = trio(20);
    for text in ["a", "b", "c"] {
        assert!(world.propose(1, text));
    }
    world.settle();
    assert_eq!(
        world.with(1, |one| one.compact(4)),
        Some(None),
        "the founding is all that is offered"
    );
    world.compact(1, 0);
    let status = world.status(1);
    assert_eq!(status.first, status.applied + 1);
    assert!(world.propose(1, "d"));
    world.settle();
    assert_eq!(world.texts(3), ["a", "b", "c", "d"]);
}

#[test]
fn a_log_that_lost_committed_entries_is_not_started() {
    let config = ReplicaConfig { group: GroupId::META, me: id(1), seed: 0 };
    let mut recovered = Recovered::from_founding(&ids(&[1, 2, 3]));
    recovered.hard_state = HardState { term: 2, vote: 0, commit: 9 };
    let refused = Replica::start(config, recovered).err();
    assert_eq!(refused, Some(StartError::Lost { commit: 9, last: 1 }));
}

#[test]
fn our_encoding_of_a_change_is_the_one_that_raft_reads() {
    let mut world = World::new(21, &[1], &[]);
    world.elect(1);
    let set = changes(&[(AddLearner, 300), (AddVoter, u64::MAX), (Remove, 7)]);
    assert_eq!(set.encode_to_vec(), by_raft(&set), "what raft-rs would have written itself");
    assert_eq!(world.with(1, |one| one.change(set)), Some(Ok(())));
}

/// The bytes that raft-rs's own writer gives these changes.
fn by_raft(set: &quorate_proto::ConfChangeSet) -> Vec<u8> {
    use raft::prelude::{ConfChangeSingle, ConfChangeType, ConfChangeV2, RawNode};
    let config = raft::Config { id: 1, ..raft::Config::default() };
    let store = raft::storage::MemStorage::new_with_conf_state((vec![1], vec![]));
    let logger = slog::Logger::root(slog::Discard, slog::o!());
    let mut node = RawNode::new(&config, store, &logger).expect("a plain node");
    node.campaign().expect("it is alone");
    let mut theirs = ConfChangeV2::default();
    for change in &set.changes {
        let mut one = ConfChangeSingle { node_id: change.node_id, ..Default::default() };
        one.set_change_type(match change.kind {
            0 => ConfChangeType::AddNode,
            1 => ConfChangeType::RemoveNode,
            _ => ConfChangeType::AddLearnerNode,
        });
        theirs.changes.push(one);
    }
    // Its first entry comes before a change may be proposed; applied is what it starts with.
    let ready = node.ready();
    node.mut_store().wl().append(ready.entries()).expect("it is the first");
    node.advance(ready);
    node.propose_conf_change(Vec::new(), theirs).expect("it leads");
    let ready = node.ready();
    ready.entries().last().expect("the change").data.to_vec()
}

#[test]
fn a_commit_index_alone_costs_no_sync_of_its_own() {
    let mut replica = Replica::start(
        ReplicaConfig { group: GroupId::META, me: id(1), seed: 1 },
        Recovered::from_founding(&ids(&[1, 2])),
    )
    .expect("founding");
    let mut world = World::new(22, &[1, 2], &[]);
    world.elect(2);
    assert!(world.propose(2, "a"));
    world.settle();
    let mut out = Vec::new();
    replica.ready(&mut out);
    assert!(out.is_empty(), "a replica at rest says nothing");
    world.ticks(2);
    assert_eq!(world.texts(1), ["a"]);
    assert!(world.hosts[&1].durable.hard_state().commit < world.status(1).commit);
    assert!(world.propose(2, "b"));
    world.ticks(2);
    assert!(world.hosts[&1].durable.hard_state().commit >= 3, "it rides with the next entries");
}

#[test]
fn a_committed_entry_knows_its_place() {
    let entry = Committed::Nothing { index: 4, term: 2 };
    assert_eq!(entry.index(), 4);
    assert_ne!(ReplicaOutput::RemovedAsLeader, ReplicaOutput::Commit(vec![entry]));
}

#[test]
fn what_was_given_up_on_its_way_to_a_follower_is_sent_again_at_once() {
    let mut world = World::new(1, &[1, 2, 3], &[]);
    world.elect(1);
    world.ticks(2);
    let entries = |message: &RaftMessage| message.to == 2 && !message.entries.is_empty();
    world.lose = Some(Box::new(entries));
    assert!(world.propose(1, "lost on its way"));
    world.settle();
    assert!(world.status(2).last < world.status(1).last);
    world.lose = None;
    world.ticks(10);
    assert_eq!(world.status(2).last, world.status(1).last);
}

/// Appends to a follower that wait to be delivered: the entries of each and the commit index that it carries.
fn appends_to(world: &World, to: u64) -> Vec<(usize, u64)> {
    let appends = world.network.iter().map(|(message, _)| message);
    let appends = appends.filter(|it| it.to == to && it.kind == MessageKind::Append as i32);
    appends.map(|it| (it.entries.len(), it.commit)).collect()
}

#[test]
fn a_commit_index_rides_on_the_next_append() {
    let mut world = trio(23);
    world.commits_ride = true;
    assert!(world.propose(1, "a"));
    world.settle();
    let commit = world.status(1).commit;
    assert_eq!(world.texts(1), ["a"], "the leader commits");
    assert!(world.texts(2).is_empty(), "no append tells the followers");
    assert!(world.hosts[&1].replica.as_ref().is_some_and(Replica::has_untold_commit));
    assert!(world.propose(1, "b"));
    assert_eq!(appends_to(&world, 2), [(1, commit)], "the next one does");
    assert!(!world.hosts[&1].replica.as_ref().is_some_and(Replica::has_untold_commit));
    world.settle();
    assert_eq!(world.texts(2), ["a"]);
}

#[test]
fn a_commit_index_for_which_no_append_came_is_told_once() {
    let mut world = trio(24);
    world.commits_ride = true;
    assert!(world.propose(1, "a"));
    world.settle();
    world.with(1, Replica::tell_commit);
    assert_eq!(appends_to(&world, 2), [(0, world.status(1).commit)]);
    world.settle();
    assert_eq!((world.texts(2), world.texts(3)), (vec!["a".to_owned()], vec!["a".to_owned()]));
    world.with(1, Replica::tell_commit);
    assert!(world.network.is_empty(), "it was told");
    world.with(2, Replica::tell_commit);
    assert!(world.network.is_empty(), "who follows tells nobody");
}

#[test]
fn a_heartbeat_tells_a_commit_index_that_nothing_else_told() {
    let mut world = trio(25);
    world.commits_ride = true;
    assert!(world.propose(1, "a"));
    world.settle();
    world.ticks(4);
    assert_eq!(world.texts(2), ["a"]);
}

#[test]
fn while_the_voters_change_each_commit_is_told_at_once() {
    let mut world = trio(26);
    world.commits_ride = true;
    assert!(world.change(1, &[(Remove, 3)]));
    world.settle();
    assert_eq!(world.hosts[&2].conf.voters, [1, 2], "the follower has the change");
    assert!(!world.hosts[&1].replica.as_ref().is_some_and(Replica::has_untold_commit));
}
