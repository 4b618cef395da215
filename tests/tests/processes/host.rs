//! One host: its files, its daemon, and the questions that an operator would ask it, all through the shipped binary.
//!
//! Invariant: no daemon outlives its `Host`, and none sees an environment but `PATH`.

use super::place::{LIMIT, binary, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

/// Lines of a log that are shown when a test fails.
const TAIL: usize = 40;

/// A host, running or not.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) home: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) child: Option<Child>,
    /// The binary that it runs; none: the one that is shipped.
    pub(crate) installed: Option<PathBuf>,
}

/// What one command line said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Both streams, for assertions that do not care which.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.text());
        self.out
    }

    /// Every part is in the text, in any order.
    #[track_caller]
    pub(crate) fn names(&self, parts: &[&str]) {
        names(&self.text(), parts);
    }
}

/// Every part is in the text, in any order.
#[track_caller]
pub(crate) fn names(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not said in:\n{text}");
    }
}

/// A command of the binary, with an environment of its own.
pub(crate) fn quorate(arguments: &[&str]) -> Command {
    run_of(&binary(), arguments)
}

/// The same of another binary.
fn run_of(binary: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command.args(arguments).env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

impl Host {
    /// A directory for it; nothing runs yet.
    pub(crate) fn new(under: &Path, name: &str, listen: SocketAddr) -> Self {
        let home = under.join(name);
        fs::create_dir(&home).expect("a directory for the host");
        Self { name: name.to_owned(), home, listen, child: None, installed: None }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.file("sock")
    }

    /// Writes a file of this host, readable by its owner only.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.file(name);
        fs::write(&path, text).expect("a file of the host");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    }

    /// The configuration that the README shows, with places of its own. `extra` goes above the tables.
    pub(crate) fn configure(&self, seeds: &[String], secret: &Path, extra: &str) {
        let home = self.home.display();
        let seeds: Vec<String> = seeds.iter().map(|seed| format!("\"{seed}\"")).collect();
        self.write(
            "quorate.toml",
            &format!(
                "cluster = \"acme\"\nseeds = [{}]\nsecret_file = \"{}\"\ndata_dir = \"{home}/data\"\n\
                 birth_dir = \"{home}/birth\"\nlisten = \"{}\"\n{extra}\n[client]\nsocket = \"{home}/sock\"\n\
                 tcp = \"{}\"\nkeyspace_on_tcp = true\n",
                seeds.join(", "),
                secret.display(),
                self.listen,
                self.listen,
            ),
        );
        self.write("host.toml", &format!("name = \"{}\"\n", self.name));
    }

    /// Changes one text of the configuration, which must be there.
    #[track_caller]
    pub(crate) fn reconfigure(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.file("quorate.toml")).expect("the configuration");
        assert!(text.contains(from), "`{from}` is not in:\n{text}");
        self.write("quorate.toml", &text.replace(from, to));
    }

    /// The daemon's command line; it ends at the latest with this process.
    pub(crate) fn daemon(&self) -> Command {
        let config = self.file("quorate.toml").display().to_string();
        let parent = std::process::id().to_string();
        let arguments = ["run", "--config", &config, "--end-with", &parent];
        let mut command = match &self.installed {
            Some(binary) => run_of(binary, &arguments),
            None => quorate(&arguments),
        };
        let log = File::options().create(true).append(true).open(self.file("log")).expect("a log");
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        command
    }

    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        self.child = Some(self.daemon().spawn().expect("the daemon starts"));
    }

    /// Waits until the daemon answers on its socket.
    pub(crate) fn is_up(&mut self) {
        until(&format!("{} answers on its socket", self.name), || self.status().map(|_| ()));
    }

    /// Runs the daemon where it is expected to refuse, and gives what it said.
    #[track_caller]
    pub(crate) fn refuses(&self) -> Said {
        let config = self.file("quorate.toml").display().to_string();
        refused(quorate(&["run", "--config", &config]))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        kill_process(Pid::from_child(child), signal).expect("it takes a signal");
    }

    /// Power loss, as far as a process can have one: no goodbye, no flush.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only when it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.ended(&format!("{} stops when asked", self.name))
    }

    /// Waits until it ends by itself.
    pub(crate) fn ended(&mut self, what: &str) -> ExitStatus {
        let child = self.child.as_mut().expect("it was started");
        let status = until(what, || match child.try_wait() {
            Ok(Some(status)) => Ok(status),
            _ => Err("it still runs".to_owned()),
        });
        self.child = None;
        status
    }

    /// One command line that asks this daemon.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Said {
        let socket = self.socket().display().to_string();
        let mut command = quorate(&["--socket", &socket]);
        Said::of(command.args(arguments).output().expect("the command line runs"))
    }

    pub(crate) fn status(&self) -> Result<Value, String> {
        let said = self.cli(&["status", "-o", "json"]);
        match said.code {
            // 4: it answers, and is not quorate.
            Some(0 | 4) => serde_json::from_str(&said.out).map_err(|error| error.to_string()),
            _ => Err(said.text()),
        }
    }

    /// Waits until its status is as `wanted` says.
    #[track_caller]
    pub(crate) fn status_when(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(&format!("{}: {what}", self.name), || {
            let status = self.status()?;
            if wanted(&status) { Ok(status) } else { Err(status.to_string()) }
        })
    }

    /// Waits until `waiting_for` has a reason of this code that names all parts, in text or remedy.
    #[track_caller]
    pub(crate) fn waits_for(&self, code: &str, parts: &[&str]) -> Value {
        let told = |status: &Value| {
            let reasons = status["waiting_for"].as_array().cloned().unwrap_or_default();
            reasons.into_iter().find(|reason| {
                let text = format!("{} {}", reason["text"], reason["remedy"]);
                reason["code"] == code && parts.iter().all(|part| text.contains(part))
            })
        };
        let what = format!("is waiting for `{code}` with {parts:?}");
        let status = self.status_when(&what, |status| told(status).is_some());
        told(&status).expect("it was there a moment ago")
    }

    pub(crate) fn put(&self, key: &str, value: &str) {
        self.cli(&["put", key, value, "--timeout", "30s"]).ok();
    }

    /// A linearizable read.
    pub(crate) fn get(&self, key: &str) -> String {
        self.cli(&["get", key, "--timeout", "30s"]).ok().trim_end().to_owned()
    }

    pub(crate) fn log(&self) -> String {
        let text = fs::read(self.file("log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
        let log = self.log();
        if std::thread::panicking() {
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
            eprintln!("--- log of {} ---\n{tail}", self.name);
        } else {
            assert!(!log.contains("panicked"), "{} panicked:\n{log}", self.name);
        }
    }
}

/// Runs what must end by itself with an error, and gives what it said.
#[track_caller]
pub(crate) fn refused(mut command: Command) -> Said {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let began = std::time::Instant::now();
    while child.try_wait().expect("it can be waited for").is_none() {
        if began.elapsed() > LIMIT {
            let _ = child.kill();
            let said = Said::of(child.wait_with_output().expect("its output"));
            panic!("it runs, though it should refuse; it said:\n{}", said.text());
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let said = Said::of(child.wait_with_output().expect("its output"));
    // 10: a start that needs an operator, which systemd must not repeat.
    assert!(matches!(said.code, Some(1 | 10)), "{:?} is no error:\n{}", said.code, said.text());
    said
}
