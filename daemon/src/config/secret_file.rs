//! The shared secret: found, refused when others may read it, parsed. One line; two while it is rotated.
//!
//! Invariant: whoever reads it, the daemon under systemd, by hand, or a command, has one opinion of its mode.

use super::error::ConfigError;
use super::keys::{Keys, read_text};
use super::{Config, Environment};
use quorate_transport::Secret;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

pub(super) const DEFAULT: &str = "/etc/quorate/secret";
const MAKE_AGAIN: &str = "copy it from another host of the cluster, mode 0600";
const MAKE: &str = "make one on one host with `(umask 077; quorate secret new > /etc/quorate/secret)` and copy it to every host, mode 0600";

pub(super) fn read(
    keys: &Keys,
    environment: &Environment,
) -> Result<(PathBuf, Vec<Secret>), ConfigError> {
    let credential = environment.credentials.as_ref().map(|directory| directory.join("secret"));
    let default = credential.filter(|file| file.exists());
    let file = keys.path("secret_file", default, DEFAULT)?;
    let text = read_text(&file, remedy_for)?;
    let by_systemd = environment.credentials.as_ref().is_some_and(|dir| file.starts_with(dir));
    // Of what systemd hands over the mode is systemd's: others read the file of which that is a copy.
    let judged = if by_systemd { environment.secret_source.as_deref() } else { Some(&*file) };
    if let Some(judged) = judged.filter(|judged| !by_systemd || judged.exists()) {
        refuse_open_to_others(judged)?;
    }
    let secrets = parse(&file, &text)?;
    Ok((file, secrets))
}

/// At a reload: the file of which the secret was handed over as a copy must be there. The copy of before is, when it could not be made anew.
///
/// # Errors
/// When it is gone.
pub(crate) fn secret_source_is_there(
    config: &Config,
    environment: &Environment,
) -> Result<(), ConfigError> {
    let copied =
        environment.credentials.as_ref().is_some_and(|it| config.secret_file.starts_with(it));
    let Some(source) = environment.secret_source.as_deref().filter(|_| copied) else {
        return Ok(());
    };
    let looked = std::fs::metadata(source).and_then(|found| match found.is_file() {
        true => Ok(()),
        false => Err(std::io::Error::other("it is not a regular file")),
    });
    match looked {
        // A directory that is closed to this user says nothing of the file.
        Err(error) if error.kind() != ErrorKind::PermissionDenied => Err(ConfigError::Unreadable {
            file: source.to_owned(),
            reason: error.to_string(),
            remedy: MAKE_AGAIN.into(),
        }),
        _ => Ok(()),
    }
}

/// A secret that is there but closed to this user needs another owner, not another secret.
fn remedy_for(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::PermissionDenied => {
            "give it to the user that quorate runs as (`chown quorate FILE`), mode 0600"
        }
        _ => MAKE,
    }
}

fn refuse_open_to_others(file: &Path) -> Result<(), ConfigError> {
    let metadata = std::fs::metadata(file).map_err(|error| ConfigError::Unreadable {
        file: file.to_owned(),
        reason: error.to_string(),
        remedy: MAKE.into(),
    })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(ConfigError::Secret {
        file: file.to_owned(),
        rule: format!("others may read or write the cluster secret (mode {mode:04o})"),
        remedy: format!("run `chmod 600 {}`", file.display()),
    })
}

/// One secret, or two of which the first issues; empty lines and those that begin with `#` do not count.
///
/// # Errors
/// When there are none or more, or one is no secret.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Vec<Secret>, ConfigError> {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let refused =
        |rule: String| ConfigError::Secret { file: file.to_owned(), rule, remedy: MAKE.into() };
    if lines.is_empty() {
        return Err(refused("the file holds no secret".into()));
    }
    if lines.len() > 2 {
        return Err(refused(format!(
            "{} secrets: one is enough, two are for a rotation",
            lines.len()
        )));
    }
    lines
        .into_iter()
        .map(|line| Secret::parse(line).map_err(|error| refused(error.to_string())))
        .collect()
}
