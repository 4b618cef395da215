//! What a node starts from: its config and what the disk holds.
//!
//! The founding state decides what kind of start it is: fresh, founded (a voter of the record starts from the
//! record itself), or a member that is let in later. A log that is there is continued, never begun anew.

use quorate_consensus::Recovered;
use quorate_membership::Mode;
use quorate_meta::Meta;
use quorate_proto::{
    ClusterId, ClusterName, Entry, FoundingCertificate, FoundingState, Generation, HardState,
    Instance, Label, Levels, NodeKey, NodeName, SnapshotMetadata,
};
use std::net::SocketAddr;
use std::time::Duration;

/// Where a disk life was made, as far as its host can tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MadeOn {
    /// Nothing tells.
    #[default]
    Unknown,
    /// On this machine, or on one that this is a copy of as a whole.
    This,
    /// On another: the data directory was moved or copied here.
    Another,
}

/// What does not change while a node runs: who it is, and what its parts are told.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Cluster name.
    pub cluster: ClusterName,
    /// Node name.
    pub name: NodeName,
    /// This disk life.
    pub instance: Instance,
    /// Where it was made.
    pub made_on: MadeOn,
    /// This start of it.
    pub generation: Generation,
    /// Random number of this start.
    pub boot_nonce: u64,
    /// The node's public key.
    pub key: NodeKey,
    /// Version of the program, for people.
    pub software: String,
    /// The feature levels that the program can run.
    pub levels: Levels,
    /// Makes the node's jitter its own; the only randomness it has.
    pub seed: u64,
    /// How a cluster is founded.
    pub founding: FoundingSettings,
    /// What an operator may set.
    pub settings: Settings,
}

/// How a cluster is founded.
#[derive(Debug, Clone)]
pub struct FoundingSettings {
    /// The seeds as written in the config.
    pub seeds: Vec<String>,
    /// Founding mode.
    pub mode: Mode,
    /// Quiet time before a fresh founder proposes (GENESIS rule 7).
    pub quiet: Duration,
    /// How long a majority waits for the rest (GENESIS rule 8).
    pub grace: Duration,
}

/// What an operator may set, with what stands when nothing is set. It goes from the file to the rooms of a node as a whole, so a new key
/// is a field here, its reading, and its use.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The address that others should use; none = where packets come from.
    pub advertise: Option<SocketAddr>,
    /// Labels from the host's own file.
    pub labels: Vec<Label>,
    /// Overrides the number of voters.
    pub voters: Option<usize>,
    /// A voter that has been gone for so long gives its vote to a host that is there.
    pub replace_after: Duration,
    /// A host without a vote that has been gone for so long is forgotten; none = never.
    pub forget_after: Option<Duration>,
    /// Who says which host gets a vote.
    pub promotion: Promotion,
    /// Entries between two snapshots of the state, at least 1.
    pub snapshot_every: u64,
}

/// Who says which host gets a vote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Promotion {
    /// The autopilot.
    #[default]
    Auto,
    /// An operator, for each host that is no voter yet.
    Approve,
}

/// A voter that is gone for so long is replaced: longer than a reboot with checks of the file systems takes.
const REPLACE_AFTER: Duration = Duration::from_secs(5 * 60);
/// A host without a vote that is gone for so long does not come back: longer than a holiday.
const FORGET_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);

impl Default for Settings {
    fn default() -> Self {
        // A replay of so many entries takes well below a second, and each snapshot writes the whole state.
        let snapshot_every = 50_000;
        Self {
            advertise: None,
            labels: Vec::new(),
            voters: None,
            replace_after: REPLACE_AFTER,
            forget_after: Some(FORGET_AFTER),
            promotion: Promotion::default(),
            snapshot_every,
        }
    }
}

/// What the log directory holds after recovery.
#[derive(Debug)]
pub struct RecoveredLog {
    /// Newest hard state.
    pub hard_state: HardState,
    /// Newest valid snapshot that the log continues.
    pub snapshot: Option<(SnapshotMetadata, Meta)>,
    /// Entries behind the snapshot (or behind `reset`), contiguous.
    pub entries: Vec<Entry>,
    /// Index and term of the position that the log begins behind.
    pub reset: (u64, u64),
}

impl RecoveredLog {
    /// The log, and the state with which it begins: the snapshot, or the birth of the cluster, or nothing yet.
    pub(crate) fn begun(self, founded: Option<&FoundingCertificate>) -> (Recovered, Meta) {
        let (snapshot, meta) = match (self.snapshot, founded) {
            (Some((metadata, meta)), _) => (metadata, meta),
            (None, Some(founded)) if self.reset == (1, 1) => (
                Recovered::from_founding(&founded.record.raft_ids()).snapshot,
                Meta::from_founding(founded),
            ),
            _ => (SnapshotMetadata::default(), Meta::empty()),
        };
        (Recovered { hard_state: self.hard_state, snapshot, entries: self.entries }, meta)
    }
}

/// Everything a node starts from.
#[derive(Debug)]
pub struct Boot {
    /// The config.
    pub config: NodeConfig,
    /// The founding state of this disk life.
    pub founding: FoundingState,
    /// The marker outside the data directory.
    pub marker: Option<ClusterId>,
    /// The log, when one was ever begun.
    pub log: Option<RecoveredLog>,
}
