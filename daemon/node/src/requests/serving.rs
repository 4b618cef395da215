//! What the leader has in hand for others: commands for the next proposal, reads, waits.
//!
//! Knows nothing of how they are served (`serve.rs`).

use crate::requests::leaders_clock::LeadersClock;
use bytes::Bytes;
use quorate_proto::FeatureLevel;
use std::collections::BTreeMap;

/// What the leader has in hand.
#[derive(Debug, Default)]
pub(super) struct Serving {
    /// Encoded commands for the next proposal, with their tickets.
    pub(super) batch: Vec<(u64, Bytes)>,
    /// Tickets of commands in it that need more than the first feature level, and which.
    pub(super) demanding: Vec<(u64, FeatureLevel)>,
    /// The level of the newest raise that was proposed: under way as long as the state is below it.
    pub(super) raise: Option<FeatureLevel>,
    /// Ticket of a proposed command -> request.
    pub(super) proposed: BTreeMap<u64, u64>,
    /// The ticket of the newest removal that was proposed: under way as long as it is among `proposed`.
    pub(super) removal: Option<u64>,
    /// The time that writes carry.
    pub(super) clock: LeadersClock,
    /// The term of the newest entry that was applied.
    pub(super) settled: u64,
    /// Requests that wait for the next read round.
    pub(super) fresh_reads: Vec<u64>,
    /// Read rounds under way: ticket -> requests.
    pub(super) rounds: BTreeMap<u64, Vec<u64>>,
    /// Confirmed reads that wait for the state to reach the index.
    pub(super) confirmed: Vec<(u64, Vec<u64>)>,
    /// Requests that wait for an epoch.
    pub(super) waits: Vec<u64>,
}

impl Serving {
    /// Whether a request waits here for something that only a leader can do. Proposed ones are settled by the log.
    pub(super) fn holds_requests(&self) -> bool {
        let reads = self.fresh_reads.len() + self.rounds.len() + self.confirmed.len();
        reads + self.batch.len() + self.waits.len() > 0
    }
}
