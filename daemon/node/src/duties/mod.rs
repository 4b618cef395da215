//! The duties of the node that leads: each compares what is committed with what should be, and proposes the difference.
//!
//! Level-triggered: a duty looks at what is, not at what happened. What was under way is void when the leader changes. Knows nothing of
//! how a proposal is carried out.

pub(crate) mod admission;
pub(crate) mod autopilot;
pub(crate) mod damping;
mod duty;
pub(crate) mod history;
pub(crate) mod reconcile;
pub(crate) mod weighing;

use crate::node::Node;
use crate::sight::sight;
use crate::timers::Timer;
use autopilot::Autopilot;
use duty::{Duty, Will};
use history::History;
use quorate_proto::{ConfChange, Moment};
use reconcile::Reconciler;
use std::time::Duration;

/// How often the leader looks again although nothing happened.
pub(crate) const DUTIES: Duration = Duration::from_millis(500);

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Duties {
    history: History,
    voters: Autopilot,
    reconciler: Reconciler,
}

impl Duties {
    /// Those behind the seam, in the order in which they are looked at. The reconciler and the admissions weigh what half of the node
    /// knows, and are looked at by name.
    fn each(&mut self) -> [&mut dyn Duty; 2] {
        [&mut self.history, &mut self.voters]
    }

    /// The leader is another one, or in another term.
    pub(crate) fn begin(&mut self) {
        self.reconciler.reset();
        self.each().into_iter().for_each(Duty::begin);
    }

    /// A command with this ticket was applied or came to nothing. Whether a duty waited for it.
    pub(crate) fn settled(&mut self, ticket: u64) -> bool {
        self.reconciler.applied(ticket)
    }

    /// Raft refused a change of the voters that it had taken.
    pub(crate) fn voters_refused(&mut self, now: Moment) {
        self.voters.refused(now);
    }
}

impl Node {
    /// Everything that a leader owes the cluster; does nothing on other nodes.
    pub(crate) fn do_duties(&mut self) {
        if !self.group.as_ref().is_some_and(|group| group.replica().leads_safely()) {
            return;
        }
        self.push_news();
        self.look_at_duties(true);
        if std::mem::take(&mut self.turn.duties_due) {
            self.turn.timers.arm(Timer::Duties, self.turn.now + DUTIES);
            self.reconcile();
            self.watch_copies();
            self.settle_admissions();
            self.look_at_duties(false);
        }
    }

    /// Looks at those of each turn, or at the others, and carries out what they want.
    fn look_at_duties(&mut self, in_each_turn: bool) {
        for at in 0..self.duties.each().len() {
            let Some(group) = &self.group else { return };
            let sight = sight!(self);
            let duty = &mut *self.duties.each()[at];
            if duty.is_in_each_turn() != in_each_turn {
                continue;
            }
            let mut will = Will::default();
            duty.look(&sight, group, &mut will);
            self.carry_out(at, will);
        }
    }

    fn carry_out(&mut self, duty: usize, will: Will) {
        for body in will.propose {
            let ticket = self.requests.new_ticket();
            self.enqueue_proposal(ticket, body);
        }
        if let (Some((set, words)), Some(group)) = (will.change_voters, &mut self.group) {
            let (status, now) = (group.replica().status(), self.turn.now);
            let proposed = match group.change(set) {
                Ok(()) => {
                    // What comes of it is told by the epoch that shows it.
                    tracing::debug!(changes = %words, "change of voters proposed");
                    Some((status.term, status.last))
                }
                Err(error) => {
                    tracing::debug!(%error, "change of voters not possible now");
                    None
                }
            };
            self.duties.each()[duty].voters_proposed(proposed, now);
        }
        if let Some(at) = will.look_at {
            self.turn.timers.arm(Timer::Duties, at);
        }
    }

    /// A change of the voters, for people.
    pub(crate) fn describe(&self, changes: &[ConfChange]) -> String {
        self.group
            .as_ref()
            .map_or_else(String::new, |group| autopilot::describe(group.meta(), changes))
    }
}
