//! A `quorate hooks run` beside a real daemon, with hooks of its own: shell scripts that append what they were handed to a file, a line for
//! each run.

use super::host::{Host, Said, quorate};
use super::place::until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A runner on a host, with hooks of its own.
pub(super) struct Runner {
    pub(super) dir: PathBuf,
    pub(super) socket: String,
    child: Option<Child>,
}

impl Runner {
    /// Nothing runs yet.
    pub(super) fn beside(host: &Host) -> Self {
        let dir = host.file("hooks");
        for name in ["hooks.d", "files.d"] {
            fs::create_dir_all(dir.join(name)).expect("a directory");
        }
        Self { dir, socket: host.socket().display().to_string(), child: None }
    }

    pub(super) fn write(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.dir.join(name);
        let text = text.replace("DIR", &self.dir.display().to_string());
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        path.display().to_string()
    }

    /// A hook that first notes what it was handed.
    pub(super) fn hook(&self, name: &str, script: &str, extra: &str) {
        let note = format!("#!/bin/sh\n(cat; echo) >>DIR/{name}.runs\n{script}\n");
        let program = self.write(&format!("{name}.sh"), &note, 0o755);
        self.write(
            &format!("hooks.d/{name}.toml"),
            &format!("run = [\"{program}\"]\n{extra}"),
            0o644,
        );
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = quorate(&["--socket", &self.socket, "hooks"]);
        command.args(arguments);
        command
    }

    /// A file beside its hooks.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn dir(&self) -> String {
        self.dir.display().to_string()
    }

    pub(super) fn state(&self) -> String {
        // Where `quorate why` looks for it: beside the place of the socket.
        let place = Path::new(&self.socket).parent().expect("it has a place").display();
        format!("{place}-hooks")
    }

    pub(super) fn start(&mut self) {
        let command = self.command(&["run", "--dir", &self.dir(), "--state", &self.state()]);
        self.spawn(command);
    }

    pub(super) fn spawn(&mut self, mut command: Command) {
        let log =
            File::options().create(true).append(true).open(self.dir.join("log")).expect("a log");
        self.child = Some(command.stdout(Stdio::null()).stderr(log).spawn().expect("it runs"));
    }

    pub(super) fn ask(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().expect("the command line runs"))
    }

    /// What each run of a hook was handed.
    pub(super) fn runs(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.dir.join(format!("{name}.runs"))).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).expect("a view a line")).collect()
    }

    /// Waits until a run of a hook was handed what is wanted.
    #[track_caller]
    pub(super) fn run_with(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        until(&format!("{name} runs {what}"), || {
            let runs = self.runs(name);
            runs.iter().find(|run| wanted(run)).cloned().ok_or_else(|| format!("{runs:?}"))
        })
    }

    /// Waits until the status of a hook is as wanted.
    #[track_caller]
    pub(super) fn shows(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(&format!("{name} {what}"), || {
            let said = self.ask(&["status", "--state", &self.state(), "-o", "json"]);
            let page: Value = serde_json::from_str(&said.out).map_err(|_| said.text())?;
            let hooks = page["hooks"].as_array().cloned().unwrap_or_default();
            let hook = hooks.into_iter().find(|hook| hook["name"] == name && wanted(hook));
            hook.ok_or_else(|| page.to_string())
        })
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        kill_process(Pid::from_child(&child), Signal::TERM).expect("it takes a signal");
        let _ = child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the runner ---\n{}", self.log());
        }
    }
}
