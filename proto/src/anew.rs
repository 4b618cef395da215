//! A cluster that is founded anew from the state of an earlier one, by an operator's word: after a lost majority, or from a snapshot.
//!
//! Invariant: its record names one voter, and its digest is that of no list of seeds but a hash of the cluster it comes from and of the
//! plan. So its id derives from both, versions that do not know lineages compute the same id, and a lineage cannot be put under
//! another record. Knows nothing of the state that is taken along.

use crate::{
    Ballot, ClusterId, ClusterName, Digest, FounderVoter, FoundingCertificate, FoundingProof,
    FoundingRecord, Lineage, ProofVote,
};

impl FoundingCertificate {
    /// The founding of a cluster by one disk life, which must be new, on an operator's word.
    #[must_use]
    pub fn anew(cluster: &ClusterName, lineage: Lineage, founder: FounderVoter) -> Self {
        let founder = FounderVoter { slot: 0, ..founder };
        let ballot = Ballot { round: 1, instance: founder.instance };
        let votes = vec![ProofVote { slot: 0, instance: founder.instance }];
        let record = FoundingRecord {
            cluster: cluster.to_string(),
            digest: Digest::of_lineage(&lineage),
            voters: vec![founder],
            ballot,
            slots: 1,
            // The state that is taken along has its own.
            level: 0,
        };
        Self {
            record,
            proof: FoundingProof { ballot, votes, waiver: None },
            lineage: Some(lineage),
        }
    }

    /// The cluster that this one was founded anew from; none when it was born of its seeds.
    #[must_use]
    pub fn comes_from(&self) -> Option<ClusterId> {
        let lineage = self.lineage.as_ref()?;
        (self.record.digest == Digest::of_lineage(lineage)).then_some(lineage.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instance, founders_digest};

    fn certificate(from: u8, plan: u64) -> FoundingCertificate {
        let cluster = ClusterName::new("prod").expect("valid");
        let lineage = Lineage { from: ClusterId::from_bytes([from; 16]), plan };
        let instance = Instance::from_bytes([9; 16]);
        FoundingCertificate::anew(
            &cluster,
            lineage,
            FounderVoter { slot: 2, instance, ..FounderVoter::default() },
        )
    }

    #[test]
    fn the_id_of_a_cluster_that_is_founded_anew_derives_from_the_old_one_and_from_the_plan() {
        let id = |from, plan| certificate(from, plan).record.cluster_id();
        assert_eq!(id(1, 7), id(1, 7));
        assert_ne!(id(1, 7), id(2, 7));
        assert_ne!(id(1, 7), id(1, 8));
        assert_eq!(certificate(1, 7).comes_from(), Some(ClusterId::from_bytes([1; 16])));
    }

    #[test]
    fn a_lineage_under_another_record_is_not_believed() {
        let mut forged = certificate(1, 7);
        let cluster = ClusterName::new("prod").expect("valid");
        forged.record.digest = founders_digest(&cluster, &["n1".to_owned()], "majority");
        assert_eq!(forged.comes_from(), None);
        let forged = FoundingCertificate { lineage: None, ..certificate(1, 7) };
        assert_eq!(forged.comes_from(), None);
    }
}
