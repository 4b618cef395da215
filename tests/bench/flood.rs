//! A member is killed and started again while somebody without the secret floods it with forged first packets of handshakes:
//! how long until it acknowledges a write, which the leader must have taken?
//!
//! The packets are real ones, taken from transports with another secret that dial where nobody answers. They come in the
//! names of some hundred addresses, so many a second, before, during and after the return. Runs with and without the flood
//! take turns. The leader is left out: its return has an election in it.

use crate::cluster::{Cluster, LIMIT, System};
use crate::formation::first_acknowledgement;
use crate::report::{Of, Question, Target};
use crate::transport::endpoints::{ANYWHERE, Actor};
use crate::{Settings, millis};
use quorate_tests::outside::pages;
use quorate_tests::outside::processes::loopback;
use quorate_tests::outside::series::Series;
use quorate_tests::outside::trouble::Trouble;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Forged packets a second.
const RATE: f64 = 3_000.0;
/// Addresses in whose name they come.
const NAMES: u8 = 250;
/// Different packets; more than a node has places for handshakes.
const PACKETS: usize = 600;
/// Addresses to which the handshakes go from which the packets are taken.
const NOBODY: u8 = 200;
/// A dial that nobody answers is over after this.
const DIAL: Duration = Duration::from_millis(1_200);
/// The flood lasts for so long before the kill: every place that it can take is taken.
const BEFORE: Duration = Duration::from_secs(1);
/// Between the kill and the start: the others have told that it is down.
const AWAY: Duration = Duration::from_secs(2);

/// What a flood sent, and what came back.
#[derive(Debug, Default, Clone, Copy)]
struct Sent {
    packets: u64,
    bytes: u64,
    answered: u64,
}

/// A flood that lasts until it is ended.
struct Flood {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Sent>,
}

pub(crate) async fn run(settings: &Settings) -> Result<Vec<Question>, Trouble> {
    let packets = Arc::new(first_packets().await?);
    let mut cluster = Cluster::running(settings, System::Quorate, 3).await?;
    let (mut under, mut quiet) = (Series::new("quorate", "ms"), Series::new("no flood", "ms"));
    let mut all = Sent::default();
    for run in 0..settings.runs {
        let (took, _) = rejoin(&mut cluster, None, run).await?;
        quiet.add(millis(took));
        let (flooded, sent) = rejoin(&mut cluster, Some(&packets), run).await?;
        under.add(millis(flooded));
        settings.tell(format!("flood {run}: {flooded:?}, without {took:?}; {sent:?}"));
        all.packets += sent.packets;
        all.bytes += sent.bytes;
        all.answered += sent.answered;
    }
    let name = format!("Rejoin: a member started again under {RATE} forged first packets a second");
    let question = Question::new(name, vec![under, quiet])
        .parts()
        .target(Target::Below(Of::Median, 2_000.0))
        .note(format!(
            "{} packets, {} bytes came in forged names, {} bytes were sent there",
            all.packets, all.bytes, all.answered
        ));
    Ok(vec![question])
}

/// One kill and return, from the start of the program until its first acknowledged write.
async fn rejoin(
    cluster: &mut Cluster,
    packets: Option<&Arc<Vec<Vec<u8>>>>,
    run: usize,
) -> Result<(Duration, Sent), Trouble> {
    cluster.settle().await?;
    let count = cluster.nodes.len();
    let victim = (cluster.leader().await? + 1 + run % (count - 1)) % count;
    let address = address_of(cluster, victim).await?;
    let flood = packets.map(|packets| Flood::begin(packets.clone(), address)).transpose()?;
    tokio::time::sleep(BEFORE).await;
    cluster.kill(victim);
    tokio::time::sleep(AWAY).await;
    let began = Instant::now();
    cluster.start(victim)?;
    let acknowledged = first_acknowledgement(cluster.nodes[victim].port, began).await;
    let back = acknowledged.ok_or_else(|| Trouble::late("a member back under a flood", LIMIT))?;
    let took = back.duration_since(began);
    Ok((took, flood.map(Flood::end).transpose()?.unwrap_or_default()))
}

/// Where a node is reached by others.
async fn address_of(cluster: &Cluster, node: usize) -> Result<SocketAddr, Trouble> {
    let node = &cluster.nodes[node];
    let status = pages::page(loopback(node.port), "/v1/status").await.unwrap_or_default();
    let members = status["members"].as_array().map_or(&[][..], Vec::as_slice);
    let member = members.iter().find(|member| member["name"] == node.name.as_str());
    let address = member.and_then(|member| member["address"].as_str()?.parse().ok());
    address.ok_or_else(|| Trouble::Answer { from: node.name.clone(), text: status.to_string() })
}

/// First packets of handshakes that nobody goes on with, each of another handshake.
async fn first_packets() -> Result<Vec<Vec<u8>>, Trouble> {
    let sink = tokio::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await;
    let sink = sink.map_err(Trouble::at("opening a port"))?;
    let port = sink.local_addr().map_err(Trouble::at("looking at a port"))?.port();
    let (began, mut found) = (Instant::now(), BTreeMap::new());
    let stranger = Actor { number: 9, start: 1 }.open(ANYWHERE)?;
    let mut packet = [0; 2048];
    while found.len() < PACKETS {
        if began.elapsed() > LIMIT {
            return Err(Trouble::late("first packets of so many handshakes", LIMIT));
        }
        let nobody = (1..=NOBODY).map(|number| Ipv4Addr::new(127, 3, 0, number));
        nobody.for_each(|ip| stranger.transport.dial((ip, port).into()));
        let round = tokio::time::Instant::now() + DIAL;
        while let Ok(Ok(length)) = tokio::time::timeout_at(round, sink.recv(&mut packet)).await {
            // The first byte of a first packet, which is filled up to what any path must carry.
            if packet[0] & 0xf0 == 0xc0 && length >= 1200 {
                let id = usize::from(packet[5]);
                found.insert(packet[6..6 + id].to_vec(), packet[..length].to_vec());
            }
        }
    }
    Ok(found.into_values().collect())
}

impl Flood {
    fn begin(packets: Arc<Vec<Vec<u8>>>, victim: SocketAddr) -> Result<Self, Trouble> {
        let open = |number: u8| {
            let socket = UdpSocket::bind((Ipv4Addr::new(127, 2, 0, number), 0))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let sockets: std::io::Result<Vec<UdpSocket>> = (1..=NAMES).map(open).collect();
        let sockets = sockets.map_err(Trouble::at("opening ports on loopback addresses"))?;
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        let body = move || flood(&packets, &sockets, victim, &until);
        let thread = std::thread::Builder::new().name("flood".to_owned()).spawn(body);
        Ok(Self { over, thread: thread.map_err(Trouble::at("starting a thread"))? })
    }

    fn end(self) -> Result<Sent, Trouble> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| Trouble::gone("the flood"))
    }
}

fn flood(
    packets: &[Vec<u8>],
    sockets: &[UdpSocket],
    victim: SocketAddr,
    over: &AtomicBool,
) -> Sent {
    let (began, mut sent, mut turn) = (Instant::now(), Sent::default(), 0_usize);
    let mut answer = [0; 2048];
    while !over.load(Ordering::Relaxed) {
        let due = began.elapsed().as_secs_f64() * RATE;
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        while (turn as f64) < due {
            let (packet, socket) = (&packets[turn % packets.len()], &sockets[turn % sockets.len()]);
            turn += 1;
            // What the kernel has no room for was not sent.
            if socket.send_to(packet, victim).is_ok() {
                sent.packets += 1;
                sent.bytes += packet.len() as u64;
            }
            while let Ok(length) = socket.recv(&mut answer) {
                sent.answered += length as u64;
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    sent
}
