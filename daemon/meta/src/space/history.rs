//! Reads of a keyspace at an earlier revision, what changed since one, and compaction.
//!
//! Invariant: a read at a revision gives the same keys for as long as the revision is not compacted.

use crate::space::changes::{ChangeRecord, KeyChange};
use crate::space::keyspace::{Keyspace, Version};
use crate::{KeyRange, Space};
use bytes::Bytes;
use quorate_proto::{KeyValue, KvError};
use std::ops::Bound;

/// Past versions of one key that are stepped over before a walk jumps to the next key instead: about what
/// finding a place anew costs.
const STEPS_BEFORE_JUMP: u32 = 24;

impl Keyspace {
    /// Refuses revisions that are in the future or compacted; zero and below mean "now".
    pub(crate) fn check_readable(&self, at: i64) -> Result<(), KvError> {
        if at > self.revision {
            return Err(KvError::FutureRevision);
        }
        if at > 0 && at < self.compacted {
            return Err(KvError::Compacted);
        }
        Ok(())
    }

    /// Shows every key of the range in order, as of a revision; 0 = as of now.
    pub(crate) fn visit<'a>(
        &'a self,
        range: &KeyRange,
        at: i64,
        mut seen: impl FnMut(&'a Bytes, &'a Version),
    ) {
        if let Some(key) = range.as_single() {
            if let Some((key, version)) = self.version_at(key, at) {
                seen(key, version);
            }
            return;
        }
        let Some(bounds) = range.bounds() else { return };
        if at == 0 {
            self.present.range::<_, [u8]>(bounds).for_each(|(key, version)| seen(key, version));
        } else {
            self.visit_past(range, at, &mut seen);
        }
    }

    /// One key as of a revision; 0 = as of now.
    pub(crate) fn version_at(&self, key: &Bytes, at: i64) -> Option<(&Bytes, &Version)> {
        let present = self.present.get_key_value(key);
        if at == 0 {
            return present;
        }
        if let Some((key, version)) = present
            && version.modified <= at
        {
            return Some((key, version));
        }
        let ((found, _), version) = self.past.get_prev(&(key.clone(), at))?;
        version.as_ref().filter(|_| found == key).map(|version| (found, version))
    }

    /// Merges present and past: of each key, the newest version that is not newer than `at`.
    fn visit_past<'a>(
        &'a self,
        range: &KeyRange,
        at: i64,
        seen: &mut impl FnMut(&'a Bytes, &'a Version),
    ) {
        let (Some(bounds), Some((start, end))) = (range.bounds(), range.version_bounds()) else {
            return;
        };
        let mut present = self.present.range::<_, [u8]>(bounds).peekable();
        let mut past = self.past.range((start, end.clone())).peekable();
        loop {
            let key = match (present.peek().map(|next| next.0), past.peek().map(|next| &next.0.0)) {
                (None, None) => return,
                (Some(key), None) | (None, Some(key)) => key,
                (Some(one), Some(other)) => one.min(other),
            };
            let mut newest = None;
            let mut steps = 0;
            while let Some(((_, revision), version)) = past.next_if(|((other, _), _)| other == key)
            {
                if *revision <= at {
                    newest = version.as_ref();
                }
                steps += 1;
                if steps == STEPS_BEFORE_JUMP {
                    newest = self.version_at(key, at).map(|(_, version)| version);
                    let behind = Bound::Excluded((key.clone(), i64::MAX));
                    past = self.past.range((behind, end.clone())).peekable();
                }
            }
            if let Some((_, version)) = present.next_if(|(other, _)| *other == key)
                && version.modified <= at
            {
                newest = Some(version);
            }
            if let Some(version) = newest {
                seen(key, version);
            }
        }
    }

    /// The changes of one kept revision, as watchers see them.
    pub(crate) fn changes_of<'a>(
        &'a self,
        space: Space,
        revision: i64,
        records: &'a [ChangeRecord],
    ) -> impl Iterator<Item = KeyChange> + 'a {
        records.iter().map(move |record| {
            let ChangeRecord { key, before, deleted } = record;
            let gone =
                || KeyValue { key: key.clone(), mod_revision: revision, ..KeyValue::default() };
            let kv = if *deleted { None } else { self.exactly(key, revision) };
            let prev = if *before > 0 { self.exactly(key, *before) } else { None };
            KeyChange { space, deleted: *deleted, kv: kv.unwrap_or_else(gone), prev }
        })
    }

    /// The version of a key that was written at exactly this revision.
    fn exactly(&self, key: &Bytes, revision: i64) -> Option<KeyValue> {
        let (key, version) = self.version_at(key, revision)?;
        (version.modified == revision).then(|| version.key_value(key))
    }

    /// Up to where history should be compacted so that it takes at most `most` bytes, or as far as about `steps` changes
    /// lead; always further than it is. None when there is nothing further. For use when it takes more.
    pub(crate) fn excess(&self, most: u64, mut steps: usize) -> Option<i64> {
        let next = (self.compacted + 1).max(1);
        if next > self.revision {
            return None;
        }
        let (mut left, mut until) = (self.past.bytes(), next);
        // What is compacted already and waits to be scrubbed is gone as soon as the steps are done.
        let window = (Bound::Excluded(self.scrubbed), Bound::Unbounded);
        for (revision, changes) in self.changes.range(window) {
            if left <= most || steps == 0 {
                break;
            }
            let changes = changes.as_slice();
            let freed: u64 =
                replaced_by(*revision, changes).map(|at| self.past.bytes_of(&at)).sum();
            left = left.saturating_sub(freed);
            steps = steps.saturating_sub(changes.len());
            until = until.max(*revision);
        }
        Some(until)
    }

    /// Forgets what was replaced or deleted up to a revision. Takes effect for reads at once; memory is given
    /// back by [`Self::scrub`].
    pub(crate) fn compact(&mut self, revision: i64) -> Result<(), KvError> {
        if revision <= self.compacted {
            return Err(KvError::Compacted);
        }
        if revision > self.revision {
            return Err(KvError::FutureRevision);
        }
        self.compacted = revision;
        Ok(())
    }

    /// Removes what compaction made unreachable, for about `budget` changes, so that no single entry stalls
    /// the replica. What is removed is never read, so where the scrubbing stands is not part of the state.
    pub(crate) fn scrub(&mut self, mut budget: usize) {
        while budget > 0 && self.scrubbed < self.compacted {
            let window = (Bound::Excluded(self.scrubbed), Bound::Included(self.compacted));
            let Some((&revision, changes)) = self.changes.range(window).next() else {
                self.scrubbed = self.compacted;
                break;
            };
            let changes = changes.clone();
            for at in replaced_by(revision, changes.as_slice()) {
                self.past.remove(&at);
            }
            budget = budget.saturating_sub(changes.as_slice().len());
            self.scrubbed = revision;
        }
        let spent = self.scrubbed.min(self.compacted - 1);
        while budget > 0
            && let Some((revision, _)) = self.changes.get_min()
            && *revision <= spent
        {
            let revision = *revision;
            self.changes.remove(&revision);
            budget -= 1;
        }
    }
}

/// The places in the past that nobody can read any more once a revision is compacted: what it replaced, and the
/// deletions in it.
fn replaced_by(revision: i64, changes: &[ChangeRecord]) -> impl Iterator<Item = (Bytes, i64)> + '_ {
    changes.iter().flat_map(move |change| {
        let before = (change.before > 0).then(|| (change.key.clone(), change.before));
        let deletion = change.deleted.then(|| (change.key.clone(), revision));
        before.into_iter().chain(deletion)
    })
}
