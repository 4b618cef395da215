//! Waits for the address of `listen` where the host does not have it yet: at boot the network may be set up after the daemon starts, and
//! IPv6 addresses are checked for a while before they may be used.
//!
//! Invariant: only the lack of the address is waited for, and no longer than the unit lets a start take. What then stays wrong is the
//! binding's to tell. That it waits is said once when it begins and once when it ends.

use super::last_error;
use crate::journal::NOTICE;
use crate::shell::service;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

/// Below `TimeoutStartSec` of the unit, behind which the daemon would be ended without a word.
const LONGEST: Duration = Duration::from_secs(300);
/// Between two looks.
const AGAIN: Duration = Duration::from_millis(250);

/// Returns once the host has the address, or when it was waited for long enough. `socket` is the daemon's, beside which it is noted for
/// `quorate why`.
pub(crate) async fn wait_for(listen: SocketAddr, socket: &Path) {
    if is_here(listen) {
        return;
    }
    let ip = listen.ip();
    let text = format!(
        "this host has no address {ip} (key `listen`) yet; the daemon goes on by itself as soon as it has"
    );
    tracing::warn!("{text}");
    service::say(&text);
    last_error::note_waiting(socket, &text);
    let arrival = async {
        while !is_here(listen) {
            tokio::time::sleep(AGAIN).await;
        }
    };
    let came = tokio::time::timeout(LONGEST, arrival).await.is_ok();
    last_error::forget_waiting(socket);
    if came {
        tracing::info!(target: NOTICE, "the address {ip} is here now; the start goes on");
    }
}

/// Whether it could be bound, on whichever port. Other errors are no lack of the address.
fn is_here(listen: SocketAddr) -> bool {
    let tried = UdpSocket::bind(SocketAddr::new(listen.ip(), 0));
    tried.map_or_else(|error| error.kind() != ErrorKind::AddrNotAvailable, |_| true)
}
