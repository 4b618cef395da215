//! The format of every file: its first eight bytes are letters that say what it is and digits that number its format.
//!
//! Invariant: a file that a newer version wrote is refused by its name before anything else is read or written, so that it is never taken
//! for damaged, and nothing beside it is changed. A new format of a file has the next number, and its reader goes on reading those below
//! it. The marker of a birth is a line of text; a newer one begins `quorate genesis/NUMBER`. A newer snapshot is passed over while an older
//! one will do (`recovery.rs`).

use super::error::DiskError;
use crate::regular;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// What each kind of file begins with, in its newest format. A segment of the log numbers its batches too.
const KNOWN: &[&[u8; 8]] = &[
    b"qlife001",
    b"qgener01",
    b"qfound01",
    b"qname001",
    b"qmachi01",
    b"qstore01",
    b"qlogseg1",
    b"qsnap001",
    b"qreach01",
    b"qback001",
];
/// What a marker of a newer format begins with.
const NEWER_MARKER: &[u8] = b"quorate genesis/";

/// Refuses files of formats that this version does not know, in a data directory and in what belongs to it in the directory of the marker.
/// `cluster` is for the command that it prints.
pub(super) fn refuse_newer(life: &Path, birth_dir: &Path, cluster: &str) -> Result<(), DiskError> {
    for directory in [life.to_owned(), life.join("log")] {
        for file in files_in(&directory)? {
            refuse(file, cluster)?;
        }
    }
    let own = |file: &PathBuf| {
        let name = file.file_name().and_then(|name| name.to_str());
        let rest = name.and_then(|name| name.strip_prefix(cluster));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    files_in(birth_dir)?.into_iter().filter(own).try_for_each(|file| refuse(file, cluster))
}

fn files_in(directory: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let failed = |error| DiskError::io("list", directory, error);
    let listed = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(failed)?,
    };
    let mut files = Vec::new();
    for entry in listed {
        let entry = entry.map_err(failed)?;
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn refuse(file: PathBuf, cluster: &str) -> Result<(), DiskError> {
    let mut front = Vec::with_capacity(NEWER_MARKER.len());
    let read = regular::open(&file)
        .and_then(|open| open.take(NEWER_MARKER.len() as u64).read_to_end(&mut front));
    // Whoever needs the file says what is wrong with it, and what helps.
    if read.is_err() {
        return Ok(());
    }
    match newer(&front) {
        Some(format) => Err(DiskError::Newer { file, format, cluster: cluster.to_owned() }),
        None => Ok(()),
    }
}

/// The format of a file that begins so, in words, if it is newer than the one known here.
pub(super) fn newer(front: &[u8]) -> Option<String> {
    if front == NEWER_MARKER {
        return Some("a later format than 1".to_owned());
    }
    let front = front.first_chunk::<8>()?;
    let (letters, found) = numbered(front)?;
    let known = KNOWN.iter().filter_map(|mark| numbered(mark)).find(|(it, _)| *it == letters)?.1;
    (found > known).then(|| format!("format {found}, and this version knows it up to {known}"))
}

/// Takes a mark apart: what the file is, and the number of its format.
fn numbered(mark: &[u8; 8]) -> Option<(&[u8], u32)> {
    let letters = mark.iter().position(u8::is_ascii_digit)?;
    let (letters, digits) = mark.split_at(letters);
    std::str::from_utf8(digits).ok()?.parse().ok().map(|number| (letters, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_number_is_newer_and_other_bytes_are_somebody_elses_matter() {
        let known = |front: &[u8]| newer(front).is_none();
        assert!(known(b"qlife001 and so on") && known(b"qlife000") && known(b""));
        assert!(known(b"zlife002") && known(b"qlife00x") && known(b"quorate genesis "));
        for front in [&b"qlife002"[..], b"qlogseg2", b"qsnap010", b"qgener99", b"quorate genesis/"]
        {
            assert!(!known(front), "{front:?}");
        }
    }

    #[test]
    fn every_known_mark_has_its_number() {
        for mark in KNOWN {
            assert_eq!(numbered(mark).map(|(_, number)| number), Some(1), "{mark:?}");
        }
    }
}
