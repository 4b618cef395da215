//! The conditions of a transaction.
//!
//! A missing key has all numbers 0 and no value: a compare of its value is always false. A compare over a
//! range must hold for every key in it; an empty range is judged as one missing key.

use crate::KeyRange;
use crate::space::keyspace::{Keyspace, Version};
use bytes::Bytes;
use quorate_proto::compare::TargetUnion;
use quorate_proto::{Compare, CompareResult, CompareTarget};
use std::cmp::Ordering;

/// Whether a condition holds now.
pub(crate) fn holds(keyspace: &Keyspace, compare: &Compare) -> bool {
    let range = KeyRange::new(&compare.key, &compare.range_end);
    let mut empty = true;
    let mut all = true;
    keyspace.visit(&range, 0, |_, version| {
        empty = false;
        all = all && holds_for(compare, version);
    });
    if !empty {
        return all;
    }
    let missing = Version { created: 0, modified: 0, number: 0, lease: 0, value: Bytes::new() };
    compare.target != CompareTarget::Value as i32 && holds_for(compare, &missing)
}

fn holds_for(compare: &Compare, version: &Version) -> bool {
    let ordering = match CompareTarget::try_from(compare.target) {
        Ok(CompareTarget::Value) => match &compare.target_union {
            Some(TargetUnion::Value(value)) => version.value.cmp(value),
            _ => version.value.as_ref().cmp(&[]),
        },
        Ok(CompareTarget::Version) => version.number.cmp(&wanted(compare)),
        Ok(CompareTarget::Create) => version.created.cmp(&wanted(compare)),
        Ok(CompareTarget::Mod) => version.modified.cmp(&wanted(compare)),
        Ok(CompareTarget::Lease) => version.lease.cmp(&wanted(compare)),
        // As etcd: what is unknown compares as equal.
        Err(_) => Ordering::Equal,
    };
    match CompareResult::try_from(compare.result) {
        Ok(CompareResult::Equal) => ordering.is_eq(),
        Ok(CompareResult::NotEqual) => ordering.is_ne(),
        Ok(CompareResult::Greater) => ordering.is_gt(),
        Ok(CompareResult::Less) => ordering.is_lt(),
        Err(_) => true,
    }
}

/// The number to compare with; 0 when it is absent or of another kind than the target.
fn wanted(compare: &Compare) -> i64 {
    match (CompareTarget::try_from(compare.target), &compare.target_union) {
        (Ok(CompareTarget::Version), Some(TargetUnion::Version(number)))
        | (Ok(CompareTarget::Create), Some(TargetUnion::CreateRevision(number)))
        | (Ok(CompareTarget::Mod), Some(TargetUnion::ModRevision(number)))
        | (Ok(CompareTarget::Lease), Some(TargetUnion::Lease(number))) => *number,
        _ => 0,
    }
}
