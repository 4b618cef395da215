//! The founding state on disk: replaced whole, durable before anything that depends on it leaves the host.

use super::identity::Identity;
use crate::disk::durable;
use crate::disk::error::DiskError;
use crate::disk::files::Files;
use crate::disk::presence::read_needed;
use quorate_proto::FoundingState;
use std::io;
use std::path::Path;

/// Name inside the life's directory.
pub(crate) const NAME: &str = "founding";

/// Reads the state of this life.
///
/// # Errors
/// When a byte is missing or changed, or when it belongs to another life: never fresh then (GENESIS rule 2).
pub(crate) fn read(life: &Path, identity: &Identity) -> Result<FoundingState, DiskError> {
    let file = life.join(NAME);
    let cluster = identity.cluster.to_string();
    let damaged = |reason: String| DiskError::Damaged {
        file: file.clone(),
        reason,
        cluster: cluster.clone(),
    };
    let content = read_needed(&file, &cluster)?;
    let state = FoundingState::from_file(&content).map_err(|error| damaged(error.to_string()))?;
    if state.instance != identity.instance || state.cluster != cluster {
        return Err(DiskError::Mixed {
            file,
            found: format!("disk {:?} of cluster `{}`", state.instance, state.cluster),
            wanted: format!("disk {:?} of cluster `{cluster}`", identity.instance),
            cluster,
        });
    }
    Ok(state)
}

/// Replaces the state durably.
pub(crate) fn write(files: &dyn Files, life: &Path, state: &FoundingState) -> io::Result<()> {
    durable::replace(files, &life.join(NAME), &state.to_file())
}
