//! What an operator asks of the cluster: how what `acts.rs` decides is carried out, at the leader.

use crate::acts::{self, Judged};
use crate::node::Node;
use crate::requests::{RETRY, Stage};
use crate::timers::Timer;
use quorate_proto::{Act, Acted, AutopilotReport, CommandBody, forward_answer};

impl Node {
    pub(super) fn act_asked(&mut self, request: u64, act: &Act) {
        if act.only_asks() {
            let text = String::new();
            let autopilot =
                self.duties.autopilot(&self.sight(), &self.warnings).map(|(report, _)| report);
            return self.acted(request, text, autopilot);
        }
        // A removal in the log, of this leader or of one before it, is not in the view yet, by which acts are judged.
        if self.requests.is_removing() {
            return self.act_waits(
                request,
                "a removal before it, which the voters have not agreed on yet",
            );
        }
        if !self.requests.is_settled(self.sight().own_term()) {
            return self.act_waits(request, "what earlier leaders left in the log");
        }
        match acts::judge(&self.sight(), &self.warnings, &self.secrets, act) {
            // Somebody who comes in may run another program than those by whom it was judged.
            Judged::Propose(CommandBody::RaiseLevel(_)) if self.requests.is_admitting() => {
                self.act_waits(request, "a host that is being let in");
            }
            Judged::Propose(body) => self.requests.propose_for(request, body),
            Judged::Done(text) => self.acted(request, text, None),
            Judged::HandOver { to, name } => {
                self.hand_over_to(to);
                self.acted(request, format!("{name} is asked to lead"), None);
            }
            Judged::HandOverFirst(to) => {
                // It waits as it did; once another leads, that one is asked.
                self.act_waits(request, "another voter to lead, as the host that goes led");
                self.hand_over_once(to);
            }
            Judged::Later(what) => self.act_waits(request, &what),
            Judged::Refused(code, text) => self.refuse(request, code, &text),
        }
    }

    fn acted(&mut self, request: u64, text: String, autopilot: Option<AutopilotReport>) {
        let (epoch, term) = (self.health.view().epoch, self.sight().own_term());
        let acted = Acted { epoch, text, term, autopilot };
        self.finish_request(request, forward_answer::Outcome::Acted(acted));
    }

    /// It is asked again soon, until its deadline, when it is told what it waited for.
    fn act_waits(&mut self, request: u64, what: &str) {
        self.requests.waits_for(request, self.turn.now, what);
        self.requests.set_stage(request, Stage::Waiting { tried: None });
        self.turn.timers.arm_if_idle(Timer::Retry, self.turn.now + RETRY);
    }
}
