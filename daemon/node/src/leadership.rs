//! Who leads, as far as this node knows, and what the local feed was told of the quorum.
//!
//! A replica knows its leader from Raft; any node knows it from the leader's own pings, or through a voter that has a link to it. Knows
//! nothing of why somebody is believed (`trust.rs`), nor whether there is a quorum (`pings/relay.rs`).

use crate::timers::Timer;
use crate::turn::Turn;
use quorate_proto::{Instance, Moment};
use std::time::Duration;

/// After this much silence of the leader, which pings every 150 ms or more often, a node no longer says that there is a quorum, unless it bears with the
/// leader for long: then three times of that.
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
    /// Since when this one leads, as seen here.
    since: Moment,
    applied: Option<u64>,
    /// What the local feed was told last.
    quorate: bool,
    quorum_lost: Option<Moment>,
}

impl Leadership {
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            leader: None,
            heard: now,
            since: now,
            applied: None,
            quorate: false,
            quorum_lost: None,
        }
    }

    /// Who leads; none when nobody is known to.
    pub(crate) fn leader(&self) -> Option<Leader> {
        self.leader
    }

    /// When the leader was heard last; without one, when the last of them was.
    pub(crate) fn heard(&self) -> Moment {
        self.heard
    }

    /// Since when the leader leads, as seen here; without one, since when nobody does.
    pub(crate) fn since(&self) -> Moment {
        self.since
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

    /// The leader by the own replica, when that is another than the one that is known. `term`: that of the replica.
    pub(crate) fn news_of(
        &self,
        seen: Option<Leader>,
        term: u64,
        me: Instance,
    ) -> Option<Option<Leader>> {
        match (seen, self.leader) {
            (Some(new), Some(old)) if new == old => None,
            (Some(new), old) if old.is_none_or(|old| new.term >= old.term) => Some(Some(new)),
            (None, Some(old)) if old.term < term || old.instance == me => Some(None),
            _ => None,
        }
    }

    /// Somebody who is believed says that it leads: whether that is another leader than the one that is known, or that one.
    pub(crate) fn pinged(&self, leader: Leader) -> Pinged {
        match self.leader {
            Some(known) if known == leader => Pinged::Same,
            Some(known) if leader.term <= known.term => Pinged::Old,
            _ => Pinged::Another,
        }
    }

    /// The leader was heard now, and may be silent for so long.
    pub(crate) fn is_heard(&mut self, turn: &mut Turn, silence: Duration) {
        self.heard = turn.now;
        turn.timers.arm(Timer::LeaderSilence, turn.now + silence);
    }

    /// Another leads, or nobody is known to. The one before.
    pub(crate) fn change(&mut self, turn: &mut Turn, leader: Option<Leader>) -> Option<Leader> {
        let old = std::mem::replace(&mut self.leader, leader);
        self.applied = None;
        self.since = turn.now;
        if leader.is_some() {
            turn.counters.elections += 1;
            self.is_heard(turn, LEADER_SILENCE);
        }
        old
    }

    /// The local feed is told whether there is a quorum. True when that changed.
    pub(crate) fn note_quorum(&mut self, now: Moment, quorate: bool) -> bool {
        if quorate == self.quorate {
            return false;
        }
        self.quorate = quorate;
        self.quorum_lost = (!quorate).then_some(now);
        true
    }
}

/// What a ping of a leader says of who leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pinged {
    /// The leader that is known.
    Same,
    /// Another one, in a later term.
    Another,
    /// One of an earlier term, which leads no more.
    Old,
}
