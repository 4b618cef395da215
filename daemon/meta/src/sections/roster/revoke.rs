//! Takes a member out for good and has its key refused by every host, on an operator's word.
//!
//! Invariants: what is revoked stays revoked, through snapshots and when the cluster is founded anew; a key is revoked once. When the list is
//! full nothing more is revoked: to forget one that is revoked would let it in. How the others refuse a key is theirs to do.

use super::{RemoveRefusal, Roster, Step};
use quorate_proto::{HealthDelta, HealthEpoch, Instance, NodeKey, Revocation, Revoke, limits};
use std::sync::Arc;

/// Why a member was not revoked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevokeRefusal {
    /// It cannot be taken out.
    #[error(transparent)]
    Remove(#[from] RemoveRefusal),
    /// As many are revoked as may be.
    #[error(
        "{} hosts are revoked, which is the most there can be, for none is ever forgotten; remove the host instead, then change the secret \
         (`quorate secret rotate`): without the new secret nobody gets in",
        limits::REVOKED
    )]
    Full,
}

impl Roster {
    /// Takes a member out and puts its key on the list, or says why not. Gives the epoch that shows it, and the difference.
    pub(super) fn revoke(
        &mut self,
        revoke: &Revoke,
    ) -> Result<(HealthEpoch, Option<Arc<HealthDelta>>), RevokeRefusal> {
        let member = self.removable(revoke.instance)?;
        if self.view.revoked.len() >= limits::REVOKED {
            return Err(RevokeRefusal::Full);
        }
        let (key, name) = (member.key, member.name.clone());
        // Who came with a copy of the key is refused with it.
        let with_key = self.view.members.iter().filter(|one| one.key == key);
        let lives: Vec<Instance> = with_key.map(|one| one.instance).collect();
        if lives.len() == self.view.members.len() {
            return Err(RemoveRefusal::Last.into());
        }
        let mut draft = self.draft(revoke.at_unix_ms);
        draft.revoked.push(Revocation {
            key,
            instance: revoke.instance,
            name,
            epoch: draft.epoch,
            at_unix_ms: revoke.at_unix_ms,
            secrets: revoke.secrets.iter().copied().take(limits::SECRETS).collect(),
        });
        lives.into_iter().for_each(|life| draft.end(life));
        let step = Step { removed: true, ..draft.finish() };
        let delta = self.apply_step(step);
        Ok((self.epoch(), delta))
    }

    /// What keeps a life out that is revoked, or that comes with a key that is.
    pub(crate) fn revocation(&self, instance: Instance, key: NodeKey) -> Option<&Revocation> {
        let mut revoked = self.view.revoked.iter();
        revoked.find(|one| one.instance == instance || one.key == key)
    }
}
