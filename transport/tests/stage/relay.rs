//! A network between the nodes of a test: real sockets on loopback through which every packet passes, and which lose,
//! hold back, double and cut as told.
//!
//! Each node is reached at a *front*, an address of the relay that it advertises; its own packets come out of that front
//! too, so that its peers never see its real socket. What happens to a packet is drawn from a seed; when packets come
//! is up to the machine, so a seed repeats the mix of faults and not the run.
//!
//! A relay cannot close a QUIC connection: every packet is authenticated. `kill` does what the crash of one end does. A
//! *twin* of each node, a second endpoint with the same keys, knows none of its connections; packets that are handed to
//! it instead are answered by true stateless resets, and the connection is over for the end that gets one.

use super::{Actor, Node};
use quorate_transport::Timings;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// Packets of one direction that are held back at a time; beyond it they are lost, as in a full router.
const HELD: usize = 64;
/// A packet is held back until at most this many later ones have passed it.
const OVERTAKEN: u64 = 8;

/// What is drawn for each packet, in percent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    pub lost: u64,
    pub doubled: u64,
    pub held_back: u64,
}

/// 30 % of all packets are lost, and hardly any two come in order.
pub const STORM: Weather = Weather { lost: 30, doubled: 10, held_back: 20 };
pub const CALM: Weather = Weather { lost: 0, doubled: 0, held_back: 0 };

/// Numbers from a seed (splitmix64).
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

struct Port {
    socket: Arc<UdpSocket>,
    reading: JoinHandle<()>,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// Where one node is seen.
#[derive(Default)]
struct Front {
    /// Packets to the node come in at each.
    ports: Vec<Port>,
    /// By which its own leave, for each peer; by the last, when that is not said.
    leaves: BTreeMap<u8, usize>,
    real: Option<SocketAddr>,
    twin: Option<SocketAddr>,
}

impl Front {
    /// Sends to the node `number`, whose socket is `to`.
    fn send(&self, number: u8, to: SocketAddr, bytes: &[u8]) {
        let port = self.leaves.get(&number).and_then(|port| self.ports.get(*port));
        if let Some(port) = port.or(self.ports.last()) {
            // A full socket loses the packet, as networks do.
            let _ = port.socket.try_send_to(bytes, to);
        }
    }
}

struct Held {
    /// Later packets that go first.
    behind: u64,
    bytes: Vec<u8>,
}

/// The packets from one node to another.
#[derive(Default)]
struct Way {
    shut: bool,
    /// Packets of standing connections go to the twin until it has answered.
    killing: bool,
    held: VecDeque<Held>,
    lost: u64,
    /// The largest packet that passes.
    widest: Option<usize>,
}

/// What happened to packets so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub passed: u64,
    pub lost: u64,
    pub doubled: u64,
    pub held_back: u64,
    /// Resets that were passed on.
    pub killed: u64,
}

struct Network {
    dice: Dice,
    weather: Weather,
    fronts: BTreeMap<u8, Front>,
    ways: BTreeMap<(u8, u8), Way>,
    counts: Counts,
    /// Twins and what keeps them alive.
    twins: Vec<Node>,
}

/// See the head of the file. Clones are handles to the same.
#[derive(Clone)]
pub struct Relay {
    network: Arc<Mutex<Network>>,
}

impl Relay {
    pub fn new(seed: u64, weather: Weather) -> Self {
        let network = Network {
            dice: Dice(seed),
            weather,
            fronts: BTreeMap::new(),
            ways: BTreeMap::new(),
            counts: Counts::default(),
            twins: vec![],
        };
        Self { network: Arc::new(Mutex::new(network)) }
    }

    fn network(&self) -> MutexGuard<'_, Network> {
        self.network.lock().unwrap()
    }

    pub fn set_weather(&self, weather: Weather) {
        self.network().weather = weather;
    }

    pub fn counts(&self) -> Counts {
        self.network().counts
    }

    /// Where a node is reached.
    pub fn address(&self, number: u8) -> SocketAddr {
        self.network().fronts[&number].ports[0].socket.local_addr().unwrap()
    }

    /// Starts a node that is reached through this relay; a second start takes the place of the first.
    pub fn start(&self, who: Actor, timings: Timings) -> Node {
        if !self.network().fronts.contains_key(&who.number) {
            self.open_port(who.number);
        }
        let who = Actor { advertise: Some(self.address(who.number)), timings, ..who };
        let node = who.start();
        self.network().fronts.get_mut(&who.number).unwrap().real = Some(node.address());
        node
    }

    /// As `start`, with a twin, so that its connections can be killed.
    pub fn start_mortal(&self, who: Actor, timings: Timings) -> Node {
        let node = self.start(who.clone(), timings);
        let twin = who.start();
        let mut network = self.network();
        network.fronts.get_mut(&who.number).unwrap().twin = Some(twin.address());
        network.twins.push(twin);
        node
    }

    fn open_port(&self, number: u8) {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = Arc::new(UdpSocket::from_std(socket).unwrap());
        let (network, from) = (Arc::downgrade(&self.network), socket.clone());
        let place = self.network().fronts.get(&number).map_or(0, |front| front.ports.len());
        let reading = tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            // An error is an unreachable port of a node that has gone.
            loop {
                let Ok((length, source)) = from.recv_from(&mut buffer).await else { continue };
                let Some(network) = network.upgrade() else { return };
                network.lock().unwrap().take(number, place, source, &buffer[..length]);
            }
        });
        let mut network = self.network();
        let front = network.fronts.entry(number).or_default();
        front.ports.push(Port { socket, reading });
        front.leaves.clear();
    }

    /// The node's packets come from another port from now on, as behind a router that forgot which port it had given
    /// them. Packets to the port before still reach it, and a peer that dials it there is answered from there.
    pub fn rebind(&self, number: u8) {
        self.open_port(number);
    }

    /// The node is elsewhere from now on: nobody reaches it where it was.
    pub fn move_away(&self, number: u8) -> SocketAddr {
        self.open_port(number);
        let mut network = self.network();
        let front = network.fronts.get_mut(&number).unwrap();
        let last = front.ports.len() - 1;
        front.ports.drain(..last);
        front.ports[0].socket.local_addr().unwrap()
    }

    /// Loses everything from one node to another, or no longer.
    pub fn shut(&self, from: u8, to: u8, shut: bool) {
        self.network().way(from, to).shut = shut;
    }

    /// Loses everything between two nodes, or no longer.
    pub fn cut(&self, one: u8, other: u8, cut: bool) {
        let mut network = self.network();
        network.way(one, other).shut = cut;
        network.way(other, one).shut = cut;
    }

    /// Loses packets of more than so many bytes between two nodes, or no longer.
    pub fn narrow(&self, one: u8, other: u8, widest: Option<usize>) {
        let mut network = self.network();
        network.way(one, other).widest = widest;
        network.way(other, one).widest = widest;
    }

    /// Packets lost on a way that was shut or too narrow.
    pub fn lost(&self, from: u8, to: u8) -> u64 {
        self.network().way(from, to).lost
    }

    /// The connection ends at `at`, as if `other` had crashed and come back: at its next packet.
    pub fn kill(&self, at: u8, other: u8) {
        self.network().way(at, other).killing = true;
    }

    /// Runs a fault for a while; the time is the fault's own.
    pub async fn shut_for(&self, from: u8, to: u8, time: Duration) {
        self.shut(from, to, true);
        tokio::time::sleep(time).await;
        self.shut(from, to, false);
    }
}

impl Network {
    fn way(&mut self, from: u8, to: u8) -> &mut Way {
        self.ways.entry((from, to)).or_default()
    }

    /// A packet came in at a port of the front of `to`.
    fn take(&mut self, to: u8, port: usize, source: SocketAddr, bytes: &[u8]) {
        let at = |front: &Front| front.real == Some(source) || front.twin == Some(source);
        let Some(from) = self.fronts.iter().find(|(_, front)| at(front)).map(|(n, _)| *n) else {
            return;
        };
        let front = &self.fronts[&to];
        let (Some(real), twin) = (front.real, front.twin) else { return };
        if self.fronts[&from].real != Some(source) {
            self.pass_reset(from, to, real, bytes);
            return;
        }
        // The first bit is set in packets of a handshake, which the twin would take for its own.
        let established = bytes.first().is_some_and(|first| first & 0x80 == 0);
        if !established {
            self.fronts.entry(to).or_default().leaves.insert(from, port);
        }
        let way = self.ways.entry((from, to)).or_default();
        match twin {
            Some(twin) if way.killing && established => self.fronts[&from].send(to, twin, bytes),
            _ if way.shut || way.widest.is_some_and(|widest| bytes.len() > widest) => {
                way.lost += 1;
                self.counts.lost += 1;
            }
            _ => self.weather(from, to, real, bytes),
        }
    }

    /// What a twin says to the end that is to lose its connection; only resets, not a handshake's remains.
    fn pass_reset(&mut self, from: u8, to: u8, real: SocketAddr, bytes: &[u8]) {
        let killing = std::mem::take(&mut self.way(to, from).killing);
        if killing {
            self.counts.killed += 1;
            self.fronts[&from].send(to, real, bytes);
        }
    }

    fn weather(&mut self, from: u8, to: u8, real: SocketAddr, bytes: &[u8]) {
        let Self { dice, weather, counts, .. } = self;
        let way = self.ways.entry((from, to)).or_default();
        if dice.percent(weather.lost) {
            counts.lost += 1;
            return;
        }
        if dice.percent(weather.held_back) {
            counts.held_back += 1;
            if way.held.len() < HELD {
                let behind = 1 + dice.below(OVERTAKEN);
                way.held.push_back(Held { behind, bytes: bytes.to_vec() });
            }
            return;
        }
        counts.passed += 1;
        let front = &self.fronts[&from];
        front.send(to, real, bytes);
        if dice.percent(weather.doubled) {
            counts.doubled += 1;
            front.send(to, real, bytes);
        }
        way.held.retain_mut(|held| {
            held.behind -= 1;
            if held.behind == 0 {
                front.send(to, real, &held.bytes);
            }
            held.behind > 0
        });
    }
}
