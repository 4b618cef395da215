//! A life that is to come in place of the one that is here: prepared whole under a name of its own, then put in place.
//!
//! Invariants: while it is prepared the life that is here counts, and a kill leaves that one. From when it has its name it waits: it is read
//! whole before anything is changed for it, and one that is damaged ends the start. The start does not go on with the life that is here by
//! itself: what waits could be readable at a later start, and would take the place of all that was written meanwhile. A start that was killed
//! while putting it in place is finished by the next one. The life that was here is set aside beside it under a
//! name that says whose it was, and is never removed. The marker is that of the next life before it runs, and so is the note of what this
//! host has reached: a copy of what waited, put back later, is older than that and does not run.

use super::identity::Identity;
use super::parts::{LIFE, read_life_in};
use super::reached::{self, Reached};
use super::{founding_file, marker, standing};
use crate::disk::error::DiskError;
use crate::disk::files::Files;
use crate::disk::formats::refuse_newer;
use crate::disk::log::segments::SegmentSizes;
use crate::disk::presence::{exists, need_directory, other_than_directory, remove_unfinished};
use crate::disk::recovery::{Standing, recover_life};
use crate::disk::snapshots::file::Pieces;
use quorate_proto::{ClusterName, FoundingState, Generation};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The next life, whole.
pub(crate) const NEXT: &str = "life.next";
/// The same in the making, which does not count.
pub(crate) const NEXT_ASIDE: &str = "life.next.new";
/// How the names of lives begin that were set aside.
pub(super) const SET_ASIDE: &str = "life.set-aside-";

/// Whether a name in the data directory is that of a life that does not count.
pub(super) fn is_beside(name: &str) -> bool {
    name == NEXT || name == NEXT_ASIDE || name.starts_with(SET_ASIDE)
}

/// Puts a next life in place, if one waits and is whole. Gives where the one before is now; none when nothing waited, or there was none
/// before.
///
/// # Errors
/// When it is of another cluster, not whole, or older than this host knows it to be, or the disk refuses: then nothing is lost, and the
/// next start tries again.
pub(crate) fn put_in_place(
    files: &Arc<dyn Files>,
    root: &Path,
    birth_dir: &Path,
    cluster: &ClusterName,
) -> Result<Option<PathBuf>, DiskError> {
    clear_unfinished(root)?;
    let next = root.join(NEXT);
    if !exists(&next)? {
        return Ok(None);
    }
    let checked = check(files, &next, birth_dir, cluster);
    let (founding, reached) = checked.map_err(|error| not_whole(root, cluster, error))?;
    let before = set_aside(&**files, root, birth_dir)?;
    let file = reached::path(birth_dir, cluster);
    reached::write(&**files, birth_dir, cluster, &reached)
        .map_err(|error| DiskError::io("note what the data have reached in", &file, error))?;
    if let Some(cluster_id) = founding.known_cluster() {
        let file = marker::path(birth_dir, cluster);
        marker::write(&**files, birth_dir, cluster, cluster_id)
            .map_err(|error| DiskError::io("write the marker", &file, error))?;
    }
    rename(&**files, root, &next, &root.join(LIFE))?;
    Ok(before)
}

/// Looks at what waits as the next start would, but for its log, and changes nothing; false when nothing waits.
///
/// # Errors
/// What would end that start.
pub(super) fn inspect(
    root: &Path,
    birth_dir: &Path,
    cluster: &ClusterName,
) -> Result<bool, DiskError> {
    let aside = root.join(NEXT_ASIDE);
    if let Some(what) = other_than_directory(&aside)? {
        return Err(DiskError::InTheWay { path: aside, what });
    }
    let next = root.join(NEXT);
    if !exists(&next)? {
        return Ok(false);
    }
    look(&next, birth_dir, cluster).map_err(|error| not_whole(root, cluster, error))?;
    Ok(true)
}

/// Reads a life that is not in place from its first byte to its last, as the start behind it would.
///
/// # Errors
/// What would end that start.
pub(super) fn check(
    files: &Arc<dyn Files>,
    life: &Path,
    birth_dir: &Path,
    cluster: &ClusterName,
) -> Result<(FoundingState, Reached), DiskError> {
    let Waiting { identity, generation, founding, reached } = look(life, birth_dir, cluster)?;
    let standing = Standing { life, identity: &identity, reached: reached.end };
    let restore = |pieces: Pieces<'_>| {
        pieces.for_each(drop);
        Ok(())
    };
    let sizes = SegmentSizes::SHIPPED;
    let replica = recover_life(&standing, &founding, sizes, Arc::clone(files), restore)?.group;
    let prepared = generation == Generation::new(0);
    let founds = founding.founded.as_ref().is_some_and(|founded| {
        let voters = &founded.record.voters;
        voters.iter().any(|voter| voter.instance == identity.instance)
    });
    if replica.is_none() && prepared && founds {
        return Err(DiskError::Damaged {
            file: life.join("log"),
            reason: "the state with which this host founds the cluster is gone".to_owned(),
            cluster: cluster.to_string(),
        });
    }
    Ok((founding, reached))
}

/// A life that is not in place.
struct Waiting {
    identity: Identity,
    generation: Generation,
    founding: FoundingState,
    reached: Reached,
}

/// Reads who a life is, and what it has promised and reached, and changes nothing.
fn look(life: &Path, birth_dir: &Path, cluster: &ClusterName) -> Result<Waiting, DiskError> {
    need_directory(life, cluster.as_str())?;
    refuse_newer(life, birth_dir, cluster.as_str())?;
    let (identity, generation) = read_life_in(life, cluster.as_str())?;
    if identity.cluster != *cluster {
        let (found, wanted) = (identity.cluster.to_string(), cluster.to_string());
        return Err(DiskError::OtherCluster { dir: life.to_owned(), found, wanted });
    }
    let founding = founding_file::read(life, &identity)?;
    let start = (identity.instance, generation);
    let reached = standing::reached_by(life, birth_dir, cluster, start)?;
    Ok(Waiting { identity, generation, founding, reached })
}

/// What is wrong with a life that waits, and the way back to the one that was here.
fn not_whole(root: &Path, cluster: &ClusterName, error: DiskError) -> DiskError {
    let what = match error {
        DiskError::Damaged { file, reason, .. } => format!("{}: {reason}", file.display()),
        DiskError::Corrupt { file, offset, reason, .. } => {
            format!("{}: {reason} (byte {offset})", file.display())
        }
        DiskError::Mixed { file, found, wanted, .. } => {
            format!("{} belongs to {found}, but its directory to {wanted}", file.display())
        }
        other => return other,
    };
    let here = exists(&root.join(LIFE)).unwrap_or(true);
    let kept = if here { None } else { newest_set_aside(root) };
    let remedy = match kept {
        Some(kept) => format!(
            "The data that were here are kept: bring them back with `quorate reset --bring-back {kept} --cluster {cluster}`"
        ),
        None => format!(
            "What was here is as it was: give up what waits, and go on with that, with `quorate reset --prepared --cluster {cluster}`"
        ),
    };
    DiskError::NextNotWhole { what, next: root.join(NEXT), remedy }
}

/// The name of the life that was set aside last.
fn newest_set_aside(root: &Path) -> Option<String> {
    let kept = std::fs::read_dir(root).ok()?.filter_map(|entry| {
        let entry = entry.ok()?;
        let name = entry.file_name().into_string().ok()?;
        let found = entry.metadata().ok()?;
        name.starts_with(SET_ASIDE).then(|| ((found.ctime(), found.ctime_nsec()), name))
    });
    kept.max().map(|(_, name)| name)
}

/// Sets the life that is here aside, with what is known of it; none when there is none.
pub(super) fn set_aside(
    files: &dyn Files,
    root: &Path,
    birth_dir: &Path,
) -> Result<Option<PathBuf>, DiskError> {
    let life = root.join(LIFE);
    if !exists(&life)? {
        return Ok(None);
    }
    if let Ok((identity, _)) = read_life_in(&life, "")
        && let Some(reached) = reached::read(birth_dir, &identity.cluster, identity.instance)?
    {
        reached::carry(files, &life, &reached)
            .map_err(|error| DiskError::io("note what the data have reached in", &life, error))?;
    }
    put_beside(files, root, &life).map(Some)
}

/// Gives a life a name under which it does not count and is kept.
pub(super) fn put_beside(
    files: &dyn Files,
    root: &Path,
    life: &Path,
) -> Result<PathBuf, DiskError> {
    // One that cannot be read is kept all the same.
    let whose = read_life_in(life, "").map(|(identity, _)| identity.instance.short());
    let whose = whose.unwrap_or_else(|_| "unreadable".to_owned());
    let mut to = root.join(format!("{SET_ASIDE}{whose}"));
    let mut number = 1;
    while exists(&to)? {
        number += 1;
        to = root.join(format!("{SET_ASIDE}{whose}-{number}"));
    }
    rename(files, root, life, &to)?;
    Ok(to)
}

pub(super) fn rename(
    files: &dyn Files,
    root: &Path,
    from: &Path,
    to: &Path,
) -> Result<(), DiskError> {
    let renamed = files.rename(from, to).and_then(|()| files.sync_directory(root));
    renamed.map_err(|error| DiskError::io("rename", from, error))
}

/// Removes what a preparation left that was killed: the life that is here counts.
pub(crate) fn clear_unfinished(root: &Path) -> Result<(), DiskError> {
    remove_unfinished(&root.join(NEXT_ASIDE))
}
