//! One turn of the detector: everything that is due, and what gossip's word does to the verdicts.

use crate::detector::{Detector, send};
use crate::event::DetectorOutput;
use crate::patience::SILENCE_START;
use crate::ping::{Finding, Why, World};
use crate::swim::Effects;
use crate::verdicts::Source;
use quorate_proto::{Generation, Instance, Moment, Verdict};
use rand::RngExt as _;
use std::time::Duration;

/// Most addresses probed in one turn (turns come every 100 ms at least): the start of a node of a cluster
/// of 1,000 shall not be a thousand handshakes at once.
const PROBES: usize = 16;

impl Detector {
    /// Does everything that is due.
    pub(crate) fn fire(&mut self, now: Moment, out: &mut Vec<DetectorOutput>) {
        self.awareness.settle(now);
        let mut effects = Effects::default();
        self.swim.fire(now, &mut effects);
        self.carry_out(now, effects, out);
        self.judge(now, out);
        self.settle_disputes(now, out);
        let mut outgoing = Vec::new();
        self.indirect_probes.fire(now, self.awareness.doubts(), &mut outgoing);
        send(outgoing, out);
        self.probe(now, out);
        if let Some((card, at)) = &mut self.card
            && *at <= now
        {
            *at = now + self.config.profile.card_repeat;
            self.swim.spread(card);
        }
    }

    /// The next moment at which something is due; at most one pulse away.
    pub(crate) fn earliest(&self, now: Moment) -> Moment {
        let patience = |span| self.awareness.patience(span);
        let probes = self.contacts.iter().map(|(_, contact)| contact.next_probe).min();
        let disputes = self.disputed.values().map(|(_, at)| *at).min();
        let others = [
            self.swim.next_wake(),
            self.pings.next_wake(&patience),
            self.indirect_probes.next_wake(),
            self.card.as_ref().map(|(_, at)| *at),
            probes,
            disputes,
        ];
        let pulse = now + self.config.profile.pulse;
        let soonest = now + Duration::from_micros(1);
        others.into_iter().flatten().fold(pulse, Moment::min).max(soonest)
    }

    fn judge(&mut self, now: Moment, out: &mut Vec<DetectorOutput>) {
        let mut outgoing = Vec::new();
        let (contacts, verdicts, awareness) = (&self.contacts, &self.verdicts, &self.awareness);
        let world = World {
            now,
            confirmers: &self.confirmers,
            subject: &|instance| {
                let contact = contacts.get(instance);
                let opinion = verdicts.get(instance).map(|opinion| opinion.generation);
                let generation = contact.map(|contact| contact.generation).max(opinion);
                let address = contact.and_then(|contact| contact.address).map(Into::into);
                (generation.unwrap_or_default(), address)
            },
            trusted: &|instance| verdicts.is_alive(instance),
            patience: &|span| awareness.patience(span),
        };
        let findings = self.pings.fire(&world, &mut outgoing);
        send(outgoing, out);
        for finding in findings {
            self.weigh(now, finding, out);
        }
    }

    /// What a piece of direct evidence does.
    fn weigh(&mut self, now: Moment, finding: Finding, out: &mut Vec<DetectorOutput>) {
        let changed = match finding {
            Finding::Suspect { subject, why } => {
                self.verdicts.suspect(now, subject, self.generation(subject), words(why))
            }
            Finding::Condemned { subject, why, confirmer } => {
                let (reason, source) = match confirmer {
                    Some(one) => {
                        self.awareness.confirmed();
                        let by = self.contacts.name(one);
                        (format!("{}, confirmed by {by}", words(why)), Source::Confirmed)
                    }
                    None => (format!("{}, nobody else to ask", words(why)), Source::Direct),
                };
                self.verdicts.down(now, subject, self.generation(subject), reason, source)
            }
            Finding::Refuted { subject, by, generation, heard, first, expected } => {
                self.verdicts.vouched(subject, generation, heard);
                if first {
                    self.awareness.refuted(now);
                }
                let by = self.contacts.name(by);
                if expected { None } else { self.verdicts.cleared(now, subject, &by) }
            }
            Finding::Mute { .. } => {
                self.awareness.nobody_answered(now);
                None
            }
        };
        out.extend(changed.map(DetectorOutput::Verdict));
    }

    fn generation(&self, instance: Instance) -> Generation {
        let contact = self.contacts.get(instance).map(|contact| contact.generation);
        let opinion = self.verdicts.get(instance).map(|opinion| opinion.generation);
        contact.max(opinion).unwrap_or_default()
    }

    /// Gossip counts it as there.
    pub(crate) fn taken_up(
        &mut self,
        now: Moment,
        instance: Instance,
        generation: Generation,
        out: &mut Vec<DetectorOutput>,
    ) {
        if !self.swim.is_active(instance) {
            return;
        }
        self.disputed.remove(&instance);
        if let Some(opinion) = self.verdicts.gossip_alive(now, instance, generation) {
            self.pings.begin_again(now, instance);
            out.push(DetectorOutput::Verdict(opinion));
        }
        if !self.verdicts.is_alive(instance)
            && let Some(contact) = self.contacts.get_mut(instance)
        {
            // We have it as down by our own ears; then our own ears are to hear it.
            contact.next_probe = now;
        }
        let contact = self.contacts.get(instance).filter(|contact| contact.session.is_none());
        if let Some(address) = contact.and_then(|contact| contact.address) {
            out.push(DetectorOutput::IsThere { address });
        }
    }

    /// Gossip has given it up.
    pub(crate) fn given_up(
        &mut self,
        now: Moment,
        instance: Instance,
        generation: Generation,
        out: &mut Vec<DetectorOutput>,
    ) {
        // Gossip hears of each other one a few times a second: what pings say sooner is not its matter.
        let silence = self.pings.patience.with(instance).silence.max(SILENCE_START);
        let speaking = self.contacts.speaking(instance).unwrap_or_default();
        let heard = self.pings.last_heard(instance).filter(|_| speaking >= generation);
        let opinion = self.verdicts.get(instance).filter(|one| one.generation >= generation);
        let vouched = opinion.and_then(|opinion| opinion.vouched);
        let heard = heard.map(|at| at + silence);
        let until = heard.max(vouched.map(|at| at + self.config.profile.vouched));
        if let Some(until) = until.filter(|until| *until > now) {
            self.disputed.insert(instance, (generation, until));
            return;
        }
        if self.awareness.stood_still() {
            self.disputed.insert(instance, (generation, now + silence));
            return;
        }
        self.disputed.remove(&instance);
        let alone = self.swim.active().iter().all(|other| *other == instance);
        let (reason, source) = if alone || self.awareness.doubts() {
            ("gossip: no answer to probes, and nobody else was there to ask", Source::LoneGossip)
        } else {
            ("gossip: no answer to direct and indirect probes", Source::Gossip)
        };
        let changed = self.verdicts.down(now, instance, generation, reason.to_owned(), source);
        out.extend(changed.map(DetectorOutput::Verdict));
    }

    /// Whom gossip gave up while we, or one whom we ask, still heard it: has it fallen silent?
    fn settle_disputes(&mut self, now: Moment, out: &mut Vec<DetectorOutput>) {
        let due = self.disputed.iter().filter(|(_, (_, at))| *at <= now);
        let due: Vec<_> = due.map(|(instance, (generation, _))| (*instance, *generation)).collect();
        for (instance, generation) in due {
            if self.swim.is_active(instance) {
                self.disputed.remove(&instance);
            } else {
                self.given_up(now, instance, generation, out);
            }
        }
    }

    /// Probes the addresses of those who are not alive, and announces us to those who are not in gossip; for ever.
    fn probe(&mut self, now: Moment, out: &mut Vec<DetectorOutput>) {
        if self.contacts.iter().all(|(_, contact)| contact.next_probe > now) {
            return;
        }
        let profile = self.config.profile;
        let active = self.swim.active();
        let mut announce = Vec::new();
        for (instance, contact) in self.contacts.iter_mut() {
            if contact.next_probe > now {
                continue;
            }
            if announce.len() >= PROBES {
                contact.next_probe = now + profile.pulse;
                continue;
            }
            let opinion = self.verdicts.get(instance).map(|opinion| opinion.verdict);
            let alive = matches!(opinion, Some(Verdict::Alive));
            let unheard = alive && !active.contains(&instance);
            let span = if unheard { profile.announce_again } else { profile.probe };
            let percent = self.jitter.random_range(80..=120u32);
            contact.next_probe = now + span * percent / 100;
            let Some(address) = contact.address.filter(|_| contact.known) else { continue };
            if !alive {
                out.push(DetectorOutput::Dial { address });
            }
            if !active.contains(&instance) {
                announce.push((instance, contact.generation));
            }
        }
        for (instance, generation) in announce {
            self.announce(now, instance, generation, out);
        }
    }
}

fn words(why: Why) -> String {
    match why {
        Why::Silent(span) => format!("no answer to pings for {} ms", span.as_millis()),
        Why::Ended(how) => how.to_owned(),
    }
}
