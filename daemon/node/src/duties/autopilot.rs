//! Voters without a hand: which change of Raft's configuration the leader proposes next, if any.
//!
//! `next_change` is a pure function: facts in, at most one change out. Learner first, promoted when caught up,
//! dead lives leave in the same joint change that brings their successor, and never on a suspicion.

use super::duty::{Duty, Will};
use crate::groups::Group;
use crate::sight::Sight;
use crate::warnings::Warnings;
use quorate_consensus::ReplicaStatus;
use quorate_meta::Meta;
use quorate_proto::{
    ConfChange, ConfChangeKind, ConfChangeSet, Member, MemberState, Moment, RaftId, Role, raft_id,
};
use std::time::Duration;

/// Entries that a learner may lag behind and still count as caught up, once it has the one that made it a learner: an
/// empty log is close to a short one, and whoever has a vote with it cannot help to elect anybody.
pub(crate) const CAUGHT_UP: u64 = 64;
/// After a refusal by raft the autopilot waits this long.
const PAUSE: Duration = Duration::from_millis(500);
/// While there are learners their progress is looked at this often.
const CATCHING_UP: Duration = Duration::from_millis(50);

/// One replica candidate, as the leader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) id: RaftId,
    pub(crate) alive: bool,
    /// Its host is among the seeds: promoted first.
    pub(crate) seed: bool,
    pub(crate) voter: bool,
    pub(crate) learner: bool,
    pub(crate) caught_up: bool,
}

/// What the decision is made from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) candidates: Vec<Candidate>,
    /// Replicas in Raft's configuration whose life is no member any more.
    pub(crate) dead_voters: Vec<RaftId>,
    pub(crate) dead_learners: Vec<RaftId>,
    /// `voters` of the config.
    pub(crate) wanted: Option<usize>,
}

/// Voters for so many live nodes: 1, 2, 3, 3, then 5. A fourth voter would bear no more losses than three; of two, the second keeps
/// a copy of every write.
pub(crate) fn voter_target(live: usize) -> usize {
    match live {
        0 | 1 => 1,
        2 => 2,
        3 | 4 => 3,
        _ => 5,
    }
}

fn change(kind: ConfChangeKind, id: RaftId) -> ConfChange {
    ConfChange { kind: kind.into(), node_id: id.get() }
}

/// The next change, or none when the voters are as they should be.
pub(crate) fn next_change(facts: &Facts) -> Option<Vec<ConfChange>> {
    if let Some(gone) = facts.dead_learners.first() {
        return Some(vec![change(ConfChangeKind::Remove, *gone)]);
    }
    let voters = facts.candidates.iter().filter(|one| one.voter).count();
    let live = facts.candidates.iter().filter(|one| one.alive).count();
    let target = facts.wanted.unwrap_or_else(|| voter_target(live)).max(1);
    let missing = target.saturating_sub(voters);
    let awake = facts.candidates.iter().filter(|one| one.voter && one.alive).count();
    let mut spare: Vec<&Candidate> =
        facts.candidates.iter().filter(|one| one.alive && !one.voter).collect();
    if missing == 0 || spare.is_empty() {
        // Nobody is to be promoted: a life that is over only dilutes the majority. But one that was taken out while it runs still helps to
        // commit, as long as the living are none without it.
        let bearable = awake * 2 + 1 > voters + facts.dead_voters.len();
        let gone = facts.dead_voters.first().filter(|_| bearable);
        return gone.map(|gone| vec![change(ConfChangeKind::Remove, *gone)]);
    }
    spare.sort_by_key(|one| (!one.seed, !one.learner, one.id));
    spare.truncate(missing);
    if let Some(new) = spare.iter().find(|one| !one.learner) {
        return Some(vec![change(ConfChangeKind::AddLearner, new.id)]);
    }
    let ready: Vec<&&Candidate> = spare.iter().filter(|one| one.caught_up).collect();
    // From 3 to 5 both come at once: four voters tolerate no more than three do.
    let pair = facts.dead_voters.is_empty() && voters >= 3 && missing >= 2;
    if ready.is_empty() || (pair && ready.len() < 2 && spare.len() >= 2) {
        return None;
    }
    let count = if pair { 2 } else { 1 };
    let mut changes: Vec<ConfChange> =
        ready.iter().take(count).map(|one| change(ConfChangeKind::AddVoter, one.id)).collect();
    if let Some(gone) = facts.dead_voters.first() {
        changes.push(change(ConfChangeKind::Remove, *gone));
    }
    Some(changes)
}

/// What the leader has under way.
#[derive(Debug, Default)]
pub(crate) struct Autopilot {
    paused_until: Option<Moment>,
    /// The configuration after which the last change was proposed, so that it is not proposed twice.
    proposed_at: Option<(u64, u64)>,
}

impl Autopilot {
    /// Raft refused a change.
    pub(crate) fn refused(&mut self, now: Moment) {
        self.paused_until = Some(now + PAUSE);
        self.proposed_at = None;
    }
}

impl Duty for Autopilot {
    /// A term is part of what is under way, so another leader's begins by itself.
    fn begin(&mut self) {}

    fn look(&mut self, sight: &Sight<'_>, group: &Group, will: &mut Will) {
        if self.paused_until.is_some_and(|until| sight.now < until) || sight.stops {
            return;
        }
        let status = group.replica().status();
        let applied = group.meta().applied();
        let waits = self.proposed_at.is_some_and(|(term, at)| term == status.term && applied <= at);
        if status.joint || waits {
            return;
        }
        let Some(changes) = next_change(&voter_facts(sight, group, &status)) else {
            if !status.conf.learners.is_empty() {
                will.look_at = Some(sight.now + CATCHING_UP);
            }
            return;
        };
        // Whoever was taken out, and leads nevertheless, cannot take its own vote.
        if changes.iter().any(|one| one.node_id == group.me().get()) {
            will.another_leads = true;
            return;
        }
        // Applying reads no clock, so the time of the epoch comes with the entry.
        let context = bytes::Bytes::copy_from_slice(&sight.wall_ms.to_be_bytes());
        let words = describe(group.meta(), &changes);
        will.change_voters = Some((ConfChangeSet { transition: 0, changes, context }, words));
    }

    fn voters_proposed(&mut self, at: Option<(u64, u64)>, now: Moment) {
        match at {
            Some(_) => self.proposed_at = at,
            None => self.refused(now),
        }
    }
}

fn voter_facts(sight: &Sight<'_>, group: &Group, status: &ReplicaStatus) -> Facts {
    let (conf, last) = (&status.conf, status.last);
    let members = sight.health.view().members.iter();
    let candidates: Vec<Candidate> = members
        .map(|member| {
            let id = raft_id(group.cluster_id(), member.instance);
            let caught_up = group.replica().progress(id).is_some_and(|progress| {
                progress.active && progress.holds_voters && progress.matched + CAUGHT_UP >= last
            });
            Candidate {
                id,
                alive: member.state() == MemberState::Alive,
                seed: is_seed_host(&sight.config.founding.seeds, member),
                voter: conf.voters.contains(&id.get()),
                learner: conf.learners.contains(&id.get()),
                caught_up,
            }
        })
        .collect();
    let known = |id: &u64| candidates.iter().any(|one| one.id.get() == *id);
    let strangers = |ids: &[u64]| {
        ids.iter().filter(|id| !known(id)).filter_map(|id| RaftId::new(*id)).collect()
    };
    Facts {
        dead_voters: strangers(&conf.voters),
        dead_learners: strangers(&conf.learners),
        wanted: sight.config.settings.voters,
        candidates,
    }
}

/// Whether a member lives at one of the seeds, by name or address.
fn is_seed_host(seeds: &[String], member: &Member) -> bool {
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

/// A change of the voters, for people.
pub(crate) fn describe(meta: &Meta, changes: &[ConfChange]) -> String {
    let words: Vec<String> = changes
        .iter()
        .map(|one| {
            let name = RaftId::new(one.node_id)
                .and_then(|id| meta.member_by_raft(id))
                .map_or_else(|| format!("{:016x}", one.node_id), |member| member.name.clone());
            match one.kind() {
                ConfChangeKind::AddVoter => format!("{name} becomes a voter"),
                ConfChangeKind::AddLearner => format!("{name} becomes a standby"),
                ConfChangeKind::Remove => format!("{name} leaves the voters"),
            }
        })
        .collect();
    words.join(", ")
}

/// Whether there are as many voters as so many live nodes have, all of them are alive, no disk of theirs is known to be full or silent,
/// and the replica here, if there is one, has caught up. By the view and by what all nodes are told, so on every node.
pub(crate) fn has_all_voters(sight: &Sight<'_>, warnings: &Warnings) -> bool {
    if let Some(group) = sight.group.filter(|group| !group.leads()) {
        let applied = group.meta().applied();
        let Some(leader) = sight.leadership.applied() else { return false };
        if applied.saturating_add(CAUGHT_UP) < leader {
            return false;
        }
    }
    let voters = || sight.health.view().members.iter().filter(|one| one.role() == Role::Voter);
    let live = sight.health.alive().count();
    let wanted =
        sight.config.settings.voters.map_or_else(|| voter_target(live), |most| most.min(live));
    let counts = |one: &Member| {
        one.state() == MemberState::Alive && warnings.has_working_disk(sight, one.instance)
    };
    voters().count() >= wanted.max(1) && voters().all(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> RaftId {
        RaftId::new(n).expect("not zero")
    }

    fn node(n: u64, voter: bool, learner: bool) -> Candidate {
        Candidate { id: id(n), alive: true, seed: true, voter, learner, caught_up: learner }
    }

    fn kinds(facts: &Facts) -> Vec<(ConfChangeKind, u64)> {
        next_change(facts).unwrap_or_default().iter().map(|one| (one.kind(), one.node_id)).collect()
    }

    #[test]
    fn a_second_node_becomes_a_standby_and_then_a_voter() {
        let mut facts = Facts {
            candidates: vec![node(1, true, false), node(2, false, false)],
            ..Facts::default()
        };
        assert_eq!(kinds(&facts), [(ConfChangeKind::AddLearner, 2)]);
        facts.candidates[1].learner = true;
        assert_eq!(kinds(&facts), []);
        facts.candidates[1].caught_up = true;
        assert_eq!(kinds(&facts), [(ConfChangeKind::AddVoter, 2)]);
    }

    #[test]
    fn four_nodes_keep_three_voters() {
        let voters = (1..=3).map(|n| node(n, true, false));
        let facts = Facts {
            candidates: voters.chain([node(4, false, false)]).collect(),
            ..Facts::default()
        };
        assert_eq!(kinds(&facts), []);
    }

    #[test]
    fn from_three_to_five_both_come_in_one_change() {
        let voters = (1..=3).map(|n| node(n, true, false));
        let mut facts = Facts {
            candidates: voters.chain([node(4, false, true), node(5, false, true)]).collect(),
            ..Facts::default()
        };
        assert_eq!(kinds(&facts), [(ConfChangeKind::AddVoter, 4), (ConfChangeKind::AddVoter, 5)]);
        facts.candidates[4].caught_up = false;
        assert_eq!(kinds(&facts), []);
    }

    #[test]
    fn a_dead_voter_leaves_in_the_change_that_brings_its_successor() {
        let mut facts = Facts {
            candidates: vec![node(1, true, false), node(2, true, false), node(9, false, false)],
            dead_voters: vec![id(3)],
            ..Facts::default()
        };
        assert_eq!(kinds(&facts), [(ConfChangeKind::AddLearner, 9)]);
        facts.candidates[2] = node(9, false, true);
        assert_eq!(kinds(&facts), [(ConfChangeKind::AddVoter, 9), (ConfChangeKind::Remove, 3)]);
    }

    #[test]
    fn who_was_taken_out_keeps_its_vote_while_the_living_are_no_majority_without_it() {
        let mut facts = Facts {
            candidates: vec![node(1, true, false), node(2, true, false)],
            dead_voters: vec![id(3)],
            ..Facts::default()
        };
        assert_eq!(kinds(&facts), [(ConfChangeKind::Remove, 3)]);
        // It runs, for all that is known here: without it one of two is left.
        facts.candidates[1].alive = false;
        assert_eq!(kinds(&facts), []);
        facts.candidates = vec![node(1, true, false)];
        assert_eq!(kinds(&facts), [(ConfChangeKind::Remove, 3)], "of two voters one is left");
        facts.dead_voters.push(id(4));
        assert_eq!(kinds(&facts), [], "the next one of two more would be one of two");
    }

    #[test]
    fn a_dead_vote_is_taken_where_nobody_could_get_it() {
        let facts = Facts {
            candidates: vec![node(1, true, false), node(2, true, false)],
            dead_voters: vec![id(3)],
            wanted: Some(3),
            ..Facts::default()
        };
        assert_eq!(kinds(&facts), [(ConfChangeKind::Remove, 3)]);
    }

    #[test]
    fn a_late_seed_is_promoted_before_a_stranger() {
        let mut stranger = node(2, false, false);
        stranger.seed = false;
        let facts = Facts {
            candidates: vec![
                node(1, true, false),
                node(3, true, false),
                stranger,
                node(7, false, false),
            ],
            ..Facts::default()
        };
        assert_eq!(kinds(&facts), [(ConfChangeKind::AddLearner, 7)]);
    }
}
