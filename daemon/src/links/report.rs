//! The transport's report of its links, as the lines that the doors show. Pure: reports and members in, lines out.

use super::diagnosis::{Widest, judge};
use super::figures::Figures;
use super::line::{DialLine, DroppedLine, LaneLine, LinkLine, PingLine, WaitingLine, WithinLine};
use crate::words::time::{micros, rfc3339};
use quorate_node::{PING_CLASSES, PingTimes, Status};
use quorate_proto::{
    Address, CannotSend, DialFailure, Instance, MemberState, OddSecret, SessionEnd,
};
use quorate_transport::{ConnectionReport, DialReport, LaneBytes, LinkReport};

/// One line per peer, the voters first, each with what is wrong with it. A member that nothing was ever sent to has one
/// too. `interfaces`: the UDP payload that the interfaces of this host take, where it is known; `wall_unix_ms`: the present.
pub(crate) fn lines(
    status: &Status,
    reports: &[LinkReport],
    interfaces: Option<u16>,
    wall_unix_ms: u64,
) -> Vec<LinkLine> {
    let mut lines: Vec<LinkLine> =
        reports.iter().map(|report| line(status, report, wall_unix_ms)).collect();
    let linked = |instance: Instance| reports.iter().any(|report| report.instance == instance);
    let unlinked = status.view.members.iter().filter(|member| {
        let gone = member.state() == MemberState::Left;
        !gone && member.instance != status.instance && !linked(member.instance)
    });
    lines.extend(unlinked.map(|member| LinkLine {
        address: member.address.as_ref().and_then(Address::socket),
        ..named(status, member.instance)
    }));
    lines.sort_by_cached_key(|line| (line.role != "voter", line.name.clone()));
    let widest =
        Widest { link: lines.iter().filter_map(|line| line.figures.mtu).max(), interfaces };
    for line in &mut lines {
        let report = reports.iter().find(|report| line.instance == report.instance.to_string());
        let odd = report.map_or(OddSecret::Unclear, |report| odd_secret(report, reports));
        line.findings = judge(line, widest, odd);
    }
    lines
}

/// Whose secret is the odd one, of this host and a peer, as far as all links tell.
fn odd_secret(report: &LinkReport, reports: &[LinkReport]) -> OddSecret {
    let ours = 1 + reports.iter().filter(|report| report.connection.is_some()).count();
    let theirs = other_secret(report).unwrap_or_default();
    OddSecret::of(theirs, ours, reports.iter().filter_map(other_secret))
}

/// The fingerprint of a peer that refuses ours.
fn other_secret(report: &LinkReport) -> Option<&str> {
    match &report.dials.as_ref().filter(|_| report.connection.is_none())?.last {
        DialFailure::OtherSecret { theirs, .. } => Some(theirs),
        _ => None,
    }
}

fn named(status: &Status, instance: Instance) -> LinkLine {
    let member = status.view.members.iter().find(|member| member.instance == instance);
    let session = status.sessions.iter().find(|(peer, ..)| *peer == instance);
    let name = member.map(|member| &member.name).or(session.map(|(_, name, _)| name));
    LinkLine {
        name: name.cloned().unwrap_or_else(|| instance.short()),
        instance: instance.to_string(),
        role: member.map(|member| member.role().word().to_owned()).unwrap_or_default(),
        pings: status
            .pings
            .iter()
            .find(|(peer, _)| *peer == instance)
            .map(|(_, times)| pings(times)),
        ..LinkLine::default()
    }
}

fn pings(times: &PingTimes) -> PingLine {
    let mut answers = 0;
    let within = PING_CLASSES.iter().zip(times.classes).map(|(millis, count)| {
        answers += count;
        WithinLine { millis: *millis, answers }
    });
    let within = within.collect();
    PingLine { answers: times.classes.iter().sum(), sum_micros: micros(times.sum), within }
}

fn line(status: &Status, report: &LinkReport, wall_unix_ms: u64) -> LinkLine {
    let waits = |lane: &str, frames: usize, bytes: usize| WaitingLine {
        lane: lane.to_owned(),
        frames: frames as u64,
        bytes: bytes as u64,
    };
    let ago = report.connection.as_ref().map(|connection| connection.age);
    let ago = ago.or(report.gone.map(|(ago, _)| ago)).map(|ago| ago.as_millis());
    let since = ago.and_then(|ago| wall_unix_ms.checked_sub(u64::try_from(ago).ok()?));
    let line = LinkLine {
        address: Some(report.address),
        gone_seconds: report.gone.map(|(ago, _)| ago.as_secs()),
        gone_why: report.gone.map(|(_, end)| in_words(end).to_owned()),
        since: since.map(rfc3339).unwrap_or_default(),
        dials: report.dials.as_ref().map(dials),
        waiting: vec![
            waits("control", report.waiting_control, report.control_bytes),
            waits("log", report.waiting_log, report.log_bytes),
        ],
        dropped: dropped(report),
        total_bytes: lanes(&report.sent, &report.received),
        figures: Figures::of(report),
        ..named(status, report.instance)
    };
    match &report.connection {
        Some(connection) => with_connection(line, connection),
        None => line,
    }
}

fn with_connection(line: LinkLine, connection: &ConnectionReport) -> LinkLine {
    LinkLine {
        up_seconds: Some(connection.age.as_secs()),
        dialled: Some(connection.dialled),
        bytes: lanes(&connection.sent, &connection.received),
        ..line
    }
}

fn lanes(sent: &LaneBytes, received: &LaneBytes) -> Vec<LaneLine> {
    let lane = |lane: &str, sent, received| LaneLine { lane: lane.to_owned(), sent, received };
    vec![
        lane("control", sent.control, received.control),
        lane("log", sent.log, received.log),
        lane("gossip", sent.gossip, received.gossip),
    ]
}

/// Only what is not zero.
fn dropped(report: &LinkReport) -> Vec<DroppedLine> {
    let given_up = &report.given_up;
    let all = [
        ("control", "full", given_up.control_full),
        ("control", "expired", given_up.control_expired),
        ("log", "full", given_up.log_full),
        ("log", "expired", given_up.log_expired),
        ("log", "peer restarted", given_up.log_lost),
        ("any", "oversize", given_up.oversize),
    ];
    all.into_iter()
        .filter(|(.., frames)| *frames > 0)
        .map(|(lane, cause, frames)| DroppedLine {
            lane: lane.to_owned(),
            cause: cause.to_owned(),
            frames,
        })
        .collect()
}

fn dials(report: &DialReport) -> DialLine {
    let code = match report.last {
        DialFailure::NoAnswer => "no-answer",
        DialFailure::OneWay => "one-way",
        DialFailure::OtherSecret { .. } => "other-secret",
        DialFailure::OtherCluster { .. } => "other-cluster",
        DialFailure::Protocol { .. } => "protocol",
        DialFailure::Myself => "myself",
        DialFailure::Twice => "twice",
        DialFailure::Revoked => "revoked",
        DialFailure::Copy { .. } => "clone",
        DialFailure::CannotSend(CannotSend::Family { .. }) => "other-family",
        DialFailure::CannotSend(CannotSend::NoRoute { .. }) => "no-route",
        DialFailure::Handshake { .. } => "handshake",
    };
    DialLine {
        failures: report.failures,
        since_seconds: report.since.as_secs(),
        code: code.to_owned(),
        why: report.last.to_string(),
        knocked_seconds: report.peer_dialled_us.map(|ago| ago.as_secs()),
    }
}

fn in_words(end: SessionEnd) -> &'static str {
    match end {
        SessionEnd::Closed => "closed in good order",
        SessionEnd::Reset => "the peer was restarted",
        SessionEnd::TimedOut => "nothing was heard within the time limit",
        SessionEnd::Replaced => "replaced by another connection",
        SessionEnd::Protocol => "the peer broke the protocol",
        SessionEnd::Twice => "the peer takes this host for a copy",
        SessionEnd::Revoked => "the peer refuses this host, which was revoked",
    }
}

#[cfg(test)]
mod tests;
