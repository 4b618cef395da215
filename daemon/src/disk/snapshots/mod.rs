//! Snapshots on disk: their names and format, the thread that writes and counts them, and those that go to other hosts or come from
//! them.
//!
//! Invariant: a snapshot has its name only once it is whole and synced. Knows nothing of the state in it.

pub(super) mod arrivals;
pub(super) mod file;
pub(super) mod keeper;
pub(super) mod names;
pub(super) mod pieces;
pub(super) mod source;
