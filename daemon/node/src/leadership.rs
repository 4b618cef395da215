//! Who leads, as far as this node knows, and whether there is a quorum.
//!
//! A replica knows its leader from Raft; any node knows it from the leader's own pings, or through a voter that has a link to it. `quorate`
//! ends when these stop and no other leader appears. Knows nothing of why somebody is believed (`trust.rs`).

use crate::event::About;
use crate::node::Node;
use crate::timers::Timer;
use quorate_proto::{Instance, Moment};
use std::time::Duration;

/// The leader pings every 150 ms; after this much silence a node no longer says that there is a quorum.
pub(crate) const LEADER_SILENCE: Duration = Duration::from_millis(1_500);

/// A leader as far as this node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leader {
    pub(crate) instance: Instance,
    pub(crate) term: u64,
}

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct Leadership {
    leader: Option<Leader>,
    heard: Moment,
    applied: Option<u64>,
    /// What the local feed was told last.
    quorate: bool,
    quorum_lost: Option<Moment>,
}

impl Leadership {
    pub(crate) fn new(now: Moment) -> Self {
        Self { leader: None, heard: now, applied: None, quorate: false, quorum_lost: None }
    }

    /// Who leads; none when nobody is known to.
    pub(crate) fn leader(&self) -> Option<Leader> {
        self.leader
    }

    /// When the leader was heard last; without one, when the last of them was.
    pub(crate) fn heard(&self) -> Moment {
        self.heard
    }

    /// How far the leader had applied, by its last ping.
    pub(crate) fn applied(&self) -> Option<u64> {
        self.applied
    }

    /// The leader's ping says how far it has applied.
    pub(crate) fn has_applied(&mut self, index: u64) {
        self.applied = Some(index);
    }

    /// The own replica begins, without a leader unless one is known already.
    pub(crate) fn begin(&mut self, now: Moment) {
        if !self.quorate {
            self.quorum_lost.get_or_insert(now);
        }
    }

    /// Since when no leader with a majority is known, since the own replica began at the earliest; none while one is.
    pub(crate) fn quorum_lost(&self) -> Option<Moment> {
        self.quorum_lost
    }

    /// Whether the local feed was told last that there is a quorum.
    pub(crate) fn is_told_quorate(&self) -> bool {
        self.quorate
    }
}

impl Node {
    /// Looks whether the replica follows another leader than before.
    pub(crate) fn notice_leader(&mut self) {
        let Some(group) = &self.group else { return };
        let (term, id, genesis) =
            (group.replica().term(), group.replica().leader(), group.genesis());
        // Each turn looks; mostly it is the one that is known.
        if let Some(known) = self.leadership.leader.filter(|known| known.term == term)
            && id == Some(self.peers.raft_id(genesis, known.instance))
        {
            return;
        }
        let seen = self.sight().replicas_leader();
        match (seen, self.leadership.leader) {
            (Some(new), Some(old)) if new == old => {}
            (Some(new), old) if old.is_none_or(|old| new.term >= old.term) => {
                self.leader_changed(Some(new));
            }
            (None, Some(old)) if old.term < term || old.instance == self.config.instance => {
                self.leader_changed(None);
            }
            _ => {}
        }
    }

    /// Somebody leads, as a ping or an answer has it. Whether that is believed.
    pub(crate) fn leader_pinged(&mut self, instance: Instance, term: u64) -> bool {
        if !self.may_lead(instance, term) {
            self.fence_stranger(instance);
            return false;
        }
        let newer = self.leadership.leader.is_none_or(|known| term > known.term);
        let same = self
            .leadership
            .leader
            .is_some_and(|known| known.instance == instance && known.term == term);
        if newer {
            self.leader_changed(Some(Leader { instance, term }));
        }
        if newer || same {
            self.leadership.heard = self.turn.now;
            self.turn.timers.arm_if_idle(Timer::Relay, self.turn.now);
            if !self.leadership.quorate {
                self.health.touch();
            }
            self.turn.timers.arm(Timer::LeaderSilence, self.turn.now + LEADER_SILENCE);
        }
        newer || same
    }

    pub(crate) fn leader_changed(&mut self, leader: Option<Leader>) {
        let old = std::mem::replace(&mut self.leadership.leader, leader);
        self.leadership.applied = None;
        self.health.touch();
        self.health.learn_again();
        match leader {
            Some(Leader { instance, term }) => {
                self.turn.counters.elections += 1;
                self.leadership.heard = self.turn.now;
                self.turn.timers.arm(Timer::LeaderSilence, self.turn.now + LEADER_SILENCE);
                self.turn.timers.disarm(Timer::Campaign);
                self.campaign.leader_found();
                self.handover.is_over();
                // A node that has just joined knows it by its hello only.
                let met = self.peers.session(instance).map(|session| session.name.to_string());
                let known = self.health.member(instance).map(|member| member.name.clone());
                let name = known.or(met).unwrap_or_else(|| instance.short());
                let text = format!("{name} leads in term {term}");
                let about =
                    About { host: Some((instance, name)), term: Some(term), ..About::default() };
                self.turn.event_about("leader", text, false, about);
            }
            None => {
                if let Some(old) = old {
                    self.campaign.led(old, self.config.instance);
                    let name = self.health.name(old.instance);
                    let handed_over = self.handover.is_under_way(self.turn.now);
                    let text = if handed_over {
                        format!("{name} hands leadership over")
                    } else {
                        format!("{name} no longer leads; no leader is known")
                    };
                    let host = Some((old.instance, name));
                    let about = About { host, term: Some(old.term), ..About::default() };
                    self.turn.event_about("leader", text, !handed_over, about);
                }
            }
        }
        self.push.reset();
        self.copies.reset();
        self.duties.begin();
        self.evidence.clear();
        self.turn.timers.arm(Timer::Ping, self.turn.now);
        self.turn.timers.arm_if_idle(Timer::Relay, self.turn.now);
        self.turn.timers.arm(Timer::Dissent, self.turn.now);
        self.turn.duties_due = true;
        self.requests.look_again();
    }

    pub(crate) fn note_quorum(&mut self, quorate: bool) {
        if quorate == self.leadership.quorate {
            return;
        }
        self.leadership.quorate = quorate;
        if quorate {
            self.leadership.quorum_lost = None;
            self.turn.event("quorate", "a leader with a majority is known".into(), false);
        } else {
            self.leadership.quorum_lost = Some(self.turn.now);
            let missing: Vec<String> = self
                .sight()
                .own_opinions()
                .into_iter()
                .map(|opinion| {
                    format!("{} is {} ({})", opinion.name, opinion.verdict, opinion.reason)
                })
                .collect();
            let who = if missing.is_empty() {
                "nobody is known to be missing".into()
            } else {
                missing.join("; ")
            };
            self.turn.event(
                "quorum-lost",
                format!("no leader with a majority: {who}; run `quorate why`"),
                true,
            );
        }
    }
}
