//! The outbox by itself: order, superseding, bounds, expiry, loss of the connection.

use bytes::Bytes;
use quorate_proto::{Frame, FrameKind, Generation, GroupId, Lane, Moment, Supersede, limits};
use quorate_transport::outbox::{
    AGE_LIMIT, CONTROL_FRAMES, FRAME_OVERHEAD, LOG_BYTES, Outbox, PeerStart,
};
use std::time::Duration;

const START: Moment = Moment::ZERO;

fn log(text: &'static str) -> Frame {
    let bytes = Bytes::from_static(text.as_bytes());
    Frame { lane: Lane::Log, supersede: None, expires: None, bytes }
}

fn control(kind: FrameKind, subject: u64, text: &'static str) -> Frame {
    let supersede = Some(Supersede { kind, group: GroupId::META, subject });
    Frame { lane: Lane::Control, supersede, ..log(text) }
}

/// What is written, an empty one for what is skipped.
fn drain(outbox: &mut Outbox, now: Moment, lane: Lane) -> Vec<(u64, Bytes)> {
    std::iter::from_fn(|| outbox.next_to_write(now, lane))
        .map(|o| (o.number, o.bytes.unwrap_or_default()))
        .collect()
}

fn start(generation: u64) -> PeerStart {
    PeerStart { generation: Generation::new(generation), boot_nonce: 1 }
}

fn connected() -> Outbox {
    let mut outbox = Outbox::new(START);
    outbox.connection_up(start(1));
    outbox
}

#[test]
fn frames_handed_over_before_the_connection_leave_in_order_when_it_stands() {
    let mut outbox = Outbox::new(START);
    for text in ["a", "b", "c"] {
        assert_eq!(outbox.push(START, log(text)), None);
    }
    assert_eq!(outbox.next_to_write(START, Lane::Log), None);
    outbox.connection_up(start(1));
    let written = drain(&mut outbox, START, Lane::Log);
    assert_eq!(written, [(1, "a".into()), (2, "b".into()), (3, "c".into())]);
    assert_eq!(outbox.unacknowledged(), 3);
    outbox.acknowledged(3, false).unwrap();
    assert!(outbox.is_empty());
    assert_eq!(outbox.log_bytes(), 0);
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
    let mut outbox = Outbox::new(START);
    outbox.push(START, control(FrameKind::Farewell, 0, "goodbye"));
    for subject in 0..CONTROL_FRAMES as u64 {
        outbox.push(START, control(FrameKind::Founding, subject, "f"));
    }
    assert_eq!(outbox.waiting(Lane::Control), CONTROL_FRAMES);
    assert_eq!(outbox.given_up().control_full, 1);
    outbox.connection_up(start(1));
    let first = outbox.next_to_write(START, Lane::Control).unwrap();
    assert_eq!(first.bytes.unwrap(), "goodbye");
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
    let mut outbox = Outbox::new(START);
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
    let mut outbox = Outbox::new(START);
    outbox.push(START, log("a"));
    outbox.push(START, control(FrameKind::Ping, 0, "p"));
    assert_eq!(outbox.next_wake(), Some(START + AGE_LIMIT));
    let given_up = outbox.expire(START + AGE_LIMIT).unwrap();
    assert_eq!((given_up.log_expired, given_up.control_expired), (1, 1));
    assert_eq!(outbox.next_wake(), None);
    outbox.connection_up(start(1));
    outbox.push(START, log("b"));
    assert_eq!(outbox.next_wake(), None);
    assert_eq!(outbox.expire(START + AGE_LIMIT + AGE_LIMIT), None);
}

#[test]
fn what_was_not_acknowledged_goes_again_in_order_behind_what_the_peer_has() {
    let mut outbox = connected();
    for text in ["a", "b", "c", "d"] {
        outbox.push(START, log(text));
    }
    for _ in 0..3 {
        outbox.next_to_write(START, Lane::Log).unwrap();
    }
    outbox.connection_lost(START);
    assert_eq!(outbox.take_given_up(), None);
    outbox.connection_up(start(1));
    assert_eq!(outbox.next_to_write(START, Lane::Log), None, "the peer has not said what it has");
    outbox.acknowledged(1, true).unwrap();
    let again = drain(&mut outbox, START, Lane::Log);
    assert_eq!(again, [(2, "b".into()), (3, "c".into()), (4, "d".into())]);
    assert_eq!(outbox.retransmitted(), 2);
}

#[test]
fn an_acknowledgement_in_the_middle_of_a_connection_opens_nothing() {
    let mut outbox = connected();
    outbox.push(START, log("a"));
    outbox.push(START, log("b"));
    drain(&mut outbox, START, Lane::Log);
    outbox.connection_lost(START);
    outbox.connection_up(start(1));
    // It came late on the connection before.
    outbox.acknowledged(1, false).unwrap();
    assert_eq!(outbox.next_to_write(START, Lane::Log), None);
    outbox.acknowledged(1, true).unwrap();
    assert_eq!(drain(&mut outbox, START, Lane::Log), [(2, "b".into())]);
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_an_error_and_changes_nothing() {
    let mut outbox = connected();
    outbox.push(START, log("a"));
    assert!(outbox.acknowledged(1, false).is_err(), "it was not written yet");
    drain(&mut outbox, START, Lane::Log);
    let error = outbox.acknowledged(7, true).unwrap_err();
    assert_eq!((error.number, error.last), (7, 1));
    assert_eq!(outbox.unacknowledged(), 1);
    outbox.acknowledged(1, false).unwrap();
    outbox.acknowledged(0, false).unwrap();
    assert!(outbox.is_empty());
}

#[test]
fn another_start_of_the_peer_gets_what_was_not_written_and_the_rest_is_reported() {
    let mut outbox = connected();
    outbox.push(START, log("written"));
    outbox.push(START, log("waiting"));
    outbox.next_to_write(START, Lane::Log).unwrap();
    outbox.connection_lost(START);
    let lost = outbox.connection_up(start(2)).unwrap();
    assert_eq!(lost.log_lost, 1);
    assert!(lost.undelivered());
    assert_eq!(drain(&mut outbox, START, Lane::Log), [(2, "waiting".into())]);
}

#[test]
fn an_expired_vote_is_skipped_by_number_when_its_connection_was_lost() {
    let mut outbox = connected();
    outbox.push(START, log("a"));
    outbox.push(START, Frame { expires: Some(Duration::from_millis(100)), ..log("vote") });
    outbox.push(START, log("b"));
    drain(&mut outbox, START, Lane::Log);
    outbox.connection_lost(START);
    outbox.connection_up(start(1));
    outbox.acknowledged(0, true).unwrap();
    let later = START + Duration::from_millis(100);
    let again = drain(&mut outbox, later, Lane::Log);
    assert_eq!(again, [(1, "a".into()), (2, Bytes::new()), (3, "b".into())]);
    assert_eq!(outbox.take_given_up().unwrap().log_expired, 1);
    outbox.acknowledged(3, false).unwrap();
    assert_eq!(outbox.log_bytes(), 0);
}

#[test]
fn unacknowledged_frames_without_a_connection_are_given_up_at_the_age_limit() {
    let mut outbox = connected();
    outbox.push(START, log("a"));
    outbox.push(START, log("b"));
    drain(&mut outbox, START, Lane::Log);
    outbox.connection_lost(START);
    outbox.push(START, log("c"));
    assert_eq!(outbox.next_wake(), Some(START + AGE_LIMIT));
    let given_up = outbox.expire(START + AGE_LIMIT).unwrap();
    assert_eq!(given_up.log_expired, 3);
    assert!(outbox.is_empty());
    outbox.push(START, log("d"));
    outbox.connection_up(start(1));
    // Nothing is unacknowledged, and no number comes twice.
    assert_eq!(drain(&mut outbox, START, Lane::Log), [(3, "d".into())]);
}

#[test]
fn what_is_not_acknowledged_counts_towards_the_bound() {
    let mut outbox = connected();
    let frame = Frame { bytes: Bytes::from(vec![0; 1024 * 1024]), ..log("") };
    let fitting = LOG_BYTES / (1024 * 1024 + FRAME_OVERHEAD);
    for _ in 0..fitting {
        assert_eq!(outbox.push(START, frame.clone()), None);
        outbox.next_to_write(START, Lane::Log).unwrap();
    }
    assert_eq!(outbox.push(START, frame.clone()).unwrap().log_full, 1);
    outbox.acknowledged(1, false).unwrap();
    assert_eq!(outbox.push(START, frame), None);
}
