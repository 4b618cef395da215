//! Everything this host keeps on disk: the data directory with its lock, the founding state, the marker outside,
//! the segmented log, the snapshots, and how they become one state again after a crash.
//!
//! ```text
//! DATA_DIR/LOCK                      held for life; the holder's pid
//! DATA_DIR/life/                     one disk life; appears whole, by one rename
//!     identity  generation  founding
//!     name                           that under which the cluster knows it
//!     machine                        the number of the machine on which it was made
//!     store                          cluster id of the log, written before the first vote
//!     log/log-NUMBER  log/spare
//!     snapshots/snapshot-INDEX-TERM
//!     snapshots/received-NUMBER.new   one that is arriving
//!     events  events.before          the newest events, for people; nothing depends on them
//! DATA_DIR/life.next/                a life that is to come; the next start puts it in place
//! DATA_DIR/life.set-aside-INSTANCE/  one that was here before, kept
//!     reached                         in both: what it is known to have reached
//! BIRTH_DIR/CLUSTER                  the marker
//! BIRTH_DIR/CLUSTER.reached          generation and end of the log, as of the last start or stop
//! SOCKET.running                     which start runs, or ended without a goodbye
//! BIRTH_DIR/CLUSTER.machine          the number of this machine
//! ```
//!
//! Invariant: nothing is reported as durable before it is synced, names included; a failed sync ends the process. Writers
//! reach the disk through `files`, so that tests can cut the power and fail operations under them.
//! Knows files and formats, not what a log entry or a snapshot chunk means.

pub(crate) mod backups;
mod durable;
mod error;
mod files;
mod formats;
mod life;
mod lines;
mod log;
mod next_life;
mod presence;
mod recovery;
mod replica;
mod snapshots;
#[cfg(test)]
mod tests;

pub(crate) use error::DiskError;
pub(crate) use life::data_dir::{DataDir, EndedLife, inspect, open, read_ended};
pub(crate) use life::identity::Identity;
pub(crate) use life::known_name::KnownName;
pub(crate) use life::owner::{as_the_owner, become_owner, name_of as name_of_user};
pub(crate) use life::reset::reset;
pub(crate) use life::vacant::{Vacant, hold};
pub(crate) use life::way_back::{bring_back, give_up_prepared};
pub(crate) use lines::LineFile;
pub(crate) use log::report::Completed;
pub(crate) use log::times::{SYNCS, Times, WRITES};
pub(crate) use log::writer::Writer;
pub(crate) use next_life::{FirstState, NextLife, prepare_life};
pub(crate) use recovery::{Recovered, RecoveredGroup};
pub(crate) use replica::recover;
pub(crate) use snapshots::arrivals::{Announced, Incoming, Received, Refused};
pub(crate) use snapshots::file::Pieces;
pub(crate) use snapshots::keeper::{
    SnapshotJob, SnapshotKeeper, newest_at as newest_snapshot_at, of as snapshots_of,
};
pub(crate) use snapshots::source::SnapshotSource;
