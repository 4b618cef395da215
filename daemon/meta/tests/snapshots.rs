//! Snapshots: nothing is lost, nothing damaged is accepted, nothing makes a reader panic.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod support;

use bytes::Bytes;
use quorate_meta::{Meta, RestoreError};
use quorate_proto::*;
use support::*;

/// A state with a bit of everything in it.
fn varied() -> Replica {
    let mut replica = Replica::new();
    for round in 0..40 {
        replica.put(&format!("k{}", round % 7), &"v".repeat(round));
    }
    replica.delete("k3", "k5");
    replica.txn(all(vec![op_put("a", "1"), op_put("b", "2")])).unwrap();
    replica.compact(20).unwrap();
    let admit = Admit {
        name: "n3".into(),
        instance: instance(9),
        generation: Generation::new(1),
        key: NodeKey::from_bytes([9; 32]),
        supersede: Some(instance(3)),
        ..Admit::default()
    };
    replica.apply(CommandBody::Admit(admit));
    replica
}

/// FNV-1a.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn whole(meta: &Meta) -> Vec<u8> {
    meta.chunks().flat_map(|chunk| chunk.to_vec()).collect()
}

#[test]
fn a_restored_state_is_the_same_in_every_part_and_goes_on_alike() {
    let mut replica = varied();
    let mut restored = Replica::new();
    restored.meta = Meta::restore(replica.meta.chunks()).unwrap();
    assert!(restored.meta == replica.meta);
    assert_eq!(restored.meta.founded(), Some(&founded()));
    assert!(restored.meta.is_tombstone(instance(3)));
    assert_eq!(restored.meta.deltas_since(HealthEpoch::new(1)).unwrap().len(), 1);
    assert_eq!(restored.show("k0", "k9", 30), replica.show("k0", "k9", 30));
    assert_eq!(whole(&restored.meta), whole(&replica.meta), "equal states give equal bytes");
    for twin in [&mut replica.meta, &mut restored.meta] {
        twin.apply(100, &Command::to_entry(0, CommandBody::Kv(put("k1", "on"))))
            .expect("a command");
    }
    assert_eq!(restored.meta.state_hash(), replica.meta.state_hash());
    let empty = Meta::restore(Meta::empty().chunks()).unwrap();
    assert!(empty == Meta::empty());
}

#[test]
fn the_hash_of_a_state_and_the_bytes_of_its_snapshot_are_those_of_the_format_that_is_on_disks() {
    let mut replica = varied();
    let change = StateChange {
        instance: instance(2),
        generation: Generation::new(1),
        state: MemberState::Down as i32,
        reason: "silent".into(),
        ..StateChange::default()
    };
    let (if_epoch, at_unix_ms) = (replica.meta.epoch(), 7);
    replica.apply(CommandBody::Health(HealthProposal {
        if_epoch,
        changes: vec![change],
        at_unix_ms,
    }));
    let voters = replica.meta.conf().voters[1..].to_vec();
    let conf = ConfState { voters, ..ConfState::default() };
    replica.meta.apply_voters(replica.meta.applied() + 1, &conf, 8, "").unwrap();
    let stream = whole(&replica.meta);
    let found = (replica.meta.state_hash(), stream.len(), digest(&stream));
    assert_eq!(
        found,
        (0x633f_3469_2508_8fc8, 7_940, 0x8e9b_64e2_d085_f6e4),
        "replicas of other versions must come to the same"
    );
}

#[test]
fn the_pieces_in_which_a_snapshot_comes_do_not_matter() {
    let replica = varied();
    let bytes = Bytes::from(whole(&replica.meta));
    for size in [1, 3, 11, 12, 13, 1_000, bytes.len()] {
        let pieces = (0..bytes.len().div_ceil(size))
            .map(|i| bytes.slice(i * size..bytes.len().min((i + 1) * size)));
        assert!(Meta::restore(pieces).unwrap() == replica.meta, "pieces of {size}");
    }
}

#[test]
fn chunks_are_bounded_and_large_values_span_them() {
    let mut replica = Replica::new();
    for number in 0..5 {
        replica.put(&format!("k{number}"), &"x".repeat(1_500_000));
    }
    assert!(replica.meta.chunks().all(|chunk| chunk.len() <= limits::BULK_CHUNK));
    assert!(replica.meta.chunks().count() > 25);
    assert!(Meta::restore(replica.meta.chunks()).unwrap() == replica.meta);
    let mut chunks: Vec<_> = replica.meta.chunks().collect();
    chunks.swap(3, 4);
    assert_eq!(Meta::restore(chunks.clone()), Err(RestoreError::Damaged { frame: 3 }));
    chunks.swap(3, 4);
    chunks.remove(7);
    assert!(Meta::restore(chunks).is_err());
}

#[test]
fn a_snapshot_that_is_cut_or_flipped_anywhere_is_refused() {
    let bytes = whole(&varied().meta);
    for length in 0..bytes.len() {
        assert!(Meta::restore([Bytes::copy_from_slice(&bytes[..length])]).is_err(), "{length}");
    }
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        assert!(Meta::restore([Bytes::from(flipped)]).is_err(), "byte {place}");
    }
    let twice = [bytes.clone(), bytes.clone()].concat();
    assert!(Meta::restore([Bytes::from(twice)]).is_err());
    let longer = [&bytes[..], &[0]].concat();
    assert!(Meta::restore([Bytes::from(longer)]).is_err());
}

#[test]
fn bytes_that_are_no_snapshot_are_refused() {
    let mut random = Random(7);
    for _ in 0..3_000 {
        let length = random.below(300);
        let garbage: Vec<u8> = (0..length).map(|_| random.next().to_le_bytes()[0]).collect();
        assert!(Meta::restore([Bytes::from(garbage)]).is_err());
    }
    assert_eq!(Meta::restore([]), Err(RestoreError::Cut));
}

#[test]
fn a_snapshot_is_taken_of_one_moment_while_writing_goes_on() {
    let mut replica = varied();
    let image = replica.meta.clone();
    let chunks = replica.meta.chunks();
    for number in 0..1_000 {
        replica.put(&format!("k{}", number % 9), "later");
    }
    replica.delete("\0", "\0");
    assert!(Meta::restore(chunks).unwrap() == image);
}

#[test]
fn a_hundred_thousand_keys_are_no_burden() {
    let mut replica = Replica::new();
    for number in 0..100_000_u64 {
        let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1_000_003;
        replica.put(&format!("key/{key:08}"), "some value that is not long");
    }
    let counted = RangeRequest { count_only: true, ..range("key/", "key0") };
    let keys = replica.range(counted).unwrap().count;
    assert!(keys > 90_000);
    let first = replica.range(RangeRequest { limit: 10, ..range("key/", "key0") }).unwrap();
    assert_eq!((first.kvs.len(), first.count), (10, keys));
    let early = RangeRequest { revision: 50_001, count_only: true, ..range("key/", "\0") };
    assert!(replica.range(early).unwrap().count > 45_000);
    assert!(Meta::restore(replica.meta.chunks()).unwrap() == replica.meta);
    assert_eq!(replica.delete("key/", "key0"), keys);
    replica.compact(100_002).unwrap();
    for _ in 0..20_000 {
        replica.meta.apply_nothing(replica.meta.applied() + 1);
    }
    let left: usize = replica.meta.chunks().map(|chunk| chunk.len()).sum();
    assert!(left < 5_000_000, "memory comes back after compaction: {left} bytes are left");
}
