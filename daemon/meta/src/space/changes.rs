//! What one revision changed: as watchers see it, and in the short form that is kept.

use crate::Space;
use bytes::Bytes;
use quorate_proto::KeyValue;
use std::sync::Arc;

/// A change of one key, as a watcher sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyChange {
    /// Where the key lies.
    pub space: Space,
    /// Whether the key was deleted.
    pub deleted: bool,
    /// The key as it is now; of a deleted key only `key` and `mod_revision` are set.
    pub kv: KeyValue,
    /// The key as it was before; none when it is new, or when that was compacted.
    pub prev: Option<KeyValue>,
}

impl KeyChange {
    /// The revision of the change.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.kv.mod_revision
    }

    /// The form that is kept.
    pub(crate) fn record(&self) -> ChangeRecord {
        let before = self.prev.as_ref().map_or(0, |prev| prev.mod_revision);
        ChangeRecord { key: self.kv.key.clone(), before, deleted: self.deleted }
    }
}

/// A change without the values, which lie in the keyspace's maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangeRecord {
    pub(crate) key: Bytes,
    /// Revision of the version that was replaced; 0 when there was none.
    pub(crate) before: i64,
    pub(crate) deleted: bool,
}

/// The changes of one revision. Nearly all revisions change one key, which then costs no allocation.
#[derive(Debug, Clone)]
pub(crate) enum Changes {
    One(ChangeRecord),
    Many(Arc<[ChangeRecord]>),
}

impl Changes {
    pub(crate) fn as_slice(&self) -> &[ChangeRecord] {
        match self {
            Self::One(change) => std::slice::from_ref(change),
            Self::Many(changes) => changes,
        }
    }
}

impl PartialEq for Changes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl FromIterator<ChangeRecord> for Changes {
    fn from_iter<I: IntoIterator<Item = ChangeRecord>>(changes: I) -> Self {
        let mut changes = changes.into_iter();
        match (changes.next(), changes.next()) {
            (Some(first), None) => Self::One(first),
            (first, second) => Self::Many(first.into_iter().chain(second).chain(changes).collect()),
        }
    }
}
