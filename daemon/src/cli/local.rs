//! The commands that need no daemon: `reset`, `secret`, `check-config`.

use super::arguments::{CheckConfigOptions, Format, ResetOptions, SecretCommand};
use super::exit::Failure;
use std::process::ExitCode;

/// `quorate reset`.
pub(super) fn reset(_options: &ResetOptions) -> ExitCode {
    Failure::other("reset: not built into this binary").report(Format::Table)
}

/// `quorate check-config`.
pub(super) fn check_config(_options: &CheckConfigOptions) -> ExitCode {
    Failure::other("check-config: not built into this binary").report(Format::Table)
}

/// `quorate secret`.
pub(super) fn secret(_command: SecretCommand, _format: Format) -> Result<ExitCode, Failure> {
    Err(Failure::other("secret: not built into this binary"))
}
