//! Starts a keeper for one run of a hook, and takes its report.
//!
//! Invariant: the runner waits for nothing here. The view is a file in memory, so nobody has to be fed with it; the report comes through
//! a pipe, and has a bound.

use super::report::Report;
use super::settings::Hook;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::process::{Child, Command, Stdio};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;

/// Bytes of a report: two tails, each letter of which may take six in JSON, and the rest.
const LARGEST: u64 = 13 * super::report::KEPT as u64;

/// A run that is under way.
#[derive(Debug)]
pub(super) struct Launched {
    child: Child,
    report: Receiver,
}

/// Starts it. `view` is what it finds on its standard input. The environment names the hook and the host too, for programs that read
/// no JSON, and what else is `named`.
///
/// # Errors
/// When the system gives no process, no memory or no pipe.
pub(super) fn launch(
    hook: &Hook,
    view: &[u8],
    host: &str,
    epoch: u64,
    named: &[(&str, String)],
) -> io::Result<Launched> {
    let mut stdin = File::from(memfd_create("view", MemfdFlags::CLOEXEC)?);
    stdin.write_all(view)?;
    stdin.rewind()?;
    // Of this process, also when another version was installed meanwhile.
    let mut keeper = Command::new("/proc/self/exe");
    keeper.args(["hooks", "keep", "--parent"]).arg(std::process::id().to_string());
    keeper
        .arg("--timeout")
        .arg(format!("{}ms", hook.timeout.as_millis()))
        .arg("--")
        .args(&hook.run);
    keeper.env("QUORATE_HOOK", &hook.name).env("QUORATE_HOST", host);
    keeper.env("QUORATE_EPOCH", epoch.to_string());
    keeper.envs(named.iter().map(|(name, value)| (name, value)));
    let mut child = keeper.stdin(stdin).stdout(Stdio::piped()).spawn()?;
    let pipe = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    Ok(Launched { child, report: Receiver::from_owned_fd(pipe.into())? })
}

impl Launched {
    /// What ends it.
    pub(super) fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// The report, once the run and all that it started have ended. None when the keeper ended without: then nobody knows what is left of
    /// the run.
    pub(super) async fn ended(mut self) -> Option<Report> {
        let mut text = Vec::new();
        let read = self.report.take(LARGEST).read_to_end(&mut text).await;
        // It ends right behind its report.
        let waited = tokio::task::spawn_blocking(move || self.child.wait()).await;
        read.ok()?;
        waited.ok()?.ok()?;
        serde_json::from_slice(&text).ok()
    }
}

/// Has a keeper end its run.
pub(super) fn stop(keeper: Pid) {
    // One that has ended already is none any more.
    let _ = kill_process(keeper, Signal::TERM);
}
