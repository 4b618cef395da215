//! A test with a flood of forged first packets, by somebody without the secret: a member gets in all the same, this node's
//! own dials get out, and no address, not even a member's, is sent more bytes than came in its name.
#![allow(clippy::unwrap_used, reason = "a test")]

use crate::hostile_peer_tests::{config, hello};
use crate::identity::{Identity, NAME};
use crate::{Secret, Transport, TransportConfig, TransportEvent, endpoint};
use quinn::Connecting;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use tokio::sync::mpsc;

/// Different first packets; more than there are places for handshakes.
const PACKETS: usize = 600;
/// Strangers' addresses in whose name they come, beside the one of all members here.
const STRANGERS: u8 = 40;
/// The most that is sent: far more than it takes to fill every place.
const MOST: usize = 60_000;
/// Between two looks at what the nodes do.
const BURST: usize = 20;

/// The connection id to which a first packet goes, which tells the handshakes apart.
fn handshake_of(packet: &[u8]) -> Vec<u8> {
    let length = usize::from(packet[5]);
    packet[6..6 + length].to_vec()
}

/// The first packets of handshakes that nobody will go on with.
async fn first_packets() -> Vec<Vec<u8>> {
    let sink = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let stranger = TransportConfig { secrets: vec![Secret::generate([8; 32])], ..config(9) };
    let identity = Identity::new(&stranger.secrets, &stranger.key).unwrap();
    let from = endpoint::open(&stranger, &identity).unwrap();
    let client = endpoint::client_config(&identity, &stranger.timings);
    let mut found = BTreeMap::new();
    let mut begun: Vec<Connecting> = Vec::new();
    let mut packet = [0; 2048];
    while found.len() < PACKETS {
        let address = sink.local_addr().unwrap();
        begun.push(from.connect_with(client.clone(), address, NAME).unwrap());
        let length = sink.recv(&mut packet).await.unwrap();
        // The first byte of a first packet, which is filled up to what any path must carry.
        if packet[0] & 0xf0 == 0xc0 && length >= 1200 {
            found.insert(handshake_of(&packet), packet[..length].to_vec());
        }
    }
    found.into_values().collect()
}

/// An address in whose name packets come, and the bytes there and back.
struct Name {
    socket: UdpSocket,
    sent: u64,
    answered: u64,
}

impl Name {
    fn new(ip: Ipv4Addr) -> Self {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, sent: 0, answered: 0 }
    }

    fn count_answers(&mut self) {
        let mut packet = [0; 2048];
        while let Ok(length) = self.socket.recv(&mut packet) {
            self.answered += length as u64;
        }
    }
}

struct Forger {
    packets: Vec<Vec<u8>>,
    names: Vec<Name>,
    victim: SocketAddr,
    sent: usize,
}

impl Forger {
    async fn new(victim: SocketAddr) -> Self {
        let strangers = (1..=STRANGERS).map(|number| Ipv4Addr::new(127, 2, 0, number));
        let names = strangers.chain([Ipv4Addr::LOCALHOST]).map(Name::new).collect();
        Self { packets: first_packets().await, names, victim, sent: 0 }
    }

    async fn burst(&mut self) {
        assert!(self.sent < MOST, "a member gets in long before so many packets");
        for _ in 0..BURST {
            let packet = &self.packets[self.sent % PACKETS];
            let turn = self.sent % self.names.len();
            let name = &mut self.names[turn];
            // What the kernel has no room for was not sent.
            if name.socket.send_to(packet, self.victim).is_ok() {
                name.sent += packet.len() as u64;
            }
            self.sent += 1;
        }
        tokio::task::yield_now().await;
        self.names.iter_mut().for_each(Name::count_answers);
    }
}

struct Node {
    transport: Transport,
    events: mpsc::Receiver<TransportEvent>,
}

fn node(number: u8) -> Node {
    let (sender, events) = mpsc::channel(1024);
    Node { transport: Transport::bind(config(number), hello(number), sender).unwrap(), events }
}

impl Node {
    async fn is_up(&mut self) {
        assert!(matches!(self.events.recv().await, Some(TransportEvent::SessionUp(_))));
    }

    /// Floods until this node has a session, which must be the first that it hears.
    async fn is_up_under(&mut self, forger: &mut Forger) {
        loop {
            match self.events.try_recv() {
                Ok(TransportEvent::SessionUp(_)) => return,
                Ok(other) => panic!("{other:?} after {} packets", forger.sent),
                Err(_) => forger.burst().await,
            }
        }
    }
}

#[tokio::test]
async fn under_a_flood_of_forged_handshakes_members_get_in_and_nobody_is_sent_more_than_came() {
    let (mut victim, mut early) = (node(1), node(4));
    let address = victim.transport.local_address();
    // From now on the members' address is a known one.
    early.transport.dial(address);
    early.is_up().await;
    victim.is_up().await;
    let mut forger = Forger::new(address).await;
    // Enough to take every place there is.
    while forger.sent < 2 * PACKETS {
        forger.burst().await;
    }
    let (mut member, other) = (node(2), node(3));
    member.transport.dial(address);
    member.is_up_under(&mut forger).await;
    victim.is_up().await;
    victim.transport.dial(other.transport.local_address());
    victim.is_up_under(&mut forger).await;
    victim.transport.close("done").await;
    forger.names.iter_mut().for_each(Name::count_answers);
    let (sent, answered) =
        forger.names.iter().fold((0, 0), |sum, name| (sum.0 + name.sent, sum.1 + name.answered));
    eprintln!("{} packets, {sent} bytes in, {answered} out", forger.sent);
    for name in &forger.names {
        let ip = name.socket.local_addr().unwrap().ip();
        assert!(name.answered < name.sent, "{ip}: {} bytes for {}", name.answered, name.sent);
    }
    assert!(answered > 0, "a member's own first packet is answered like any");
}
