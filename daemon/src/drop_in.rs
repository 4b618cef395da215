//! What the directories of drop-ins have in common: which files count, how one is read, and the line in it where something stands.
//!
//! Knows nothing of what the files say.

use crate::regular;
use std::io;
use std::path::{Path, PathBuf};

/// Files of a directory that are looked at: with more, something else is kept there.
const FILES: usize = 1024;

/// A file of a definition that is larger is none.
const FILE: u64 = 64 * 1024;

/// The files of a directory that end with `.toml`, in the order of their names. Others, as those that a package sets aside, are passed over.
/// A directory that is not there has none.
///
/// # Errors
/// What the system says.
pub(crate) fn toml_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        entries => entries?,
    };
    for entry in entries.take(FILES) {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Those that are not hidden: an editor keeps its own there.
///
/// # Errors
/// As [`toml_files`].
pub(crate) fn visible_toml_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = toml_files(directory)?;
    files.retain(|path| {
        path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
    });
    Ok(files)
}

/// The text of a file that defines something, or what is wrong with it and what helps.
pub(crate) fn definition(path: &Path) -> Result<String, String> {
    regular::read_text(path, FILE)
        .map_err(|error| format!("cannot be read: {error}; let the daemon's user read it"))
}

/// The number of the line in which a byte stands; of the last one for a byte behind the end.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}
