//! The series of the links.

use super::lint::lint;
use super::{Beside, render};
use crate::api::pages::StatusPage;
use crate::api::tests::{sample, view};
use crate::clock::Started;
use crate::links::figures::Figures;
use crate::links::line::{DroppedLine, LaneLine, LinkLine, PingLine, WaitingLine, WithinLine};
use crate::links::metrics::PEERS;
use crate::machine::Machine;
use quorate_node::status::State;
use quorate_proto::{Goodbye, MemberState, Moment};
use std::collections::BTreeSet;
use std::sync::Arc;

fn line(name: &str) -> LinkLine {
    let lane = || "log".to_owned();
    LinkLine {
        name: name.to_owned(),
        role: "voter".to_owned(),
        up_seconds: Some(9),
        pings: Some(PingLine {
            answers: 40,
            sum_micros: 1_003_000,
            within: vec![WithinLine { millis: 5, answers: 39 }],
        }),
        waiting: vec![WaitingLine { lane: lane(), frames: 2, bytes: 100 }],
        dropped: vec![DroppedLine { lane: lane(), cause: "peer restarted".to_owned(), frames: 6 }],
        bytes: vec![LaneLine { lane: lane(), sent: 1, received: 1 }],
        total_bytes: vec![LaneLine { lane: lane(), sent: 700, received: 800 }],
        figures: Figures {
            rtt_p50_micros: Some(210),
            rtt_p99_micros: Some(1_200_345),
            mtu: Some(1452),
            connections: 3,
            total_sent_packets: 900,
            total_lost_packets: 12,
            unacknowledged: 4,
            retransmitted: 5,
            ..Figures::default()
        },
        ..LinkLine::default()
    }
}

fn text(lines: &[LinkLine]) -> String {
    let machine = Some(Machine {
        cpu_seconds: Some(1.5),
        resident_bytes: Some(9_000_000),
        disk_free_bytes: Some(7),
        snapshot_unix_seconds: Some(1_795_000_000),
        ..Machine::default()
    });
    let started_unix_ms = 1_795_000_000_250;
    let turned_away = vec![("other-secret", 2), ("refused", 0)];
    let beside = Beside {
        links: Some(lines),
        unwritten: 0,
        unkept: 2,
        unread: 4,
        machine,
        turned_away,
        started_unix_ms,
    };
    render(&sample(State::Quorate), &beside)
}

#[test]
fn every_link_has_its_series_and_counters_go_over_all_connections() {
    let gone = LinkLine {
        up_seconds: None,
        figures: Figures { mtu: None, rtt_p50_micros: None, ..line("n\"3").figures },
        ..line("n\"3")
    };
    let text = text(&[line("n2"), gone]);
    for wanted in [
        "quorate_links_omitted 0",
        "quorate_link_up{peer=\"n2\"} 1",
        "quorate_link_up{peer=\"n\\\"3\"} 0",
        "quorate_link_connections_total{peer=\"n2\"} 3",
        "quorate_link_rtt_median_seconds{peer=\"n2\"} 0.000210",
        "quorate_link_rtt_p99_seconds{peer=\"n2\"} 1.200345",
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
    let beside = Beside { unwritten: 3, unkept: 2, unread: 4, ..Beside::default() };
    let text = render(&sample(State::NoQuorum), &beside);
    assert!(text.contains("quorate_quorate 0") && !text.contains("quorate_link"));
    assert!(text.contains("\nquorate_all_voters 0\n"), "{text}");
    assert!(text.contains("\nquorate_log_lines_lost_total 3\n"));
    assert!(text.contains("\nquorate_events_lost_total 2\n"));
    assert!(text.contains("\nquorate_readers_ended_total 4\n"));
    assert!(self::text(&[]).contains("quorate_links_omitted 0"));
}

#[test]
fn the_page_is_as_prometheus_wants_it() {
    let wrong = lint(&text(&[line("n2"), line("n\"3")]));
    assert!(wrong.is_empty(), "{wrong:#?}");
    // The rules bite.
    for (bad, why) in [
        ("# HELP a x\n# TYPE a gauge\na{quantile=\"0.5\"} 1", "quantile"),
        ("# TYPE a gauge\na 1", "no help"),
        ("# HELP a_ms x\n# TYPE a_ms gauge\na_ms 1", "base unit"),
        ("# HELP a x\n# TYPE a counter\na 1", "_total"),
    ] {
        let wrong = lint(bad);
        assert!(wrong.iter().any(|found| found.contains(why)), "{bad}: {wrong:?}");
    }
}

#[test]
fn which_member_is_down_what_the_disk_has_left_and_how_long_it_takes_are_there() {
    let text = text(&[]);
    for wanted in [
        "quorate_member_up{member=\"a\"} 1",
        "quorate_member_down{member=\"a\"} 0",
        "quorate_member_crashed{member=\"a\"} 0",
        "quorate_member_info{member=\"a\",role=\"voter\",version=\"0.9.9\"} 1",
        "quorate_disk_free_bytes 7",
        "quorate_handshakes_refused_total{reason=\"other-secret\"} 2",
        "quorate_snapshot_timestamp_seconds 1795000000",
        "process_resident_memory_bytes 9000000",
        "process_cpu_seconds_total 1.5",
        "process_start_time_seconds 1795000000.25",
        "# TYPE quorate_log_write_seconds histogram",
        "# TYPE quorate_log_sync_seconds histogram",
    ] {
        assert!(text.lines().any(|found| found == wanted), "{wanted} in\n{text}");
    }
    assert!(!text.contains("process_open_fds"), "unknown is not zero");
}

#[test]
fn a_crash_and_a_stop_differ_in_the_metrics_and_in_json() {
    let told = |goodbye: Goodbye| {
        let mut status = sample(State::Quorate);
        let mut view = view(4, MemberState::Left);
        view.members[2].goodbye = goodbye.into();
        status.view = Arc::new(view);
        let started = Started { wall_unix_ms: 0, moment: Moment::ZERO };
        let page = StatusPage::of(&status, started).members.remove(2);
        let text = render(&status, &Beside::default());
        let series = ["up", "down", "crashed"].map(|what| {
            let series = format!("quorate_member_{what}{{member=\"c\"}} ");
            let value = text.lines().find_map(|line| line.strip_prefix(&series));
            value.map(str::to_owned).unwrap_or_default()
        });
        (page.state, page.goodbye, series.concat())
    };
    let left = |goodbye: &str, series: &str| {
        ("left".to_owned(), Some(goodbye.to_owned()), series.to_owned())
    };
    assert_eq!(told(Goodbye::Stopped), left("stopped", "000"));
    assert_eq!(told(Goodbye::Crashed), left("crashed", "001"));
}

#[test]
fn who_is_neither_a_member_nor_connected_has_no_series() {
    let gone = LinkLine { role: String::new(), up_seconds: None, ..line("gone") };
    let stranger = LinkLine { role: String::new(), ..line("stranger") };
    let text = text(&[gone, stranger]);
    assert!(!text.contains("\"gone\"") && text.contains("{peer=\"stranger\"}"), "{text}");
}
