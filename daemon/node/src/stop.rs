//! A clean stop: leadership handed over, what is in hand answered, goodbye said, then out. Bounded in time: a stop never
//! waits for a majority that is not there. What comes meanwhile is refused as not done; what is still in hand at the end is
//! told to be of unknown fate.

use crate::sight::Sight;
use crate::warnings::Warnings;
use quorate_proto::{Moment, RaftId, raft_id};

/// How far a stop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopping {
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

    /// Whether goodbye was said.
    pub(crate) fn has_left(self) -> bool {
        matches!(self, Self::Leaving | Self::Gone)
    }
}

/// The voter that is most up to date and alive, of those with a disk that works if there are any, and of those that are not drained.
pub(crate) fn successor(sight: &Sight<'_>, warnings: &Warnings) -> Option<RaftId> {
    successors(sight, warnings).max().map(|(.., id)| id)
}

/// The same, of those that are not drained, with a disk that works, alone: for a leader that is.
pub(crate) fn undrained_successor(sight: &Sight<'_>, warnings: &Warnings) -> Option<RaftId> {
    let could = successors(sight, warnings).filter(|(works, undrained, ..)| *works && *undrained);
    could.max().map(|(.., id)| id)
}

/// The same, of those with a disk that works alone.
pub(crate) fn successor_with_disk(sight: &Sight<'_>, warnings: &Warnings) -> Option<RaftId> {
    successors(sight, warnings).filter(|(works, ..)| *works).max().map(|(.., id)| id)
}

/// Each with whether its disk works, whether it is not drained, and how far it is.
fn successors(
    sight: &Sight<'_>,
    warnings: &Warnings,
) -> impl Iterator<Item = (bool, bool, u64, RaftId)> {
    sight.group.into_iter().flat_map(move |group| {
        let voters = group.replica().status().conf.voters;
        let others = sight.health.alive().filter(|member| {
            member.instance != sight.config.instance && sight.heard_of_late(member.instance)
        });
        others.filter_map(move |member| {
            let id = raft_id(group.cluster_id(), member.instance);
            let matched = group.replica().progress(id).filter(|_| voters.contains(&id.get()));
            let works = warnings.has_working_disk(sight, member.instance);
            Some((works, !member.is_drained(), matched?.matched, id))
        })
    })
}
