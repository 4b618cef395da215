//! The replica of a data directory that is open, as a start or what is done behind a stop needs it.

use super::error::DiskError;
use super::files::{Files, Machine};
use super::life::data_dir::DataDir;
use super::log::segments::SegmentSizes;
use super::recovery::{Recovered, Standing, recover_life};
use super::snapshots::file::Pieces;
use quorate_proto::FoundingState;
use std::sync::Arc;

/// Recovers the replica of the life that is in place. `restore` makes a state of a snapshot's chunks, or says why not.
///
/// # Errors
/// When anything is damaged that had been written safely, belongs to another life or cluster, or cannot be read.
pub(crate) fn recover<M>(
    dir: &DataDir,
    founding: &FoundingState,
    restore: impl Fn(Pieces<'_>) -> Result<M, String>,
) -> Result<Recovered<M>, DiskError> {
    recover_with(dir, founding, SegmentSizes::SHIPPED, Arc::new(Machine), restore)
}

pub(super) fn recover_with<M>(
    dir: &DataDir,
    founding: &FoundingState,
    sizes: SegmentSizes,
    files: Arc<dyn Files>,
    restore: impl Fn(Pieces<'_>) -> Result<M, String>,
) -> Result<Recovered<M>, DiskError> {
    let reached = dir.reached().map(|reached| reached.end).unwrap_or_default();
    let standing = Standing { life: &dir.life(), identity: dir.identity(), reached };
    recover_life(&standing, founding, sizes, files, restore)
}
