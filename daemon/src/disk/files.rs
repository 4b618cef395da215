//! What a writer asks of a file system, one call for each thing whose order matters after a power cut.
//!
//! Invariant: the log writer, its segments and spares, the founding state and the marker reach the disk through here
//! alone, so that a test can put a disk under them that fails, tears writes and forgets what was not synced.
//! What a start makes good before it builds on what it read goes through here too; the reading itself does not.
//! Knows nothing of what the files hold.

use crate::regular;
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

/// Only the daemon's user reads what it keeps: the key is in there.
pub(super) const FILE_MODE: u32 = 0o600;
/// How often a full disk is looked at again: soon enough for people, rare enough to cost nothing.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// A directory tree that writers change.
pub(crate) trait Files: std::fmt::Debug + Send + Sync {
    /// Creates (or empties) a file that only its owner can read.
    fn create(&self, path: &Path) -> io::Result<Box<dyn WritableFile>>;
    /// Opens a file that is there.
    fn open(&self, path: &Path) -> io::Result<Box<dyn WritableFile>>;
    /// Gives a file another name, in place of whatever had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a file's name away.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in a directory durable.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
    /// Bytes that are free for us on the file system of this directory.
    fn room(&self, directory: &Path) -> io::Result<u64>;
    /// The disk is full: comes back when it is worth another look.
    fn wait_for_room(&self);
}

/// A file that is open for writing. It keeps its content whatever becomes of its name.
pub(crate) trait WritableFile: std::fmt::Debug + Send {
    /// Writes all of `bytes` at `offset`, not durably.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes what was written durable. The length of the file must not have changed since [`Self::sync_all`].
    fn sync_data(&self) -> io::Result<()>;
    /// Makes content and length durable.
    fn sync_all(&self) -> io::Result<()>;
}

/// The file system of this machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine;

impl Files for Machine {
    fn create(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        Ok(Box::new(create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        let mut options = OpenOptions::new();
        let opened = regular::open_as(path, options.read(true).write(true), OFlags::empty())?;
        Ok(Box::new(opened))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        sync_directory(directory)
    }

    fn room(&self, directory: &Path) -> io::Result<u64> {
        let room = rustix::fs::statvfs(directory)?;
        Ok(room.f_bavail.saturating_mul(room.f_frsize))
    }

    fn wait_for_room(&self) {
        std::thread::sleep(RETRY);
    }
}

impl WritableFile for File {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        File::sync_all(self)
    }
}

/// Creates (or empties) a file that only its owner can read.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true).mode(FILE_MODE);
    regular::open_as(path, &mut options, OFlags::empty())
}

/// Makes a rename, creation or removal in `directory` durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    // Where something else was put in its place, nobody waits for that.
    let flags = OFlags::DIRECTORY.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(directory)?.sync_all()
}
