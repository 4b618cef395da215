//! What a transport reports of its links.
#![allow(clippy::unwrap_used, reason = "a test")]

mod stage;

use quorate_proto::{DialFailure, Lane, SessionEnd};
use quorate_transport::Timings;
use stage::relay::{CALM, Relay};
use stage::{Actor, actor, connect, control, log};
use std::time::Duration;

#[tokio::test]
async fn a_link_tells_its_round_trips_its_path_and_what_it_carried() {
    let (mut a, mut b) = (actor(1).start(), actor(2).start());
    connect(&mut a, &mut b).await;
    a.send(&b, log("there"));
    b.frames(Lane::Log, 1).await;
    b.send(&a, control(1, "back"));
    a.frames(Lane::Control, 1).await;
    let report = a.transport.links().remove(0);
    let link = report.connection.unwrap();
    assert!(link.dialled && link.mtu >= 1200);
    assert!(Duration::ZERO < link.rtt_p50 && link.rtt_p50 <= link.rtt_p99);
    assert!(link.packets.sent > 0 && link.recent.sent <= link.packets.sent);
    assert!(link.sent.log > 5 && link.received.control > 4);
    assert_eq!((report.sent, report.packets.sent > 0, report.connections), (link.sent, true, 1));
    assert_eq!((report.gone, report.dials), (None, None));
}

#[tokio::test]
async fn a_path_that_was_mended_carries_large_packets_again_soon() {
    let timings = Timings { mtu_search: Duration::from_millis(100), ..Timings::default() };
    let relay = Relay::new(1, CALM);
    relay.narrow(1, 2, Some(1300));
    let mut a = relay.start(actor(1), timings);
    let mut b = relay.start(actor(2), timings);
    a.transport.dial(relay.address(2));
    a.session_up().await;
    b.session_up().await;
    let mtu = |node: &stage::Node| {
        let link = node.transport.links().remove(0);
        link.connection.map_or(0, |connection| connection.mtu)
    };
    let sought = async {
        // What is sent has its largest packets sought.
        while mtu(&a) <= 1250 {
            a.transport.send(b.actor.instance(), relay.address(2), log("there"));
            b.frames(Lane::Log, 1).await;
        }
        assert!(mtu(&a) <= 1300);
        relay.narrow(1, 2, None);
        while mtu(&a) < 1452 {
            a.transport.send(b.actor.instance(), relay.address(2), log("there"));
            b.frames(Lane::Log, 1).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), sought).await.expect("it is sought again");
}

#[tokio::test]
async fn totals_go_on_over_connections_and_a_peer_that_went_says_when_and_why() {
    let timings = Timings { dial: Duration::from_millis(200), ..Timings::default() };
    let (mut a, mut b) = (Actor { timings, ..actor(1) }.start(), actor(2).start());
    connect(&mut a, &mut b).await;
    a.send(&b, log("first"));
    b.frames(Lane::Log, 1).await;
    let before = a.transport.links().remove(0);
    let (bind, who) = (b.address(), b.actor.clone());
    b.transport.close("stopped").await;
    drop(b);
    assert_eq!(a.session_end().await, SessionEnd::Closed);
    a.transport.dial(bind);
    assert_eq!(a.dial_failure().await, DialFailure::NoAnswer);
    let gone = a.transport.links().remove(0);
    assert!(gone.connection.is_none() && gone.sent.log >= before.sent.log);
    assert_eq!(gone.gone.map(|(_, end)| end), Some(SessionEnd::Closed));
    let dials = gone.dials.unwrap();
    assert_eq!((dials.last, dials.peer_dialled_us), (DialFailure::NoAnswer, None));
    assert!(dials.failures >= 1);
    let mut b = Actor { bind, generation: 2, nonce: 22, ..who }.start_once_free().await;
    b.transport.dial(a.address());
    a.session_up().await;
    a.send(&b, log("second"));
    b.frames(Lane::Log, 1).await;
    let after = a.transport.links().remove(0);
    assert!(after.sent.log > gone.sent.log && after.packets.sent >= gone.packets.sent);
    assert_eq!((after.connections, after.gone, after.dials), (2, None, None));
}

#[tokio::test]
async fn a_peer_that_is_reached_in_one_direction_only_is_heard_knocking() {
    let relay = Relay::new(1, CALM);
    let timings = Timings { dial: Duration::from_millis(200), ..Timings::default() };
    let (a, mut b) = (relay.start(actor(1), timings), relay.start(actor(2), timings));
    relay.shut(1, 2, true);
    // Something waits for the peer, so that its address is dialled again and again.
    a.transport.send(b.instance(), relay.address(2), log("never"));
    let knocked = async {
        loop {
            b.transport.dial(relay.address(1));
            assert_eq!(b.dial_failure().await, DialFailure::NoAnswer);
            let dials = a.transport.links().remove(0).dials;
            if dials.is_some_and(|d| d.last == DialFailure::OneWay && d.peer_dialled_us.is_some()) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), knocked).await.expect("the knock is seen");
    let heard = b.transport.links().into_iter().filter_map(|link| link.dials);
    assert!(heard.filter_map(|dials| dials.peer_dialled_us).next().is_none(), "nothing comes to b");
}
