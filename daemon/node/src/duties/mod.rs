//! The duties of the node that leads: each compares what is committed with what should be, and proposes the difference.
//!
//! Level-triggered: a duty looks at what is, not at what happened. What was under way is void when the leader changes. Knows nothing of
//! how a proposal is carried out.

pub(crate) mod admission;
mod assignments;
pub(crate) mod autopilot;
mod budgets;
pub(crate) mod damping;
mod duty;
pub(crate) mod history;
mod raising;
pub(crate) mod reconcile;
mod reluctant;
mod shared;
pub(crate) mod weighing;

use crate::evidence::Evidence;
use crate::groups::Group;
use crate::sight::Sight;
use crate::turn::Turn;
use crate::warnings::Warnings;
use crate::whereabouts::Whereabouts;
pub(crate) use autopilot::{describe, has_all_voters, has_caught_up};

pub(crate) use duty::Will;

pub(crate) use shared::Waiting;
pub(crate) use shared::hosts::Host;
pub(crate) use shared::lapse::span;

use assignments::Assignments;
use autopilot::Autopilot;
use budgets::Budgets;
use damping::Damping;
use duty::Duty;
use history::History;
use quorate_meta::Meta;
use quorate_proto::{
    AutopilotReport, FeatureLevel, HealthView, Instance, Moment, Reason, RenewShares, SharesRenewed,
};
use raising::Raising;
use reconcile::{Difference, Reconciler};
use reluctant::Reluctant;

use std::time::Duration;

/// How often the leader looks again although nothing happened.
pub(crate) const DUTIES: Duration = Duration::from_millis(500);

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Duties {
    history: History,
    voters: Autopilot,
    raising: Raising,
    reluctant: Reluctant,
    budgets: Budgets,
    assignments: Assignments,
    waiting: Vec<Waiting>,
    reconciler: Reconciler,
    damping: Damping,
}

impl Duties {
    /// Those behind the seam, in the order in which they are looked at. The reconciler and the admissions weigh what half of the node
    /// knows, and are looked at by name.
    fn each(&mut self) -> [&mut dyn Duty; 6] {
        [
            &mut self.history,
            &mut self.voters,
            &mut self.raising,
            &mut self.reluctant,
            &mut self.budgets,
            &mut self.assignments,
        ]
    }

    /// The leader is another one, or in another term.
    pub(crate) fn begin(&mut self) {
        self.reconciler.reset();
        self.waiting.clear();
        self.each().into_iter().for_each(Duty::begin);
    }

    /// In each turn, whoever leads: since when items are held by nobody.
    pub(crate) fn note_unheld(&mut self, sight: &Sight<'_>) {
        self.assignments.note_unheld(sight);
    }

    /// A command with this ticket was applied or came to nothing. Whether a duty waited for it.
    pub(crate) fn settled(&mut self, ticket: u64) -> bool {
        self.budgets.settled(ticket);
        self.assignments.settled(ticket);
        self.reconciler.applied(ticket)
    }

    /// What keeps what hosts share from being as it should be, as the leader sees it.
    pub(crate) fn reasons_of_shares(&self, sight: &Sight<'_>, now: Moment) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = self.budgets.reasons(sight, now).collect();
        reasons.extend(self.assignments.reasons(sight, now));
        reasons
    }

    /// Answers a renewal for which a majority has confirmed this leader since it came: all that the host holds, or nothing yet while a change
    /// is under way that it must hear of first.
    pub(crate) fn renew(
        &mut self,
        meta: &Meta,
        ask: &RenewShares,
        came: Moment,
    ) -> Option<SharesRenewed> {
        let shares = self.budgets.renew(meta, ask, came)?;
        let items = self.assignments.renew(meta, ask, came)?;
        Some(SharesRenewed { shares, items })
    }

    /// A renewal waits for a change that is under way.
    pub(crate) fn hold(&mut self, waiting: Waiting) {
        self.waiting.push(waiting);
    }

    /// Those that wait, to be looked at again.
    pub(crate) fn take_waiting(&mut self) -> Vec<Waiting> {
        std::mem::take(&mut self.waiting)
    }

    /// When one of those of each turn wants to look again although nothing happens.
    pub(crate) fn next_look(&self) -> Option<Moment> {
        let next = [self.budgets.next_look(), self.assignments.next_look()];
        next.into_iter().flatten().min()
    }

    /// What a duty wanted proposed was queued under these tickets.
    pub(crate) fn proposed(&mut self, place: usize, tickets: &[u64]) {
        self.each()[place].proposed(tickets);
    }

    /// This leader found a host gone: silent, or heard by some and answering nobody.
    pub(crate) fn condemned(&mut self, instance: Instance, was_heard: bool) {
        self.damping.condemned(instance, was_heard);
    }

    /// A host was committed as gone, or as another start of itself.
    pub(crate) fn gone(&mut self, now: Moment, instance: Instance) {
        self.damping.gone(now, instance);
    }

    /// Forgets who is no member any more.
    pub(crate) fn retain(&mut self, is_member: impl Fn(Instance) -> bool) {
        self.damping.retain(is_member);
    }

    /// Who came and went of late, for whoever must know whether a host is held down.
    pub(crate) fn damping(&self) -> &Damping {
        &self.damping
    }

    /// A new view: who is gone, on every node.
    pub(crate) fn note_who_is_gone(&mut self, now: Moment, view: &HealthView) {
        self.voters.note_who_is_gone(now, view);
    }

    /// What the autopilot does and why, and what is in its way; only while this node leads.
    pub(crate) fn autopilot(
        &self,
        sight: &Sight<'_>,
        warnings: &Warnings,
    ) -> Option<(AutopilotReport, Option<Reason>)> {
        let group = sight.group.filter(|group| group.leads())?;
        Some(autopilot::told(sight, group, &self.voters, warnings))
    }

    /// Raft refused a change of the voters that it had taken.
    pub(crate) fn voters_refused(&mut self, now: Moment) {
        self.voters.refused(now);
    }

    /// Looks at those of each turn, or at the others: what is wanted, each with the place of its duty among all. Most looks want nothing,
    /// and those of each turn cost it nothing then.
    pub(crate) fn look(
        &mut self,
        sight: &Sight<'_>,
        group: &Group,
        warnings: &Warnings,
        in_each_turn: bool,
    ) -> Vec<(usize, Will)> {
        let mut wills = Vec::new();
        for (place, duty) in self.each().into_iter().enumerate() {
            if duty.is_in_each_turn() == in_each_turn {
                let mut will = Will::default();
                duty.look(sight, group, warnings, &mut will);
                if !will.is_nothing() {
                    wills.push((place, will));
                }
            }
        }
        wills
    }

    /// To which feature level the cluster rises, and when, if all stays as it is.
    pub(crate) fn planned_level(&self) -> Option<(FeatureLevel, Moment)> {
        self.raising.planned()
    }

    /// What a duty wanted of the voters was handed to raft, in this term and behind this index; or raft refused it (none).
    pub(crate) fn voters_proposed(&mut self, place: usize, at: Option<(u64, u64)>, now: Moment) {
        self.each()[place].voters_proposed(at, now);
    }

    /// What the reconciler wants committed.
    pub(crate) fn reconcile(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        evidence: &Evidence,
        whereabouts: &Whereabouts,
    ) -> Option<Difference> {
        self.reconciler.look(sight, turn, evidence, &mut self.damping, whereabouts)
    }

    /// That was proposed under this ticket.
    pub(crate) fn reconciliation_proposed(&mut self, now: Moment, ticket: u64) {
        self.reconciler.proposed(now, ticket);
    }
}
