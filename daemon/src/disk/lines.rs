//! Lines that are kept over restarts: the file that is written, and the one before it.
//!
//! Invariants: both together are bounded. A line counts only with its checksum, so what a power cut or a full disk left of one costs that
//! line and no other. Nothing is synced and nothing depends on it: what cannot be written is lost, and the caller is told.
//! Knows nothing of what the lines say.

use crate::regular;
use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Bytes of each of the two files: some thousands of lines.
const BOUND: u64 = 1024 * 1024;
/// The largest line that is kept: one alone must not drive out all others.
const LINE: usize = 128 * 1024;
const _: () = assert!((LINE as u64) < BOUND / 4);
const FILE: &str = "events";
const BEFORE: &str = "events.before";

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct LineFile {
    file: PathBuf,
    before: PathBuf,
    bound: u64,
    /// The file with its length; none before the first line, and behind a failure.
    open: Option<(File, u64)>,
}

impl LineFile {
    /// Those of a disk life, in its directory.
    pub(crate) fn of(life: &Path) -> Self {
        Self { file: life.join(FILE), before: life.join(BEFORE), bound: BOUND, open: None }
    }

    /// All whole lines, oldest first. What cannot be read is as if it were not there.
    pub(crate) fn read(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for path in [&self.before, &self.file] {
            match read_bounded(path, self.bound) {
                Ok(content) => {
                    lines.extend(content.split(|byte| *byte == b'\n').filter_map(line_in))
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::warn!(%error, file = %path.display(), "earlier events cannot be read");
                }
            }
        }
        lines
    }

    /// Writes one line behind the others. The oldest ones go where there is no room.
    ///
    /// # Errors
    /// When the disk refuses, or the line is too long or is not one: then it is lost.
    pub(crate) fn append(&mut self, line: &str) -> io::Result<()> {
        if line.len() > LINE || line.contains('\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the line is too long"));
        }
        let text = format!("{:08x} {line}\n", crc32fast::hash(line.as_bytes()));
        let added = text.len() as u64;
        let (mut file, mut length) = match self.open.take() {
            Some(open) => open,
            None => open(&self.file)?,
        };
        if length > 0 && length + added > self.bound {
            fs::rename(&self.file, &self.before)?;
            (file, length) = open(&self.file)?;
        }
        // Where that fails, the file is opened anew, and what stands there of the line is ended first.
        file.write_all(text.as_bytes())?;
        self.open = Some((file, length + added));
        Ok(())
    }
}

/// The file to write on, with its length. A line that was torn ends there.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    let options = options.read(true).append(true).create(true).mode(0o600);
    let mut file = regular::open_as(path, options, OFlags::empty())?;
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last == *b"\n" {
        return Ok((file, length));
    }
    file.write_all(b"\n")?;
    Ok((file, length + 1))
}

/// A file is never longer than its bound and the last line; another one was not written here.
fn read_bounded(path: &Path, bound: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    regular::open(path)?.take(bound + LINE as u64).read_to_end(&mut content)?;
    Ok(content)
}

fn line_in(bytes: &[u8]) -> Option<String> {
    let (sum, line) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    let whole = u32::from_str_radix(sum, 16) == Ok(crc32fast::hash(line.as_bytes()));
    whole.then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regular::tests::put_a_pipe;

    fn lines_in(dir: &Path) -> LineFile {
        LineFile { bound: 200, ..LineFile::of(dir) }
    }

    #[test]
    fn lines_are_there_in_another_run_and_the_oldest_go_at_the_bound() {
        let dir = tempfile::tempdir().unwrap();
        let mut lines = lines_in(dir.path());
        for number in 0..5 {
            lines.append(&format!("line {number}")).unwrap();
        }
        let mut again = lines_in(dir.path());
        assert_eq!(again.read(), ["line 0", "line 1", "line 2", "line 3", "line 4"]);
        for number in 5..500 {
            again.append(&format!("line {number}")).unwrap();
        }
        let kept = lines_in(dir.path()).read();
        assert_eq!(kept.last().unwrap(), "line 499");
        assert!((10..40).contains(&kept.len()), "{kept:?}");
        let size = |name| fs::metadata(dir.path().join(name)).unwrap().len();
        assert!(size(FILE) <= 200 && size(BEFORE) <= 200);
    }

    #[test]
    fn a_file_that_cannot_be_put_aside_does_not_grow() {
        let dir = tempfile::tempdir().unwrap();
        // No file takes the place of a directory.
        fs::create_dir(dir.path().join(BEFORE)).unwrap();
        let mut lines = lines_in(dir.path());
        let failed = (0..100).filter(|number| lines.append(&format!("line {number}")).is_err());
        assert!(failed.count() > 80);
        assert!(fs::metadata(dir.path().join(FILE)).unwrap().len() <= 200);
    }

    #[test]
    fn a_torn_or_damaged_line_costs_no_other() {
        let dir = tempfile::tempdir().unwrap();
        for line in ["first", "second", "third"] {
            lines_in(dir.path()).append(line).unwrap();
        }
        let path = dir.path().join(FILE);
        let mut content = fs::read(&path).unwrap();
        content.truncate(content.len() - 3);
        content[12] ^= 1;
        fs::write(&path, &content).unwrap();
        assert_eq!(lines_in(dir.path()).read(), ["second"]);
        let mut again = lines_in(dir.path());
        again.append("fourth").unwrap();
        assert_eq!(again.read(), ["second", "fourth"]);
    }

    #[test]
    fn a_pipe_in_place_of_the_file_costs_lines_and_nobody_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        put_a_pipe(&dir.path().join(FILE));
        let mut lines = lines_in(dir.path());
        assert!(lines.read().is_empty());
        let refused = lines.append("lost").unwrap_err().to_string();
        assert_eq!(refused, "it is a named pipe, not a regular file");
        fs::remove_file(dir.path().join(FILE)).unwrap();
        lines.append("kept").unwrap();
        assert_eq!(lines.read(), ["kept"]);
    }

    #[test]
    fn a_full_disk_costs_lines_and_what_comes_behind_it_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut lines = LineFile { open: Some((full, 0)), ..lines_in(dir.path()) };
        assert_eq!(lines.append("lost").unwrap_err().kind(), io::ErrorKind::StorageFull);
        lines.append("kept").unwrap();
        assert_eq!(lines.read(), ["kept"]);
        assert!(lines.append(&"x".repeat(LINE + 1)).is_err());
        assert!(lines.append("two\nlines").is_err());
        assert_eq!(lines.read(), ["kept"]);
    }
}
