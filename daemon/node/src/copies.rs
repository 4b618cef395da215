//! Copies of the log that are not what they should be: one that lost what it acknowledged, one that contradicts what is
//! committed, one that stands still.
//!
//! Invariants: no node halts on one word, and the good copy is never the one that is told to go. A leader that knows of a
//! loss (`consensus/losses.rs`) says so on its pings. The node that is meant halts only when its own log is that short,
//! the leader is the one that its replica follows, and a second voter follows it too; where there are but two voters the
//! own vote for the leader is the second word. A contradiction does not say who is wrong: it is an alarm, and both live.

use crate::event::Output;
use crate::local_health::Leader;
use crate::node::Node;
use crate::status::Reason;
use quorate_proto::{EnvelopeBody, FrameKind, Instance, Moment, Ping, Pong, Role, raft_id};
use std::collections::BTreeMap;
use std::time::Duration;

/// A voter that acknowledges nothing for so long, while the commit moves, is named. Longer than a snapshot takes to begin.
const STANDS_STILL: Duration = Duration::from_secs(10);

/// What is known of copies.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// As leader: who lost entries, with the last that it had and has.
    lost: BTreeMap<Instance, (u64, u64)>,
    /// As leader: how far each other voter was, and since when. Behind are those whose number is below the commit index.
    matched: BTreeMap<Instance, (u64, Moment)>,
    /// As follower: up to where the leader has acknowledgements of this node.
    told: Option<(Leader, u64)>,
    /// The leader whose entries contradict what is committed here.
    contradicted_by: Option<Leader>,
}

impl Copies {
    /// Another leader.
    pub(crate) fn reset(&mut self) {
        self.lost.clear();
        self.matched.clear();
        self.told = None;
    }

    /// What to tell a peer on a ping: the last entry that it acknowledged, when it lost some; otherwise 0.
    pub(crate) fn lost_by(&self, instance: Instance) -> u64 {
        self.lost.get(&instance).map_or(0, |(had, _)| *had)
    }
}

impl Node {
    /// As leader: a peer's log ends before what it acknowledged.
    pub(crate) fn peer_lost(&mut self, who: Instance, had: u64, has: u64, out: &mut Vec<Output>) {
        if self.copies.lost.insert(who, (had, has)).is_some() {
            return;
        }
        let name = self.health.name(who);
        let text = format!(
            "{name} acknowledged entry {had} and its log ends at {has}: its disk went back. It is not counted any more"
        );
        self.event("alarm", text, true, out);
    }

    /// A leader that this node believes has acknowledgements of it up to an entry that is not here: somebody else is asked.
    pub(crate) fn loss_told(&mut self, had: u64, out: &mut Vec<Output>) {
        let Some(group) = &self.group else { return };
        let Some(leader) = self.followed().filter(|_| had > group.replica.last()) else {
            self.copies.told = None;
            return;
        };
        self.copies.told = Some((leader, had));
        let others: Vec<Instance> = self.other_voters(leader.instance).collect();
        if others.is_empty() {
            let own = raft_id(group.genesis, leader.instance);
            if group.replica.voted_for() == Some(own) {
                self.halt_for_loss("the own vote", out);
            }
            return;
        }
        for voter in others {
            // No round of pings: the time that the answer takes is nobody's round trip.
            let question = Ping { number: 0, leader: None, ..self.ping(None) };
            self.send_control(voter, FrameKind::Ping, 1, EnvelopeBody::Ping(question), out);
        }
    }

    fn other_voters(&self, leader: Instance) -> impl Iterator<Item = Instance> {
        let me = self.config.instance;
        let voters = self.health.view.members.iter().filter(|it| it.role() == Role::Voter);
        voters.map(|it| it.instance).filter(move |life| *life != me && *life != leader)
    }

    /// Another voter says whom it follows.
    pub(crate) fn loss_confirmed(&mut self, from: Instance, pong: &Pong, out: &mut Vec<Output>) {
        let Some((leader, _)) = self.copies.told else { return };
        let same = pong.leader == Some(leader.instance) && pong.term == leader.term;
        if same && self.other_voters(leader.instance).any(|voter| voter == from) {
            let name = self.health.name(from);
            self.halt_for_loss(&name, out);
        }
    }

    fn halt_for_loss(&mut self, second: &str, out: &mut Vec<Output>) {
        let Some((leader, had)) = self.copies.told.take() else { return };
        let last = self.group.as_ref().map_or(0, |group| group.replica.last());
        if self.followed() != Some(leader) || had <= last {
            return;
        }
        let reason = format!(
            "this node acknowledged entries up to {had}, and its log ends at {last}: the disk lost data. So says {}, which \
             leads in term {}, as {second} confirms. The others have the entries. Run `quorate reset` on this host and start \
             it again; it rejoins as a new instance",
            self.health.name(leader.instance),
            leader.term
        );
        out.push(Output::Halt { reason });
    }

    /// The leader's entries differ from what is committed here. Nothing says which of the two is damaged.
    pub(crate) fn contradicted(&mut self, from: Instance, index: u64, out: &mut Vec<Output>) {
        let Some(leader) = self.replicas_leader().filter(|leader| leader.instance == from) else {
            return;
        };
        if self.copies.contradicted_by.replace(leader) == Some(leader) {
            return;
        }
        let name = self.health.name(from);
        let text = format!(
            "entry {index} of {name}, which leads, is not the one that is committed here: the log of one of the two is damaged. \
             Nothing of it is taken. Compare the state hash in `quorate status` on all voters before anything is erased"
        );
        self.event("alarm", text, true, out);
    }

    /// As leader: how far the other voters are. Called with the duties.
    pub(crate) fn watch_copies(&mut self) {
        let Some(group) = self.group.as_ref().filter(|group| group.leads()) else { return };
        let (genesis, now) = (group.genesis, self.now);
        let places: BTreeMap<Instance, u64> = self
            .other_voters(self.config.instance)
            .filter_map(|life| {
                let progress = group.replica.progress(raft_id(genesis, life))?;
                // One that is being sent a snapshot acknowledges nothing for as long as that takes.
                let at = if progress.snapshotting { u64::MAX } else { progress.matched };
                Some((life, at))
            })
            .collect();
        let commit = group.replica.status().commit;
        self.copies.lost.retain(|life, (had, _)| places.get(life).is_some_and(|at| at == had));
        self.copies.matched.retain(|life, _| places.contains_key(life));
        for (life, at) in places {
            let seen = self.copies.matched.entry(life).or_insert((at, now));
            if seen.0 != at || at >= commit {
                *seen = (at, now);
            }
        }
    }

    /// Voters that do not count, for `quorate why`.
    pub(crate) fn copy_reasons(&self, now: Moment) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for (life, (had, has)) in &self.copies.lost {
            let name = self.health.name(*life);
            reasons.push(Reason {
                code: "copy-lost",
                subject: Some(name.clone()),
                text: format!(
                    "{name} acknowledged entry {had} and its log ends at {has}: its disk went back, and its copy does not count"
                ),
                remedy: format!(
                    "on {name}: journalctl -u quorate says the same; then `quorate reset` there, and start it again"
                ),
                since: now,
            });
        }
        for (life, (at, since)) in &self.copies.matched {
            let still = now.since(*since) >= STANDS_STILL && !self.copies.lost.contains_key(life);
            if still && self.seems_alive(*life) {
                let name = self.health.name(*life);
                reasons.push(Reason {
                    code: "copy-stands-still",
                    subject: Some(name.clone()),
                    text: format!(
                        "{name} answers pings but acknowledges no entry behind {at}: its copy of the log does not count"
                    ),
                    remedy: format!("on {name}: quorate why; journalctl -u quorate; is its disk slow or full?"),
                    since: *since,
                });
            }
        }
        if let Some(leader) = self.copies.contradicted_by.filter(|it| self.followed() == Some(*it))
        {
            let name = self.health.name(leader.instance);
            reasons.push(Reason {
                code: "copy-contradicts",
                subject: Some(name.clone()),
                text: format!("the log of {name}, which leads, contradicts what is committed here"),
                remedy: "compare the state hash in `quorate status` on all voters; keep the data of all of them until it is \
                         known which is damaged"
                    .to_owned(),
                since: now,
            });
        }
        reasons
    }
}
