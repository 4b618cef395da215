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
    let mut found: Vec<Finding> = bad_config(usual).iter().map(Finding::of).collect();
    let last = last_error::read(&socket).or_else(|| usual.then(last_in_journal).flatten());
    let unit = usual.then(unit_state).flatten();
    let ended = DaemonCause::Ended { socket: client.socket(), unit, last };
    found.push(Finding::of(&ended));
    found
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

fn last_in_journal() -> Option<String> {
    let text = said(
        "journalctl",
        &["-u", "quorate", "-p", "err", "-n", "1", "-o", "cat", "--no-pager", "-q"],
    )?;
    text.lines().last().map(str::to_owned)
}
