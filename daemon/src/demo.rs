//! The demonstration.

use crate::cli::DemoOptions;
use std::process::ExitCode;

/// Runs the demonstration.
pub(crate) fn demo(_options: &DemoOptions) -> ExitCode {
    eprintln!("quorate demo: not built into this binary");
    ExitCode::FAILURE
}
