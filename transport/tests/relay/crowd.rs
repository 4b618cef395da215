//! A thousand peers that nobody reaches: memory, dials and reports stay within their bounds.

use crate::stage::{Node, actor, log};
use bytes::Bytes;
use quorate_proto::{Frame, Instance, Lane, limits};
use quorate_transport::TransportEvent;
use quorate_transport::outbox::LOG_BYTES;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;

/// Handshakes that one transport has under way at most.
const DIALS: usize = 256;
/// Peers that it remembers at most.
const PEERS: usize = 2 * limits::MEMBERS;
const CROWD: u32 = 1_000;

/// Takes packets for every address of the loopback net at one port, and never answers.
struct Void {
    socket: UdpSocket,
    port: u16,
}

impl Void {
    async fn open() -> Self {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        Self { socket, port }
    }

    fn address(&self, number: u32) -> SocketAddr {
        SocketAddr::from(([127, 1, (number >> 8) as u8, number as u8], self.port))
    }

    /// Runs until cancelled: when a packet of each dial came first, and when again before the dial had to be over.
    async fn watch(&self, seen: &mut BTreeMap<Vec<u8>, (Instant, Instant)>, dial: Duration) {
        let mut buffer = [0; 2048];
        loop {
            let Ok((length, _)) = self.socket.recv_from(&mut buffer).await else { continue };
            let now = Instant::now();
            let Some(dial_id) = destination(&buffer[..length]) else { continue };
            let (first, last) = seen.entry(dial_id).or_insert((now, now));
            // Its last word comes when it has ended.
            if now - *first < dial * 9 / 10 {
                *last = now;
            }
        }
    }
}

/// The connection id that a dial has chosen.
fn destination(packet: &[u8]) -> Option<Vec<u8>> {
    let long = packet.first()? & 0x80 != 0;
    let length = usize::from(*packet.get(5)?);
    packet.get(6..6 + length).filter(|_| long).map(<[u8]>::to_vec)
}

/// Most dials that were surely under way at one moment.
fn most_at_once(seen: &BTreeMap<Vec<u8>, (Instant, Instant)>) -> usize {
    let under_way = |at| seen.values().filter(|(first, last)| *first <= at && at <= *last).count();
    seen.values().map(|(first, _)| under_way(*first)).max().unwrap_or(0)
}

fn instance(number: u32) -> Instance {
    let mut bytes = [9; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Instance::from_bytes(bytes)
}

fn stays_bounded(node: &Node) {
    let links = node.transport.links();
    assert!(links.len() <= PEERS);
    assert!(links.iter().all(|link| link.log_bytes <= LOG_BYTES));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_for_a_thousand_peers_that_nobody_reaches_are_bounded_dialled_and_reported() {
    let void = Void::open().await;
    let mut node = actor(1).start();
    let dial = node.actor.timings.dial;
    let mebibyte = Bytes::from(vec![7; 1024 * 1024]);
    for number in 0..CROWD {
        // One of a hundred gets more than its outbox holds; all copies are one piece of memory.
        let frames = if number % 100 == 0 { 20 } else { 3 };
        for _ in 0..frames {
            let frame = Frame { bytes: mebibyte.clone(), ..log("") };
            node.transport.send(instance(number), void.address(number), frame);
        }
    }
    stays_bounded(&node);
    let full = node.transport.links().iter().filter(|link| link.given_up.log_full > 0).count();
    assert_eq!(full, 10);

    let mut seen = BTreeMap::new();
    let mut reported = BTreeSet::new();
    let reports = async {
        while reported.len() < CROWD as usize {
            let to = node.until(|event| match event {
                TransportEvent::Undelivered { to } => Some(to),
                TransportEvent::Frame { lane: Lane::Log, .. } => panic!("from whom?"),
                _ => None,
            });
            reported.insert(to.await);
            stays_bounded(&node);
        }
        // Those that were told of a full outbox too.
        crate::stage::eventually(|| node.transport.links().iter().all(|l| l.log_bytes == 0)).await;
    };
    tokio::select! {
        () = reports => {}
        () = void.watch(&mut seen, dial) => {}
    }
    let dials = most_at_once(&seen);
    assert!((1..=DIALS).contains(&dials), "{dials} dials at once");
    println!("{} dials, {dials} of them at once", seen.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_peers_than_there_can_be_are_refused_and_reported_while_the_others_are_in_use() {
    let void = Void::open().await;
    let mut node = actor(1).start();
    let over = 100;
    for number in 0..PEERS as u32 + over {
        node.transport.send(instance(number), void.address(number), log("one"));
    }
    assert_eq!(node.transport.links().len(), PEERS);
    for _ in 0..over {
        let to = node.until(|event| match event {
            TransportEvent::Undelivered { to } => Some(to),
            _ => None,
        });
        assert!(to.await >= instance(PEERS as u32));
    }
}
