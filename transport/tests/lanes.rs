//! What travels between two nodes: frames, gossip, requests.
#![allow(clippy::unwrap_used, reason = "a test")]

mod stage;

use bytes::Bytes;
use quorate_proto::{Lane, SessionEnd, limits};
use quorate_transport::{RequestFailure, Timings, TransportEvent};
use stage::{Actor, actor, connect, control, log};
use std::collections::BTreeSet;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn frames_handed_over_before_the_connection_stands_arrive_in_order() {
    let (mut a, mut b) = (actor(1).start(), actor(2).start());
    for number in 0..100 {
        a.send(&b, log(format!("log {number}")));
        a.send(&b, control(number, format!("control {number}")));
    }
    let logs: Vec<_> = (0..100).map(|number| format!("log {number}")).collect();
    assert_eq!(b.frames(Lane::Log, 100).await, logs);
    a.send(&b, control(0, "last"));
    a.send(&b, log("last"));
    assert_eq!(b.frames(Lane::Log, 1).await, ["last"]);
    assert_eq!(a.session_up().await.instance, b.instance());
}

#[tokio::test]
async fn control_frames_handed_over_before_the_connection_stands_arrive_in_order() {
    let (a, mut b) = (actor(1).start(), actor(2).start());
    for number in 0..100 {
        a.send(&b, control(number, format!("{number}")));
    }
    let texts: Vec<_> = (0..100).map(|number| format!("{number}")).collect();
    assert_eq!(b.frames(Lane::Control, 100).await, texts);
}

#[tokio::test]
async fn a_session_comes_before_its_frames_and_carries_the_hello() {
    let (a, mut b) = (actor(1).start(), actor(2).start());
    a.send(&b, log("hello"));
    let first = b.until(Some).await;
    let TransportEvent::SessionUp(session) = first else { panic!("{first:?} came first") };
    assert_eq!(session.instance, a.instance());
    assert_eq!(session.key, a.actor.config().key.public());
    assert_eq!(session.address, a.address());
    assert_eq!(session.name.as_str(), "n1");
    assert_eq!(session.boot_nonce, a.actor.nonce);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_dialling_at_once_ends_in_one_session_and_loses_no_queued_frame() {
    for round in 0..20 {
        let (mut a, mut b) = (actor(1).start(), actor(2).start());
        a.transport.dial(b.address());
        b.transport.dial(a.address());
        for number in 0..50 {
            a.send(&b, log(format!("{number}")));
            b.send(&a, log(format!("{number}")));
            if number % 10 == 0 {
                tokio::task::yield_now().await;
            }
        }
        let wanted: BTreeSet<_> = (0..50).map(|number| format!("{number}")).collect();
        for node in [&mut a, &mut b] {
            let mut sessions = BTreeSet::new();
            let mut frames = BTreeSet::new();
            while frames.len() < wanted.len() {
                node.until(|event| {
                    match event {
                        TransportEvent::SessionUp(session) => {
                            sessions.insert(session.number);
                        }
                        TransportEvent::Frame { bytes, .. } => {
                            frames.insert(String::from_utf8_lossy(&bytes).into_owned());
                        }
                        TransportEvent::SessionDown { .. } | TransportEvent::Undelivered { .. } => {
                            panic!("round {round}: {event:?}")
                        }
                        _ => {}
                    }
                    Some(())
                })
                .await;
            }
            assert_eq!(frames, wanted, "round {round}");
            assert_eq!(sessions.len(), 1, "round {round}");
        }
        // Still usable both ways, and still one session.
        a.send(&b, log("after"));
        b.send(&a, log("after"));
        assert_eq!(a.frames(Lane::Log, 1).await, ["after"]);
        assert_eq!(b.frames(Lane::Log, 1).await, ["after"]);
        assert_eq!(a.transport.links().len(), 1);
    }
}

#[tokio::test]
async fn gossip_travels_on_a_session_and_is_dropped_without_one_or_when_too_large() {
    let (mut a, mut b) = (actor(1).start(), actor(2).start());
    a.transport.send_datagram(
        b.instance(),
        b.address(),
        Bytes::from_static(b"dropped, but it dials"),
    );
    a.session_up().await;
    let too_large = Bytes::from(vec![0; limits::GOSSIP_PACKET + 1]);
    a.transport.send_datagram(b.instance(), b.address(), too_large);
    a.transport.send_datagram(
        b.instance(),
        b.address(),
        Bytes::from(vec![1; limits::GOSSIP_PACKET]),
    );
    let datagram = b.until(|event| match event {
        TransportEvent::Datagram { from, bytes } => Some((from, bytes)),
        _ => None,
    });
    let (from, bytes) = datagram.await;
    assert_eq!((from, bytes.len()), (a.instance(), limits::GOSSIP_PACKET));
    let link = a.transport.links().remove(0).connection.unwrap();
    assert_eq!(
        (link.gossip_dropped, link.sent.gossip),
        (1, 1 + limits::GOSSIP_PACKET as u64),
        "with its mark"
    );
}

#[tokio::test]
async fn a_request_is_answered_dropped_or_not_sent() {
    let (a, mut b) = (actor(1).start(), actor(2).start());
    let (to, address) = (b.instance(), b.address());
    let large = Bytes::from(vec![9; limits::REQUEST_FRAME]);
    let asked = tokio::spawn(a.transport.request(to, address, large.clone(), LONG));
    let request = |event| match event {
        TransportEvent::Request { bytes, answer, .. } => Some((bytes, answer)),
        _ => None,
    };
    let (bytes, answer) = b.until(request).await;
    assert_eq!(bytes, large);
    answer.send(large.clone()).unwrap();
    assert_eq!(asked.await.unwrap(), Ok(large.clone()));

    let asked = tokio::spawn(a.transport.request(to, address, Bytes::new(), LONG));
    let (_, answer) = b.until(request).await;
    drop(answer);
    assert_eq!(asked.await.unwrap(), Err(RequestFailure::Lost));

    let over = Bytes::from(vec![9; limits::REQUEST_FRAME + 1]);
    let failure = a.transport.request(to, address, over, LONG).await;
    assert_eq!(failure, Err(RequestFailure::NotSent));
    let nobody = actor(9).instance();
    let short = Duration::from_millis(300);
    let failure = a.transport.request(nobody, "127.0.0.1:9".parse().unwrap(), large, short).await;
    assert_eq!(failure, Err(RequestFailure::NotSent));
}

#[tokio::test]
async fn an_answer_that_is_given_right_before_the_close_comes_whole() {
    let (a, mut b) = (actor(1).start(), actor(2).start());
    let asked = tokio::spawn(a.transport.request(b.instance(), b.address(), Bytes::new(), LONG));
    let answer = b.until(|event| match event {
        TransportEvent::Request { answer, .. } => Some(answer),
        _ => None,
    });
    let answer = answer.await;
    // More than goes out at once.
    let large = Bytes::from(vec![9; limits::REQUEST_FRAME / 8]);
    answer.send(large.clone()).unwrap();
    b.transport.close("stopping").await;
    assert_eq!(asked.await.unwrap(), Ok(large));
}

#[tokio::test]
async fn a_link_is_not_closed_as_unused_while_a_request_waits_on_it() {
    let hasty = |number| {
        let unused = Duration::from_millis(400);
        Actor { timings: Timings { unused, ..Timings::default() }, ..actor(number) }
    };
    let (mut a, mut b, mut c) = (hasty(1).start(), hasty(2).start(), hasty(3).start());
    connect(&mut a, &mut b).await;
    let asked = tokio::spawn(a.transport.request(b.instance(), b.address(), Bytes::new(), LONG));
    let answer = b.until(|event| match event {
        TransportEvent::Request { answer, .. } => Some(answer),
        _ => None,
    });
    let answer = answer.await;
    // Each time one with a third node goes, all links were looked at.
    for _ in 0..3 {
        connect(&mut a, &mut c).await;
        assert_eq!(c.session_end().await, SessionEnd::Closed);
        assert_eq!(a.session_end().await, SessionEnd::Closed);
    }
    answer.send(Bytes::from_static(b"at last")).unwrap();
    assert_eq!(asked.await.unwrap().unwrap(), "at last");
}

#[tokio::test]
async fn requests_beyond_the_memory_for_them_are_refused_as_not_sent() {
    let (mut a, mut b) = (actor(1).start(), actor(2).start());
    connect(&mut a, &mut b).await;
    let large = Bytes::from(vec![9; limits::REQUEST_FRAME]);
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..20 {
        asked.spawn(a.transport.request(b.instance(), b.address(), large.clone(), LONG));
    }
    // The 32 MiB of one peer hold seven of 4 MiB each; the others are turned away while those wait.
    let mut waiting = vec![];
    while waiting.len() < 7 {
        let answer = b.until(|event| match event {
            TransportEvent::Request { answer, .. } => Some(answer),
            _ => None,
        });
        waiting.push(answer.await);
    }
    for _ in 0..13 {
        assert_eq!(asked.join_next().await.unwrap().unwrap(), Err(RequestFailure::NotSent));
    }
    for answer in waiting {
        answer.send(Bytes::from_static(b"done")).unwrap();
    }
    while let Some(answer) = asked.join_next().await {
        assert_eq!(answer.unwrap().unwrap(), "done");
    }
}

#[tokio::test]
async fn an_orderly_close_sends_what_waits_first() {
    let (mut a, mut b) = (actor(1).start(), actor(2).start());
    connect(&mut a, &mut b).await;
    for number in 0..1000 {
        a.send(&b, log(format!("{number}")));
    }
    a.send(&b, control(0, "goodbye"));
    a.transport.close("test").await;
    let texts: Vec<_> = (0..1000).map(|number| format!("{number}")).collect();
    assert_eq!(b.frames(Lane::Log, 1000).await, texts);
    assert_eq!(b.session_end().await, SessionEnd::Closed);
}
