//! A host founds a cluster anew from a state: after a lost majority, or from a snapshot.
//!
//! Invariant: nothing of it counts before all of it is durable; then the next start of the daemon begins as the only voter of the new
//! cluster, and the data that were here are kept beside. Knows nothing of why, and of nobody else.

mod begin;

pub(crate) use begin::begin;

use crate::clock::wall_unix_ms;
use crate::disk::{self, DiskError, FirstState, Identity, NextLife};
use quorate_meta::{AnewError, Meta};
use quorate_proto::{
    Address, FounderVoter, FoundingCertificate, Lineage, NodeName, SnapshotMetadata,
};
use quorate_transport::NodeKeyPair;
use std::path::Path;

/// The term in which the new cluster begins, as any other does.
const FIRST_TERM: u64 = 1;

/// Who founds.
#[derive(Debug)]
pub(crate) struct Founder<'a> {
    /// A disk life that was never in a cluster; [`Identity::random`].
    pub(crate) identity: &'a Identity,
    /// The name of this host.
    pub(crate) name: &'a NodeName,
    /// Where others reach it, as far as that is known.
    pub(crate) address: Option<Address>,
}

/// Why nothing was founded; all is as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoundAnewError {
    /// The state does not allow it.
    #[error(transparent)]
    State(#[from] AnewError),
    /// The disk does not.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The founding of the new cluster.
pub(crate) fn certificate(lineage: Lineage, founder: &Founder<'_>) -> FoundingCertificate {
    let Founder { identity, name, address } = founder;
    let voter = FounderVoter {
        slot: 0,
        instance: identity.instance,
        key: NodeKeyPair::from_seed(identity.key_seed).public(),
        address: address.clone(),
        name: name.to_string(),
    };
    FoundingCertificate::anew(&identity.cluster, lineage, voter)
}

/// Makes the data of the founder ready in a data directory that the caller holds locked.
///
/// # Errors
/// With the reason; then the data are as they were.
pub(crate) fn prepare_founder(
    root: &Path,
    identity: &Identity,
    founded: &FoundingCertificate,
    state: &Meta,
) -> Result<(), FoundAnewError> {
    let state = state.anew(founded, wall_unix_ms())?;
    let metadata = SnapshotMetadata {
        conf_state: state.conf().clone(),
        index: state.applied(),
        term: FIRST_TERM,
    };
    let state = Some(FirstState { metadata, chunks: Box::new(state.chunks()) });
    disk::prepare_life(root, NextLife { identity, founded, state })?;
    Ok(())
}

#[cfg(test)]
mod tests;
