//! `SIGHUP`: reads the configuration again, takes up what can change while the daemon runs, and says in one line what that
//! was and what waits for a restart.
//!
//! Invariant: a configuration that is refused changes nothing, and the daemon goes on. Only the level of the log and the secrets can
//! change: all else is a promise to other nodes, or is open already. The files of applications, and of what
//! hosts share, are read again whatever the configuration says: one that is wrong concerns its own definition alone.

use crate::applications::DropIns;
use crate::clock;
use crate::config::{Config, ConfigError, Environment, secret_source_is_there};
use crate::definitions;
use crate::journal::{self, NOTICE};
use quorate_proto::{Cause as _, DaemonCause, Reason};
use quorate_transport::Secret;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The keys that are taken up.
const LEVEL: &str = "log.level";
const SECRET: &str = "secret_file";

/// What the daemon runs with, and where it was read from.
#[derive(Debug)]
pub(crate) struct Reload {
    started: Config,
    /// The level that is shown now.
    level: String,
    host_file: Option<PathBuf>,
    environment: Environment,
    /// What the secret file has, for who follows it.
    secrets: watch::Sender<Vec<Secret>>,
    /// Why the last reading took nothing up; none when it did.
    refused: watch::Sender<Option<Reason>>,
    /// What the applications' files say, for who checks them.
    applications: watch::Sender<Arc<DropIns>>,
    /// What files define of budgets and assignments, for who offers it to the cluster.
    definitions: watch::Sender<Arc<definitions::DropIns>>,
}

/// The secrets of this host, as the file has them now and whenever it is read again.
type Secrets = watch::Receiver<Vec<Secret>>;
/// Why the last reading took nothing up; none when it did.
type Refused = watch::Receiver<Option<Reason>>;
/// What the applications' files say, as they were read last.
type Applications = watch::Receiver<Arc<DropIns>>;
/// What files define of budgets and assignments, as they were read last.
pub(crate) type Definitions = watch::Receiver<Arc<definitions::DropIns>>;

impl Reload {
    /// A daemon that was started with this. `host_file` is that of the command line, where it was given.
    pub(crate) fn new(
        started: Config,
        host_file: Option<PathBuf>,
        environment: Environment,
    ) -> Self {
        let secrets = watch::Sender::new(started.secrets.clone());
        let (level, refused) = (started.log.level.clone(), watch::Sender::new(None));
        let applications = watch::Sender::new(read_applications(&started));
        let definitions = watch::Sender::new(read_definitions(&started));
        Self { level, started, host_file, environment, secrets, refused, applications, definitions }
    }

    /// Takes up what it can at each `SIGHUP`; a second one that comes meanwhile is one more reading at most. Gives the secrets of this host,
    /// as the file has them now and whenever it is read again, why the last reading took nothing up, for who shows it, the applications, and
    /// the definitions.
    ///
    /// # Errors
    /// When the signal cannot be waited for.
    pub(crate) fn spawn(
        mut self,
    ) -> std::io::Result<(Secrets, Refused, Applications, Definitions)> {
        let told = (
            self.secrets.subscribe(),
            self.refused.subscribe(),
            self.applications.subscribe(),
            self.definitions.subscribe(),
        );
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
        Ok(told)
    }

    fn reload(&mut self) {
        self.reload_applications();
        self.reload_definitions();
        let host_file = self.host_file.as_deref();
        let environment = self.environment.of_reload();
        let read = Config::load(&self.started.file, host_file, &environment);
        // A copy of a file that is gone is no news: what it was made of is looked at, too.
        let read = read.and_then(|new| secret_source_is_there(&new, &environment).map(|()| new));
        let problem = read.as_ref().err().map(ToString::to_string);
        let cause = problem.map(|problem| DaemonCause::ReloadRefused { problem });
        self.refused.send_replace(cause.map(|cause| Reason::of(&cause, clock::now())));
        match read {
            Ok(new) => {
                let line = self.take(&new, &environment);
                journal::set_level(&self.level);
                tracing::info!(target: NOTICE, "{line}");
            }
            Err(error) => tracing::error!("{}", refused(&error)),
        }
    }

    fn reload_applications(&mut self) {
        let read = read_applications(&self.started);
        if **self.applications.borrow() == *read {
            return;
        }
        let (defined, wrong) = (read.definitions.len(), read.problems.len());
        tracing::info!(target: NOTICE, "{} was read again: {defined} applications, {wrong} files that cannot be used", self.started.apps_dir.display());
        self.applications.send_replace(read);
    }

    fn reload_definitions(&mut self) {
        let read = read_definitions(&self.started);
        if **self.definitions.borrow() != *read {
            let (budgets, assignments) = (read.budgets.len(), read.assignments.len());
            let wrong = read.problems.len();
            tracing::info!(target: NOTICE, "definitions were read again: {budgets} budgets, {assignments} assignments, {wrong} files that cannot be used");
        }
        // Also where they are as before: what the cluster has may differ no more, and is compared again.
        self.definitions.send_replace(read);
    }

    /// Takes up what can be, and gives the line that says so.
    fn take(&mut self, new: &Config, environment: &Environment) -> String {
        let file = self.started.file.display();
        let mut taken = Vec::new();
        if self.level != new.log.level {
            self.level.clone_from(&new.log.level);
            taken.push(format!("{LEVEL} is `{}` now", self.level));
        }
        if *self.secrets.borrow() != new.secrets {
            let prints: Vec<String> = new.secrets.iter().map(Secret::fingerprint).collect();
            taken.push(format!("the secret file has {} now", prints.join(" and ")));
            self.secrets.send_replace(new.secrets.clone());
        }
        if taken.is_empty() {
            taken.push("nothing to take up".to_owned());
        }
        let mut line = format!("{file} was read again: {}", taken.join("; "));
        let mut waiting = self.started.changed_keys(new);
        waiting.retain(|key| *key != LEVEL && *key != SECRET);
        if !waiting.is_empty() {
            let restart = "`systemctl restart quorate`";
            line.push_str(&format!("; changed, and needs a restart ({restart}): "));
            line.push_str(&waiting.join(", "));
        }
        let credentials = environment.credentials.as_ref();
        let of_start = environment.credentials != environment.reloaded;
        if of_start && credentials.is_some_and(|it| new.secret_file.starts_with(it)) {
            line.push_str(
                "; the secret is a copy that systemd made at the start: for a new one, `systemctl reload quorate` with the unit of this version",
            );
        }
        line
    }
}

/// What the applications' files say now; those that cannot be used are told in the journal.
fn read_applications(config: &Config) -> Arc<DropIns> {
    let read = config.drop_ins();
    for problem in &read.problems {
        tracing::error!("a file of an application is not used: {}", problem.text());
    }
    Arc::new(read)
}

/// What files define now; those that cannot be used are told in the journal.
fn read_definitions(config: &Config) -> Arc<definitions::DropIns> {
    let read = definitions::DropIns::read(&config.definitions);
    for problem in &read.problems {
        tracing::error!("a file of a definition is not used: {}", problem.text());
    }
    Arc::new(read)
}

fn refused(error: &ConfigError) -> String {
    format!("nothing was taken up, and the daemon goes on as it is: {error}")
}
