//! The goodbye of a process that has ended already: a short connection that names instance, generation and nonce.
//!
//! It is bound to one start, so saying it twice, or late, or on a copy of the disk, does no harm.

use crate::config::TransportConfig;
use crate::endpoint;
use crate::event::TransportEvent;
use crate::greeting::{Greeted, greet};
use crate::identity::{Identity, NAME};
use crate::refusal::{CLOSED, DONE, OurSide};
use crate::shared::Shared;
use quinn::{ConnectionError, Endpoint, VarInt};
use quorate_proto::{CannotSend, Hello, HelloKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The accepting side: tells the owner, then the other side that it was understood.
pub(crate) async fn receive(shared: Arc<Shared>, greeted: Greeted) {
    let Hello { instance, generation, boot_nonce, .. } = greeted.hello;
    let key = greeted.key;
    shared.tell(TransportEvent::Farewell { instance, generation, boot_nonce, key }).await;
    greeted.connection.close(VarInt::from_u32(DONE), b"understood");
}

/// Says to each address that this start of this instance has ended; ends when all have understood, or at the
/// limit. Returns how many have. It uses a port of its own, because the daemon's may be in use again already.
pub async fn farewell(
    mut config: TransportConfig,
    mut hello: Hello,
    addresses: Vec<SocketAddr>,
    limit: Duration,
) -> usize {
    hello.kind = HelloKind::Farewell.into();
    config.bind.set_port(0);
    let Ok(identity) = Identity::new(&config.secrets, &config.key) else { return 0 };
    let Ok(endpoint) = endpoint::open(&config, &identity) else { return 0 };
    let side = OurSide::new(&hello, &identity.fingerprints);
    let client = endpoint::client_config(&identity, &config.timings);
    let said = Arc::new((endpoint.clone(), client, hello, side));
    let mut running = JoinSet::new();
    let can_send = |to: &SocketAddr| CannotSend::check_family(config.bind, *to).is_ok();
    for address in addresses.into_iter().filter(can_send).take(crate::shared::PEERS) {
        running.spawn(say(said.clone(), address, limit));
    }
    let mut understood = 0;
    let all = async {
        while let Some(result) = running.join_next().await {
            understood += usize::from(result.is_ok_and(|understood| understood));
        }
    };
    let _ = tokio::time::timeout(limit, all).await;
    endpoint.close(VarInt::from_u32(CLOSED), b"");
    // The closing packets leave in this short while; nobody waits for answers to them.
    let _ = tokio::time::timeout(LAST_PACKETS, endpoint.wait_idle()).await;
    understood
}

/// Time for the last packets of the endpoint to leave.
pub(crate) const LAST_PACKETS: Duration = Duration::from_millis(20);

type Said = (Endpoint, quinn::ClientConfig, Hello, OurSide);

async fn say(said: Arc<Said>, address: SocketAddr, limit: Duration) -> bool {
    let (endpoint, client, hello, side) = &*said;
    let Ok(connecting) = endpoint.connect_with(client.clone(), address, NAME) else {
        return false;
    };
    let Ok(connection) = connecting.await else { return false };
    let Ok(greeted) = greet(connection, hello, side, limit).await else { return false };
    let closed = greeted.connection.closed().await;
    matches!(closed, ConnectionError::ApplicationClosed(close) if close.error_code == VarInt::from_u32(DONE))
}
