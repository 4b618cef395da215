//! What a daemon does with its data between its stop and its next start, when it is to begin anew after a lost majority.
//!
//! Invariants: the state is that of the whole log on the disk, committed or not: what it holds may have been acknowledged. A log that does
//! not end where the plan says founds nothing. On an error the data are as they were. Reads what the stopped writer has written.

use super::{FoundAnewError, Founder, certificate, prepare_founder};
use crate::disk::{self, DataDir, DiskError, Identity, NextLife, RecoveredGroup};
use quorate_meta::Meta;
use quorate_node::{BeginAnew, RecoveredLog, ReplayError, replay};
use quorate_proto::{FoundingState, Instance, Lineage, NodeName, raft_id};
use std::io;

/// Why a daemon does not begin anew.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    #[error(transparent)]
    Anew(#[from] FoundAnewError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] io::Error),
    #[error("this host has no copy of the state")]
    NoReplica,
    #[error(
        "the log ends at {found:?} (index, term), and the plan was made when it ended at {planned:?}; make another"
    )]
    Moved { found: (u64, u64), planned: (u64, u64) },
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

/// Prepares the next life. The next start puts it in place.
///
/// # Errors
/// With the reason; then the next start goes on with the data that are here.
pub(crate) fn begin(dir: &DataDir, name: &NodeName, anew: BeginAnew) -> Result<(), BeginError> {
    let identity = Identity::random(&dir.identity().cluster)?;
    let (plan, planned) = match anew {
        BeginAnew::Found { plan, last } => (plan, last),
        BeginAnew::Join(founded) => {
            let next = NextLife { identity: &identity, founded: &founded, state: None };
            return Ok(disk::prepare_life(dir.root(), next)?);
        }
    };
    let founding = dir.founding()?;
    let restore =
        |pieces: disk::Pieces<'_>| Meta::restore(pieces).map_err(|error| error.to_string());
    let group = disk::recover(dir, &founding, restore)?.group.ok_or(BeginError::NoReplica)?;
    let (state, found) = whole(group, &founding, dir.identity().instance)?;
    if found != planned {
        return Err(BeginError::Moved { found, planned });
    }
    let from = state.cluster_id().ok_or(BeginError::NoReplica)?;
    let own = state.member(dir.identity().instance);
    let address = own.and_then(|member| member.address.clone());
    let founder = Founder { identity: &identity, name, address };
    let founded = certificate(Lineage { from, plan }, &founder);
    prepare_founder(dir.root(), &identity, &founded, &state)?;
    Ok(())
}

/// The state behind every entry of the log, and where that ends: index and term.
fn whole(
    group: RecoveredGroup<Meta>,
    founding: &FoundingState,
    instance: Instance,
) -> Result<(Meta, (u64, u64)), BeginError> {
    let RecoveredGroup { snapshot, hard_state, entries, reset } = group;
    let founded = founding.founded.as_ref();
    if snapshot.is_none() && (founded.is_none() || reset != (1, 1)) {
        return Err(BeginError::NoReplica);
    }
    let of = snapshot.as_ref().and_then(|(_, meta)| meta.cluster_id());
    let cluster_id = of.or(founding.known_cluster()).ok_or(BeginError::NoReplica)?;
    let log = RecoveredLog { hard_state, snapshot, entries, reset };
    Ok(replay(log, founded, raft_id(cluster_id, instance))?)
}
