//! The process, its disk and its writes in `/metrics`. Pure but for the counts of writes, which this process has one of.

use super::text::{escape, head, seconds};
use crate::disk::{SYNCS, Times, WRITES};
use crate::machine::Machine;
use std::fmt::Write as _;

/// Appends the series. `started` is when the daemon started, in seconds since 1970.
pub(super) fn render(out: &mut String, machine: &Machine, started: f64) {
    let cpu = machine.cpu_seconds;
    one(out, "process_cpu_seconds_total", "Processor time of all threads.", "counter", cpu);
    let start = Some(started);
    one(out, "process_start_time_seconds", "When it started, since 1970.", "gauge", start);
    let rows = [
        ("process_resident_memory_bytes", "Memory in use.", machine.resident_bytes),
        ("process_virtual_memory_bytes", "Address space in use.", machine.virtual_bytes),
        ("process_threads", "Threads.", machine.threads),
        ("process_open_fds", "Open file descriptors.", machine.open_descriptors),
        ("process_max_fds", "File descriptors that it may open.", machine.most_descriptors),
        (
            "quorate_disk_free_bytes",
            "What may still be written under data_dir.",
            machine.disk_free_bytes,
        ),
        ("quorate_disk_size_bytes", "Size of the file system under data_dir.", machine.disk_bytes),
        (
            "quorate_snapshot_timestamp_seconds",
            "When the newest snapshot was written, since 1970; not there before the first.",
            machine.snapshot_unix_seconds,
        ),
    ];
    for (name, help, value) in rows {
        one(out, name, help, "gauge", value);
    }
    let help = "Writes of the log until they were durable: one batch, its sync included.";
    times(out, "quorate_log_write_seconds", help, &WRITES);
    times(out, "quorate_log_sync_seconds", "Syncs of the log alone.", &SYNCS);
}

/// A family of one series, which is not there when the value is not known.
fn one(
    out: &mut String,
    name: &str,
    help: &str,
    kind: &str,
    value: Option<impl std::fmt::Display>,
) {
    if let Some(value) = value {
        head(out, name, help, kind);
        let _ = writeln!(out, "{name} {value}");
    }
}

fn times(out: &mut String, name: &str, help: &str, times: &Times) {
    head(out, name, help, "histogram");
    let (within, all, micros) = times.seen();
    for (end, count) in within {
        let le = escape(&seconds(end));
        let _ = writeln!(out, "{name}_bucket{{le=\"{le}\"}} {count}");
    }
    let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {all}");
    let _ = writeln!(out, "{name}_sum {}\n{name}_count {all}", seconds(micros));
}
