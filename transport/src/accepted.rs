//! What the secrets that are accepted make of this node: its settings for new connections, and who is believed to hold one of them.
//!
//! Replaced as a whole when the secrets change. Knows nothing of what stands already.

use crate::config::Timings;
use crate::endpoint;
use crate::identity::Identity;
use crate::refusal::OurSide;
use crate::verifier::peer_secret;
use quinn::Connection;
use quorate_proto::Hello;

/// What the secrets that are accepted make of this node.
pub(crate) struct Secrets {
    pub(crate) client: quinn::ClientConfig,
    /// For the connections of snapshots.
    pub(crate) bulk_client: quinn::ClientConfig,
    pub(crate) side: OurSide,
}

impl Secrets {
    pub(crate) fn of(identity: &Identity, hello: &Hello, timings: &Timings) -> Self {
        Self {
            client: endpoint::client_config(identity, timings),
            bulk_client: endpoint::bulk_config(identity, timings),
            side: OurSide::new(hello, &identity.fingerprints),
        }
    }

    /// Whether the other side showed a certificate under one of them.
    pub(crate) fn accept(&self, connection: &Connection) -> bool {
        peer_secret(connection).is_some_and(|secret| self.side.fingerprints.contains(&secret))
    }
}
