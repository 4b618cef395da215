//! The second way to the leader: a live node that lost only its link to it is told, and served, through a voter that
//! has both links.
//!
//! Level-triggered, and pulled by the node that is cut off: as long as it does not hear the leader it asks one voter a
//! round, with its own epoch. A voter that hears the leader itself answers with what the asker lacks, and what the
//! asker has rides on the voter's next answer to the leader. Nothing goes over more than one voter: whoever is cut off
//! vouches for nobody. Knows nothing of elections; a voter that is cut off follows its own replica there.

use crate::leadership::{LEADER_SILENCE, Leader};
use crate::node::Node;
use crate::pings::rhythm::PING_INTERVAL;
use crate::pings::rhythm::ping_interval;
use crate::requests::Origin;
use crate::timers::Timer;
use quorate_proto::{
    EnvelopeBody, ForwardRequest, FrameKind, HealthEpoch, Instance, LinkCause, MemberState, Moment,
    Ping, Pong, Reason, Relayed, RelayedAcknowledgement, Role, forward_request, limits,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a node that is cut off said it has is told to the leader for so long: it asks again long before.
const KEPT: Duration = Duration::from_secs(1);
/// A link that was cut for so long is named.
const SURE: Duration = Duration::from_secs(1);
/// A voter that vouched goes on being asked for so long after its last word; then the next one is asked.
const STAYS: Duration = Duration::from_millis(400);

const _: () = assert!(STAYS.as_millis() > 2 * PING_INTERVAL.as_millis());
const _: () = assert!(STAYS.as_millis() < LEADER_SILENCE.as_millis());

/// A voter's word that it hears the leader.
#[derive(Debug, Clone, Copy)]
struct Vouch {
    by: Instance,
    leader: Leader,
    at: Moment,
}

/// Both ends of the second way.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    vouch: Option<Vouch>,
    /// Whom this node asked last, and in which round.
    asked: Option<(Instance, u64)>,
    /// The place in the list of voters of the one to be asked next.
    next: usize,
    /// When the leader last said that it does not hear this node.
    unheard: Option<Moment>,
    /// As a voter: what nodes that are cut off have. At most `limits::RELAYED`.
    collected: BTreeMap<Instance, (Moment, HealthEpoch)>,
    /// As leader: members that acknowledge through a voter. At most `limits::MEMBERS`.
    around: BTreeMap<Instance, Around>,
}

/// A member whose link to this leader is cut, as a voter says.
#[derive(Debug, Clone, Copy)]
struct Around {
    via: Instance,
    since: Moment,
    last: Moment,
}

impl Node {
    /// After so much silence of the leader a node looks for another way: two rounds of its pings.
    fn relay_patience(&self) -> Duration {
        ping_interval(self.health.view().members.len()) * 2
    }

    /// Whether this node and the leader do not hear each other, or no leader is known.
    pub(crate) fn is_cut_off(&self) -> bool {
        let patience = self.relay_patience();
        let Some(leader) = self.leadership.leader() else { return true };
        let unheard = self.relay.unheard.is_some_and(|at| self.turn.now.since(at) < patience);
        leader.instance != self.config.instance && (!self.hears_leader() || unheard)
    }

    /// Whether the leader was heard within two rounds of its pings.
    fn hears_leader(&self) -> bool {
        self.turn.now.since(self.leadership.heard()) < self.relay_patience()
    }

    /// Whom a request is asked of: the leader, or, at its origin and without a link to the leader, the voter in between.
    pub(crate) fn way_to_leader(&self, leader: Instance, origin: Origin) -> Instance {
        let relay = self.relay().filter(|_| matches!(origin, Origin::Client(_)));
        relay.unwrap_or(leader)
    }

    /// Whether this node hands a member's request on to the leader, as long as it hears that itself (`Node::advance`).
    pub(crate) fn hands_on(&self, from: Instance, request: &ForwardRequest) -> bool {
        let member = self.health.member(from).is_some();
        let admit = matches!(request.body, Some(forward_request::Body::Admit(_)));
        request.relay && member && !admit
    }

    /// The voter through which this node reaches the leader, while it is cut off from it.
    pub(crate) fn relay(&self) -> Option<Instance> {
        let vouch = self.relay.vouch.filter(|_| self.is_cut_off())?;
        let stands = Some(vouch.leader) == self.leadership.leader()
            && self.turn.now.since(vouch.at) < LEADER_SILENCE;
        stands.then_some(vouch.by)
    }

    /// It may be time to ask around. Armed whenever the leader is heard.
    pub(crate) fn ask_around(&mut self) {
        if self.sight().leads() || self.stopping.is_some() || self.genesis.is_none() {
            return;
        }
        if !self.is_cut_off() {
            let silent_at = self.leadership.heard() + self.relay_patience();
            self.turn.timers.arm(Timer::Relay, silent_at.max(self.turn.now + PING_INTERVAL / 10));
            return;
        }
        self.turn.timers.arm(Timer::Relay, self.turn.now + PING_INTERVAL);
        let Some(voter) = self.whom_to_ask_around() else { return };
        let number = self.new_round();
        self.relay.asked = Some((voter, number));
        let ping = Ping { asks: true, ..self.ping(None) };
        self.send_control(voter, FrameKind::Ping, 0, EnvelopeBody::Ping(ping));
    }

    /// The voter that vouched last, as long as it does; else those in turn with whom a session stands. Nobody is dialled
    /// for this: gossip and the detector do that, and a copy of a disk would take the original's place each time.
    fn whom_to_ask_around(&mut self) -> Option<Instance> {
        let stays = self.relay.vouch.filter(|vouch| {
            Some(vouch.leader) == self.leadership.leader() && self.turn.now.since(vouch.at) < STAYS
        });
        if let Some(vouch) = stays {
            return Some(vouch.by);
        }
        let leader = self.leadership.leader().map(|leader| leader.instance);
        let mut voters: Vec<Instance> = self
            .sight()
            .other_voters()
            .filter(|one| Some(*one) != leader)
            .filter(|one| self.sight().seems_alive(*one) && self.peers.session(*one).is_some())
            .collect();
        voters.sort_unstable();
        self.relay.next = self.relay.next.wrapping_add(1);
        voters.get(self.relay.next % voters.len().max(1)).copied()
    }

    /// What a voter that hears the leader itself tells a member that does not.
    pub(crate) fn vouch_for_leader(&mut self, from: Instance, ping: &Ping) -> Option<Relayed> {
        let known = self.health.member(from).is_some() && self.sight().role() == Some(Role::Voter);
        let leader = self.leadership.leader().filter(|_| ping.asks && known)?;
        if self.is_cut_off() || (leader.instance == self.config.instance && !self.sight().leads()) {
            return None;
        }
        // Full: what is not told to the leader now is told after the asker's next question.
        let room = self.relay.collected.len() < limits::RELAYED;
        if room || self.relay.collected.contains_key(&from) {
            self.relay.collected.insert(from, (self.turn.now, ping.epoch));
        }
        let update = self.group.as_ref().and_then(|group| group.meta().update_since(ping.epoch));
        let (copies, warnings) = (self.copies_known(), self.warnings.known(self.turn.now));
        Some(Relayed { leader: leader.instance, term: leader.term, update, copies, warnings })
    }

    /// What nodes that are cut off have, for the leader.
    pub(crate) fn collected(&mut self, to: Instance) -> Vec<RelayedAcknowledgement> {
        let now = self.turn.now;
        self.relay.collected.retain(|_, (at, _)| now.since(*at) < KEPT);
        if self.leadership.leader().is_none_or(|leader| leader.instance != to) {
            return Vec::new();
        }
        let collected = self.relay.collected.iter();
        collected
            .map(|(instance, (_, epoch))| RelayedAcknowledgement {
                instance: *instance,
                epoch: *epoch,
            })
            .collect()
    }

    /// A voter answered this node's question.
    pub(crate) fn told_by_voter(&mut self, from: Instance, pong: &mut Pong) {
        let Some(relayed) = pong.relayed.take() else { return };
        let asked = self.relay.asked.is_some_and(|(voter, number)| {
            // An earlier question to the same voter is answered too.
            voter == from && pong.number <= number
        });
        let voter = self.health.member(from).is_some_and(|member| member.role() == Role::Voter);
        if !asked || !voter || relayed.leader == self.config.instance || self.sight().leads() {
            self.turn.counters.frames_fenced += 1;
            return;
        }
        let leader = Leader { instance: relayed.leader, term: relayed.term };
        if !self.believes(leader) {
            return;
        }
        self.relay.vouch = Some(Vouch { by: from, leader, at: self.turn.now });
        self.turn.timers.arm(Timer::LeaderSilence, self.turn.now + LEADER_SILENCE);
        if !self.is_told_quorate() {
            self.health.touch();
        }
        // A leader that is heard says it itself, and what comes around may be older.
        if !self.hears_leader() {
            self.copies_told(relayed.copies);
        }
        self.note_told(relayed.warnings);
        if let Some(update) = relayed.update {
            let before = self.health.view().epoch;
            self.health_pushed(update);
            if self.health.view().epoch > before {
                // Its next question is its acknowledgement.
                self.turn.timers.arm(Timer::Relay, self.turn.now);
            }
        }
        self.requests.look_again();
    }

    /// Whether a leader that a voter names is, or now becomes, the one that this node knows.
    fn believes(&mut self, leader: Leader) -> bool {
        if !self.trust.may_follow(&self.sight(), leader) {
            return false;
        }
        if self.leadership.leader() != Some(leader) {
            self.leader_changed(Some(leader));
        }
        true
    }

    /// The leader says that it does not hear this node.
    pub(crate) fn unheard_by_leader(&mut self) {
        if !self.is_cut_off() {
            self.turn.timers.arm(Timer::Relay, self.turn.now);
        }
        self.relay.unheard = Some(self.turn.now);
    }

    /// A voter passes on what nodes that are cut off have acknowledged.
    pub(crate) fn acknowledged_through(&mut self, from: Instance, pong: &Pong) {
        let voter = self.health.member(from).is_some_and(|member| member.role() == Role::Voter);
        let newest = self.health.view().epoch;
        for RelayedAcknowledgement { instance, epoch } in
            pong.acknowledged.iter().take(limits::RELAYED).filter(|_| voter)
        {
            if *instance != from && *epoch <= newest && self.health.member(*instance).is_some() {
                self.push.acknowledge(*instance, *epoch);
                self.goes_around(*instance, from);
            }
        }
    }

    /// A member answered a ping of this leader: both ways are open.
    pub(crate) fn answers_itself(&mut self, member: Instance) {
        self.relay.around.remove(&member);
    }

    fn goes_around(&mut self, member: Instance, via: Instance) {
        let now = self.turn.now;
        self.relay.around.retain(|_, around| now.since(around.last) < LEADER_SILENCE);
        let new = Around { via, since: now, last: now };
        let around = self.relay.around.entry(member).or_insert(new);
        (around.via, around.last) = (via, now);
    }

    /// As leader: the members to which the link is cut.
    pub(crate) fn cut_link_reasons(&self, now: Moment) -> impl Iterator<Item = Reason> {
        let around = self.relay.around.iter().filter(|_| self.sight().leads());
        let around = around.filter(move |(_, around)| now.since(around.last) < LEADER_SILENCE);
        // Who is counted out is pinged seldom and asks around for that, also for a moment when it counts again; and a copy is kept out.
        let around = around.filter(move |(member, around)| {
            self.health.member(**member).is_some_and(|it| it.state() == MemberState::Alive)
                && now.since(around.since) >= SURE
                && !self.runs_twice_somewhere(**member)
        });
        around.map(|(member, around)| {
            let (name, via) = (self.health.name(*member), self.health.name(around.via));
            no_link(self.config.name.as_str(), name, true, &via, around.since)
        })
    }
}

/// The link between this node and another is cut, of which one leads: this node, or the other.
pub(crate) fn no_link(me: &str, other: String, leads: bool, via: &str, since: Moment) -> Reason {
    let (me, via) = (me.to_owned(), via.to_owned());
    Reason::of(&LinkCause::NoLink { me, name: other, leads, via }, since)
}

#[cfg(test)]
mod tests;
