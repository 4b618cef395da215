//! Who is alive, as this node sees it: direct pings, gossip and goodbyes merged into one verdict per peer.
//!
//! The caller's duties: feed every session's begin and end, every authentic frame (`Heard`), every gossip
//! datagram and detector message; ping the peers of `Expect` every 150 ms by itself; call `step` with `Wake`
//! no later than `next_wake` says (a late call is taken for a pause of the process); carry out the outputs.
//! Invariant: a verdict is put out exactly when it changed. Reads no clock; knows nothing of consensus.

use crate::codec::PacketError;
use crate::config::DetectorConfig;
use crate::contacts::Contacts;
use crate::errands::Errands;
use crate::ping::{Letter, Pings, letter};
use crate::self_awareness::SelfAwareness;
use crate::swim::{Effects, Note, Swim};
use crate::verdicts::{Opinion, Verdicts};
use bytes::Bytes;
use quorate_proto::detector_message::Body;
use quorate_proto::{
    Card, ConfirmAnswer, ConfirmAsk, DetectorMessage, Generation, Instance, LifeAnswer, Moment,
    Session, SessionEnd, Verdict, limits,
};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// What a detector is told.
#[derive(Debug, Clone, PartialEq)]
pub enum DetectorInput {
    /// Time has come.
    Wake,
    /// A gossip packet of the session with `from`.
    Datagram {
        /// The session's peer.
        from: Instance,
        /// The packet.
        bytes: Bytes,
    },
    /// A message of the session with `from`.
    Message {
        /// The session's peer.
        from: Instance,
        /// The message.
        message: DetectorMessage,
    },
    /// A session stands.
    SessionUp(Session),
    /// A session ended.
    SessionDown {
        /// Its peer.
        instance: Instance,
        /// Its number.
        number: u64,
        /// How it ended.
        end: SessionEnd,
    },
    /// An authentic frame came on the session with this peer.
    Heard {
        /// The session's peer.
        instance: Instance,
    },
    /// The peers that are pinged directly from now on; replaces the earlier set.
    Expect(Vec<Instance>),
    /// Who may be asked to confirm a suspicion, the leader first; replaces the earlier list.
    Confirmers(Vec<Instance>),
    /// This generation of this instance has ended, by its own word.
    Farewell {
        /// Who.
        instance: Instance,
        /// Which start of it.
        generation: Generation,
    },
    /// Our own new card.
    Card(Card),
    /// A member of the cluster or a seed that answered: looked for as long as it is not forgotten.
    Known {
        /// Who.
        instance: Instance,
        /// Newest start known of it.
        generation: Generation,
        /// Where to find it.
        address: SocketAddr,
    },
    /// Removed or superseded: no more is wanted of it.
    Forget(Instance),
    /// We are stopping.
    Leave,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum DetectorOutput {
    /// Send a gossip packet.
    Datagram {
        /// To whom.
        to: Instance,
        /// Where it was last.
        address: SocketAddr,
        /// The packet, at most `limits::GOSSIP_PACKET` bytes.
        bytes: Bytes,
    },
    /// Send a message on the control lane.
    Send {
        /// To whom.
        to: Instance,
        /// The message.
        message: DetectorMessage,
    },
    /// A verdict changed.
    Verdict(Opinion),
    /// Somebody's newer card.
    Card(Card),
    /// Look whether somebody is (back) at this address.
    Dial {
        /// The address.
        address: SocketAddr,
    },
}

/// A node's opinion of all others.
pub struct Detector {
    pub(crate) config: DetectorConfig,
    pub(crate) swim: Swim,
    pub(crate) pings: Pings,
    pub(crate) errands: Errands,
    pub(crate) verdicts: Verdicts,
    pub(crate) awareness: SelfAwareness,
    pub(crate) contacts: Contacts,
    pub(crate) confirmers: Vec<Instance>,
    /// Whom gossip gave up while we still heard it: looked at again then.
    pub(crate) disputed: BTreeMap<Instance, (Generation, Moment)>,
    /// Removed instances, so that late gossip does not bring them back. At most `limits::MEMBERS`.
    forgotten: BTreeSet<Instance>,
    pub(crate) card: Option<(Card, Moment)>,
    pub(crate) jitter: SmallRng,
    pub(crate) wake: Moment,
    left: bool,
    refused_packets: u64,
}

impl Detector {
    /// A detector that knows nobody yet.
    #[must_use]
    pub fn new(now: Moment, config: DetectorConfig) -> Self {
        let profile = config.profile;
        Self {
            swim: Swim::new(&config),
            pings: Pings::new(config.me, profile),
            errands: Errands::new(profile),
            verdicts: Verdicts::default(),
            awareness: SelfAwareness::new(now + profile.pulse, profile),
            contacts: Contacts::default(),
            confirmers: Vec::new(),
            disputed: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            card: None,
            jitter: SmallRng::seed_from_u64(config.seed.rotate_left(32) ^ 0x6a69_7474_6572),
            wake: now + profile.pulse,
            left: false,
            refused_packets: 0,
            config,
        }
    }

    /// Feeds one event in and appends what must now be done to `out`.
    pub fn step(&mut self, now: Moment, input: DetectorInput, out: &mut Vec<DetectorOutput>) {
        if self.left {
            return;
        }
        if let Some(late_by) = self.awareness.turn(now) {
            tracing::warn!(?late_by, "this node stood still; it doubts itself before others");
            self.swim.postpone(late_by);
            self.pings.restart_clocks(now);
            self.errands.drop_all();
        }
        let calm = self.take(now, input, out);
        if self.left {
            return;
        }
        if !calm || now >= self.wake {
            self.fire(now, out);
            self.wake = self.earliest(now);
        } else if let Some(timer) = self.swim.next_wake() {
            self.wake = self.wake.min(timer);
        }
        self.awareness.want(self.wake);
    }

    /// When `step` wants to be called with `Wake`, if nothing happens before.
    #[must_use]
    pub fn next_wake(&self) -> Option<Moment> {
        (!self.left).then_some(self.wake)
    }

    /// The opinion of one peer.
    #[must_use]
    pub fn verdict(&self, instance: Instance) -> Option<Opinion> {
        self.verdicts.get(instance).cloned()
    }

    /// All opinions, ordered by instance.
    pub fn verdicts(&self) -> impl Iterator<Item = Opinion> {
        self.verdicts.iter().cloned()
    }

    /// Whether this node has reason to doubt itself: it stood still, or nobody answers it. It should then
    /// neither report others nor campaign.
    #[must_use]
    pub fn doubts_itself(&self) -> bool {
        self.awareness.doubts()
    }

    /// When this peer last gave a sign of life.
    #[must_use]
    pub fn last_heard(&self, instance: Instance) -> Option<Moment> {
        self.pings.last_heard(instance)
    }

    /// How many gossip packets were refused so far.
    #[must_use]
    pub fn refused_packets(&self) -> u64 {
        self.refused_packets
    }

    /// Takes one input in. Whether it left everything as it was, but for the time of a sign of life.
    fn take(&mut self, now: Moment, input: DetectorInput, out: &mut Vec<DetectorOutput>) -> bool {
        match input {
            DetectorInput::Wake => return true,
            DetectorInput::Heard { instance } => return self.heard(now, instance, out),
            DetectorInput::Datagram { from, bytes } => return self.receive(now, from, &bytes, out),
            DetectorInput::Message { from, message } => self.message(now, from, message, out),
            DetectorInput::SessionUp(session) => self.session_up(now, &session, out),
            DetectorInput::SessionDown { instance, number, end } => {
                self.session_down(now, instance, number, &end);
            }
            DetectorInput::Expect(mut peers) => {
                peers.truncate(limits::MEMBERS);
                self.pings.expect(now, &peers);
            }
            DetectorInput::Confirmers(mut confirmers) => {
                confirmers.truncate(limits::MEMBERS);
                self.confirmers = confirmers;
            }
            DetectorInput::Farewell { instance, generation } => {
                self.farewell(now, instance, generation, out);
            }
            DetectorInput::Card(card) => {
                self.swim.spread(&card);
                self.card = Some((card, now + self.config.profile.card_repeat));
            }
            DetectorInput::Known { instance, generation, address } => {
                self.known(now, instance, generation, address);
            }
            DetectorInput::Forget(instance) => self.forget(now, instance, out),
            DetectorInput::Leave => {
                let mut effects = Effects::default();
                self.swim.leave(&mut effects);
                effects.notes.clear();
                self.carry_out(now, effects, out);
                self.left = true;
            }
        }
        false
    }

    /// A sign of life on the session that stands with this peer.
    fn heard(&mut self, now: Moment, instance: Instance, out: &mut Vec<DetectorOutput>) -> bool {
        if instance == self.config.me || !self.admit(now, instance, true) {
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
        let mut letters = Vec::new();
        self.errands.heard(instance, generation, &mut letters);
        let calm = !troubled && letters.is_empty();
        post(letters, out);
        let changed = self.verdicts.heard(now, instance, generation);
        let calm = calm && changed.is_none();
        out.extend(changed.map(DetectorOutput::Verdict));
        calm
    }

    fn receive(
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
        let taken = self.swim.receive(now, from, generation, packet, &mut effects);
        if let Err(error) = taken {
            self.refuse(&error);
        }
        let calm = calm && effects.notes.is_empty();
        self.carry_out(now, effects, out);
        for card in self.swim.take_cards() {
            self.learn_card(now, &card);
            out.push(DetectorOutput::Card(card));
        }
        calm
    }

    fn refuse(&mut self, error: &PacketError) {
        self.refused_packets += 1;
        tracing::debug!(%error, "gossip packet");
    }

    fn learn_card(&mut self, now: Moment, card: &Card) {
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
    }

    fn message(
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
                post(vec![letter(from, answer)], out);
            }
            Some(Body::Ask(ask)) => self.asked(now, from, &ask, out),
            Some(Body::Answer(answer)) => self.pings.answer(from, &answer),
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
        let profile = &self.config.profile;
        let subject = ask.subject;
        let mut say = |generation, heard| {
            let number = ask.number;
            let answer = ConfirmAnswer { number, subject, generation, heard };
            post(vec![letter(asker, Body::Answer(answer))], out);
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
        if heard.is_some_and(|ago| ago <= profile.fresh) && speaking >= ask.generation {
            return say(speaking, true);
        }
        let silence = self.pings.silence(now, subject);
        if silence.is_some_and(|span| span >= profile.standing) && !self.awareness.doubts() {
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
        let mut letters = Vec::new();
        self.errands.take(now, asker, ask, &mut letters);
        post(letters, out);
    }

    fn session_up(&mut self, now: Moment, session: &Session, out: &mut Vec<DetectorOutput>) {
        let instance = session.instance;
        self.forgotten.remove(&instance);
        if instance == self.config.me || !self.admit(now, instance, true) {
            return;
        }
        if let Some(contact) = self.contacts.get_mut(instance) {
            contact.learn_session(session);
        }
        self.heard(now, instance, out);
        if !self.swim.is_active(instance) {
            self.announce(now, instance, session.generation, out);
        }
    }

    fn session_down(&mut self, now: Moment, instance: Instance, number: u64, end: &SessionEnd) {
        let Some(contact) = self.contacts.get_mut(instance) else { return };
        if contact.session.is_none_or(|(standing, _)| standing != number) {
            return;
        }
        contact.session = None;
        let ended = match end {
            SessionEnd::Closed => "it closed its connection without a goodbye",
            SessionEnd::Reset => "its host no longer knows the connection",
            SessionEnd::TimedOut | SessionEnd::Replaced | SessionEnd::Protocol => return,
        };
        let opinion = self.verdicts.get(instance).map(|opinion| opinion.verdict);
        if matches!(opinion, Some(Verdict::Alive | Verdict::Suspect)) {
            self.pings.hint(now, instance, ended);
        }
    }

    fn farewell(
        &mut self,
        now: Moment,
        instance: Instance,
        generation: Generation,
        out: &mut Vec<DetectorOutput>,
    ) {
        if instance == self.config.me || !self.admit(now, instance, true) {
            return;
        }
        if self.contacts.get(instance).is_some_and(|contact| contact.generation > generation) {
            return;
        }
        if let Some(opinion) = self.verdicts.farewell(now, instance, generation) {
            self.pings.settled(instance);
            out.push(DetectorOutput::Verdict(opinion));
        }
    }

    fn known(
        &mut self,
        now: Moment,
        instance: Instance,
        generation: Generation,
        address: SocketAddr,
    ) {
        self.forgotten.remove(&instance);
        if instance == self.config.me || !self.admit(now, instance, true) {
            return;
        }
        let Some(contact) = self.contacts.get_mut(instance) else { return };
        contact.generation = contact.generation.max(generation);
        if contact.address != Some(address) {
            contact.address = Some(address);
            contact.next_look = now;
        }
    }

    fn forget(&mut self, now: Moment, instance: Instance, out: &mut Vec<DetectorOutput>) {
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

    fn drop_traces(&mut self, instance: Instance) {
        self.verdicts.forget(instance);
        self.pings.forget(instance);
        self.errands.forget(instance);
        self.disputed.remove(&instance);
    }

    /// Makes room for a node that is spoken of; false when there is none.
    fn admit(&mut self, now: Moment, instance: Instance, known: bool) -> bool {
        let (contact, gone) = self.contacts.admit(now, instance, known);
        let room = contact.is_some();
        if let Some(gone) = gone {
            self.drop_traces(gone);
        }
        room
    }

    pub(crate) fn announce(
        &mut self,
        now: Moment,
        to: Instance,
        generation: Generation,
        out: &mut Vec<DetectorOutput>,
    ) {
        let mut effects = Effects::default();
        self.swim.announce(now, to, generation, &mut effects);
        self.carry_out(now, effects, out);
    }

    /// Sends what gossip wants sent and merges what it believes.
    pub(crate) fn carry_out(
        &mut self,
        now: Moment,
        effects: Effects,
        out: &mut Vec<DetectorOutput>,
    ) {
        for (to, bytes) in effects.packets {
            // A node whose address is not known yet is one of whom only gossip spoke; its card will tell.
            if let Some(address) = self.contacts.get(to).and_then(|contact| contact.address) {
                out.push(DetectorOutput::Datagram { to, address, bytes });
            }
        }
        for note in effects.notes {
            let (Note::Up(instance, _) | Note::Down(instance, _) | Note::Restarted(instance, _)) =
                note;
            if self.forgotten.contains(&instance) || !self.admit(now, instance, false) {
                continue;
            }
            match note {
                Note::Down(_, generation) => self.given_up(now, instance, generation, out),
                Note::Up(_, generation) | Note::Restarted(_, generation) => {
                    self.taken_up(now, instance, generation, out);
                }
            }
        }
    }
}

/// Puts letters among the outputs.
pub(crate) fn post(letters: Vec<Letter>, out: &mut Vec<DetectorOutput>) {
    out.extend(letters.into_iter().map(|(to, message)| DetectorOutput::Send { to, message }));
}
