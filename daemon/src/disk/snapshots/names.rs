//! The names of snapshot files: by its name a snapshot counts, is still arriving, or was found damaged.

use crate::disk::durable::ASIDE;
use crate::disk::error::DiskError;
use quorate_proto::SnapshotMetadata;
use std::io;
use std::path::{Path, PathBuf};

/// Suffix of a file that was found damaged and set aside for whoever wants to look.
const DAMAGED: &str = ".damaged";

/// Where snapshots of a life are.
pub(crate) fn directory(life: &Path) -> PathBuf {
    life.join("snapshots")
}

/// Where a snapshot is received. A start removes what is left of it.
pub(crate) fn received(directory: &Path, file: u64) -> PathBuf {
    directory.join(format!("received-{file}{ASIDE}"))
}

pub(crate) fn file_name(metadata: &SnapshotMetadata) -> String {
    format!("snapshot-{:020}-{:020}", metadata.index, metadata.term)
}

/// A snapshot by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) index: u64,
    pub(crate) term: u64,
    pub(crate) path: PathBuf,
}

/// All snapshots that count, newest first.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<Named>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let numbers =
            name.to_str().and_then(|name| name.strip_prefix("snapshot-")).and_then(|name| {
                let (index, term) = name.split_once('-')?;
                Some((index.parse().ok()?, term.parse().ok()?))
            });
        if let Some((index, term)) = numbers {
            found.push(Named { index, term, path: entry.path() });
        }
    }
    found.sort_by_key(|named| std::cmp::Reverse((named.index, named.term)));
    Ok(found)
}

/// Removes what never counted and what was set aside at earlier starts.
pub(crate) fn clear_leftovers(directory: &Path) -> Result<(), DiskError> {
    let clear = || -> io::Result<()> {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path.to_string_lossy();
            if name.ends_with(ASIDE) || name.ends_with(DAMAGED) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    };
    clear().map_err(|error| DiskError::io("clear leftovers in", directory, error))
}

/// Takes a damaged file out of the count; it stays until the next start.
pub(crate) fn set_aside(path: &Path) -> Result<(), DiskError> {
    let mut to = path.as_os_str().to_owned();
    to.push(DAMAGED);
    std::fs::rename(path, &to).map_err(|error| DiskError::io("set aside", path, error))
}
