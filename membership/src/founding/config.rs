//! What a founding is started with, and the founding quorum of each mode.

use quorate_proto::{
    ClusterId, ClusterName, Digest, Generation, Instance, Levels, NodeKey, NodeName,
};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// The config's word for [`Mode::Majority`].
pub const MAJORITY_WORD: &str = "majority";
/// The config's word for [`Mode::Durable`].
pub const DURABLE_WORD: &str = "durable";

/// How many founders a birth needs (GENESIS rule 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Mode {
    /// More than half.
    #[default]
    Majority,
    /// So many that a minority of forgetful founder disks cannot found a second time.
    Durable,
}

/// A word that is no founding mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no founding mode; set `founding = \"majority\"` or `founding = \"durable\"`")]
pub struct ModeError {
    /// The word.
    pub found: String,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Majority => MAJORITY_WORD,
            Self::Durable => DURABLE_WORD,
        })
    }
}

impl FromStr for Mode {
    type Err = ModeError;
    fn from_str(word: &str) -> Result<Self, ModeError> {
        match word {
            MAJORITY_WORD => Ok(Self::Majority),
            DURABLE_WORD => Ok(Self::Durable),
            _ => Err(ModeError { found: word.chars().take(80).collect() }),
        }
    }
}

/// The founding quorum q among `slots` seeds.
///
/// Durable: two sets of q slots share more slots than a minority can forget (GENESIS section 4.1).
#[must_use]
pub fn quorum(mode: Mode, slots: usize) -> usize {
    match mode {
        Mode::Majority => slots / 2 + 1,
        Mode::Durable => {
            let minority = slots.saturating_sub(1) / 2;
            (slots + minority) / 2 + 1
        }
    }
}

/// The founding quorum of a ballot for which an operator has given so many slots up: never less than more than half of all.
#[must_use]
pub(super) fn quorum_without(quorum: usize, slots: usize, waived: usize) -> usize {
    quorum.saturating_sub(waived).max(slots / 2 + 1)
}

/// Everything a founding is told once.
#[derive(Debug, Clone)]
pub struct FoundingConfig {
    /// The cluster's name.
    pub cluster: ClusterName,
    /// The founders list, in its order; 1 to 7, checked by [`crate::check_seeds`].
    pub seeds: Vec<String>,
    /// Which quorum.
    pub mode: Mode,
    /// Founders digest of cluster, seeds and mode.
    pub digest: Digest,
    /// T of GENESIS rule 7: how long a living cluster may veto. Zero when everything is on loopback.
    pub quiet: Duration,
    /// How long a quorum waits for the rest (GENESIS rule 8); 3 s by default.
    pub grace: Duration,
    /// Who this node is.
    pub me: FounderSelf,
    /// Deterministic jitter of back-offs.
    pub seed: u64,
    /// From the OS's randomness: nonces of this run must not be guessed from those of another.
    pub nonce_key: u64,
    /// What the marker outside the data directory holds (GENESIS rule 2).
    pub marker: Option<ClusterId>,
}

/// Who this node is.
#[derive(Debug, Clone)]
pub struct FounderSelf {
    /// Its disk life.
    pub instance: Instance,
    /// Its boot counter.
    pub generation: Generation,
    /// Random number of this start.
    pub boot_nonce: u64,
    /// Its node name.
    pub name: NodeName,
    /// Its node key.
    pub key: NodeKey,
    /// Where it wants to be reached, when the config says so.
    pub address: Option<SocketAddr>,
    /// The feature levels that its program can run.
    pub levels: Levels,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quorums_are_those_of_genesis_section_7() {
        let all = |mode| (1..=7).map(|slots| quorum(mode, slots)).collect::<Vec<_>>();
        assert_eq!(all(Mode::Majority), [1, 2, 2, 3, 3, 4, 4]);
        assert_eq!(all(Mode::Durable), [1, 2, 3, 3, 4, 5, 6]);
    }

    #[test]
    fn a_mode_is_read_as_it_is_written() {
        for mode in [Mode::Majority, Mode::Durable] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        assert!("Majority".parse::<Mode>().is_err());
    }
}
