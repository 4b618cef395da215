//! How a replica is tuned, and what it starts from.
//!
//! Invariant: every limit that raft-rs leaves open by default is set here. Knows nothing of how the state was stored.

use crate::LogRecord;
use quorate_proto::{ConfState, Entry, GroupId, HardState, RaftId, SnapshotMetadata};
use std::time::Duration;

/// One tick of the consensus clock: above a LAN round trip plus an fsync.
pub const TICK: Duration = Duration::from_millis(50);
/// Ticks between heartbeats; three may be lost in a row before a follower gives up.
pub const HEARTBEAT_TICKS: usize = 2;
/// Least ticks of leader silence before an election; half a second rides out a slow disk.
pub const ELECTION_TICKS: usize = 10;
/// Election timeouts are drawn below this: wide enough that two survivors rarely tie.
pub const ELECTION_TICKS_MAX: usize = 20;
/// Ticks that a reluctant replica waits longer: two elections of the others have had their time by then.
pub(crate) const RELUCTANCE_TICKS: usize = 20;

/// Appends that raft-rs makes ahead of the answers of one follower; how many bytes of them are sent is for `pacing`.
const MAX_INFLIGHT: usize = 64;
/// Bytes of entries in one append; a frame has room for it and one oversized entry.
const MAX_MESSAGE: u64 = 1024 * 1024;
/// Bytes of proposals that wait for a majority: then proposals are refused, not queued.
const MAX_UNCOMMITTED: u64 = 64 * 1024 * 1024;
/// Bytes of committed entries handed out in one piece.
const MAX_COMMITTED_PIECE: u64 = 1024 * 1024;

const _: () = assert!(HEARTBEAT_TICKS * 3 < ELECTION_TICKS);
const _: () = assert!(ELECTION_TICKS < ELECTION_TICKS_MAX);
const _: () = assert!(ELECTION_TICKS + RELUCTANCE_TICKS > ELECTION_TICKS_MAX);
const _: () = assert!(MAX_MESSAGE <= MAX_UNCOMMITTED);

/// Who a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaConfig {
    /// Its group.
    pub group: GroupId,
    /// This replica's id.
    pub me: RaftId,
    /// Where its election timeouts come from: the same seed and the same calls give the same run.
    pub seed: u64,
}

impl ReplicaConfig {
    pub(crate) fn for_raft(self, applied: u64) -> raft::Config {
        raft::Config {
            id: self.me.get(),
            election_tick: ELECTION_TICKS,
            heartbeat_tick: HEARTBEAT_TICKS,
            applied,
            max_size_per_msg: MAX_MESSAGE,
            max_inflight_msgs: MAX_INFLIGHT,
            check_quorum: true,
            pre_vote: true,
            min_election_tick: ELECTION_TICKS,
            max_election_tick: ELECTION_TICKS_MAX + RELUCTANCE_TICKS,
            read_only_option: raft::ReadOnlyOption::Safe,
            // An append of its own for each commit costs every follower a packet, a turn and an answer: see `Replica::tell_commit`.
            skip_bcast_commit: true,
            // With true, raft-rs 0.7.0 adds entries to appends of another index and loses data.
            batch_append: false,
            priority: 0,
            max_uncommitted_size: MAX_UNCOMMITTED,
            max_committed_size_per_ready: MAX_COMMITTED_PIECE,
        }
    }
}

/// What was durable when the replica stopped last, or what it is born with.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// Term, vote, commit index.
    pub hard_state: HardState,
    /// The position behind which the entries begin, with the voters as of exactly there; index 0 = nothing yet.
    pub snapshot: SnapshotMetadata,
    /// Contiguous behind `snapshot.index`.
    pub entries: Vec<Entry>,
}

impl Recovered {
    /// The identical state that all founders start from, index 1 and term 1: made of the founding record alone, so that no two
    /// logs begin differently.
    #[must_use]
    pub fn from_founding(voters: &[RaftId]) -> Self {
        let mut voters: Vec<u64> = voters.iter().map(|id| id.get()).collect();
        voters.sort_unstable();
        voters.dedup();
        let conf_state = ConfState { voters, ..ConfState::default() };
        Self {
            hard_state: HardState { term: 1, vote: 0, commit: 1 },
            snapshot: SnapshotMetadata { conf_state, index: 1, term: 1 },
            entries: Vec::new(),
        }
    }

    /// The state of a joiner before its first snapshot.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            hard_state: HardState::default(),
            snapshot: SnapshotMetadata::default(),
            entries: Vec::new(),
        }
    }

    /// What must be durable before a replica that starts from this casts its first vote.
    #[must_use]
    pub fn founding_records(&self) -> Vec<LogRecord> {
        let SnapshotMetadata { index, term, .. } = self.snapshot;
        vec![LogRecord::Reset { index, term }, LogRecord::HardState(self.hard_state)]
    }

    /// Checks what raft-rs would panic on, and lifts a commit index and term that lag behind the snapshot.
    pub(crate) fn checked(mut self) -> Result<Self, StartError> {
        crate::voters::check(&self.snapshot.conf_state).map_err(StartError::Voters)?;
        let mut last = (self.snapshot.index, self.snapshot.term);
        for entry in &self.entries {
            if entry.index != last.0 + 1 || entry.term < last.1 {
                return Err(StartError::Gap { index: entry.index, expected: last.0 + 1 });
            }
            last = (entry.index, entry.term);
        }
        if self.hard_state.commit > last.0 {
            return Err(StartError::Lost { commit: self.hard_state.commit, last: last.0 });
        }
        self.hard_state.commit = self.hard_state.commit.max(self.snapshot.index);
        if self.hard_state.term < last.1 {
            if !self.entries.is_empty() {
                return Err(StartError::Term { term: self.hard_state.term, entry: last.1 });
            }
            self.hard_state = HardState { term: last.1, vote: 0, ..self.hard_state };
        }
        Ok(self)
    }
}

/// Why a replica cannot start from what was recovered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// A hole, or terms that fall.
    #[error(
        "the log goes on with entry {index} where {expected} of the same or a later term belongs"
    )]
    Gap {
        /// What is there.
        index: u64,
        /// What should be there.
        expected: u64,
    },
    /// Committed entries are gone.
    #[error("entries up to {commit} are committed, but the log ends at {last}")]
    Lost {
        /// The durable commit index.
        commit: u64,
        /// The last entry there is.
        last: u64,
    },
    /// The hard state is older than the entries.
    #[error("the log holds entries of term {entry}, but the last term noted is {term}")]
    Term {
        /// The durable term.
        term: u64,
        /// The last entry's.
        entry: u64,
    },
    /// The voters contradict themselves.
    #[error("the recovered voters cannot be: {0}")]
    Voters(&'static str),
    /// An entry of a kind that this build does not know.
    #[error("the log holds what this build cannot read: {0}")]
    Unknown(#[from] crate::ConvertError),
    /// raft-rs refused.
    #[error("raft refuses to start: {0}")]
    Raft(String),
}
