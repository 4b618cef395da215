//! The founding state of a cluster that is founded anew from the state of an earlier one.
//!
//! Invariants: the users' keys are those of the earlier cluster, each with the revisions that it had there. All numbers that anybody may
//! have seen (revisions of both spaces, health epochs) jump further than the earlier cluster can have counted behind this state, and
//! all before that is compacted: who follows them, or has them cached, is told to look anew and never sees time run back.
//! They jump by the clock too, so that a second cluster from the same state is ahead of what the first one counted since.
//! Every disk life of the earlier cluster is over.

use crate::Meta;
use crate::SYSTEM_PREFIX;
use crate::jump::{MOST, behind};
use crate::sections::roster::Change;
use crate::sections::{assignments, budgets};
use crate::space::keyspace::Keyspace;
use quorate_proto::{
    ChangeGrants, CommandBody, FoundingCertificate, Instance, SecretChange, SecretStep,
    TakeSecretStep,
};
use std::ops::Bound;

/// By how much revisions jump, at least: what a cluster writes within a day at ten thousand a second.
const REVISIONS: u64 = 1_000_000_000;
/// Revisions a second by the clock: more than a cluster writes for long.
const REVISIONS_A_SECOND: u64 = 10_000;

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
    /// this state, and above that of any birth. `at_unix_ms`: the time at which it is founded.
    ///
    /// # Errors
    /// When the record does not found another cluster, by another disk, than those that this state knows.
    pub fn anew(&self, founded: &FoundingCertificate, at_unix_ms: u64) -> Result<Self, AnewError> {
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
            jump(keyspace, at_unix_ms)?;
            meta.hash.signed(keyspace.revision);
        }
        forget_below(&mut meta.system, b"nodes/");
        forget_below(&mut meta.system, b"apps/");
        meta.give_up_the_change_of_the_secret();
        // Below that level there is no budget and no assignment, nor may there be a record of their numbers.
        if meta.level() >= CommandBody::ChangeGrants(ChangeGrants::default()).least_level() {
            meta.change_budgets(budgets::Change::Anew { at_unix_ms });
            meta.change_assignments(assignments::Change::Anew { at_unix_ms });
        }
        meta.carry_out(|sections| &mut sections.roster, Change::FoundedAnew(founded, at_unix_ms));
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

/// Keeps the keys as they are, forgets what they were, and counts on behind the jump.
fn jump(keyspace: &mut Keyspace, at_unix_ms: u64) -> Result<(), AnewError> {
    let was = u64::try_from(keyspace.revision).ok().filter(|was| *was <= MOST);
    let was = was.ok_or(AnewError::Numbers)?;
    let revision = behind(was, REVISIONS, REVISIONS_A_SECOND, at_unix_ms).cast_signed();
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
    fn a_number_at_the_end_of_all_numbers_does_not_jump() {
        let mut keyspace = Keyspace { revision: i64::MAX, ..Keyspace::new() };
        assert_eq!(jump(&mut keyspace, 0), Err(AnewError::Numbers));
    }
}
