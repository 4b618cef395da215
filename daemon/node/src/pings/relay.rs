//! The second way to the leader: a live node that lost only its link to it is told, and served, through a voter that
//! has both links.
//!
//! Level-triggered, and pulled by the node that is cut off: as long as it does not hear the leader it asks one voter a
//! round, with its own epoch. A voter that hears the leader itself answers with what the asker lacks, and what the
//! asker has rides on the voter's next answer to the leader. Nothing goes over more than one voter: whoever is cut off
//! vouches for nobody. So whether there is a quorum is known here: it ends when the leader is silent, nobody vouches for it,
//! and no other leader appears. Knows nothing of elections; a voter that is cut off follows its own replica there.

use crate::copies::Copies;
use crate::leadership::{LEADER_SILENCE, Leader};
use crate::news::News;
use crate::pings::rhythm::PING_INTERVAL;
use crate::pings::rider::{Answer, Load, Rider};
use crate::sight::Sight;
use crate::timers::Timer;
use crate::turn::Turn;
use crate::warnings::Warnings;
use quorate_consensus::RaftRole;
use quorate_proto::{
    CopyNotice, HealthEpoch, Instance, LinkCause, MemberState, Moment, Ping, Pong, Reason, Relayed,
    RelayedAcknowledgement, Role, limits,
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

impl Relay {
    /// Whether this node and the leader do not hear each other, or no leader is known.
    pub(crate) fn is_cut_off(&self, sight: &Sight<'_>) -> bool {
        let Some(leader) = sight.leadership.leader() else { return true };
        let patience = patience(sight, leader.instance);
        let unheard = self.unheard.is_some_and(|at| sight.now.since(at) < patience);
        leader.instance != sight.config.instance && (!hears_leader(sight) || unheard)
    }

    /// The voter through which this node reaches the leader, while it is cut off from it.
    pub(crate) fn relay(&self, sight: &Sight<'_>) -> Option<Instance> {
        let vouch = self.vouch.filter(|_| self.is_cut_off(sight))?;
        let stands = Some(vouch.leader) == sight.leadership.leader()
            && sight.now.since(vouch.at) < sight.leader_silence();
        stands.then_some(vouch.by)
    }

    /// Whether a leader with a majority is known and heard, or vouched for, or was until it began to hand over to another.
    pub(crate) fn is_quorate(&self, sight: &Sight<'_>) -> bool {
        let Some(leader) = sight.leadership.leader() else {
            return sight.leadership.is_told_quorate() && sight.handover.is_under_way(sight.now);
        };
        if leader.instance == sight.config.instance {
            return sight.leads();
        }
        let candidate =
            sight.group.is_some_and(|group| group.replica().role() == RaftRole::Candidate);
        let heard =
            !candidate && sight.now.since(sight.leadership.heard()) < sight.leader_silence();
        heard || self.relay(sight).is_some()
    }

    /// It may be time to ask around: whom. Looked at again whenever the leader is heard.
    pub(crate) fn whom_to_ask(&mut self, sight: &Sight<'_>, turn: &mut Turn) -> Option<Instance> {
        if sight.leads() || sight.stops || sight.cluster_id.is_none() {
            return None;
        }
        if !self.is_cut_off(sight) {
            let leader = sight.leadership.leader().map_or(sight.config.instance, |it| it.instance);
            let silent_at = sight.leadership.heard() + patience(sight, leader);
            turn.timers.arm(Timer::Relay, silent_at.max(turn.now + PING_INTERVAL / 10));
            return None;
        }
        turn.timers.arm(Timer::Relay, turn.now + PING_INTERVAL);
        self.voter_to_ask(sight)
    }

    /// The voter that vouched last, as long as it does; else those in turn with whom a session stands. Nobody is dialled
    /// for this: gossip and the detector do that, and a copy of a disk would take the original's place each time.
    fn voter_to_ask(&mut self, sight: &Sight<'_>) -> Option<Instance> {
        let stays = self.vouch.filter(|vouch| {
            Some(vouch.leader) == sight.leadership.leader() && sight.now.since(vouch.at) < STAYS
        });
        if let Some(vouch) = stays {
            return Some(vouch.by);
        }
        let leader = sight.leadership.leader().map(|leader| leader.instance);
        let mut voters: Vec<Instance> = sight
            .other_voters()
            .filter(|one| Some(*one) != leader)
            .filter(|one| sight.seems_alive(*one) && sight.peers.session(*one).is_some())
            .collect();
        voters.sort_unstable();
        self.next = self.next.wrapping_add(1);
        voters.get(self.next % voters.len().max(1)).copied()
    }

    /// A voter was asked, by the ping of this number.
    pub(crate) fn has_asked(&mut self, voter: Instance, number: u64) {
        self.asked = Some((voter, number));
    }

    /// What a voter that hears the leader itself tells a member that does not.
    pub(crate) fn vouch_for_leader(
        &mut self,
        sight: &Sight<'_>,
        copies: &Copies,
        warnings: &Warnings,
        from: Instance,
        ping: &Ping,
    ) -> Option<Relayed> {
        let known = sight.health.member(from).is_some() && sight.role() == Some(Role::Voter);
        let leader = sight.leadership.leader().filter(|_| ping.asks && known)?;
        if self.is_cut_off(sight) || (leader.instance == sight.config.instance && !sight.leads()) {
            return None;
        }
        // Full: what is not told to the leader now is told after the asker's next question.
        let room = self.collected.len() < limits::RELAYED;
        if room || self.collected.contains_key(&from) {
            self.collected.insert(from, (sight.now, ping.epoch));
        }
        let update = sight.group.and_then(|group| group.meta().update_since(ping.epoch));
        let (copies, warnings) = (copies.known(sight), warnings.known(sight.now));
        Some(Relayed { leader: leader.instance, term: leader.term, update, copies, warnings })
    }

    /// A voter that was asked answers, if it was.
    fn answered(&self, sight: &Sight<'_>, turn: &mut Turn, answer: &Answer, relayed: Relayed) {
        let from = answer.from;
        let asked = self.asked.is_some_and(|(voter, number)| {
            // An earlier question to the same voter is answered too.
            voter == from && answer.pong.number <= number
        });
        let voter = is_voter(sight, from);
        if !asked || !voter || relayed.leader == sight.config.instance || sight.leads() {
            turn.counters.frames_fenced += 1;
            return;
        }
        turn.tell(News::Vouched { by: from, relayed });
    }

    /// A voter vouches for the leader that this node knows, and passes on what that one says of copies.
    pub(crate) fn vouched(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        by: Instance,
        copies: Vec<CopyNotice>,
    ) {
        self.vouch = sight.leadership.leader().map(|leader| Vouch { by, leader, at: turn.now });
        turn.timers.arm(Timer::LeaderSilence, turn.now + sight.leader_silence());
        if !sight.leadership.is_told_quorate() {
            turn.tell(News::QuorateAgain);
        }
        // A leader that is heard says it itself, and what comes around may be older.
        if !hears_leader(sight) {
            turn.tell(News::CopiesTold(copies));
        }
    }

    /// What the voter passed on of the view has been taken: if that brought a later epoch than this one, the next question is sent
    /// at once, for it is the acknowledgement.
    pub(crate) fn has_taken(&self, sight: &Sight<'_>, turn: &mut Turn, before: HealthEpoch) {
        if sight.health.view().epoch > before {
            turn.timers.arm(Timer::Relay, turn.now);
        }
    }

    /// As leader: a voter passes on what nodes that are cut off have acknowledged.
    fn acknowledged_through(&mut self, sight: &Sight<'_>, turn: &mut Turn, answer: &Answer) {
        let via = answer.from;
        let voter = is_voter(sight, via);
        let newest = sight.health.view().epoch;
        for RelayedAcknowledgement { instance, epoch } in
            answer.pong.acknowledged.iter().take(limits::RELAYED).filter(|_| voter)
        {
            if *instance != via && *epoch <= newest && sight.health.member(*instance).is_some() {
                turn.tell(News::AcknowledgedThrough { member: *instance, epoch: *epoch });
                self.goes_around(turn.now, *instance, via);
            }
        }
    }

    fn goes_around(&mut self, now: Moment, member: Instance, via: Instance) {
        self.around.retain(|_, around| now.since(around.last) < LEADER_SILENCE);
        let new = Around { via, since: now, last: now };
        let around = self.around.entry(member).or_insert(new);
        (around.via, around.last) = (via, now);
    }

    /// As leader: the members to which the link is cut, but for those of which copies run.
    pub(crate) fn cut_link_reasons<'a>(
        &'a self,
        sight: Sight<'a>,
        now: Moment,
        is_copied: impl Fn(Instance) -> bool + 'a,
    ) -> impl Iterator<Item = Reason> + 'a {
        let around = self.around.iter().filter(move |_| sight.leads());
        let around = around.filter(move |(_, around)| now.since(around.last) < LEADER_SILENCE);
        // Who is counted out is pinged seldom and asks around for that, also for a moment when it counts again; and a copy is kept out.
        let around = around.filter(move |(member, around)| {
            let member = sight.health.member(**member);
            member.is_some_and(|it| it.state() == MemberState::Alive && !is_copied(it.instance))
                && now.since(around.since) >= SURE
        });
        around.map(move |(member, around)| {
            let (name, via) = (sight.health.name(*member), sight.health.name(around.via));
            no_link(sight.config.name.as_str(), name, true, &via, around.since)
        })
    }
}

impl Rider for Relay {
    /// Whom the leader does not hear is told so, and asks around.
    fn load<'a>(&'a mut self, sight: &Sight<'a>, _: &mut Turn) -> Load<'a> {
        let sight = *sight;
        Box::new(move |to, ping| ping.unheard = does_not_hear(&sight, to))
    }

    fn take(&mut self, sight: &Sight<'_>, turn: &mut Turn, ping: &mut Ping) {
        if !ping.unheard {
            return;
        }
        if !self.is_cut_off(sight) {
            turn.timers.arm(Timer::Relay, turn.now);
        }
        self.unheard = Some(turn.now);
    }

    /// What nodes that are cut off have, for the leader.
    fn answer(&mut self, sight: &Sight<'_>, to: Instance, pong: &mut Pong) {
        self.collected.retain(|_, (at, _)| sight.now.since(*at) < KEPT);
        if sight.leadership.leader().is_none_or(|leader| leader.instance != to) {
            return;
        }
        let collected = self.collected.iter();
        pong.acknowledged = collected
            .map(|(instance, (_, epoch))| RelayedAcknowledgement {
                instance: *instance,
                epoch: *epoch,
            })
            .collect();
    }

    fn acknowledged(&mut self, sight: &Sight<'_>, turn: &mut Turn, answer: &mut Answer) {
        if let Some(relayed) = answer.pong.relayed.take() {
            self.answered(sight, turn, answer, relayed);
        }
        if sight.leads() {
            // It answered a ping of this leader itself: both ways are open.
            self.around.remove(&answer.from);
            self.acknowledged_through(sight, turn, answer);
        }
    }

    /// What is kept here names its leader, or counts for a second at most.
    fn begin(&mut self) {}

    /// So is what it keeps of members.
    fn retain(&mut self, _: &dyn Fn(Instance) -> bool) {}
}

/// After so much silence between a node and the leader another way is looked for: two rounds of pings, or the better part of the silence
/// that is borne with. `of`: the other one.
fn patience(sight: &Sight<'_>, of: Instance) -> Duration {
    (sight.pace.interval() * 2).max(sight.pace.silence_of(of) * 3 / 5)
}

/// Whether the leader was heard of late.
fn hears_leader(sight: &Sight<'_>) -> bool {
    let leader = sight.leadership.leader().map_or(sight.config.instance, |it| it.instance);
    sight.now.since(sight.leadership.heard()) < patience(sight, leader)
}

/// Whether a leader of some standing has not heard a node of late.
fn does_not_hear(sight: &Sight<'_>, instance: Instance) -> bool {
    let since = sight.detector.last_heard(instance).unwrap_or_default();
    sight.now.since(since.max(sight.leadership.heard())) >= patience(sight, instance)
}

fn is_voter(sight: &Sight<'_>, instance: Instance) -> bool {
    sight.health.member(instance).is_some_and(|member| member.role() == Role::Voter)
}

/// The link between this node and another is cut, of which one leads: this node, or the other.
pub(crate) fn no_link(me: &str, other: String, leads: bool, via: &str, since: Moment) -> Reason {
    let (me, via) = (me.to_owned(), via.to_owned());
    Reason::of(&LinkCause::NoLink { me, name: other, leads, via }, since)
}

#[cfg(test)]
mod tests;
