//! One keyspace: the present version of each key, what came before it, and which keys each revision changed.
//!
//! All three maps are persistent, so a clone is a few pointers and shares everything. Invariants: a version
//! lies in `present` until a later revision replaces or deletes it, and in `past` from then until compaction;
//! a deletion is a `None` in `past`; `changes` names every change of the revisions above `compacted`, and of
//! `compacted` itself, so that a watch may start there.

use crate::space::changes::Changes;
use crate::space::weighed::{Body, Weighed};
use bytes::Bytes;
use imbl::OrdMap;
use quorate_proto::KeyValue;

/// One version of a key's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) created: i64,
    pub(crate) modified: i64,
    pub(crate) number: i64,
    pub(crate) lease: i64,
    pub(crate) value: Bytes,
}

impl Version {
    /// The version as clients see it; shares the bytes.
    pub(crate) fn key_value(&self, key: &Bytes) -> KeyValue {
        KeyValue {
            key: key.clone(),
            create_revision: self.created,
            mod_revision: self.modified,
            version: self.number,
            value: self.value.clone(),
            lease: self.lease,
        }
    }
}

impl Body for Version {
    fn bytes(&self) -> usize {
        self.value.len()
    }
}

/// A keyspace with its history.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Keyspace {
    /// Number of the last change.
    pub(crate) revision: i64,
    /// Reads below this revision are refused; -1 before the first compaction, as in etcd.
    pub(crate) compacted: i64,
    /// Revisions up to here have had what they replaced removed; trails `compacted`.
    pub(crate) scrubbed: i64,
    pub(crate) present: Weighed<Bytes, Version>,
    pub(crate) past: Weighed<(Bytes, i64), Option<Version>>,
    pub(crate) changes: OrdMap<i64, Changes>,
}

impl Keyspace {
    /// A fresh keyspace, at revision 1 as in etcd.
    pub(crate) fn new() -> Self {
        Self {
            revision: 1,
            compacted: -1,
            scrubbed: 0,
            present: Weighed::new(),
            past: Weighed::new(),
            changes: OrdMap::new(),
        }
    }
}
