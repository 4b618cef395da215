//! The leader's duties: which are looked at when, and how what they want is carried out.

use crate::duties::{DUTIES, Will};
use crate::node::Node;
use crate::sight::sight;
use crate::stop;
use crate::timers::Timer;
use quorate_proto::CommandBody;

impl Node {
    /// Everything that a leader owes the cluster. Other nodes take note of what they are asked for.
    pub(super) fn do_duties(&mut self) {
        self.duties.note_unheld(&sight!(self));
        if !self.group.as_ref().is_some_and(|group| group.replica().leads_safely()) {
            return;
        }
        self.push_news();
        self.look_at_duties(true);
        if let Some(at) = self.duties.next_look() {
            self.turn.timers.arm(Timer::Budgets, at);
        }
        if std::mem::take(&mut self.turn.duties_due) {
            self.turn.timers.arm(Timer::Duties, self.turn.now + DUTIES);
            self.reconcile();
            self.propose_applications();
            self.copies.watch(&sight!(self));
            self.settle_admissions();
            self.change_secret();
            self.look_at_duties(false);
        }
    }

    fn reconcile(&mut self) {
        let (sight, turn) = (sight!(self), &mut self.turn);
        self.whereabouts.look_for_those_met_elsewhere(&sight, turn);
        let difference = self.duties.reconcile(&sight, turn, &self.evidence, &self.whereabouts);
        let Some(difference) = difference else { return };
        self.evidence.proposes(difference.changes);
        let ticket = self.requests.new_ticket();
        self.duties.reconciliation_proposed(self.turn.now, ticket);
        self.requests.enqueue_proposal(ticket, CommandBody::Health(difference.proposal));
    }

    /// What hosts report of their applications shares an epoch with nothing else, and is no duty behind the seam: half of it is what is
    /// reported here.
    fn propose_applications(&mut self) {
        let Some(group) = &self.group else { return };
        let Some(body) = self.applications.look(&sight!(self), &mut self.turn, group) else {
            return;
        };
        let ticket = self.requests.new_ticket();
        self.applications.proposed(self.turn.now, ticket);
        self.requests.enqueue_proposal(ticket, body);
    }

    /// Looks at those of each turn, or at the others, and carries out what they want.
    fn look_at_duties(&mut self, in_each_turn: bool) {
        let Some(group) = &self.group else { return };
        let wills = self.duties.look(&sight!(self), group, &self.warnings, in_each_turn);
        for (duty, will) in wills {
            self.carry_out(duty, will);
        }
    }

    /// Not while somebody is let in, who may run another program than those by whom it was judged; and not while a raise is under way.
    /// What is skipped here is wanted again at the next look.
    fn may_raise_now(&self) -> bool {
        let raising = self.sight().level().is_some_and(|level| self.requests.is_raising(level));
        !raising && !self.requests.is_admitting()
    }

    fn carry_out(&mut self, duty: usize, will: Will) {
        for event in will.tell {
            self.turn.event(event);
        }
        let mut tickets = Vec::new();
        for body in will.propose {
            if matches!(body, CommandBody::RaiseLevel(_)) && !self.may_raise_now() {
                continue;
            }
            let ticket = self.requests.new_ticket();
            self.requests.enqueue_proposal(ticket, body);
            tickets.push(ticket);
        }
        self.duties.proposed(duty, &tickets);
        if will.another_leads
            && let Some(to) = stop::successor(&self.sight(), &self.warnings)
        {
            self.hand_over_once(to);
        }
        if will.ready_one_leads
            && let Some(to) = stop::ready_successor(&self.sight(), &self.warnings)
        {
            self.hand_over_once(to);
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
            self.duties.voters_proposed(duty, proposed, now);
        }
        if let Some(at) = will.look_at {
            self.turn.timers.arm(Timer::Duties, at);
        }
    }
}
