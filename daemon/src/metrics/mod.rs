//! `/metrics`: a status as Prometheus text. Pure: status, links and machine in, text out.

mod applications;
#[cfg(test)]
mod lint;
mod machine;
mod members;
#[cfg(test)]
mod tests;
pub(crate) mod text;

use crate::links::line::LinkLine;
use crate::machine::Machine;
use quorate_node::status::{Bound, State};
use quorate_node::{PaceStatus, Status};
use quorate_proto::MemberState;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;
use text::{counter, escape, gauge, head};

/// Content type of the text format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a page is made of, beside the status.
#[derive(Debug, Default)]
pub(crate) struct Beside<'a> {
    /// None when the loop did not tell them in time.
    pub(crate) links: Option<&'a [LinkLine]>,
    /// The lines that the log lost.
    pub(crate) unwritten: u64,
    /// Events of this run that could not be kept in the data directory.
    pub(crate) unkept: u64,
    /// Connections that were ended because their program did not take in time what it had asked for.
    pub(crate) unread: u64,
    /// None when the disk did not answer in time.
    pub(crate) machine: Option<Machine>,
    /// Connections of other hosts that were turned away, by reason.
    pub(crate) turned_away: Vec<(&'static str, u64)>,
    /// When the daemon started, in milliseconds since 1970.
    pub(crate) started_unix_ms: u64,
}

/// The text.
pub(crate) fn render(status: &Status, beside: &Beside<'_>) -> String {
    let mut out = String::new();
    let members = &status.view.members;
    let in_state = |state: MemberState| members.iter().filter(|m| m.state() == state).count();
    let yes = |flag: bool| u64::from(flag);
    gauge(&mut out, "quorate_info", "Always 1; the labels say who this is.", &labels(status), 1);
    let quorate = yes(status.state == State::Quorate);
    gauge(&mut out, "quorate_quorate", "1 when a leader with a majority is known.", "", quorate);
    let help = "1 when there are all voters that there should be, each with a disk that works, and this node has caught up.";
    gauge(&mut out, "quorate_all_voters", help, "", yes(status.all_voters));
    let leads = yes(status.leader.as_ref().is_some_and(|(id, _)| *id == status.instance));
    gauge(&mut out, "quorate_is_leader", "1 when this node leads.", "", leads);
    gauge(&mut out, "quorate_term", "Raft term.", "", status.term);
    gauge(&mut out, "quorate_commit_index", "Committed entries here.", "", status.commit);
    gauge(&mut out, "quorate_applied_index", "Applied entries here.", "", status.applied);
    gauge(&mut out, "quorate_revision", "Revision of the keyspace here.", "", status.revision);
    pace(&mut out, &status.pace);
    let epoch = status.view.epoch.get();
    gauge(&mut out, "quorate_health_epoch", "Number of the newest health view here.", "", epoch);
    head(&mut out, "quorate_members", "Members by committed state.", "gauge");
    for state in [MemberState::Alive, MemberState::Down, MemberState::Left] {
        let _ = writeln!(out, "quorate_members{{state=\"{}\"}} {}", state.word(), in_state(state));
    }
    members::render(&mut out, status);
    applications::render(&mut out, status);
    let sessions = status.sessions.len() as u64;
    gauge(&mut out, "quorate_sessions", "Peers with a connection that is up.", "", sessions);
    waiting(&mut out, status);
    if let Some(margin) = status.margin {
        let disks = u64::from(margin.disks);
        gauge(
            &mut out,
            "quorate_margin_disks",
            "Founder disks that may be lost at once without a second founding being possible.",
            "",
            disks,
        );
        let alarm = yes(margin.alarm);
        gauge(&mut out, "quorate_margin_alarm", "1 when none may be lost.", "", alarm);
    }
    counter(&mut out, "quorate_elections_total", "Leaders seen elected.", status.elections);
    for (name, help, value) in &status.counters {
        counter(&mut out, name, help, *value);
    }
    let help = "Log lines that were dropped, as standard error could not be written.";
    counter(&mut out, "quorate_log_lines_lost_total", help, beside.unwritten);
    let help = "Events that could not be kept in the data directory.";
    counter(&mut out, "quorate_events_lost_total", help, beside.unkept);
    let help = "Connections that were ended because their program did not take in time what it had asked for.";
    counter(&mut out, "quorate_readers_ended_total", help, beside.unread);
    bounds(&mut out, &status.bounds);
    let name = "quorate_handshakes_refused_total";
    head(&mut out, name, "Connections of other hosts that were turned away, by reason.", "counter");
    for (reason, count) in &beside.turned_away {
        let _ = writeln!(out, "{name}{{reason=\"{reason}\"}} {count}");
    }
    if let Some(machine) = &beside.machine {
        #[allow(clippy::cast_precision_loss, reason = "exact until the year 285,000")]
        let started = beside.started_unix_ms as f64 / 1000.0;
        machine::render(&mut out, machine, started);
    }
    if let Some(lines) = beside.links {
        crate::links::metrics::render(&mut out, lines);
    }
    out
}

fn waiting(out: &mut String, status: &Status) {
    head(
        out,
        "quorate_waiting",
        "Always 1; what is wrong, as this node knows it, by code and subject.",
        "gauge",
    );
    // A series may stand there only once, though a reason may be told twice in different words.
    let reasons: BTreeSet<_> = status
        .reasons
        .iter()
        .map(|r| (r.code.word(), r.subject.as_deref().unwrap_or("")))
        .collect();
    for (code, subject) in reasons {
        let (code, subject) = (escape(code), escape(subject));
        let _ = writeln!(out, "quorate_waiting{{code=\"{code}\",subject=\"{subject}\"}} 1");
    }
}

fn pace(out: &mut String, pace: &PaceStatus) {
    let mut one = |name: &str, help: &str, span: Duration| {
        head(out, name, help, "gauge");
        let _ = writeln!(out, "{name} {}", span.as_secs_f64());
    };
    let help = "Silence after which this node suspects another: the longest of those that are in force here.";
    one("quorate_silence_limit_seconds", help, pace.silence);
    one("quorate_ping_interval_seconds", "How often a leader pings each member.", pace.interval);
}

fn bounds(out: &mut String, bounds: &[Bound]) {
    let mut rows = |name: &str, help: &str, kind: &str, value: fn(&Bound) -> u64| {
        head(out, name, help, kind);
        for bound in bounds {
            let _ = writeln!(out, "{name}{{bound=\"{}\"}} {}", bound.word, value(bound));
        }
    };
    rows("quorate_bound_used", "Places that are taken, by bound.", "gauge", |bound| bound.used);
    rows("quorate_bound_limit", "Places that there are, by bound.", "gauge", |bound| bound.limit);
    let help = "Requests that were refused for want of a place, by bound.";
    rows("quorate_bound_refused_total", help, "counter", |bound| bound.refused);
}

fn labels(status: &Status) -> String {
    format!(
        "{{cluster=\"{}\",node=\"{}\",instance_id=\"{}\",role=\"{}\",state=\"{}\",version=\"{}\"}}",
        escape(&status.cluster),
        status.name,
        status.instance,
        status.role.map_or("", |role| role.word()),
        status.state.word(),
        env!("CARGO_PKG_VERSION"),
    )
}
