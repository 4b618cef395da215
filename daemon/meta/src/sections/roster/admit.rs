//! Lets nodes in: a new name, the same disk life again, or a new disk life under a name that it takes over.
//!
//! Invariant: a name belongs to one disk life, and a node key stays pinned to the life it came with. Whether
//! a life may take over a name is the leader's decision; here it must only name the life that holds it.

use super::{Draft, Roster};
use quorate_proto::{
    Admit, ClusterId, Goodbye, HealthDelta, HealthEpoch, Instance, Member, MemberState, NodeName,
    limits,
};
use std::sync::Arc;

/// Why a node was not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmitRefusal {
    /// Another disk life holds the name.
    #[error(
        "the name `{name}` belongs to instance {holder}; give this host another name, or take the old one out first"
    )]
    NameTaken {
        /// The name.
        name: String,
        /// Who holds it.
        holder: Instance,
    },
    /// This disk life has been replaced by a later one, for good.
    #[error(
        "this instance was replaced by a later one of `{name}`; to join anew, on this host: stop quorate, run `quorate reset --cluster {cluster}`, start it"
    )]
    Superseded {
        /// The name it held.
        name: String,
        /// The cluster, for the command.
        cluster: ClusterId,
    },
    /// An operator took this disk life out, for good.
    #[error(
        "this host was removed from the cluster, where it was `{name}`, at epoch {epoch}; to join anew, on this host: stop quorate, run `quorate reset --cluster {cluster}`, start it"
    )]
    Removed {
        /// The name it held.
        name: String,
        /// The epoch that ended it.
        epoch: HealthEpoch,
        /// The cluster, for the command.
        cluster: ClusterId,
    },
    /// An operator revoked it, or the key that it comes with.
    #[error("the key of this host was revoked in this cluster")]
    Revoked,
    /// The disk life is in the cluster under another name.
    #[error(
        "this instance is `{held}` in the cluster; set `name = \"{held}\"`, or, to join under another name, on this host: stop quorate, run `quorate reset --cluster {cluster}`, start it"
    )]
    OtherName {
        /// The name it holds.
        held: String,
        /// The cluster, for the command.
        cluster: ClusterId,
    },
    /// The disk life is in the cluster with another key.
    #[error(
        "`{name}` came with another node key than the one pinned for it; to join anew, on this host: stop quorate, run `quorate reset --cluster {cluster}`, start it"
    )]
    OtherKey {
        /// Its name.
        name: String,
        /// The cluster, for the command.
        cluster: ClusterId,
    },
    /// No name, no instance, or labels beyond the bound.
    #[error("the request to be let in is not valid: {what}")]
    Invalid {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The cluster has all the members it can have.
    #[error("the cluster has {} members, which is the most there can be", limits::MEMBERS)]
    Full,
    /// No cluster has been founded here.
    #[error("this replica holds no cluster yet")]
    NoCluster,
}

impl Roster {
    /// Lets a node in, or says why not. Gives the epoch that shows it, and the difference if there is one.
    pub(super) fn admit(
        &mut self,
        admit: &Admit,
    ) -> Result<(HealthEpoch, Option<Arc<HealthDelta>>), AdmitRefusal> {
        self.check_admit(admit)?;
        let mut draft = self.draft(admit.at_unix_ms);
        match (self.by_instance(admit.instance), self.by_name(&admit.name)) {
            (Some(known), _) => readmit(&mut draft, known, admit),
            (None, holder) => {
                let drained = holder.and_then(|old| old.drained.clone());
                let why = if let Some(old) = holder {
                    draft.end(old.instance);
                    format!("a new disk life in place of {}", old.instance.short())
                } else {
                    "joined the cluster".to_owned()
                };
                let member = Member {
                    name: admit.name.clone(),
                    instance: admit.instance,
                    generation: admit.generation,
                    address: admit.address.clone(),
                    key: admit.key,
                    role: self.role(admit.instance) as i32,
                    state: MemberState::Alive as i32,
                    since_epoch: draft.epoch,
                    reason: why,
                    since_unix_ms: admit.at_unix_ms,
                    labels: admit.labels.clone(),
                    also_at: None,
                    goodbye: Goodbye::None.into(),
                    drained,
                    ..Member::default()
                };
                draft.put(member);
            }
        }
        let step = draft.finish();
        let delta = self.apply_step(step);
        Ok((self.epoch(), delta))
    }

    fn check_admit(&self, admit: &Admit) -> Result<(), AdmitRefusal> {
        let invalid = |what| Err(AdmitRefusal::Invalid { what });
        let Some(cluster) = self.cluster_id else { return Err(AdmitRefusal::NoCluster) };
        if NodeName::new(&admit.name).is_err() {
            return invalid("the name is no DNS label");
        }
        if admit.instance.is_nobody() || admit.key.is_nobody() {
            return invalid("instance or key is missing");
        }
        // Every difference that shows the member carries them.
        let labels = admit.labels.iter().map(|label| label.name.len() + label.value.len() + 8);
        if labels.sum::<usize>() > limits::CARD {
            return invalid("the labels are too long");
        }
        if self.revocation(admit.instance, admit.key).is_some() {
            return Err(AdmitRefusal::Revoked);
        }
        if let Some(tombstone) = self.tombstones.get(&admit.instance) {
            let (name, epoch) = (tombstone.name.clone(), tombstone.epoch);
            return Err(match tombstone.removed {
                true => AdmitRefusal::Removed { name, epoch, cluster },
                false => AdmitRefusal::Superseded { name, cluster },
            });
        }
        if let Some(known) = self.by_instance(admit.instance) {
            return match known {
                known if known.name != admit.name => {
                    Err(AdmitRefusal::OtherName { held: known.name.clone(), cluster })
                }
                known if known.key != admit.key => {
                    Err(AdmitRefusal::OtherKey { name: known.name.clone(), cluster })
                }
                _ => Ok(()),
            };
        }
        match self.by_name(&admit.name) {
            Some(holder) if admit.supersede != Some(holder.instance) => {
                let holder = holder.instance;
                Err(AdmitRefusal::NameTaken { name: admit.name.clone(), holder })
            }
            None if self.view.members.len() >= limits::MEMBERS => Err(AdmitRefusal::Full),
            _ => Ok(()),
        }
    }
}

/// The same disk life again: takes over what is newer. A request from before the committed start is void.
fn readmit(draft: &mut Draft<'_>, known: &Member, admit: &Admit) {
    if admit.generation < known.generation {
        return;
    }
    let mut member = known.clone();
    let restarted = admit.generation > known.generation;
    member.generation = admit.generation;
    member.labels.clone_from(&admit.labels);
    if admit.address.as_ref().is_some_and(|address| address.socket().is_some()) {
        member.address.clone_from(&admit.address);
    }
    if restarted {
        // Only a life that runs asks to be let in.
        member.state = MemberState::Alive as i32;
        member.since_epoch = draft.epoch;
        member.since_unix_ms = admit.at_unix_ms;
        member.reason = "started again".to_owned();
        member.goodbye = Goodbye::None.into();
    }
    if member != *known {
        draft.put(member);
    }
}
