//! Words of the founding round (GENESIS section 2) and of the founding state on disk.
//!
//! The record is immutable and its hash is the cluster id. A ballot names the proposer's disk life, so two
//! lives never share one. The state file is small, checksummed and replaced whole.

use crate::{
    Address, ClusterId, ClusterName, Digest, FeatureLevel, Instance, Lineage, NodeKey, RaftId,
    hash::sha256, raft_id,
};
use prost::Message as _;

/// A proposal number: round first, then the proposer's disk life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Message)]
pub struct Ballot {
    /// Above every round the proposer has seen; the first is 1.
    #[prost(uint64, tag = "1")]
    pub round: u64,
    /// The proposer.
    #[prost(message, required, tag = "2")]
    pub instance: Instance,
}

/// A founding voter.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct FounderVoter {
    /// Its place in the seeds list, from 0.
    #[prost(uint32, tag = "1")]
    pub slot: u32,
    /// Its disk life.
    #[prost(message, required, tag = "2")]
    pub instance: Instance,
    /// Its node key.
    #[prost(message, required, tag = "3")]
    pub key: NodeKey,
    /// Where it was reached.
    #[prost(message, optional, tag = "4")]
    pub address: Option<Address>,
    /// Its node name.
    #[prost(string, tag = "5")]
    pub name: String,
}

/// G of GENESIS: what the founding round agrees on.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct FoundingRecord {
    /// Cluster name.
    #[prost(string, tag = "1")]
    pub cluster: String,
    /// Founders digest (GENESIS rule 3).
    #[prost(message, required, tag = "2")]
    pub digest: Digest,
    /// Exactly the disk lives that promised, ordered by slot.
    #[prost(message, repeated, tag = "3")]
    pub voters: Vec<FounderVoter>,
    /// The ballot that first proposed this record.
    #[prost(message, required, tag = "4")]
    pub ballot: Ballot,
    /// Number of founder slots in the list.
    #[prost(uint32, tag = "5")]
    pub slots: u32,
    /// The feature level at which the cluster begins: the highest that the programs of all voters could run; 0 = the first.
    #[prost(uint32, tag = "6")]
    pub level: u32,
}

impl FoundingRecord {
    /// The feature level at which the cluster begins.
    #[must_use]
    pub const fn level(&self) -> FeatureLevel {
        FeatureLevel::new(self.level)
    }

    /// The cluster id: a hash of this record.
    #[must_use]
    pub fn cluster_id(&self) -> ClusterId {
        let hash = sha256(&[b"quorate/genesis", &self.encode_to_vec()]);
        ClusterId::from_bytes(hash[..16].try_into().expect("16 of 32 bytes"))
    }

    /// The Raft ids of the voters, in the order of `voters`.
    #[must_use]
    pub fn raft_ids(&self) -> Vec<RaftId> {
        let cluster_id = self.cluster_id();
        self.voters.iter().map(|voter| raft_id(cluster_id, voter.instance)).collect()
    }
}

/// One acceptance in a proof.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ProofVote {
    /// Founder slot.
    #[prost(uint32, tag = "1")]
    pub slot: u32,
    /// The life that accepted.
    #[prost(message, required, tag = "2")]
    pub instance: Instance,
}

/// That q distinct slots accepted one record in one ballot (GENESIS rule 13). A plain statement, not a
/// signature: holders of the secret are trusted with it (GENESIS section 6, assumption 4).
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct FoundingProof {
    /// The ballot in which they accepted.
    #[prost(message, required, tag = "1")]
    pub ballot: Ballot,
    /// Who accepted.
    #[prost(message, repeated, tag = "2")]
    pub votes: Vec<ProofVote>,
    /// The operator's word with which this ballot did without some slots.
    #[prost(message, optional, tag = "110")]
    pub waiver: Option<Waiver>,
}

/// An operator's word that some founders will never come (GENESIS rule 23). It belongs to one ballot.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Waiver {
    /// The list that it is about.
    #[prost(message, required, tag = "1")]
    pub digest: Digest,
    /// The slots that are done without, in order.
    #[prost(uint32, repeated, tag = "2")]
    pub slots: Vec<u32>,
    /// The fresh lives that were there when it was given: nobody else takes part.
    #[prost(message, repeated, tag = "3")]
    pub lives: Vec<Instance>,
}

/// "Are you fresh?" Freshness counts only in answer to a nonce of this session (GENESIS rule 5).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Ask {
    /// Random, echoed in the answer.
    #[prost(fixed64, tag = "1")]
    pub nonce: u64,
}

/// The answer of a fresh host to an [`Ask`]. A host that knows a cluster id answers [`Exists`] or [`FoundingCertificate`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Answer {
    /// The nonce asked with.
    #[prost(fixed64, tag = "1")]
    pub nonce: u64,
    /// The founder slot the host claims; absent when it is no seed or does not know yet.
    #[prost(uint32, optional, tag = "2")]
    pub slot: Option<u32>,
    /// Highest round it has seen.
    #[prost(uint64, tag = "3")]
    pub round: u64,
}

/// Opens a ballot (rule 9).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Prepare {
    /// The ballot.
    #[prost(message, required, tag = "1")]
    pub ballot: Ballot,
}

/// A record accepted in an earlier ballot.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct AcceptedRecord {
    /// The ballot it was accepted in.
    #[prost(message, required, tag = "1")]
    pub ballot: Ballot,
    /// The record.
    #[prost(message, required, tag = "2")]
    pub record: FoundingRecord,
}

/// A durable promise (rule 10).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Promise {
    /// The ballot promised.
    #[prost(message, required, tag = "1")]
    pub ballot: Ballot,
    /// The promiser as it would stand in a record: slot, life, key, address, name.
    #[prost(message, required, tag = "2")]
    pub voter: FounderVoter,
    /// What it has accepted before, if anything.
    #[prost(message, optional, tag = "3")]
    pub accepted: Option<AcceptedRecord>,
}

/// The ballot is not higher than what was promised (rule 10).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Nack {
    /// The ballot refused.
    #[prost(message, required, tag = "1")]
    pub ballot: Ballot,
    /// The promise that stands.
    #[prost(message, required, tag = "2")]
    pub promised: Ballot,
}

/// Asks whether the promise still stands (rule 11).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Confirm {
    /// The ballot.
    #[prost(message, required, tag = "1")]
    pub ballot: Ballot,
}

/// It does (rule 11).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Confirmed {
    /// The ballot.
    #[prost(message, required, tag = "1")]
    pub ballot: Ballot,
}

/// Asks the confirmed lives to accept (rule 11).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Accept {
    /// The ballot.
    #[prost(message, required, tag = "1")]
    pub ballot: Ballot,
    /// The record.
    #[prost(message, required, tag = "2")]
    pub record: FoundingRecord,
    /// The lives that confirmed; only they may accept (rule 12).
    #[prost(message, repeated, tag = "3")]
    pub lives: Vec<Instance>,
    /// The operator's word with which this ballot does without some slots.
    #[prost(message, optional, tag = "110")]
    pub waiver: Option<Waiver>,
}

/// A durable acceptance, told to all slots (rule 12).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Accepted {
    /// The ballot.
    #[prost(message, required, tag = "1")]
    pub ballot: Ballot,
    /// Hash of the record.
    #[prost(message, required, tag = "2")]
    pub cluster_id: ClusterId,
    /// Slot of the acceptor.
    #[prost(uint32, tag = "3")]
    pub slot: u32,
}

/// The founded record and its proof (rule 13).
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct FoundingCertificate {
    /// The record.
    #[prost(message, required, tag = "1")]
    pub record: FoundingRecord,
    /// Who accepted it.
    #[prost(message, required, tag = "2")]
    pub proof: FoundingProof,
    /// Of a cluster that was founded anew: where it comes from. Beside the record, which is bound to it by its digest.
    #[prost(message, optional, tag = "60")]
    pub lineage: Option<Lineage>,
}

/// The veto of a host that knows a cluster of this name (rule 6).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Exists {
    /// The cluster id it knows.
    #[prost(message, required, tag = "1")]
    pub cluster_id: ClusterId,
    /// The nonce asked with, 0 when told unasked.
    #[prost(fixed64, tag = "2")]
    pub nonce: u64,
}

/// Everything that is said in founding; carries the sender's digest always (rule 3).
#[derive(Clone, PartialEq, prost::Message)]
pub struct FoundingMessage {
    /// The sender's founders digest.
    #[prost(message, required, tag = "1")]
    pub digest: Digest,
    /// The message.
    #[prost(oneof = "founding_message::Body", tags = "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12")]
    pub body: Option<founding_message::Body>,
}

/// See [`FoundingMessage`].
pub mod founding_message {
    /// The kinds of message.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Body {
        /// Are you fresh?
        #[prost(message, tag = "2")]
        Ask(super::Ask),
        /// I am.
        #[prost(message, tag = "3")]
        Answer(super::Answer),
        /// Opens a ballot.
        #[prost(message, tag = "4")]
        Prepare(super::Prepare),
        /// A durable promise.
        #[prost(message, tag = "5")]
        Promise(super::Promise),
        /// A refusal.
        #[prost(message, tag = "6")]
        Nack(super::Nack),
        /// Does the promise stand?
        #[prost(message, tag = "7")]
        Confirm(super::Confirm),
        /// It does.
        #[prost(message, tag = "8")]
        Confirmed(super::Confirmed),
        /// Accept this.
        #[prost(message, tag = "9")]
        Accept(super::Accept),
        /// Accepted.
        #[prost(message, tag = "10")]
        Accepted(super::Accepted),
        /// It is done.
        #[prost(message, tag = "11")]
        Founded(super::FoundingCertificate),
        /// A cluster exists.
        #[prost(message, tag = "12")]
        Exists(super::Exists),
    }
}

/// What a disk life must remember of founding. Replaced whole, checksummed, fsynced before any answer that
/// depends on it leaves.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FoundingState {
    /// The disk life this belongs to.
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// The cluster name it was created for.
    #[prost(string, tag = "2")]
    pub cluster: String,
    /// Highest promise.
    #[prost(message, optional, tag = "3")]
    pub promised: Option<Ballot>,
    /// Newest acceptance.
    #[prost(message, optional, tag = "4")]
    pub accepted: Option<AcceptedRecord>,
    /// The founded record, once known.
    #[prost(message, optional, tag = "5")]
    pub founded: Option<FoundingCertificate>,
    /// A cluster id heard from an authenticated peer: this life never founds (rule 6).
    #[prost(message, optional, tag = "6")]
    pub exists: Option<ClusterId>,
    /// An application may have been told a share that no majority granted: the next start keeps out of every majority for so long, in
    /// milliseconds; 0: none was.
    #[prost(uint64, tag = "7")]
    pub alone_ms: u64,
}

/// Why a founding state cannot be read. It is never fresh then (GENESIS rule 2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Shorter than a checksum, or empty.
    #[error("the founding state is cut short ({length} bytes)")]
    Short {
        /// Bytes found.
        length: usize,
    },
    /// Wrong checksum or format mark.
    #[error("the founding state has a bad checksum")]
    Checksum,
    /// Checksum right, content wrong.
    #[error("the founding state cannot be decoded: {reason}")]
    Content {
        /// What the decoder said.
        reason: String,
    },
}

/// First bytes of the file: name and format version.
const STATE_MARK: &[u8; 8] = b"qfound01";

impl FoundingState {
    /// The state of a new disk life.
    #[must_use]
    pub fn fresh(instance: Instance, cluster: &ClusterName) -> Self {
        Self { instance, cluster: cluster.to_string(), ..Self::default() }
    }

    /// The id of the cluster that this life knows, from whichever source.
    #[must_use]
    pub fn known_cluster(&self) -> Option<ClusterId> {
        self.founded.as_ref().map(|founded| founded.record.cluster_id()).or(self.exists)
    }

    /// Whether this life knows a cluster; unlike its id this costs nothing.
    #[must_use]
    pub fn knows_cluster(&self) -> bool {
        self.founded.is_some() || self.exists.is_some()
    }

    /// The file's content: mark, CRC-32 of the rest, message.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        let body = self.encode_to_vec();
        let mut file = Vec::with_capacity(body.len() + 12);
        file.extend_from_slice(STATE_MARK);
        file.extend_from_slice(&crc32fast::hash(&body).to_be_bytes());
        file.extend_from_slice(&body);
        file
    }

    /// Reads what [`Self::to_file`] wrote.
    ///
    /// # Errors
    /// When a single byte is missing or changed.
    pub fn from_file(file: &[u8]) -> Result<Self, StateError> {
        let Some((mark, rest)) = file.split_first_chunk::<8>() else {
            return Err(StateError::Short { length: file.len() });
        };
        let Some((sum, body)) = rest.split_first_chunk::<4>() else {
            return Err(StateError::Short { length: file.len() });
        };
        if mark != STATE_MARK || crc32fast::hash(body) != u32::from_be_bytes(*sum) {
            return Err(StateError::Checksum);
        }
        Self::decode(body).map_err(|error| StateError::Content { reason: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_founding_state_with_one_byte_cut_or_flipped_is_refused() {
        let cluster = ClusterName::new("a").expect("valid");
        let mut state = FoundingState::fresh(Instance::from_bytes([7; 16]), &cluster);
        state.promised = Some(Ballot { round: 3, instance: Instance::from_bytes([9; 16]) });
        let file = state.to_file();
        assert_eq!(FoundingState::from_file(&file), Ok(state));
        for place in 0..file.len() {
            assert!(FoundingState::from_file(&file[..place]).is_err(), "cut at {place}");
            for bit in 0..8 {
                let mut flipped = file.clone();
                flipped[place] ^= 1 << bit;
                assert!(FoundingState::from_file(&flipped).is_err(), "bit {bit} of {place}");
            }
        }
    }
}
