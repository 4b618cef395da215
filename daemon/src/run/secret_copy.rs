//! The copy of what systemd handed over as the secret: the unit says goodbye with it for a daemon that crashed, for then it cannot read its
//! credentials any more, and puts a newer one in its place when it is reloaded.
//!
//! Invariant: it is for the daemon's user alone, in the runtime directory and so in memory, and does not outlast a stop in order. Whatever else
//! ends the daemon, its unit removes it behind the goodbye; so it does where the daemon is stopped before it can do so itself.

use crate::config::Environment;
use crate::regular;
use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Where the copy is, if there is one.
#[derive(Debug)]
pub(super) struct SecretCopy(Option<PathBuf>);

impl SecretCopy {
    /// Makes it, where systemd hands the secret over. Without it a crash is noticed by silence alone, so an error ends nothing.
    pub(super) fn make(environment: &Environment) -> Self {
        let (Some(from), Some(directory)) = (&environment.credentials, &environment.reloaded)
        else {
            return Self(None);
        };
        // A daemon that begins again in its own process goes by the copy already.
        if from != directory
            && let Err(error) = copy(&from.join("secret"), directory)
        {
            tracing::warn!(
                %error,
                directory = %directory.display(),
                "there is no copy of the secret with which the unit could say goodbye behind a crash"
            );
        }
        Self(Some(directory.clone()))
    }

    /// Behind a stop in order nobody says goodbye any more.
    pub(super) fn remove(self) {
        if let Some(directory) = self.0 {
            let _ = fs::remove_dir_all(directory);
        }
    }
}

fn copy(secret: &Path, directory: &Path) -> io::Result<()> {
    let secret = match fs::read(secret) {
        // What an earlier start left here is not of this one.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match fs::remove_dir_all(directory) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        read => read?,
    };
    DirBuilder::new().mode(0o700).recursive(true).create(directory)?;
    let aside = directory.join("aside");
    regular::fresh(&aside, 0o400)?.write_all(&secret)?;
    fs::rename(aside, directory.join("secret"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_copy_is_of_this_start_for_the_daemons_user_alone_and_gone_behind_a_stop() {
        let dir = tempfile::tempdir().expect("a directory");
        let (credentials, copies) = (dir.path().join("credentials"), dir.path().join("copies"));
        let environment = Environment {
            credentials: Some(credentials.clone()),
            reloaded: Some(copies.clone()),
            ..Environment::default()
        };
        fs::create_dir(&credentials).expect("a directory");
        SecretCopy::make(&environment);
        assert!(!copies.exists(), "nothing was handed over");
        for secret in ["of the first start", "of the second start, behind a crash of the first"] {
            fs::write(credentials.join("secret"), secret).expect("written");
            SecretCopy::make(&environment);
            let copy = copies.join("secret");
            assert_eq!(fs::read_to_string(&copy).expect("it is there"), secret);
            let mode = fs::metadata(&copy).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o400);
        }
        let again = Environment { credentials: Some(copies.clone()), ..environment };
        let copy = SecretCopy::make(&again);
        assert!(copies.join("secret").exists());
        copy.remove();
        assert!(!copies.exists());
    }
}
