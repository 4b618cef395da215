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
//! | connected, a smaller MTU than other links have, or than the own interfaces take | a tunnel, or large packets dropped |

use super::line::{DialLine, LinkFinding, LinkLine};
use crate::words::time::age;
use quorate_proto::{Cause, LinkCause, OddSecret};

/// Fewer packets say nothing about a share of a hundred, and fewer losses may be chance, or packets that only came late.
const ENOUGH_PACKETS: u64 = 100;
/// See [`ENOUGH_PACKETS`].
const ENOUGH_LOST: u64 = 5;
/// From this share of lost packets on, QUIC's rate suffers and pings come late. Congestion alone stays below.
const LOSS_PERCENT: f64 = 1.0;
/// Longer than most pings of a quiet leader are apart: silence is borne with for longer because of it.
const SLOW_MICROS: u64 = 100_000;
/// So many log frames are never under way on a peer that keeps up: an acknowledgement is due every 64 of them.
const BEHIND: u64 = 512;
/// What every path must let through. QUIC falls back to it when larger packets vanish, and tries again a minute later.
const LEAST_MTU: u16 = 1200;
/// The search for the path's MTU ends this close to it, and headers differ by family.
const MTU_SEARCH_ENDS: u16 = 48;
/// Until then the search for the path's MTU may not be over.
const MTU_FOUND_SECONDS: u64 = 10;
/// Where a peer listens whose address is not known.
const PORT: u16 = 4747;

/// What a path could carry: the largest that passes on any link, and what the interfaces of this host take; each where known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Widest {
    pub(crate) link: Option<u16>,
    pub(crate) interfaces: Option<u16>,
}

/// What is wrong; `odd`: whose secret is the odd one, of this host and the peer, where they differ.
pub(crate) fn judge(line: &LinkLine, widest: Widest, odd: OddSecret) -> Vec<LinkFinding> {
    let causes = match line.up_seconds {
        Some(up) => [loss(line), behind(line), slow(line), mtu(line, up, widest)],
        None => [absent(line, odd), None, None, None],
    };
    causes.into_iter().flatten().map(|cause| finding(&cause)).collect()
}

fn finding(cause: &LinkCause) -> LinkFinding {
    LinkFinding {
        code: cause.code().word().to_owned(),
        text: cause.text(),
        meaning: cause.code().meaning().to_owned(),
        remedy: cause.remedy(),
    }
}

fn absent(line: &LinkLine, odd: OddSecret) -> Option<LinkCause> {
    if let Some(dials) = &line.dials {
        // That this host does not listen to a copy is no trouble of the link.
        return (dials.code != "clone").then(|| unanswered(line, dials, odd));
    }
    let (gone, why) = (line.gone_seconds?, line.gone_why.clone()?);
    // A connection that closed in good order was not needed, or the peer has stopped.
    let usual = why == "closed in good order" || why == "replaced by another connection";
    (!usual).then(|| LinkCause::TimedOut { name: line.name.clone(), gone: age(gone), why })
}

fn unanswered(line: &LinkLine, dials: &DialLine, odd: OddSecret) -> LinkCause {
    let name = line.name.clone();
    let place = line.address.map_or_else(|| name.clone(), |address| address.to_string());
    let (since, count) = (age(dials.since_seconds), dials.failures);
    let one_way = dials.code == "one-way";
    if one_way || dials.code == "no-answer" {
        let port = line.address.map_or(PORT, |address| address.port());
        return LinkCause::NoAnswer { name, place, port, since, dials: count, one_way };
    }
    let odd = (dials.code == "other-secret").then_some(odd);
    LinkCause::Refused { name, place, since, dials: count, why: dials.why.clone(), odd }
}

fn loss(line: &LinkLine) -> Option<LinkCause> {
    let per_cent = line.figures.loss_percent.filter(|share| *share >= LOSS_PERCENT)?;
    let (lost, sent) = (line.figures.recent_lost_packets, line.figures.recent_sent_packets);
    let name = line.name.clone();
    (sent >= ENOUGH_PACKETS && lost >= ENOUGH_LOST).then_some(LinkCause::Loss {
        name,
        per_cent,
        lost,
        sent,
    })
}

fn is_clean(line: &LinkLine) -> bool {
    let on_time = line.figures.rtt_p99_micros.is_none_or(|micros| micros < SLOW_MICROS);
    on_time && line.figures.loss_percent.is_none_or(|share| share < LOSS_PERCENT)
}

fn behind(line: &LinkLine) -> Option<LinkCause> {
    let waiting = line.waiting.iter().find(|lane| lane.lane == "log").map_or(0, |lane| lane.frames);
    let (name, frames) = (line.name.clone(), line.figures.unacknowledged + waiting);
    (frames >= BEHIND).then(|| LinkCause::Behind { name, frames, clean: is_clean(line) })
}

fn slow(line: &LinkLine) -> Option<LinkCause> {
    let worst = line.figures.rtt_p99_micros.filter(|micros| *micros >= SLOW_MICROS)?;
    Some(LinkCause::Slow { name: line.name.clone(), millis: worst / 1000 })
}

fn mtu(line: &LinkLine, up: u64, widest: Widest) -> Option<LinkCause> {
    let (name, bytes) = (line.name.clone(), line.figures.mtu?);
    if line.figures.black_holes > 0 && bytes <= LEAST_MTU {
        return Some(LinkCause::Hole { name, times: line.figures.black_holes, bytes });
    }
    let others = widest.link.filter(|best| bytes < *best).map(|best| (best, true));
    let own = widest.interfaces.filter(|best| bytes.saturating_add(MTU_SEARCH_ENDS) < *best);
    let (best, others) = others.or(own.map(|best| (best, false)))?;
    (up >= MTU_FOUND_SECONDS).then_some(LinkCause::Narrow { name, bytes, best, others })
}

#[cfg(test)]
mod tests;
