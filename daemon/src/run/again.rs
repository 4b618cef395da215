//! The daemon begins again in its own process: same command line, same number, so that whoever started it need not do so again. What a
//! reload brought counts on: systemd's own copy of the secret is that of the start, and may have been dropped since.

use crate::config::{CREDENTIALS, Environment};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Replaces this process by a new start of the same program. Comes back only when that fails, with the reason.
pub(super) fn again() -> io::Error {
    let mut arguments = std::env::args_os();
    // The program that runs, also when its file was replaced meanwhile.
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    if let Some(directory) = Environment::of_process().of_reload().credentials {
        command.env(CREDENTIALS, directory);
    }
    command.args(arguments).exec()
}
