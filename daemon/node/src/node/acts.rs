//! What an operator asks of the cluster: how what `acts.rs` decides is carried out, at the leader.

use crate::acts::{self, Judged};
use crate::node::Node;
use crate::requests::Stage;
use quorate_proto::{Act, Acted, forward_answer};

impl Node {
    pub(super) fn act_asked(&mut self, request: u64, act: &Act) {
        match acts::judge(&self.sight(), &self.warnings, act) {
            Judged::Propose(body) => self.requests.propose_for(request, body),
            Judged::HandOver { to, name } => {
                self.hand_over_to(to);
                let epoch = self.health.view().epoch;
                let text = format!("{name} is asked to lead");
                let acted = forward_answer::Outcome::Acted(Acted { epoch, text });
                self.finish_request(request, acted);
            }
            Judged::HandOverFirst(to) => {
                // It waits as it did; once another leads, that one is asked.
                self.requests.set_stage(request, Stage::Waiting { tried: None });
                self.hand_over_to(to);
            }
            Judged::Refused(code, text) => self.refuse(request, code, &text),
        }
    }
}
