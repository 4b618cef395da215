//! Ends: a killed and restarted peer, a newer start, a farewell, an address where somebody else lives now.
#![allow(clippy::unwrap_used, reason = "a test")]

mod stage;

use quorate_proto::{Generation, Lane, SessionEnd};
use quorate_transport::{TransportEvent, farewell};
use stage::{Actor, actor, connect, log};
use std::time::Duration;

/// Runs a node in a runtime of its own, to the point that a session stands, and then kills it: its sockets close
/// without a word.
fn killed_after_session(who: Actor, with: std::net::SocketAddr) -> Actor {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let node = runtime.block_on(async {
            let mut node = who.start();
            node.transport.dial(with);
            node.session_up().await;
            node
        });
        let bind = node.address();
        // First what could send a goodbye, then the socket.
        drop(runtime);
        drop(node);
        Actor { bind, ..who }
    })
    .join()
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_and_restarted_peer_that_says_nothing_is_noticed_by_a_reset() {
    let mut a = actor(1).start();
    let address = a.address();
    let dead = tokio::task::spawn_blocking(move || killed_after_session(actor(2), address));
    let dead = dead.await.unwrap();
    a.session_up().await;
    // It listens again, but does not dial: only its resets speak.
    let _again = Actor { generation: 2, nonce: 22, ..dead }.start();
    assert_eq!(a.session_end().await, SessionEnd::Reset);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_peer_that_dials_replaces_its_old_session() {
    let mut a = actor(1).start();
    let address = a.address();
    let dead = tokio::task::spawn_blocking(move || killed_after_session(actor(2), address));
    let dead = dead.await.unwrap();
    let old = a.session_up().await;
    let again = Actor { generation: 2, nonce: 22, ..dead }.start();
    again.transport.dial(a.address());
    assert_eq!(a.session_end().await, SessionEnd::Reset);
    let new = a.session_up().await;
    assert_eq!(new.generation, Generation::new(2));
    assert!(new.number > old.number);
    a.send(&again, log("to the new one"));
    let mut again = again;
    assert_eq!(again.frames(Lane::Log, 1).await, ["to the new one"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_for_a_dead_peer_are_reported_and_a_silent_one_times_out() {
    let mut a = actor(1).start();
    let address = a.address();
    let dead = tokio::task::spawn_blocking(move || killed_after_session(actor(2), address));
    let dead = dead.await.unwrap();
    a.session_up().await;
    a.transport.send(dead.instance(), dead.bind, log("lost"));
    assert_eq!(a.session_end().await, SessionEnd::TimedOut);
    a.until(|event| matches!(event, TransportEvent::Undelivered { .. }).then_some(())).await;
}

#[tokio::test]
async fn frames_that_found_no_connection_are_reported_at_the_age_limit() {
    let mut a = actor(1).start();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    a.transport.send(actor(2).instance(), silent.local_addr().unwrap(), log("never"));
    let to = a.until(|event| match event {
        TransportEvent::Undelivered { to } => Some(to),
        _ => None,
    });
    assert_eq!(to.await, actor(2).instance());
}

#[tokio::test]
async fn frames_for_an_instance_that_lives_elsewhere_do_not_reach_another() {
    let (mut a, mut b) = (actor(1).start(), actor(2).start());
    a.transport.send(actor(3).instance(), b.address(), log("for three"));
    a.send(&b, log("for two"));
    assert_eq!(b.frames(Lane::Log, 1).await, ["for two"]);
    let to = a.until(|event| match event {
        TransportEvent::Undelivered { to } => Some(to),
        _ => None,
    });
    assert_eq!(to.await, actor(3).instance());
}

#[tokio::test]
async fn a_farewell_reaches_everyone_and_names_the_generation() {
    let (mut a, mut b) = (actor(1).start(), actor(2).start());
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let gone = Actor { generation: 5, ..actor(3) };
    let addresses = vec![a.address(), b.address(), silent.local_addr().unwrap()];
    let limit = Duration::from_secs(2);
    assert_eq!(farewell(gone.config(), gone.hello(), addresses, limit).await, 2);
    for node in [&mut a, &mut b] {
        let heard = node.until(|event| match event {
            TransportEvent::Farewell { instance, generation, .. } => Some((instance, generation)),
            TransportEvent::SessionUp(_) => panic!("a farewell is no session"),
            _ => None,
        });
        assert_eq!(heard.await, (gone.instance(), Generation::new(5)));
    }
}

#[tokio::test]
async fn dialling_a_session_that_stands_tells_it_again() {
    let (mut a, mut b) = (actor(1).start(), actor(2).start());
    connect(&mut a, &mut b).await;
    let number = a.transport.links()[0].connection.as_ref().unwrap().session.number;
    a.transport.dial(b.address());
    assert_eq!(a.session_up().await.number, number);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let a = actor(1).start();
    let config = Actor { bind: a.address(), ..actor(2) }.config();
    let (sender, _events) = tokio::sync::mpsc::channel(1);
    let error = quorate_transport::Transport::bind(config, actor(2).hello(), sender).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&a.address().to_string()) && text.contains("another quorate"), "{text}");
}
