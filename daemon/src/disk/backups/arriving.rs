//! A backup that is being written: aside, for its owner alone, synced as it grows, read back, and only then named.

use super::format::{BackupHead, BackupReader};
use crate::disk::durable::{ASIDE, sync_directory_of};
use crate::disk::files::FILE_MODE;
use crate::disk::snapshots::file::SteadyFile;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// How the name of every file begins that is not whole yet.
pub(super) const BEGUN: &str = ".quorate-snapshot-";

/// See the head of this file. Dropped before it has its name, it leaves nothing.
#[derive(Debug)]
pub(crate) struct Arriving {
    aside: PathBuf,
    file: Option<SteadyFile>,
}

impl Arriving {
    /// Begins one in a directory.
    pub(crate) fn begin(directory: &Path) -> io::Result<Self> {
        let aside = directory.join(format!("{BEGUN}{}{ASIDE}", std::process::id()));
        let create = || {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(FILE_MODE).open(&aside)
        };
        let file = match create() {
            // Of a process that had this number before, and was killed.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                std::fs::remove_file(&aside)?;
                create()
            }
            file => file,
        }?;
        Ok(Self { aside, file: Some(SteadyFile::of(file)) })
    }

    /// Writes what has come.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
    }

    /// Nothing more comes: syncs it and reads it back.
    pub(crate) fn whole(&mut self) -> Result<BackupHead, String> {
        if let Some(file) = self.file.take() {
            file.finish().map_err(|error| error.to_string())?;
        }
        BackupReader::check(&self.aside)
    }

    /// Gives what is whole its name, durably, in place of what had it.
    pub(crate) fn name(mut self, path: &Path) -> io::Result<()> {
        std::fs::rename(&self.aside, path)?;
        self.aside = PathBuf::new();
        sync_directory_of(path)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if self.aside != Path::new("") {
            let _ = std::fs::remove_file(&self.aside);
        }
    }
}
