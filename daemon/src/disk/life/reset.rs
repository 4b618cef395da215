//! `quorate reset --cluster NAME-or-ID`: the plain way to begin anew on a host. Clears marker and data.
//!
//! Invariant: what waits for the next start goes first, and the marker last, so a reset that was killed half-way leaves a host that is still
//! not fresh, and does not run what was given up. Only with the rights of
//! the data's owner (`owner`).

use super::lock::lock;
use super::next::{NEXT, NEXT_ASIDE, rename, set_aside};
use super::parts::read_life;
use super::{founding_file, marker, owner, reached};
use crate::disk::error::DiskError;
use crate::disk::files::{Machine, sync_directory};
use crate::disk::presence::{exists, other_than_directory};
use quorate_proto::{ClusterId, ClusterName};
use std::path::{Path, PathBuf};

/// Why nothing was cleared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResetError {
    /// The operator named another cluster than this host is in.
    #[error(
        "this host is in {ours}, not in `{wanted}`: nothing was cleared. If you mean this host, run `quorate reset --set-aside --cluster {name}`, which keeps its data beside the new ones"
    )]
    OtherCluster {
        /// What the operator wrote.
        wanted: String,
        /// Name and id of this host's cluster.
        ours: String,
        /// For the command.
        name: String,
    },
    /// No life waits for the next start.
    #[error("no data are prepared in {}: nothing was changed", .0.display())]
    NothingPrepared(PathBuf),
    /// No life of that name is kept, or it is of no use.
    #[error("`{wanted}` in {} {why}: nothing was changed. {kept}", dir.display())]
    NotKept {
        /// What the operator wrote.
        wanted: String,
        /// The data directory.
        dir: PathBuf,
        /// Why not.
        why: &'static str,
        /// Those that are kept there.
        kept: String,
    },
    /// The daemon runs, or the disk refuses.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Clears the data directory and the marker, if `wanted` is the cluster's name or id; with `keep` the life is set aside instead. Says what
/// was done.
///
/// # Errors
/// When a daemon holds the directory or `wanted` is not this host's cluster.
pub(crate) fn reset(
    root: &Path,
    birth_dir: &Path,
    configured: &ClusterName,
    wanted: &str,
    keep: bool,
) -> Result<String, ResetError> {
    owner::check(root, birth_dir)?;
    let lock = if exists(root)? { Some(lock(root)?) } else { None };
    let cluster = named(root, birth_dir, configured, wanted)?;
    let life = root.join("life");
    let mut cleared = Vec::new();
    for unfinished in [root.join("life.new"), root.join(NEXT_ASIDE)] {
        cleared.extend(remove(&unfinished)?);
    }
    if give_up_next(root)? {
        cleared.push(root.join(NEXT).display().to_string());
    }
    let kept = if keep { set_aside(&Machine, root, birth_dir)? } else { None };
    cleared.extend(remove(&life)?);
    if lock.is_some() {
        sync_directory(root).map_err(|error| DiskError::io("sync", root, error))?;
    }
    for file in [reached::path(birth_dir, &cluster), marker::path(birth_dir, &cluster)] {
        if exists(&file)? {
            std::fs::remove_file(&file)
                .and_then(|()| sync_directory(birth_dir))
                .map_err(|error| DiskError::io("remove", &file, error))?;
            cleared.push(file.display().to_string());
        }
    }
    Ok(said(&cleared, kept.as_deref()))
}

/// Removes what waits for the next start, whole or not at all: while it has its name, that start puts it in place. Gives whether any did.
fn give_up_next(root: &Path) -> Result<bool, DiskError> {
    let (next, unfinished) = (root.join(NEXT), root.join(NEXT_ASIDE));
    if !exists(&next)? {
        return Ok(false);
    }
    rename(&Machine, root, &next, &unfinished)?;
    remove(&unfinished)?;
    Ok(true)
}

/// Removes whatever is there, and gives its path.
fn remove(path: &Path) -> Result<Option<String>, DiskError> {
    if !exists(path)? {
        return Ok(None);
    }
    let removed = match other_than_directory(path)? {
        None => std::fs::remove_dir_all(path),
        Some(_) => std::fs::remove_file(path),
    };
    removed.map_err(|error| DiskError::io("remove", path, error))?;
    Ok(Some(path.display().to_string()))
}

fn said(cleared: &[String], kept: Option<&Path>) -> String {
    let next = "the next start is a new disk: `systemctl start quorate`";
    match (cleared, kept) {
        ([], None) => "nothing to clear: this host has neither data nor a marker".into(),
        ([], Some(kept)) => format!("the data are kept in {}; {next}", kept.display()),
        (paths, None) => format!("cleared {}; {next}", paths.join(" and ")),
        (paths, Some(kept)) => format!(
            "the data are kept in {}; cleared {}; {next}",
            kept.display(),
            paths.join(" and ")
        ),
    }
}

/// The name of this host's cluster, if `wanted` is its name or id.
pub(super) fn named(
    root: &Path,
    birth_dir: &Path,
    configured: &ClusterName,
    wanted: &str,
) -> Result<ClusterName, ResetError> {
    let life = root.join("life");
    let identity = if exists(&life)? {
        read_life(root, configured.as_str()).ok().map(|(identity, _)| identity)
    } else {
        None
    };
    let cluster = identity.as_ref().map_or(configured, |identity| &identity.cluster).clone();
    let known = identity
        .and_then(|identity| founding_file::read(&life, &identity).ok())
        .and_then(|founding| founding.known_cluster())
        .or_else(|| marker::read(birth_dir, &cluster).ok().flatten());
    check_named(&cluster, known, wanted)?;
    Ok(cluster)
}

fn check_named(
    cluster: &ClusterName,
    known: Option<ClusterId>,
    wanted: &str,
) -> Result<(), ResetError> {
    let by_id = known.is_some_and(|cluster_id| ClusterId::parse(wanted) == Some(cluster_id));
    if wanted == cluster.as_str() || by_id {
        return Ok(());
    }
    let ours = known.map_or_else(
        || format!("cluster `{cluster}`"),
        |cluster_id| format!("cluster `{cluster}` ({cluster_id})"),
    );
    Err(ResetError::OtherCluster { wanted: wanted.into(), ours, name: cluster.to_string() })
}
