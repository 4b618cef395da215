//! The UDP socket and the QUIC endpoint on it: one for dialling and accepting, so that peers see our listening
//! address as the source of what we dial.

use crate::config::{BindError, Timings, TransportConfig};
use crate::congestion::FlooredCubicConfig;
use crate::identity::Identity;
use quinn::{Endpoint, EndpointConfig, IdleTimeout, ServerConfig, TokioRuntime, VarInt};
use quinn_proto::HashedConnectionIdGenerator;
use quorate_proto::limits;
use socket2::{Domain, Protocol, Socket, Type};
use std::net::SocketAddr;
use std::sync::Arc;

/// Kernel buffers of the socket, best effort: a burst of appends or a snapshot from several peers must not
/// overflow the default of about 200 KiB while this process waits for a CPU.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
/// One stream: a whole log frame may be under way while it is being read. It also covers 10 Gbit/s at 3 ms.
const STREAM_WINDOW: u32 = limits::LOG_FRAME as u32 + 64 * 1024;
/// All streams of a connection: a full log lane and two large requests leave room for the control lane.
const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;
/// What a snapshot's sender keeps under way at most: 1 MiB. It is what the receiver's side can be made to hold, and what can
/// stand in the socket's buffer or in a queue on the way in front of the main connection's heartbeats: 8 ms at 1 Gbit/s,
/// 84 ms at 100 Mbit/s. Still 80 Mbit/s over 100 ms of distance.
const BULK_WINDOW: u32 = 1024 * 1024;
/// Streams that a peer may open in one direction each: control, log, and spare ones for later versions.
const UNI_STREAMS: u32 = 8;
/// Requests under way from one peer.
pub(crate) const BIDI_STREAMS: u32 = 256;
/// Gossip packets and copies of heartbeats that wait, each way: some 64 of the largest size. Older ones are worthless.
const DATAGRAM_BUFFER: usize = 64 * limits::GOSSIP_PACKET;
/// So many packets may come before the one that is acknowledged at once. An acknowledgement costs a packet of its own each time, on both sides,
/// unless it rides on an answer; an append's answer leaves within a sync. A lost packet is reported at once anyway, and the last ones within 25 ms.
const PACKETS_AN_ACKNOWLEDGEMENT: u32 = 15;
/// First packets that wait for our word: more than one reading of the socket brings, or a flood would have members refused.
const INCOMING: usize = 1024;

pub(crate) fn transport_config(timings: &Timings) -> Arc<quinn::TransportConfig> {
    Arc::new(main_config(timings))
}

fn main_config(timings: &Timings) -> quinn::TransportConfig {
    let mut search = quinn::MtuDiscoveryConfig::default();
    search.interval(timings.mtu_search).black_hole_cooldown(timings.mtu_search);
    let mut acknowledged = quinn::AckFrequencyConfig::default();
    acknowledged.ack_eliciting_threshold(VarInt::from_u32(PACKETS_AN_ACKNOWLEDGEMENT));
    let mut config = quinn::TransportConfig::default();
    config
        .mtu_discovery_config(Some(search))
        .ack_frequency_config(Some(acknowledged))
        .max_idle_timeout(IdleTimeout::try_from(timings.idle).ok())
        .keep_alive_interval(Some(timings.keep_alive))
        .initial_rtt(timings.initial_rtt)
        .congestion_controller_factory(Arc::new(FlooredCubicConfig))
        .max_concurrent_uni_streams(VarInt::from_u32(UNI_STREAMS))
        .max_concurrent_bidi_streams(VarInt::from_u32(BIDI_STREAMS))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(u64::from(CONNECTION_WINDOW))
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER))
        .datagram_send_buffer_size(DATAGRAM_BUFFER);
    config
}

/// The settings of a connection that only carries a snapshot away.
pub(crate) fn bulk_config(identity: &Identity, timings: &Timings) -> quinn::ClientConfig {
    let mut settings = main_config(timings);
    settings
        // Cubic takes each loss for congestion: at 5 % loss and 40 ms it sends 190 KB/s, ten minutes for what BBR, which
        // measures the way, sends in 12 seconds. Nobody waits for a snapshot's single packet, so its pacing costs nothing.
        .congestion_controller_factory(Arc::new(quinn::congestion::BbrConfig::default()))
        .stream_receive_window(VarInt::from_u32(BULK_WINDOW))
        .receive_window(VarInt::from_u32(BULK_WINDOW))
        .send_window(u64::from(BULK_WINDOW));
    let mut config = quinn::ClientConfig::new(identity.client.clone());
    config.transport_config(Arc::new(settings));
    config
}

pub(crate) fn client_config(identity: &Identity, timings: &Timings) -> quinn::ClientConfig {
    let mut config = quinn::ClientConfig::new(identity.client.clone());
    config.transport_config(transport_config(timings));
    config
}

pub(crate) fn server_config(identity: &Identity, timings: &Timings) -> ServerConfig {
    let mut config = ServerConfig::with_crypto(identity.server.clone());
    // Peers have fixed addresses; a moved one dials again.
    config.transport_config(transport_config(timings)).migration(false).max_incoming(INCOMING);
    config
}

/// Opens the socket and the endpoint on it, within a tokio runtime.
///
/// The keys of stateless resets and of connection ids come from the node's own key, which lasts: so a restarted node can tell its old
/// peers so, also behind a change of the secret.
pub(crate) fn open(config: &TransportConfig, identity: &Identity) -> Result<Endpoint, BindError> {
    let failed = |error| BindError::Socket { address: config.bind, error };
    let socket = socket(config.bind).map_err(failed)?;
    let reset_key =
        ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &config.key.derive(b"quic-reset"));
    let mut endpoint = EndpointConfig::new(Arc::new(reset_key));
    let id_key = config.key.derive(b"quic-connection-id");
    // Fixed too, or the packets that deserve a reset are dropped unread.
    let id_key = u64::from_be_bytes(id_key[..8].try_into().expect("eight bytes"));
    endpoint.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(id_key)));
    let server = server_config(identity, &config.timings);
    Endpoint::new(endpoint, Some(server), socket, Arc::new(TokioRuntime)).map_err(failed)
}

fn socket(address: SocketAddr) -> std::io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // `[::]` serves IPv4 too.
        socket.set_only_v6(false)?;
    }
    // The system may allow less; then that is what we get.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}
