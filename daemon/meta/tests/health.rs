//! Health and admission: what changes the view, what is void, and who may take a name.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod support;

use quorate_meta::{AdmitRefusal, Applied, AppliedResult, Meta, RemoveRefusal, UnknownCommand};
use quorate_proto::*;
use support::*;

fn change(number: u8, generation: u64, state: MemberState) -> StateChange {
    StateChange {
        instance: instance(number),
        generation: Generation::new(generation),
        state: state as i32,
        reason: "silent for 500 ms".into(),
        reporter: "n1".into(),
        ..StateChange::default()
    }
}

fn propose(replica: &mut Replica, changes: Vec<StateChange>) -> Applied {
    let if_epoch = replica.meta.epoch();
    replica.apply(CommandBody::Health(HealthProposal { if_epoch, changes, at_unix_ms: 77 }))
}

fn admit(name: &str, number: u8) -> Admit {
    Admit {
        name: name.into(),
        instance: instance(number),
        generation: Generation::new(1),
        key: NodeKey::from_bytes([number; 32]),
        address: Some(address(u32::from(number))),
        ..Admit::default()
    }
}

fn let_in(replica: &mut Replica, admit: Admit) -> Result<HealthEpoch, AdmitRefusal> {
    match replica.apply(CommandBody::Admit(admit)).result {
        AppliedResult::Admitted(result) => result,
        other => panic!("{other:?}"),
    }
}

/// `name:state/role` of everybody.
fn show(meta: &Meta) -> String {
    let word = |member: &Member| {
        let state = MemberState::try_from(member.state).unwrap().word();
        let role = Role::try_from(member.role).unwrap().word();
        format!("{}:{state}/{role}", member.name)
    };
    meta.view().members.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_founding_state_is_a_function_of_the_founding_record() {
    let meta = Meta::from_founding(&founded());
    assert!(meta == Meta::from_founding(&founded()));
    assert_eq!((meta.applied(), meta.epoch().get(), meta.revision().get()), (1, 1, 1));
    assert_eq!(show(&meta), "n1:alive/voter n2:alive/voter n3:alive/voter");
    assert_eq!(meta.founded(), Some(&founded()));
    for id in founded().record.raft_ids() {
        assert!(meta.member_by_raft(id).is_some());
    }
    assert_eq!(meta.member_by_name("n2").unwrap().instance, instance(2));
    assert_eq!(meta.member(instance(3)).unwrap().name, "n3");
    assert_eq!(Meta::empty().applied(), 0);
}

#[test]
fn several_changes_in_one_entry_are_one_epoch() {
    let mut replica = Replica::new();
    let changes = vec![change(2, 1, MemberState::Down), change(3, 1, MemberState::Left)];
    let delta = propose(&mut replica, changes).health.unwrap();
    assert_eq!(show(&replica.meta), "n1:alive/voter n2:down/voter n3:left/voter");
    assert_eq!((replica.meta.epoch().get(), delta.epoch.get(), delta.members.len()), (2, 2, 2));
    let words: Vec<_> =
        delta.changed.iter().map(|c| format!("{} {}>{}", c.name, c.from, c.to)).collect();
    assert_eq!(words, ["n2 alive>down", "n3 alive>left"]);
    let member = replica.meta.member(instance(2)).unwrap();
    assert_eq!(member.reason, "silent for 500 ms (by n1)");
    assert_eq!((member.since_epoch.get(), member.since_unix_ms), (2, 77));
}

#[test]
fn a_proposal_made_on_another_epoch_is_stale_and_changes_nothing() {
    let mut replica = Replica::new();
    let proposal = HealthProposal {
        if_epoch: HealthEpoch::new(2),
        changes: vec![change(2, 1, MemberState::Down)],
        at_unix_ms: 0,
    };
    let applied = replica.apply(CommandBody::Health(proposal));
    assert_eq!(applied.result, AppliedResult::Health { stale: true });
    assert_eq!((applied.health, replica.meta.epoch().get()), (None, 1));
}

#[test]
fn void_changes_make_no_epoch() {
    let mut replica = Replica::new();
    propose(&mut replica, vec![change(2, 4, MemberState::Alive)]).health.unwrap();
    let unknown_state = StateChange { state: 99, ..change(2, 4, MemberState::Alive) };
    let voids = vec![
        change(2, 3, MemberState::Down),
        change(2, 4, MemberState::Alive),
        change(9, 1, MemberState::Down),
        unknown_state,
    ];
    let applied = propose(&mut replica, voids);
    assert_eq!(applied.result, AppliedResult::Health { stale: false });
    assert_eq!((applied.health, applied.changes.len()), (None, 0));
    assert_eq!(replica.meta.epoch().get(), 2);
}

#[test]
fn a_change_may_bring_a_new_address() {
    let mut replica = Replica::new();
    let moved = StateChange { address: Some(address(99)), ..change(2, 1, MemberState::Alive) };
    propose(&mut replica, vec![moved]).health.unwrap();
    let member = replica.meta.member(instance(2)).unwrap();
    assert_eq!(member.address, Some(address(99)));
    assert_eq!(member.since_epoch.get(), 1, "it is alive since before");
}

#[test]
fn another_address_of_a_member_is_kept_beside_the_one_that_counts_until_it_moves_or_starts_again() {
    let mut replica = Replica::new();
    let also_at = |replica: &Replica| replica.meta.member(instance(2)).unwrap().also_at.clone();
    let doubled = StateChange { also_at: Some(address(98)), ..change(2, 1, MemberState::Alive) };
    propose(&mut replica, vec![doubled.clone()]).health.unwrap();
    assert_eq!(also_at(&replica), Some(address(98)));
    assert_eq!(propose(&mut replica, vec![doubled.clone()]).health, None, "it is known");
    propose(&mut replica, vec![change(2, 1, MemberState::Down)]).health.unwrap();
    assert_eq!(also_at(&replica), Some(address(98)));
    propose(&mut replica, vec![change(2, 2, MemberState::Alive)]).health.unwrap();
    assert_eq!(also_at(&replica), None, "another start may have mended it");
    let doubled = StateChange { generation: Generation::new(2), ..doubled };
    propose(&mut replica, vec![doubled]).health.unwrap();
    let moved = StateChange { address: Some(address(98)), ..change(2, 2, MemberState::Alive) };
    propose(&mut replica, vec![moved]).health.unwrap();
    assert_eq!(also_at(&replica), None);
}

#[test]
fn a_new_name_is_let_in_as_a_member_and_again_without_an_epoch() {
    let mut replica = Replica::new();
    assert_eq!(let_in(&mut replica, admit("n4", 4)), Ok(HealthEpoch::new(2)));
    assert!(show(&replica.meta).ends_with("n4:alive/member"));
    assert_eq!(let_in(&mut replica, admit("n4", 4)), Ok(HealthEpoch::new(2)));
    let later = Admit { generation: Generation::new(2), ..admit("n4", 4) };
    assert_eq!(let_in(&mut replica, later), Ok(HealthEpoch::new(3)));
    assert_eq!(let_in(&mut replica, admit("n4", 4)), Ok(HealthEpoch::new(3)), "an old request");
    assert_eq!(replica.meta.member(instance(4)).unwrap().generation, Generation::new(2));
}

#[test]
fn a_node_that_starts_again_is_alive_again() {
    let mut replica = Replica::new();
    propose(&mut replica, vec![change(3, 1, MemberState::Down)]);
    let again = Admit { generation: Generation::new(2), ..admit("n3", 3) };
    let_in(&mut replica, again).unwrap();
    assert_eq!(show(&replica.meta), "n1:alive/voter n2:alive/voter n3:alive/voter");
}

#[test]
fn a_held_name_is_refused_unless_the_holder_is_named() {
    let mut replica = Replica::new();
    let taken = AdmitRefusal::NameTaken { name: "n3".into(), holder: instance(3) };
    assert_eq!(let_in(&mut replica, admit("n3", 8)), Err(taken.clone()));
    let wrong = Admit { supersede: Some(instance(2)), ..admit("n3", 8) };
    assert_eq!(let_in(&mut replica, wrong), Err(taken));
    let old_raft = founded().record.raft_ids()[2];
    assert!(replica.meta.member_by_raft(old_raft).is_some());

    let right = Admit { supersede: Some(instance(3)), ..admit("n3", 8) };
    let applied = replica.apply(CommandBody::Admit(right.clone()));
    assert_eq!(applied.result, AppliedResult::Admitted(Ok(HealthEpoch::new(2))));
    assert_eq!(applied.health.unwrap().removed, [instance(3)]);
    assert_eq!(show(&replica.meta), "n1:alive/voter n2:alive/voter n3:alive/member");
    assert!(replica.meta.is_tombstone(instance(3)));
    assert!(replica.meta.member(instance(3)).is_none());
    assert!(replica.meta.member_by_raft(old_raft).is_none(), "though raft may still know it");
    assert_eq!(let_in(&mut replica, right), Ok(HealthEpoch::new(2)), "asked again");

    let cluster = replica.meta.cluster_id().expect("founded");
    let over = Err(AdmitRefusal::Superseded { name: "n3".into(), cluster });
    assert_eq!(let_in(&mut replica, admit("n3", 3)), over);
    assert_eq!(let_in(&mut replica, admit("other", 3)), over);
    assert!(propose(&mut replica, vec![change(3, 9, MemberState::Alive)]).health.is_none());
}

#[test]
fn who_is_taken_out_is_over_for_good_and_its_name_is_free() {
    let mut replica = Replica::new();
    let remove = |replica: &mut Replica, number| {
        let remove = Remove { instance: instance(number), at_unix_ms: 9 };
        replica.apply(CommandBody::Remove(remove))
    };
    let applied = remove(&mut replica, 3);
    assert_eq!(applied.result, AppliedResult::Removed(Ok(HealthEpoch::new(2))));
    let delta = applied.health.unwrap();
    assert_eq!((&delta.removed[..], delta.at_unix_ms), (&[instance(3)][..], 9));
    assert_eq!(show(&replica.meta), "n1:alive/voter n2:alive/voter");
    let ended = replica.meta.ended(instance(3)).unwrap();
    assert_eq!((ended.name.as_str(), ended.epoch.get(), ended.removed), ("n3", 2, true));

    let again = remove(&mut replica, 3);
    assert_eq!(again.result, AppliedResult::Removed(Err(RemoveRefusal::NotMember)));
    assert!(again.health.is_none() && again.changes.is_empty());
    let (name, epoch) = ("n3".to_owned(), HealthEpoch::new(2));
    let cluster = replica.meta.cluster_id().expect("founded");
    let over = AdmitRefusal::Removed { name, epoch, cluster };
    assert_eq!(let_in(&mut replica, admit("n3", 3)), Err(over));
    let_in(&mut replica, admit("n3", 8)).expect("another life may have the name");

    // A snapshot tells it apart from a life that another replaced.
    let other = Admit { supersede: Some(instance(8)), ..admit("n3", 9) };
    let_in(&mut replica, other).unwrap();
    let restored = Meta::restore(replica.meta.chunks()).unwrap();
    assert!(restored == replica.meta);
    assert_eq!(restored.ended(instance(8)).map(|ended| ended.removed), Some(false));
    assert_eq!(restored.ended(instance(3)).map(|ended| ended.removed), Some(true));

    remove(&mut replica, 2);
    remove(&mut replica, 9);
    let last = remove(&mut replica, 1);
    assert_eq!(last.result, AppliedResult::Removed(Err(RemoveRefusal::Last)));
    assert_eq!(show(&replica.meta), "n1:alive/voter");
}

#[test]
fn a_life_keeps_its_name_and_key() {
    let mut replica = Replica::new();
    let cluster = replica.meta.cluster_id().expect("founded");
    let renamed = let_in(&mut replica, admit("n9", 3));
    assert_eq!(renamed, Err(AdmitRefusal::OtherName { held: "n3".into(), cluster }));
    let other_key = Admit { key: NodeKey::from_bytes([77; 32]), ..admit("n3", 3) };
    let refused = let_in(&mut replica, other_key);
    assert_eq!(refused, Err(AdmitRefusal::OtherKey { name: "n3".into(), cluster }));
}

#[test]
fn senseless_admissions_are_refused() {
    let mut replica = Replica::new();
    let invalid = |result| matches!(result, Err(AdmitRefusal::Invalid { .. }));
    assert!(invalid(let_in(&mut replica, admit("Not a name", 4))));
    assert!(invalid(let_in(
        &mut replica,
        Admit { instance: Instance::default(), ..admit("a", 4) }
    )));
    let label = Label { name: "zone".into(), value: "x".repeat(limits::CARD) };
    assert!(invalid(let_in(&mut replica, Admit { labels: vec![label], ..admit("a", 4) })));
    let mut empty = Replica::new();
    empty.meta = Meta::empty();
    assert_eq!(let_in(&mut empty, admit("a", 4)), Err(AdmitRefusal::NoCluster));
    assert_eq!(replica.meta.epoch().get(), 1);
}

#[test]
fn the_cluster_is_full_at_its_bound() {
    let mut replica = Replica::new();
    for number in 3..limits::MEMBERS {
        let mut bytes = [9; 16];
        bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let one =
            Admit { instance: Instance::from_bytes(bytes), ..admit(&format!("m{number}"), 9) };
        let_in(&mut replica, one).unwrap();
    }
    assert_eq!(let_in(&mut replica, admit("one-more", 200)), Err(AdmitRefusal::Full));
    assert_eq!(replica.meta.view().members.len(), limits::MEMBERS);
    let replacing = Admit { supersede: Some(instance(1)), ..admit("n1", 201) };
    assert!(let_in(&mut replica, replacing).is_ok());
    assert!(replica.meta == Meta::restore(replica.meta.chunks()).unwrap());
}

#[test]
fn roles_follow_the_voters() {
    let mut replica = Replica::new();
    let_in(&mut replica, admit("n4", 4)).unwrap();
    let id = |number| raft_id(replica.meta.cluster_id().unwrap(), instance(number)).get();
    let (one, two, three, four) = (id(1), id(2), id(3), id(4));
    let standby =
        ConfState { voters: vec![one, two, three], learners: vec![four], ..ConfState::default() };
    let index = replica.meta.applied() + 1;
    let delta = replica.meta.apply_voters(index, &standby, 0, "").unwrap();
    assert_eq!(delta.changed[0].reason, "is now a standby");
    assert!(replica.meta.apply_voters(index + 1, &standby, 0, "").is_none(), "nothing changed");
    assert_eq!(replica.meta.conf(), &standby);
    let joint = ConfState {
        voters: vec![one, two, four],
        voters_outgoing: vec![one, two, three],
        ..ConfState::default()
    };
    replica.meta.apply_voters(index + 2, &joint, 0, "").unwrap();
    assert!(!show(&replica.meta).contains("member"), "both halves of a joint state vote");
    let new = ConfState { voters: vec![one, two, four], ..ConfState::default() };
    replica.meta.apply_voters(index + 3, &new, 0, "").unwrap();
    let all = "n1:alive/voter n2:alive/voter n3:alive/member n4:alive/voter";
    assert_eq!(show(&replica.meta), all);
    assert!(replica.meta == Meta::restore(replica.meta.chunks()).unwrap());
}

#[test]
fn a_change_of_voters_has_the_time_that_came_with_it() {
    let mut replica = Replica::new();
    let four = Admit { at_unix_ms: 1_000, ..admit("n4", 4) };
    let_in(&mut replica, four).unwrap();
    let id = |number| raft_id(replica.meta.cluster_id().unwrap(), instance(number)).get();
    let voters = vec![id(1), id(2), id(3)];
    let with =
        |learners: Vec<u64>| ConfState { voters: voters.clone(), learners, ..ConfState::default() };
    let (standby, member) = (with(vec![id(4)]), with(Vec::new()));
    let index = replica.meta.applied() + 1;
    let delta = replica.meta.apply_voters(index, &standby, 2_000, "").unwrap();
    assert_eq!((delta.at_unix_ms, replica.meta.view().at_unix_ms), (2_000, 2_000));
    // The entry with which raft ends a joint configuration has no time: that of the change which it ends stands.
    assert_eq!(replica.meta.apply_voters(index + 1, &member, 0, "").unwrap().at_unix_ms, 2_000);
}

#[test]
fn differences_lead_from_any_kept_epoch_to_the_newest() {
    let mut replica = Replica::new();
    let mut views = vec![replica.meta.view()];
    for round in 0..300 {
        let state = [MemberState::Down, MemberState::Alive][round % 2];
        propose(&mut replica, vec![change(3, 1, state)]);
        views.push(replica.meta.view());
    }
    let newest = replica.meta.view();
    for view in views {
        let Some(update) = replica.meta.update_since(view.epoch) else {
            assert_eq!(view.epoch, newest.epoch);
            continue;
        };
        let mut mine = HealthView::clone(&view);
        if let Some(full) = update.full {
            mine = full;
        }
        for delta in update.deltas {
            assert_eq!(Some(delta.epoch), mine.epoch.next());
            mine.members.retain(|member| !delta.removed.contains(&member.instance));
            for member in delta.members {
                mine.members.retain(|other| other.name != member.name);
                mine.members.push(member);
            }
            mine.members.sort_by(|a, b| a.name.cmp(&b.name));
            (mine.epoch, mine.at_unix_ms) = (delta.epoch, delta.at_unix_ms);
        }
        assert_eq!(mine, *newest);
    }
    assert!(replica.meta.update_since(HealthEpoch::ZERO).unwrap().full.is_some());
}

#[test]
fn bytes_that_are_no_command_that_is_known_are_refused_and_change_nothing() {
    let mut replica = Replica::new();
    let mut random = Random(1);
    let before = replica.meta.clone();
    let index = before.applied() + 1;
    let mut refused = 0;
    for _ in 0..2_000 {
        let length = random.below(60);
        let garbage: Vec<u8> = (0..length).map(|_| random.next().to_le_bytes()[0]).collect();
        let mut meta = before.clone();
        if meta.apply(index, &garbage.into()) == Err(UnknownCommand { index }) {
            refused += 1;
            assert_eq!(meta, before);
        }
    }
    assert!(refused > 1_900, "{refused}");
    // A kind that a later version adds: the tag is not known, the ticket is.
    let mut later = Command { ticket: 7, body: None }.encode_to_vec();
    later.extend_from_slice(&[15 << 3 | 2, 1, 9]);
    assert_eq!(replica.meta.apply(index, &later.into()), Err(UnknownCommand { index }));
    assert_eq!(replica.meta, before);
    replica.meta.apply_nothing(index);
}

#[test]
#[should_panic(expected = "was applied after")]
fn an_entry_is_not_applied_twice() {
    let mut meta = Replica::new().meta;
    meta.apply_nothing(1);
}

#[test]
fn a_member_says_who_said_its_goodbye_until_it_is_there_again() {
    let mut replica = Replica::new();
    let said = |replica: &Replica| replica.meta.member(instance(2)).unwrap().goodbye();
    let crashed =
        StateChange { goodbye: Goodbye::Crashed.into(), ..change(2, 1, MemberState::Left) };
    propose(&mut replica, vec![crashed.clone()]);
    assert_eq!(said(&replica), Goodbye::Crashed);
    let_in(&mut replica, Admit { generation: Generation::new(2), ..admit("n2", 2) }).unwrap();
    assert_eq!(said(&replica), Goodbye::None, "it asked to be let in");
    let stopped =
        StateChange { generation: Generation::new(2), goodbye: Goodbye::Stopped.into(), ..crashed };
    propose(&mut replica, vec![stopped.clone()]);
    assert_eq!(said(&replica), Goodbye::Stopped);
    let back =
        StateChange { generation: Generation::new(3), state: MemberState::Alive as i32, ..stopped };
    propose(&mut replica, vec![back]);
    assert_eq!(said(&replica), Goodbye::None, "nobody who is there has said goodbye");
}
