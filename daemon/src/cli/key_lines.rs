//! The file of `export` and `import`: JSON, a line for each key, with a line before them that says what it is and one behind them that
//! counts them, so that a file that was cut off is not taken for whole. A file without these two lines is a list of keys, too.
//!
//! What stays true: one line is in memory at a time, and a line has a bound. Knows nothing of the daemon.

use super::exit::Failure;
use crate::api::keyspace::pages::given;
use bytes::Bytes;
use quorate_proto::limits;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Read as _};

/// Longest line: a whole request of control letters, each of which takes six in JSON.
const LINE: usize = 6 * limits::CLIENT_REQUEST + 4096;

/// The first line.
#[derive(Debug, Serialize)]
pub(super) struct First {
    pub(super) export: Head,
}

/// What was exported.
#[derive(Debug, Serialize)]
pub(super) struct Head {
    pub(super) cluster: String,
    pub(super) cluster_id: Option<String>,
    /// Of all keys, each as it was at this one.
    pub(super) revision: i64,
    pub(super) time: String,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Last {
    pub(super) end: End,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) keys: u64,
}

/// Any line, as it is read. What else it says is information.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    export: Option<serde::de::IgnoredAny>,
    end: Option<End>,
    key: Option<String>,
    key_base64: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
}

/// A key to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    /// The line that it stands in, counted from 1.
    pub(super) line: u64,
    pub(super) key: Bytes,
    pub(super) value: Bytes,
}

/// Reads the pairs of a file, and at its end whether it is whole.
pub(super) struct Pairs<R> {
    file: R,
    line: u64,
    /// Keys since the first line of an export whose last one has not come.
    open: Option<u64>,
    /// The line in which an export ended; behind it no key stands before another one begins.
    ended: Option<u64>,
}

impl<R: BufRead> Pairs<R> {
    pub(super) fn new(file: R) -> Self {
        Self { file, line: 0, open: None, ended: None }
    }

    /// The next pair; none at the end of a file that is whole.
    ///
    /// # Errors
    /// When a line is not understood, or keys are missing. The text names the line.
    pub(super) fn next(&mut self) -> Result<Option<Pair>, Failure> {
        loop {
            let Some(line) = self.line()? else { return self.ended() };
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let line: Line = serde_json::from_slice(&line)
                .map_err(|error| self.wrong(&format!("it is no line of an export: {error}")))?;
            if let Some(pair) = self.take(line)? {
                return Ok(Some(pair));
            }
        }
    }

    fn line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut line = Vec::new();
        self.line += 1;
        let most = LINE as u64 + 1;
        let read = self.file.by_ref().take(most).read_until(b'\n', &mut line);
        match read.map_err(|error| Failure::other(format!("cannot read the file: {error}")))? {
            0 => Ok(None),
            length if length > LINE => {
                Err(self.wrong("it is longer than any key and value can be"))
            }
            _ => Ok(Some(line)),
        }
    }

    fn take(&mut self, line: Line) -> Result<Option<Pair>, Failure> {
        let Line { export, end, key, key_base64, value, value_base64 } = line;
        if export.is_some() {
            self.ended = None;
            return match self.open.replace(0) {
                None => Ok(None),
                Some(_) => {
                    Err(self.wrong("another export begins before the end of the one before"))
                }
            };
        }
        if let Some(End { keys }) = end {
            self.ended = Some(self.line);
            return match self.open.take() {
                Some(found) if found == keys => Ok(None),
                Some(found) => Err(self.wrong(&format!(
                    "the export had {keys} keys, and there are {found} before this line: some are missing"
                ))),
                None => Err(self.wrong("an export ends that did not begin: its first line is missing")),
            };
        }
        if let Some(line) = self.ended {
            return Err(self.wrong(&format!(
                "it stands behind the end of an export (line {line}), which does not count it: two files may have been mixed"
            )));
        }
        let key = given("key", key, key_base64).map_err(|why| self.wrong(&why))?;
        let value = given("value", value, value_base64).map_err(|why| self.wrong(&why))?;
        let (Some(key), Some(value)) = (key, value) else {
            return Err(self.wrong("a key and a value are wanted, each as text or as _base64"));
        };
        self.open = self.open.map(|keys| keys + 1);
        Ok(Some(Pair { line: self.line, key, value }))
    }

    fn ended(&self) -> Result<Option<Pair>, Failure> {
        match self.open {
            None => Ok(None),
            Some(keys) => Err(Failure::other(format!(
                "the file ends behind {keys} keys of an export, whose last line is missing: it was cut off"
            ))),
        }
    }

    fn wrong(&self, why: &str) -> Failure {
        Failure::other(format!("line {}: {why}", self.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, u64)>, String> {
        let mut pairs = Pairs::new(text.as_bytes());
        let mut found = Vec::new();
        while let Some(pair) = pairs.next().map_err(|failure| failure.text)? {
            found.push((String::from_utf8_lossy(&pair.key).into_owned(), pair.line));
        }
        Ok(found)
    }

    const ONE: &str = "{\"key\":\"a\",\"value\":\"1\",\"mod_revision\":7}\n";
    const OTHER: &str = "{\"key_base64\":\"Yg==\",\"value_base64\":\"/w==\"}\n";
    const HEAD: &str = "{\"export\":{\"revision\":9}}\n";

    #[test]
    fn keys_are_read_with_their_lines_with_and_without_head_and_end() {
        let both = vec![("a".to_owned(), 1), ("b".to_owned(), 2)];
        assert_eq!(read(&format!("{ONE}{OTHER}")), Ok(both.clone()));
        let whole = format!("{HEAD}{ONE}\n{OTHER}{{\"end\":{{\"keys\":2}}}}");
        assert_eq!(read(&whole), Ok(vec![("a".to_owned(), 2), ("b".to_owned(), 4)]));
        assert_eq!(read(&format!("{whole}\n{whole}")).map(|found| found.len()), Ok(4));
    }

    #[test]
    fn an_export_that_was_cut_off_is_not_whole_wherever_it_was_cut() {
        let whole = format!("{HEAD}{ONE}{OTHER}{{\"end\":{{\"keys\":2}}}}\n");
        for length in 1..whole.len() - 1 {
            let cut = read(&whole[..length]);
            assert!(cut.is_err(), "{length}: {cut:?}");
        }
        let missing = read(&format!("{HEAD}{ONE}{{\"end\":{{\"keys\":2}}}}\n")).unwrap_err();
        assert!(missing.starts_with("line 3: the export had 2 keys"), "{missing}");
    }

    #[test]
    fn no_key_stands_behind_the_end_of_an_export_that_does_not_count_it() {
        let end = "{\"end\":{\"keys\":0}}\n";
        let told = read(&format!("{HEAD}{end}{ONE}")).unwrap_err();
        assert!(
            told.starts_with("line 3: it stands behind the end of an export (line 2)"),
            "{told}"
        );
        assert_eq!(read(&format!("{HEAD}{end}{HEAD}{end}")), Ok(Vec::new()));
    }

    #[test]
    fn a_line_that_is_no_key_is_named() {
        for wrong in [
            "x",
            "[]",
            "{\"key\":\"a\"}",
            "{\"value\":\"a\"}",
            "{\"key_base64\":\"?\",\"value\":\"\"}",
        ] {
            let told = read(&format!("{ONE}{wrong}\n")).unwrap_err();
            assert!(told.starts_with("line 2: "), "{wrong}: {told}");
        }
        let long = format!("{ONE}{}", "x".repeat(LINE + 1));
        assert_eq!(read(&long).unwrap_err(), "line 2: it is longer than any key and value can be");
    }
}
