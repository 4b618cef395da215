//! What the transport can tell about each peer, for `quorate status` and metrics.

use crate::outbox::GivenUp;
use crate::peer::{Link, Peer};
use quorate_proto::{Instance, Lane, Session};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bytes of frames by lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneBytes {
    /// Control lane.
    pub control: u64,
    /// Log lane.
    pub log: u64,
    /// Gossip packets.
    pub gossip: u64,
}

/// The state of the way to one peer.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkReport {
    /// The peer.
    pub instance: Instance,
    /// Where it is reached.
    pub address: SocketAddr,
    /// The connection that stands.
    pub connection: Option<ConnectionReport>,
    /// Control frames that wait.
    pub waiting_control: usize,
    /// Log frames that wait.
    pub waiting_log: usize,
    /// Control frames replaced by newer ones before they were written.
    pub superseded: u64,
    /// Frames given up since the start, by lane and cause.
    pub given_up: GivenUp,
}

/// The connection to one peer.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionReport {
    /// Its session.
    pub session: Session,
    /// How long it has stood.
    pub age: Duration,
    /// Whether this side dialled it.
    pub dialled: bool,
    /// Round trip time as QUIC measures it.
    pub rtt: Duration,
    /// Packets sent and lost.
    pub lost_packets: u64,
    /// Frames sent.
    pub sent: LaneBytes,
    /// Frames received.
    pub received: LaneBytes,
    /// Gossip packets dropped, because they were too large, could not be sent, or found no room.
    pub gossip_dropped: u64,
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl LinkReport {
    pub(crate) fn of(peer: &Peer) -> Self {
        let state = peer.state();
        Self {
            instance: peer.instance,
            address: state.address,
            connection: state.standing.as_deref().map(ConnectionReport::of),
            waiting_control: state.outbox.waiting(Lane::Control),
            waiting_log: state.outbox.waiting(Lane::Log),
            superseded: state.outbox.superseded(),
            given_up: state.outbox.given_up(),
        }
    }
}

impl ConnectionReport {
    fn of(link: &Link) -> Self {
        let traffic = &link.traffic;
        let path = link.connection.stats().path;
        Self {
            session: link.life.session.clone(),
            age: link.since.elapsed(),
            dialled: link.dialled,
            rtt: link.connection.rtt(),
            lost_packets: path.lost_packets,
            sent: LaneBytes {
                control: read(&traffic.control_sent),
                log: read(&traffic.log_sent),
                gossip: read(&traffic.gossip_sent),
            },
            received: LaneBytes {
                control: read(&traffic.control_received),
                log: read(&traffic.log_received),
                gossip: read(&traffic.gossip_received),
            },
            gossip_dropped: read(&traffic.gossip_dropped),
        }
    }
}
