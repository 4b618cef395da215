//! Whether a founded record and its proof hold together, before anything is built on them (GENESIS rule 13).
//!
//! Proofs are plain statements of holders of the secret; what is checked here finds damage and mistakes, not lies.
//! Votes need not be voters of the record: a later ballot may have carried an earlier record to other lives.

use super::config::quorum_without;
use quorate_proto::{
    ClusterName, Digest, FoundingCertificate, FoundingProof, FoundingRecord, Waiver,
    limits::MAX_SEEDS,
};
use std::collections::BTreeSet;

/// Why a record is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It founds a cluster of another name.
    #[error("the record founds cluster `{found}`, not this one")]
    OtherCluster {
        /// The name in it, cut.
        found: String,
    },
    /// Its voters cannot be the lives of that many slots.
    #[error("the record's voters are no lives of {slots} founder slots: {reason}")]
    Voters {
        /// Slots that the record names.
        slots: u32,
        /// What is wrong.
        reason: &'static str,
    },
    /// The proof does not show that enough slots accepted it.
    #[error("the proof holds {found} valid votes, {needed} are needed")]
    Votes {
        /// Distinct slots with distinct lives.
        found: usize,
        /// The founding quorum.
        needed: usize,
    },
    /// The operator's word in it is none that could have been given.
    #[error("the waiver in the proof does not hold together")]
    Waiver,
    /// The proof's ballot is below the one that first proposed the record.
    #[error("the proof is of an earlier ballot than the record")]
    Ballot,
}

/// Checks a record by itself.
pub(super) fn check_record(
    record: &FoundingRecord,
    cluster: &ClusterName,
) -> Result<(), ProofError> {
    if record.cluster != cluster.as_str() {
        let found = record.cluster.chars().take(63).collect();
        return Err(ProofError::OtherCluster { found });
    }
    let slots = record.slots;
    let wrong = |reason| Err(ProofError::Voters { slots, reason });
    if slots == 0 || slots as usize > MAX_SEEDS {
        return wrong("their number is not 1 to 7");
    }
    if record.voters.len() <= slots as usize / 2 {
        return wrong("not more than half of the slots");
    }
    if !record.voters.windows(2).all(|pair| pair[0].slot < pair[1].slot)
        || record.voters.iter().any(|voter| voter.slot >= slots)
    {
        return wrong("a slot is out of order or out of range");
    }
    let lives: BTreeSet<_> = record.voters.iter().map(|voter| voter.instance).collect();
    if lives.len() != record.voters.len() || lives.iter().any(|life| life.is_nobody()) {
        return wrong("a disk life is named twice or is nobody");
    }
    let raft_ids: BTreeSet<_> = record.raft_ids().into_iter().collect();
    if raft_ids.len() != record.voters.len() {
        return wrong("two lives have one Raft id");
    }
    if record.ballot.round == 0 {
        return wrong("it has no ballot");
    }
    Ok(())
}

/// Checks a record with its proof. A record of another list is held to what every list needs: one vote.
///
/// # Errors
/// When it must not be believed.
pub fn check_founded(
    founded: &FoundingCertificate,
    cluster: &ClusterName,
    digest: Digest,
    needed: usize,
) -> Result<(), ProofError> {
    let FoundingCertificate { record, proof, .. } = founded;
    check_record(record, cluster)?;
    if proof.ballot < record.ballot {
        return Err(ProofError::Ballot);
    }
    let waiver = proof.waiver.as_ref();
    let slots = record.slots as usize;
    if waiver.is_some_and(|waiver| !is_sound(waiver, record.digest, slots)) {
        return Err(ProofError::Waiver);
    }
    let waived = waiver.map_or(0, |waiver| waiver.slots.len());
    let needed = if record.digest == digest { quorum_without(needed, slots, waived) } else { 1 };
    let found = valid_votes(record, proof);
    if found < needed { Err(ProofError::Votes { found, needed }) } else { Ok(()) }
}

/// Whether a waiver could have been given for this list.
pub(super) fn is_sound(waiver: &Waiver, digest: Digest, slots: usize) -> bool {
    let Waiver { digest: of, slots: waived, lives } = waiver;
    let distinct: BTreeSet<_> = lives.iter().collect();
    *of == digest
        && slots <= MAX_SEEDS
        && waived.windows(2).all(|pair| pair[0] < pair[1])
        && waived.iter().all(|slot| (*slot as usize) < slots)
        && distinct.len() == lives.len()
        && waived.len() + lives.len() <= slots
}

/// Distinct slots with distinct lives; in the record's own ballot only its voters can have accepted.
fn valid_votes(record: &FoundingRecord, proof: &FoundingProof) -> usize {
    let mut slots = BTreeSet::new();
    let mut lives = BTreeSet::new();
    for vote in proof.votes.iter().take(MAX_SEEDS) {
        let voter = record
            .voters
            .iter()
            .any(|voter| voter.instance == vote.instance && voter.slot == vote.slot);
        let own_ballot = proof.ballot == record.ballot;
        let left_out = proof.waiver.as_ref().is_some_and(|waiver| {
            waiver.slots.contains(&vote.slot) || !waiver.lives.contains(&vote.instance)
        });
        if (vote.slot as usize) < MAX_SEEDS
            && !vote.instance.is_nobody()
            && !left_out
            && (voter || !own_ballot)
            && !lives.contains(&vote.instance)
            && slots.insert(vote.slot)
        {
            lives.insert(vote.instance);
        }
    }
    lives.len()
}
