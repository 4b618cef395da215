//! Two secrets at once: who connects, and what becomes of links whose secret is given up.
#![allow(clippy::unwrap_used, reason = "a test")]

mod stage;

use quorate_proto::{DialFailure, Lane};
use quorate_transport::{Secret, Timings, Transport, TransportEvent};
use stage::{Actor, Node, actor, connect, log};
use std::time::Duration;
use tokio::sync::mpsc;

const OLD: u8 = 7;
const NEW: u8 = 8;

fn secrets(bytes: &[u8]) -> Vec<Secret> {
    bytes.iter().map(|byte| Secret::generate([*byte; 32])).collect()
}

fn print(byte: u8) -> String {
    Secret::generate([byte; 32]).fingerprint()
}

/// A node that accepts these secrets, and shows the first one where it has the choice.
fn holder(number: u8, accepts: &[u8]) -> Node {
    let quick = Duration::from_millis(100);
    let timings = Timings { dial: quick, hello: quick, ..Timings::default() };
    let actor = Actor { timings, ..actor(number) };
    let mut config = actor.config();
    config.secrets = secrets(accepts);
    let (sender, events) = mpsc::channel(1024);
    let transport = Transport::bind(config, actor.hello(), sender).unwrap();
    Node { actor, transport, events }
}

#[tokio::test]
async fn hosts_that_have_one_secret_in_common_connect_whichever_each_of_them_uses() {
    let pairs: [[&[u8]; 2]; 6] = [
        [&[OLD], &[NEW, OLD]],
        [&[OLD], &[OLD, NEW]],
        [&[NEW], &[OLD, NEW]],
        [&[NEW], &[NEW, OLD]],
        [&[OLD, NEW], &[NEW, OLD]],
        [&[NEW, OLD], &[NEW, OLD]],
    ];
    for [one, other] in pairs {
        for (dials, dialled) in [(one, other), (other, one)] {
            let (mut a, mut b) = (holder(1, dials), holder(2, dialled));
            connect(&mut a, &mut b).await;
        }
    }
}

#[tokio::test]
async fn hosts_without_a_common_secret_name_the_one_that_the_other_uses() {
    let (mut a, b) = (holder(1, &[NEW, OLD]), holder(2, &[9]));
    a.transport.dial(b.address());
    let expected = DialFailure::OtherSecret { theirs: print(9), ours: print(NEW) };
    assert_eq!(a.dial_failure().await, expected);
    let mut b = b;
    b.transport.dial(a.address());
    let expected = DialFailure::OtherSecret { theirs: print(NEW), ours: print(9) };
    assert_eq!(b.dial_failure().await, expected);
}

#[tokio::test]
async fn links_under_a_secret_that_is_given_up_are_made_anew_and_lose_no_frame_and_no_session() {
    let (mut a, mut b) = (holder(1, &[OLD, NEW]), holder(2, &[OLD, NEW]));
    connect(&mut a, &mut b).await;
    for number in 0..100 {
        a.send(&b, log(number.to_string()));
    }
    for node in [&a, &b] {
        node.transport.set_secrets(&secrets(&[NEW, OLD])).unwrap();
    }
    let old = [print(OLD)];
    tokio::join!(a.transport.given_up(&old), b.transport.given_up(&old));
    for number in 100..200 {
        a.send(&b, log(number.to_string()));
    }
    // The old one can go now: nothing stands under it.
    for node in [&a, &b] {
        node.transport.set_secrets(&secrets(&[NEW])).unwrap();
    }
    tokio::join!(a.transport.given_up(&[]), b.transport.given_up(&[]));
    a.send(&b, log("last"));
    let mut frames = Vec::new();
    while frames.last().is_none_or(|last| last != "last") {
        match b.events.recv().await.unwrap() {
            TransportEvent::Frame { lane: Lane::Log, bytes, .. } => {
                frames.push(String::from_utf8_lossy(&bytes).into_owned());
            }
            TransportEvent::SessionDown { .. } | TransportEvent::Undelivered { .. } => {
                panic!("something was lost")
            }
            _ => {}
        }
    }
    let mut expected: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    expected.push("last".to_owned());
    assert_eq!(frames, expected);
}

#[tokio::test]
async fn who_has_a_dropped_secret_alone_is_cut_off_and_told_so_with_both_fingerprints() {
    let (mut a, mut b) = (holder(1, &[OLD, NEW]), holder(2, &[OLD]));
    connect(&mut a, &mut b).await;
    a.transport.set_secrets(&secrets(&[NEW])).unwrap();
    let given_up = a.transport.given_up(&[]);
    tokio::time::timeout(Duration::from_secs(30), given_up).await.unwrap();
    b.session_end().await;
    b.transport.dial(a.address());
    let expected = DialFailure::OtherSecret { theirs: print(NEW), ours: print(OLD) };
    assert_eq!(b.dial_failure().await, expected);
}

#[tokio::test]
async fn who_has_the_old_secret_alone_keeps_its_link_and_holds_nobody_up_while_that_is_accepted() {
    let (mut a, mut b) = (holder(1, &[OLD, NEW]), holder(2, &[OLD]));
    connect(&mut a, &mut b).await;
    a.transport.set_secrets(&secrets(&[NEW, OLD])).unwrap();
    let old = [print(OLD)];
    let given_up = a.transport.given_up(&old);
    tokio::time::timeout(Duration::from_secs(30), given_up).await.expect("it ends");
    a.send(&b, log("through"));
    loop {
        match b.events.recv().await.unwrap() {
            TransportEvent::Frame { lane: Lane::Log, .. } => return,
            TransportEvent::SessionDown { .. } => panic!("it was cut"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn no_secret_at_all_is_refused_and_changes_nothing() {
    let (mut a, mut b) = (holder(1, &[OLD]), holder(2, &[OLD]));
    assert!(a.transport.set_secrets(&[]).is_err());
    connect(&mut a, &mut b).await;
}
