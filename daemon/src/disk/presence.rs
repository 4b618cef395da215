//! Whether a file or directory is there.

use super::error::DiskError;
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
