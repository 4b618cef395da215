//! `quorate why` and `quorate status` where no daemon answers: what can be known without one. Checks the configuration as
//! `check-config` does, and shows the last error of the daemon and what systemd says of its unit.

use super::client::Client;
use crate::api::pages::findings::Finding;
use crate::config::{self, Config, Environment};
use crate::run::last_error;
use quorate_proto::DaemonCause;
use std::fmt;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether nobody listens at the socket; one that may not be asked is there.
pub(super) fn is_absent(client: &Client) -> bool {
    match UnixStream::connect(client.socket()) {
        Ok(_) => false,
        Err(error) => matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused),
    }
}

/// Everything that is known of why no daemon answers.
pub(super) fn findings(client: &Client) -> Vec<Finding> {
    let socket = PathBuf::from(client.socket());
    // What systemd runs, with the usual configuration, is the daemon with the usual socket.
    let usual = socket == Path::new(super::arguments::SOCKET);
    let unit = usual.then(unit_state).flatten();
    let journal = || last_in_journal(unit.as_ref()?.failed_run()?);
    let last = last_error::read(&socket).or_else(journal);
    let unit = unit.as_ref().map(ToString::to_string);
    let ended = match last_error::read_waiting(&socket) {
        Some(waits) => DaemonCause::Waits { socket: client.socket(), unit, waits },
        None => DaemonCause::Ended { socket: client.socket(), unit, last },
    };
    causes(bad_config(usual), ended).iter().map(Finding::of).collect()
}

/// What adds something. A configuration that is refused explains why there is no daemon, unless that ended with another error.
fn causes(config: Option<DaemonCause>, ended: DaemonCause) -> Vec<DaemonCause> {
    let explained = match (&config, &ended) {
        (Some(DaemonCause::Config { problem, .. }), DaemonCause::Ended { last, .. }) => {
            last.as_ref().is_none_or(|last| last.contains(problem.as_str()))
        }
        _ => false,
    };
    config.into_iter().chain((!explained).then_some(ended)).collect()
}

/// The configuration that the daemon would read, when it is refused. Who may not read it cannot judge it.
fn bad_config(usual: bool) -> Option<DaemonCause> {
    let named = std::env::var_os("QUORATE_CONFIG");
    if named.is_none() && !(usual && rustix::process::geteuid().is_root()) {
        return None;
    }
    let file = named.map_or_else(|| PathBuf::from(config::DEFAULT_PATH), PathBuf::from);
    let problem = Config::load(&file, None, &Environment::of_process()).err()?.to_string();
    Some(DaemonCause::Config { file: file.display().to_string(), problem })
}

/// One line of a command of systemd; none where there is no systemd, or it does not say.
fn said(command: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(command)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// What systemd says of the unit.
#[derive(Debug, Clone, PartialEq, Eq)]
struct UnitState {
    active: String,
    sub: String,
    result: String,
    restarts: String,
    /// Names the last run; empty where it is not known any more.
    invocation: String,
}

impl UnitState {
    /// From `systemctl show`; none where there is no such unit.
    fn read(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        };
        if value("LoadState")? != "loaded" {
            return None;
        }
        Some(Self {
            active: value("ActiveState")?,
            sub: value("SubState")?,
            result: value("Result")?,
            restarts: value("NRestarts").unwrap_or_else(|| "0".to_owned()),
            invocation: value("InvocationID").unwrap_or_default(),
        })
    }

    /// The last run, if it failed: what an earlier one said explains nothing.
    fn failed_run(&self) -> Option<&str> {
        (self.result != "success" && !self.invocation.is_empty()).then_some(&self.invocation)
    }
}

impl fmt::Display for UnitState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { active, sub, result, restarts, .. } = self;
        write!(out, "{active} ({sub}), last result {result}, started again {restarts} times")
    }
}

fn unit_state() -> Option<UnitState> {
    let properties = "--property=LoadState,ActiveState,SubState,Result,NRestarts,InvocationID";
    UnitState::read(&said("systemctl", &["show", "quorate", properties])?)
}

/// The last error that quorate itself wrote in this run. What systemd says of the run has another field, and is in the unit's state.
fn last_in_journal(run: &str) -> Option<String> {
    let run = format!("_SYSTEMD_INVOCATION_ID={run}");
    let text =
        said("journalctl", &[&run, "-p", "err", "-n", "1", "-o", "cat", "--no-pager", "-q"])?;
    text.lines().last().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_is_refused_is_told_alone_unless_the_daemon_ended_with_another_error() {
        let config = || DaemonCause::Config {
            file: "/etc/quorate/quorate.toml".to_owned(),
            problem: "unknown key `colour`".to_owned(),
        };
        let ended = |last: Option<&str>| DaemonCause::Ended {
            socket: "/run/quorate/quorate.sock".to_owned(),
            unit: Some("failed (failed)".to_owned()),
            last: last.map(str::to_owned),
        };
        assert_eq!(causes(Some(config()), ended(None)), [config()]);
        let same = ended(Some("cannot start: unknown key `colour`"));
        assert_eq!(causes(Some(config()), same), [config()]);
        let other = ended(Some("the disk failed"));
        assert_eq!(causes(Some(config()), other.clone()), [config(), other.clone()]);
        assert_eq!(causes(None, other.clone()), [other]);
    }

    #[test]
    fn the_journal_is_asked_only_for_a_last_run_that_failed() {
        let shown = |result: &str| {
            format!(
                "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult={result}\nNRestarts=3\nInvocationID=0a1b\n"
            )
        };
        let failed = UnitState::read(&shown("exit-code")).expect("a unit");
        assert_eq!(failed.failed_run(), Some("0a1b"));
        assert_eq!(
            failed.to_string(),
            "failed (failed), last result exit-code, started again 3 times"
        );
        let stopped = UnitState::read(&shown("success")).expect("a unit");
        assert_eq!(stopped.failed_run(), None, "it was stopped in order");
        let forgotten = UnitState { invocation: String::new(), ..failed };
        assert_eq!(forgotten.failed_run(), None);
        assert_eq!(UnitState::read("LoadState=not-found\nActiveState=inactive\n"), None);
    }
}
