//! Direct pings: the leader to every live node, each voter to the leader; and the push of health that rides on
//! them until it is acknowledged.
//!
//! Nothing here waits for anybody to ask. A ping to a node that has not acknowledged the newest epoch carries
//! what it lacks, every round, until it answers or is down.

pub(crate) mod relay;
pub(crate) mod times;

pub use times::{PING_CLASSES, PingTimes};

use crate::node::Node;
use crate::pings::times::PingClock;
use crate::timers::Timer;
use quorate_proto::{
    EnvelopeBody, FrameKind, HealthEpoch, HealthUpdate, Instance, MemberState, Moment, Ping, Pong,
    Role,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Rounds of pings: three may be lost in a row before half a second of silence becomes a suspicion.
pub(crate) const PING_INTERVAL: Duration = Duration::from_millis(150);
/// Most pings a second that a leader sends; above 300 nodes its rounds become slower.
const PINGS_PER_SECOND: usize = 2_000;
/// A node that is down is pinged once in so many rounds, for ever: it may be back behind a healed network.
const DOWN_EVERY: u64 = 7;

/// Who has acknowledged what.
#[derive(Debug, Default)]
pub(crate) struct Push {
    /// The number of the last pings.
    round: u64,
    clock: PingClock,
    /// The newest answer of each node, by the number of its ping, and what it acknowledged.
    acknowledged: BTreeMap<Instance, (u64, HealthEpoch)>,
    /// The newest epoch of which a push has been sent.
    pushed: HealthEpoch,
}

impl Push {
    /// When the pings of a number were sent; none of those that were sent long ago.
    pub(crate) fn sent_at(&self, number: u64) -> Option<Moment> {
        self.clock.sent_at(number)
    }

    /// How long the pings to each node took.
    pub(crate) fn times(&self) -> Vec<(Instance, PingTimes)> {
        self.clock.all()
    }

    /// A new leader knows nothing of acknowledgements.
    pub(crate) fn reset(&mut self) {
        self.acknowledged.clear();
        self.pushed = HealthEpoch::ZERO;
    }

    /// A node's acknowledgement came through another. Its own next answer says it anew.
    pub(crate) fn acknowledge(&mut self, instance: Instance, epoch: HealthEpoch) {
        let entry = self.acknowledged.entry(instance).or_default();
        entry.1 = entry.1.max(epoch);
    }

    /// Forgets who is no member any more.
    pub(crate) fn retain(&mut self, is_member: impl Fn(Instance) -> bool) {
        self.acknowledged.retain(|instance, _| is_member(*instance));
    }

    /// What a node has acknowledged.
    pub(crate) fn acknowledged(&self, instance: Instance) -> HealthEpoch {
        self.acknowledged.get(&instance).map_or(HealthEpoch::ZERO, |(_, epoch)| *epoch)
    }
}

impl Node {
    /// A round of pings is due.
    pub(crate) fn ping_round(&mut self) {
        let Some(leader) = self.leadership.leader() else {
            self.tell_resignation();
            return;
        };
        let me = self.config.instance;
        if leader.instance == me && self.leads() {
            let round = self.new_round();
            self.turn.timers.arm(Timer::Ping, self.turn.now + self.ping_interval());
            self.ping_members(|_, state| {
                state == MemberState::Alive || round.is_multiple_of(DOWN_EVERY)
            });
        } else if self.role().is_some_and(|role| role != Role::Member) && leader.instance != me {
            self.new_round();
            self.turn.timers.arm(Timer::Ping, self.turn.now + PING_INTERVAL);
            let ping = self.ping(None);
            self.send_control(leader.instance, FrameKind::Ping, 0, EnvelopeBody::Ping(ping));
        }
    }

    /// How often the leader pings.
    pub(crate) fn ping_interval(&self) -> Duration {
        let members = self.health.view().members.len();
        let slower = Duration::from_micros(1_000_000 * members as u64 / PINGS_PER_SECOND as u64);
        PING_INTERVAL.max(slower)
    }

    /// The leader tells everybody who lacks the newest epoch, at once.
    pub(crate) fn push_news(&mut self) {
        let newest = self.health.view().epoch;
        if self.push.pushed == newest || !self.leads() {
            return;
        }
        self.push.pushed = newest;
        self.new_round();
        self.ping_members(|acknowledged, _| acknowledged < newest);
    }

    /// Pings that are sent now have a number of their own.
    pub(crate) fn new_round(&mut self) -> u64 {
        self.push.round += 1;
        self.push.clock.sent(self.turn.now, self.push.round);
        self.push.round
    }

    fn ping_members(&mut self, wanted: impl Fn(HealthEpoch, MemberState) -> bool) {
        let me = self.config.instance;
        let targets: Vec<(Instance, HealthEpoch, MemberState)> = self
            .health
            .view()
            .members
            .iter()
            .filter(|member| member.instance != me)
            .map(|member| {
                (member.instance, self.push.acknowledged(member.instance), member.state())
            })
            .filter(|(_, acknowledged, state)| wanted(*acknowledged, *state))
            .collect();
        // Most nodes lack the same; the update for each starting point is made once.
        let mut updates: BTreeMap<HealthEpoch, Option<HealthUpdate>> = BTreeMap::new();
        let copies = self.copy_faults();
        self.copies_told(copies.clone());
        for (instance, acknowledged, state) in targets {
            if state != MemberState::Alive {
                self.push.clock.knocks(instance, self.push.round);
            }
            let update = updates
                .entry(acknowledged)
                .or_insert_with(|| {
                    self.group.as_ref().and_then(|group| group.meta().update_since(acknowledged))
                })
                .clone();
            let unheard = self.does_not_hear(instance);
            let ping = Ping { unheard, copies: copies.clone(), ..self.ping(update) };
            self.send_control(instance, FrameKind::Ping, 0, EnvelopeBody::Ping(ping));
        }
    }

    pub(crate) fn ping(&self, update: Option<HealthUpdate>) -> Ping {
        Ping {
            number: self.push.round,
            genesis: self.genesis.unwrap_or_default(),
            term: self.leadership.leader().map_or(0, |leader| leader.term),
            leader: self.leadership.leader().map(|leader| leader.instance),
            epoch: self.health.view().epoch,
            update,
            applied: self.group.as_ref().map_or(0, |group| group.meta().applied()),
            asks: false,
            unheard: false,
            copies: Vec::new(),
        }
    }

    /// Whether a leader of some standing has not heard a node for two rounds.
    fn does_not_hear(&self, instance: Instance) -> bool {
        let since = self.detector.last_heard(instance).unwrap_or_default();
        self.turn.now.since(since.max(self.leadership.heard())) >= self.ping_interval() * 2
    }

    /// A ping came in: take what it brings, answer with what this node has.
    pub(crate) fn pinged(&mut self, from: Instance, ping: Ping) {
        if self.genesis != Some(ping.genesis) {
            self.turn.counters.frames_fenced += 1;
            return;
        }
        self.hear_of_lost_leadership(from, &ping);
        let relayed = self.vouch_for_leader(from, &ping);
        if ping.leader == Some(from) && self.leader_pinged(from, ping.term) {
            self.leaders_ping(from, ping.number);
            self.leadership.has_applied(ping.applied);
            if let Some(update) = ping.update {
                self.health_pushed(update);
            }
            if ping.unheard {
                self.unheard_by_leader();
            }
            self.loss_told(&ping.copies);
            self.copies_told(ping.copies);
        }
        let (term, applied, state_hash) = self.group.as_ref().map_or((0, 0, 0), |group| {
            (group.replica().term(), group.meta().applied(), group.meta().state_hash())
        });
        let epoch = self.acknowledged_epoch();
        let followed = self.followed();
        let pong = Pong {
            number: ping.number,
            epoch,
            term,
            applied,
            state_hash,
            leader: followed.map(|leader| leader.instance),
            contradicted: followed.map_or(0, |leader| self.contradiction_of(leader)),
            relayed,
            acknowledged: self.collected(from),
        };
        self.send_control(from, FrameKind::Pong, ping.number, EnvelopeBody::Pong(pong));
    }

    /// An answer came in: it acknowledges an epoch and shows the state behind it.
    pub(crate) fn ponged(&mut self, from: Instance, mut pong: Pong) {
        let is_member = |instance: Instance| self.health.member(instance).is_some();
        if !is_member(from) {
            return;
        }
        self.push.clock.answered(self.turn.now, from, pong.number, is_member);
        self.told_by_voter(from, &mut pong);
        self.loss_confirmed(from, &pong);
        if !self.leads() {
            return;
        }
        let newest = self.health.view().epoch;
        let entry = self.push.acknowledged.entry(from).or_default();
        // An acknowledgement beyond what was committed or asked is nonsense and counts as none, and so does one that a
        // later answer has overtaken.
        let asked = entry.0..=self.push.round;
        if pong.epoch <= newest && asked.contains(&pong.number) {
            *entry = (pong.number, pong.epoch);
        }
        self.answers_itself(from);
        self.contradicted_here(from, &pong);
        self.acknowledged_through(from, &pong);
        self.compare_state(from, &pong);
        self.epoch_acknowledged();
    }

    /// The newest epoch that every live node has acknowledged.
    pub(crate) fn acknowledged_by_all(&self) -> HealthEpoch {
        let me = self.config.instance;
        self.health
            .alive()
            .filter(|member| member.instance != me)
            .map(|member| self.push.acknowledged(member.instance))
            .chain([self.health.view().epoch])
            .min()
            .unwrap_or(HealthEpoch::ZERO)
    }
}
