//! What is wrong with a link, in words: the rules by which an operator would tell a firewall from a slow disk. Pure: a
//! line in, findings out, the worst first.
//!
//! | what is seen | what it is |
//! |---|---|
//! | no connection, dials without an answer | host down, daemon not running, or UDP dropped |
//! | the same, and the peer's own handshakes come in | UDP dropped in one direction |
//! | no connection, dials refused | another secret, cluster or version; a daemon in the way |
//! | connected, packets lost | the path |
//! | connected, late, nothing lost | a long or crowded path |
//! | connected, on time, nothing lost, but frames not taken | the peer itself: its disk or its CPU |
//! | connected, a smaller MTU than other links have | a tunnel, or large packets dropped |

use crate::link_line::{DialLine, LinkFinding, LinkLine};
use std::net::SocketAddr;

/// Fewer packets say nothing about a share of a hundred, and fewer losses may be chance, or packets that only came late.
const ENOUGH_PACKETS: u64 = 100;
/// See [`ENOUGH_PACKETS`].
const ENOUGH_LOST: u64 = 5;
/// From this share of lost packets on, QUIC's rate suffers and pings come late. Congestion alone stays below.
const LOSS_PERCENT: f64 = 1.0;
/// Two thirds of the time between two pings of the leader.
const SLOW_MICROS: u64 = 100_000;
/// So many log frames are never under way on a peer that keeps up: an acknowledgement is due every 64 of them.
const BEHIND: u64 = 512;
/// What every path must let through. QUIC falls back to it when larger packets vanish, and tries again a minute later.
const LEAST_MTU: u16 = 1200;
/// Until then the search for the path's MTU may not be over.
const MTU_FOUND_SECONDS: u64 = 10;
/// A handshake that came to nothing says something about now for this long: dials are at most that far apart.
const KNOCK_SECONDS: u64 = 60;

/// What is wrong; `best_mtu` is the largest of all links.
pub(crate) fn judge(line: &LinkLine, best_mtu: Option<u16>) -> Vec<LinkFinding> {
    match line.up_seconds {
        Some(up) => [loss(line), behind(line), slow(line), mtu(line, up, best_mtu)]
            .into_iter()
            .flatten()
            .collect(),
        None => absent(line).into_iter().collect(),
    }
}

fn finding(code: &str, text: String) -> LinkFinding {
    LinkFinding { code: code.to_owned(), text }
}

/// Whole units, the two largest.
pub(crate) fn age(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

fn absent(line: &LinkLine) -> Option<LinkFinding> {
    let place = line.address.map_or_else(|| line.name.clone(), |address| address.to_string());
    if let Some(dials) = &line.dials {
        return Some(unanswered(dials, &place, line.address));
    }
    let (gone, why) = (line.gone_seconds?, line.gone_why.as_deref()?);
    // A connection that closed in good order was not needed, or the peer has stopped.
    (why != "closed in good order" && why != "replaced by another connection")
        .then(|| finding("timed-out", format!("no connection for {}: {why}", age(gone))))
}

fn unanswered(dials: &DialLine, place: &str, address: Option<SocketAddr>) -> LinkFinding {
    let since = age(dials.since_seconds);
    let count = match dials.failures {
        1 => "1 dial".to_owned(),
        failures => format!("{failures} dials"),
    };
    let knocks = dials.knocked_seconds.is_some_and(|ago| ago <= KNOCK_SECONDS);
    let port = address.map_or(4747, |address| address.port());
    match dials.code.as_str() {
        "no-answer" if knocks => finding(
            "one-way",
            format!(
                "packets of {place} come in, but ours have had no answer for {since} ({count}): UDP {port} is dropped in one direction (firewall there, or on the way)"
            ),
        ),
        "no-answer" => finding(
            "no-answer",
            format!(
                "no answer from {place} for {since} ({count}): host down, daemon not running, or UDP {port} blocked"
            ),
        ),
        _ => finding(
            "refused",
            format!("dials of {place} have failed for {since}, {count}: {}", dials.why),
        ),
    }
}

fn loss(line: &LinkLine) -> Option<LinkFinding> {
    let share = line.loss_percent.filter(|share| *share >= LOSS_PERCENT)?;
    let (lost, sent) = (line.recent_lost_packets, line.recent_sent_packets);
    (sent >= ENOUGH_PACKETS && lost >= ENOUGH_LOST).then(|| {
        let text = format!(
            "{share:.1} % of the packets sent to it of late were lost ({lost} of {sent}): the network on the way there"
        );
        finding("loss", text)
    })
}

fn is_clean(line: &LinkLine) -> bool {
    let on_time = line.rtt_p99_micros.is_none_or(|micros| micros < SLOW_MICROS);
    on_time && line.loss_percent.is_none_or(|share| share < LOSS_PERCENT)
}

fn behind(line: &LinkLine) -> Option<LinkFinding> {
    let waiting = line.waiting.iter().find(|lane| lane.lane == "log").map_or(0, |lane| lane.frames);
    let held = line.unacknowledged + waiting;
    (held >= BEHIND).then(|| {
        let why = if is_clean(line) {
            "the path is fine, so the peer is slow: look at its disk and CPU"
        } else {
            "the path does not carry them fast enough"
        };
        finding("behind", format!("{held} log frames are not acknowledged: {why}"))
    })
}

fn slow(line: &LinkLine) -> Option<LinkFinding> {
    let worst = line.rtt_p99_micros.filter(|micros| *micros >= SLOW_MICROS)?;
    let text = format!(
        "round trips take up to {} ms (p99), where pings are 150 ms apart: a long or crowded path",
        worst / 1000
    );
    Some(finding("slow", text))
}

fn mtu(line: &LinkLine, up: u64, best: Option<u16>) -> Option<LinkFinding> {
    let own = line.mtu?;
    if line.black_holes > 0 && own <= LEAST_MTU {
        let times = line.black_holes;
        let text = format!(
            "packets of a size that had passed no longer did, {times} times; {own} bytes pass now: MTU trouble on the way"
        );
        return Some(finding("mtu", text));
    }
    let best = best.filter(|best| own < *best && up >= MTU_FOUND_SECONDS);
    best.map(|best| {
        let text = format!(
            "only {own} bytes pass at a time, {best} to others: a tunnel, or large packets are dropped"
        );
        finding("mtu", text)
    })
}

#[cfg(test)]
mod tests;
