//! A program that is run as a check, and what it may not do: outlast its time, take the memory of the host, or leave processes behind.
//!
//! It runs in a process group of its own, which is killed as a whole when its time is over and also when it ended: what it started does not
//! outlast it, unless that made a session of its own. It gets no input, no environment of the daemon's, and a limit of memory and of
//! processes. Of what it prints the beginning is kept; the rest is read and dropped, so that it never waits for us.

use rustix::io::Errno;
use rustix::process::{
    Pid, Resource, Signal, WaitId, WaitIdOptions, getrlimit, kill_process_group, waitid,
};
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;

/// Bytes of output that are kept: the last word of a check is a line.
const KEPT: usize = 1024;
/// Bytes read at once.
const READ: usize = 8 * 1024;
/// A killed program that is not gone after this long waits for a disk or the like; its place is given back when it is.
const DYING: Duration = Duration::from_millis(500);
/// Of util-linux, which each distribution has: it takes on the limits and becomes the program, so nothing of that runs without them.
const LIMITER: &str = "prlimit";
/// Memory of each of its processes: a check needs little, and the unit's limit is the daemon's too.
const MEMORY: u64 = 512 * 1024 * 1024;
/// Processes and threads of the daemon's user, the daemon's own among them, above which a check can start no more: far below the unit's
/// `TasksMax`, so that the daemon itself still can.
const PROCESSES: u64 = 800;

/// Runs a program to its end, or to that of its time.
pub(super) async fn run(
    words: &[String],
    limit: Duration,
    place: OwnedSemaphorePermit,
) -> Result<String, String> {
    let name = &words[0];
    let cannot = |error: io::Error| format!("{name} cannot be run by {LIMITER}: {error}");
    let (mut running, output) = Running::start(words, place).map_err(cannot)?;
    let mut said = Said::default();
    match timeout(limit, running.ended(output, &mut said)).await {
        Ok(status) => judged(status.map_err(cannot)?, &said),
        Err(_) => {
            running.kill().await;
            let late = super::spoken(limit);
            Err(format!("not done within {late}: killed{}", said.tail()))
        }
    }
}

fn judged(status: ExitStatus, said: &Said) -> Result<String, String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(said.word().unwrap_or_else(|| "ended with 0".to_owned())),
        (Some(code), _) => Err(said.word().unwrap_or_else(|| format!("ended with {code}"))),
        (_, signal) => {
            let signal = signal.unwrap_or_default();
            Err(format!("ended by signal {signal}{}", said.tail()))
        }
    }
}

/// The beginning of what a program printed.
#[derive(Debug, Default)]
struct Said(Vec<u8>);

impl Said {
    fn take(&mut self, bytes: &[u8]) {
        let room = KEPT - self.0.len();
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn is_full(&self) -> bool {
        self.0.len() >= KEPT
    }

    /// Its first line that says something.
    fn word(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.0);
        text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
    }

    fn tail(&self) -> String {
        self.word().map_or_else(String::new, |word| format!(" ({word})"))
    }
}

/// A program that runs. Dropped, it is killed; its place is given back once it is buried.
struct Running {
    group: Arc<Group>,
    exit: oneshot::Receiver<io::Result<ExitStatus>>,
}

impl Running {
    fn start(words: &[String], place: OwnedSemaphorePermit) -> io::Result<(Self, Receiver)> {
        let (output, input) = io::pipe()?;
        let output = Receiver::from_owned_fd(output.into())?;
        let mut command = Command::new(LIMITER);
        for (name, what, most) in
            [("as", Resource::As, MEMORY), ("nproc", Resource::Nproc, PROCESSES)]
        {
            // Nobody may be given more than we have.
            let most = getrlimit(what).maximum.map_or(most, |ours| ours.min(most));
            command.arg(format!("--{name}={most}"));
        }
        command.arg("--").args(words).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.stdin(Stdio::null()).stdout(input.try_clone()?).stderr(input);
        let child = command.process_group(0).current_dir("/").spawn()?;
        let group = Arc::new(Group { pid: Pid::from_child(&child), buried: Mutex::new(false) });
        let (tell, exit) = oneshot::channel();
        let own = Arc::clone(&group);
        tokio::task::spawn_blocking(move || {
            let status = own.bury(child);
            drop(place);
            // Nobody may wait any more.
            let _ = tell.send(status);
        });
        // With `command` go our ends of the pipe.
        Ok((Self { group, exit }, output))
    }

    /// Reads what it prints until it ends. What its children print afterwards is not waited for.
    async fn ended(&mut self, mut output: Receiver, said: &mut Said) -> io::Result<ExitStatus> {
        let mut bytes = vec![0; READ];
        let mut open = true;
        loop {
            tokio::select! {
                read = output.read(&mut bytes), if open => match read {
                    Ok(0) | Err(_) => open = false,
                    Ok(count) => said.take(&bytes[..count]),
                },
                status = &mut self.exit => {
                    // What it printed before it ended is here by now.
                    // Asked of the system itself: the runtime may not have heard of it yet.
                    while open && !said.is_full() {
                        match rustix::io::read(&output, &mut bytes[..]) {
                            Ok(count @ 1..) => said.take(&bytes[..count]),
                            Ok(0) | Err(_) => break,
                        }
                    }
                    return status.unwrap_or_else(|_| Err(io::Error::other("nobody waited for it")));
                }
            }
        }
    }

    /// Kills it and waits a moment for its end. What takes longer keeps its place until it ends.
    async fn kill(&mut self) {
        self.group.kill();
        let _ = timeout(DYING, &mut self.exit).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.group.kill();
    }
}

/// A program with all that it started and that is in its group. The number of the group is its own until the program is buried, and another's
/// later.
struct Group {
    pid: Pid,
    buried: Mutex<bool>,
}

impl Group {
    fn buried(&self) -> std::sync::MutexGuard<'_, bool> {
        self.buried.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn kill(&self) {
        if !*self.buried() {
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
    }

    /// Waits for the end of the program, kills what it left behind, and buries it.
    fn bury(&self, mut child: Child) -> io::Result<ExitStatus> {
        let ended = || waitid(WaitId::Pid(self.pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        while matches!(ended(), Err(Errno::INTR)) {}
        let mut buried = self.buried();
        let _ = kill_process_group(self.pid, Signal::KILL);
        *buried = true;
        child.wait()
    }
}
