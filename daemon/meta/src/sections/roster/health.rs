//! Changes of health: what the leader proposes from evidence, and the roles that raft's configuration gives.
//!
//! A change is void when its evidence is older than what is committed, or when nothing would be different.

use super::{Roster, cut};
use quorate_proto::{
    ConfState, FoundingCertificate, Generation, Goodbye, HealthDelta, HealthEpoch, HealthProposal,
    Instance, Member, MemberState, Role, StateChange,
};
use std::sync::Arc;

/// Why a founder is in the first view.
const FOUNDED: &str = "founded the cluster";

impl Roster {
    /// The first view: every founder, alive, a voter, at epoch 1. A function of the founding record alone.
    pub(super) fn found(&mut self, founded: &FoundingCertificate) -> Option<Arc<HealthDelta>> {
        self.found_as(founded, FOUNDED)
    }

    /// The first view of a cluster, with the reason for which the founders are in it.
    pub(super) fn found_as(
        &mut self,
        founded: &FoundingCertificate,
        reason: &str,
    ) -> Option<Arc<HealthDelta>> {
        self.cluster_id = Some(founded.record.cluster_id());
        self.founded = Some(Arc::new(founded.clone()));
        let voters = founded.record.raft_ids().iter().map(|id| id.get()).collect();
        self.conf = Arc::new(ConfState { voters, ..ConfState::default() });
        let mut draft = self.draft(0);
        for voter in &founded.record.voters {
            // A founding never has two founders of one name; if it had, both must stay visible.
            let doubled =
                founded.record.voters.iter().filter(|other| other.name == voter.name).count() > 1;
            let name =
                if doubled { voter.instance.told_apart(&voter.name) } else { voter.name.clone() };
            let member = Member {
                name,
                instance: voter.instance,
                generation: Generation::new(1),
                address: voter.address.clone(),
                key: voter.key,
                role: Role::Voter as i32,
                state: MemberState::Alive as i32,
                since_epoch: draft.epoch,
                reason: reason.to_owned(),
                ..Member::default()
            };
            draft.put(member);
        }
        let step = draft.finish();
        self.apply_step(step)
    }

    /// Applies what the leader proposes. The outer `None` says that the proposal was made on another epoch.
    pub(super) fn propose(
        &mut self,
        proposal: &HealthProposal,
    ) -> Option<Option<Arc<HealthDelta>>> {
        if proposal.if_epoch != self.epoch() {
            return None;
        }
        let mut draft = self.draft(proposal.at_unix_ms);
        for change in &proposal.changes {
            let Some(member) = draft.member(change.instance) else { continue };
            let Some(changed) = judged(member, change, draft.epoch, proposal.at_unix_ms) else {
                continue;
            };
            draft.put(changed);
        }
        let step = draft.finish();
        Some(self.apply_step(step))
    }

    /// Lets every member's role follow raft's configuration. Without a time (raft's own entry that ends a joint
    /// configuration has none) the time of the epoch before stands: that of the change which it ends. So do its words: who leaves the
    /// voters with the end of a joint configuration was told why when that began.
    pub(super) fn follow(
        &mut self,
        conf: &ConfState,
        at_unix_ms: u64,
        why: &str,
    ) -> Option<Arc<HealthDelta>> {
        self.conf = Arc::new(conf.clone());
        let at_unix_ms = if at_unix_ms == 0 { self.view.at_unix_ms } else { at_unix_ms };
        let mut draft = self.draft(at_unix_ms);
        for member in &self.view.members {
            let role = self.role(member.instance);
            let leaves = !why.is_empty() && self.leaves_the_voters(member.instance);
            if member.role != role as i32 || leaves {
                let role_reason = match why {
                    "" => member.role_reason.clone(),
                    why => cut(why).to_owned(),
                };
                draft.put(Member { role: role as i32, role_reason, ..member.clone() });
            }
        }
        let step = draft.finish();
        self.apply_step(step)
    }

    /// Whether this disk life is over.
    pub(crate) fn is_tombstone(&self, instance: Instance) -> bool {
        self.tombstones.contains_key(&instance)
    }
}

/// The member after a change; none when the change is void.
fn judged(member: &Member, change: &StateChange, epoch: HealthEpoch, at: u64) -> Option<Member> {
    let state = MemberState::try_from(change.state).ok()?;
    if change.generation < member.generation {
        return None;
    }
    let restarted = change.generation > member.generation;
    let address = change.address.clone().filter(|address| address.socket().is_some());
    let moved = address.is_some() && address != member.address;
    let turned = state as i32 != member.state;
    let also_at = change.also_at.clone().filter(|address| address.socket().is_some());
    let doubled = also_at.is_some() && also_at != member.also_at;
    if !(restarted || moved || turned || doubled) {
        return None;
    }
    let mut changed = member.clone();
    changed.generation = change.generation;
    changed.address = address.or(changed.address);
    if restarted || moved {
        changed.also_at = None;
    }
    changed.also_at = also_at.or(changed.also_at);
    if restarted || turned {
        changed.state = state as i32;
        changed.since_epoch = epoch;
        changed.since_unix_ms = at;
        changed.reason = reason(change);
        let left = state == MemberState::Left;
        changed.goodbye = if left { change.goodbye } else { Goodbye::None.into() };
    }
    Some(changed)
}

/// Why, and by whose evidence.
fn reason(change: &StateChange) -> String {
    if change.reporter.is_empty() {
        return cut(&change.reason).to_owned();
    }
    cut(&format!("{} (by {})", change.reason, change.reporter)).to_owned()
}
