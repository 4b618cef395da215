//! The daemon's loop.

use crate::cli::RunOptions;
use std::process::ExitCode;

/// Runs the daemon.
pub(crate) fn run(_options: &RunOptions) -> ExitCode {
    eprintln!("quorate run: not built into this binary");
    ExitCode::FAILURE
}

/// Says goodbye for a daemon that ended without one.
pub(crate) fn farewell(_options: &RunOptions) -> ExitCode {
    eprintln!("quorate farewell: not built into this binary");
    ExitCode::FAILURE
}
