//! `quorate demo`, as anybody would run it: it ends by itself, tells its figures, and leaves nothing behind, whatever
//! happens to it. Each run has a temporary directory of its own, which must be empty afterwards.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use tempfile::TempDir;

struct Demo {
    place: TempDir,
    child: Child,
    lines: BufReader<ChildStdout>,
    told: String,
}

impl Demo {
    fn start(options: &[&str]) -> Self {
        // Short, because paths of unix sockets are.
        let place = tempfile::Builder::new().prefix("q").tempdir_in("/tmp").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
        command.arg("demo").args(options).env_clear().env("TMPDIR", place.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { place, child, lines, told: String::new() }
    }

    /// Reads on until a line holds this text, and gives the line.
    fn read_until(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                let complaints = self.complaints();
                panic!("it ended before `{text}`: {}{complaints}", self.told);
            }
            self.told.push_str(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    fn complaints(&mut self) -> String {
        let mut text = String::new();
        self.child.stderr.as_mut().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// How it ended, and what it said on both channels; checks that nothing is left.
    fn end(mut self) -> (ExitStatus, String, String) {
        self.lines.read_to_string(&mut self.told).unwrap();
        let complaints = self.complaints();
        let status = self.child.wait().unwrap();
        let left: Vec<_> = std::fs::read_dir(self.place.path()).unwrap().collect();
        assert!(left.is_empty(), "left behind: {left:?}\n{}{complaints}", self.told);
        let running = daemons_under(self.place.path());
        assert!(running.is_empty(), "still running: {running:?}\n{}{complaints}", self.told);
        (status, self.told, complaints)
    }
}

/// Command lines of processes that were given a file below this directory.
fn daemons_under(place: &Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().map_while(Result::ok);
    let commands = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let commands = commands.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
    commands.filter(|line| line.contains(&place.display().to_string())).collect()
}

/// The number behind `process ` in a line such as `start: n1 (process 17), ...`.
fn first_process(line: &str) -> Pid {
    let digits = line.split("process ").nth(1).unwrap();
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    Pid::from_raw(digits.parse().unwrap()).unwrap()
}

#[test]
fn the_demonstration_ends_by_itself_with_figures_and_leaves_nothing_behind() {
    let (status, told, complaints) = Demo::start(&[]).end();
    assert!(status.success(), "{told}{complaints}");
    for figure in ["formation", "first write", " told ", "write gap", "rejoin"] {
        assert!(told.contains(figure), "no `{figure}` in: {told}");
    }
    assert!(!told.contains('\x1b'), "colour without a terminal: {told:?}");
}

#[test]
fn a_demonstration_that_is_interrupted_leaves_nothing_behind() {
    for line in ["start: n1", "leads in term", "kill -9"] {
        let mut demo = Demo::start(&[]);
        demo.read_until(line);
        demo.signal(Signal::INT);
        let (status, told, complaints) = demo.end();
        assert_eq!(status.code(), Some(130), "{told}{complaints}");
    }
}

#[test]
fn a_demonstration_that_stays_says_how_to_play_and_ends_with_a_signal() {
    let mut demo = Demo::start(&["--stay"]);
    demo.read_until("Ctrl-C ends it all");
    assert!(demo.told.contains("etcdctl --endpoints=unix://"), "{}", demo.told);
    demo.signal(Signal::INT);
    let (status, told, complaints) = demo.end();
    assert!(status.success(), "{told}{complaints}");
}

#[test]
fn a_daemon_that_ends_unasked_fails_the_demonstration_by_name() {
    let mut demo = Demo::start(&[]);
    let line = demo.read_until("start: n1");
    kill_process(first_process(&line), Signal::KILL).unwrap();
    let (status, told, complaints) = demo.end();
    assert_eq!(status.code(), Some(1), "{told}{complaints}");
    assert!(complaints.contains("n1 was killed by signal 9"), "{complaints}");
}
