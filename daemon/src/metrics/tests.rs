//! The series of the links.

use super::links::PEERS;
use super::render;
use crate::api::tests::sample;
use crate::link_line::{DroppedLine, LaneLine, LinkLine, PingLine, WaitingLine, WithinLine};
use quorate_node::status::State;
use std::collections::BTreeSet;

fn line(name: &str) -> LinkLine {
    let lane = || "log".to_owned();
    LinkLine {
        name: name.to_owned(),
        up_seconds: Some(9),
        rtt_p50_micros: Some(210),
        rtt_p99_micros: Some(1_200_345),
        mtu: Some(1452),
        pings: Some(PingLine {
            answers: 40,
            sum_micros: 1_003_000,
            within: vec![WithinLine { millis: 5, answers: 39 }],
        }),
        connections: 3,
        total_sent_packets: 900,
        total_lost_packets: 12,
        unacknowledged: 4,
        retransmitted: 5,
        waiting: vec![WaitingLine { lane: lane(), frames: 2, bytes: 100 }],
        dropped: vec![DroppedLine { lane: lane(), cause: "peer restarted".to_owned(), frames: 6 }],
        bytes: vec![LaneLine { lane: lane(), sent: 1, received: 1 }],
        total_bytes: vec![LaneLine { lane: lane(), sent: 700, received: 800 }],
        ..LinkLine::default()
    }
}

fn text(lines: &[LinkLine]) -> String {
    render(&sample(State::Quorate), Some(lines), 0)
}

#[test]
fn every_link_has_its_series_and_counters_go_over_all_connections() {
    let gone = LinkLine { up_seconds: None, mtu: None, rtt_p50_micros: None, ..line("n\"3") };
    let text = text(&[line("n2"), gone]);
    for wanted in [
        "quorate_links_omitted 0",
        "quorate_link_up{peer=\"n2\"} 1",
        "quorate_link_up{peer=\"n\\\"3\"} 0",
        "quorate_link_connections_total{peer=\"n2\"} 3",
        "quorate_link_rtt_seconds{peer=\"n2\",quantile=\"0.5\"} 0.000210",
        "quorate_link_rtt_seconds{peer=\"n2\",quantile=\"0.99\"} 1.200345",
        "# TYPE quorate_ping_seconds histogram",
        "quorate_ping_seconds_bucket{peer=\"n2\",le=\"0.005\"} 39",
        "quorate_ping_seconds_bucket{peer=\"n2\",le=\"+Inf\"} 40",
        "quorate_ping_seconds_sum{peer=\"n2\"} 1.003000",
        "quorate_ping_seconds_count{peer=\"n2\"} 40",
        "quorate_link_sent_packets_total{peer=\"n2\"} 900",
        "quorate_link_lost_packets_total{peer=\"n2\"} 12",
        "quorate_link_frames_waiting{peer=\"n2\",lane=\"log\"} 2",
        "quorate_link_frames_unacknowledged{peer=\"n2\"} 4",
        "quorate_link_frames_retransmitted_total{peer=\"n2\"} 5",
        "quorate_link_frames_given_up_total{peer=\"n2\",lane=\"log\",cause=\"peer restarted\"} 6",
        "quorate_link_bytes_total{peer=\"n2\",lane=\"log\",direction=\"sent\"} 700",
        "quorate_link_bytes_total{peer=\"n2\",lane=\"log\",direction=\"received\"} 800",
        "quorate_link_mtu_bytes{peer=\"n2\"} 1452",
        "# TYPE quorate_link_bytes_total counter",
    ] {
        assert!(text.lines().any(|found| found == wanted), "{wanted} in\n{text}");
    }
    assert!(!text.contains("quorate_link_mtu_bytes{peer=\"n\\\"3\"}"), "unknown is not zero");
}

#[test]
fn no_series_comes_twice_and_their_number_is_bounded() {
    let mut lines: Vec<_> = (0..PEERS + 5).map(|number| line(&format!("n{number:03}"))).collect();
    lines.insert(1, line("n000"));
    let text = text(&lines);
    assert!(text.contains("\nquorate_links_omitted 5\n"), "{text}");
    let series: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|l| l.rsplit_once(' '))
        .map(|(name, _)| name)
        .collect();
    let unique: BTreeSet<&str> = series.iter().copied().collect();
    assert_eq!(series.len(), unique.len());
    assert!(text.contains("quorate_link_up{peer=\"n063\"}") && !text.contains("n064"));
}

#[test]
fn without_the_links_all_else_is_there() {
    let text = render(&sample(State::NoQuorum), None, 3);
    assert!(text.contains("quorate_quorate 0") && !text.contains("quorate_link"));
    assert!(text.contains("\nquorate_log_lines_lost_total 3\n"));
    assert!(
        super::render(&sample(State::Quorate), Some(&[]), 0).contains("quorate_links_omitted 0")
    );
}
