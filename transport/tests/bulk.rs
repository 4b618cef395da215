//! Snapshots between two nodes: whole, refused, cut in the middle, and never told twice.
#![allow(clippy::unwrap_used, reason = "a test")]

mod stage;

use bytes::Bytes;
use quorate_proto::limits;
use quorate_transport::{
    SnapshotArrival, SnapshotOutcome, SnapshotPart, SnapshotPosition, Timings, TransportEvent,
};
use stage::relay::{CALM, Relay};
use stage::{Node, actor};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Larger than all windows and channels together, so that a cut hits the middle.
const PIECES: u64 = 40;

fn quick() -> Timings {
    Timings {
        idle: Duration::from_millis(500),
        keep_alive: Duration::from_millis(100),
        backoff_first: Duration::from_millis(1),
        backoff_last: Duration::from_millis(50),
        ..Timings::default()
    }
}

fn piece(number: u64) -> Bytes {
    Bytes::from(vec![number as u8; limits::BULK_CHUNK])
}

/// What stands for the checksum in these tests.
fn at(pieces: u64) -> SnapshotPosition {
    SnapshotPosition { pieces, chain: pieces as u32 * 7 }
}

/// Reads as the shell does; breaks off behind `readable` pieces.
fn read(had: SnapshotPosition, readable: u64) -> mpsc::Receiver<SnapshotPart> {
    let (give, parts) = mpsc::channel(4);
    tokio::spawn(async move {
        let first = if had == at(had.pieces) { had.pieces } else { 0 };
        let _ = give.send(SnapshotPart::Begin { pieces: first }).await;
        for number in first..readable.min(PIECES) {
            let _ = give.send(SnapshotPart::Piece(piece(number))).await;
        }
        if readable >= PIECES {
            let _ = give.send(SnapshotPart::End).await;
        }
    });
    parts
}

fn send(from: &Node, to: &Node, address: std::net::SocketAddr) -> JoinHandle<SnapshotOutcome> {
    let header = Bytes::from_static(b"header");
    let sent =
        from.transport.send_snapshot(to.instance(), address, header, |had| read(had, PIECES));
    tokio::spawn(sent)
}

async fn arrival(node: &mut Node) -> SnapshotArrival {
    node.until(|event| match event {
        TransportEvent::Snapshot { arrival, .. } => Some(arrival),
        _ => None,
    })
    .await
}

/// Takes the pieces from `next` on, up to `until`.
async fn take(parts: &mut mpsc::Receiver<SnapshotPart>, next: u64, until: u64) {
    for number in next..until {
        assert_eq!(parts.recv().await, Some(SnapshotPart::Piece(piece(number))));
    }
}

#[tokio::test]
async fn a_snapshot_arrives_whole_and_counts_once_its_receiver_says_so() {
    let (a, mut b) = (actor(1).start(), actor(2).start());
    let sent = send(&a, &b, b.address());
    let SnapshotArrival { header, have, mut parts, taken } = arrival(&mut b).await;
    assert_eq!(header, "header");
    have.send(at(0)).unwrap();
    assert_eq!(parts.recv().await, Some(SnapshotPart::Begin { pieces: 0 }));
    take(&mut parts, 0, PIECES).await;
    assert_eq!(parts.recv().await, Some(SnapshotPart::End));
    assert!(!sent.is_finished());
    taken.send(true).unwrap();
    assert_eq!(sent.await.unwrap(), SnapshotOutcome::Taken);
}

#[tokio::test]
async fn a_snapshot_that_is_not_wanted_is_reported_as_failed_at_every_stage() {
    let (a, mut b) = (actor(1).start(), actor(2).start());
    let sent = send(&a, &b, b.address());
    drop(arrival(&mut b).await);
    assert_eq!(sent.await.unwrap(), SnapshotOutcome::Failed);

    let sent = send(&a, &b, b.address());
    let SnapshotArrival { have, mut parts, .. } = arrival(&mut b).await;
    have.send(at(0)).unwrap();
    parts.recv().await.unwrap();
    take(&mut parts, 0, 3).await;
    drop(parts);
    assert_eq!(sent.await.unwrap(), SnapshotOutcome::Failed);

    let sent = send(&a, &b, b.address());
    let SnapshotArrival { have, mut parts, taken, .. } = arrival(&mut b).await;
    have.send(at(0)).unwrap();
    while parts.recv().await != Some(SnapshotPart::End) {}
    taken.send(false).unwrap();
    assert_eq!(sent.await.unwrap(), SnapshotOutcome::Failed);

    let other = actor(9).start();
    assert_eq!(send(&a, &other, b.address()).await.unwrap(), SnapshotOutcome::Failed);
    a.transport.ban(b.instance());
    assert_eq!(send(&a, &b, b.address()).await.unwrap(), SnapshotOutcome::Failed);
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_read_to_its_end_is_reported_as_that() {
    let (a, mut b) = (actor(1).start(), actor(2).start());
    let header = Bytes::from_static(b"header");
    let sent =
        a.transport.send_snapshot(b.instance(), b.address(), header, |had| read(had, PIECES / 2));
    let sent = tokio::spawn(sent);
    let SnapshotArrival { have, mut parts, .. } = arrival(&mut b).await;
    have.send(at(0)).unwrap();
    while let Some(part) = parts.recv().await {
        assert_ne!(part, SnapshotPart::End);
    }
    assert_eq!(sent.await.unwrap(), SnapshotOutcome::Unreadable);
}

#[tokio::test]
async fn a_sender_that_sends_no_more_loses_its_place() {
    let mut receiver = actor(2);
    receiver.timings.stall = Duration::from_secs(2);
    let (a, mut b) = (actor(1).start(), receiver.start());
    let silent = |_| {
        let (give, parts) = mpsc::channel(4);
        tokio::spawn(async move {
            let _ = give.send(SnapshotPart::Begin { pieces: 0 }).await;
            let _ = give.send(SnapshotPart::Piece(piece(0))).await;
            give.closed().await;
        });
        parts
    };
    let header = Bytes::from_static(b"header");
    let sent = tokio::spawn(a.transport.send_snapshot(b.instance(), b.address(), header, silent));
    let SnapshotArrival { have, mut parts, .. } = arrival(&mut b).await;
    have.send(at(0)).unwrap();
    assert_eq!(parts.recv().await, Some(SnapshotPart::Begin { pieces: 0 }));
    take(&mut parts, 0, 1).await;
    // The connection stands and says nothing: only the limit ends it.
    assert_eq!(parts.recv().await, None);
    sent.abort();
}

#[tokio::test]
async fn a_ban_in_the_middle_ends_a_snapshot_at_once() {
    let (a, mut b) = (actor(1).start(), actor(2).start());
    let sent = send(&a, &b, b.address());
    let SnapshotArrival { have, mut parts, .. } = arrival(&mut b).await;
    have.send(at(0)).unwrap();
    parts.recv().await.unwrap();
    a.transport.ban(b.instance());
    assert_eq!(sent.await.unwrap(), SnapshotOutcome::Failed);
    while parts.recv().await.is_some() {}
}

#[tokio::test]
async fn a_snapshot_that_is_cut_again_and_again_goes_on_where_it_was_and_both_ends_agree() {
    let relay = Relay::new(3, CALM);
    let (a, mut b) = (relay.start(actor(1), quick()), relay.start(actor(2), quick()));
    let mut sent = send(&a, &b, relay.address(2));
    let (mut had, mut cuts) = (0, VecDeque::from([5, 6, 21]));
    let outcome = loop {
        let arrived = tokio::select! {
            arrived = arrival(&mut b) => arrived,
            outcome = &mut sent => break outcome.unwrap(),
        };
        // A connection may end at any place, also because this machine stood still for longer than its idle time.
        let SnapshotArrival { have, mut parts, taken, .. } = arrived;
        let _ = have.send(at(had));
        let first = parts.recv().await;
        assert!(first.is_none_or(|part| part == SnapshotPart::Begin { pieces: had }));
        while let Some(part) = parts.recv().await {
            if part == SnapshotPart::End {
                break;
            }
            assert_eq!(part, SnapshotPart::Piece(piece(had)));
            had += 1;
            if cuts.front() == Some(&had) {
                cuts.pop_front();
                // What is under way still comes.
                relay.cut(1, 2, true);
            }
        }
        let _ = taken.send(had == PIECES);
        relay.cut(1, 2, false);
    };
    assert_eq!((outcome, had), (SnapshotOutcome::Taken, PIECES));
    assert!(cuts.is_empty(), "never cut at {cuts:?}");
}

#[tokio::test]
async fn what_the_receiver_has_of_another_snapshot_is_sent_anew() {
    let (a, mut b) = (actor(1).start(), actor(2).start());
    let sent = send(&a, &b, b.address());
    let SnapshotArrival { have, mut parts, taken, .. } = arrival(&mut b).await;
    have.send(SnapshotPosition { pieces: 9, chain: 1 }).unwrap();
    assert_eq!(parts.recv().await, Some(SnapshotPart::Begin { pieces: 0 }));
    take(&mut parts, 0, PIECES).await;
    assert_eq!(parts.recv().await, Some(SnapshotPart::End));
    taken.send(true).unwrap();
    assert_eq!(sent.await.unwrap(), SnapshotOutcome::Taken);
}

#[tokio::test]
async fn a_receiver_that_started_anew_ends_the_sending_and_one_that_is_gone_does_too() {
    let relay = Relay::new(4, CALM);
    let (a, mut b) = (relay.start(actor(1), quick()), relay.start(actor(2), quick()));
    let sent = send(&a, &b, relay.address(2));
    let SnapshotArrival { have, mut parts, .. } = arrival(&mut b).await;
    have.send(at(0)).unwrap();
    parts.recv().await.unwrap();
    let mut anew = actor(2);
    anew.generation = 2;
    anew.nonce = 22;
    relay.cut(1, 2, true);
    let b = relay.start(anew, quick());
    relay.cut(1, 2, false);
    assert_eq!(sent.await.unwrap(), SnapshotOutcome::Failed);

    relay.cut(1, 2, true);
    assert_eq!(send(&a, &b, relay.address(2)).await.unwrap(), SnapshotOutcome::Failed);
}
