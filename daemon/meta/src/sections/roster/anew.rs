//! The roster of a cluster that is founded anew: who founds it, and nobody else.
//!
//! Invariant: every disk life that the earlier cluster knew is over, and the epoch counts on far behind all that anybody has seen.

use super::{Roster, Tombstone};
use crate::jump::behind;
use quorate_proto::{FoundingCertificate, HealthDelta, HealthEpoch, HealthView};
use std::sync::Arc;

/// By how much epochs jump, at least: ten a second for a day.
const EPOCHS: u64 = 1_000_000;
/// Epochs a second by the clock: more than a cluster has for long.
const EPOCHS_A_SECOND: u64 = 10;
/// Why the founder is in the first view.
const FOUNDED_ANEW: &str = "founded the cluster anew, from the state of an earlier one";

impl Roster {
    /// The first view of the later cluster. Members of the earlier one count as taken out by the operator whose word this is.
    pub(super) fn found_anew(
        &mut self,
        founded: &FoundingCertificate,
        at_unix_ms: u64,
    ) -> Option<Arc<HealthDelta>> {
        let earlier = std::mem::replace(self, Self::empty());
        let epoch =
            HealthEpoch::new(behind(earlier.epoch().get(), EPOCHS, EPOCHS_A_SECOND, at_unix_ms));
        // One below, because the first view is the next one.
        let before = HealthEpoch::new(epoch.get() - 1);
        let mut revoked = earlier.view.revoked.clone();
        // Who founds is trusted by the operator whose word this is.
        revoked.retain(|one| founded.record.voters.iter().all(|voter| voter.key != one.key));
        self.view = Arc::new(HealthView { epoch: before, revoked, ..HealthView::default() });
        let first = self.found_as(founded, FOUNDED_ANEW);
        for (instance, tombstone) in earlier.tombstones {
            self.add_tombstone(instance, tombstone);
        }
        for member in &earlier.view.members {
            let tombstone = Tombstone { name: member.name.clone(), epoch, removed: true };
            self.add_tombstone(member.instance, tombstone);
        }
        first
    }
}
