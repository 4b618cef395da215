//! Prepares a disk life that comes in place of the one that is here: that which founds a cluster anew from a state, or one that joins such
//! a cluster.
//!
//! Invariant: it gets its name (`life/next.rs`) when every byte of it is durable. Until then a kill leaves what was there; from then on the
//! next start puts it in place. Knows nothing of what the state means.

use super::error::DiskError;
use super::files::{Machine, sync_directory};
use super::life::identity::Identity;
use super::life::next::{NEXT, NEXT_ASIDE, clear_unfinished};
use super::life::parts::write_life;
use super::life::reached::{self, Reached};
use super::log::segments::{Layout, SegmentSizes, Segments};
use super::snapshots::file::{self, Owner};
use super::snapshots::names;
use bytes::Bytes;
use quorate_consensus::LogRecord;
use quorate_proto::{
    FoundingCertificate, FoundingState, Generation, GroupId, HardState, SnapshotMetadata,
};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A disk life that is to come.
pub(crate) struct NextLife<'a> {
    /// Who it is: nobody that was here before.
    pub(crate) identity: &'a Identity,
    /// The cluster that it founds, or joins.
    pub(crate) founded: &'a FoundingCertificate,
    /// What it begins with; none for one that joins.
    pub(crate) state: Option<FirstState>,
}

/// The state with which a life begins that founds a cluster anew.
pub(crate) struct FirstState {
    /// Where it stands; its voters are those of the record.
    pub(crate) metadata: SnapshotMetadata,
    /// Its content, made while it is written.
    pub(crate) chunks: Box<dyn Iterator<Item = Bytes> + Send>,
}

/// Makes a life ready in a data directory that the caller holds locked. Its first start is its first generation.
///
/// # Errors
/// When one waits there already, or the disk refuses: then what was there is as it was.
pub(crate) fn prepare_life(root: &Path, next: NextLife<'_>) -> Result<(), DiskError> {
    clear_unfinished(root)?;
    let aside = root.join(NEXT_ASIDE);
    let prepared = write(&aside, next).and_then(|()| {
        std::fs::rename(&aside, root.join(NEXT))?;
        sync_directory(root)
    });
    if prepared.is_err() {
        // A half-written one must not use up the last room.
        let _ = std::fs::remove_dir_all(&aside);
    }
    prepared.map_err(|error| DiskError::io("prepare a new disk life in", root, error))
}

fn write(aside: &Path, next: NextLife<'_>) -> io::Result<()> {
    let NextLife { identity, founded, state } = next;
    let founding = FoundingState {
        founded: Some(founded.clone()),
        ..FoundingState::fresh(identity.instance, &identity.cluster)
    };
    // The first start counts one up.
    write_life(aside, identity, Generation::new(0), &founding)?;
    if let Some(state) = state {
        let cluster_id = founded.record.cluster_id();
        let SnapshotMetadata { index, term, .. } = state.metadata;
        let snapshot =
            names::directory(aside).join(names::file_name(GroupId::META, &state.metadata));
        let owner = Owner { instance: identity.instance, cluster_id };
        file::write(&snapshot, owner, &state.metadata, state.chunks)?;
        let mut log = Segments::new(
            aside,
            identity.instance,
            cluster_id,
            SegmentSizes::SHIPPED,
            Layout::default(),
            Arc::new(Machine),
        );
        let hard_state = HardState { term, vote: 0, commit: index };
        log.append(&[
            (GroupId::META, LogRecord::Reset { index, term }),
            (GroupId::META, LogRecord::HardState(hard_state)),
        ])?;
        // So that the start that puts it in place misses each byte of it that is lost until then.
        let (instance, generation) = (identity.instance, Generation::new(0));
        reached::carry(&Machine, aside, &Reached { instance, generation, end: log.end() })?;
    }
    sync_directory(&aside.join("log"))?;
    sync_directory(&names::directory(aside))?;
    sync_directory(aside)
}
