//! What became of one run of a hook: how it ended, and the end of what it printed.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes that are kept of what a run prints on each of its two outputs: its end, where errors stand.
pub(super) const KEPT: usize = 16 * 1024;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum How {
    /// With this code.
    Exited(i32),
    /// By this signal, which came from somebody else.
    Signalled(i32),
    /// It was killed after its time.
    TimedOut,
    /// It was killed because the runner ends.
    Stopped,
    /// It could not be started.
    NotStarted(String),
}

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) how: How,
    pub(super) took_ms: u64,
    pub(super) out: Printed,
    pub(super) err: Printed,
    /// Processes that it left behind when it ended, and that were killed.
    pub(super) left: u32,
    /// Processes that could not be killed, as those of another user.
    pub(super) unkilled: u32,
}

/// What was printed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Printed {
    /// Its end.
    pub(super) end: String,
    /// Bytes in all.
    pub(super) bytes: u64,
}

impl Report {
    pub(super) fn is_success(&self) -> bool {
        self.how == How::Exited(0)
    }

    /// How it ended, in a sentence.
    pub(super) fn in_words(&self, timeout: Duration) -> String {
        let mut words = match &self.how {
            How::Exited(0) => "succeeded".to_owned(),
            How::Exited(code) => format!("exited with {code}"),
            How::Signalled(signal) => format!("was killed by signal {signal}"),
            How::TimedOut => {
                format!("took longer than {timeout:?} and was killed with all its children")
            }
            How::Stopped => "was killed because the runner ends".to_owned(),
            How::NotStarted(why) => format!("could not be started: {why}"),
        };
        if self.left > 0 {
            words.push_str(&format!("; {} processes that it left behind were killed", self.left));
        }
        if self.unkilled > 0 {
            words.push_str(&format!("; {} processes could not be killed", self.unkilled));
        }
        words
    }

    /// The last line that it printed on this output.
    pub(super) fn last_line(printed: &Printed) -> &str {
        printed.end.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default()
    }
}

/// Keeps the end of what is printed.
#[derive(Debug, Default)]
pub(super) struct Tail {
    kept: VecDeque<u8>,
    bytes: u64,
}

impl Tail {
    pub(super) fn add(&mut self, part: &[u8]) {
        self.bytes += part.len() as u64;
        let part = &part[part.len().saturating_sub(KEPT)..];
        let over = (self.kept.len() + part.len()).saturating_sub(KEPT);
        self.kept.drain(..over);
        self.kept.extend(part);
    }

    pub(super) fn printed(mut self) -> Printed {
        let end = String::from_utf8_lossy(self.kept.make_contiguous()).into_owned();
        Printed { end, bytes: self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_printed_the_end_is_kept_and_all_is_counted() {
        let mut tail = Tail::default();
        for _ in 0..100 {
            tail.add(&[b'x'; 1024]);
        }
        tail.add(&vec![b'y'; 3 * KEPT]);
        tail.add(b"\nthe end\n\n");
        let printed = tail.printed();
        assert_eq!(printed.bytes, 100 * 1024 + 3 * KEPT as u64 + 10);
        assert_eq!(printed.end.len(), KEPT);
        assert!(printed.end.starts_with('y'), "what was first is gone");
        assert_eq!(Report::last_line(&printed), "the end");
    }
}
