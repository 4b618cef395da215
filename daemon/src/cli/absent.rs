//! `quorate why` and `quorate status` where no daemon answers: what can be known without one. Checks the configuration as
//! `check-config` does, and shows the last error of the daemon and what systemd says of its unit.

use super::client::Client;
use crate::config::{self, Config, Environment};
use crate::findings::Finding;
use crate::last_error;
use quorate_proto::DaemonCause;
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
    let last = last_error::read(&socket).or_else(|| usual.then(last_in_journal).flatten());
    let unit = usual.then(unit_state).flatten();
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

/// Its state, how the last run ended, and how often it was started again.
fn unit_state() -> Option<String> {
    let properties = "--property=LoadState,ActiveState,SubState,Result,NRestarts";
    let text = said("systemctl", &["show", "quorate", properties])?;
    let value = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    if value("LoadState")? != "loaded" {
        return None;
    }
    let (active, sub, result) = (value("ActiveState")?, value("SubState")?, value("Result")?);
    let restarts = value("NRestarts").unwrap_or("0");
    Some(format!("{active} ({sub}), last result {result}, started again {restarts} times"))
}

const OWN_WORDS: &str = "_SYSTEMD_UNIT=quorate.service";

/// The last error that quorate itself wrote.
fn last_in_journal() -> Option<String> {
    let text = said(
        "journalctl",
        // By the unit of the sender: `-u` would also find what systemd says of it, which is in the unit's state already.
        &[OWN_WORDS, "-p", "err", "-n", "1", "-o", "cat", "--no-pager", "-q"],
    )?;
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
    fn the_journal_is_asked_for_what_quorate_wrote_and_not_for_what_systemd_says_of_it() {
        assert!(OWN_WORDS.starts_with("_SYSTEMD_UNIT="), "trusted, and of the sender");
    }
}
