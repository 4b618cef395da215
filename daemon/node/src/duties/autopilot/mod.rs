//! Voters without a hand: which change of Raft's configuration the leader proposes next, if any, and why.
//!
//! `facts` is what it decides from, `plan` the pure rules, `words` how a decision is told. Here: how long hosts have been gone, when the
//! leader looks, and what is under way. One change at a time, and none while the voters are joint; a joint state that raft does not leave
//! by itself is left, whoever began it.

#[cfg(test)]
mod exhaustive;
mod facts;
mod plan;
#[cfg(test)]
mod tests;
mod words;

use super::duty::{Duty, Will};
use crate::groups::{Group, Said, is_close};
use crate::sight::Sight;
use crate::told::Event;
use crate::warnings::Warnings;
use facts::Facts;
use plan::{Plan, Why, next_change, voter_target};
use quorate_proto::{
    CommandBody, ConfChangeSet, FeatureLevel, Forget, HealthView, Instance, Member, MemberState,
    Moment, RaftId, Role,
};
use std::collections::BTreeMap;
use std::time::Duration;
pub(crate) use words::{describe, told};

/// After a refusal by raft the autopilot waits this long.
const PAUSE: Duration = Duration::from_millis(500);
/// While somebody is to be promoted its progress is looked at this often.
const CATCHING_UP: Duration = Duration::from_millis(50);
/// Raft leaves a joint state as soon as its entry is applied. One that stands for so long is left by a proposal.
const JOINT: Duration = Duration::from_secs(2);
/// A command that was not applied by then came to nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Since when hosts have been gone, as this node saw it committed, and not drained. Kept on all nodes, so that a new leader does not
/// begin anew. Bounded by the members.
#[derive(Debug, Default)]
pub(crate) struct Absences(BTreeMap<Instance, Moment>);

impl Absences {
    fn note(&mut self, now: Moment, view: &HealthView) {
        let gone = |one: &&Member| one.state() != MemberState::Alive && !one.is_drained();
        let since = |one: &Member| self.0.get(&one.instance).copied().unwrap_or(now);
        let gone = view.members.iter().filter(gone).map(|one| (one.instance, since(one)));
        self.0 = gone.collect();
    }

    /// For how long a host has been gone; none when it is not, or is drained.
    pub(crate) fn gone_for(&self, now: Moment, instance: Instance) -> Option<Duration> {
        self.0.get(&instance).map(|since| now.since(*since))
    }
}

/// What the leader has under way.
#[derive(Debug, Default)]
pub(crate) struct Autopilot {
    absences: Absences,
    paused_until: Option<Moment>,
    /// The configuration after which the last change was proposed, so that it is not proposed twice.
    proposed_at: Option<(u64, u64)>,
    /// Since when the voters have been joint in this term.
    joint: Option<(u64, Moment)>,
    /// Whom the leader last proposed to forget, and when.
    forgets: Option<(Instance, Moment)>,
    /// Who waits for an operator's word before there can be enough voters, and since when.
    unapproved: Option<(RaftId, Moment)>,
}

impl Autopilot {
    /// Raft refused a change.
    pub(crate) fn refused(&mut self, now: Moment) {
        self.paused_until = Some(now + PAUSE);
        self.proposed_at = None;
    }

    /// A new view: who is gone, on every node.
    pub(crate) fn note_who_is_gone(&mut self, now: Moment, view: &HealthView) {
        self.absences.note(now, view);
    }

    /// Since when hosts have been gone.
    pub(crate) fn absences(&self) -> &Absences {
        &self.absences
    }

    /// Since when this one waits for an operator's word, as this leader saw it.
    fn unapproved_since(&self, id: RaftId) -> Option<Moment> {
        self.unapproved.filter(|(waits, _)| *waits == id).map(|(_, since)| since)
    }

    fn note_who_waits(&mut self, now: Moment, why: Why) {
        self.unapproved = match why {
            Why::Unapproved(id) => Some((id, self.unapproved_since(id).unwrap_or(now))),
            _ => None,
        };
    }

    /// A joint state that raft should have left, and has not.
    fn leaves_joint(&mut self, now: Moment, term: u64) -> Option<ConfChangeSet> {
        let since = self.joint.filter(|(of, _)| *of == term).map_or(now, |(_, since)| since);
        self.joint = Some((term, since));
        (now.since(since) >= JOINT).then(|| {
            self.joint = None;
            ConfChangeSet::default()
        })
    }

    /// A host without a vote that has been gone for `forget_after`; one at a time.
    fn forgets(&mut self, sight: &Sight<'_>, will: &mut Will) {
        let Some(after) = sight.config.settings.forget_after else { return };
        if self.forgets.is_some_and(|(_, at)| sight.now.since(at) < PATIENCE) {
            return;
        }
        let view = sight.health.view();
        let long = |one: &&Member| {
            let gone = self.absences.gone_for(sight.now, one.instance);
            one.role() != Role::Voter && gone.is_some_and(|gone| gone >= after)
        };
        let Some(member) = view.members.iter().find(long) else { return };
        let (instance, if_epoch) = (member.instance, view.epoch);
        self.forgets = Some((instance, sight.now));
        will.tell.push(Event::Forgets { host: (instance, member.name.clone()), after });
        will.propose.push(CommandBody::Forget(Forget {
            instance,
            if_epoch,
            at_unix_ms: sight.wall_ms,
        }));
    }
}

impl Duty for Autopilot {
    /// A term is part of what is under way, so another leader's begins by itself.
    fn begin(&mut self) {
        self.forgets = None;
        self.unapproved = None;
    }

    fn look(&mut self, sight: &Sight<'_>, group: &Group, warnings: &Warnings, will: &mut Will) {
        if self.paused_until.is_some_and(|until| sight.now < until) || sight.stops {
            return;
        }
        let status = group.replica().status();
        if status.joint {
            let leaves = self.leaves_joint(sight.now, status.term);
            will.change_voters =
                leaves.map(|set| (set, "the joint state of the voters ends".to_owned()));
            return;
        }
        self.joint = None;
        let applied = group.meta().applied();
        if self.proposed_at.is_some_and(|(term, at)| term == status.term && applied <= at) {
            return;
        }
        let facts = Facts::gather(sight, group, &status, &self.absences, warnings);
        let plan = next_change(&facts);
        self.note_who_waits(sight.now, plan.why);
        if plan.changes.is_empty() {
            // Nobody tells when a standby has caught up.
            if matches!(plan.why, Why::CatchesUp(_)) {
                will.look_at = Some(sight.now + CATCHING_UP);
            }
            if plan.why != Why::Paused {
                self.forgets(sight, will);
            }
            return;
        }
        self.wants(sight, group, &facts, plan, will);
    }

    fn voters_proposed(&mut self, at: Option<(u64, u64)>, now: Moment) {
        match at {
            Some(_) => self.proposed_at = at,
            None => self.refused(now),
        }
    }
}

impl Autopilot {
    fn wants(&self, sight: &Sight<'_>, group: &Group, facts: &Facts, plan: Plan, will: &mut Will) {
        // Whoever leads, and is to give up its vote, cannot do that itself.
        let me = group.me().get();
        let takes_own = |one: &quorate_proto::ConfChange| {
            one.node_id == me && one.kind() != quorate_proto::ConfChangeKind::AddVoter
        };
        if plan.changes.iter().any(takes_own) {
            will.another_leads = true;
            return;
        }
        let words = describe(group.meta(), &plan.changes);
        // What an entry says beside its change is part of the state: a replica of the version before would have another one.
        let tells = group.meta().level() >= FeatureLevel::new(2);
        let why = if tells { words::why(sight, group.meta(), facts, &plan) } else { String::new() };
        let context = Said { at_unix_ms: sight.wall_ms, why }.to_context();
        let set = ConfChangeSet { transition: 0, changes: plan.changes, context };
        will.change_voters = Some((set, words));
    }
}

/// Whether the replica here, if there is one, has what the leader has.
fn has_the_log(sight: &Sight<'_>) -> bool {
    let Some(group) = sight.group.filter(|group| !group.leads()) else { return true };
    let applied = group.meta().applied();
    sight.leadership.applied().is_some_and(|leader| is_close(applied, leader))
}

/// Whether this start of the node is counted as alive, and has what the leader has. A view that an earlier start left on the disk counts
/// that one; one that counts this start has every epoch that was acknowledged before.
pub(crate) fn has_caught_up(sight: &Sight<'_>) -> bool {
    let own = sight.health.member(sight.config.instance);
    let counted = |own: &Member| {
        own.state() == MemberState::Alive && own.generation == sight.config.generation
    };
    own.is_some_and(counted) && has_the_log(sight)
}

/// Whether there are as many voters as so many live nodes have, all of them are alive, no disk of theirs is known to be full or silent,
/// and the replica here, if there is one, has caught up. By the view and by what all nodes are told, so on every node.
pub(crate) fn has_all_voters(sight: &Sight<'_>, warnings: &Warnings) -> bool {
    if !has_the_log(sight) {
        return false;
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
