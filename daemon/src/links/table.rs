//! The tables of `status --links`: the way to each peer, what each lane carried, and what is wrong in words. Pure.

use super::figures::FIGURES;
use super::line::LinkLine;
use crate::cli::format::{Pen, table};
use crate::words::time::age;
use std::fmt::Write as _;

/// Everything about the links.
pub(crate) fn draw_links(links: &[LinkLine], pen: Pen) -> String {
    if links.is_empty() {
        return "No other node is known here, so there are no links.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = links.iter().map(way).collect();
    let mut head = vec!["LINK", "ADDRESS", "CONNECTION", "DIALLED BY"];
    head.extend(FIGURES.iter().filter_map(|figure| figure.column));
    let mut out = table(pen, &head, &rows);
    let rows: Vec<Vec<String>> = links.iter().flat_map(lanes).collect();
    let head = ["LINK", "LANE", "WAITING", "SENT", "RECEIVED", "GIVEN UP"];
    let _ = write!(out, "\n{}\n", table(pen, &head, &rows));
    for link in links {
        for finding in &link.findings {
            let text = finding.text.replace(char::is_control, "?");
            let _ = writeln!(out, "{}: {text}", link.name);
        }
    }
    if links.iter().all(|link| link.findings.is_empty()) {
        out.push_str("Nothing is wrong with the links, as seen from here.\n");
    }
    out
}

fn dash() -> String {
    "-".to_owned()
}

fn way(link: &LinkLine) -> Vec<String> {
    let connection = match (link.up_seconds, link.gone_seconds) {
        (Some(up), _) => format!("up {}", age(up)),
        (None, Some(gone)) => format!("gone {}", age(gone)),
        (None, None) => "never".to_owned(),
    };
    let dialled = link.dialled.map(|ours| if ours { "this node" } else { "the peer" });
    let mut row = vec![
        link.name.clone(),
        link.address.map_or_else(dash, |address| address.to_string()),
        connection,
        dialled.map_or_else(dash, str::to_owned),
    ];
    let shown = FIGURES.iter().filter(|figure| figure.column.is_some());
    row.extend(shown.map(|figure| figure.cell(&link.figures).unwrap_or_else(dash)));
    row
}

/// One row a lane, of all connections: what was sent does not begin anew with the next one.
fn lanes(link: &LinkLine) -> Vec<Vec<String>> {
    let row = |lane: &str| {
        let waiting = link.waiting.iter().find(|waiting| waiting.lane == lane);
        let waiting = match waiting {
            Some(waiting) if waiting.bytes > 0 => {
                format!("{} ({})", waiting.frames, bytes(waiting.bytes))
            }
            Some(waiting) => waiting.frames.to_string(),
            None => dash(),
        };
        let carried = link.total_bytes.iter().find(|bytes| bytes.lane == lane);
        let given_up: Vec<String> = link
            .dropped
            .iter()
            .filter(|dropped| dropped.lane == lane)
            .map(|dropped| format!("{} {}", dropped.frames, dropped.cause))
            .collect();
        vec![
            link.name.clone(),
            lane.to_owned(),
            waiting,
            bytes(carried.map_or(0, |lane| lane.sent)),
            bytes(carried.map_or(0, |lane| lane.received)),
            if given_up.is_empty() { dash() } else { given_up.join(", ") },
        ]
    };
    let mut rows: Vec<Vec<String>> = ["control", "log", "gossip"].map(row).into();
    if link.figures.gossip_dropped > 0 {
        rows[2][5] = format!("{} packets", link.figures.gossip_dropped);
    }
    // Too large for any lane.
    if link.dropped.iter().any(|dropped| dropped.lane == "any") {
        rows.push(row("any"));
    }
    rows
}

/// Bytes for people, in powers of 1,024, with one digit behind the point.
fn bytes(count: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    for (unit, shift) in units {
        if count >> shift > 0 {
            let tenths = (u128::from(count) * 10) >> shift;
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{count} B")
}

#[cfg(test)]
mod tests;
