//! What the records of one group mean together, and how a log and a snapshot make one state.
//!
//! The fold tolerates that the earliest records are gone, as they are when whole segments were freed: only the
//! end result must be without gaps.

use crate::LogRecord;
use quorate_proto::{Entry, HardState};
use std::collections::BTreeMap;

/// A position in a log: index, and term of the entry there.
pub type Position = (u64, u64);

/// The fold of one group's records so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogFold {
    hard_state: HardState,
    base: Position,
    entries: BTreeMap<u64, Entry>,
}

/// Why records or a snapshot make no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// Entries are missing in the middle.
    #[error("entry {missing} is missing; the log begins behind {base}")]
    Gap {
        /// The first index that is not there.
        missing: u64,
        /// The log's first position.
        base: u64,
    },
    /// The log begins behind the snapshot.
    #[error(
        "the log begins behind index {base}, but the newest readable snapshot ends at {snapshot}"
    )]
    SnapshotTooOld {
        /// The log's first position.
        base: u64,
        /// The snapshot's index; 0 = there is none.
        snapshot: u64,
    },
    /// Log and snapshot say different terms for one committed position.
    #[error("at index {index} the log says term {log}, the snapshot term {snapshot}")]
    TermMismatch {
        /// The position.
        index: u64,
        /// The log's term.
        log: u64,
        /// The snapshot's.
        snapshot: u64,
    },
}

impl LogFold {
    /// Adds one record.
    pub fn add(&mut self, record: LogRecord) {
        match record {
            LogRecord::Entries(entries) => {
                if let Some(first) = entries.first() {
                    self.entries.split_off(&first.index);
                }
                self.entries.extend(entries.into_iter().map(|entry| (entry.index, entry)));
            }
            LogRecord::HardState(state) => self.hard_state = state,
            LogRecord::Reset { index, term } => {
                self.entries.clear();
                self.base = (index, term);
            }
            LogRecord::Compacted { index, term } if index >= self.base.0 => {
                self.entries = self.entries.split_off(&(index + 1));
                self.base = (index, term);
            }
            LogRecord::Compacted { .. } => {}
        }
    }

    /// The newest hard state.
    #[must_use]
    pub fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// Position of the last `Reset` or `Compacted`.
    #[must_use]
    pub fn base(&self) -> Position {
        self.base
    }

    /// Makes one state of this log and the newest readable snapshot (none = index and term at birth are implied by
    /// the founding record, so only a log that begins there can do without).
    ///
    /// Entries behind the snapshot are kept when the log holds the snapshot's position with the same term. Otherwise
    /// the snapshot was received and the log not yet reset: everything in the log is older or overruled.
    ///
    /// # Errors
    /// When entries are missing between snapshot and log, or in the log.
    pub fn behind(self, snapshot: Option<Position>) -> Result<LogState, FoldError> {
        let at = match snapshot {
            Some(at) => at,
            None if self.base.0 <= 1 => self.base,
            None => return Err(FoldError::SnapshotTooOld { base: self.base.0, snapshot: 0 }),
        };
        if at.0 < self.base.0 {
            return Err(FoldError::SnapshotTooOld { base: self.base.0, snapshot: at.0 });
        }
        if at.0 == self.base.0 && at.1 != self.base.1 {
            return Err(FoldError::TermMismatch { index: at.0, log: self.base.1, snapshot: at.1 });
        }
        self.check_gaps()?;
        let mut entries = self.entries;
        let reaches = at == self.base || entries.get(&at.0).is_some_and(|entry| entry.term == at.1);
        let kept = if reaches { entries.split_off(&(at.0 + 1)) } else { BTreeMap::new() };
        let last = kept.last_key_value().map_or(at.0, |(index, _)| *index);
        let mut hard_state = self.hard_state;
        hard_state.commit = hard_state.commit.clamp(at.0, last);
        if hard_state.term < at.1 {
            // The snapshot came from a term in which this replica has not voted.
            hard_state = HardState { term: at.1, vote: 0, ..hard_state };
        }
        Ok(LogState {
            hard_state,
            base: at,
            entries: kept.into_values().collect(),
            overruled: !reaches,
        })
    }

    fn check_gaps(&self) -> Result<(), FoldError> {
        let expected = self.base.0 + 1..;
        match expected.zip(self.entries.keys()).find(|(expected, index)| expected != *index) {
            Some((missing, _)) => Err(FoldError::Gap { missing, base: self.base.0 }),
            None => Ok(()),
        }
    }
}

/// A log as a replica starts from it.
#[derive(Debug, Clone, PartialEq)]
pub struct LogState {
    /// Term, vote and commit index; commit lies within base and last entry.
    pub hard_state: HardState,
    /// The position behind which the entries begin.
    pub base: Position,
    /// Without gaps.
    pub entries: Vec<Entry>,
    /// The snapshot replaced everything in the log: a `Reset` to `base` must be written before anything else.
    pub overruled: bool,
}
