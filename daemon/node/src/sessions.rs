//! Sessions begin and end: who comes is judged before anybody in this node hears of it.
//!
//! Invariants: nobody speaks for a disk life with another key than the pinned one; of two copies of one disk, the one that
//! was met first is listened to. Knows nothing of what is said on a session.

use crate::event::Output;
use crate::node::Node;
use crate::peers::Comer;
use quorate_membership::{DetectorInput, FoundingInput};
use quorate_proto::{Instance, Session, SessionEnd};

impl Node {
    pub(crate) fn session_up(&mut self, session: Session, out: &mut Vec<Output>) {
        let instance = session.instance;
        if !self.peers.may_speak(instance, session.key) {
            let reason =
                format!("{} came with a key that is not the one pinned for it", session.name);
            out.push(Output::RefuseKey { instance, key: session.key, reason: reason.clone() });
            self.event("alarm", reason, true, out);
            return;
        }
        // A dial may find a session that stands already. That it stands is no sign of life: it may be dying.
        let known =
            self.peers.session(instance).is_some_and(|before| before.number == session.number);
        if instance == self.config.instance {
            self.came_twice(&session, out);
            return self.step_founding(FoundingInput::SessionUp(session), out);
        }
        let committed = self.health.member(instance).map(|member| member.generation);
        // Told again, it is the old connection of a host that was started anew just now: late news, not a copy.
        if !known && committed.is_some_and(|committed| session.generation < committed) {
            return self.came_from_the_past(&session, out);
        }
        match self.peers.judge(&session) {
            Comer::Itself => {}
            Comer::Restarted => {
                self.undelivered(instance);
                self.whereabouts.forget(instance);
                self.leader_restarted(instance, session.generation);
            }
            Comer::Outdated if known => return,
            Comer::Outdated => return self.came_from_the_past(&session, out),
            Comer::Clone => {
                self.came_twice(&session, out);
                // Founding judges for itself who is there twice.
                return self.step_founding(FoundingInput::SessionUp(session), out);
            }
        }
        self.whereabouts.met(&session);
        self.peers.up(session.clone());
        self.step_founding(FoundingInput::SessionUp(session.clone()), out);
        if !known {
            self.step_detector(DetectorInput::SessionUp(session), out);
        }
        self.session_helps_requests(instance);
        self.duties_due = true;
        self.ask_to_join(out);
    }

    pub(crate) fn session_down(
        &mut self,
        instance: Instance,
        number: u64,
        end: SessionEnd,
        out: &mut Vec<Output>,
    ) {
        // Raft is not told: what was on its way goes again on the next connection, or comes back as undelivered.
        self.peers.down(instance, number);
        self.step_founding(FoundingInput::SessionDown { instance, number }, out);
        self.step_detector(DetectorInput::SessionDown { instance, number, end }, out);
    }
}
