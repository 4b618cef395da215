//! One change of a keyspace in the making: puts and deletes that share one revision.
//!
//! Invariant: the revision is used up exactly when something changed; until `commit`, reads through the
//! keyspace already see the changes.

use crate::KeyRange;
use crate::space::changes::{Changes, KeyChange};
use crate::space::key_range::Space;
use crate::space::keyspace::{Keyspace, Version};
use crate::state_hash::StateHash;
use bytes::Bytes;
use quorate_proto::{KeyValue, KvError};
use std::mem;

/// What a put leaves as it was.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Keep {
    pub(crate) value: bool,
    pub(crate) lease: bool,
}

/// See the head of this file.
pub(crate) struct Edit<'a> {
    space: Space,
    keyspace: &'a mut Keyspace,
    changes: Vec<KeyChange>,
}

impl<'a> Edit<'a> {
    pub(crate) fn new(space: Space, keyspace: &'a mut Keyspace) -> Self {
        Self { space, keyspace, changes: Vec::new() }
    }

    /// The keyspace with the changes so far.
    pub(crate) fn keyspace(&self) -> &Keyspace {
        self.keyspace
    }

    /// The newest revision that reads see: the next one as soon as something changed.
    pub(crate) fn revision(&self) -> i64 {
        self.keyspace.revision + i64::from(!self.changes.is_empty())
    }

    /// Writes a key; gives what it was before.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8], keep: Keep) -> Option<KeyValue> {
        let revision = self.keyspace.revision + 1;
        // Copied, never sliced: the entry may be a slice of a receive buffer of megabytes, which a small
        // value would keep alive for as long as the key lives. Copying the largest value takes 0.1 ms.
        let mut value = if keep.value { Bytes::new() } else { Bytes::copy_from_slice(value) };
        let replaced = self.keyspace.present.replace(key, |old| Version {
            created: old.created,
            modified: revision,
            number: old.number + 1,
            lease: if keep.lease { old.lease } else { 0 },
            value: if keep.value { old.value.clone() } else { mem::take(&mut value) },
        });
        let Some((key, new, old)) = replaced else {
            let key = Bytes::copy_from_slice(key);
            let new = Version { created: revision, modified: revision, number: 1, lease: 0, value };
            self.record(false, new.key_value(&key), None);
            self.keyspace.present.insert(key, new);
            return None;
        };
        let (key, now) = (key.clone(), new.key_value(key));
        let before = old.key_value(&key);
        if old.modified != revision {
            self.keyspace.past.insert((key, old.modified), Some(old));
        }
        self.record(false, now, Some(before.clone()));
        Some(before)
    }

    /// Deletes the keys of a range; gives what they were.
    pub(crate) fn delete(&mut self, range: &KeyRange) -> Vec<KeyValue> {
        let Some(bounds) = range.bounds() else { return Vec::new() };
        let revision = self.keyspace.revision + 1;
        let keys: Vec<Bytes> =
            self.keyspace.present.range::<_, [u8]>(bounds).map(|(key, _)| key.clone()).collect();
        let mut deleted = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(old) = self.keyspace.present.remove(&key) else { continue };
            let before = old.key_value(&key);
            if old.modified != revision {
                self.keyspace.past.insert((key.clone(), old.modified), Some(old));
            }
            self.keyspace.past.insert((key.clone(), revision), None);
            let gone = KeyValue { key, mod_revision: revision, ..KeyValue::default() };
            self.record(true, gone, Some(before.clone()));
            deleted.push(before);
        }
        deleted
    }

    /// Adds a change. A key that changed earlier in this very revision (a nested transaction may delete what
    /// its elder sibling put) has one change only: from what it was before the revision to what it is now.
    fn record(&mut self, deleted: bool, kv: KeyValue, prev: Option<KeyValue>) {
        let revision = self.keyspace.revision + 1;
        if prev.as_ref().is_some_and(|prev| prev.mod_revision == revision)
            && let Some(change) = self.changes.iter_mut().find(|change| change.kv.key == kv.key)
        {
            change.deleted = deleted;
            change.kv = kv;
            return;
        }
        self.changes.push(KeyChange { space: self.space, deleted, kv, prev });
    }

    /// Forgets history up to a revision; uses up none.
    pub(crate) fn compact(&mut self, revision: i64) -> Result<(), KvError> {
        self.keyspace.compact(revision)
    }

    /// Ends the change: uses up the revision if anything changed, and folds the changes into the hash.
    pub(crate) fn commit(self, hash: &mut StateHash) -> Vec<KeyChange> {
        if self.changes.is_empty() {
            return Vec::new();
        }
        self.keyspace.revision += 1;
        hash.word(self.space as u64);
        for change in &self.changes {
            let kv = &change.kv;
            hash.word(u64::from(change.deleted));
            hash.bytes(&kv.key);
            for number in [kv.create_revision, kv.mod_revision, kv.version, kv.lease] {
                hash.signed(number);
            }
            hash.bytes(&kv.value);
        }
        let records: Changes = self.changes.iter().map(KeyChange::record).collect();
        self.keyspace.changes.insert(self.keyspace.revision, records);
        self.changes
    }
}
