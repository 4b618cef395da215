//! A watch over a key range: replays what changed since a revision, then follows live changes.
//!
//! The caller's duties: call [`Watch::replay`] until it is [`Watch::synced`] with the state, then hand every
//! [`crate::Applied::changes`] to [`Watch::live`], in order. Invariants: revisions come in order, none twice,
//! none missing; all changes of one revision come together. Knows nothing of streams and subscribers.

use crate::{KeyChange, KeyRange, Meta, Space};
use std::ops::Bound;

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchOptions {
    /// Which keys. A range wholly inside `__meta/` watches quorate's own records, in their revisions.
    pub range: KeyRange,
    /// First revision of interest; 0 and below = whatever comes next. May be in the future.
    pub start_revision: i64,
    /// Leave puts out.
    pub no_put: bool,
    /// Leave deletions out.
    pub no_delete: bool,
}

/// The revision asked for is no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("required revision has been compacted (up to {compact_revision})")]
pub struct WatchCompacted {
    /// A watch can start here.
    pub compact_revision: i64,
}

/// A part of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// What changed, in order; whole revisions only.
    pub changes: Vec<KeyChange>,
    /// Everything up to this revision has been seen.
    pub revision: i64,
}

/// One watch. Cheap to keep; holds no history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    options: WatchOptions,
    space: Space,
    /// The next revision that has not been seen.
    next: i64,
}

impl Watch {
    /// A watch that has seen nothing yet.
    #[must_use]
    pub fn new(meta: &Meta, options: WatchOptions) -> Self {
        let space = options.range.space();
        let next = match options.start_revision {
            ..=0 => meta.keyspace(space).revision + 1,
            start => start,
        };
        Self { options, space, next }
    }

    /// The space that is watched, whose revisions count.
    #[must_use]
    pub fn space(&self) -> Space {
        self.space
    }

    /// The next revision that has not been seen: where another watch would go on.
    #[must_use]
    pub fn next_revision(&self) -> i64 {
        self.next
    }

    /// Whether everything up to the state's revision has been seen.
    #[must_use]
    pub fn synced(&self, meta: &Meta) -> bool {
        self.next > meta.keyspace(self.space).revision
    }

    /// Gives the next part of what is kept: whole revisions until at least `enough` changes are found, or
    /// about a hundred times as many were looked at, so that one call stays short.
    ///
    /// # Errors
    /// When the next revision has been compacted.
    pub fn replay(&mut self, meta: &Meta, enough: usize) -> Result<Replay, WatchCompacted> {
        let keyspace = meta.keyspace(self.space);
        if self.next < keyspace.compacted {
            return Err(WatchCompacted { compact_revision: keyspace.compacted });
        }
        let mut replay = Replay { changes: Vec::new(), revision: keyspace.revision };
        let mut looked_at = 0;
        if self.synced(meta) {
            replay.revision = replay.revision.min(self.next - 1);
            return Ok(replay);
        }
        let window = (Bound::Included(self.next), Bound::Unbounded);
        for (revision, records) in keyspace.changes.range(window) {
            if replay.changes.len() >= enough.max(1) || looked_at >= enough.saturating_mul(100) {
                replay.revision = *revision - 1;
                break;
            }
            looked_at += records.as_slice().len();
            let records = records.as_slice();
            if records.iter().any(|record| self.options.range.contains(&record.key)) {
                let changes = keyspace.changes_of(self.space, *revision, records);
                replay.changes.extend(changes.filter(|change| self.wants(change)));
            }
        }
        self.next = replay.revision + 1;
        Ok(replay)
    }

    /// Picks this watch's share of the changes of one entry. What was seen already is not given again. None
    /// when a revision before the changes has not been seen (roles that followed raft's voters, for one, give
    /// no changes): [`Self::replay`] has them all.
    pub fn live<'a>(&mut self, changes: &'a [KeyChange]) -> Option<Vec<&'a KeyChange>> {
        let mut mine = Vec::new();
        let mut next = self.next;
        for change in changes.iter().filter(|change| change.space == self.space) {
            let revision = change.revision();
            if revision < self.next {
                continue;
            }
            if revision > next {
                return None;
            }
            next = next.max(revision + 1);
            if self.wants(change) {
                mine.push(change);
            }
        }
        self.next = next;
        Some(mine)
    }

    fn wants(&self, change: &KeyChange) -> bool {
        let filtered = if change.deleted { self.options.no_delete } else { self.options.no_put };
        !filtered && self.options.range.contains(&change.kv.key)
    }
}
