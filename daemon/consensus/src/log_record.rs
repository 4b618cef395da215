//! What one replica asks to be made durable, in order. The meaning of a log is the fold of its records.

use quorate_proto::{Entry, HardState};

/// One durable statement about the log of one group.
#[derive(Debug, Clone, PartialEq)]
pub enum LogRecord {
    /// Contiguous entries, not empty. Whatever the log held at or after the first index is replaced.
    Entries(Vec<Entry>),
    /// Term, vote and commit index; replaces the earlier ones.
    HardState(HardState),
    /// The log is empty and goes on behind this position (birth, or an installed snapshot).
    Reset {
        /// The next entry is `index + 1`.
        index: u64,
        /// Term of the entry at `index`.
        term: u64,
    },
    /// Entries up to `index` are no longer needed: a durable snapshot covers them.
    Compacted {
        /// The first entry that is kept is `index + 1`.
        index: u64,
        /// Term of the entry at `index`.
        term: u64,
    },
}
