//! Other nodes' questions about a third: "do you hear it, now?"
//!
//! What stays true: "not heard" is said only after this node waited for a sign of life itself, and never out
//! of a pause of its own. A question that cannot be worked on stays unanswered, which proves nothing to the asker.

use crate::patience::Spans;
use crate::ping::{Outgoing, message_to};
use quorate_proto::detector_message::Body;
use quorate_proto::{ConfirmAnswer, ConfirmAsk, Generation, Instance, LifeProbe, Moment, limits};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most questions at a time: a leader may lose all others at once and ask the same three nodes about each.
/// Beyond this a question stays unanswered and is asked again.
const PROBES: usize = limits::MEMBERS;
/// How long an answer is remembered for a repeated question: the answer may have been lost.
const REMEMBERED: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct IndirectProbe {
    number: u64,
    generation: Generation,
    repeat: Duration,
    repeat_at: Moment,
    deadline: Moment,
    /// Found silent, at this moment.
    silent: Option<Moment>,
}

/// The questions being worked on, by asker and subject.
#[derive(Debug, Default)]
pub(crate) struct IndirectProbes {
    open: BTreeMap<(Instance, Instance), IndirectProbe>,
}

impl IndirectProbes {
    /// Takes a question on which there is no evidence yet, and works on it for as long as these spans allow.
    pub(crate) fn take(
        &mut self,
        now: Moment,
        asker: Instance,
        ask: &ConfirmAsk,
        spans: Spans,
        outgoing: &mut Vec<Outgoing>,
    ) {
        let key = (asker, ask.subject);
        if !self.open.contains_key(&key) && self.open.len() >= PROBES {
            return;
        }
        let probe = self.open.entry(key).or_insert_with(|| IndirectProbe {
            number: ask.number,
            generation: ask.generation,
            repeat: spans.repeat,
            repeat_at: now,
            deadline: now + spans.probe_wait,
            silent: None,
        });
        // The asker may have begun again: what was found meanwhile answers the newer question.
        probe.number = ask.number;
        probe.generation = probe.generation.max(ask.generation);
        if probe.silent.is_some() {
            outgoing.push(answer(asker, ask.subject, probe, probe.generation, false));
        }
    }

    /// A sign of life of somebody: the good answer to all who asked about it.
    pub(crate) fn heard(
        &mut self,
        subject: Instance,
        generation: Generation,
        outgoing: &mut Vec<Outgoing>,
    ) {
        self.open.retain(|(asker, about), probe| {
            if *about != subject || probe.generation > generation {
                return true;
            }
            if probe.silent.is_none() {
                outgoing.push(answer(*asker, subject, probe, generation, true));
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
    pub(crate) fn fire(&mut self, now: Moment, doubts: bool, outgoing: &mut Vec<Outgoing>) {
        self.open.retain(|(asker, subject), probe| {
            if let Some(silent) = probe.silent {
                return now.since(silent) < REMEMBERED;
            }
            if now >= probe.deadline {
                probe.silent = Some(now);
                if doubts {
                    return false;
                }
                outgoing.push(answer(*asker, *subject, probe, probe.generation, false));
            } else if now >= probe.repeat_at {
                probe.repeat_at = now + probe.repeat;
                outgoing
                    .push(message_to(*subject, Body::Probe(LifeProbe { number: probe.number })));
            }
            true
        });
    }

    pub(crate) fn next_wake(&self) -> Option<Moment> {
        let wake = |probe: &IndirectProbe| match probe.silent {
            Some(silent) => silent + REMEMBERED,
            None => probe.repeat_at.min(probe.deadline),
        };
        self.open.values().map(wake).min()
    }
}

fn answer(
    asker: Instance,
    subject: Instance,
    probe: &IndirectProbe,
    generation: Generation,
    heard: bool,
) -> Outgoing {
    let number = probe.number;
    message_to(asker, Body::Answer(ConfirmAnswer { number, subject, generation, heard }))
}
