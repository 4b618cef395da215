//! A majority is lost for good: how the node hears of what `recovery.rs` decides, and stops for it.

use crate::node::Node;
use crate::recovery::holding;
use crate::requests::Origin;
use crate::sight::sight;
use crate::status::State;
use quorate_proto::{FoundingCertificate, Holding, RecoveryAsk, forward_answer};

impl Node {
    /// What this node holds of `__meta`.
    #[must_use]
    pub fn holding(&self) -> Holding {
        let quorate = self.state() == State::Quorate;
        holding(&self.sight(), quorate, self.requests.acknowledged())
    }

    /// Somebody asks what this node holds, or has it carry out its part of a plan.
    pub(super) fn asked_to_recover(&mut self, origin: Origin, ask: &RecoveryAsk) {
        let holding = self.holding();
        let (answer, stops) = self.recovery.asked(&mut self.turn, holding, ask);
        self.answer(origin, Ok(forward_answer::Outcome::Recovering(answer)));
        if stops {
            self.begin_stop();
        }
    }

    /// This node's cluster was founded anew by others.
    pub(super) fn founded_anew(&mut self, founded: FoundingCertificate) {
        let quorate = self.state() == State::Quorate;
        if quorate {
            self.founding.is_beside(founded.record.cluster_id());
        }
        let (sight, turn) = (sight!(self), &mut self.turn);
        if self.recovery.founded_anew(&sight, turn, quorate, founded) {
            self.begin_stop();
        }
    }

    /// It was left behind, and may have found a majority since.
    pub(super) fn look_for_a_majority(&mut self) {
        let quorate = self.state() == State::Quorate;
        let (sight, turn) = (sight!(self), &mut self.turn);
        if self.recovery.look_again(&sight, turn, quorate) {
            self.begin_stop();
        }
    }
}
