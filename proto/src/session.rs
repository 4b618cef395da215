//! A connection between two nodes on which both hellos came in, and why one could not be had. Not wire
//! messages: the words in which the transport tells a node about its peers.

use crate::{ClusterId, ClusterName, Digest, Generation, Instance, Levels, NodeKey, NodeName};
use std::net::{Ipv6Addr, SocketAddr};

/// An authenticated connection. The key is proved by TLS; the rest is the peer's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Number of this connection at this node; grows, never reused in one run.
    pub number: u64,
    /// The peer's disk life.
    pub instance: Instance,
    /// The peer's boot counter.
    pub generation: Generation,
    /// Random number of this start of the peer.
    pub boot_nonce: u64,
    /// The peer's node name.
    pub name: NodeName,
    /// The peer's cluster; equal to ours, or the session would not stand.
    pub cluster: ClusterName,
    /// The peer's key, from its certificate.
    pub key: NodeKey,
    /// Where the peer is reached, as far as this connection shows: what it advertises, else where it was dialled, else where
    /// its packets come from.
    pub address: SocketAddr,
    /// Whether the peer itself names this address. If not, it may have another at which it would rather be reached.
    pub advertised: bool,
    /// Where this node dialled it; none when the peer dialled. An address that has answered.
    pub dialled: Option<SocketAddr>,
    /// The cluster id that the peer knew at the handshake.
    pub cluster_id: Option<ClusterId>,
    /// Digest of the peer's seeds list.
    pub digest: Digest,
    /// The list itself.
    pub seeds: Vec<String>,
    /// The peer's data were made on another machine, as far as it can tell: moved, or copied.
    pub moved: bool,
    /// How many voters the peer's file asks for; 0 = as many as suit the number of hosts.
    pub voters: u32,
    /// Version of the peer's software, for people; at most 64 characters, empty when it does not say.
    pub software: String,
    /// The feature levels that the peer can run.
    pub levels: Levels,
    /// Where its packets come from, when that is another address.
    pub source: Option<SocketAddr>,
}

impl Session {
    /// The first start of a host that says who and where it is, and nothing else: what whoever plays a peer changes one thing of.
    #[must_use]
    pub fn of_host(
        (instance, key): (Instance, NodeKey),
        (cluster, name): (ClusterName, NodeName),
        address: SocketAddr,
    ) -> Self {
        Self {
            number: 1,
            instance,
            generation: Generation::new(1),
            boot_nonce: 1,
            name,
            cluster,
            key,
            address,
            advertised: true,
            dialled: None,
            cluster_id: None,
            digest: Digest::default(),
            seeds: Vec::new(),
            moved: false,
            voters: 0,
            software: String::new(),
            levels: Levels::HERE,
            source: None,
        }
    }

    /// Where this host is, whatever it says.
    #[must_use]
    pub fn place(&self) -> SocketAddr {
        self.source.unwrap_or(self.address)
    }
}

/// Why an address gave no session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialFailure {
    /// Nothing came back on the UDP port.
    #[error("no answer on the UDP port (host down, daemon not running, or a firewall)")]
    NoAnswer,
    /// The same, though the other side's own handshakes come in here.
    #[error(
        "its packets come in, but ours have had no answer: the UDP port is dropped in one direction"
    )]
    OneWay,
    /// The other side holds another secret.
    #[error("answers with another cluster secret (fingerprint {theirs}, ours is {ours})")]
    OtherSecret {
        /// Fingerprint in the other side's certificate, or `unknown`.
        theirs: String,
        /// Fingerprint of ours.
        ours: String,
    },
    /// The other side belongs to a cluster of another name.
    #[error("belongs to cluster `{theirs}`, this node to `{ours}`")]
    OtherCluster {
        /// Its name.
        theirs: String,
        /// Our name.
        ours: String,
    },
    /// No protocol version in common.
    #[error("speaks protocol {theirs_min} to {theirs_max}, this node {ours_min} to {ours_max}")]
    Protocol {
        /// Its oldest version.
        theirs_min: u32,
        /// Its newest version.
        theirs_max: u32,
        /// Our oldest version.
        ours_min: u32,
        /// Our newest version.
        ours_max: u32,
    },
    /// The other side does not listen to this host, for its disk life runs elsewhere too.
    #[error("another host runs the same disk, or a later start of it")]
    Twice,
    /// The other side refuses this host's key, for this host was revoked.
    #[error("this host was revoked: its key is refused there for good")]
    Revoked,
    /// This host does not listen to the other side, which came with a disk life that runs elsewhere too, or ran later.
    #[error("not listened to: {reason}")]
    Copy {
        /// How that shows.
        reason: String,
    },
    /// We reached ourselves.
    #[error("the address is this node's own")]
    Myself,
    /// Nothing was sent: this host cannot send there.
    #[error(transparent)]
    CannotSend(#[from] CannotSend),
    /// Something else went wrong in the handshake.
    #[error("the handshake failed: {reason}")]
    Handshake {
        /// What the TLS or QUIC layer said.
        reason: String,
    },
}

/// Why this host cannot send to an address at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotSend {
    /// The socket is of the other address family.
    #[error("this host listens on {listen}, which is {} only, and cannot send to an {} address", family(*.listen), family(*.to))]
    Family {
        /// Where this node listens.
        listen: SocketAddr,
        /// The address that was to be dialled.
        to: SocketAddr,
    },
    /// The system knows no way there.
    #[error("this host has no way there ({error})")]
    NoRoute {
        /// What the system said.
        error: String,
    },
}

impl CannotSend {
    /// Whether a socket at `listen` can send to an address of this family. One that listens on `[::]` sends to both.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check_family(listen: SocketAddr, to: SocketAddr) -> Result<(), Self> {
        let (own, other) = (listen.ip().to_canonical(), to.ip().to_canonical());
        let both = listen.ip() == Ipv6Addr::UNSPECIFIED;
        match both || own.is_ipv4() == other.is_ipv4() {
            true => Ok(()),
            false => Err(Self::Family { listen, to }),
        }
    }

    /// What helps against it, for an address of the host `name`.
    #[must_use]
    pub fn remedy(&self, name: &str, to: SocketAddr) -> String {
        match self {
            Self::Family { listen, to } => format!(
                "set `listen = \"[::]:{}\"` on this host and restart quorate, or give {name} an {} address",
                listen.port(),
                if to.is_ipv4() { "IPv6" } else { "IPv4" }
            ),
            Self::NoRoute { .. } => format!(
                "check this host's own addresses and routes: `ip address`, `ip route get {}`",
                to.ip().to_canonical()
            ),
        }
    }
}

fn family(address: SocketAddr) -> &'static str {
    if address.ip().to_canonical().is_ipv4() { "IPv4" } else { "IPv6" }
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionEnd {
    /// The peer closed it in good order; it may come again.
    Closed,
    /// The peer's transport has forgotten us: it was restarted.
    Reset,
    /// Nothing heard within the idle time.
    TimedOut,
    /// Replaced by another connection with the same peer.
    Replaced,
    /// The peer broke the protocol.
    Protocol,
    /// The peer turned this host away, for its disk life runs elsewhere too.
    Twice,
    /// The peer refuses this host's key, for this host was revoked.
    Revoked,
}
