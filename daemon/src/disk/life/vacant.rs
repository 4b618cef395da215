//! A data directory whose daemon is stopped, held for what is to come in place of the life that is in it.
//!
//! Invariant: nothing of a life that is here is read as more than it is: one that cannot be read counts as one of a cluster. Knows
//! nothing of what is to come.

use super::data_dir::{is_unused, make_directory, refuse_foreign};
use super::lock::lock;
use super::parts::{LIFE, read_life};
use super::{founding_file, next, owner};
use crate::disk::error::DiskError;
use crate::disk::presence::exists;
use quorate_proto::ClusterName;
use std::fs::File;
use std::path::Path;

/// See the head of this file. Held until it is dropped.
#[derive(Debug)]
pub(crate) struct Vacant {
    _lock: File,
    /// Of which cluster the data are that are here; none when there are none, or they were never in one.
    pub(crate) used_by: Option<String>,
}

/// Holds a data directory, which is made where it is missing.
///
/// # Errors
/// When a daemon holds it, it is somebody else's, or a life waits in it for the next start already.
pub(crate) fn hold(
    root: &Path,
    birth_dir: &Path,
    cluster: &ClusterName,
) -> Result<Vacant, DiskError> {
    owner::check(root, birth_dir)?;
    make_directory(root)?;
    make_directory(birth_dir)?;
    let lock = lock(root)?;
    if exists(&root.join(next::NEXT))? {
        let (dir, cluster) = (root.to_owned(), cluster.to_string());
        return Err(DiskError::Prepared { dir, cluster });
    }
    if !exists(&root.join(LIFE))? {
        refuse_foreign(root)?;
        return Ok(Vacant { _lock: lock, used_by: None });
    }
    Ok(Vacant { _lock: lock, used_by: used_by(root, birth_dir, cluster)? })
}

fn used_by(
    root: &Path,
    birth_dir: &Path,
    cluster: &ClusterName,
) -> Result<Option<String>, DiskError> {
    let Ok((identity, _)) = read_life(root, cluster.as_str()) else {
        return Ok(Some("which cannot be read".to_owned()));
    };
    let life = root.join(LIFE);
    if is_unused(&life, birth_dir, &identity).unwrap_or(false) {
        return Ok(None);
    }
    let known = founding_file::read(&life, &identity).ok().and_then(|it| it.known_cluster());
    let id = known.map_or_else(|| "which it has not joined yet".to_owned(), |id| id.to_string());
    Ok(Some(format!("{} ({id})", identity.cluster)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::open;

    #[test]
    fn a_vacant_directory_says_whether_its_data_were_ever_in_a_cluster() {
        let host = tempfile::tempdir().expect("a directory");
        let (root, birth) = (host.path().join("data"), host.path().join("birth"));
        let cluster = ClusterName::new("prod").expect("valid");
        let look = || hold(&root, &birth, &cluster);
        assert_eq!(look().expect("made").used_by, None, "there are none");
        let opened = open(&root, &birth, &cluster).expect("opened");
        assert!(matches!(look(), Err(DiskError::Locked { .. })), "a daemon holds it");
        drop(opened);
        assert_eq!(look().expect("held").used_by, None, "it never was in a cluster");
        std::fs::write(root.join(LIFE).join("identity"), "damaged").expect("written");
        assert_eq!(look().expect("held").used_by.as_deref(), Some("which cannot be read"));
        std::fs::create_dir(root.join(next::NEXT)).expect("made");
        let refused = look().expect_err("one waits").to_string();
        assert!(refused.contains("quorate reset --prepared --cluster prod"), "{refused}");
    }
}
