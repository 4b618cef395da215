//! Programs that are measured or judged: started in a directory of their own, killed when dropped.
//!
//! A program sees no environment but `PATH`: settings of this machine must not change what comes out.

use super::trouble::Trouble;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports that are handed out lie below the range from which the kernel takes the ports of clients (32768 and up).
const PORTS: std::ops::Range<u16> = 21_000..32_000;
/// Lines of a program's output shown when it ends by itself.
const TAIL: usize = 12;

static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

/// A port that is free for TCP and UDP and was not handed out before, as long as there are such.
pub fn free_port() -> Result<u16, Trouble> {
    let width = PORTS.end - PORTS.start;
    // Two benches on one machine begin at different places.
    let start = u16::try_from(std::process::id() % u32::from(width)).unwrap_or(0);
    for _ in 0..width {
        let step = NEXT_PORT.fetch_add(1, Ordering::Relaxed) % width;
        let port = PORTS.start + (start + step) % width;
        let free = TcpListener::bind(("127.0.0.1", port)).is_ok()
            && UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if free {
            return Ok(port);
        }
    }
    Err(Trouble::NoPort { first: PORTS.start, end: PORTS.end })
}

/// This port of this machine.
#[must_use]
pub fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A directory that goes when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    directory: tempfile::TempDir,
}

impl Scratch {
    /// A new one below `under`, which is made where it is missing.
    pub fn new(under: &Path) -> Result<Self, Trouble> {
        fs::create_dir_all(under).map_err(Trouble::at(format!("creating {}", under.display())))?;
        let directory = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(under)
            .map_err(Trouble::at(format!("a directory in {}", under.display())))?;
        Ok(Self { directory })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Leaves it there for whoever wants to look into it, and says where.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        self.directory.keep()
    }
}

/// How a program is started, again and again.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// What it is called when something is said of it.
    pub name: String,
    /// The file that is run.
    pub program: PathBuf,
    /// Its arguments, without the program's name.
    pub arguments: Vec<String>,
    /// Output is added here.
    pub output: PathBuf,
}

/// A program that runs.
#[derive(Debug)]
pub struct Process {
    child: Child,
    recipe: Recipe,
}

impl Recipe {
    /// Starts it; all output goes into the file.
    pub fn start(&self) -> Result<Process, Trouble> {
        self.spawn(false).map(|(process, _)| process)
    }

    /// Starts it with its standard output in the caller's hands.
    pub fn start_and_read(&self) -> Result<(Process, ChildStdout), Trouble> {
        let (process, stdout) = self.spawn(true)?;
        Ok((process, stdout.expect("standard output was asked for")))
    }

    fn spawn(&self, read: bool) -> Result<(Process, Option<ChildStdout>), Trouble> {
        let doing = || Trouble::at(format!("starting {}", self.program.display()));
        let output =
            File::options().create(true).append(true).open(&self.output).map_err(doing())?;
        let stdout = match read {
            true => Stdio::piped(),
            false => Stdio::from(output.try_clone().map_err(doing())?),
        };
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(output)
            .spawn()
            .map_err(doing())?;
        let stdout = child.stdout.take();
        Ok((Process { child, recipe: self.clone() }, stdout))
    }
}

impl Process {
    /// `kill -9`, and waits until the kernel has taken it away.
    pub fn kill(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// An error with its last words, when it has ended by itself.
    pub fn check(&mut self) -> Result<(), Trouble> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            _ => Err(Trouble::Ended {
                program: self.recipe.name.clone(),
                tail: tail(&self.recipe.output),
            }),
        }
    }

    /// How it ended; none as long as it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<(), Trouble> {
        kill_process(Pid::from_child(&self.child), signal)
            .map_err(|error| error.into())
            .map_err(Trouble::at(format!("a signal to {}", self.recipe.name)))
    }

    /// The kernel's number of it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn tail(file: &Path) -> String {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}
