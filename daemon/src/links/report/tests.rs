//! From the transport's reports to lines.

use super::lines;
use crate::api::tests::sample;
use crate::doors::PingFailure;
use crate::links::line::LinkLine;
use crate::links::ping::target;
use quorate_node::status::State;
use quorate_node::{PING_CLASSES, PingTimes};
use quorate_proto::{DialFailure, Instance, SessionEnd};
use quorate_transport::{DialReport, LaneBytes, LinkReport, Packets, outbox::GivenUp};
use std::time::Duration;

/// Of `c`, which went ten seconds ago.
fn report() -> LinkReport {
    let seconds = Duration::from_secs;
    let last = DialFailure::NoAnswer;
    LinkReport {
        instance: Instance::from_bytes([3; 16]),
        address: "10.0.0.3:4747".parse().unwrap(),
        connection: None,
        connections: 2,
        gone: Some((seconds(10), SessionEnd::TimedOut)),
        dials: Some(DialReport { failures: 3, since: seconds(8), last, peer_dialled_us: None }),
        waiting_control: 1,
        waiting_log: 2,
        control_bytes: 100,
        log_bytes: 300,
        unacknowledged: 4,
        retransmitted: 5,
        duplicates: 6,
        superseded: 7,
        given_up: GivenUp { log_lost: 8, control_expired: 9, ..GivenUp::default() },
        sent: LaneBytes { control: 10, log: 11, gossip: 12 },
        received: LaneBytes::default(),
        packets: Packets { sent: 40, lost: 1 },
        gossip_dropped: 13,
        overtaken: 14,
    }
}

#[test]
fn every_member_has_a_line_and_one_without_a_connection_says_since_when_and_why() {
    let lines = lines(&sample(State::Quorate), &[report()], None, 1_795_000_010_000);
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["a", "c"], "all but this node, also whom nothing was sent to");
    assert_eq!(lines[0].address, Some("10.0.0.1:4747".parse().unwrap()));
    assert_eq!(lines[0].findings, []);
    let line = &lines[1];
    assert_eq!((line.role.as_str(), line.gone_seconds), ("voter", Some(10)));
    assert_eq!(line.since, "2026-11-18T11:06:40.000Z");
    assert_eq!(line.findings[0].code, "no-answer");
    assert_eq!((line.figures.waiting_frames, line.waiting[1].bytes), (3, 300));
    let dropped: Vec<_> =
        line.dropped.iter().map(|d| (d.lane.as_str(), d.cause.as_str(), d.frames)).collect();
    assert_eq!(dropped, [("control", "expired", 9), ("log", "peer restarted", 8)]);
    assert_eq!((line.total_bytes[1].sent, line.figures.total_lost_packets), (11, 1));
}

#[test]
fn the_times_of_pings_are_told_as_how_many_took_no_longer() {
    let mut status = sample(State::Quorate);
    let mut times = PingTimes { sum: Duration::from_millis(1_600), ..PingTimes::default() };
    (times.classes[0], times.classes[3], times.classes[PING_CLASSES.len()]) = (7, 2, 1);
    status.pings = vec![(Instance::from_bytes([3; 16]), times)];
    let lines = lines(&status, &[report()], None, 0);
    let pings = lines[1].pings.as_ref().expect("it is pinged");
    assert_eq!((pings.answers, pings.sum_micros, &lines[0].pings), (10, 1_600_000, &None));
    let answers: Vec<u64> = pings.within.iter().map(|within| within.answers).collect();
    assert_eq!(answers, [7, 7, 7, 9, 9, 9, 9, 9, 9, 9]);
}

#[test]
fn a_stranger_has_a_line_by_its_instance() {
    let stranger = LinkReport { instance: Instance::from_bytes([9; 16]), ..report() };
    let lines = lines(&sample(State::Quorate), &[stranger], None, 0);
    let line = lines.last().unwrap();
    assert_eq!((line.role.as_str(), &line.name), ("", &Instance::from_bytes([9; 16]).short()));
}

#[test]
fn who_cannot_be_pinged_is_told_whom_one_can_ping() {
    let status = sample(State::Quorate);
    assert!(target(&status, "c").is_ok());
    assert_eq!(target(&status, "b"), Err(PingFailure::Itself));
    let known = vec!["a".to_owned(), "c".to_owned()];
    assert_eq!(target(&status, "z"), Err(PingFailure::Unknown { known }));
}

#[test]
fn each_figure_is_a_field_of_its_own_on_the_page_and_is_read_back() {
    let line = lines(&sample(State::Quorate), &[report()], None, 0).remove(1);
    let page = serde_json::to_value(&line).expect("a page");
    assert_eq!((page["overtaken"].as_u64(), page["mtu"].is_null()), (Some(14), true));
    assert_eq!(serde_json::from_value::<LinkLine>(page).expect("the same"), line);
}
