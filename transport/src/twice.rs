//! Whether an earlier start of a peer still runs when another one comes.
//!
//! Each start of a disk life ends the one before, so usually the older connection is dead, and its host says so at the next
//! packet: it no longer knows it. When it is alive all the same, one disk life runs twice (a copied data directory, a cloned
//! machine, an older copy brought back), and the newcomer must not take the place of the one that is there.

use crate::link::Link;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// A datagram of a kind that nobody reads: all that it is for is to be acknowledged, or answered by a reset, which must be
/// smaller than what it answers.
const PROVOCATION: [u8; 64] = [0xff; 64];
/// Between two provocations, and between two looks for what came of them.
const PACE: Duration = Duration::from_millis(10);

/// Whether anything comes on this connection that was sent after the call. Ends at once when the connection does, at the
/// latest at the limit: a host that was moved or lost says nothing.
pub(crate) async fn still_runs(link: &Link, limit: Duration) -> bool {
    let came = || link.connection.stats().udp_rx.datagrams;
    let (before, until) = (came(), Instant::now() + limit);
    while Instant::now() < until {
        // One that does not fit into the buffer is not needed.
        let _ = link.connection.send_datagram(Bytes::from_static(&PROVOCATION));
        tokio::select! {
            _ = link.connection.closed() => return false,
            () = tokio::time::sleep(PACE) => {}
        }
        if came() > before {
            return link.is_open();
        }
    }
    false
}
