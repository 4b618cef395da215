//! Hosts that an operator revoked: their keys are refused by every host for good.
//!
//! Knows nothing of how a key is refused; what the revoked host is told is said here, once.

use crate::{HealthEpoch, Instance, NodeKey};

/// A host whose key is refused for good, as it is committed. It is never taken back.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Revocation {
    /// The key that is refused, whoever comes with it.
    #[prost(message, required, tag = "1")]
    pub key: NodeKey,
    /// The disk life that it was pinned to.
    #[prost(message, required, tag = "2")]
    pub instance: Instance,
    /// The name that it had.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The epoch since which it is so.
    #[prost(message, required, tag = "4")]
    pub epoch: HealthEpoch,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "5")]
    pub at_unix_ms: u64,
    /// The fingerprints of the secrets that it knew then, as far as the leader could tell.
    #[prost(fixed64, repeated, tag = "6")]
    pub secrets: Vec<u64>,
}

impl Revocation {
    /// Whether a host that accepts these secrets would let in who has nothing but what the revoked host knew.
    #[must_use]
    pub fn knows_one_of(&self, accepted: &[u64]) -> bool {
        self.secrets.iter().any(|secret| accepted.contains(secret))
    }
}

/// Revokes a host: it is taken out of the cluster for good, and its key is refused.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Revoke {
    /// Which disk life.
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "2")]
    pub at_unix_ms: u64,
    /// The fingerprints of the secrets that it knows, as far as the leader can tell.
    #[prost(fixed64, repeated, tag = "3")]
    pub secrets: Vec<u64>,
}

/// What a revoked host is told, by whoever refuses it and by itself.
#[must_use]
pub fn revoked_text(cluster: &str) -> String {
    format!(
        "this host was revoked: every host of cluster `{cluster}` refuses its key for good, under whatever name or address it comes. If that was a \
         mistake: on this host stop quorate, run `quorate reset --cluster {cluster}`, which makes a new key, give it the secret that the cluster has \
         now, and start it"
    )
}

/// What is to be done when somebody else has the secret, with the commands.
#[must_use]
pub fn change_the_secret() -> String {
    "make a new secret on one host, `(umask 077; quorate secret new > /root/new-secret)`; put its line below the old one in /etc/quorate/secret of \
     every host, and there `systemctl reload quorate`; then on one host `quorate secret rotate`"
        .to_owned()
}
