//! The command that is wrapped: how it is started in a group of its own, told of an amount, and ended with all of its group.
//!
//! Invariants: when this process ends by itself, all of the command's group is killed; when it is killed, the kernel kills the command, and
//! what that had started is left to whoever killed (systemd kills all of a unit). Nothing is signalled but that group: the command is buried
//! last, and until then nobody else can have its number. Knows nothing of shares beyond the three figures that the command is told.

mod group;

use super::machine::Use;
use crate::cli::exit::{Exit, Failure};
use crate::parent;
use crate::regular;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, test_kill_process_group, waitid,
};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus};

/// What is typed behind `--`, and where it finds an amount.
#[derive(Debug)]
pub(super) struct Wrapped {
    pub(super) command: Vec<String>,
    /// The item, of an assignment; its amount is no number.
    pub(super) item: Option<String>,
    /// Has the amount, and nothing else.
    pub(super) file: Option<PathBuf>,
}

impl Wrapped {
    /// Starts it with an amount.
    pub(super) fn start(&self, may: &Use) -> Result<Running, Failure> {
        self.write(may)?;
        let amount = may.amount.to_string();
        let placed = self.item.as_deref().unwrap_or(&amount);
        let (program, arguments) = self.command.split_first().ok_or_else(|| {
            Failure::new(Exit::Usage, "usage", "write the command behind `--`: -- CMD ARGS {}")
        })?;
        // Of this process, also when another version was installed meanwhile.
        let mut command = Command::new("/proc/self/exe");
        command.args(["run-with-child", "--parent"]).arg(std::process::id().to_string());
        command.arg("--").arg(program).args(arguments.iter().map(|it| it.replace("{}", placed)));
        command.env("QUORATE_SHARE_NUMBER", may.number.to_string());
        let deadline = may.deadline.map(|at| at.to_string()).unwrap_or_default();
        command.env("QUORATE_SHARE_DEADLINE_MS", deadline);
        match &self.item {
            Some(item) => command.env("QUORATE_ITEM", item),
            None => command.env("QUORATE_SHARE", &amount),
        };
        let child = command.process_group(0).spawn();
        let child = child
            .map_err(|error| Failure::other(format!("`{program}` cannot be started: {error}")))?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let group = group.ok_or_else(|| Failure::other("the system gave no process id"))?;
        let (others, status) = (group::Others::of(group), None);
        Ok(Running { child, group, others, has_ended: false, was_asked: false, status })
    }

    /// Writes the amount into its file, aside and renamed.
    pub(super) fn write(&self, may: &Use) -> Result<(), Failure> {
        let Some(file) = &self.file else { return Ok(()) };
        replace(file, &format!("{}\n", may.amount)).map_err(|error| {
            let file = file.display();
            Failure::other(format!("the amount cannot be written to {file} (`--file`): {error}"))
        })
    }
}

fn replace(file: &Path, text: &str) -> io::Result<()> {
    let name = file.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let aside = file.with_file_name(format!(".{}.quorate-new", name.to_string_lossy()));
    regular::fresh(&aside, 0o666)?.write_all(text.as_bytes())?;
    fs::rename(&aside, file)
}

/// One that runs, with its group.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    group: Pid,
    others: group::Others,
    /// The command itself has, and others of its group may be there yet.
    has_ended: bool,
    /// All of the group was asked to end.
    was_asked: bool,
    /// How the command ended. What it had started and left in its group is killed by then.
    status: Option<ExitStatus>,
}

/// How far a command has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It runs.
    No,
    /// It has ended itself, and others of its group have not.
    Leaves,
    /// So it ended, and nothing is left of its group.
    With(ExitStatus),
}

impl Drop for Running {
    fn drop(&mut self) {
        // Once the command is buried, the number of its group may be another's.
        if self.status.is_none() {
            self.signal(Signal::KILL);
        }
    }
}

impl Running {
    /// Sends a signal to all of the group, while the command is not buried.
    pub(super) fn signal(&mut self, signal: Signal) {
        if self.status.is_some() {
            return;
        }
        self.was_asked |= signal == Signal::TERM;
        // A group that has ended already is none any more.
        let _ = kill_process_group(self.group, signal);
    }

    /// Asks all of the group to end. Once the command itself has ended, those that it left are asked who were not yet.
    pub(super) fn ask(&mut self) {
        if !(self.has_ended && self.was_asked) {
            self.signal(Signal::TERM);
        }
    }

    /// How far it is: what was killed may take a while to be gone.
    pub(super) fn end(&mut self) -> End {
        if self.status.is_none() {
            // It is looked at first and taken afterwards: while it is not, nobody else can have the number of its group.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            if matches!(waitid(WaitId::Pid(self.group), options), Ok(None) | Err(Errno::INTR)) {
                return End::No;
            }
            self.has_ended = true;
            if self.others.are_there() {
                return End::Leaves;
            }
            // Those that this process may not see.
            self.signal(Signal::KILL);
            self.status = self.child.try_wait().ok().flatten();
        }
        let is_gone = matches!(test_kill_process_group(self.group), Err(Errno::SRCH))
            || self.status.is_some() && self.others.are_all_dead();
        self.status.filter(|_| is_gone).map_or(End::Leaves, End::With)
    }

    /// The command itself has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }
}

/// The exit code of a command, as a shell has it.
pub(super) fn code_of(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Becomes a command, which is killed when `parent` ends.
pub(crate) fn become_child(parent: u32, command: &[String]) -> Result<ExitCode, Failure> {
    let failed = |error: io::Error| Failure::other(format!("cannot start a command: {error}"));
    if !parent::end_with(parent, Signal::KILL).map_err(failed)? {
        return Err(Failure::other("whoever started this is gone"));
    }
    let (program, arguments) =
        command.split_first().ok_or_else(|| Failure::other("no command was given"))?;
    let error = Command::new(program).args(arguments).exec();
    crate::cli::stderr::complain(&format!("quorate: `{program}` cannot be run: {error}"));
    Ok(ExitCode::from(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }))
}
