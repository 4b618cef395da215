//! The names of snapshot files: by its name a snapshot counts, is still arriving, or was found damaged.

use crate::disk::durable::ASIDE;
use crate::disk::error::DiskError;
use quorate_proto::{GroupId, SnapshotMetadata};
use std::io;
use std::path::{Path, PathBuf};

/// How the name of every snapshot that counts begins.
const SNAPSHOT: &str = "snapshot-";
/// Behind it the number of the group, if that is not `__meta`.
const GROUP: &str = "group-";
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

pub(crate) fn file_name(group: GroupId, metadata: &SnapshotMetadata) -> String {
    let of_group = match group {
        GroupId::META => String::new(),
        group => format!("{GROUP}{}-", group.get()),
    };
    format!("{SNAPSHOT}{of_group}{:020}-{:020}", metadata.index, metadata.term)
}

/// What a name says: group, index and term. None when it is not the name of a snapshot that counts.
fn parse(name: &str) -> Option<(GroupId, u64, u64)> {
    let rest = name.strip_prefix(SNAPSHOT)?;
    let (group, rest) = match rest.strip_prefix(GROUP) {
        Some(rest) => rest.split_once('-').map(|(group, rest)| (group.parse(), rest))?,
        None => (Ok(GroupId::META.get()), rest),
    };
    let (index, term) = rest.split_once('-')?;
    Some((GroupId::new(group.ok()?), index.parse().ok()?, term.parse().ok()?))
}

/// A snapshot by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) group: GroupId,
    pub(crate) index: u64,
    pub(crate) term: u64,
    pub(crate) path: PathBuf,
}

/// All snapshots that count, of whatever group, newest first.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<Named>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some((group, index, term)) = name.to_str().and_then(parse) {
            found.push(Named { group, index, term, path: entry.path() });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_the_group_and_the_place_of_a_snapshot() {
        let metadata = SnapshotMetadata { index: 7, term: 3, ..SnapshotMetadata::default() };
        for group in [GroupId::META, GroupId::new(1), GroupId::new(u32::MAX)] {
            assert_eq!(parse(&file_name(group, &metadata)), Some((group, 7, 3)));
        }
        let meta = "snapshot-00000000000000000007-00000000000000000003";
        assert_eq!(file_name(GroupId::META, &metadata), meta);
        for name in ["snapshot-7", "snapshot-group-7-3", "snapshot-group-x-7-3", "received-7.new"] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
