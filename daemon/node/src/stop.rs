//! A clean stop: leadership handed over, what is in hand answered, goodbye said, then out. Bounded in time: a stop never
//! waits for a majority that is not there. What comes meanwhile is refused as not done; what is still in hand at the end is
//! told to be of unknown fate.
//!
//! Before all that a voter waits for its turn, if it was asked to: while the voters that would be left are too few to write, because another
//! one was stopped just before; whether that one has caught up only the leader can tell. It serves meanwhile as if nobody had asked. Where
//! nothing can be written anyway, or where two voters are all there are, there is nothing to wait for.
//!
//! A stop that has waited begins once it could for a while, which is another one for each voter: of two that wait for the same host one goes,
//! and the other hears its goodbye and waits on. So a moment without a leader releases nobody either. Two that are asked at the same moment,
//! while none is away, do not see that of each other.

use crate::groups::is_close;
use crate::sight::Sight;
use crate::warnings::Warnings;
use quorate_proto::{Member, MemberCause, MemberState, Moment, RaftId, Reason, Role, raft_id};
use std::time::Duration;

/// How long a stop waits for its turn: another host's start takes seconds, with a large log ten. Units that stop a host end the daemon
/// later than that (`TimeoutStopSec` in quorate.service).
pub(crate) const TURN: Duration = Duration::from_secs(30);

/// For so long a stop that has waited could begin before it does, once for each voter up to this one: longer than another one needs to hand
/// leadership over and to be heard of (`HANDOVER`).
const SPARED: Duration = Duration::from_secs(1);

/// How far a stop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopping {
    /// Not yet: too few voters would be left, or that was so until a moment ago (`spared`).
    AwaitsTurn { since: Moment, spared: Option<Moment> },
    /// Leadership is being handed over, if there was any, and what is in hand comes to its end.
    Draining { since: Moment, hands_over: bool },
    /// Goodbye is said; the turn in which it was is brought to its end.
    Leaving,
    /// The shell was told, as the last thing.
    Gone,
}

impl Stopping {
    /// Whether all that the stop waits for has come: somebody else leads, if leadership was handed over, and nothing is in hand.
    pub(crate) fn is_drained(self, sight: &Sight<'_>, in_hand: bool) -> bool {
        let Self::Draining { since, hands_over } = self else { return false };
        let me = sight.config.instance;
        let another = sight.leadership.leader().is_some_and(|leader| leader.instance != me);
        (!hands_over || (another && sight.now > since)) && !in_hand
    }

    /// Whether the stop has begun: nothing more is taken in hand.
    pub(crate) fn has_begun(self) -> bool {
        !matches!(self, Self::AwaitsTurn { .. })
    }

    /// Why this host still runs.
    pub(crate) fn reason(self, sight: &Sight<'_>, warnings: &Warnings) -> Option<Reason> {
        let Self::AwaitsTurn { since, .. } = self else { return None };
        let missing = missing_voters(sight, warnings).into_iter().map(|one| one.name.clone());
        let (me, missing) = (sight.config.name.to_string(), missing.collect());
        Some(Reason::of(&MemberCause::StopWaits { me, missing, seconds: TURN.as_secs() }, since))
    }

    /// Whether goodbye was said.
    pub(crate) fn has_left(self) -> bool {
        matches!(self, Self::Leaving | Self::Gone)
    }
}

/// For how long this node could be spared before a stop that has waited begins.
pub(crate) fn spared_for(sight: &Sight<'_>) -> Duration {
    let me = sight.config.instance;
    sight.other_voters().filter(|other| *other < me).fold(SPARED, |sum, _| sum + SPARED)
}

/// The voters whose want forbids that this node stops; none where it may.
pub(crate) fn missing_voters<'a>(sight: &Sight<'a>, warnings: &Warnings) -> Vec<&'a Member> {
    let me = sight.config.instance;
    let voters = || sight.health.view().members.iter().filter(|one| one.role() == Role::Voter);
    let (count, votes) = (voters().count(), voters().any(|one| one.instance == me));
    let there = |one: &&Member| {
        one.state() == MemberState::Alive
            && sight.seems_alive(one.instance)
            && warnings.has_working_disk(sight, one.instance)
            && has_caught_up(sight, one)
    };
    let majority = count / 2 + 1;
    let left = voters().filter(|one| one.instance != me).filter(there).count();
    // Two voters can never spare one.
    if !votes || count < 3 || left >= majority {
        return Vec::new();
    }
    voters().filter(|one| one.instance != me && !there(one)).collect()
}

/// Whether another voter has about all of the log: only the leader can tell.
pub(crate) fn has_caught_up(sight: &Sight<'_>, voter: &Member) -> bool {
    let Some(group) = sight.group.filter(|group| group.leads()) else { return true };
    let progress = group.replica().progress(raft_id(group.cluster_id(), voter.instance));
    progress.is_some_and(|it| is_close(it.matched, group.replica().status().last))
}

/// Who could take leadership over: whether its disk works, whether it leads readily, how far it is, and who it is.
type Successor = (bool, bool, u64, RaftId);

/// The voter that is most up to date and alive, of those with a disk that works if there are any, and of those that lead readily.
pub(crate) fn successor(sight: &Sight<'_>, warnings: &Warnings) -> Option<RaftId> {
    best(successors(sight, warnings))
}

/// The same, of those alone that lead readily and have a disk that works: another one hands leadership back at once.
pub(crate) fn willing_successor(sight: &Sight<'_>, warnings: &Warnings) -> Option<RaftId> {
    best(successors(sight, warnings).filter(|(works, readily, ..)| *works && *readily))
}

/// The same, of those alone that could lead at once: for a leader that is to lead only where nobody else can.
pub(crate) fn ready_successor(sight: &Sight<'_>, warnings: &Warnings) -> Option<RaftId> {
    let last = sight.group?.replica().last();
    best(successors(sight, warnings).filter(|one| could_at_once(*one, last)))
}

/// The same, of those with a disk that works alone.
pub(crate) fn successor_with_disk(sight: &Sight<'_>, warnings: &Warnings) -> Option<RaftId> {
    best(successors(sight, warnings).filter(|(works, ..)| *works))
}

fn best(could: impl Iterator<Item = Successor>) -> Option<RaftId> {
    could.max().map(|(.., id)| id)
}

/// It leads readily, its disk works, and it has about all of the log: a leader that hands over proposes nothing until that is over, so it does
/// not begin it with one that has to catch up first.
fn could_at_once((works, readily, matched, _): Successor, last: u64) -> bool {
    works && readily && is_close(matched, last)
}

fn successors(sight: &Sight<'_>, warnings: &Warnings) -> impl Iterator<Item = Successor> {
    sight.group.into_iter().flat_map(move |group| {
        let voters = group.replica().status().conf.voters;
        let others = sight.health.alive().filter(|member| {
            member.instance != sight.config.instance && sight.heard_of_late(member.instance)
        });
        others.filter_map(move |member| {
            let id = raft_id(group.cluster_id(), member.instance);
            let matched = group.replica().progress(id).filter(|_| voters.contains(&id.get()));
            let works = warnings.has_working_disk(sight, member.instance);
            Some((works, member.leads_readily(), matched?.matched, id))
        })
    })
}

#[cfg(test)]
mod tests;
