//! The state behind every entry of a log, committed or not, as a replica comes to it once all of them are.
//!
//! Invariant: it is what the replicas of that log would hold, voters and epochs included: the entries go through the same consensus as theirs,
//! which alone knows which voters a change of voters leads to. Knows nothing of why somebody wants to know.

use crate::boot::RecoveredLog;
use crate::groups::apply_to;
use quorate_consensus::{Replica, ReplicaConfig, ReplicaOutput, StartError};
use quorate_meta::{Meta, UnknownCommand};
use quorate_proto::{FoundingCertificate, GroupId, RaftId};

/// Why nobody can say what a log comes to.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be continued.
    #[error("the log cannot be continued: {0}")]
    Start(#[from] StartError),
    /// A newer version wrote it.
    #[error(transparent)]
    Unknown(#[from] UnknownCommand),
    /// Not all of it is handed out, which a sound log never comes to.
    #[error("the log ends at {last}, and could be applied up to {applied} only")]
    Short {
        /// Index of its last entry.
        last: u64,
        /// And of the last that was applied.
        applied: u64,
    },
}

/// The state, and the index and term at which the log ends. `me`: the replica whose log it is.
///
/// # Errors
/// See [`ReplayError`].
pub fn replay(
    log: RecoveredLog,
    founded: Option<&FoundingCertificate>,
    me: RaftId,
) -> Result<(Meta, (u64, u64)), ReplayError> {
    let (mut recovered, mut meta) = log.begun(founded);
    let begin = (recovered.snapshot.index, recovered.snapshot.term);
    let end = recovered.entries.last().map_or(begin, |entry| (entry.index, entry.term));
    recovered.hard_state.commit = end.0;
    let config = ReplicaConfig { group: GroupId::META, me, seed: 0 };
    let mut replica = Replica::start(config, recovered)?;
    while meta.applied() < end.0 {
        let (before, mut said) = (meta.applied(), Vec::new());
        replica.ready(&mut said);
        let committed = said.into_iter().filter_map(|output| match output {
            ReplicaOutput::Commit(entries) => Some(entries),
            _ => None,
        });
        for entry in committed.flatten() {
            apply_to(&mut meta, entry)?;
        }
        if meta.applied() == before {
            return Err(ReplayError::Short { last: end.0, applied: before });
        }
        replica.applied(meta.applied());
    }
    Ok((meta, end))
}
