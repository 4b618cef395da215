//! Who is turned away, and what both sides are told.
#![allow(clippy::unwrap_used, reason = "a test")]

mod stage;

use quorate_proto::{DialFailure, Lane, SessionEnd};
use quorate_transport::{Secret, SecretError, TransportEvent};
use stage::{Actor, actor, connect, control, log};

/// What each of two nodes that dial each other is told.
async fn failures(a: Actor, b: Actor) -> (DialFailure, DialFailure) {
    let (mut a, mut b) = (a.start(), b.start());
    a.transport.dial(b.address());
    let first = a.dial_failure().await;
    b.transport.dial(a.address());
    let second = b.dial_failure().await;
    (first, second)
}

#[tokio::test]
async fn another_secret_is_named_with_both_fingerprints_on_both_sides() {
    let stranger = Actor { secret: 8, ..actor(2) };
    let [ours, theirs] = [7, 8].map(|byte| Secret::generate([byte; 32]).fingerprint());
    assert_ne!(ours, theirs);
    let (a, b) = failures(actor(1), stranger).await;
    assert_eq!(a, DialFailure::OtherSecret { theirs: theirs.clone(), ours: ours.clone() });
    assert_eq!(b, DialFailure::OtherSecret { theirs: ours, ours: theirs });
}

#[tokio::test]
async fn the_side_that_is_dialled_hears_of_another_secret_at_an_address_that_it_dials() {
    let (mut a, mut b) = (actor(1).start(), Actor { secret: 8, ..actor(2) }.start());
    b.transport.dial(a.address());
    b.dial_failure().await;
    a.transport.dial(b.address());
    for node in [&mut a, &mut b] {
        assert!(matches!(node.dial_failure().await, DialFailure::OtherSecret { .. }));
    }
}

#[tokio::test]
async fn another_cluster_is_named_on_both_sides() {
    let (a, b) = failures(actor(1), Actor { cluster: "other", ..actor(2) }).await;
    assert_eq!(a, DialFailure::OtherCluster { theirs: "other".into(), ours: "test".into() });
    assert_eq!(b, DialFailure::OtherCluster { theirs: "test".into(), ours: "other".into() });
}

#[tokio::test]
async fn another_protocol_range_is_named_on_both_sides() {
    let mut a = actor(1).start();
    let later = actor(2);
    let mut hello = later.hello();
    (hello.protocol_min, hello.protocol_max) = (7, 9);
    let (sender, mut events) = tokio::sync::mpsc::channel(64);
    let b = quorate_transport::Transport::bind(later.config(), hello, sender).unwrap();
    a.transport.dial(b.local_address());
    let failure = a.dial_failure().await;
    assert!(
        matches!(failure, DialFailure::Protocol { theirs_min: 7, theirs_max: 9, .. }),
        "{failure:?}"
    );
    b.dial(a.address());
    let event = events.recv().await.unwrap();
    let TransportEvent::DialFailed { failure, .. } = event else { panic!("{event:?}") };
    assert!(matches!(failure, DialFailure::Protocol { .. }), "{failure:?}");
}

#[tokio::test]
async fn ranges_that_have_one_version_in_common_talk_whoever_dials() {
    use quorate_proto::limits::PROTOCOL_MAX;
    for range in [(0, PROTOCOL_MAX), (PROTOCOL_MAX, PROTOCOL_MAX + 1), (1, 99)] {
        let mut a = actor(1).start();
        let later = actor(2);
        let mut hello = later.hello();
        (hello.protocol_min, hello.protocol_max) = range;
        let (sender, mut events) = tokio::sync::mpsc::channel(64);
        let b = quorate_transport::Transport::bind(later.config(), hello, sender).unwrap();
        match range.1 {
            99 => a.transport.dial(b.local_address()),
            _ => b.dial(a.address()),
        }
        assert_eq!(a.session_up().await.instance, later.instance(), "{range:?}");
        assert!(matches!(events.recv().await, Some(TransportEvent::SessionUp(_))), "{range:?}");
    }
}

#[tokio::test]
async fn a_dial_to_nobody_and_to_oneself_says_so() {
    let mut a = actor(1).start();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    a.transport.dial(silent.local_addr().unwrap());
    assert_eq!(a.dial_failure().await, DialFailure::NoAnswer);
    a.transport.dial(a.address());
    assert_eq!(a.dial_failure().await, DialFailure::Myself);
}

#[tokio::test]
async fn a_copy_of_this_node_is_shown_to_the_owner() {
    let mut a = actor(1).start();
    let copy = Actor { nonce: 99, ..actor(1) }.start();
    a.transport.dial(copy.address());
    let session = a.session_up().await;
    assert_eq!((session.instance, session.boot_nonce), (a.instance(), 99));
}

#[tokio::test]
async fn a_banned_instance_is_cut_off_and_stays_out() {
    let (mut a, mut b) = (actor(1).start(), actor(2).start());
    connect(&mut a, &mut b).await;
    a.transport.ban(b.instance());
    assert_eq!(b.session_end().await, SessionEnd::Closed);
    b.transport.dial(a.address());
    let failure = b.dial_failure().await;
    assert!(matches!(&failure, DialFailure::Handshake { reason } if reason.contains("banned")));
    a.send(&b, log("never"));
    a.until(|event| matches!(event, TransportEvent::Undelivered { .. }).then_some(())).await;
}

#[tokio::test]
async fn a_refused_key_stays_out_and_the_owner_of_its_instance_comes_in() {
    let mut a = actor(1).start();
    let (sender, events) = tokio::sync::mpsc::channel(1024);
    let hello = actor(2).hello();
    let transport = quorate_transport::Transport::bind(actor(3).config(), hello, sender).unwrap();
    let mut thief = stage::Node { actor: actor(2), transport, events };
    thief.transport.dial(a.address());
    let session = a.session_up().await;
    assert_eq!(session.instance, actor(2).instance());
    a.transport.refuse_key(session.instance, session.key);
    assert_eq!(thief.session_end().await, SessionEnd::Closed);
    thief.transport.dial(a.address());
    let failure = thief.dial_failure().await;
    assert!(matches!(&failure, DialFailure::Handshake { reason } if reason.contains("key")));
    let owner = actor(2).start();
    owner.transport.dial(a.address());
    let came = a.session_up().await;
    assert_eq!(came.instance, session.instance);
    assert_ne!(came.key, session.key);
}

#[tokio::test]
async fn another_key_does_not_take_a_standing_instance_over() {
    let (mut a, mut b) = (actor(1).start(), actor(2).start());
    connect(&mut a, &mut b).await;
    let mut config = actor(3).config();
    config.bind = actor(3).bind;
    let mut hello = actor(2).hello();
    hello.generation = quorate_proto::Generation::new(9);
    let (sender, mut events) = tokio::sync::mpsc::channel(64);
    let thief = quorate_transport::Transport::bind(config, hello, sender).unwrap();
    thief.dial(a.address());
    let failed = loop {
        match events.recv().await.unwrap() {
            TransportEvent::SessionDown { .. } | TransportEvent::DialFailed { .. } => break true,
            _ => {}
        }
    };
    assert!(failed);
    b.send(&a, control(1, "still here"));
    assert_eq!(a.frames(Lane::Control, 1).await, ["still here"]);
}

#[test]
fn a_secret_survives_its_text_form_and_a_bad_one_is_refused_with_the_reason() {
    let secret = Secret::generate([0xa5; 32]);
    let text = secret.to_text();
    assert_eq!(Secret::parse(&format!("  {text}\n")), Ok(secret.clone()));
    assert_eq!(Secret::parse(" \n"), Err(SecretError::Empty));
    assert_eq!(Secret::parse("hunter2"), Err(SecretError::NotASecret));
    assert_eq!(Secret::parse(&text[..text.len() - 1]), Err(SecretError::Length { found: 63 }));
    assert_eq!(Secret::parse(&format!("{text}00")), Err(SecretError::Length { found: 66 }));
    let garbled = text.replacen("a5a5", "a5ä5", 1);
    assert_eq!(Secret::parse(&garbled), Err(SecretError::Garbled { place: 3 }));
    let shown = format!("{secret:?} {}", SecretError::NotASecret);
    assert!(!shown.contains("a5a5"), "{shown}");
    assert_eq!(secret.fingerprint().len(), 16);
}
