//! Standard output: whole answers, flushed; a reader that has gone away (`| head`) ends the command quietly.

use serde::Serialize;
use std::io::{ErrorKind, IsTerminal, Write};

use super::exit::Failure;

/// Prints bytes as they are.
pub(super) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::other(format!("cannot write the answer: {error}"))),
    }
}

/// Prints a text that ends its own lines.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// Prints one object on one line.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let mut line = serde_json::to_string(value)
        .map_err(|error| Failure::other(format!("cannot write the answer as JSON: {error}")))?;
    line.push('\n');
    text(&line)
}

/// Whether colour helps: only on a terminal, and not for those who said no.
pub(crate) fn colour() -> bool {
    std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
