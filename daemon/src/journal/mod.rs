//! The daemon's log lines, on standard error: how they look, which priority the journal gives them, and who writes them.
//!
//! Invariant: no line ends or delays the daemon. Lines go through a bounded queue to a thread of their own (`writer`); while
//! standard error cannot be written, they are counted and dropped, and the journal is told how many when it can be
//! written again. Only an end of the process waits for the queue, and not for long.
//! Knows nothing of what the lines say.

mod lines;
mod writer;

use crate::config::{LogConfig, LogFormat};
use lines::Lines;
use rustix::fs::fstat;
use std::io::{self, IsTerminal as _};
use std::sync::OnceLock;
use std::time::Duration;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};
use writer::Queue;

/// The target of lines that an operator should notice though nothing is wrong: the journal's priority `notice`.
pub(crate) const NOTICE: &str = "quorate::notice";
/// How long an end of the process waits for lines that are not written yet: a reader that lives takes them at once.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The one journal of this process; none before [`start`]. Global, since whatever ends the process must reach it.
static JOURNAL: OnceLock<Journal> = OnceLock::new();

#[derive(Debug)]
struct Journal {
    queue: Queue,
    filter: reload::Handle<EnvFilter, Registry>,
}

/// Starts it. What is logged before goes nowhere.
///
/// # Errors
/// When the system gives no thread, or it was started already.
pub(crate) fn start(config: &LogConfig) -> io::Result<()> {
    let (filter, handle) = reload::Layer::new(filter(&config.level));
    let queue = Queue::spawn(standard_error()?)?;
    let journald = journald();
    let lines = Lines { queue: queue.clone(), priorities: journald };
    let layer = fmt::layer().with_writer(lines).with_ansi(io::stderr().is_terminal());
    let layer = match (config.format, journald) {
        (LogFormat::Json, _) => layer.json().boxed(),
        // The journal has its own time stamps.
        (LogFormat::Text, true) => layer.without_time().with_target(false).boxed(),
        (LogFormat::Text, false) => layer.with_target(false).boxed(),
    };
    let started = tracing_subscriber::registry().with(filter).with(layer).try_init();
    started.map_err(io::Error::other)?;
    let twice = JOURNAL.set(Journal { queue, filter: handle });
    twice.map_err(|_| io::Error::other("the journal was started twice"))
}

/// Shows other lines from now on. `level` is a filter as the configuration has it.
pub(crate) fn set_level(level: &str) {
    if let Some(journal) = JOURNAL.get() {
        // It fails only when there is no subscriber any more, and then nothing is logged.
        let _ = journal.filter.reload(filter(level));
    }
}

/// Lines that were dropped since the start, because standard error could not be written.
pub(crate) fn lost_lines() -> u64 {
    JOURNAL.get().map_or(0, |journal| journal.queue.lost())
}

/// Waits, for a second at most, until what was logged is written: before the process ends.
pub(crate) fn flush() {
    if let Some(journal) = JOURNAL.get() {
        journal.queue.flush(LAST_LINES);
    }
}

/// Says something at the end of the process, through the journal where it was started. A standard error that cannot be
/// written changes nothing.
pub(crate) fn last_words(text: &str) {
    if JOURNAL.get().is_some() {
        tracing::error!("{text}");
        flush();
    } else {
        // An error by the journal's priorities, as all last words are.
        let priority = if journald() { "<3>" } else { "" };
        crate::cli::complain(&format!("{priority}quorate: {text}"));
    }
}

fn filter(level: &str) -> EnvFilter {
    // The configuration has refused what is no filter.
    EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"))
}

/// A descriptor of our own: a thread that is stuck in a write must hold no lock that others wait for.
fn standard_error() -> io::Result<std::fs::File> {
    use std::os::fd::AsFd as _;
    Ok(io::stderr().as_fd().try_clone_to_owned()?.into())
}

/// Whether standard error of this process goes to systemd's journal.
fn journald() -> bool {
    is_journal(std::env::var("JOURNAL_STREAM").ok().as_deref())
}

/// Whether standard error goes to systemd's journal, as systemd.exec(5) says to find out: the variable is inherited, also by
/// programs whose output goes elsewhere.
fn is_journal(stream: Option<&str>) -> bool {
    let Some((device, inode)) = stream.and_then(|stream| stream.split_once(':')) else {
        return false;
    };
    let found = fstat(io::stderr());
    found.is_ok_and(|found| device.parse() == Ok(found.st_dev) && inode.parse() == Ok(found.st_ino))
}
