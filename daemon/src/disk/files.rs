//! What a writer asks of a file system, one call for each thing whose order matters after a power cut.
//!
//! Invariant: the log writer, its segments and spares, the founding state and the marker reach the disk through here
//! alone, so that a test can put a disk under them that fails, tears writes and forgets what was not synced.
//! What a start makes good before it builds on what it read goes through here too; the reading itself does not.
//! Knows nothing of what the files hold.

use super::durable;
use super::spare::RETRY;
use std::fs::File;
use std::io;
use std::path::Path;

/// A directory tree that writers change.
pub(super) trait Files: std::fmt::Debug + Send + Sync {
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
pub(super) trait WritableFile: std::fmt::Debug + Send {
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
        Ok(Box::new(durable::create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        Ok(Box::new(File::options().read(true).write(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        durable::sync_directory(directory)
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
