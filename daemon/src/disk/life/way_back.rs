//! `quorate reset --prepared` and `--bring-back`: back from a life that was to come, or has come, to the one that was here before it.
//!
//! Invariants: nothing is removed, and each of them is done by one rename, so that a kill leaves it done or not. A life that is brought back
//! takes its place as any next life does, at the start behind it. It is as if its host had been off meanwhile. Only with the rights of the
//! data's owner.

use super::lock::lock;
use super::next::{NEXT, SET_ASIDE, check, put_beside, rename};
use super::owner;
use super::parts::LIFE;
use super::reset::{ResetError, named};
use crate::disk::files::{Files, Machine};
use crate::disk::presence::exists;
use quorate_proto::ClusterName;
use std::path::Path;
use std::sync::Arc;

const START: &str = "`systemctl start quorate`";

/// Gives up the life that waits for the next start, and keeps it beside the one that is here. Says what was done.
///
/// # Errors
/// When none waits, a daemon holds the directory, or `wanted` is not this host's cluster.
pub(crate) fn give_up_prepared(
    root: &Path,
    birth_dir: &Path,
    configured: &ClusterName,
    wanted: &str,
) -> Result<String, ResetError> {
    owner::check(root, birth_dir)?;
    if !exists(root)? {
        return Err(ResetError::NothingPrepared(root.to_owned()));
    }
    let _lock = lock(root)?;
    let cluster = named(root, birth_dir, configured, wanted)?;
    let next = root.join(NEXT);
    if !exists(&next)? {
        return Err(ResetError::NothingPrepared(root.to_owned()));
    }
    let kept = put_beside(&Machine, root, &next)?;
    let kept = format!("what was prepared is kept in {}", kept.display());
    if exists(&root.join(LIFE))? {
        return Ok(format!("{kept}; the next start goes on with the data that are here: {START}"));
    }
    Ok(format!(
        "{kept}; no data are in place, and the next start is a new disk: {START}. {}",
        list_kept(root, &cluster)
    ))
}

/// Has the next start put a life back in place that was set aside. Says what was done.
///
/// # Errors
/// When there is no such life, it is damaged or was never in a cluster, a daemon holds the directory, or `wanted` is not this host's cluster.
pub(crate) fn bring_back(
    root: &Path,
    birth_dir: &Path,
    configured: &ClusterName,
    wanted: &str,
    name: &str,
) -> Result<String, ResetError> {
    owner::check(root, birth_dir)?;
    let refused = |why| ResetError::NotKept {
        wanted: name.to_owned(),
        dir: root.to_owned(),
        why,
        kept: list_kept(root, configured),
    };
    let kept = root.join(name);
    if !name.starts_with(SET_ASIDE) || name.contains('/') || !exists(&kept)? {
        return Err(refused("is no life that was set aside"));
    }
    let _lock = lock(root)?;
    let cluster = named(root, birth_dir, configured, wanted)?;
    let files: Arc<dyn Files> = Arc::new(Machine);
    let (founding, _) = check(&files, &kept, birth_dir, &cluster)?;
    let Some(cluster_id) = founding.known_cluster() else {
        return Err(refused("was never in a cluster"));
    };
    let next = root.join(NEXT);
    let mut before = String::new();
    if exists(&next)? {
        let beside = put_beside(&*files, root, &next)?;
        before = format!("what was prepared is kept in {}; ", beside.display());
    }
    rename(&*files, root, &kept, &next)?;
    Ok(format!(
        "{before}the next start goes on with {name}, of cluster {cluster_id}, and sets aside what is in place: {START}"
    ))
}

/// Which lives are kept, each with the command that brings it back.
fn list_kept(root: &Path, cluster: &ClusterName) -> String {
    let listed = std::fs::read_dir(root).into_iter().flatten();
    let names = listed.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut kept: Vec<String> = names
        .filter(|name| name.starts_with(SET_ASIDE))
        .map(|name| format!("`quorate reset --bring-back {name} --cluster {cluster}`"))
        .collect();
    kept.sort();
    match kept.as_slice() {
        [] => "None is kept there".to_owned(),
        kept => format!("What is kept there can be brought back: {}", kept.join(", ")),
    }
}
