//! The committed view of all nodes, with its recent differences and the disk lives that are over.
//!
//! Invariants: the epoch grows by one exactly when the view changes; the view is ordered by name; an instance
//! is in the view, or a tombstone, or unknown, never two of these.

mod admit;
mod anew;
mod applications;
mod forget;
mod health;
mod keys;
mod remove;
mod revoke;
mod section;
mod standing;

pub use admit::AdmitRefusal;
pub use remove::{Ended, RemoveRefusal};
pub use revoke::RevokeRefusal;
pub(crate) use section::Change;
pub use standing::NotMember;

use imbl::{OrdMap, Vector};
use quorate_proto::{
    Application, ClusterId, ConfState, FoundingCertificate, HealthDelta, HealthEpoch, HealthUpdate,
    HealthView, Instance, Member, MemberState, RaftId, Revocation, Role, limits, raft_id,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Differences kept for nodes that lag; who lags further gets the whole view.
const DELTAS: usize = 256;
/// Who lags is sent the differences, so that it tells each epoch as all others do, unless they name so many members and
/// applications more than the whole view has members.
const MORE_RECORDS: usize = 64;
/// Members and applications in all kept differences together: a differences' history never weighs more than some dozen views.
const DELTA_RECORDS: usize = 16 * limits::MEMBERS;
/// Disk lives remembered as over. Beyond it the oldest is forgotten. A life whose name a later one holds is still refused for that; one that
/// was removed by an operator, four full clusters of lives ago, would be let in again as a member.
const TOMBSTONES: usize = 4 * limits::MEMBERS;

/// A disk life that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tombstone {
    /// The name it held.
    name: String,
    /// The epoch that ended it.
    epoch: HealthEpoch,
    /// An operator took it out; else another life took its name.
    removed: bool,
}

/// See the head of this file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Roster {
    /// None before the birth of the cluster is known.
    founded: Option<Arc<FoundingCertificate>>,
    /// That of `founded`.
    cluster_id: Option<ClusterId>,
    view: Arc<HealthView>,
    conf: Arc<ConfState>,
    tombstones: OrdMap<Instance, Tombstone>,
    deltas: Vector<Arc<HealthDelta>>,
    delta_records: usize,
    names: OrdMap<Instance, String>,
    raft_ids: OrdMap<u64, Instance>,
}

/// The next epoch in the making.
struct Draft<'a> {
    roster: &'a Roster,
    epoch: HealthEpoch,
    at_unix_ms: u64,
    members: BTreeMap<String, Member>,
    removed: Vec<Instance>,
    revoked: Vec<Revocation>,
    /// As they are to be, before the next view's members decide on them.
    applications: Vec<Application>,
}

/// What a draft leads to; holds no borrow.
struct Step {
    view: HealthView,
    delta: HealthDelta,
    /// Whether by an operator; else another life took its name.
    removed: bool,
    /// Nothing shall keep it from coming back.
    forgotten: bool,
    ended: Vec<(Instance, String)>,
}

impl Roster {
    /// Nobody, epoch 0.
    pub(crate) fn empty() -> Self {
        Self {
            founded: None,
            cluster_id: None,
            view: Arc::default(),
            conf: Arc::default(),
            tombstones: OrdMap::new(),
            deltas: Vector::new(),
            delta_records: 0,
            names: OrdMap::new(),
            raft_ids: OrdMap::new(),
        }
    }

    pub(crate) fn founded(&self) -> Option<&FoundingCertificate> {
        self.founded.as_deref()
    }

    pub(crate) fn cluster_id(&self) -> Option<ClusterId> {
        self.cluster_id
    }

    pub(crate) fn conf(&self) -> &ConfState {
        &self.conf
    }

    pub(crate) fn view(&self) -> &Arc<HealthView> {
        &self.view
    }

    pub(crate) fn epoch(&self) -> HealthEpoch {
        self.view.epoch
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Member> {
        let found = self.view.members.binary_search_by(|member| member.name.as_str().cmp(name));
        found.ok().map(|place| &self.view.members[place])
    }

    pub(crate) fn by_instance(&self, instance: Instance) -> Option<&Member> {
        self.by_name(self.names.get(&instance)?)
    }

    pub(crate) fn by_raft(&self, id: RaftId) -> Option<&Member> {
        self.by_instance(*self.raft_ids.get(&id.get())?)
    }

    fn draft(&self, at_unix_ms: u64) -> Draft<'_> {
        Draft {
            roster: self,
            epoch: self
                .epoch()
                .next()
                .expect("restored epochs are bounded, and one step a change outlasts us"),
            at_unix_ms,
            members: BTreeMap::new(),
            removed: Vec::new(),
            revoked: Vec::new(),
            applications: self.view.applications.clone(),
        }
    }

    /// The role that raft's configuration gives a disk life.
    fn role(&self, instance: Instance) -> Role {
        let Some(cluster_id) = self.cluster_id else { return Role::Member };
        let id = raft_id(cluster_id, instance).get();
        if self.conf.voters.contains(&id) || self.conf.voters_outgoing.contains(&id) {
            Role::Voter
        } else if self.conf.learners.contains(&id) {
            Role::Standby
        } else {
            Role::Member
        }
    }

    /// Whether a disk life is a voter of what is being left, and none of what comes.
    fn leaves_the_voters(&self, instance: Instance) -> bool {
        let id = self.cluster_id.map(|cluster_id| raft_id(cluster_id, instance).get());
        id.is_some_and(|id| {
            self.conf.voters_outgoing.contains(&id) && !self.conf.voters.contains(&id)
        })
    }

    /// Applies a step: the next epoch, if anything changed.
    fn apply_step(&mut self, step: Step) -> Option<Arc<HealthDelta>> {
        let Step { view, delta, removed, forgotten, ended } = step;
        let applications = delta.applications.is_empty() && delta.gone_applications.is_empty();
        if delta.members.is_empty() && delta.removed.is_empty() && applications {
            return None;
        }
        for (instance, name) in ended {
            self.names.remove(&instance);
            if forgotten {
                self.unmap_raft_id(instance);
                continue;
            }
            self.add_tombstone(instance, Tombstone { name, epoch: delta.epoch, removed });
        }
        self.view = Arc::new(view);
        for member in &delta.members {
            self.index(member.instance, member.name.clone());
        }
        let delta = Arc::new(delta);
        self.push_delta(delta.clone());
        Some(delta)
    }

    fn index(&mut self, instance: Instance, name: String) {
        self.names.insert(instance, name);
        self.map_raft_id(instance);
    }

    fn map_raft_id(&mut self, instance: Instance) {
        if let Some(cluster_id) = self.cluster_id {
            self.raft_ids.insert(raft_id(cluster_id, instance).get(), instance);
        }
    }

    fn add_tombstone(&mut self, instance: Instance, tombstone: Tombstone) {
        self.map_raft_id(instance);
        self.tombstones.insert(instance, tombstone);
        if self.tombstones.len() <= TOMBSTONES {
            return;
        }
        let oldest = self.tombstones.iter().min_by_key(|(_, tombstone)| tombstone.epoch);
        let Some(oldest) = oldest.map(|(instance, _)| *instance) else { return };
        self.tombstones.remove(&oldest);
        self.unmap_raft_id(oldest);
    }

    fn unmap_raft_id(&mut self, instance: Instance) {
        if let Some(cluster_id) = self.cluster_id {
            self.raft_ids.remove(&raft_id(cluster_id, instance).get());
        }
    }

    fn push_delta(&mut self, delta: Arc<HealthDelta>) {
        self.delta_records += delta.records();
        self.deltas.push_back(delta);
        while self.deltas.len() > DELTAS || self.delta_records > DELTA_RECORDS {
            let Some(oldest) = self.deltas.pop_front() else { return };
            self.delta_records -= oldest.records();
        }
    }

    /// The differences from an epoch to the newest; none when they are no longer all kept.
    pub(crate) fn deltas_since(&self, epoch: HealthEpoch) -> Option<Vec<Arc<HealthDelta>>> {
        let missing = self.epoch().get().saturating_sub(epoch.get());
        let missing = usize::try_from(missing).ok()?;
        let skip = self.deltas.len().checked_sub(missing)?;
        Some(self.deltas.iter().skip(skip).cloned().collect())
    }

    /// The newest differences, as many as are small.
    fn newest(&self) -> Vec<HealthDelta> {
        let mut records = 0;
        let small = |delta: &&Arc<HealthDelta>| {
            records += delta.records();
            records <= MORE_RECORDS
        };
        let mut newest: Vec<HealthDelta> = self
            .deltas
            .iter()
            .rev()
            .take_while(small)
            .map(|delta| HealthDelta::clone(delta))
            .collect();
        newest.reverse();
        newest
    }

    /// What a node that has acknowledged `epoch` must be sent: the differences, or the whole view where they are kept no
    /// longer or are much longer. Who has nothing yet is shown what is, not what was.
    pub(crate) fn update_since(&self, epoch: HealthEpoch) -> Option<HealthUpdate> {
        if epoch >= self.epoch() {
            return None;
        }
        if epoch == HealthEpoch::ZERO {
            // Most likely it has something, and only has not said so to this leader yet: then the newest differences are
            // enough for it.
            return Some(HealthUpdate {
                full: Some(self.view.as_ref().clone()),
                deltas: self.newest(),
            });
        }
        if let Some(deltas) = self.deltas_since(epoch) {
            let records: usize = deltas.iter().map(|delta| delta.records()).sum();
            if records <= self.view.members.len() + MORE_RECORDS {
                let deltas = deltas.iter().map(|delta| HealthDelta::clone(delta)).collect();
                return Some(HealthUpdate { full: None, deltas });
            }
        }
        Some(HealthUpdate { full: Some(HealthView::clone(&self.view)), deltas: Vec::new() })
    }
}

impl Draft<'_> {
    /// A member as it stands, changes of this draft included.
    fn member(&self, instance: Instance) -> Option<&Member> {
        let drafted = self.members.values().find(|member| member.instance == instance);
        drafted.or_else(|| {
            let member = self.roster.by_instance(instance)?;
            let replaced =
                self.members.contains_key(&member.name) || self.removed.contains(&instance);
            (!replaced).then_some(member)
        })
    }

    /// Puts a member, new or changed, into the next view.
    fn put(&mut self, member: Member) {
        self.members.insert(member.name.clone(), member);
    }

    /// Ends a disk life; a tombstone is left.
    fn end(&mut self, instance: Instance) {
        self.removed.push(instance);
    }

    fn finish(self) -> Step {
        let name = |instance: &Instance| {
            self.roster.by_instance(*instance).map_or_else(String::new, |old| old.name.clone())
        };
        let ended = self.removed.iter().map(|instance| (*instance, name(instance))).collect();
        let step = HealthDelta {
            epoch: self.epoch,
            members: self.members.into_values().collect(),
            removed: self.removed,
            revoked: self.revoked,
            at_unix_ms: self.at_unix_ms,
            ..HealthDelta::default()
        };
        let mut view = self.roster.view.apply(&step).expect("a draft is of the next epoch");
        view.applications =
            Self::applications_under(self.applications, &view.members, self.epoch, self.at_unix_ms);
        let delta = view.since(&self.roster.view);
        Step { view, delta, removed: false, forgotten: false, ended }
    }
}

/// The word for a state as it travels; unknown numbers never get into the view.
fn state_word(state: i32) -> &'static str {
    MemberState::try_from(state).unwrap_or_default().word()
}

/// A reason, cut to what may travel.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(limits::REASON);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
