//! Bytes between nodes: one UDP port, QUIC with mutual TLS from the cluster's secret, and the lanes on it.
//!
//! Knows nothing of what a payload means, of gossip or consensus libraries, or of files. quinn, rustls and
//! rcgen do not show through the public API.

pub mod outbox;
