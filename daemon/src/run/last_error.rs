//! With what a daemon ended last, or what it waits for before it serves, for `quorate why` where none answers: small files beside its
//! socket, which end with the machine.
//!
//! Written when the daemon ends by itself, removed when one serves again or stops in order. Never more than `LONGEST` bytes of it are
//! read. Not being able to write it changes nothing: the journal has the same words.

use crate::regular;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Longest text that is kept.
const LONGEST: usize = 4096;

fn file(socket: &Path) -> PathBuf {
    socket.with_extension("error")
}

fn waiting(socket: &Path) -> PathBuf {
    socket.with_extension("waiting")
}

/// Notes why the daemon with this socket ends.
pub(crate) fn note(socket: &Path, text: &str) {
    write(&file(socket), text);
}

/// Notes what it waits for before it opens that socket.
pub(crate) fn note_waiting(socket: &Path, text: &str) {
    write(&waiting(socket), text);
}

/// It waits no more.
pub(crate) fn forget_waiting(socket: &Path) {
    let _ = std::fs::remove_file(waiting(socket));
}

/// What it waits for; none where it does not, or that may not be read.
pub(crate) fn read_waiting(socket: &Path) -> Option<String> {
    read_from(&waiting(socket))
}

fn write(file: &Path, text: &str) {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let _ = std::fs::remove_file(file);
    // New, so that it is no link to somewhere else.
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o640).open(file);
    let written = opened
        .and_then(|mut opened| std::io::Write::write_all(&mut opened, &text.as_bytes()[..end]));
    if let Err(error) = written {
        tracing::debug!(%error, "the last error was not noted beside the socket");
    }
}

/// A daemon serves, or stopped in order: what was before says nothing any more.
pub(crate) fn forget(socket: &Path) {
    let _ = std::fs::remove_file(file(socket));
    forget_waiting(socket);
}

/// What was noted last; none where nothing was, or it may not be read.
pub(crate) fn read(socket: &Path) -> Option<String> {
    read_from(&file(socket))
}

fn read_from(file: &Path) -> Option<String> {
    let opened = regular::open(file).ok()?;
    let mut bytes = Vec::new();
    opened.take(LONGEST as u64).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_last_is_read_until_it_is_forgotten_and_never_through_a_link() {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("quorate.sock");
        assert_eq!(read(&socket), None);
        note(&socket, "the disk is another's");
        note(&socket, &"é".repeat(LONGEST));
        let long = read(&socket).expect("it was noted");
        assert!(long.len() <= LONGEST && long.chars().all(|letter| letter == 'é'));
        let other = dir.path().join("other");
        std::fs::write(&other, "untouched").expect("a file");
        forget(&socket);
        std::os::unix::fs::symlink(&other, dir.path().join("quorate.error")).expect("a link");
        note(&socket, "through a link");
        assert_eq!(std::fs::read_to_string(&other).expect("a file"), "untouched");
        note_waiting(&socket, "for an address");
        assert_eq!(read_waiting(&socket).as_deref(), Some("for an address"));
        forget(&socket);
        assert_eq!((read(&socket), read_waiting(&socket)), (None, None));
    }
}
