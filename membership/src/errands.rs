//! Other nodes' questions about a third: "do you hear it, now?"
//!
//! What stays true: "not heard" is said only after this node waited for a sign of life itself, and never out
//! of a pause of its own. A question that cannot be worked on stays unanswered, which proves nothing to the asker.

use crate::config::Profile;
use crate::ping::{Letter, letter};
use quorate_proto::detector_message::Body;
use quorate_proto::{ConfirmAnswer, ConfirmAsk, Generation, Instance, LifeProbe, Moment, limits};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most questions at a time: a leader may lose all others at once and ask the same three nodes about each.
/// Beyond this a question stays unanswered and is asked again.
const ERRANDS: usize = limits::MEMBERS;
/// How long an answer is remembered for a repeated question: the answer may have been lost.
const REMEMBERED: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Errand {
    number: u64,
    generation: Generation,
    repeat_at: Moment,
    deadline: Moment,
    /// Found silent, at this moment.
    silent: Option<Moment>,
}

/// The questions being worked on, by asker and subject.
#[derive(Debug)]
pub(crate) struct Errands {
    profile: Profile,
    open: BTreeMap<(Instance, Instance), Errand>,
}

impl Errands {
    pub(crate) fn new(profile: Profile) -> Self {
        Self { profile, open: BTreeMap::new() }
    }

    /// Takes a question on which there is no evidence yet.
    pub(crate) fn take(
        &mut self,
        now: Moment,
        asker: Instance,
        ask: &ConfirmAsk,
        letters: &mut Vec<Letter>,
    ) {
        let key = (asker, ask.subject);
        if !self.open.contains_key(&key) && self.open.len() >= ERRANDS {
            return;
        }
        let errand = self.open.entry(key).or_insert_with(|| Errand {
            number: ask.number,
            generation: ask.generation,
            repeat_at: now,
            deadline: now + self.profile.probe_wait,
            silent: None,
        });
        // The asker may have begun again: what was found meanwhile answers the newer question.
        errand.number = ask.number;
        errand.generation = errand.generation.max(ask.generation);
        if errand.silent.is_some() {
            letters.push(said(asker, ask.subject, errand, errand.generation, false));
        }
    }

    /// A sign of life of somebody: the good answer to all who asked about it.
    pub(crate) fn heard(
        &mut self,
        subject: Instance,
        generation: Generation,
        letters: &mut Vec<Letter>,
    ) {
        self.open.retain(|(asker, about), errand| {
            if *about != subject || errand.generation > generation {
                return true;
            }
            if errand.silent.is_none() {
                letters.push(said(*asker, subject, errand, generation, true));
            }
            false
        });
    }

    /// After a pause of our own nothing that we failed to hear means anything.
    pub(crate) fn drop_all(&mut self) {
        self.open.clear();
    }

    pub(crate) fn forget(&mut self, instance: Instance) {
        self.open.retain(|(asker, about), _| *asker != instance && *about != instance);
    }

    /// Probes, repeats, and answers what has waited long enough; a node in doubt of itself does not answer.
    pub(crate) fn fire(&mut self, now: Moment, doubts: bool, letters: &mut Vec<Letter>) {
        let repeat = self.profile.repeat;
        self.open.retain(|(asker, subject), errand| {
            if let Some(silent) = errand.silent {
                return now.since(silent) < REMEMBERED;
            }
            if now >= errand.deadline {
                errand.silent = Some(now);
                if doubts {
                    return false;
                }
                letters.push(said(*asker, *subject, errand, errand.generation, false));
            } else if now >= errand.repeat_at {
                errand.repeat_at = now + repeat;
                letters.push(letter(*subject, Body::Probe(LifeProbe { number: errand.number })));
            }
            true
        });
    }

    pub(crate) fn next_wake(&self) -> Option<Moment> {
        let wake = |errand: &Errand| match errand.silent {
            Some(silent) => silent + REMEMBERED,
            None => errand.repeat_at.min(errand.deadline),
        };
        self.open.values().map(wake).min()
    }
}

fn said(
    asker: Instance,
    subject: Instance,
    errand: &Errand,
    generation: Generation,
    heard: bool,
) -> Letter {
    let number = errand.number;
    letter(asker, Body::Answer(ConfirmAnswer { number, subject, generation, heard }))
}
