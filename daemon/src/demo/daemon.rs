//! One daemon of the demonstration: a process of this very binary, which ends at the latest when this process does.

use super::place::Files;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

/// What a daemon must not inherit from whoever runs the demonstration: another service's identity, another
/// daemon's files.
const FOREIGN: [&str; 9] = [
    "CREDENTIALS_DIRECTORY",
    "STATE_DIRECTORY",
    "NOTIFY_SOCKET",
    "JOURNAL_STREAM",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "QUORATE_CONFIG",
    "QUORATE_SOCKET",
    "RUST_LOG",
];

/// A daemon, running or not.
#[derive(Debug)]
pub(super) struct Daemon {
    /// Its files.
    pub(super) files: Files,
    child: Option<Child>,
}

impl Daemon {
    /// One that does not run yet.
    pub(super) fn new(files: Files) -> Self {
        Self { files, child: None }
    }

    /// Starts it, and says when.
    pub(super) fn start(&mut self) -> Result<Instant, String> {
        let name = self.files.name;
        self.spawn().map_err(|error| format!("cannot start {name}: {error}"))
    }

    fn spawn(&mut self) -> io::Result<Instant> {
        let log = File::options().append(true).create(true).open(&self.files.log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("run").arg("--config").arg(&self.files.config);
        command.arg("--host").arg(&self.files.host);
        command.arg("--end-with").arg(std::process::id().to_string());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // A Ctrl-C is for the demonstration, which then ends its daemons in good order.
        command.process_group(0);
        for name in FOREIGN {
            command.env_remove(name);
        }
        command.current_dir("/");
        let now = Instant::now();
        self.child = Some(command.spawn()?);
        Ok(now)
    }

    /// Its process, while it runs.
    pub(super) fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// `kill -9`: says when, by the clock just before.
    pub(super) fn kill(&mut self) -> Result<Instant, String> {
        let now = Instant::now();
        if let Some(mut child) = self.child.take() {
            let killed = child.kill().and_then(|()| child.wait());
            killed.map_err(|error| format!("cannot kill {}: {error}", self.files.name))?;
        }
        Ok(now)
    }

    /// Asks it to stop, and not to wait for its turn: all are asked.
    pub(super) fn ask_to_stop(&self) {
        if let Some(child) = &self.child {
            // It fails only when the process has ended already.
            let _ = kill_process(Pid::from_child(child), Signal::INT);
        }
    }

    /// How it ended, once it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        let ended = self.child.as_mut()?.try_wait().ok()??;
        self.child = None;
        Some(ended)
    }

    /// The end of its log, for who has to find out why something did not happen.
    pub(super) fn last_words(&self, lines: usize) -> Vec<String> {
        let mut last = VecDeque::with_capacity(lines + 1);
        if let Ok(log) = File::open(&self.files.log) {
            for line in BufReader::new(log).split(b'\n').map_while(Result::ok) {
                last.push_back(String::from_utf8_lossy(&line).replace(char::is_control, "?"));
                if last.len() > lines {
                    last.pop_front();
                }
            }
        }
        last.into()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It can only have ended by itself.
        let _ = self.kill();
    }
}

/// How a process ended, in words.
pub(super) fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "ended by itself".to_owned(),
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => format!("ended: {status}"),
    }
}
