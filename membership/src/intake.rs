//! What each kind of news does: signs of life, packets, questions, sessions that begin and end, goodbyes.

use crate::codec::PacketError;
use crate::detector::{Detector, send};
use crate::event::DetectorOutput;
use crate::patience::{SILENCE_START, Spans};
use crate::ping::message_to;
use crate::swim::Effects;
use quorate_proto::detector_message::Body;
use quorate_proto::{
    Card, ConfirmAnswer, ConfirmAsk, DetectorMessage, Generation, Goodbye, Instance, LifeAnswer,
    Moment, Session, SessionEnd, Verdict, limits,
};
use std::net::SocketAddr;
use std::time::Duration;

impl Detector {
    /// A sign of life on the session that stands with this peer.
    pub(crate) fn heard(
        &mut self,
        now: Moment,
        instance: Instance,
        out: &mut Vec<DetectorOutput>,
    ) -> bool {
        let unwanted = instance == self.config.me || self.forgotten.contains(&instance);
        if unwanted || !self.admit(now, instance, true) {
            return true;
        }
        let generation = self.contacts.speaking(instance).unwrap_or_default();
        let mut stale = self.verdicts.get(instance).is_some_and(|old| old.generation > generation);
        stale |= self
            .verdicts
            .get(instance)
            .is_some_and(|old| old.generation == generation && old.verdict == Verdict::Left);
        if stale {
            return true;
        }
        self.awareness.heard();
        let troubled = self.pings.heard(now, instance);
        let mut outgoing = Vec::new();
        self.indirect_probes.heard(instance, generation, &mut outgoing);
        let calm = !troubled && outgoing.is_empty();
        send(outgoing, out);
        let changed = self.verdicts.heard(now, instance, generation);
        let calm = calm && changed.is_none();
        out.extend(changed.map(DetectorOutput::Verdict));
        calm
    }

    pub(crate) fn receive(
        &mut self,
        now: Moment,
        from: Instance,
        packet: &[u8],
        out: &mut Vec<DetectorOutput>,
    ) -> bool {
        let calm = self.heard(now, from, out);
        let session = self.contacts.get(from).and_then(|contact| contact.session);
        let generation = session.map(|(_, generation)| generation);
        let mut effects = Effects::default();
        let (me, own, contacts) = (self.config.me, self.config.generation, &self.contacts);
        let proven = |it| if it == me { Some(own) } else { contacts.proven(it) };
        let taken = self.swim.receive(now, (from, generation), packet, proven, &mut effects);
        if let Err(error) = taken {
            self.refuse(&error);
        }
        let calm = calm && effects.events.is_empty();
        self.carry_out(now, effects, out);
        for card in self.swim.take_cards() {
            self.learn_card(now, card);
        }
        calm
    }

    fn refuse(&mut self, error: &PacketError) {
        self.refused_packets += 1;
        tracing::debug!(%error, "gossip packet");
    }

    fn learn_card(&mut self, now: Moment, card: Card) {
        if self.forgotten.contains(&card.instance) || !self.admit(now, card.instance, false) {
            return;
        }
        let Some(contact) = self.contacts.get_mut(card.instance) else { return };
        if contact.name.is_none() {
            contact.name = quorate_proto::NodeName::new(&card.name).ok().map(|n| n.to_string());
        }
        if contact.address.is_none() {
            contact.address = card.address.as_ref().and_then(quorate_proto::Address::socket);
        }
        contact.card = Some(card);
    }

    pub(crate) fn message(
        &mut self,
        now: Moment,
        from: Instance,
        message: DetectorMessage,
        out: &mut Vec<DetectorOutput>,
    ) {
        self.heard(now, from, out);
        match message.body {
            Some(Body::Probe(probe)) => {
                let answer = Body::Life(LifeAnswer { number: probe.number });
                send(vec![message_to(from, answer)], out);
            }
            Some(Body::Ask(ask)) => self.asked(now, from, &ask, out),
            Some(Body::Answer(answer)) => {
                self.pings.answer(from, &answer);
                if let Some(contact) = self.contacts.get_mut(answer.subject)
                    && answer.heard
                    && answer.generation > contact.generation
                {
                    // It was restarted, and we have the word of another for it: see for ourselves.
                    contact.next_probe = now;
                }
            }
            // It was a sign of life, and that is all it was for.
            Some(Body::Life(_)) | None => {}
        }
    }

    /// "I do not hear this node; do you, now?"
    fn asked(
        &mut self,
        now: Moment,
        asker: Instance,
        ask: &ConfirmAsk,
        out: &mut Vec<DetectorOutput>,
    ) {
        let subject = ask.subject;
        let asker_waits = match ask.patience_ms {
            0 => SILENCE_START,
            told => Duration::from_millis(told.into()),
        };
        let mut say = |generation, heard| {
            let number = ask.number;
            let answer = ConfirmAnswer { number, subject, generation, heard };
            send(vec![message_to(asker, Body::Answer(answer))], out);
        };
        if subject == self.config.me {
            return say(self.config.generation, true);
        }
        let opinion = self.verdicts.get(subject);
        if let Some(gone) = opinion.filter(|old| old.verdict == Verdict::Left)
            && gone.generation >= ask.generation
        {
            return say(gone.generation, false);
        }
        let speaking = self.contacts.speaking(subject).unwrap_or_default();
        let heard = self.pings.last_heard(subject).map(|at| now.since(at));
        // What is fresh to one that bears with less is older than the silence that made it ask.
        if heard.is_some_and(|ago| ago <= Spans::of(asker_waits).fresh)
            && speaking >= ask.generation
        {
            return say(speaking, true);
        }
        let silence = self.pings.silence(now, subject);
        // Whichever of both bears with the subject longer knows better how slow it can be; and where the way to the asker is slow, that to
        // the subject, which may be beside it, is so as well.
        let own = [subject, asker].map(|one| self.pings.patience.with(one).silence);
        let spans = Spans::of(own.into_iter().fold(asker_waits, Duration::max));
        if silence.is_some_and(|span| span >= spans.standing) && !self.awareness.doubts() {
            return say(ask.generation, false);
        }
        let contact = self.contacts.get(subject);
        let address = ask.address.as_ref().and_then(quorate_proto::Address::socket);
        if contact.is_none_or(|contact| contact.session.is_none()) {
            let Some(address) = contact.and_then(|contact| contact.address).or(address) else {
                return;
            };
            out.push(DetectorOutput::Dial { address });
        }
        let mut outgoing = Vec::new();
        self.indirect_probes.take(now, asker, ask, spans, &mut outgoing);
        send(outgoing, out);
    }

    pub(crate) fn session_up(
        &mut self,
        now: Moment,
        session: &Session,
        out: &mut Vec<DetectorOutput>,
    ) {
        let instance = session.instance;
        self.forgotten.remove(&instance);
        if instance == self.config.me || !self.admit(now, instance, true) {
            return;
        }
        let before = self.contacts.proven(instance);
        if self.contacts.speaking(instance).is_some_and(|spoke| spoke != session.generation) {
            self.pings.starts_anew(now, instance);
        }
        if let Some(contact) = self.contacts.get_mut(instance) {
            contact.learn_session(session);
        }
        self.believe_the_proof(now, instance, before, out);
        self.heard(now, instance, out);
        if !self.swim.is_active(instance) {
            self.announce(now, instance, session.generation, out);
        }
    }

    pub(crate) fn session_down(
        &mut self,
        now: Moment,
        instance: Instance,
        number: u64,
        end: &SessionEnd,
    ) {
        let Some(contact) = self.contacts.get_mut(instance) else { return };
        if contact.session.is_none_or(|(standing, _)| standing != number) {
            return;
        }
        contact.session = None;
        let ended = match end {
            SessionEnd::Closed => "it closed its connection without a goodbye",
            SessionEnd::Reset => "its host no longer knows the connection",
            // It is there, and says so.
            SessionEnd::TimedOut
            | SessionEnd::Replaced
            | SessionEnd::Protocol
            | SessionEnd::Twice
            | SessionEnd::Revoked => return,
        };
        let opinion = self.verdicts.get(instance).map(|opinion| opinion.verdict);
        if matches!(opinion, Some(Verdict::Alive | Verdict::Suspect)) {
            self.pings.hint(now, instance, ended);
        }
    }

    pub(crate) fn farewell(
        &mut self,
        now: Moment,
        instance: Instance,
        generation: Generation,
        by: Goodbye,
        out: &mut Vec<DetectorOutput>,
    ) {
        if instance == self.config.me || !self.admit(now, instance, true) {
            return;
        }
        if self.contacts.get(instance).is_some_and(|contact| contact.generation > generation) {
            return;
        }
        if let Some(opinion) = self.verdicts.farewell(now, instance, generation, by) {
            self.pings.settled(instance);
            out.push(DetectorOutput::Verdict(opinion));
        }
    }

    pub(crate) fn known(
        &mut self,
        now: Moment,
        instance: Instance,
        generation: Generation,
        address: SocketAddr,
        out: &mut Vec<DetectorOutput>,
    ) {
        self.forgotten.remove(&instance);
        if instance == self.config.me || !self.admit(now, instance, true) {
            return;
        }
        let before = self.contacts.proven(instance);
        let Some(contact) = self.contacts.get_mut(instance) else { return };
        contact.generation = contact.generation.max(generation);
        if contact.address != Some(address) {
            contact.address = Some(address);
            contact.next_probe = now;
        }
        self.believe_the_proof(now, instance, before, out);
    }

    /// What gossip said of a later start, before the first proof of any, was a rumour, and is forgotten.
    fn believe_the_proof(
        &mut self,
        now: Moment,
        instance: Instance,
        before: Option<Generation>,
        out: &mut Vec<DetectorOutput>,
    ) {
        let Some(proven) = self.contacts.proven(instance).filter(|_| before.is_none()) else {
            return;
        };
        if self.swim.generation(instance).is_some_and(|rumour| rumour > proven) {
            let mut effects = Effects::default();
            self.swim.forget(now, instance, &mut effects);
            self.carry_out(now, effects, out);
        }
        if self.verdicts.get(instance).is_some_and(|old| old.generation > proven && !old.direct) {
            self.verdicts.forget(instance);
        }
    }

    pub(crate) fn forget(
        &mut self,
        now: Moment,
        instance: Instance,
        out: &mut Vec<DetectorOutput>,
    ) {
        let mut effects = Effects::default();
        self.swim.forget(now, instance, &mut effects);
        self.carry_out(now, effects, out);
        self.drop_traces(instance);
        self.contacts.remove(instance);
        if self.forgotten.len() >= limits::MEMBERS {
            self.forgotten.pop_first();
        }
        self.forgotten.insert(instance);
    }
}
