//! Sessions begin and end: who comes is judged before anybody in this node hears of it.
//!
//! Invariants: nobody speaks for a disk life with another key than the pinned one; of two copies of one disk, the one that
//! was met first is listened to. Knows nothing of what is said on a session.

use crate::event::Output;
use crate::names::is_at;
use crate::node::Node;
use crate::peers::StartVerdict;
use quorate_membership::{DetectorInput, FoundingInput};
use quorate_proto::{Choice, Generation, Goodbye, Instance, NodeKey, Session, SessionEnd, Verdict};
use std::time::Duration;

/// A session that has stood for so long is older than what a leader said on its way here.
const SETTLED: Duration = Duration::from_secs(1);

impl Node {
    pub(crate) fn session_up(&mut self, session: Session) {
        let instance = session.instance;
        if !self.peers.may_speak(instance, session.key) {
            let reason =
                format!("{} came with a key that is not the one pinned for it", session.name);
            self.turn.out.push(Output::RefuseKey {
                instance,
                key: session.key,
                reason: reason.clone(),
            });
            self.turn.event("alarm", reason, true);
            return;
        }
        // A dial may find a session that stands already. That it stands is no sign of life: it may be dying.
        let known =
            self.peers.session(instance).is_some_and(|before| before.number == session.number);
        if instance == self.config.instance {
            self.came_twice(&session);
            return self.step_founding(FoundingInput::SessionUp(session));
        }
        let member = self.health.member(instance);
        let committed = member.map(|member| member.generation);
        // Before the birth, founding judges for itself.
        if !known && self.genesis.is_some() && self.clones.is_one(self.turn.now, &session, member) {
            self.came_twice(&session);
            return self.turn_away(&session);
        }
        // Told again, it is the old connection of a host that was started anew just now: late news, not a copy.
        if !known && committed.is_some_and(|committed| session.generation < committed) {
            self.came_from_the_past(&session);
            return self.turn_away(&session);
        }
        match self.peers.judge(&session) {
            StartVerdict::Itself => {}
            StartVerdict::Restarted => {
                self.undelivered(instance);
                self.whereabouts.forget(instance);
                self.leader_restarted(instance, session.generation);
            }
            StartVerdict::Outdated if known => return,
            StartVerdict::Outdated => {
                self.came_from_the_past(&session);
                return self.turn_away(&session);
            }
            StartVerdict::Clone => {
                self.came_twice(&session);
                if self.genesis.is_some() {
                    return self.turn_away(&session);
                }
                // Founding judges for itself who is there twice.
                return self.step_founding(FoundingInput::SessionUp(session));
            }
        }
        self.whereabouts.met(&session);
        self.peers.up(self.turn.now, session.clone());
        self.step_founding(FoundingInput::SessionUp(session.clone()));
        if !known {
            self.step_detector(DetectorInput::SessionUp(session));
        }
        self.session_helps_requests(instance);
        self.turn.duties_due = true;
        self.ask_to_join();
    }

    pub(crate) fn session_down(&mut self, instance: Instance, number: u64, end: SessionEnd) {
        // Raft is not told: what was on its way goes again on the next connection, or comes back as undelivered.
        self.peers.down(instance, number);
        if end == SessionEnd::Twice {
            self.taken_for_a_copy(instance);
        }
        self.step_founding(FoundingInput::SessionDown { instance, number });
        self.step_detector(DetectorInput::SessionDown { instance, number, end });
    }

    /// `quorate farewell` says that a start has ended. Every holder of the secret can open that door; only the pinned key may say
    /// that a node is gone, and only of the start that was met here: a copy of its disk has the key too, and counts its starts
    /// up alike.
    pub(crate) fn said_goodbye(
        &mut self,
        instance: Instance,
        generation: Generation,
        boot_nonce: u64,
        key: NodeKey,
    ) {
        if !self.peers.is_pinned(instance, key) || !self.peers.met(instance, generation, boot_nonce)
        {
            self.turn.counters.frames_fenced += 1;
            return;
        }
        self.step_detector(DetectorInput::Farewell { instance, generation, by: Goodbye::Crashed });
        // Said for a process that is dead: its session stands only because nobody has noticed.
        if self.detector.verdict(instance).is_some_and(|it| it.verdict == Verdict::Left) {
            self.fail_requests_at(instance);
        }
    }

    /// The transport turned a copy away, beside the original that is connected.
    pub(crate) fn runs_twice(&mut self, copy: Session) {
        let member = self.health.member(copy.instance).is_some();
        if let Some(original) = self.peers.session(copy.instance).filter(|_| member) {
            self.clones.seen(self.turn.now, &copy, Some(original));
        }
        self.came_twice(&copy);
        self.step_founding(FoundingInput::Twice(copy));
    }

    /// The leader says to which start of a life that runs twice it listens: this node does not listen to another. A session that
    /// is as young as the leader's word may be the next start of the same host, and so may one from the committed address, when
    /// the leader is cut off from that host.
    pub(crate) fn choose(&mut self, choice: Choice) {
        if choice.instance == self.config.instance {
            return;
        }
        let session = self.peers.session(choice.instance).cloned();
        let other = session.filter(|session| session.boot_nonce != choice.boot_nonce);
        let settled = self.peers.up_for(self.turn.now, choice.instance) >= SETTLED;
        let member = self.health.member(choice.instance);
        let at_home = other.as_ref().zip(member);
        let at_home = at_home.is_some_and(|(other, member)| is_at(member, other.place()));
        if other.is_some() && (!settled || at_home) {
            return;
        }
        self.clones.chosen(self.turn.now, choice, other.as_ref());
        if let Some(other) = other {
            self.peers.forget_start(choice.instance);
            self.turn_away(&other);
        }
    }

    fn turn_away(&mut self, session: &Session) {
        self.turn.out.push(Output::TurnAway { instance: session.instance, number: session.number });
    }
}
