//! The commands that need no daemon: `reset`, `secret`, `check-config`.

use super::arguments::{CheckConfigOptions, Format, ResetOptions, SecretCommand};
use super::exit::Failure;
use super::output;
use quorate_transport::Secret;
use serde_json::json;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::ExitCode;

/// Longest secret file that is read.
const SECRET_FILE: u64 = 4096;

/// `quorate reset`.
pub(super) fn reset(_options: &ResetOptions) -> ExitCode {
    Failure::other("reset: not built into this binary").report(Format::Table)
}

/// `quorate check-config`.
pub(super) fn check_config(_options: &CheckConfigOptions) -> ExitCode {
    Failure::other("check-config: not built into this binary").report(Format::Table)
}

/// `quorate secret`.
pub(super) fn secret(command: SecretCommand, format: Format) -> Result<ExitCode, Failure> {
    let (name, text) = match command {
        SecretCommand::New => {
            let mut random = [0; 32];
            getrandom::fill(&mut random)
                .map_err(|error| Failure::other(format!("no randomness: {error}")))?;
            ("secret", Secret::generate(random).to_text())
        }
        SecretCommand::Fingerprint { file } => {
            let secret = Secret::parse(&read_secret(&file)?)
                .map_err(|error| Failure::other(format!("{}: {error}", file.display())))?;
            ("fingerprint", secret.fingerprint())
        }
    };
    match format {
        Format::Json => output::json(&json!({ name: text }))?,
        Format::Table => output::text(&format!("{text}\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read_secret(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(SECRET_FILE).read_to_string(&mut text)
    } else {
        std::fs::File::open(file)
            .and_then(|opened| opened.take(SECRET_FILE).read_to_string(&mut text))
    };
    let name = file.display();
    read.map_err(|error| {
        Failure::other(match error.kind() {
            ErrorKind::NotFound => format!(
                "{name} does not exist; `quorate secret new` makes a secret, the same for every host"
            ),
            ErrorKind::PermissionDenied => format!("no permission to read {name}; run this as root"),
            _ => format!("cannot read {name}: {error}"),
        })
    })?;
    Ok(text)
}
