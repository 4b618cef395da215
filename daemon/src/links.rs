//! The transport's report of its links, as the lines that the doors show.

use crate::doors::{DroppedLine, LaneLine, LinkLine};
use quorate_proto::Instance;
use quorate_transport::LinkReport;

/// One line per peer; `name` gives the node's name of an instance.
pub(crate) fn lines(reports: &[LinkReport], name: impl Fn(Instance) -> String) -> Vec<LinkLine> {
    reports.iter().map(|report| line(report, name(report.instance))).collect()
}

fn line(report: &LinkReport, name: String) -> LinkLine {
    let connection = report.connection.as_ref();
    let lost = &report.given_up;
    let dropped = [
        ("control", "full", lost.control_full),
        ("control", "expired", lost.control_expired),
        ("log", "full", lost.log_full),
        ("log", "expired", lost.log_expired),
        ("log", "connection lost", lost.log_lost),
        ("any", "oversize", lost.oversize),
    ];
    let bytes = connection.map(|connection| {
        let (sent, received) = (&connection.sent, &connection.received);
        let lane = |lane: &str, sent, received| LaneLine { lane: lane.to_owned(), sent, received };
        vec![
            lane("control", sent.control, received.control),
            lane("log", sent.log, received.log),
            lane("gossip", sent.gossip, received.gossip),
        ]
    });
    LinkLine {
        name,
        instance: report.instance.to_string(),
        address: Some(report.address),
        up_seconds: connection.map(|connection| connection.age.as_secs()),
        rtt_micros: connection
            .map(|connection| u64::try_from(connection.rtt.as_micros()).unwrap_or(u64::MAX)),
        lost_packets: connection.map_or(0, |connection| connection.lost_packets),
        waiting_frames: (report.waiting_control + report.waiting_log) as u64,
        dropped: dropped
            .into_iter()
            .filter(|(_, _, frames)| *frames > 0)
            .map(|(lane, cause, frames)| DroppedLine {
                lane: lane.into(),
                cause: cause.into(),
                frames,
            })
            .collect(),
        bytes: bytes.unwrap_or_default(),
    }
}
