//! Copies of the log that are not what they should be: one that lost what it acknowledged, one that contradicts what is
//! committed, one that stands still.
//!
//! Invariants: no node halts on one word, and the good copy is never the one that is told to go. A leader that knows of a
//! loss (`consensus/src/replica/losses.rs`) says so on its pings. The node that is meant halts only when its own log is that short,
//! the leader is the one that its replica follows, and a second voter follows it too; where there are but two voters the
//! own vote for the leader is the second word. A contradiction does not say who is wrong: it is an alarm on all nodes, and
//! both live, unless a majority of the voters contradicts the leader: then the leader halts, and nobody is told to erase
//! anything. How everybody hears of it is in `notices.rs`.

mod notices;
mod state_watch;

use crate::copies::notices::CopyNotices;
use crate::copies::state_watch::StateWatch;
use crate::event::Output;
use crate::leadership::Leader;
use crate::pings::bare::ping;
use crate::pings::rider::{Answer, Load, Rider};
use crate::sight::Sight;
use crate::told::Event;
use crate::turn::Turn;
use quorate_proto::{
    CopyFault, CopyNotice, EnvelopeBody, FrameKind, Instance, Moment, Ping, Pong, Reason, limits,
    raft_id,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// A voter that acknowledges nothing for so long, while the commit moves, is named. Longer than a snapshot takes to begin.
const STANDS_STILL: Duration = Duration::from_secs(10);

/// A voter that contradicts says so with every answer; what is older than this is taken back.
const CONTRADICTS: Duration = Duration::from_secs(3);

/// What is known of copies.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// As leader: who lost entries, with the last that it had and has.
    lost: BTreeMap<Instance, (u64, u64)>,
    /// As leader: how far each other voter was, and since when. Behind are those whose number is below the commit index.
    matched: BTreeMap<Instance, (u64, Moment)>,
    /// As follower: up to where the leader has acknowledgements of this node.
    told: Option<(Leader, u64)>,
    /// The leader of whom an entry contradicts what is committed here, and which entry.
    contradicted_by: Option<(Leader, u64)>,
    /// As leader: the voters that have something else committed at an entry, and when they said so last.
    contradicting: BTreeMap<Instance, (u64, Moment)>,
    /// As leader: whose state differs.
    states: StateWatch,
    /// What the leader said of copies last.
    notices: CopyNotices,
}

impl Copies {
    /// As leader: how far a voter is. Only while it should move on does time pass for it: who is away acknowledges nothing, and once
    /// it is back it has as long as the others.
    fn note_place(&mut self, now: Moment, life: Instance, at: u64, should_move: bool) {
        let seen = self.matched.entry(life).or_insert((at, now));
        if seen.0 != at || !should_move {
            *seen = (at, now);
        }
    }

    /// As leader: whether a voter has stood still for too long.
    fn stands_still(&self, now: Moment, life: Instance) -> bool {
        self.matched.get(&life).is_some_and(|(_, since)| now.since(*since) >= STANDS_STILL)
    }

    /// As leader: the voters that contradict it, each with an entry.
    fn contradicting(&self, now: Moment) -> impl Iterator<Item = (Instance, u64)> {
        let fresh =
            self.contradicting.iter().filter(move |(_, (_, at))| now.since(*at) < CONTRADICTS);
        fresh.map(|(life, (index, _))| (*life, *index))
    }

    /// As leader: a peer's log ends before what it acknowledged. The next pings tell everybody.
    pub(crate) fn peer_lost(&mut self, who: Instance, had: u64, has: u64) {
        self.lost.insert(who, (had, has));
    }

    /// The leader has acknowledgements of this node up to an entry, by its pings or by its heartbeats: if that is not here, somebody
    /// else is asked. 0: it has none that are not here.
    pub(crate) fn loss_suspected(&mut self, sight: &Sight<'_>, turn: &mut Turn, had: u64) {
        let Some(group) = sight.group else { return };
        let Some(leader) = sight.followed().filter(|_| had > group.replica().last()) else {
            self.told = None;
            return;
        };
        self.told = Some((leader, had));
        let others: Vec<Instance> = voters_beside(sight, leader.instance).collect();
        if others.is_empty() {
            let own = raft_id(group.cluster_id(), leader.instance);
            if group.replica().voted_for() == Some(own) {
                self.halt_for_loss(sight, turn, "the own vote");
            }
            return;
        }
        for voter in others {
            // No round of pings: the time that the answer takes is nobody's round trip.
            let question = EnvelopeBody::Ping(Ping { leader: None, ..ping(sight, 0) });
            turn.send_control(sight.peers, voter, FrameKind::Ping, 1, question);
        }
    }

    /// Another voter says whom it follows.
    fn loss_confirmed(&mut self, sight: &Sight<'_>, turn: &mut Turn, from: Instance, pong: &Pong) {
        let Some((leader, _)) = self.told else { return };
        let same = pong.leader == Some(leader.instance) && pong.term == leader.term;
        if same && voters_beside(sight, leader.instance).any(|voter| voter == from) {
            self.halt_for_loss(sight, turn, &sight.health.name(from));
        }
    }

    fn halt_for_loss(&mut self, sight: &Sight<'_>, turn: &mut Turn, second: &str) {
        let Some((leader, had)) = self.told.take() else { return };
        let last = sight.group.map_or(0, |group| group.replica().last());
        if sight.followed() != Some(leader) || had <= last {
            return;
        }
        let reason = format!(
            "this node acknowledged entries up to {had}, and its log ends at {last}: the disk lost data, or a copy of it acknowledged \
             them in its place. So says {}, which leads in term {}, as {second} confirms. The others have the entries. Run `quorate reset --cluster {}` on this host and start \
             it again; it rejoins as a new instance",
            sight.health.name(leader.instance),
            leader.term,
            sight.config.cluster
        );
        turn.out.push(Output::Halt { reason, again: false });
    }

    /// The leader's entries differ from what is committed here. Nothing says which of the two is damaged.
    pub(crate) fn contradicted(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        from: Instance,
        index: u64,
    ) {
        let Some(leader) = sight.replicas_leader().filter(|leader| leader.instance == from) else {
            return;
        };
        let before = self.contradicted_by.replace((leader, index));
        if before.is_some_and(|(before, _)| before == leader) {
            return;
        }
        turn.event(Event::Contradicted { leader: sight.host(from), entry: index });
    }

    /// The entry of this leader that is not the one committed here; 0 when none is.
    fn contradiction_of(&self, leader: Leader) -> u64 {
        self.contradicted_by.filter(|(who, _)| *who == leader).map_or(0, |(_, index)| index)
    }

    /// As leader: a voter says that an entry of this one is not what it has committed.
    fn contradicted_here(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        from: Instance,
        pong: &Pong,
    ) {
        let me = sight.config.instance;
        let own = pong.leader == Some(me) && pong.term == sight.own_term();
        if pong.contradicted == 0 || !own || !sight.other_voters().any(|voter| voter == from) {
            self.contradicting.remove(&from);
            return;
        }
        self.contradicting.insert(from, (pong.contradicted, turn.now));
        let voters = sight.other_voters().count() + 1;
        let against: Vec<String> = self
            .contradicting(turn.now)
            .map(|(life, index)| format!("{} (entry {index})", sight.health.name(life)))
            .collect();
        if against.len() > voters / 2 {
            let reason = format!(
                "{} of {voters} voters have something else committed than this node, which leads: {}. The log here is damaged, \
                 or that of all of them. Keep the data of every host; compare the state hash in `quorate status` on the others \
                 while they go on without this one",
                against.len(),
                against.join(", ")
            );
            turn.out.push(Output::Halt { reason, again: false });
        }
    }

    /// As leader: how far the other voters are. Called with the duties.
    pub(crate) fn watch(&mut self, sight: &Sight<'_>) {
        let Some(group) = sight.group.filter(|group| group.leads()) else { return };
        let places: BTreeMap<Instance, (u64, bool)> = sight
            .other_voters()
            .filter_map(|life| {
                let progress = group.replica().progress(raft_id(group.cluster_id(), life))?;
                // One that is being sent a snapshot acknowledges nothing for as long as that takes.
                let at = if progress.snapshotting { u64::MAX } else { progress.matched };
                Some((life, (at, sight.seems_alive(life))))
            })
            .collect();
        let commit = group.replica().status().commit;
        self.lost.retain(|life, (had, _)| places.get(life).is_some_and(|(at, _)| at == had));
        self.matched.retain(|life, _| places.contains_key(life));
        for (life, (at, alive)) in places {
            self.note_place(sight.now, life, at, at < commit && alive);
        }
    }

    /// As leader: the copies that are not what they should be.
    fn faults(&self, sight: &Sight<'_>) -> Vec<CopyNotice> {
        let notice = |instance, fault: CopyFault, entry, end| CopyNotice {
            instance,
            fault: fault.into(),
            entry,
            end,
        };
        let lost =
            self.lost.iter().map(|(life, (had, has))| notice(*life, CopyFault::Lost, *had, *has));
        let contradicting = self
            .contradicting(sight.now)
            .map(|(life, index)| notice(life, CopyFault::Contradicts, index, 0));
        let differing =
            self.states.differing().map(|life| notice(life, CopyFault::StateDiffers, 0, 0));
        let still = self
            .matched
            .iter()
            .filter(|(life, _)| {
                let known = self.lost.contains_key(life) || self.contradicting.contains_key(life);
                self.stands_still(sight.now, **life) && !known && sight.seems_alive(**life)
            })
            .map(|(life, (at, _))| notice(*life, CopyFault::StandsStill, 0, *at));
        lost.chain(contradicting).chain(differing).chain(still).take(limits::COPY_NOTICES).collect()
    }

    /// The leader says which copies are faulty, also to itself; mostly none.
    pub(crate) fn heard(&mut self, sight: &Sight<'_>, turn: &mut Turn, notices: Vec<CopyNotice>) {
        self.notices.heard(sight, turn, notices);
    }

    /// As the leader finds them, or said last.
    pub(crate) fn known(&self, sight: &Sight<'_>) -> Vec<CopyNotice> {
        if sight.leads() { self.faults(sight) } else { self.notices.of_leader(sight).to_vec() }
    }

    /// Copies that do not count, for `quorate why`.
    pub(crate) fn reasons(&self, sight: &Sight<'_>, now: Moment) -> Vec<Reason> {
        let notices = self.known(sight);
        let since = if sight.leads() { now } else { self.notices.since() };
        let own = sight.followed().map_or(0, |leader| self.contradiction_of(leader));
        let own = (own > 0).then(|| CopyNotice {
            instance: sight.config.instance,
            fault: CopyFault::Contradicts.into(),
            entry: own,
            end: 0,
        });
        let own = own.filter(|own| !notices.iter().any(|one| one.instance == own.instance));
        let causes = notices.iter().chain(&own).filter_map(|notice| notices::cause(sight, notice));
        causes.map(|cause| Reason::of(&cause, since)).collect()
    }
}

impl Rider for Copies {
    /// The leader tells everybody which copies are faulty, and itself first.
    fn load<'a>(&'a mut self, sight: &Sight<'a>, turn: &mut Turn) -> Load<'a> {
        let faults = self.faults(sight);
        self.heard(sight, turn, faults.clone());
        Box::new(move |_, ping| ping.copies.clone_from(&faults))
    }

    fn take(&mut self, sight: &Sight<'_>, turn: &mut Turn, ping: &mut Ping) {
        let told = std::mem::take(&mut ping.copies);
        let me = sight.config.instance;
        let own = told
            .iter()
            .take(limits::COPY_NOTICES)
            .find(|notice| notice.instance == me && notice.fault == i32::from(CopyFault::Lost));
        self.loss_suspected(sight, turn, own.map_or(0, |notice| notice.entry));
        self.heard(sight, turn, told);
    }

    /// The state here, and the entry of the leader that contradicts what is committed here.
    fn answer(&mut self, sight: &Sight<'_>, _: Instance, pong: &mut Pong) {
        (pong.applied, pong.state_hash) = sight.state();
        pong.contradicted = sight.followed().map_or(0, |leader| self.contradiction_of(leader));
    }

    fn acknowledged(&mut self, sight: &Sight<'_>, turn: &mut Turn, answer: &mut Answer) {
        let (from, pong) = (answer.from, &answer.pong);
        self.loss_confirmed(sight, turn, from, pong);
        if sight.leads() {
            self.contradicted_here(sight, turn, from, pong);
            self.states.answered(sight, turn, from, pong);
        }
    }

    fn begin(&mut self) {
        self.lost.clear();
        self.matched.clear();
        self.contradicting.clear();
        self.told = None;
    }

    fn retain(&mut self, is_member: &dyn Fn(Instance) -> bool) {
        self.states.retain(is_member);
    }
}

/// The voters that can be a second word beside a leader's.
fn voters_beside<'a>(
    sight: &Sight<'a>,
    leader: Instance,
) -> impl Iterator<Item = Instance> + use<'a> {
    sight.other_voters().filter(move |life| *life != leader)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voter_stands_still_only_while_it_is_here_and_behind() {
        let at = |seconds| Moment::ZERO + Duration::from_secs(seconds);
        let life = Instance::from_bytes([1; 16]);
        let mut copies = Copies::default();
        copies.note_place(at(0), life, 7, true);
        copies.note_place(at(9), life, 7, true);
        assert!(!copies.stands_still(at(9), life));
        assert!(copies.stands_still(at(10), life));
        copies.note_place(at(10), life, 8, true);
        assert!(!copies.stands_still(at(11), life), "it has moved");
        // It was stopped for a while, and comes back as far behind as that.
        copies.note_place(at(12), life, 8, false);
        copies.note_place(at(40), life, 8, false);
        copies.note_place(at(41), life, 8, true);
        assert!(!copies.stands_still(at(41), life));
        assert!(copies.stands_still(at(50), life));
    }
}
