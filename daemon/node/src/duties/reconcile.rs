//! The leader's reconciler: while fresh evidence differs from the committed health, the difference is proposed.
//!
//! Level-triggered: it looks at what is, not at what happened, so a missed event cannot be lost. One proposal
//! is in flight at a time, guarded by the epoch it was made from. A suspicion alone never gets this far.

use crate::duties::damping::{self, Damping, Life};
use crate::duties::weighing::{Voice, Word, weigh};
use crate::evidence::Evidence;
use crate::sight::{Sight, UNHEARD};
use crate::timers::Timer;
use crate::turn::Turn;
use crate::whereabouts::Whereabouts;
use quorate_membership::{Opinion, Profile};
use quorate_proto::{
    Goodbye, HealthProposal, Instance, Member, MemberState, Moment, StateChange, Verdict, limits,
};
use std::sync::Arc;
use std::time::Duration;

/// How often while a host that is heard is held down.
const HELD: Duration = Duration::from_millis(100);
/// A proposal whose fate is not seen after this long is made again.
const PATIENCE: Duration = Duration::from_secs(2);

/// Starts of a host beyond the committed one that a leader takes from the word of another replica. With more, one that lies could
/// shut a host out: the next start of the host counts one up.
const RESTARTS: u64 = 64;
/// What another hears for a leader is there, whatever others say: it asks again each second, and once more when an answer was lost.
const VOUCHED: Duration = Profile::DEFAULT.vouched;

/// Whether a member is there by this node's own evidence, which is renewed all the time while it is: heard within the silence that is borne
/// with, or by another for it.
fn is_there(now: Moment, own: &Opinion, silence: Duration) -> bool {
    let within = |at: Option<Moment>, span| at.is_some_and(|at| now.since(at) < span);
    let gone = match own.verdict {
        Verdict::Left => return false,
        Verdict::Down => Some(own.since),
        Verdict::Alive | Verdict::Suspect => None,
    };
    own.heard.max(own.vouched) > gone
        && (within(own.heard, silence) || within(own.vouched, VOUCHED))
}

/// The proposal in flight.
#[derive(Debug, Default)]
pub(crate) struct Reconciler {
    in_flight: Option<(u64, Moment)>,
}

impl Reconciler {
    /// Another leader, or a new term.
    pub(crate) fn reset(&mut self) {
        self.in_flight = None;
    }

    /// A command with this ticket was applied or came to nothing. Whether it was the proposal in flight.
    pub(crate) fn applied(&mut self, ticket: u64) -> bool {
        self.in_flight.take_if(|(waited_for, _)| *waited_for == ticket).is_some()
    }

    /// The difference between what is committed and what the evidence says, unless the last proposal is still in flight.
    pub(super) fn look(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        evidence: &Evidence,
        damping: &mut Damping,
        whereabouts: &Whereabouts,
    ) -> Option<Difference> {
        if self.in_flight.is_some_and(|(_, since)| turn.now.since(since) < PATIENCE) {
            return None;
        }
        let mut judge = Judge { sight, turn, evidence, damping, whereabouts };
        let changes = judge.differences();
        if changes.is_empty() {
            return None;
        }
        let if_epoch = sight.group.map(|group| group.meta().epoch()).unwrap_or_default();
        let proposed = changes.iter().map(|(change, _)| change.clone()).collect();
        let proposal = HealthProposal { if_epoch, changes: proposed, at_unix_ms: turn.wall_ms };
        Some(Difference { proposal, changes })
    }

    /// The difference was proposed under this ticket.
    pub(super) fn proposed(&mut self, now: Moment, ticket: u64) {
        self.in_flight = Some((ticket, now));
    }
}

/// What is to be committed.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) proposal: HealthProposal,
    /// Each change with the moment of its evidence.
    pub(crate) changes: Vec<(StateChange, Moment)>,
}

/// All that is weighed when it is judged what must change.
struct Judge<'a, 'b> {
    sight: &'a Sight<'b>,
    turn: &'a mut Turn,
    evidence: &'a Evidence,
    damping: &'a mut Damping,
    whereabouts: &'a Whereabouts,
}

impl Judge<'_, '_> {
    /// What must change, each with the moment of its evidence.
    fn differences(&mut self) -> Vec<(StateChange, Moment)> {
        let view = Arc::clone(self.sight.health.view());
        let mut voices = self.evidence.voices(self.turn.now);
        let mut changes = Vec::new();
        for member in view.members.iter().take(limits::MEMBERS) {
            let voices = voices.remove(&member.instance).unwrap_or_default();
            changes.extend(self.difference(member, voices));
        }
        changes
    }

    fn difference(
        &mut self,
        member: &Member,
        mut reported: Vec<Voice>,
    ) -> Option<(StateChange, Moment)> {
        if member.instance == self.sight.config.instance {
            return Some((self.own_difference(member)?, self.turn.now));
        }
        let own = self.sight.detector.verdict(member.instance);
        let own = own.filter(|opinion| opinion.generation >= member.generation);
        let mut voices = Vec::new();
        // A start that is committed makes every earlier one of that host the past, for ever.
        // Nor is a goodbye undone: for both a replica must speak.
        reported.retain(|voice| {
            let newer = voice.generation > member.generation;
            let lasting = newer || voice.word == Word::Left;
            (!lasting || self.sight.is_known_replica(voice.by))
                && voice.generation.get().saturating_sub(member.generation.get()) <= RESTARTS
        });
        if let Some(own) = &own {
            let silence = UNHEARD.max(self.sight.pace.silence_of(member.instance));
            if is_there(self.turn.now, own, silence) {
                // Whom this node hears, or has heard for it, is not there for some of the others, or was started again as a copy
                // before their eyes; that is no death, and no restart as long as it goes on.
                reported.retain(|voice| {
                    voice.word == Word::Heard && voice.generation <= own.generation
                });
            }
            self.own_voices(own, &mut voices);
        }
        voices.append(&mut reported);
        let standing = self.evidence.standing(member);
        match weigh(&standing, &voices) {
            Some(voice) => self.change(member, voice, &voices).map(|change| (change, voice.at)),
            None => Some((self.address_change(member, own.as_ref()?)?, standing.at)),
        }
    }

    /// This node's own evidence about another.
    fn own_voices(&self, own: &Opinion, voices: &mut Vec<Voice>) {
        let mut say = |word, at, reason: &str| {
            let (by, reason) = (self.sight.config.instance, reason.to_owned());
            let (generation, goodbye) = (own.generation, own.goodbye);
            voices.push(Voice { by, generation, word, at, reason, goodbye });
        };
        let answers = if own.verdict == Verdict::Alive { &own.reason } else { "answers" };
        own.heard.into_iter().for_each(|at| say(Word::Heard, at, answers));
        own.vouched.into_iter().for_each(|at| say(Word::Heard, at, "answers another node"));
        match own.verdict {
            Verdict::Left => say(Word::Left, own.since, &own.reason),
            Verdict::Down => say(Word::Down, own.since, &own.reason),
            Verdict::Alive | Verdict::Suspect => {}
        }
    }

    /// The change that a voice asks for, unless the member has come and gone too often of late.
    fn change(&mut self, member: &Member, voice: &Voice, voices: &[Voice]) -> Option<StateChange> {
        let instance = member.instance;
        let times = self.damping.times(self.turn.now, instance);
        let was_there = member.state() == MemberState::Alive;
        let mut reason = voice.reason.clone();
        let state = match voice.word {
            Word::Left => MemberState::Left,
            Word::Heard if !was_there => {
                let silent = |voice: &&Voice| voice.word == Word::Down;
                let silent = voices.iter().filter(silent).map(|voice| voice.at).max();
                let life = Life {
                    generation: voice.generation,
                    restarted: voice.generation > member.generation,
                    heard: voice.at,
                    silent,
                };
                if !self.damping.lets_back(self.turn.now, instance, life) {
                    self.turn.timers.arm(Timer::Duties, self.turn.now + HELD);
                    return None;
                }
                MemberState::Alive
            }
            // A restart that nobody saw as a departure is one.
            Word::Heard if damping::hold(times + 1).is_zero() => MemberState::Alive,
            Word::Heard | Word::Down => MemberState::Down,
        };
        if was_there && state != MemberState::Alive {
            reason.push_str(&damping::words(times + 1));
        }
        let own = voice.by == self.sight.config.instance && state == MemberState::Alive;
        Some(StateChange {
            instance,
            generation: voice.generation,
            state: state.into(),
            reason,
            reporter: self.reporter(voice.by),
            address: self.whereabouts.moved_to(self.sight, member).filter(|_| own).map(Into::into),
            also_at: self
                .whereabouts
                .also_at(self.sight.founding, member)
                .filter(|_| own)
                .map(Into::into),
            goodbye: voice.goodbye.into(),
        })
    }

    fn reporter(&self, instance: Instance) -> String {
        if instance == self.sight.config.instance {
            return self.sight.config.name.to_string();
        }
        self.sight.health.name(instance)
    }

    /// A member that is there, and heard by this node, is to be found at another address, or at two.
    fn address_change(&self, member: &Member, own: &Opinion) -> Option<StateChange> {
        let there = member.state() == MemberState::Alive && own.verdict == Verdict::Alive;
        if !there || !own.direct || own.generation != member.generation {
            return None;
        }
        let address = self.whereabouts.moved_to(self.sight, member).map(Into::into);
        let also_at = self.whereabouts.also_at(self.sight.founding, member).map(Into::into);
        if address.is_none() && also_at.is_none() {
            return None;
        }
        Some(StateChange {
            instance: member.instance,
            generation: own.generation,
            state: MemberState::Alive.into(),
            reason: own.reason.clone(),
            reporter: self.sight.config.name.to_string(),
            address,
            also_at,
            goodbye: Goodbye::None.into(),
        })
    }

    /// The leader itself was restarted, or committed as gone by an earlier leader.
    fn own_difference(&self, member: &Member) -> Option<StateChange> {
        let newer = member.generation < self.sight.config.generation;
        let moved = self.sight.own_move(member);
        if member.state() == MemberState::Alive && !newer && moved.is_none() {
            return None;
        }
        Some(StateChange {
            instance: member.instance,
            generation: self.sight.config.generation,
            state: MemberState::Alive.into(),
            reason: "leads".to_owned(),
            reporter: self.sight.config.name.to_string(),
            address: moved.map(Into::into),
            also_at: None,
            goodbye: Goodbye::None.into(),
        })
    }
}
