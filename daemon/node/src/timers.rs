//! The node's own timers: a table keyed by what is due. Arming a timer again moves it.

use quorate_proto::Moment;
use std::collections::BTreeMap;

/// What can become due. Founding and detector keep their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// One tick of consensus.
    Tick,
    /// A commit index has waited long enough for an append that carries it.
    Commit,
    /// The oldest write may have been under way for too long.
    Disk,
    /// A round of direct pings.
    Ping,
    /// What was measured of others, and of this node, is looked at.
    Pace,
    /// A node that does not hear the leader asks another voter.
    Relay,
    /// The dissent is sent again while it is not empty.
    Dissent,
    /// What an operator should look at is told again.
    Warnings,
    /// Reads that raft dropped silently are asked again.
    Reads,
    /// The leader has been silent for too long: no longer quorate.
    LeaderSilence,
    /// The autopilot and the reconciler look again.
    Duties,
    /// A voter with evidence against the leader campaigns, or campaigns again.
    Campaign,
    /// Requests that came back without an answer are asked again.
    Retry,
    /// A joiner asks again to be let in.
    Join,
    /// A founder that waited for the others starts its group's clock anyway.
    FounderPatience,
    /// A host whose cluster was founded anew without it looks again for a majority on its own side.
    LeftBehind,
    /// A grant of a budget lapses at its leader, which looks in each turn.
    Budgets,
    /// A share lapses here, or is to be renewed.
    Shares,
    /// The stop goes on although leadership was not taken over.
    Stop,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeMap<Timer, Moment>,
}

impl Timers {
    /// Sets a timer, whether it ran or not.
    pub(crate) fn arm(&mut self, timer: Timer, at: Moment) {
        self.due.insert(timer, at);
    }

    /// Sets a timer unless it runs already.
    pub(crate) fn arm_if_idle(&mut self, timer: Timer, at: Moment) {
        self.due.entry(timer).or_insert(at);
    }

    /// Stops a timer.
    pub(crate) fn disarm(&mut self, timer: Timer) {
        self.due.remove(&timer);
    }

    /// Whether a timer runs.
    pub(crate) fn is_armed(&self, timer: Timer) -> bool {
        self.due.contains_key(&timer)
    }

    /// Takes one timer that is due.
    pub(crate) fn take_due(&mut self, now: Moment) -> Option<Timer> {
        let timer = *self.due.iter().find(|(_, at)| **at <= now)?.0;
        self.due.remove(&timer);
        Some(timer)
    }

    /// The earliest of all.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.due.values().min().copied()
    }
}
