//! The links in `/metrics`: one set of series for each peer. Pure: lines in, text out.
//!
//! Invariants: no series comes twice, and no counter falls while the daemon runs and the peer is a member, however often
//! its connection is replaced.

use super::figures::{FIGURES, Series};
use super::line::LinkLine;
use crate::metrics::text::{escape, head, seconds};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Peers that have series: some thirty each, so that a large cluster does not fill the monitor with the square of its
/// size. Voters come first, then by name, so that it is always the same ones; `quorate_links_omitted` counts the others.
pub(crate) const PEERS: usize = 64;

/// Appends the series of all links.
pub(crate) fn render(out: &mut String, lines: &[LinkLine]) {
    let mut names = BTreeSet::new();
    // Two instances of one name are told apart in the status only; the member is the first of them.
    // Who is neither a member nor connected any more has no series.
    let there = |line: &&LinkLine| !line.role.is_empty() || line.up_seconds.is_some();
    let unique: Vec<&LinkLine> =
        lines.iter().filter(there).filter(|line| names.insert(&line.name)).collect();
    let (shown, omitted) = unique.split_at(unique.len().min(PEERS));
    head(
        out,
        "quorate_links_omitted",
        "Peers without series here, for there are too many.",
        "gauge",
    );
    let _ = writeln!(out, "quorate_links_omitted {}", omitted.len());
    if shown.is_empty() {
        return;
    }
    for (name, help, value) in STATES {
        family(out, shown, name, help, "gauge", |line| Some(value(line).to_string()));
    }
    for figure in FIGURES {
        if let Some(Series { name, help, kind }) = figure.series {
            family(out, shown, name, help, kind, |line| figure.number(&line.figures));
        }
    }
    pings(out, shown);
    by_lane(out, shown);
}

/// What a series says of a line.
type State = fn(&LinkLine) -> u64;

/// What is no figure of its own: how the link stands.
const STATES: [(&str, &str, State); 2] = [
    ("quorate_link_up", "1 when a connection to the peer stands.", |line| {
        u64::from(line.up_seconds.is_some())
    }),
    (
        "quorate_link_failed_dials",
        "Dials of the peer's address that failed, the last in a row.",
        |line| line.dials.as_ref().map_or(0, |dials| u64::from(dials.failures)),
    ),
];

fn family(
    out: &mut String,
    lines: &[&LinkLine],
    name: &str,
    help: &str,
    kind: &str,
    value: impl Fn(&LinkLine) -> Option<String>,
) {
    head(out, name, help, kind);
    for line in lines {
        if let Some(value) = value(line) {
            let _ = writeln!(out, "{name}{{peer=\"{}\"}} {value}", escape(&line.name));
        }
    }
}

fn pings(out: &mut String, lines: &[&LinkLine]) {
    let name = "quorate_ping_seconds";
    head(
        out,
        name,
        "Answered pings: the leader's to everybody, a voter's to the leader; as heartbeats travel.",
        "histogram",
    );
    for line in lines {
        let Some(pings) = &line.pings else { continue };
        let (peer, all) = (escape(&line.name), pings.answers);
        for within in &pings.within {
            let (seconds, millis) = (within.millis / 1_000, within.millis % 1_000);
            let labels = format!("peer=\"{peer}\",le=\"{seconds}.{millis:03}\"");
            let _ = writeln!(out, "{name}_bucket{{{labels}}} {}", within.answers);
        }
        let _ = writeln!(out, "{name}_bucket{{peer=\"{peer}\",le=\"+Inf\"}} {all}");
        let _ = writeln!(out, "{name}_sum{{peer=\"{peer}\"}} {}", seconds(pings.sum_micros));
        let _ = writeln!(out, "{name}_count{{peer=\"{peer}\"}} {all}");
    }
}

fn by_lane(out: &mut String, lines: &[&LinkLine]) {
    let name = "quorate_link_frames_waiting";
    head(out, name, "Frames that wait for the connection.", "gauge");
    for line in lines {
        let peer = escape(&line.name);
        for waiting in &line.waiting {
            let (lane, frames) = (&waiting.lane, waiting.frames);
            let _ = writeln!(out, "{name}{{peer=\"{peer}\",lane=\"{lane}\"}} {frames}");
        }
    }
    let name = "quorate_link_frames_given_up_total";
    head(out, name, "Frames given up, by cause; a cause is there once it has happened.", "counter");
    for line in lines {
        let peer = escape(&line.name);
        for dropped in &line.dropped {
            let (lane, cause) = (&dropped.lane, escape(&dropped.cause));
            let _ = writeln!(
                out,
                "{name}{{peer=\"{peer}\",lane=\"{lane}\",cause=\"{cause}\"}} {}",
                dropped.frames
            );
        }
    }
    let name = "quorate_link_bytes_total";
    head(out, name, "Bytes of frames, over all connections.", "counter");
    for line in lines {
        let peer = escape(&line.name);
        for bytes in &line.total_bytes {
            for (direction, count) in [("sent", bytes.sent), ("received", bytes.received)] {
                let lane = &bytes.lane;
                let labels = format!("peer=\"{peer}\",lane=\"{lane}\",direction=\"{direction}\"");
                let _ = writeln!(out, "{name}{{{labels}}} {count}");
            }
        }
    }
}
