//! Prometheus' text format: heads, values and the escapes in labels. Knows no metric.

use std::fmt::Write as _;

/// What stands once above the series of a name.
pub(crate) fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A single value that may fall. `labels` with their braces, or empty.
pub(super) fn gauge(out: &mut String, name: &str, help: &str, labels: &str, value: u64) {
    head(out, name, help, "gauge");
    let _ = writeln!(out, "{name}{labels} {value}");
}

/// A single value without labels.
pub(super) fn counter(out: &mut String, name: &str, help: &str, value: u64) {
    // By Prometheus' convention a name that ends so counts; all else may also fall.
    let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
    head(out, name, help, kind);
    let _ = writeln!(out, "{name} {value}");
}

/// Microseconds as the seconds that Prometheus wants.
pub(crate) fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// A label's value.
pub(crate) fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
