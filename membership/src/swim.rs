//! Gossip: the foca library with our settings, its timers, and one correction.
//!
//! What stays true: a packet is believed only as the word of the session it came on; the number of nodes that
//! gossip knows stays within `limits::MEMBERS`; a member is told that it was declared down only if it was; who was
//! declared down again and again joins again with pauses.
//! Knows nothing of direct pings, sessions or verdicts: it reports what gossip believes.

use crate::cards::CardStore;
use crate::codec::{PacketError, SwimId, peek, sifted};
use crate::config::{DetectorConfig, SwimProfile};
use crate::rejoins::Rejoins;
use crate::timers::TimerQueue;
use bytes::Bytes;
use foca::{Notification, PeriodicParams, PostcardCodec, Runtime, Timer};
use quorate_proto::{Card, Generation, Instance, Message as _, Moment, limits};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

/// What gossip has come to believe of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MembershipEvent {
    /// It is there.
    Up(Instance, Generation),
    /// It answers neither us nor those who were asked to try.
    Down(Instance, Generation),
    /// A newer start of it was heard of.
    Restarted(Instance, Generation),
}

/// What is to be done after gossip was fed: packets to send and beliefs that changed.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) packets: Vec<(Instance, Bytes)>,
    pub(crate) events: Vec<MembershipEvent>,
    /// How often we had to join again.
    pub(crate) rejoins: u64,
    timers: Vec<(Duration, Timer<SwimId>)>,
}

impl Runtime<SwimId> for Effects {
    fn notify(&mut self, notification: Notification<'_, SwimId>) {
        let event = match notification {
            Notification::MemberUp(id) => MembershipEvent::Up(id.instance(), id.generation()),
            Notification::MemberDown(id) => MembershipEvent::Down(id.instance(), id.generation()),
            Notification::Rename(old, new) if new.generation() > old.generation() => {
                MembershipEvent::Restarted(new.instance(), new.generation())
            }
            Notification::Rejoin(_) => {
                self.rejoins += 1;
                return;
            }
            _ => return,
        };
        self.events.push(event);
    }

    fn send_to(&mut self, to: SwimId, packet: &[u8]) {
        self.packets.push((to.instance(), Bytes::copy_from_slice(packet)));
    }

    fn submit_after(&mut self, timer: Timer<SwimId>, after: Duration) {
        self.timers.push((after, timer));
    }
}

/// The gossip protocol of one node.
pub(crate) struct Swim {
    foca: foca::Foca<SwimId, PostcardCodec, SmallRng, CardStore>,
    timers: TimerQueue,
    cards: CardStore,
    rejoins: Rejoins,
}

impl Swim {
    pub(crate) fn new(config: &DetectorConfig) -> Self {
        let cards = CardStore::new(config.me);
        let foca = foca::Foca::with_custom_broadcast(
            SwimId::new(config.me, config.generation),
            foca_config(&config.profile.swim),
            SmallRng::seed_from_u64(config.seed),
            PostcardCodec,
            cards.clone(),
        );
        Self { foca, timers: TimerQueue::default(), cards, rejoins: Rejoins::default() }
    }

    /// Takes a packet that came from `from`, whose session belongs to `generation`. Of a node whose newest start is
    /// `proven`, nothing is taken about a later one: nobody could take that back.
    pub(crate) fn receive(
        &mut self,
        now: Moment,
        (from, generation): (Instance, Option<Generation>),
        packet: &[u8],
        proven: impl Fn(Instance) -> Option<Generation>,
        effects: &mut Effects,
    ) -> Result<(), PacketError> {
        let seen = peek(packet)?;
        let claimed = seen.source.instance();
        if claimed != from {
            return Err(PacketError::NotItsOwn { from, claimed });
        }
        if generation.is_some_and(|generation| generation != seen.source.generation()) {
            return Err(PacketError::OtherGeneration { from });
        }
        let known = self.foca.iter_membership_state().len();
        if known + seen.subjects.len() + 1 > limits::MEMBERS {
            let strange = |instance: Instance| self.state(instance).is_none();
            if strange(from) || seen.subjects.iter().any(|id| strange(id.instance())) {
                return Err(PacketError::Crowded);
            }
        }
        if !self.rejoins.may(now) && seen.ends(self.foca.identity()) {
            return Err(PacketError::TooSoon);
        }
        let believed =
            |id: &SwimId| proven(id.instance()).is_none_or(|newest| id.generation() <= newest);
        let rejoins = effects.rejoins;
        let result = if seen.subjects.iter().all(believed) {
            self.foca.handle_data(packet, &mut *effects)
        } else {
            self.foca.handle_data(&sifted(packet, believed), &mut *effects)
        };
        if effects.rejoins > rejoins
            && let Some(times) = self.rejoins.rejoined(now, effects.rejoins - rejoins)
        {
            tracing::info!(times, "gossip had declared this node down; it is back in");
        }
        self.keep_timers(now, effects);
        result.map_err(|error| PacketError::Refused(error.to_string()))
    }

    /// Delivers all timers that are due.
    pub(crate) fn fire(&mut self, now: Moment, effects: &mut Effects) {
        while let Some(timer) = self.timers.pop_due(now) {
            let suspicion = matches!(timer, Timer::ChangeSuspectToDown { .. });
            let (packets, events) = (effects.packets.len(), effects.events.len());
            if let Err(error) = self.foca.handle_timer(timer, &mut *effects) {
                tracing::debug!(%error, "gossip timer");
            }
            // foca 2.0.0 tells a suspect that it is down even if it had objected in time; it then takes a
            // new identity for nothing. So what it sends here counts only if it did declare it down.
            let declared = effects.events[events..]
                .iter()
                .any(|event| matches!(event, MembershipEvent::Down(..)));
            if suspicion && !declared {
                effects.packets.truncate(packets);
            }
            self.keep_timers(now, effects);
        }
    }

    fn keep_timers(&mut self, now: Moment, effects: &mut Effects) {
        for (after, timer) in effects.timers.drain(..) {
            self.timers.submit(now + after, timer);
        }
    }

    pub(crate) fn next_wake(&self) -> Option<Moment> {
        self.timers.next_wake()
    }

    /// After a pause of our own: nobody's time to object has passed meanwhile.
    pub(crate) fn postpone(&mut self, by: Duration) {
        self.timers.postpone(by);
    }

    /// Makes ourselves known to a node, whose answer is all it knows.
    pub(crate) fn announce(
        &mut self,
        now: Moment,
        to: Instance,
        generation: Generation,
        effects: &mut Effects,
    ) {
        let sent = self.foca.announce(SwimId::new(to, generation), &mut *effects);
        self.keep_timers(now, effects);
        if let Err(error) = sent {
            tracing::debug!(%error, "gossip announce");
        }
    }

    /// Hands our own card to gossip (again).
    pub(crate) fn spread(&mut self, card: &Card) {
        let bytes = card.encode_to_vec();
        if bytes.len() > limits::CARD {
            tracing::warn!(length = bytes.len(), limit = limits::CARD, "own card is too large");
            return;
        }
        if let Err(error) = self.foca.add_broadcast(&bytes) {
            tracing::debug!(%error, "gossip broadcast");
        }
    }

    /// Newer cards of others since the last call.
    pub(crate) fn take_cards(&self) -> Vec<Card> {
        self.cards.take_unseen()
    }

    /// Says goodbye by gossip and falls silent.
    pub(crate) fn leave(&mut self, effects: &mut Effects) {
        if let Err(error) = self.foca.leave_cluster(&mut *effects) {
            tracing::debug!(%error, "gossip leave");
        }
        effects.timers.clear();
        self.timers.clear();
    }

    /// Drops all memory of a node.
    pub(crate) fn forget(&mut self, now: Moment, instance: Instance, effects: &mut Effects) {
        self.cards.forget(instance);
        let member = self.foca.iter_membership_state().find(|m| m.id().instance() == instance);
        let Some(member) = member.cloned() else { return };
        let id = *member.id();
        // Only a member that is down can be removed.
        let down = foca::Member::new(id, member.incarnation(), foca::State::Down);
        let applied = self.foca.apply_many(std::iter::once(down), false, &mut *effects);
        let removed = self.foca.handle_timer(Timer::RemoveDown(id), &mut *effects);
        effects.events.clear();
        self.keep_timers(now, effects);
        if let Err(error) = applied.and(removed) {
            tracing::debug!(%error, "gossip forget");
        }
    }

    /// Which start of a node gossip has.
    pub(crate) fn generation(&self, instance: Instance) -> Option<Generation> {
        let mut members = self.foca.iter_membership_state();
        members.find(|m| m.id().instance() == instance).map(|member| member.id().generation())
    }

    fn state(&self, instance: Instance) -> Option<foca::State> {
        let mut members = self.foca.iter_membership_state();
        members.find(|m| m.id().instance() == instance).map(foca::Member::state)
    }

    /// Whether gossip counts this node as there.
    pub(crate) fn is_active(&self, instance: Instance) -> bool {
        self.state(instance).is_some_and(|state| state != foca::State::Down)
    }

    /// Everybody whom gossip counts as there.
    pub(crate) fn active(&self) -> std::collections::BTreeSet<Instance> {
        self.foca.iter_members().map(|member| member.id().instance()).collect()
    }
}

fn foca_config(profile: &SwimProfile) -> foca::Config {
    let several = |n: usize| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
    let every = |frequency, n| Some(PeriodicParams { frequency, num_members: several(n) });
    foca::Config {
        probe_period: profile.probe_period,
        probe_rtt: profile.probe_rtt,
        num_indirect_probes: several(3),
        max_transmissions: NonZeroU8::new(profile.transmissions).unwrap_or(NonZeroU8::MIN),
        suspect_to_down_after: profile.suspect_to_down,
        // Never: one entry per instance is bounded, and a removed instance is forgotten by hand.
        remove_down_after: None,
        max_packet_size: several(limits::GOSSIP_PACKET),
        notify_down_members: true,
        periodic_announce: every(profile.announce, 1),
        periodic_announce_to_down_members: every(profile.announce_to_down, 2),
        periodic_gossip: every(profile.gossip, 3),
    }
}
