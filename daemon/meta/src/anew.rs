//! The founding state of a cluster that is founded anew from the state of an earlier one.
//!
//! Invariants: the users' keys are those of the earlier cluster, each with the revisions that it had there. All numbers that anybody may
//! have seen (revisions of both spaces, health epochs) jump further than the earlier cluster can have counted behind this state, and
//! all before that is compacted: who follows them, or has them cached, is told to look anew and never sees time run back.
//! Every disk life of the earlier cluster is over.

use crate::Meta;
use crate::SYSTEM_PREFIX;
use crate::sections::budgets;
use crate::sections::roster::Change;
use crate::space::keyspace::Keyspace;
use quorate_proto::{FoundingCertificate, Instance, SecretChange, SecretStep, TakeSecretStep};
use std::ops::Bound;

/// By how much revisions jump, at least: what a cluster writes within a day at ten thousand a second. They jump to a multiple of it, so
/// that a person sees at once that it was a jump, hence by less than twice as much.
const REVISIONS: i64 = 1_000_000_000;
/// Numbers above this do not jump any more: the next ones could not be counted.
const MOST: i64 = 1 << 61;

/// Why a cluster cannot be founded anew from a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnewError {
    /// The founding life was a member of the earlier cluster.
    #[error(
        "the disk {instance} was in the earlier cluster: a cluster is founded anew by a new disk"
    )]
    SameLife {
        /// The life.
        instance: Instance,
    },
    /// The record is that of the earlier cluster.
    #[error("the state is of this very cluster: there is nothing to found anew")]
    SameCluster,
    /// No state of any cluster.
    #[error("the state is empty: it is that of a host that never was let in")]
    Empty,
    /// The numbers are at their end, which no cluster reaches by counting.
    #[error("the numbers of the state are at their end: it is not as a cluster writes it")]
    Numbers,
}

impl Meta {
    /// The state with which the cluster of `founded` begins, whose only voter is that of the record. Its index is one above that of
    /// this state, and above that of any birth.
    ///
    /// # Errors
    /// When the record does not found another cluster, by another disk, than those that this state knows.
    pub fn anew(&self, founded: &FoundingCertificate) -> Result<Self, AnewError> {
        let Some(earlier) = self.cluster_id() else { return Err(AnewError::Empty) };
        if founded.record.cluster_id() == earlier {
            return Err(AnewError::SameCluster);
        }
        let known = |life| self.member(life).is_some() || self.is_tombstone(life);
        let mut lives = founded.record.voters.iter().map(|voter| voter.instance);
        if let Some(instance) = lives.find(|life| known(*life)) {
            return Err(AnewError::SameLife { instance });
        }
        let mut meta = self.clone();
        meta.applied += 1;
        meta.hash.word(meta.applied);
        for keyspace in [&mut meta.users, &mut meta.system] {
            jump(keyspace)?;
            meta.hash.signed(keyspace.revision);
        }
        forget_below(&mut meta.system, b"nodes/");
        forget_below(&mut meta.system, b"apps/");
        meta.give_up_the_change_of_the_secret();
        meta.change_budgets(budgets::Change::Anew);
        meta.carry_out(|sections| &mut sections.roster, Change::FoundedAnew(founded));
        Ok(meta)
    }
}

impl Meta {
    /// The hosts for which a change of the secret waited are members no more, so nothing would hold its next steps back: who was to get
    /// the new secret could never come in.
    fn give_up_the_change_of_the_secret(&mut self) {
        let change = SecretChange::clone(self.secret_change());
        if change.is_under_way() {
            let step = SecretStep::GivenUp.into();
            let SecretChange { from, to, at_unix_ms, epoch, .. } = change;
            self.carry_out(
                |sections| &mut sections.secrets,
                &TakeSecretStep { from, to, step, at_unix_ms, epoch },
            );
        }
    }
}

/// The first multiple of [`REVISIONS`] that is at least that much above a number.
fn behind(revision: i64) -> Result<i64, AnewError> {
    if revision > MOST {
        return Err(AnewError::Numbers);
    }
    let least = revision + REVISIONS;
    Ok(least + (REVISIONS - least % REVISIONS) % REVISIONS)
}

/// Keeps the keys as they are, forgets what they were, and counts on behind the jump.
fn jump(keyspace: &mut Keyspace) -> Result<(), AnewError> {
    let revision = behind(keyspace.revision)?;
    let present = keyspace.present.clone();
    let (compacted, scrubbed) = (revision, revision);
    *keyspace = Keyspace { revision, compacted, scrubbed, present, ..Keyspace::new() };
    Ok(())
}

/// The records of the earlier cluster's nodes go, and those of what ran there: whoever lists them sees only who is here.
fn forget_below(system: &mut Keyspace, prefix: &[u8]) {
    let prefix = [SYSTEM_PREFIX, prefix].concat();
    let from = (Bound::Included(&prefix[..]), Bound::Unbounded);
    let keys = system.present.range::<_, [u8]>(from).map(|(key, _)| key.clone());
    let keys: Vec<_> = keys.take_while(|key| key.starts_with(&prefix)).collect();
    for key in keys {
        system.present.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_leads_to_a_round_number_far_behind_what_was_counted() {
        for (was, is) in [
            (1, 2_000_000_000),
            (8_811, 2_000_000_000),
            (999_999_999, 2_000_000_000),
            (1_000_000_000, 2_000_000_000),
            (2_000_000_017, 4_000_000_000),
        ] {
            assert_eq!(behind(was), Ok(is), "{was}");
        }
        assert_eq!(behind(i64::MAX), Err(AnewError::Numbers));
    }
}
