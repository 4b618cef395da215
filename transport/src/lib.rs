//! Bytes between nodes: one UDP port, QUIC with mutual TLS from the cluster's secret, and the lanes on it.
//!
//! The owner holds a [`Transport`] and the other end of its events. Frames of the control and log lanes go
//! through an outbox ([`outbox`]) for each peer: handed over before a connection stands, they leave the moment it
//! does. The peer's word (its hello) is believed as far as the secret reaches; its key is proved.
//!
//! Knows nothing of what a payload means, of gossip or consensus libraries, or of files. quinn, rustls and
//! rcgen do not show through the public API.

mod accepted;
mod bulk;
mod bulk_in;
mod bulk_out;
mod config;
mod congestion;
mod connections;
mod dialer;
mod dials;
mod doorway;
mod endpoint;
mod event;
mod farewell;
#[cfg(test)]
mod flood;
mod frames;
mod greeting;
mod heartbeat_copies;
#[cfg(test)]
mod hostile_peer_tests;
mod identity;
pub mod inbox;
mod incoming;
mod keys;
mod lanes;
mod link;
mod links;
mod lock;
pub mod outbox;
mod peer;
mod record;
mod refusal;
mod requests;
mod rotation;
mod round_trips;
mod secret;
pub mod sessions;
mod shared;
mod shown;
mod traffic;
mod transport;
mod turned_away;
mod turns;
mod twice;
mod verifier;
mod ways;

pub use bulk::{SnapshotArrival, SnapshotOutcome, SnapshotPart, SnapshotPosition};
pub use config::{BindError, Timings, TransportConfig};
pub use event::TransportEvent;
pub use farewell::farewell;
pub use links::{ConnectionReport, DialReport, LinkReport};
pub use requests::RequestFailure;
pub use secret::{NodeKeyPair, PREFIX as SECRET_PREFIX, Secret, SecretError};
pub use traffic::{LaneBytes, Packets};
pub use transport::Transport;
pub use ways::has_ipv6;
