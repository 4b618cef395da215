//! Files that are replaced whole: written aside, synced, renamed, directory synced. A kill at any byte leaves the
//! old content or the new one, never a mixture; a checksum tells when the disk itself lied.

use super::error;
use super::files::{FILE_MODE, Files, sync_directory};
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Suffix of a file that is being written and does not count yet.
pub(super) const ASIDE: &str = ".new";

/// A name next to `path` that does not count yet.
pub(super) fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ASIDE);
    name.into()
}

/// Writes a new file and syncs it. The directory is the caller's.
pub(super) fn write_new(files: &dyn Files, path: &Path, content: &[u8]) -> io::Result<()> {
    let file = files.create(path)?;
    file.write_all_at(content, 0)?;
    file.sync_all()
}

/// Writes a new file on which nothing depends that must outlive the power; never through a link that is there already.
pub(super) fn write_unsynced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    file.write_all(content)
}

/// Makes `content` the whole content of `path`, durably, or leaves the old content.
pub(super) fn replace(files: &dyn Files, path: &Path, content: &[u8]) -> io::Result<()> {
    let aside = aside(path);
    write_new(files, &aside, content)?;
    files.rename(&aside, path)?;
    files.sync_directory(directory_of(path))
}

/// Writes over a file that has as many bytes already, durably and in place: less than a sector, which a disk writes whole or not at
/// all. Takes no room.
pub(super) fn overwrite(files: &dyn Files, path: &Path, content: &[u8]) -> io::Result<()> {
    let file = files.open(path)?;
    file.write_all_at(content, 0)?;
    file.sync_data()
}

/// Makes a rename, creation or removal in the directory that holds `path` durable.
pub(super) fn sync_directory_of(path: &Path) -> io::Result<()> {
    sync_directory(directory_of(path))
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Puts a format mark and a checksum in front of `body`.
pub(super) fn seal(mark: &[u8; 8], body: &[u8]) -> Vec<u8> {
    let mut content = mark.to_vec();
    content.extend_from_slice(&crc32fast::hash(body).to_be_bytes());
    content.extend_from_slice(body);
    content
}

/// Checks what [`seal`] wrote and gives back the body.
pub(super) fn unseal<'a>(mark: &[u8; 8], content: &'a [u8]) -> Result<&'a [u8], &'static str> {
    let (found, rest) = content.split_first_chunk::<8>().ok_or("it is cut short")?;
    let (sum, body) = rest.split_first_chunk::<4>().ok_or("it is cut short")?;
    if found != mark {
        return Err("it does not begin with its format mark");
    }
    if crc32fast::hash(body) != u32::from_be_bytes(*sum) {
        return Err("its checksum is wrong");
    }
    Ok(body)
}

/// The disk failed in a way after which nothing that was written can be trusted (a failed sync may have dropped
/// what an earlier write put into the page cache): ends the process before anything is acknowledged.
pub(super) fn fatal(doing: &str, path: &Path, error: &io::Error) -> ! {
    let remedy = error::remedy(error);
    crate::journal::last_words(&format!(
        "{doing} {} failed: {error}. The daemon stops before it acknowledges anything, because what it wrote may be lost; {remedy}, then start it again",
        path.display()
    ));
    std::process::abort()
}
