//! Who asks to be let in, at the leader: from the question to the answer.

use crate::duties::admission::{Looked, proven};
use crate::node::Node;
use crate::requests::{Origin, Stage, Work};
use crate::sight::sight;
use quorate_proto::{Admit, CommandBody, Instance, Moment, Refusal, RefusalCode};

impl Node {
    /// A joiner asks this leader. What TLS proved replaces what the joiner says of itself.
    pub(crate) fn admit_asked(
        &mut self,
        ticket: u64,
        from: Instance,
        admit: Admit,
        deadline: Moment,
    ) {
        let origin = Origin::Forwarded(ticket);
        let session = self.peers.session(from);
        let Some(admit) = session.and_then(|session| proven(session, admit)) else {
            let text = "a node can only ask for itself, on its own session".to_owned();
            let refusal = Refusal { code: RefusalCode::Other.into(), detail: 0, text };
            self.answer(origin, Err(refusal));
            return;
        };
        self.accept(origin, Work::Admit(Box::new(admit)), deadline);
    }

    /// This node leads: the asker waits for its look at it.
    pub(crate) fn look_at_asker(&mut self, request: u64, admit: Admit) {
        if !self.admission.wait(&mut self.turn, request, admit) {
            let text = "too many nodes ask to be let in at once; ask again";
            return self.refuse(request, RefusalCode::Busy, text);
        }
        self.requests.set_stage(request, Stage::Serving);
    }

    /// This node no longer leads: whoever asks is sent to who does. True when somebody waited.
    pub(crate) fn forget_askers(&mut self) -> bool {
        self.admission.forget_askers()
    }

    /// The leader looks at who asks: proposes, waits for a name to be free, or refuses.
    pub(super) fn settle_admissions(&mut self) {
        // Who may come hangs on the level.
        if self.sight().level().is_some_and(|level| self.requests.is_raising(level)) {
            return;
        }
        let (sight, turn, requests) = (sight!(self), &mut self.turn, &self.requests);
        let still_waits = |request| requests.contains(request);
        let damping = self.duties.damping();
        let looked = self.admission.look(&sight, turn, &self.names, damping, still_waits);
        self.hand_on();
        for looked in looked {
            match looked {
                Looked::Admit { request, admit } => {
                    self.requests.propose_for(request, CommandBody::Admit(admit));
                }
                Looked::Refused { request, code, text } => self.refuse(request, code, &text),
            }
        }
    }
}
