//! The keeper: a process of its own around one run of a hook, which ends it and everything that it started.
//!
//! What stays true: when the keeper ends, no process of the run is left that it may kill. Whatever a hook starts, also what turns away
//! from its parents twice, becomes a child of the keeper when those end, because that is a subreaper; and it ends only when it has no
//! child any more. It is told to end by a signal, which the kernel sends too when the runner is gone. What a hook prints costs a bounded
//! memory here, and none in the runner. Knows nothing of views.

use super::report::{How, Report, Tail};
use crate::cli::Failure;
use crate::parent;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, kill_process_group,
    set_child_subreaper, wait,
};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};

/// How long killed processes may take to be gone: a process that hangs in the kernel ends later, or never.
const KILLING: Duration = Duration::from_secs(5);
/// How long their outputs are read then: whoever could not be killed may hold them open.
const DRAINING: Duration = Duration::from_millis(500);

/// Runs a command, prints the report of it, and ends well whatever became of it.
pub(super) fn keep(
    parent: u32,
    timeout: Duration,
    command: &[String],
) -> Result<ExitCode, Failure> {
    let failed = |error: io::Error| Failure::other(format!("cannot keep a hook: {error}"));
    set_child_subreaper(Some(getpid())).map_err(|error| failed(error.into()))?;
    if !parent::end_with(parent, Signal::TERM).map_err(failed)? {
        return Err(Failure::other("the runner is gone"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let report = runtime.map_err(failed)?.block_on(run(timeout, command)).map_err(failed)?;
    let text = serde_json::to_string(&report).map_err(|error| failed(error.into()))?;
    crate::cli::output::text(&format!("{text}\n"))?;
    Ok(ExitCode::SUCCESS)
}

async fn run(timeout: Duration, command: &[String]) -> io::Result<Report> {
    // Before the first child, so that the end of none is missed.
    let (mut ends, mut stop) = (signal(SignalKind::child())?, signal(SignalKind::terminate())?);
    // A terminal sends it to whoever asked for this run too, whose end the kernel tells of: to die of it would leave the run behind.
    let _passed_over = signal(SignalKind::interrupt())?;
    let began = Instant::now();
    let mut run = Run { main: None, ended: None };
    let (how, out, err, left, unkilled) = match spawn(command) {
        Err(error) => (How::NotStarted(error.to_string()), Tail::default(), Tail::default(), 0, 0),
        Ok((main, out, err)) => {
            run.main = Some(main);
            let (out, err) = (tokio::spawn(read(out)), tokio::spawn(read(err)));
            let how = run.watch(timeout, &mut ends, &mut stop).await;
            let (killed, unkilled) = run.kill_all(&mut ends).await;
            // The main process of a run that was cut short is none that it left behind.
            let left = if matches!(how, How::TimedOut | How::Stopped) { 0 } else { killed };
            (how, drained(out).await, drained(err).await, left, unkilled)
        }
    };
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Report { how, took_ms, out: out.printed(), err: err.printed(), left, unkilled })
}

/// The process group of its own is what dies first, at one blow.
fn spawn(command: &[String]) -> io::Result<(Pid, Receiver, Receiver)> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    // They are meant for the runner.
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"] {
        command.env_remove(name);
    }
    let mut child = command.spawn()?;
    let main = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let main = main.ok_or_else(|| io::Error::other("the system gave no process id"))?;
    let receiver = |end: Option<OwnedFd>| {
        end.map_or_else(|| Err(io::ErrorKind::BrokenPipe.into()), Receiver::from_owned_fd)
    };
    let out = receiver(child.stdout.take().map(Into::into))?;
    Ok((main, out, receiver(child.stderr.take().map(Into::into))?))
}

/// Reads to the end, however much that is.
async fn read(mut from: Receiver) -> Tail {
    let (mut tail, mut part) = (Tail::default(), vec![0; 16 * 1024]);
    loop {
        match from.read(&mut part).await {
            Ok(0) | Err(_) => return tail,
            Ok(count) => tail.add(&part[..count]),
        }
    }
}

/// Of an output that is held open by who could not be killed, nothing is known.
async fn drained(reading: tokio::task::JoinHandle<Tail>) -> Tail {
    match tokio::time::timeout(DRAINING, reading).await {
        Ok(Ok(tail)) => tail,
        _ => Tail::default(),
    }
}

struct Run {
    main: Option<Pid>,
    ended: Option<WaitStatus>,
}

impl Run {
    /// Until the main process ends, its time is over, or the runner wants it.
    async fn watch(&mut self, timeout: Duration, ends: &mut Signals, stop: &mut Signals) -> How {
        let over = tokio::time::sleep(timeout);
        tokio::pin!(over);
        loop {
            self.reap();
            if let Some(status) = self.ended {
                return match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => How::Exited(code),
                    (None, signal) => How::Signalled(signal.unwrap_or_default()),
                };
            }
            tokio::select! {
                _ = ends.recv() => {}
                _ = stop.recv() => return How::Stopped,
                () = &mut over => return How::TimedOut,
            }
        }
    }

    /// Takes note of all that have ended. True while there is any child.
    fn reap(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if Some(pid) == self.main => self.ended = Some(status),
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return true,
                // None is left.
                Err(_) => return false,
            }
        }
    }

    /// Kills whatever is left, and what becomes a child by that, until nothing is. Gives how many that were, and how many are left.
    async fn kill_all(&mut self, ends: &mut Signals) -> (u32, u32) {
        let over = tokio::time::sleep(KILLING);
        tokio::pin!(over);
        let (mut killed, mut seen) = (0, Vec::new());
        while self.reap() {
            // At one blow, so that none of it starts another one meanwhile.
            if let Some(main) = self.main {
                let _ = kill_process_group(main, Signal::KILL);
            }
            for child in children() {
                let dies = kill_process(child, Signal::KILL).is_ok();
                if dies && !seen.contains(&child) {
                    seen.push(child);
                    killed += 1;
                }
            }
            tokio::select! {
                _ = ends.recv() => {}
                () = &mut over => {
                    return (killed, u32::try_from(children().len()).unwrap_or(u32::MAX));
                }
            }
        }
        (killed, 0)
    }
}

/// The children of this process, as the kernel lists them.
fn children() -> Vec<Pid> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let ids: Vec<i32> = lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<i32>>()
        })
        .collect();
    ids.into_iter().filter_map(Pid::from_raw).collect()
}
