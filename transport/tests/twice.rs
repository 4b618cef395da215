//! One disk life that runs twice: whoever is there stays, the copy is turned away, and the owner is told. And a restarted host,
//! which is no copy.
#![allow(clippy::unwrap_used, reason = "a test")]

mod stage;

use quorate_proto::{Generation, Lane};
use quorate_transport::TransportEvent;
use stage::{Actor, Node, actor, connect, control};

/// The copy is not let in. It may hold its connection for good until it hears that: the hello of the other side came at once.
async fn is_not_let_in(copy: &mut Node) {
    copy.until(|event| match event {
        TransportEvent::DialFailed { .. } | TransportEvent::SessionDown { .. } => Some(()),
        _ => None,
    })
    .await;
}

async fn told_of(node: &mut Node) -> (Generation, u64) {
    node.until(|event| match event {
        TransportEvent::Twice(session) => Some((session.generation, session.boot_nonce)),
        TransportEvent::SessionUp(session) => panic!("{session:?}"),
        TransportEvent::SessionDown { .. } => panic!("the session goes on"),
        _ => None,
    })
    .await
}

async fn still_speak(a: &mut Node, b: &mut Node) {
    a.send(b, control(1, "still spoken with"));
    assert_eq!(b.frames(Lane::Control, 1).await, ["still spoken with"]);
    b.send(a, control(1, "still heard"));
    assert_eq!(a.frames(Lane::Control, 1).await, ["still heard"]);
}

async fn is_turned_away(copy: Actor) {
    let (mut a, mut b) = (actor(1).start(), Actor { generation: 5, ..actor(2) }.start());
    connect(&mut a, &mut b).await;
    let (generation, nonce) = (copy.generation, copy.nonce);
    let mut copy = copy.start();
    copy.transport.dial(a.address());
    is_not_let_in(&mut copy).await;
    assert_eq!(told_of(&mut a).await, (Generation::new(generation), nonce));
    still_speak(&mut a, &mut b).await;
}

#[tokio::test]
async fn a_copy_that_was_started_later_does_not_take_the_place_of_the_one_that_runs() {
    is_turned_away(Actor { generation: 6, nonce: 99, ..actor(2) }).await;
}

#[tokio::test]
async fn a_copy_of_the_same_generation_does_not_take_the_place_of_the_one_that_runs() {
    is_turned_away(Actor { generation: 5, nonce: 99, ..actor(2) }).await;
}

#[tokio::test]
async fn a_copy_hears_that_it_is_a_copy_beside_the_original_and_when_the_owner_finds_out() {
    use quorate_proto::{DialFailure, SessionEnd};
    let (mut a, mut b) = (actor(1).start(), Actor { generation: 5, ..actor(2) }.start());
    connect(&mut a, &mut b).await;
    let mut copy = Actor { generation: 6, nonce: 99, ..actor(2) }.start();
    copy.transport.dial(a.address());
    let told = |event: &TransportEvent| match event {
        TransportEvent::DialFailed { failure, .. } => Some(*failure == DialFailure::Twice),
        TransportEvent::SessionDown { end, .. } => Some(*end == SessionEnd::Twice),
        _ => None,
    };
    assert!(copy.until(|event| told(&event)).await);
    // Taken for a copy by the owner of the transport: that session ends, and another one does not.
    let session = third_host(&mut a).await;
    let mut third = session.1;
    a.transport.turn_away(session.0.instance, session.0.number + 1);
    still_speak(&mut a, &mut third).await;
    a.transport.turn_away(session.0.instance, session.0.number);
    assert!(third.until(|event| told(&event)).await);
    // It comes again and is refused at once; another start of it is let in.
    third.transport.dial(a.address());
    assert!(third.until(|event| told(&event)).await);
    let later = Actor { generation: 2, nonce: 33, ..actor(3) }.start();
    later.transport.dial(a.address());
    let came = a.until(|event| match event {
        TransportEvent::SessionUp(session) => Some(session.boot_nonce),
        _ => None,
    });
    assert_eq!(came.await, 33, "the first one after that");
}

/// A third host, connected with the first.
async fn third_host(a: &mut Node) -> (quorate_proto::Session, Node) {
    let third = actor(3).start();
    third.transport.dial(a.address());
    (a.session_up().await, third)
}

#[tokio::test]
async fn an_older_start_neither_continues_nor_ends_the_session_of_a_newer_one() {
    let (mut a, mut b) = (actor(1).start(), Actor { generation: 5, ..actor(2) }.start());
    connect(&mut a, &mut b).await;
    // Of the same nonce, so that nothing but the generation tells them apart.
    let mut older = Actor { generation: 4, ..actor(2) }.start();
    older.transport.dial(a.address());
    is_not_let_in(&mut older).await;
    still_speak(&mut a, &mut b).await;
}
