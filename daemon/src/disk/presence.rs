//! Whether a file or directory is there, and what a file holds that a life needs.
//!
//! Invariant: a file that is there and is no file, or far too large, is a damaged one: it is not missing, and nobody waits for it.

use super::error::DiskError;
use crate::regular::{self, NoFile, SMALL};
use std::io;
use std::path::Path;

/// Whether there is something at `path`. An error is not "no".
pub(super) fn exists(path: &Path) -> Result<bool, DiskError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(DiskError::io("look at", path, error)),
    }
}

/// What is at `path` where a directory should be; none when it is one, or nothing is there.
pub(super) fn other_than_directory(path: &Path) -> Result<Option<&'static str>, DiskError> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Ok(None),
        Ok(found) => Ok(Some(regular::kind(found.file_type()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DiskError::io("look at", path, error)),
    }
}

/// Refuses what is no directory in place of one that holds a life. `cluster` is for the command that an error prints.
pub(super) fn need_directory(path: &Path, cluster: &str) -> Result<(), DiskError> {
    let Some(what) = other_than_directory(path)? else { return Ok(()) };
    let (file, reason) = (path.to_owned(), format!("it is {what}, not a directory"));
    Err(DiskError::Damaged { file, reason, cluster: cluster.to_owned() })
}

/// Removes what a preparation left that was killed; what is no directory was left by somebody else, and stays.
pub(super) fn remove_unfinished(path: &Path) -> Result<(), DiskError> {
    if let Some(what) = other_than_directory(path)? {
        return Err(DiskError::InTheWay { path: path.to_owned(), what });
    }
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DiskError::io("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// All of a small file, if it is there. `cluster` is for the command that an error prints.
pub(super) fn read_if_there(path: &Path, cluster: &str) -> Result<Option<Vec<u8>>, DiskError> {
    match regular::read(path, SMALL) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, cluster, error)),
    }
}

/// All of a small file that a life always has.
pub(super) fn read_needed(path: &Path, cluster: &str) -> Result<Vec<u8>, DiskError> {
    let missing = || DiskError::Damaged {
        file: path.to_owned(),
        reason: "it is missing".to_owned(),
        cluster: cluster.to_owned(),
    };
    read_if_there(path, cluster)?.ok_or_else(missing)
}

/// Why a file that is there cannot be read.
pub(super) fn unreadable(path: &Path, cluster: &str, error: io::Error) -> DiskError {
    if !NoFile::is_in(&error) {
        return DiskError::io("read", path, error);
    }
    let (file, reason) = (path.to_owned(), error.to_string());
    DiskError::Damaged { file, reason, cluster: cluster.to_owned() }
}
