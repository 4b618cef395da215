//! What a replica says: its outputs, its answers and its standing.
//!
//! Knows nothing of how any of it comes about.

use crate::LogRecord;
use bytes::Bytes;
use quorate_proto::{ConfChangeSet, ConfState, RaftId, RaftMessage, SnapshotMetadata};

/// What the caller must do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplicaOutput {
    /// Send it; may be lost.
    Send(RaftMessage),
    /// Make the records durable, then call [`Replica::persisted`](crate::Replica::persisted).
    Persist {
        /// Grows by one; a later number covers the earlier ones.
        number: u64,
        /// To be folded in this order.
        records: Vec<LogRecord>,
    },
    /// Apply them in order, then call [`Replica::applied`](crate::Replica::applied).
    Commit(Vec<Committed>),
    /// The snapshot that was passed to [`Replica::receive`](crate::Replica::receive) counts: switch to its image,
    /// then call [`Replica::applied`](crate::Replica::applied) with its index.
    Install(SnapshotMetadata),
    /// The read with this ticket may be served once `index` is applied.
    ReadReady {
        /// As given to [`Replica::read_index`](crate::Replica::read_index).
        ticket: u64,
        /// What must be applied first.
        index: u64,
    },
    /// This change of voters did not happen: another was under way, or leadership was lost.
    ChangeRefused(ConfChangeSet),
    /// The replica was removed while it led: it is dead from here on.
    RemovedAsLeader,
}

/// A committed entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Committed {
    /// Bytes that somebody proposed.
    Command {
        /// Position.
        index: u64,
        /// Its term.
        term: u64,
        /// What was proposed.
        data: Bytes,
    },
    /// A leader's first entry, or a refused change.
    Nothing {
        /// Position.
        index: u64,
        /// Its term.
        term: u64,
    },
    /// The voters changed; raft already counts by them.
    Voters {
        /// Position.
        index: u64,
        /// Its term.
        term: u64,
        /// As of this index.
        conf: ConfState,
        /// What the proposer gave along; empty when raft itself ends a joint configuration.
        context: Bytes,
    },
}

impl Committed {
    /// Its position.
    #[must_use]
    pub fn index(&self) -> u64 {
        let (Self::Command { index, .. }
        | Self::Nothing { index, .. }
        | Self::Voters { index, .. }) = self;
        *index
    }
}

/// Why nothing was proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Somebody else leads, or nobody.
    #[error("this replica does not lead")]
    NotLeader,
    /// Too much waits for a majority, or leadership is being handed over.
    #[error("too much waits for a majority, or leadership is being handed over")]
    Full,
    /// A leader never removes or demotes itself.
    #[error("this replica leads: hand leadership over before it is removed or demoted")]
    OwnRemoval,
}

/// What a replica is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RaftRole {
    /// It leads.
    Leader,
    /// It asks for votes, or whether it would get them.
    Candidate,
    /// It votes and follows.
    Follower,
    /// It has no vote.
    Learner,
}

/// Where a replica stands.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaStatus {
    /// What it is.
    pub role: RaftRole,
    /// Its term.
    pub term: u64,
    /// Who leads in `term`, as far as it knows.
    pub leader: Option<RaftId>,
    /// Highest index known to be committed.
    pub commit: u64,
    /// Highest index that the caller has applied.
    pub applied: u64,
    /// Last index of its log, durable or not.
    pub last: u64,
    /// First index that its log still holds.
    pub first: u64,
    /// Voters and learners as of the last committed change.
    pub conf: ConfState,
    /// Whether they are in between two sets.
    pub joint: bool,
    /// Whether it may campaign.
    pub promotable: bool,
    /// It leads and has committed an entry of its term: its reads and its view are current.
    pub leader_committed_in_term: bool,
}

/// What a leader knows of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerProgress {
    /// The peer's log agrees with ours up to here.
    pub matched: u64,
    /// The newest committed change of the voters is in its log.
    pub holds_voters: bool,
    /// It was heard in this round of quorum checks.
    pub active: bool,
    /// It is being sent a snapshot.
    pub snapshotting: bool,
}
