//! Standard error: what is said beside the answer, or instead of it.

use std::io::Write as _;

/// Says something on standard error, with the end of the line. Where nobody can be told, nothing else happens.
pub(crate) fn complain(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}
