//! Backups: a state of the whole cluster in one file that an operator keeps elsewhere. Its format, how a file comes to be, and which files
//! of a directory are old.
//!
//! Invariant: a file has its name only once it is whole, synced and read back. Knows nothing of the state in it.

mod arriving;
mod format;
mod retention;

pub(crate) use arriving::Arriving;
pub(crate) use format::{BackupHead, BackupHost, BackupReader, FORMAT, stream};
pub(crate) use retention::{name_of, prune};
