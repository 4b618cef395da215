//! A process that is to end with the one that started it.
//!
//! Knows nothing of why.

use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use std::io;

/// Has the kernel send this process a signal when its parent ends. False when `parent` is not its parent, as where that has ended already.
///
/// # Errors
/// What the system says.
pub(crate) fn end_with(parent: u32, signal: Signal) -> io::Result<bool> {
    set_parent_process_death_signal(Some(signal))?;
    // It may have ended before the kernel was asked.
    let found = getppid().map_or(0, |id| id.as_raw_nonzero().get());
    Ok(u32::try_from(found) == Ok(parent))
}
