//! Heartbeats over a network that loses packets: each arrives once, some by their copy.

use crate::stage::relay::{CALM, Relay, Weather};
use crate::stage::{Node, actor};
use bytes::Bytes;
use quorate_proto::{Frame, FrameKind, GroupId, Lane, Supersede};
use quorate_transport::{LinkReport, Timings, TransportEvent};
use std::collections::BTreeSet;
use std::time::Duration;

const BEATS: u64 = 100;
/// Tries to find a network that loses nothing.
const ROUNDS: usize = 8;
/// Longer than the copies wait, so that each beat is alone in its packet.
const PACE: Duration = Duration::from_millis(20);

fn beat(number: u64) -> Frame {
    let supersede =
        Some(Supersede { kind: FrameKind::Ping, group: GroupId::META, subject: number });
    let bytes = Bytes::copy_from_slice(&number.to_be_bytes());
    Frame { lane: Lane::Control, supersede, expires: None, bytes }
}

/// Sends beats and receives the other's, each once.
async fn exchange(mut node: Node, to: u8, relay: Relay) -> Node {
    let mut pace = tokio::time::interval(PACE);
    let (mut sent, mut got) = (0, BTreeSet::new());
    while got.len() < BEATS as usize || sent < BEATS {
        tokio::select! {
            _ = pace.tick(), if sent < BEATS => {
                node.transport.send(actor(to).instance(), relay.address(to), beat(sent));
                sent += 1;
            }
            event = node.events.recv() => {
                if let TransportEvent::Frame { lane: Lane::Control, bytes, .. } = event.unwrap() {
                    let number = u64::from_be_bytes(bytes[..].try_into().unwrap());
                    assert!(number < BEATS && got.insert(number), "beat {number} came twice");
                }
            }
        }
    }
    node
}

async fn links(weather: Weather) -> Vec<LinkReport> {
    let relay = Relay::new(21, weather);
    let [one, other] = [1, 2].map(|number| relay.start(actor(number), Timings::default()));
    let both = async { tokio::join!(exchange(one, 2, relay.clone()), exchange(other, 1, relay)) };
    let both = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
    [both.0, both.1].into_iter().flat_map(|node| node.transport.links()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_packets_are_lost_heartbeats_come_once_and_copies_overtake_what_waits() {
    let links = links(Weather { lost: 20, ..CALM }).await;
    assert!(links.iter().any(|link| link.overtaken > 0), "{links:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_is_lost_nothing_is_copied() {
    // On a busy machine QUIC may hold a late packet to be lost, at one end or the other, and copies what follows: that is no
    // network on which nothing is lost, and tells nothing.
    for _ in 0..ROUNDS {
        let links = links(CALM).await;
        if links.iter().any(|link| link.packets.lost > 0) {
            continue;
        }
        for link in links {
            assert_eq!(link.overtaken, 0, "{link:?}");
            let per_beat = link.sent.control as f64 / BEATS as f64;
            assert!(
                per_beat < 13.0,
                "eight bytes, a length, and an acknowledgement here and there: {per_beat}"
            );
        }
        return;
    }
    panic!(
        "packets were held to be lost in each of {ROUNDS} rounds: the machine is too busy to tell"
    );
}
