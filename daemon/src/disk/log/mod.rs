//! The log of all groups on disk: its segments, how they are read at a start, and the thread that writes them.
//!
//! Invariant: a record is reported as durable only behind its own sync, in the order in which the records came. Knows nothing of
//! what an entry means.

pub(super) mod log_files;
pub(super) mod report;
pub(super) mod segments;
pub(super) mod spare;
pub(super) mod times;
pub(super) mod writer;
