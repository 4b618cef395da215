//! Where and when was it measured: without that, an absolute number says nothing.

use std::fs;
use std::process::Command;

/// What changes during a run.
#[derive(Debug, Clone)]
pub struct Now {
    /// Date and time, UTC.
    pub date: String,
    /// Load of the machine: averages of 1, 5 and 15 minutes.
    pub load: String,
}

/// Date and load at this moment.
#[must_use]
pub fn now() -> Now {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    Now { date: first_line("date", &["-u", "+%F %T UTC"]), load: load.join(" ") }
}

/// Processors that this process may use; zero when the system does not say.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

/// The first line that a program prints; empty when there is none.
#[must_use]
pub fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}
