//! Where and when was it measured: without that, an absolute number says nothing.

use crate::Settings;
use quorate_tests::outside::surroundings::{Now, cores, first_line, now};
use std::path::Path;

/// Names and values to be printed above all figures.
pub(crate) fn describe(settings: &Settings, before: &Now) -> Vec<(&'static str, String)> {
    let after = now();
    vec![
        ("begun", format!("{}, load {}", before.date, before.load)),
        ("ended", format!("{}, load {} (1, 5, 15 minutes)", after.date, after.load)),
        ("cores", cores().to_string()),
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
