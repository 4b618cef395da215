//! What the transport is told at its start, and its timings with their reasons.

use crate::secret::{NodeKeyPair, Secret};
use quorate_proto::ClusterName;
use std::net::SocketAddr;
use std::time::Duration;

/// What the transport is told at its start.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    /// UDP address; every connection, dialled or accepted, uses this one socket.
    pub bind: SocketAddr,
    /// Name of the cluster; must be the hello's.
    pub cluster: ClusterName,
    /// One secret, or two while it is being changed: the first signs, all are trusted.
    pub secrets: Vec<Secret>,
    /// This node's own key.
    pub key: NodeKeyPair,
    /// How long what may take.
    pub timings: Timings,
}

/// How long what may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// Silence after which a connection counts as lost. Verdicts come from pings, much sooner; this frees memory.
    pub idle: Duration,
    /// Longest silence that we cause ourselves: three may be lost before `idle` is over. It is also how soon a
    /// restarted peer that says nothing is noticed.
    pub keep_alive: Duration,
    /// Guess before the first measurement: a LAN, so that a lost first packet is repeated after 60 ms, not 1 s.
    pub initial_rtt: Duration,
    /// How long after a search for the path's MTU, or after large packets vanished, the next search begins: a path that was mended is
    /// used soon. Only paths that carry less than usual are searched, with a dozen packets each time.
    pub mtu_search: Duration,
    /// Longest wait for an address to answer: several repeats of the first packet.
    pub dial: Duration,
    /// Longest wait for the other side's hello, which is sent at once.
    pub hello: Duration,
    /// A side of a snapshot's connection that neither gives nor takes a piece for so long is stuck; a slow disk takes one in a
    /// second.
    pub stall: Duration,
    /// First pause after a dial that failed, when frames wait; doubled each time.
    pub backoff_first: Duration,
    /// Longest such pause.
    pub backoff_last: Duration,
    /// A connection that carried nothing for so long is closed: in a large cluster gossip touches every node now
    /// and then, and connections would add up to all pairs.
    pub unused: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(3),
            keep_alive: Duration::from_millis(750),
            initial_rtt: Duration::from_millis(20),
            mtu_search: Duration::from_secs(30),
            dial: Duration::from_secs(1),
            hello: Duration::from_secs(2),
            stall: Duration::from_secs(60),
            backoff_first: Duration::from_millis(50),
            backoff_last: Duration::from_secs(5),
            unused: Duration::from_secs(120),
        }
    }
}

impl Timings {
    /// A connection that has stood for so long crosses with none that the other side began before it heard of this one.
    #[must_use]
    pub fn settled(&self) -> Duration {
        self.dial + self.hello
    }

    /// The pause after so many failures in a row: doubled from the first to the last.
    pub(crate) fn backoff(&self, failures: u32) -> Duration {
        let doubled = self.backoff_first.saturating_mul(1 << failures.saturating_sub(1).min(16));
        doubled.min(self.backoff_last)
    }
}

/// Why the transport could not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// No secret was given.
    #[error("no cluster secret; `quorate secret new` makes one")]
    NoSecret,
    /// The hello is for another cluster than the config, or over its limit.
    #[error("this node's own hello is not valid: {reason}")]
    Hello {
        /// What is wrong with it.
        reason: String,
    },
    /// The UDP socket could not be had.
    #[error(
        "UDP address {address} cannot be used: {error}; is another quorate running, or is it not an address of this host (key `listen`)?"
    )]
    Socket {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// Certificates or TLS settings could not be made.
    #[error("the TLS identity cannot be made: {reason}")]
    Identity {
        /// What the TLS library said.
        reason: String,
    },
}
