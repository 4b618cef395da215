//! Sessions begin and end: which rooms hear of it, in which order.

use crate::event::Output;
use crate::node::Node;
use crate::sessions::{self, Arrival};
use crate::sight::sight;
use crate::status::State;
use crate::timers::Timer;
use crate::told::Event;
use quorate_membership::{DetectorInput, FoundingInput};
use quorate_proto::{
    Choice, DialFailure, Generation, Goodbye, Instance, NodeKey, Session, SessionEnd, Verdict,
};
use std::net::SocketAddr;

impl Node {
    /// Both hellos are in, or a dial found a session that stands.
    pub(super) fn session_up(&mut self, session: Session) {
        let arrival = sessions::judge(&self.sight(), &self.clones, &session);
        match arrival {
            Arrival::WrongKey => self.refuse_key(&session),
            Arrival::Own => {
                self.came_twice(&session);
                self.step_founding(FoundingInput::SessionUp(session));
            }
            Arrival::Copy => {
                self.came_twice(&session);
                match self.cluster_id {
                    Some(_) => self.turn_away(&session),
                    None => self.step_founding(FoundingInput::SessionUp(session)),
                }
            }
            Arrival::FromThePast => {
                let (sight, turn) = (sight!(self), &mut self.turn);
                self.warnings.came_from_the_past(&sight, turn, &self.clones, &session);
                self.hand_on();
                self.turn_away(&session);
            }
            Arrival::Late => {}
            Arrival::Itself { known, restarted } => {
                self.peers.note_start(&session);
                self.features.note(&session);
                if restarted {
                    self.undelivered(session.instance);
                    self.whereabouts.forget(session.instance);
                    self.pace.forget(session.instance);
                    self.turn.timers.arm(Timer::Pace, self.turn.now);
                    self.leader_restarted(session.instance, session.generation);
                }
                self.welcome(session, known);
            }
        }
    }

    fn refuse_key(&mut self, session: &Session) {
        let (instance, key) = (session.instance, session.key);
        let event = Event::WrongKey { name: session.name.clone() };
        let reason = event.to_string();
        self.turn.out.push(Output::RefuseKey { instance, key, reason });
        self.turn.event(event);
    }

    fn welcome(&mut self, session: Session, known: bool) {
        let instance = session.instance;
        self.whereabouts.met(&session);
        self.peers.up(self.turn.now, session.clone());
        self.step_founding(FoundingInput::SessionUp(session.clone()));
        if !known {
            self.step_detector(DetectorInput::SessionUp(session));
        }
        self.requests.session_up(&sight!(self), instance);
        self.turn.duties_due = true;
        self.ask_to_join();
    }

    /// A connection is gone for good.
    pub(super) fn session_down(&mut self, instance: Instance, number: u64, end: SessionEnd) {
        // Raft is not told: what was on its way goes again on the next connection, or comes back as undelivered.
        if end == SessionEnd::Revoked {
            self.revoked.cut_off_by(&sight!(self), &mut self.turn, instance);
        }
        self.peers.down(instance, number);
        if end == SessionEnd::Twice {
            let quorate = self.state() == State::Quorate;
            self.turned_away.taken_for_a_copy(&sight!(self), &mut self.turn, quorate, instance);
        }
        self.step_founding(FoundingInput::SessionDown { instance, number });
        self.step_detector(DetectorInput::SessionDown { instance, number, end });
    }

    /// `quorate farewell` says that a start has ended. Every holder of the secret can open that door; only the pinned key may say
    /// that a node is gone, and only of the start that was met here: a copy of its disk has the key too, and counts its starts
    /// up alike.
    pub(super) fn said_goodbye(
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
    pub(super) fn runs_twice(&mut self, copy: Session) {
        let member = self.health.member(copy.instance).is_some();
        if let Some(original) = self.peers.session(copy.instance).filter(|_| member) {
            self.clones.seen(self.turn.now, &copy, Some(original));
        }
        self.came_twice(&copy);
        self.step_founding(FoundingInput::Twice(copy));
    }

    /// Nobody was met at an address that was dialled.
    pub(super) fn dial_failed(&mut self, address: SocketAddr, failure: DialFailure) {
        if failure == DialFailure::Twice {
            let quorate = self.state() == State::Quorate;
            let (sight, turn) = (sight!(self), &mut self.turn);
            self.turned_away.taken_for_a_copy_at(&sight, turn, quorate, address);
        }
        if failure == DialFailure::Revoked {
            self.revoked.refused_at(&sight!(self), &mut self.turn, address);
        }
        if failure == DialFailure::OneWay {
            self.warnings.not_heard_at(&sight!(self), &mut self.turn, address);
            self.hand_on();
        }
        self.turn.duties_due |= self.whereabouts.silent(address);
        self.step_founding(FoundingInput::DialFailed { address, failure });
    }

    fn came_twice(&mut self, copy: &Session) {
        self.warnings.came_twice(&sight!(self), &mut self.turn, &self.clones, copy);
        self.hand_on();
    }

    /// The leader listens to this start of a life that runs twice.
    pub(super) fn choose(&mut self, choice: Choice) {
        let Ok(other) = sessions::other_than_chosen(&self.sight(), choice) else { return };
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
