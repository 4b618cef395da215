//! The lock of a data directory: one process at a time has it, until it ends in any way.
//!
//! Invariant: nothing is opened, let alone emptied, through a link: who may write in the directory could point it at a file of somebody
//! else. Knows nothing of what is locked.

use crate::disk::error::DiskError;
use crate::regular;
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The file's name.
pub(super) const LOCK: &str = "LOCK";

/// Takes the exclusive lock and notes who has it, or says who does.
pub(super) fn lock(root: &Path) -> Result<File, DiskError> {
    let path = root.join(LOCK);
    let mut file = take(root, OpenOptions::new().write(true).create(true))?;
    let note = |file: &mut File| -> io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    note(&mut file).map_err(|error| DiskError::io("write the lock file", &path, error))?;
    Ok(file)
}

/// Takes the exclusive lock of a directory of which nothing is to be changed: it may be on a disk that takes no writes any more.
pub(super) fn lock_to_read(root: &Path) -> Result<File, DiskError> {
    take(root, &mut OpenOptions::new())
}

fn take(root: &Path, options: &mut OpenOptions) -> Result<File, DiskError> {
    let path = root.join(LOCK);
    let mut file = regular::open_as(&path, options.read(true).mode(0o600), OFlags::NOFOLLOW)
        .map_err(|error| DiskError::io("open the lock file", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // The holder may be about to write it: then the pid is not known, the refusal stands.
            let _ = file.read_to_string(&mut pid);
            let pid = if pid.trim().is_empty() { "unknown".into() } else { pid.trim().into() };
            Err(DiskError::Locked { dir: root.to_owned(), pid })
        }
        Err(TryLockError::Error(error)) => Err(DiskError::io("lock", &path, error)),
    }
}
