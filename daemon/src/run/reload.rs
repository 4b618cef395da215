//! `SIGHUP`: reads the configuration again, takes up what can change while the daemon runs, and says in one line what that
//! was and what waits for a restart.
//!
//! Invariant: a configuration that is refused changes nothing, and the daemon goes on. Only the level of the log can change:
//! all else is a promise to other nodes, or is open already.

use crate::config::{Config, ConfigError, Environment};
use crate::journal::{self, NOTICE};
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// The one key that is taken up.
const LEVEL: &str = "log.level";

/// What the daemon runs with, and where it was read from.
#[derive(Debug)]
pub(crate) struct Reload {
    started: Config,
    /// The level that is shown now.
    level: String,
    host_file: Option<PathBuf>,
    environment: Environment,
}

impl Reload {
    /// A daemon that was started with this. `host_file` is that of the command line, where it was given.
    pub(crate) fn new(
        started: Config,
        host_file: Option<PathBuf>,
        environment: Environment,
    ) -> Self {
        Self { level: started.log.level.clone(), started, host_file, environment }
    }

    /// Takes up what it can at each `SIGHUP`; a second one that comes meanwhile is one more reading at most.
    ///
    /// # Errors
    /// When the signal cannot be waited for.
    pub(crate) fn spawn(mut self) -> std::io::Result<()> {
        let mut asked = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while asked.recv().await.is_some() {
                // Away from the loop: the files may be on a disk that is slow.
                let read = tokio::task::spawn_blocking(move || {
                    self.reload();
                    self
                });
                match read.await {
                    Ok(reload) => self = reload,
                    Err(_) => return,
                }
            }
        });
        Ok(())
    }

    fn reload(&mut self) {
        let host_file = self.host_file.as_deref();
        let read = Config::load(&self.started.file, host_file, &self.environment);
        match read {
            Ok(new) => {
                let line = self.take(&new);
                journal::set_level(&self.level);
                tracing::info!(target: NOTICE, "{line}");
            }
            Err(error) => tracing::warn!("{}", refused(&error)),
        }
    }

    /// Takes up what can be, and gives the line that says so.
    fn take(&mut self, new: &Config) -> String {
        let file = self.started.file.display();
        let mut line = format!("{file} was read again: ");
        let levels = self.level != new.log.level;
        if levels {
            self.level.clone_from(&new.log.level);
            line.push_str(&format!("{LEVEL} is `{}` now", self.level));
        } else {
            line.push_str("nothing to take up");
        }
        let mut waiting = self.started.changed_keys(new);
        waiting.retain(|key| *key != LEVEL);
        if !waiting.is_empty() {
            let restart = "`systemctl restart quorate`";
            line.push_str(&format!("; changed, and needs a restart ({restart}): "));
            line.push_str(&waiting.join(", "));
        }
        let credentials = self.environment.credentials.as_ref();
        if credentials.is_some_and(|directory| new.secret_file.starts_with(directory)) {
            line.push_str(
                "; the secret is a copy that systemd made at the start: a new one needs a restart",
            );
        }
        line
    }
}

fn refused(error: &ConfigError) -> String {
    format!("nothing was taken up, and the daemon goes on as it is: {error}")
}
