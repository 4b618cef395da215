//! What becomes of one logged event on its way to the writer: cut to a length, and with a priority in front of each line
//! where systemd reads it (sd-daemon(3)).

use super::NOTICE;
use super::writer::Queue;
use std::io;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Most bytes of one event. The longest that the daemon has to say has a twentieth; the journal itself cuts at 48 KiB.
const LONGEST: usize = 16 * 1024;

/// Takes events as the formatter writes them, one call for each.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    pub(super) queue: Queue,
    /// Whether the reader takes priorities off the front of lines.
    pub(super) priorities: bool,
}

/// The place of one event.
#[derive(Debug)]
pub(super) struct Line<'a> {
    queue: &'a Queue,
    priority: Option<u8>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { queue: &self.queue, priority: None }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Line<'a> {
        let priority = self.priorities.then(|| priority(*about.level(), about.target()));
        Line { queue: &self.queue, priority }
    }
}

impl io::Write for Line<'_> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.queue.push(framed(event, self.priority));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The priority of syslog(3) that a level has.
fn priority(level: Level, target: &str) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO if target == NOTICE => 5,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// An event of any number of lines, each with the priority in front, and with an end.
fn framed(event: &[u8], priority: Option<u8>) -> Vec<u8> {
    let (event, cut) = match event.get(..LONGEST) {
        Some(front) => (front, " [cut]"),
        None => (event, ""),
    };
    let mut bytes = Vec::with_capacity(event.len() + 16);
    let event = event.strip_suffix(b"\n").unwrap_or(event);
    for line in event.split(|byte| *byte == b'\n') {
        if let Some(priority) = priority {
            bytes.extend_from_slice(format!("<{priority}>").as_bytes());
        }
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    bytes.pop();
    bytes.extend_from_slice(cut.as_bytes());
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_notices_and_details_have_different_priorities() {
        let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
        assert_eq!(levels.map(|level| priority(level, "quorate::run")), [3, 4, 6, 7, 7]);
        assert_eq!(priority(Level::INFO, NOTICE), 5);
    }

    #[test]
    fn each_line_of_an_event_has_the_priority_and_a_long_event_is_cut() {
        assert_eq!(framed(b"one\ntwo\n", Some(3)), b"<3>one\n<3>two\n");
        assert_eq!(framed(b"one\n", None), b"one\n");
        let long = framed(&[b'a'; 2 * LONGEST], None);
        assert!(long.len() < LONGEST + 16 && long.ends_with(b"a [cut]\n"));
    }
}
