//! What comes from standard input, and whether somebody there says yes.

use super::exit::{Exit, Failure};
use super::stderr::complain;
use bytes::Bytes;
use quorate_proto::limits;
use rustix::fs::{OFlags, fcntl_getfl, fstat, makedev};
use std::io::{BufRead as _, IsTerminal as _, Read as _};

/// All that comes until its end.
///
/// # Errors
/// When it cannot be read. One that is closed is no empty value.
pub(super) fn value() -> Result<Bytes, Failure> {
    if is_closed() {
        let text =
            "standard input is closed, so there is no value; an empty one is written as \"\"";
        return Err(Failure::new(Exit::Usage, "usage", text));
    }
    // One byte more than the daemon takes, so that it refuses with its own words.
    let limit = limits::CLIENT_REQUEST as u64 + 1;
    let mut value = Vec::new();
    std::io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut value)
        .map_err(|error| Failure::other(format!("cannot read the value: {error}")))?;
    Ok(value.into())
}

/// Goes on only where `--yes` was given, or somebody says yes to the question.
pub(super) fn must_be_meant(yes: bool, question: &str) -> Result<(), Failure> {
    if yes || says_yes(question) {
        return Ok(());
    }
    let text = "nobody said yes; nothing was changed. `--yes` says it in a script";
    Err(Failure::new(Exit::Usage, "usage", text))
}

/// Whether somebody says yes to a question. Where nobody is, nobody does.
fn says_yes(question: &str) -> bool {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return false;
    }
    complain(&format!("{question} [y/N]"));
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line).is_ok();
    read && matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Whether nothing was open there when the program began: Rust opens /dev/null in its place then, for reading and writing.
pub(super) fn is_closed() -> bool {
    let stdin = std::io::stdin();
    let null = makedev(1, 3);
    let both_ways = fcntl_getfl(&stdin).is_ok_and(|flags| flags.contains(OFlags::RDWR));
    both_ways && fstat(&stdin).is_ok_and(|file| file.st_rdev == null)
}
