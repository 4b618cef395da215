//! Where and when was it measured: without that, an absolute number says nothing.

use crate::Settings;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What changes during a run.
pub(crate) struct Now {
    date: String,
    load: String,
}

/// Date and load at this moment.
pub(crate) fn now() -> Now {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    Now { date: first_line("date", &["-u", "+%F %T UTC"]), load: load.join(" ") }
}

/// Names and values to be printed above all figures.
pub(crate) fn describe(settings: &Settings, before: &Now) -> Vec<(&'static str, String)> {
    let after = now();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    vec![
        ("begun", format!("{}, load {}", before.date, before.load)),
        ("ended", format!("{}, load {} (1, 5, 15 minutes)", after.date, after.load)),
        ("cores", cores.to_string()),
        ("kernel", first_line("uname", &["-sr"])),
        ("disk", file_system(&settings.directory)),
        ("quorate", version(&settings.quorate)),
        ("etcd", format!("{}, package {}", version(&settings.etcd), package("etcd-server"))),
        ("serf", format!("{}, package {}", version(&settings.serf), package("serf"))),
    ]
}

fn version(program: &Path) -> String {
    first_line(&program.display().to_string(), &["--version"])
}

fn package(name: &str) -> String {
    first_line("dpkg-query", &["-W", "-f", "${Version}", name])
}

fn file_system(directory: &Path) -> String {
    let directory = directory.display().to_string();
    first_line("findmnt", &["-n", "-o", "FSTYPE,SOURCE", "-T", &directory])
}

/// The first line that a program prints; empty when there is none.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}
