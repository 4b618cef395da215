//! The parts that every life has, which say who it is, what it promised, and how often it was started: written once, and read.
//!
//! Invariant: a directory in which they are written does not count yet; its name is the caller's.

use super::founding_file;
use super::identity::{Identity, generation_from_file, generation_to_file};
use super::owner::refuse_open_to_others;
use crate::disk::durable;
use crate::disk::error::DiskError;
use crate::disk::files::Machine;
use crate::disk::presence::read_needed;
use quorate_proto::{FoundingState, Generation};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// The directory of the life that counts, in the data directory.
pub(super) const LIFE: &str = "life";
/// In the directory of a life.
const IDENTITY: &str = "identity";
/// In the directory of a life.
pub(super) const GENERATION: &str = "generation";

/// Writes a life that has no log yet into a new directory, each file synced. The directory's own entries are the caller's to sync.
pub(crate) fn write_life(
    directory: &Path,
    identity: &Identity,
    generation: Generation,
    founding: &FoundingState,
) -> io::Result<()> {
    for directory in [directory, &directory.join("log"), &directory.join("snapshots")] {
        std::fs::DirBuilder::new().mode(0o700).create(directory)?;
    }
    let generation = generation_to_file(identity.instance, generation);
    durable::write_new(&Machine, &directory.join(founding_file::NAME), &founding.to_file())?;
    durable::write_new(&Machine, &directory.join(GENERATION), &generation)?;
    durable::write_new(&Machine, &directory.join(IDENTITY), &identity.to_file())
}

/// Reads identity and last generation of the life in `root`. `cluster` is the name shown when that of the life
/// cannot be read.
pub(crate) fn read_life(root: &Path, cluster: &str) -> Result<(Identity, Generation), DiskError> {
    read_life_in(&root.join(LIFE), cluster)
}

/// The same of a life in a directory of another name.
pub(super) fn read_life_in(
    life: &Path,
    cluster: &str,
) -> Result<(Identity, Generation), DiskError> {
    let path = life.join(IDENTITY);
    let content = read_needed(&path, cluster)?;
    refuse_open_to_others(&path, 0o077, "600")?;
    let identity = Identity::from_file(&content).map_err(|reason| DiskError::Damaged {
        file: path,
        reason,
        cluster: cluster.to_owned(),
    })?;
    let cluster = identity.cluster.to_string();
    let path = life.join(GENERATION);
    let content = read_needed(&path, &cluster)?;
    let (instance, generation) = generation_from_file(&content).map_err(|reason| {
        DiskError::Damaged { file: path.clone(), reason, cluster: cluster.clone() }
    })?;
    if instance != identity.instance {
        let found = format!("disk {instance:?}");
        let wanted = format!("disk {:?}", identity.instance);
        return Err(DiskError::Mixed { file: path, found, wanted, cluster });
    }
    Ok((identity, generation))
}
