//! Opens files that are regular, and says of anything else what it is: whoever opens a pipe waits for its other end, and whoever reads a
//! device may wait or read for ever.
//!
//! Invariants: nothing here waits for somebody else, and nothing that is no file is opened, since that alone may do something to a device.
//! A link counts as what it leads to. Knows nothing of what the files hold.

use rustix::fs::OFlags;
use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Bytes of any small file of ours, with much room: what is larger is something else, and must not fill the memory.
pub(crate) const SMALL: u64 = 1024 * 1024;
/// The file system of pipes that have no name: of a shell's `<(...)`, for one.
const PIPES: rustix::fs::FsWord = 0x5049_5045;

/// Why a path does not lead to what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoFile {
    /// Something else is there.
    #[error("it is {0}, not a regular file")]
    Other(&'static str),
    /// It is larger than any file of its kind.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
}

impl NoFile {
    /// Whether this is what an error says.
    pub(crate) fn is_in(error: &io::Error) -> bool {
        error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Self>)
    }
}

impl From<NoFile> for io::Error {
    fn from(no_file: NoFile) -> Self {
        Self::other(no_file)
    }
}

/// A new file to be written aside, in place of what somebody left who was killed: new, so that it is no link to somewhere else.
///
/// # Errors
/// What the system says.
pub(crate) fn fresh(path: &Path, mode: u32) -> io::Result<File> {
    let _ = std::fs::remove_file(path);
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// Opens a regular file to be read.
///
/// # Errors
/// What the system says, or what else is there.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    open_as(path, OpenOptions::new().read(true), OFlags::empty())
}

/// The same for any use, with more flags of the system's.
pub(crate) fn open_as(path: &Path, options: &mut OpenOptions, flags: OFlags) -> io::Result<File> {
    match std::fs::metadata(path) {
        Ok(found) => refuse_other(found.file_type())?,
        // It may be about to be made; else opening it says so.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = options.custom_flags(flags.bits().cast_signed()).open(path)?;
    // What was there a moment ago may have been replaced.
    refuse_other(opened.metadata()?.file_type())?;
    Ok(opened)
}

/// Opens what a command line names to be read from its beginning to its end: a regular file, or a pipe without a name, at whose other end
/// that same command line has put somebody.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_or_pipe(path: &Path) -> io::Result<File> {
    let nameless = rustix::fs::statfs(path).is_ok_and(|system| system.f_type == PIPES);
    if nameless { File::open(path) } else { open(path) }
}

/// All of a regular file.
///
/// # Errors
/// As [`open`], and when it has more than `most` bytes.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let opened = open(path)?;
    let mut content = Vec::new();
    opened.take(most.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(NoFile::TooLarge(most).into());
    }
    Ok(content)
}

/// The same of a file of text.
///
/// # Errors
/// As [`read`], and when it is not valid UTF-8.
pub(crate) fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let text = read(path, most)?;
    String::from_utf8(text).map_err(|_| io::Error::other("it is not valid UTF-8"))
}

fn refuse_other(found: FileType) -> Result<(), NoFile> {
    if found.is_file() { Ok(()) } else { Err(NoFile::Other(kind(found))) }
}

/// What something is, for people.
pub(crate) fn kind(found: FileType) -> &'static str {
    match found {
        kind if kind.is_file() => "a regular file",
        kind if kind.is_dir() => "a directory",
        kind if kind.is_symlink() => "a link",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Puts a named pipe in place of whatever is at `path`.
    pub(crate) fn put_a_pipe(path: &Path) {
        let _ = std::fs::remove_file(path);
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600));
        rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).expect("a pipe");
    }

    #[test]
    fn what_is_no_regular_file_is_named_and_nobody_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        put_a_pipe(&at("pipe"));
        symlink(at("pipe"), at("link")).unwrap();
        symlink("/dev/zero", at("zero")).unwrap();
        std::fs::create_dir(at("directory")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for (name, what) in [
            ("pipe", "a named pipe"),
            ("link", "a named pipe"),
            ("zero", "a device"),
            ("directory", "a directory"),
            ("socket", "a socket"),
        ] {
            let mut writing = OpenOptions::new();
            let written = open_as(&at(name), writing.append(true).create(true), OFlags::empty());
            for refused in [read(&at(name), SMALL).map(drop), written.map(drop)] {
                let refused = refused.expect_err(name);
                assert!(NoFile::is_in(&refused), "{name}: {refused}");
                assert_eq!(refused.to_string(), format!("it is {what}, not a regular file"));
            }
            assert!(open_or_pipe(&at(name)).is_err(), "{name}");
        }
        assert_eq!(open(&at("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_is_read_through_a_link_and_up_to_its_bound() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&file, "content").unwrap();
        symlink(&file, &link).unwrap();
        assert_eq!(read(&link, 7).unwrap(), b"content");
        let refused = read(&link, 6).unwrap_err();
        assert!(NoFile::is_in(&refused) && refused.to_string().contains("larger than 6 bytes"));
    }

    #[test]
    fn a_pipe_that_the_command_line_itself_holds_is_read() {
        let (reader, mut writer) = io::pipe().unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&reader);
        io::Write::write_all(&mut writer, b"piped").unwrap();
        drop(writer);
        let path = format!("/dev/fd/{number}");
        let mut text = String::new();
        open_or_pipe(Path::new(&path)).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "piped");
    }
}
