//! The outbox by itself: order, superseding, bounds, expiry, loss of the connection.

use bytes::Bytes;
use quorate_proto::{Frame, FrameKind, Lane, Moment, Supersede, limits};
use quorate_transport::outbox::{AGE_LIMIT, CONTROL_FRAMES, FRAME_OVERHEAD, LOG_BYTES, Outbox};
use std::time::Duration;

const START: Moment = Moment::ZERO;

fn log(text: &'static str) -> Frame {
    let bytes = Bytes::from_static(text.as_bytes());
    Frame { lane: Lane::Log, supersede: None, expires: None, bytes }
}

fn control(kind: FrameKind, subject: u64, text: &'static str) -> Frame {
    let supersede = Some(Supersede { kind, group: 0, subject });
    Frame { lane: Lane::Control, supersede, ..log(text) }
}

fn drain(outbox: &mut Outbox, now: Moment, lane: Lane) -> Vec<(u64, Bytes)> {
    std::iter::from_fn(|| outbox.next_to_write(now, lane)).map(|o| (o.number, o.bytes)).collect()
}

fn connected() -> Outbox {
    let mut outbox = Outbox::new();
    outbox.connection_up();
    outbox
}

#[test]
fn frames_handed_over_before_the_connection_leave_in_order_when_it_stands() {
    let mut outbox = Outbox::new();
    for text in ["a", "b", "c"] {
        assert_eq!(outbox.push(START, log(text)), None);
    }
    assert_eq!(outbox.next_to_write(START, Lane::Log), None);
    outbox.connection_up();
    let written = drain(&mut outbox, START, Lane::Log);
    assert_eq!(written, [(1, "a".into()), (2, "b".into()), (3, "c".into())]);
    assert!(outbox.is_empty());
}

#[test]
fn a_newer_control_frame_replaces_an_unsent_one_of_the_same_key_only() {
    let mut outbox = connected();
    outbox.push(START, control(FrameKind::Ping, 0, "ping 1"));
    outbox.push(START, control(FrameKind::Founding, 1, "ballot 1"));
    outbox.push(START, control(FrameKind::Founding, 2, "ballot 2"));
    outbox.push(START, control(FrameKind::Ping, 0, "ping 2"));
    let written: Vec<_> =
        drain(&mut outbox, START, Lane::Control).into_iter().map(|w| w.1).collect();
    assert_eq!(written, ["ping 2", "ballot 1", "ballot 2"]);
    assert_eq!(outbox.superseded(), 1);
    outbox.push(START, control(FrameKind::Ping, 0, "ping 3"));
    assert_eq!(drain(&mut outbox, START, Lane::Control).len(), 1);
}

#[test]
fn a_full_control_lane_drops_its_oldest_repeating_frame_and_keeps_a_goodbye() {
    let mut outbox = Outbox::new();
    outbox.push(START, control(FrameKind::Farewell, 0, "goodbye"));
    for subject in 0..CONTROL_FRAMES as u64 {
        outbox.push(START, control(FrameKind::Founding, subject, "f"));
    }
    assert_eq!(outbox.waiting(Lane::Control), CONTROL_FRAMES);
    assert_eq!(outbox.given_up().control_full, 1);
    outbox.connection_up();
    let first = outbox.next_to_write(START, Lane::Control).unwrap();
    assert_eq!(first.bytes, "goodbye");
}

#[test]
fn the_largest_control_frame_is_let_in_and_stays_within_the_bound() {
    let mut outbox = connected();
    let mut frame = control(FrameKind::Dissent, 1, "");
    frame.bytes = Bytes::from(vec![0; limits::CONTROL_FRAME]);
    outbox.push(START, control(FrameKind::Ping, 1, "ping"));
    outbox.push(START, frame);
    assert_eq!(outbox.waiting(Lane::Control), 1);
    assert_eq!(outbox.given_up().control_full, 1);
    assert_eq!(drain(&mut outbox, START, Lane::Control)[0].1.len(), limits::CONTROL_FRAME);
}

#[test]
fn a_full_log_lane_refuses_the_newest_and_says_so() {
    let mut outbox = Outbox::new();
    let size = 1024 * 1024;
    let piece = Bytes::from(vec![0; size]);
    let frame = Frame { bytes: piece, ..log("") };
    let fitting = LOG_BYTES / (size + FRAME_OVERHEAD);
    for _ in 0..fitting {
        assert_eq!(outbox.push(START, frame.clone()), None);
    }
    let given_up = outbox.push(START, frame).unwrap();
    assert_eq!(given_up.log_full, 1);
    assert!(given_up.undelivered());
    assert_eq!(outbox.waiting(Lane::Log), fitting);
}

#[test]
fn a_frame_over_the_limit_of_its_lane_is_refused_and_counted() {
    let mut outbox = connected();
    let frame = Frame { bytes: Bytes::from(vec![0; limits::LOG_FRAME + 1]), ..log("") };
    let given_up = outbox.push(START, frame).unwrap();
    assert_eq!(given_up.oversize, 1);
    assert!(outbox.is_empty());
}

#[test]
fn an_expired_vote_is_skipped_and_reported_while_its_neighbours_leave() {
    let mut outbox = connected();
    let vote = Frame { expires: Some(Duration::from_millis(100)), ..log("vote") };
    outbox.push(START, vote);
    outbox.push(START, log("append"));
    let later = START + Duration::from_millis(100);
    assert_eq!(drain(&mut outbox, later, Lane::Log), [(1, "append".into())]);
    assert_eq!(outbox.take_given_up().unwrap().log_expired, 1);
}

#[test]
fn frames_without_a_connection_are_given_up_at_the_age_limit_and_not_with_one() {
    let mut outbox = Outbox::new();
    outbox.push(START, log("a"));
    outbox.push(START, control(FrameKind::Ping, 0, "p"));
    assert_eq!(outbox.next_wake(), Some(START + AGE_LIMIT));
    let given_up = outbox.expire(START + AGE_LIMIT).unwrap();
    assert_eq!((given_up.log_expired, given_up.control_expired), (1, 1));
    assert_eq!(outbox.next_wake(), None);
    outbox.connection_up();
    outbox.push(START, log("b"));
    assert_eq!(outbox.next_wake(), None);
    assert_eq!(outbox.expire(START + AGE_LIMIT + AGE_LIMIT), None);
}

#[test]
fn a_lost_connection_reports_what_was_written_and_keeps_what_was_not() {
    let mut outbox = connected();
    outbox.push(START, log("written"));
    outbox.push(START, log("waiting"));
    outbox.next_to_write(START, Lane::Log).unwrap();
    let lost = outbox.connection_lost(START).unwrap();
    assert_eq!(lost.log_lost, 1);
    assert_eq!(outbox.connection_lost(START), None);
    outbox.connection_up();
    assert_eq!(drain(&mut outbox, START, Lane::Log), [(2, "waiting".into())]);
}
