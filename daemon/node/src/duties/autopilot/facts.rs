//! What the autopilot decides from: each host as the leader sees it, gathered once for a decision.
//!
//! Invariant: a host is *lost* when it has been committed as gone for `replace_after`, counted by this node's own clock since it saw that,
//! and not while it is drained. A suspicion never makes it so. Knows nothing of what is decided.

use super::Absences;
use crate::boot::Promotion;
use crate::groups::{Group, is_close};
use crate::sight::Sight;
use crate::warnings::Warnings;
use quorate_consensus::ReplicaStatus;
use quorate_proto::{Member, MemberState, RaftId, raft_id};
use std::collections::BTreeMap;

/// Label under which the zone of a host travels.
const ZONE: &str = "zone";

/// One replica candidate, as the leader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) id: RaftId,
    pub(crate) alive: bool,
    /// Gone for so long that another host gets its vote.
    pub(crate) lost: bool,
    pub(crate) drained: bool,
    /// Nothing is known of a disk of its that is full or silent: a vote there would acknowledge nothing.
    pub(crate) works: bool,
    /// It may get a vote without being asked for.
    pub(crate) approved: bool,
    /// Its host is among the seeds.
    pub(crate) seed: bool,
    /// Number of its zone; none when its host names none.
    pub(crate) zone: Option<usize>,
    pub(crate) voter: bool,
    pub(crate) learner: bool,
    pub(crate) caught_up: bool,
    /// It is the one who decides.
    pub(crate) leads: bool,
}

/// A voter whose life is no member any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeadVoter {
    pub(crate) id: RaftId,
    /// An operator took it out; else a new disk life has its name.
    pub(crate) removed: bool,
}

/// What the decision is made from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) candidates: Vec<Candidate>,
    /// Replicas in Raft's configuration whose life is no member any more.
    pub(crate) dead_voters: Vec<DeadVoter>,
    pub(crate) dead_learners: Vec<RaftId>,
    /// `voters` of the config.
    pub(crate) wanted: Option<usize>,
    /// An operator paused the autopilot.
    pub(crate) paused: bool,
}

impl Facts {
    /// Of the cluster as it is now.
    pub(super) fn gather(
        sight: &Sight<'_>,
        group: &Group,
        status: &ReplicaStatus,
        absences: &Absences,
        warnings: &Warnings,
    ) -> Self {
        let (conf, last) = (&status.conf, status.last);
        let settings = &sight.config.settings;
        let mut zones: BTreeMap<&str, usize> = BTreeMap::new();
        let candidates: Vec<Candidate> = sight
            .health
            .view()
            .members
            .iter()
            .map(|member| {
                let id = raft_id(group.cluster_id(), member.instance);
                let caught_up = group.replica().progress(id).is_some_and(|progress| {
                    progress.active && progress.holds_voters && is_close(progress.matched, last)
                });
                let next = zones.len();
                let gone = absences.gone_for(sight.now, member.instance);
                Candidate {
                    id,
                    alive: member.state() == MemberState::Alive,
                    lost: gone.is_some_and(|gone| gone >= settings.replace_after),
                    drained: member.is_drained(),
                    works: warnings.has_working_disk(sight, member.instance),
                    approved: settings.promotion == Promotion::Auto || member.approved,
                    seed: is_seed_host(&sight.config.founding.seeds, member),
                    zone: zone(member).map(|zone| *zones.entry(zone).or_insert(next)),
                    voter: conf.voters.contains(&id.get()),
                    learner: conf.learners.contains(&id.get()),
                    caught_up,
                    leads: id == group.me(),
                }
            })
            .collect();
        let known = |id: &u64| candidates.iter().any(|one| one.id.get() == *id);
        let strangers = |ids: &[u64]| -> Vec<RaftId> {
            ids.iter().filter(|id| !known(id)).filter_map(|id| RaftId::new(*id)).collect()
        };
        let dead = strangers(&conf.voters).into_iter();
        Self {
            dead_voters: dead
                .map(|id| DeadVoter { id, removed: group.meta().was_removed(id) })
                .collect(),
            dead_learners: strangers(&conf.learners),
            wanted: settings.voters,
            paused: group.meta().autopilot_pause().is_some(),
            candidates,
        }
    }
}

/// The zone that a host names; none when it names none.
pub(super) fn zone(member: &Member) -> Option<&str> {
    let label = member.labels.iter().find(|label| label.name == ZONE)?;
    Some(label.value.as_str()).filter(|zone| !zone.is_empty())
}

/// Whether a member lives at one of the seeds, by name or address.
pub(super) fn is_seed_host(seeds: &[String], member: &Member) -> bool {
    let address = member.address.as_ref().and_then(|address| address.socket());
    seeds.iter().any(|seed| {
        let host = seed.rsplit_once(':').map_or(seed.as_str(), |(host, _)| host);
        host.split('.').next() == Some(member.name.as_str())
            || address.is_some_and(|address| {
                seed.parse() == Ok(address)
                    || host.trim_matches(['[', ']']).parse() == Ok(address.ip())
            })
    })
}
