//! What the transport can tell about each peer, for `quorate status --links` and metrics.
//!
//! Everything is counted at this node: packets that *we* sent and that were lost. What is lost on the way here is in the
//! other node's report of the same link.

use crate::dials::Dialled;
use crate::link::Link;
use crate::lock::lock;
use crate::outbox::GivenUp;
use crate::peer::Peer;
use crate::record::Carried;
use crate::traffic::{LaneBytes, Packets};
use quorate_proto::{DialFailure, Instance, Lane, Moment, Session, SessionEnd};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The state of the way to one peer. Nothing that counts up here ever falls while the peer is known.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkReport {
    /// The peer.
    pub instance: Instance,
    /// Where it is reached.
    pub address: SocketAddr,
    /// The connection that stands.
    pub connection: Option<ConnectionReport>,
    /// Connections that ever stood.
    pub connections: u64,
    /// With no connection: how long ago the last one ended, and how.
    pub gone: Option<(Duration, SessionEnd)>,
    /// The dials of its address that failed since the last one that did not.
    pub dials: Option<DialReport>,
    /// Control frames that wait.
    pub waiting_control: usize,
    /// Log frames that wait.
    pub waiting_log: usize,
    /// Bytes of control frames that wait, with what each takes besides.
    pub control_bytes: usize,
    /// Bytes of log frames that wait or are not acknowledged, with what each takes besides.
    pub log_bytes: usize,
    /// Log frames that were written and not acknowledged.
    pub unacknowledged: usize,
    /// Log frames that were written a second time.
    pub retransmitted: u64,
    /// Log frames that came a second time from the peer's present start, and were dropped.
    pub duplicates: u64,
    /// Control frames replaced by newer ones before they were written.
    pub superseded: u64,
    /// Frames given up since the start, by lane and cause.
    pub given_up: GivenUp,
    /// Frames sent over all connections.
    pub sent: LaneBytes,
    /// Frames received over all connections.
    pub received: LaneBytes,
    /// Packets over all connections.
    pub packets: Packets,
    /// Gossip packets dropped over all connections.
    pub gossip_dropped: u64,
    /// Heartbeats of the peer that a lost packet would have held up, had not a copy come first, over all connections.
    pub overtaken: u64,
}

/// The dials of an address that failed, the last in a row.
#[derive(Debug, Clone, PartialEq)]
pub struct DialReport {
    /// How many in a row.
    pub failures: u32,
    /// How long ago the first of them ended.
    pub since: Duration,
    /// Why the last one failed.
    pub last: DialFailure,
    /// How long ago a handshake that the peer began was last seen to come to nothing: it reaches us, and our
    /// answers do not reach it.
    pub peer_dialled_us: Option<Duration>,
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
    /// Round trip time as QUIC estimates it now: smoothed over about the last eight acknowledgements, so that one late
    /// packet shows as an eighth of its delay.
    pub rtt: Duration,
    /// The shortest round trip seen.
    pub rtt_min: Duration,
    /// Median of that estimate, looked at whenever something came in, at most ten times a second, 128 times back.
    pub rtt_p50: Duration,
    /// Its 99th percentile.
    pub rtt_p99: Duration,
    /// Largest UDP payload that is known to pass: 1,200 bytes at first, 1,452 where the path has the usual MTU of 1,500.
    pub mtu: u16,
    /// Times that packets of a size that had passed no longer did.
    pub black_holes: u64,
    /// Packets on this connection.
    pub packets: Packets,
    /// Those of the last ten to twenty seconds; of longer when little comes in.
    pub recent: Packets,
    /// Frames sent.
    pub sent: LaneBytes,
    /// Frames received.
    pub received: LaneBytes,
    /// Gossip packets dropped, because they were too large, could not be sent, or found no room.
    pub gossip_dropped: u64,
}

impl LinkReport {
    /// At this moment, on both clocks.
    pub(crate) fn of(
        peer: &Peer,
        (now, moment): (Instant, Moment),
        dials: impl Fn(SocketAddr) -> Dialled,
    ) -> Self {
        let state = peer.state();
        let Carried { sent, received, packets, gossip_dropped, overtaken } = state.record.total();
        let standing = state.standing();
        let gone = state.sessions.last_end().filter(|_| standing.is_none());
        Self {
            instance: peer.instance,
            address: state.address,
            connection: standing.map(|link| ConnectionReport::of(link, now)),
            connections: state.record.connections,
            gone: gone.map(|(at, end)| (moment.since(at), end)),
            dials: dials(state.address).report(now),
            waiting_control: state.outbox.waiting(Lane::Control),
            waiting_log: state.outbox.waiting(Lane::Log),
            control_bytes: state.outbox.control_bytes(),
            log_bytes: state.outbox.log_bytes(),
            unacknowledged: state.outbox.unacknowledged(),
            retransmitted: state.outbox.retransmitted(),
            duplicates: state.incoming.duplicates(),
            superseded: state.outbox.superseded(),
            given_up: state.outbox.given_up(),
            sent,
            received,
            packets,
            gossip_dropped,
            overtaken,
        }
    }
}

impl Dialled {
    fn report(self, now: Instant) -> Option<DialReport> {
        let ago = |at| now.saturating_duration_since(at);
        Some(DialReport {
            failures: self.failures,
            since: ago(self.failing_since?),
            last: self.last?,
            peer_dialled_us: self.peer_dialled_us.map(ago),
        })
    }
}

impl ConnectionReport {
    fn of(link: &Link, now: Instant) -> Self {
        let (trips, before) = {
            let watched = lock(&link.round_trips);
            (watched.median_and_worst(), watched.packets_before())
        };
        let path = link.connection.stats().path;
        let packets = Packets::of(&path);
        let (sent, received, gossip_dropped) = link.traffic.counted();
        let (rtt_p50, rtt_p99) = trips.unwrap_or((path.rtt, path.rtt));
        Self {
            session: Session::clone(&link.session),
            age: now.saturating_duration_since(link.since),
            dialled: link.met.dialled.is_some(),
            rtt: path.rtt,
            rtt_min: path.min_rtt,
            rtt_p50,
            rtt_p99,
            mtu: path.current_mtu,
            black_holes: path.black_holes_detected,
            packets,
            recent: packets.since(&before),
            sent,
            received,
            gossip_dropped,
        }
    }
}
