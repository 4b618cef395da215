//! Copies of the log that are not what they should be: one that lost what it acknowledged, one that contradicts what is
//! committed, one that stands still.
//!
//! Invariants: no node halts on one word, and the good copy is never the one that is told to go. A leader that knows of a
//! loss (`consensus/src/replica/losses.rs`) says so on its pings. The node that is meant halts only when its own log is that short,
//! the leader is the one that its replica follows, and a second voter follows it too; where there are but two voters the
//! own vote for the leader is the second word. A contradiction does not say who is wrong: it is an alarm on all nodes, and
//! both live, unless a majority of the voters contradicts the leader: then the leader halts, and nobody is told to erase
//! anything. How everybody hears of it is in `copy_notices.rs`.

pub(crate) mod notices;
pub(crate) mod state_watch;

use crate::event::Output;
use crate::leadership::Leader;
use crate::node::Node;
use crate::sight::Sight;
use crate::told::Event;
use quorate_proto::{
    CopyFault, CopyNotice, EnvelopeBody, FrameKind, Instance, Moment, Ping, Pong, limits, raft_id,
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
}

impl Copies {
    /// Another leader.
    pub(crate) fn reset(&mut self) {
        self.lost.clear();
        self.matched.clear();
        self.contradicting.clear();
        self.told = None;
    }

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
}

impl Node {
    /// As leader: a peer's log ends before what it acknowledged. The next pings tell everybody.
    pub(crate) fn peer_lost(&mut self, who: Instance, had: u64, has: u64) {
        self.copies.lost.insert(who, (had, has));
    }

    /// A leader that this node believes has acknowledgements of it up to an entry that is not here: somebody else is asked.
    pub(crate) fn loss_told(&mut self, told: &[CopyNotice]) {
        let me = self.config.instance;
        let own = told
            .iter()
            .take(limits::COPY_NOTICES)
            .find(|notice| notice.instance == me && notice.fault == i32::from(CopyFault::Lost));
        self.loss_suspected(own.map_or(0, |notice| notice.entry));
    }

    /// The leader has acknowledgements of this node up to an entry, by its pings or by its heartbeats. 0: it has none that are
    /// not here.
    pub(crate) fn loss_suspected(&mut self, had: u64) {
        let Some(group) = &self.group else { return };
        let Some(leader) = self.sight().followed().filter(|_| had > group.replica().last()) else {
            self.copies.told = None;
            return;
        };
        self.copies.told = Some((leader, had));
        let others: Vec<Instance> = voters_beside(&self.sight(), leader.instance).collect();
        if others.is_empty() {
            let own = raft_id(group.genesis(), leader.instance);
            if group.replica().voted_for() == Some(own) {
                self.halt_for_loss("the own vote");
            }
            return;
        }
        for voter in others {
            // No round of pings: the time that the answer takes is nobody's round trip.
            let question = Ping { number: 0, leader: None, ..self.ping(None) };
            self.send_control(voter, FrameKind::Ping, 1, EnvelopeBody::Ping(question));
        }
    }

    /// Another voter says whom it follows.
    pub(crate) fn loss_confirmed(&mut self, from: Instance, pong: &Pong) {
        let Some((leader, _)) = self.copies.told else { return };
        let same = pong.leader == Some(leader.instance) && pong.term == leader.term;
        if same && voters_beside(&self.sight(), leader.instance).any(|voter| voter == from) {
            let name = self.health.name(from);
            self.halt_for_loss(&name);
        }
    }

    fn halt_for_loss(&mut self, second: &str) {
        let Some((leader, had)) = self.copies.told.take() else { return };
        let last = self.group.as_ref().map_or(0, |group| group.replica().last());
        if self.sight().followed() != Some(leader) || had <= last {
            return;
        }
        let reason = format!(
            "this node acknowledged entries up to {had}, and its log ends at {last}: the disk lost data, or a copy of it acknowledged \
             them in its place. So says {}, which leads in term {}, as {second} confirms. The others have the entries. Run `quorate reset --cluster {}` on this host and start \
             it again; it rejoins as a new instance",
            self.health.name(leader.instance),
            leader.term,
            self.config.cluster
        );
        self.turn.out.push(Output::Halt { reason, again: false });
    }

    /// The leader's entries differ from what is committed here. Nothing says which of the two is damaged.
    pub(crate) fn contradicted(&mut self, from: Instance, index: u64) {
        let Some(leader) = self.sight().replicas_leader().filter(|leader| leader.instance == from)
        else {
            return;
        };
        let before = self.copies.contradicted_by.replace((leader, index));
        if before.is_some_and(|(before, _)| before == leader) {
            return;
        }
        let leader = self.sight().host(from);
        self.turn.event(Event::Contradicted { leader, entry: index });
    }

    /// The entry of this leader that is not the one committed here; 0 when none is.
    pub(crate) fn contradiction_of(&self, leader: Leader) -> u64 {
        self.copies.contradicted_by.filter(|(who, _)| *who == leader).map_or(0, |(_, index)| index)
    }

    /// As leader: a voter says that an entry of this one is not what it has committed.
    pub(crate) fn contradicted_here(&mut self, from: Instance, pong: &Pong) {
        let me = self.config.instance;
        let own = pong.leader == Some(me) && pong.term == self.sight().own_term();
        if pong.contradicted == 0 || !own || !self.sight().other_voters().any(|voter| voter == from)
        {
            self.copies.contradicting.remove(&from);
            return;
        }
        self.copies.contradicting.insert(from, (pong.contradicted, self.turn.now));
        let voters = self.sight().other_voters().count() + 1;
        let against: Vec<String> = self
            .copies
            .contradicting(self.turn.now)
            .map(|(life, index)| format!("{} (entry {index})", self.health.name(life)))
            .collect();
        if against.len() > voters / 2 {
            let reason = format!(
                "{} of {voters} voters have something else committed than this node, which leads: {}. The log here is damaged, \
                 or that of all of them. Keep the data of every host; compare the state hash in `quorate status` on the others \
                 while they go on without this one",
                against.len(),
                against.join(", ")
            );
            self.turn.out.push(Output::Halt { reason, again: false });
        }
    }

    /// As leader: how far the other voters are. Called with the duties.
    pub(crate) fn watch_copies(&mut self) {
        let Some(group) = self.group.as_ref().filter(|group| group.leads()) else { return };
        let (genesis, now) = (group.genesis(), self.turn.now);
        let places: BTreeMap<Instance, (u64, bool)> = self
            .sight()
            .other_voters()
            .filter_map(|life| {
                let progress = group.replica().progress(raft_id(genesis, life))?;
                // One that is being sent a snapshot acknowledges nothing for as long as that takes.
                let at = if progress.snapshotting { u64::MAX } else { progress.matched };
                Some((life, (at, self.sight().seems_alive(life))))
            })
            .collect();
        let commit = group.replica().status().commit;
        self.copies.lost.retain(|life, (had, _)| places.get(life).is_some_and(|(at, _)| at == had));
        self.copies.matched.retain(|life, _| places.contains_key(life));
        for (life, (at, alive)) in places {
            self.copies.note_place(now, life, at, at < commit && alive);
        }
    }

    /// As leader: the copies that are not what they should be.
    pub(crate) fn copy_faults(&self) -> Vec<CopyNotice> {
        let (copies, now) = (&self.copies, self.turn.now);
        let notice = |instance, fault: CopyFault, entry, end| CopyNotice {
            instance,
            fault: fault.into(),
            entry,
            end,
        };
        let lost =
            copies.lost.iter().map(|(life, (had, has))| notice(*life, CopyFault::Lost, *had, *has));
        let contradicting = copies
            .contradicting(now)
            .map(|(life, index)| notice(life, CopyFault::Contradicts, index, 0));
        let differing =
            self.state_watch.differing().map(|life| notice(life, CopyFault::StateDiffers, 0, 0));
        let still = copies
            .matched
            .iter()
            .filter(|(life, _)| {
                let known =
                    copies.lost.contains_key(life) || copies.contradicting.contains_key(life);
                copies.stands_still(now, **life) && !known && self.sight().seems_alive(**life)
            })
            .map(|(life, (at, _))| notice(*life, CopyFault::StandsStill, 0, *at));
        lost.chain(contradicting).chain(differing).chain(still).take(limits::COPY_NOTICES).collect()
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
