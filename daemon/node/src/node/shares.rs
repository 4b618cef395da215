//! What this host holds of budgets and assignments: when the holder's room is looked at, and how the leader answers its renewals.

use crate::client::FencedAlone;
use crate::duties::Waiting;
use crate::news::ShareNews;
use crate::node::Node;
use crate::requests::{Origin, Work};
use crate::sight::sight;
use quorate_proto::{Moment, RenewShares, forward_answer};

impl Node {
    /// What lapses here ends, what is to be renewed is asked for, and renewals that waited for a change are answered.
    pub(super) fn renew_shares(&mut self) {
        self.shares.look(&sight!(self), &mut self.turn);
        if let Some(group) = &mut self.group {
            group.withdraw(self.shares.is_withdrawn());
        }
        self.hand_on();
        for Waiting { request, ask, came } in self.duties.take_waiting() {
            self.renewal_confirmed(request, ask, came);
        }
    }

    pub(super) fn hear_of_shares(&mut self, news: ShareNews) {
        match news {
            ShareNews::RenewalConfirmed { request, ask, came } => {
                self.renewal_confirmed(request, ask, came);
            }
            ShareNews::Asked { ticket, ask, deadline } => {
                self.accept(Origin::Holder(ticket), Work::Renew(ask, None), deadline);
            }
            ShareNews::Answered { ticket, answer } => {
                self.shares.answered(&sight!(self), &mut self.turn, ticket, answer);
            }
            ShareNews::Acknowledged { ticket, use_of } => {
                self.shares.acknowledge(&sight!(self), &mut self.turn, ticket, &use_of);
            }
            ShareNews::Fenced { ticket, fenced: FencedAlone { budget, instance, round } } => {
                let fenced = (budget.as_str(), instance, round);
                self.shares.fenced(&sight!(self), &mut self.turn, ticket, fenced);
            }
            ShareNews::Released { ticket, release } => {
                self.shares.release(&sight!(self), &mut self.turn, ticket, &release);
            }
        }
    }

    /// A majority has confirmed this leader since this renewal came: it is answered, at once or behind a change that is under way.
    fn renewal_confirmed(&mut self, request: u64, ask: RenewShares, came: Moment) {
        let Some(group) = self.group.as_ref().filter(|group| group.replica().leads_safely()) else {
            return;
        };
        match self.duties.renew(group.meta(), &ask, came) {
            Some(renewed) => {
                self.finish_request(request, forward_answer::Outcome::Renewed(renewed));
            }
            None if self.requests.contains(request) => {
                self.duties.hold(Waiting { request, ask, came });
            }
            None => {}
        }
    }
}
