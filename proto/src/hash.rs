//! Hashes that both ends must compute alike. Each input is length-prefixed, so no two inputs run together.

use crate::{ClusterId, ClusterName, Instance, Lineage, RaftId};
use sha2::{Digest as _, Sha256};

/// SHA-256 over length-prefixed parts.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The first eight bytes of [`sha256`], as a number.
#[must_use]
pub fn short_hash(parts: &[&[u8]]) -> u64 {
    let hash = sha256(parts);
    u64::from_be_bytes(hash[..8].try_into().expect("eight of 32 bytes"))
}

/// Hash of cluster name, ordered seeds list and founding mode (GENESIS rule 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Message)]
pub struct Digest {
    #[prost(fixed64, tag = "1")]
    value: u64,
}

impl Digest {
    /// The bare number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.value
    }

    /// What stands for a list of seeds in the record of a cluster that was founded anew: no list has it, but for one in 2^64.
    #[must_use]
    pub fn of_lineage(lineage: &Lineage) -> Self {
        let parts: [&[u8]; 3] =
            [b"quorate/anew", &lineage.from.to_bytes(), &lineage.plan.to_be_bytes()];
        Self { value: short_hash(&parts) }
    }
}

/// The founders digest of GENESIS rule 3. `mode` is the config's word, `majority` or `durable`.
#[must_use]
pub fn founders_digest(cluster: &ClusterName, seeds: &[String], mode: &str) -> Digest {
    let mut parts: Vec<&[u8]> =
        vec![b"quorate/founders", cluster.as_str().as_bytes(), mode.as_bytes()];
    parts.extend(seeds.iter().map(|seed| seed.as_bytes()));
    Digest { value: short_hash(&parts) }
}

/// The Raft id of a disk life (GENESIS rule 1): never from name, address or slot.
#[must_use]
pub fn raft_id(cluster_id: ClusterId, instance: Instance) -> RaftId {
    let number = short_hash(&[b"quorate/raft-id", &cluster_id.to_bytes(), &instance.to_bytes()]);
    // Zero is no Raft id; one in 2^64 instances gets 1 instead.
    RaftId::new(number.max(1)).expect("at least one")
}
