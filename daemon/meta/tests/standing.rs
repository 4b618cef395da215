//! What operators say of members and the cluster keeps, and whom it forgets.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod support;

use quorate_meta::{AppliedResult, Meta, NotMember};
use quorate_proto::*;
use support::*;

fn drain(
    replica: &mut Replica,
    number: u8,
    drained: bool,
    at_unix_ms: u64,
) -> Result<String, NotMember> {
    let (instance, reason) = (instance(number), "a new disk".to_owned());
    let drain = Drain { instance, drained, reason, at_unix_ms };
    said(replica, CommandBody::Drain(drain))
}

fn said(replica: &mut Replica, body: CommandBody) -> Result<String, NotMember> {
    match replica.apply(body).result {
        AppliedResult::Noted(result) => result.map(|noted| noted.text),
        other => panic!("{other:?}"),
    }
}

fn admit(number: u8, generation: u64, supersede: Option<Instance>) -> CommandBody {
    CommandBody::Admit(Admit {
        name: "n3".into(),
        instance: instance(number),
        generation: Generation::new(generation),
        key: replica_key(number),
        address: Some(address(u32::from(number))),
        supersede,
        ..Admit::default()
    })
}

fn replica_key(number: u8) -> NodeKey {
    let founded = founded();
    let voters = &founded.record.voters;
    let known = voters.iter().find(|voter| voter.instance == instance(number));
    known.map_or(NodeKey::from_bytes([number; 32]), |voter| voter.key)
}

fn turn(replica: &mut Replica, number: u8, state: MemberState) {
    let if_epoch = replica.meta.epoch();
    let change = StateChange {
        instance: instance(number),
        generation: replica
            .meta
            .view()
            .members
            .iter()
            .find(|it| it.instance == instance(number))
            .unwrap()
            .generation,
        state: state as i32,
        ..StateChange::default()
    };
    let changes = vec![change];
    replica.apply(CommandBody::Health(HealthProposal { if_epoch, changes, at_unix_ms: 7 }));
}

#[test]
fn a_host_stays_drained_through_a_restart_a_new_disk_and_a_snapshot() {
    let mut replica = Replica::new();
    assert_eq!(drain(&mut replica, 9, true, 5), Err(NotMember));
    assert_eq!(drain(&mut replica, 3, true, 5).as_deref(), Ok("drained at epoch 2"));
    assert_eq!(drain(&mut replica, 3, true, 6).as_deref(), Ok("drained already"));
    let drained = |meta: &Meta| {
        let member = meta.member_by_name("n3").cloned().unwrap();
        member.drained.map(|it| (it.reason, it.since_unix_ms))
    };
    let told = Some(("a new disk".to_owned(), 5));
    assert_eq!(drained(&replica.meta), told);
    replica.apply(admit(3, 9, None));
    assert_eq!(drained(&replica.meta), told, "it was started again");
    turn(&mut replica, 3, MemberState::Down);
    replica.apply(admit(8, 1, Some(instance(3))));
    assert_eq!(replica.meta.member_by_name("n3").unwrap().instance, instance(8));
    assert_eq!(drained(&replica.meta), told, "it has a new disk");
    let restored = Meta::restore(replica.meta.chunks()).unwrap();
    assert!(restored == replica.meta);
    assert_eq!(drain(&mut replica, 8, false, 7).as_deref(), Ok("no longer drained at epoch 6"));
    assert_eq!(drained(&replica.meta), None);
}

#[test]
fn who_drains_the_last_voter_hears_that_one_of_them_leads_all_the_same() {
    let mut replica = Replica::new();
    let mut drained = |number| drain(&mut replica, number, true, 5).unwrap();
    assert_eq!([drained(1), drained(2)], ["drained at epoch 2", "drained at epoch 3"]);
    assert!(
        drained(3).ends_with("; every voter is drained now, so one of them leads all the same")
    );
}

#[test]
fn a_word_that_a_host_may_vote_is_kept_for_its_disk_life() {
    let mut replica = Replica::new();
    let approve =
        |number| CommandBody::Approve(Approve { instance: instance(number), at_unix_ms: 5 });
    assert_eq!(said(&mut replica, approve(9)), Err(NotMember));
    assert_eq!(said(&mut replica, approve(3)).as_deref(), Ok("may become a voter at epoch 2"));
    assert_eq!(said(&mut replica, approve(3)).as_deref(), Ok("may become a voter already"));
    turn(&mut replica, 3, MemberState::Down);
    replica.apply(admit(8, 1, Some(instance(3))));
    assert!(!replica.meta.member_by_name("n3").unwrap().approved);
}

#[test]
fn who_is_forgotten_is_gone_without_a_vote_and_may_come_back_as_it_was() {
    let mut replica = Replica::new();
    let forget = |replica: &mut Replica, if_epoch| {
        let forget = Forget { instance: instance(7), if_epoch, at_unix_ms: 9 };
        replica.apply(CommandBody::Forget(forget)).health.is_some()
    };
    let joins = || match admit(7, 1, None) {
        CommandBody::Admit(admit) => CommandBody::Admit(Admit { name: "n7".into(), ..admit }),
        other => other,
    };
    replica.apply(joins());
    let now = replica.meta.epoch();
    assert!(!forget(&mut replica, now), "it is alive");
    turn(&mut replica, 7, MemberState::Down);
    assert!(!forget(&mut replica, now), "there is a newer epoch");
    let now = replica.meta.epoch();
    let gone = replica.meta.member_by_name("n7").cloned().unwrap();
    let id = raft_id(replica.meta.cluster_id().unwrap(), gone.instance);
    assert!(forget(&mut replica, now));
    assert!(
        replica.meta.member_by_name("n7").is_none() && replica.meta.member_by_raft(id).is_none()
    );
    assert!(!replica.meta.is_tombstone(gone.instance));
    assert!(Meta::restore(replica.meta.chunks()).unwrap() == replica.meta);
    let applied = replica.apply(joins());
    assert!(matches!(applied.result, AppliedResult::Admitted(Ok(_))), "{applied:?}");
}

#[test]
fn a_voter_is_never_forgotten() {
    let mut replica = Replica::new();
    turn(&mut replica, 3, MemberState::Down);
    let (instance, if_epoch) = (instance(3), replica.meta.epoch());
    let applied = replica.apply(CommandBody::Forget(Forget { instance, if_epoch, at_unix_ms: 9 }));
    assert!(applied.health.is_none() && replica.meta.member_by_name("n3").is_some());
}

#[test]
fn why_the_voters_change_is_told_also_to_who_leaves_them_last() {
    let mut replica = Replica::new();
    let cluster_id = replica.meta.cluster_id().unwrap();
    let ids: Vec<u64> = [1, 2, 3].map(|n| raft_id(cluster_id, instance(n)).get()).to_vec();
    let (index, why) = (replica.meta.applied() + 1, "n3 has been gone for 5 min");
    let joint = ConfState {
        voters: ids[..2].to_vec(),
        voters_outgoing: ids.clone(),
        learners_next: vec![ids[2]],
        auto_leave: true,
        ..ConfState::default()
    };
    let words = |delta: &HealthDelta| -> Vec<String> {
        delta.changed.iter().map(|it| format!("{}: {}", it.name, it.reason)).collect()
    };
    let delta = replica.meta.apply_voters(index, &joint, 5, why).expect("n3 is told why");
    assert!(words(&delta).is_empty(), "it still votes");
    let left =
        ConfState { voters: ids[..2].to_vec(), learners: vec![ids[2]], ..ConfState::default() };
    let delta = replica.meta.apply_voters(index + 1, &left, 0, "").unwrap();
    assert_eq!(words(&delta), ["n3: is now a standby: n3 has been gone for 5 min"]);
}
