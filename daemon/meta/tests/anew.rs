//! A cluster that is founded anew from the state of an earlier one: what is taken along, and that no number runs back.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod support;

use quorate_meta::{AnewError, KeyRange, Meta, Watch, WatchOptions};
use quorate_proto::*;
use support::*;

const JUMP: i64 = 2_000_000_000;

fn certificate(life: u8) -> FoundingCertificate {
    let founder = FounderVoter {
        slot: 1,
        instance: instance(life),
        key: NodeKey::from_bytes([life; 32]),
        address: Some(address(2)),
        name: "n2".into(),
    };
    let from = founded().record.cluster_id();
    let cluster = ClusterName::new("test").unwrap();
    FoundingCertificate::anew(&cluster, Lineage { from, plan: 7 }, founder)
}

/// A cluster of three with some history, one of whose lives is over already.
fn earlier() -> Replica {
    let mut replica = Replica::new();
    for round in 0..5 {
        replica.put("a", &round.to_string());
    }
    replica.put("b", "kept");
    replica.delete("a", "");
    let remove = Remove { instance: instance(3), at_unix_ms: 0 };
    replica.apply(CommandBody::Remove(remove));
    replica
}

fn anew(replica: &Replica) -> Replica {
    let mut later = Replica::new();
    later.meta = replica.meta.anew(&certificate(9), 0).unwrap();
    later
}

#[test]
fn a_cluster_that_is_founded_anew_has_the_keys_one_voter_and_everybody_else_is_over() {
    let earlier = earlier();
    let later = anew(&earlier);
    assert_eq!(later.show("a", "z", 0).unwrap(), "b=kept");
    let kept = later.range(range("b", "")).unwrap().kvs.remove(0);
    assert_eq!((kept.create_revision, kept.mod_revision, kept.version), (7, 7, 1));
    let meta = &later.meta;
    let id = certificate(9).record.cluster_id();
    assert_eq!((meta.cluster_id(), meta.founded()), (Some(id), Some(&certificate(9))));
    assert_eq!(meta.conf().voters, [raft_id(id, instance(9)).get()]);
    let view = meta.view();
    let [only] = &view.members[..] else { panic!("{view:?}") };
    assert_eq!((only.name.as_str(), only.instance, only.role), ("n2", instance(9), 2));
    assert!((1..=3).all(|life| meta.is_tombstone(instance(life))), "every earlier life is over");
    assert_eq!(meta.applied(), earlier.meta.applied() + 1);
    let nodes = later.show("__meta/nodes/", "__meta/nodes0", 0).unwrap();
    assert!(nodes.starts_with("__meta/nodes/n2=") && !nodes.contains("n1"), "{nodes}");
}

#[test]
fn no_watcher_and_no_cached_revision_sees_time_run_back_when_a_cluster_is_founded_anew() {
    let earlier = earlier();
    let mut later = anew(&earlier);
    assert_eq!(later.meta.revision(), Revision::new(2_000_000_000));
    assert_eq!(later.meta.compacted(), later.meta.revision());
    // The earlier cluster went on for a while without this replica.
    let seen = 100_000;
    for revision in [1, 8, seen, JUMP - 1] {
        assert_eq!(later.show("a", "z", revision), Err(KvError::Compacted), "{revision}");
        let range = KeyRange::new(&"a".into(), &"z".into());
        let options =
            WatchOptions { range, start_revision: revision, no_put: false, no_delete: false };
        let refused = Watch::new(&later.meta, options).replay(&later.meta, 9).unwrap_err();
        assert_eq!(refused.compact_revision, JUMP);
    }
    assert_eq!(later.show("a", "z", JUMP).unwrap(), "b=kept");
    assert_eq!(later.put("c", "1"), JUMP + 1);
    assert!(later.meta.system_revision() > Revision::new(2_000_000_000));
    assert_eq!(later.meta.epoch(), HealthEpoch::new(2_000_000));
    assert_eq!(later.meta.update_since(HealthEpoch::new(seen.unsigned_abs())).unwrap().deltas, []);
}

#[test]
fn a_state_that_was_founded_anew_goes_through_a_snapshot_and_is_the_same_each_time() {
    let earlier = earlier();
    let later = anew(&earlier).meta;
    let restored = Meta::restore(later.chunks()).unwrap();
    assert!(restored == later);
    assert_eq!(restored.founded().unwrap().comes_from(), earlier.meta.cluster_id());
    assert_eq!(anew(&earlier).meta.state_hash(), later.state_hash());
    assert_ne!(later.state_hash(), earlier.meta.state_hash());
}

#[test]
fn a_cluster_is_founded_anew_only_by_a_new_disk_from_the_state_of_another_cluster() {
    let earlier = earlier();
    let known = |life| earlier.meta.anew(&certificate(life), 0).unwrap_err();
    for life in 1..=3 {
        assert_eq!(known(life), AnewError::SameLife { instance: instance(life) });
    }
    assert_eq!(earlier.meta.anew(&founded(), 0).unwrap_err(), AnewError::SameCluster);
    assert_eq!(Meta::empty().anew(&certificate(9), 0).unwrap_err(), AnewError::Empty);
}

#[test]
fn a_change_of_the_secret_that_was_under_way_is_given_up() {
    for steps in [&[SecretStep::Accept][..], &[SecretStep::Accept, SecretStep::Use]] {
        let mut earlier = earlier();
        for step in steps {
            let step =
                TakeSecretStep { from: 1, to: 2, step: (*step).into(), at_unix_ms: 5, epoch: 1 };
            earlier.apply(CommandBody::Secret(step));
        }
        assert!(earlier.meta.secret_change().is_under_way(), "{steps:?}");
        let later = anew(&earlier);
        assert_eq!(later.meta.secret_change().step(), SecretStep::GivenUp, "{steps:?}");
    }
}
