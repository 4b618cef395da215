//! Who is alive, as this node sees it: direct pings, gossip and goodbyes merged into one verdict per peer.
//!
//! The caller's duties: feed every session's begin and end, every authentic frame (`Heard`), every gossip
//! datagram and detector message; ping the peers of `Expect` three times and more within their silence by itself; call `step` with `Wake`
//! no later than `next_wake` says (a late call is taken for a pause of the process); carry out the outputs.
//! Invariant: a verdict is put out exactly when it changed. Reads no clock; knows nothing of consensus.

use crate::config::DetectorConfig;
use crate::contacts::Contacts;
use crate::event::{DetectorInput, DetectorOutput};
use crate::indirect_probes::IndirectProbes;
use crate::ping::{Outgoing, Pings};
use crate::self_awareness::SelfAwareness;
use crate::swim::{Effects, MembershipEvent, Swim};
use crate::verdicts::{Opinion, Verdicts};
use quorate_proto::{Card, Generation, Instance, Moment, limits};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A node's opinion of all others.
pub struct Detector {
    pub(crate) config: DetectorConfig,
    pub(crate) swim: Swim,
    pub(crate) pings: Pings,
    pub(crate) indirect_probes: IndirectProbes,
    pub(crate) verdicts: Verdicts,
    pub(crate) awareness: SelfAwareness,
    pub(crate) contacts: Contacts,
    pub(crate) confirmers: Vec<Instance>,
    /// Whom gossip gave up while we still heard it: looked at again then.
    pub(crate) disputed: BTreeMap<Instance, (Generation, Moment)>,
    /// Removed instances, so that late gossip does not bring them back. At most `limits::MEMBERS`.
    pub(crate) forgotten: BTreeSet<Instance>,
    pub(crate) card: Option<(Card, Moment)>,
    pub(crate) jitter: SmallRng,
    pub(crate) wake: Moment,
    left: bool,
    pub(crate) refused_packets: u64,
    rejoins: u64,
}

impl Detector {
    /// A detector that knows nobody yet.
    #[must_use]
    pub fn new(now: Moment, config: DetectorConfig) -> Self {
        let profile = config.profile;
        Self {
            swim: Swim::new(&config),
            pings: Pings::new(config.me, profile),
            indirect_probes: IndirectProbes::default(),
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
            rejoins: 0,
            config,
        }
    }

    /// Feeds one event in and appends what must now be done to `out`.
    pub fn step(&mut self, now: Moment, input: DetectorInput, out: &mut Vec<DetectorOutput>) {
        if self.left {
            return;
        }
        if let Some(late_by) = self.awareness.turn(now) {
            let late_ms = late_by.as_millis();
            tracing::warn!(late_ms, "this node stood still; it doubts itself before others");
            self.swim.postpone(late_by);
            self.pings.restart_clocks(now);
            self.indirect_probes.drop_all();
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

    /// Whether this node stood still a moment ago: what it did not hear meanwhile is nobody's fault.
    #[must_use]
    pub fn stood_still(&self) -> bool {
        self.awareness.stood_still()
    }

    /// When this peer last gave a sign of life.
    #[must_use]
    pub fn last_heard(&self, instance: Instance) -> Option<Moment> {
        self.pings.last_heard(instance)
    }

    /// How long this node bears with a silence now: up to three times as long while others hear whom it did not.
    #[must_use]
    pub fn strained(&self, silence: Duration) -> Duration {
        self.awareness.patience(silence)
    }

    /// The longest silence of each expected peer that a sign of life ended since this was asked last.
    pub fn longest_silences(&mut self) -> Vec<(Instance, Duration)> {
        self.pings.longest_silences()
    }

    /// What a node last said of itself in gossip: a hint.
    #[must_use]
    pub fn card(&self, instance: Instance) -> Option<&Card> {
        self.contacts.get(instance)?.card.as_ref()
    }

    /// How many gossip packets were refused so far.
    #[must_use]
    pub fn refused_packets(&self) -> u64 {
        self.refused_packets
    }

    /// How often gossip declared this node down while it was not, so that it had to join again.
    #[must_use]
    pub fn rejoins(&self) -> u64 {
        self.rejoins
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
                peers.retain(|peer| self.admit(now, *peer, true));
                self.pings.expect(now, &peers);
            }
            DetectorInput::Confirmers(mut confirmers) => {
                confirmers.truncate(limits::MEMBERS);
                self.confirmers = confirmers;
            }
            DetectorInput::Patience { others, of } => {
                self.pings.patience.set(others, of);
                self.awareness.late = self.pings.patience.own().late;
            }
            DetectorInput::Vouched { subject, by } => {
                if self.contacts.get(subject).is_some() {
                    self.pings.vouched(subject, by);
                }
            }
            DetectorInput::Farewell { instance, generation, by } => {
                self.farewell(now, instance, generation, by, out);
            }
            DetectorInput::Card(card) => {
                self.swim.spread(&card);
                self.card = Some((card, now + self.config.profile.card_repeat));
            }
            DetectorInput::Known { instance, generation, address } => {
                self.known(now, instance, generation, address, out);
            }
            DetectorInput::Forget(instance) => self.forget(now, instance, out),
            DetectorInput::Leave => {
                let mut effects = Effects::default();
                self.swim.leave(&mut effects);
                effects.events.clear();
                self.carry_out(now, effects, out);
                self.left = true;
            }
        }
        false
    }

    pub(crate) fn drop_traces(&mut self, instance: Instance) {
        self.verdicts.forget(instance);
        self.pings.forget(instance);
        self.indirect_probes.forget(instance);
        self.disputed.remove(&instance);
    }

    /// Makes room for a node that is spoken of; false when there is none.
    pub(crate) fn admit(&mut self, now: Moment, instance: Instance, known: bool) -> bool {
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
        self.rejoins += effects.rejoins;
        for event in effects.events {
            let (MembershipEvent::Up(instance, _)
            | MembershipEvent::Down(instance, _)
            | MembershipEvent::Restarted(instance, _)) = event;
            if self.forgotten.contains(&instance) || !self.admit(now, instance, false) {
                continue;
            }
            match event {
                MembershipEvent::Down(_, generation) => {
                    self.given_up(now, instance, generation, out)
                }
                MembershipEvent::Up(_, generation) | MembershipEvent::Restarted(_, generation) => {
                    self.taken_up(now, instance, generation, out);
                }
            }
        }
    }
}

/// Puts messages among the outputs.
pub(crate) fn send(outgoing: Vec<Outgoing>, out: &mut Vec<DetectorOutput>) {
    out.extend(outgoing.into_iter().map(|(to, message)| DetectorOutput::Send { to, message }));
}
