//! A life that is to come in place of the one that is here: prepared whole under a name of its own, then put in place.
//!
//! Invariants: while it is prepared the life that is here counts, and a kill leaves that one. From when it has its name it counts, and
//! a start that was killed while putting it in place is finished by the next one. The life that was here is set aside beside it under a
//! name that says whose it was, and is never removed. The marker is that of the next life before it runs.

use super::founding_file;
use super::marker;
use super::parts::{LIFE, read_life_in};
use crate::disk::error::DiskError;
use crate::disk::files::{Machine, sync_directory};
use crate::disk::presence::exists;
use quorate_proto::ClusterName;
use std::io;
use std::path::{Path, PathBuf};

/// The next life, whole.
pub(crate) const NEXT: &str = "life.next";
/// The same in the making, which does not count.
pub(crate) const NEXT_ASIDE: &str = "life.next.new";
/// How the names of lives begin that were set aside.
const SET_ASIDE: &str = "life.set-aside-";

/// Whether a name in the data directory is that of a life that does not count.
pub(super) fn is_beside(name: &str) -> bool {
    name == NEXT || name == NEXT_ASIDE || name.starts_with(SET_ASIDE)
}

/// Puts a next life in place, if one waits. Gives where the one before is now; none when nothing waited, or there was none before.
///
/// # Errors
/// When it is of another cluster, or not whole, or the disk refuses: then nothing is lost, and the next start tries again.
pub(super) fn put_in_place(
    root: &Path,
    birth_dir: &Path,
    cluster: &ClusterName,
) -> Result<Option<PathBuf>, DiskError> {
    clear_unfinished(root)?;
    let next = root.join(NEXT);
    if !exists(&next)? {
        return Ok(None);
    }
    let (identity, _) = read_life_in(&next, cluster.as_str())?;
    if identity.cluster != *cluster {
        let (found, wanted) = (identity.cluster.to_string(), cluster.to_string());
        return Err(DiskError::OtherCluster { dir: next, found, wanted });
    }
    let founding = founding_file::read(&next, &identity)?;
    let before = set_aside(root)?;
    if let Some(cluster_id) = founding.known_cluster() {
        let file = marker::path(birth_dir, cluster);
        marker::write(&Machine, birth_dir, cluster, cluster_id)
            .map_err(|error| DiskError::io("write the marker", &file, error))?;
    }
    rename(root, &next, &root.join(LIFE))?;
    Ok(before)
}

/// Sets the life that is here aside; none when there is none.
pub(super) fn set_aside(root: &Path) -> Result<Option<PathBuf>, DiskError> {
    let life = root.join(LIFE);
    if !exists(&life)? {
        return Ok(None);
    }
    // One that cannot be read is kept all the same.
    let whose = read_life_in(&life, "").map(|(identity, _)| identity.instance.short());
    let whose = whose.unwrap_or_else(|_| "unreadable".to_owned());
    let mut to = root.join(format!("{SET_ASIDE}{whose}"));
    let mut number = 1;
    while exists(&to)? {
        number += 1;
        to = root.join(format!("{SET_ASIDE}{whose}-{number}"));
    }
    rename(root, &life, &to)?;
    Ok(Some(to))
}

fn rename(root: &Path, from: &Path, to: &Path) -> Result<(), DiskError> {
    let renamed = std::fs::rename(from, to).and_then(|()| sync_directory(root));
    renamed.map_err(|error| DiskError::io("rename", from, error))
}

/// Removes what a preparation left that was killed: the life that is here counts.
pub(crate) fn clear_unfinished(root: &Path) -> Result<(), DiskError> {
    let aside = root.join(NEXT_ASIDE);
    if !exists(&aside)? {
        return Ok(());
    }
    let removed: io::Result<()> = std::fs::remove_dir_all(&aside);
    removed.map_err(|error| DiskError::io("remove", &aside, error))
}
