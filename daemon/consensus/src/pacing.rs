//! Appends that are under way to a follower are not sent a second time, and no more than a few megabytes of them are
//! sent ahead of its answers.
//!
//! raft-rs takes the network for lossy: on every answer to a heartbeat it sends a follower that is behind an append,
//! the same one again if need be (`handle_heartbeat_response`). Ours either delivers what it was given, in order, or
//! says that it did not (`Replica::unreachable`); over a slow link those repetitions would be all that ever arrives.
//!
//! Invariant: an append is withheld only while what it carries is under way, or while so much is under way that the
//! follower's next answer comes first. A follower that answers nothing for [`SILENCE_TICKS`] is begun with anew.

use std::collections::{BTreeMap, VecDeque};

/// Bytes of entries under way to one follower: a full gigabit link of 60 ms stays busy, and the transport, which
/// keeps twice as much, never has to refuse an append.
const BYTES_INFLIGHT: usize = 8 * 1024 * 1024;
/// Five seconds: a megabyte passes even a link of 2 Mbit/s in that time, and is answered.
const SILENCE_TICKS: u32 = 100;

/// What to do with an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Send it.
    Send,
    /// What it carries is under way already.
    UnderWay,
    /// Too much is under way, or something before it was withheld: raft has to begin anew at what the follower has.
    TooFar,
}

/// The appends under way to one follower.
#[derive(Debug)]
struct Inflight {
    term: u64,
    /// Everything up to here was sent.
    through: u64,
    /// Last index and bytes of each append that is not answered yet.
    unanswered: VecDeque<(u64, usize)>,
    bytes: usize,
    silent: u32,
}

/// All followers of a leader.
#[derive(Debug, Default)]
pub(crate) struct Pacing {
    followers: BTreeMap<u64, Inflight>,
}

impl Pacing {
    /// Judges an append of `count` entries of `bytes` behind `previous`, and takes note of it when it is to be sent.
    pub(crate) fn judge(
        &mut self,
        to: u64,
        term: u64,
        previous: u64,
        count: u64,
        bytes: usize,
    ) -> Pace {
        if count == 0 {
            return Pace::Send;
        }
        let last = previous + count;
        let fresh = || Inflight {
            term,
            through: previous,
            unanswered: VecDeque::new(),
            bytes: 0,
            silent: 0,
        };
        let inflight = self.followers.entry(to).or_insert_with(fresh);
        if inflight.term != term {
            *inflight = fresh();
        }
        if last <= inflight.through {
            return Pace::UnderWay;
        }
        let full = !inflight.unanswered.is_empty() && inflight.bytes + bytes > BYTES_INFLIGHT;
        if previous > inflight.through || full {
            return Pace::TooFar;
        }
        inflight.through = last;
        inflight.unanswered.push_back((last, bytes));
        inflight.bytes += bytes;
        Pace::Send
    }

    /// The follower has everything up to `index`.
    pub(crate) fn answered(&mut self, from: u64, index: u64) {
        let Some(inflight) = self.followers.get_mut(&from) else { return };
        inflight.silent = 0;
        while let Some((last, bytes)) = inflight.unanswered.front().copied()
            && last <= index
        {
            inflight.unanswered.pop_front();
            inflight.bytes -= bytes;
        }
    }

    /// Nothing is known any more of what is under way to this follower.
    pub(crate) fn forget(&mut self, id: u64) {
        self.followers.remove(&id);
    }

    /// One tick has passed.
    pub(crate) fn tick(&mut self) {
        self.followers.retain(|_, inflight| {
            inflight.silent = if inflight.unanswered.is_empty() { 0 } else { inflight.silent + 1 };
            inflight.silent < SILENCE_TICKS
        });
    }

    /// No leader any more.
    pub(crate) fn clear(&mut self) {
        self.followers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_is_not_sent_again_until_something_new_is_to_be_told() {
        let mut pacing = Pacing::default();
        assert_eq!(pacing.judge(2, 1, 10, 5, 100), Pace::Send);
        assert_eq!(pacing.judge(2, 1, 10, 5, 100), Pace::UnderWay);
        assert_eq!(pacing.judge(2, 1, 12, 3, 100), Pace::UnderWay);
        assert_eq!(pacing.judge(2, 1, 10, 6, 100), Pace::Send);
        assert_eq!(pacing.judge(3, 1, 10, 5, 100), Pace::Send, "another follower");
        assert_eq!(pacing.judge(2, 2, 10, 5, 100), Pace::Send, "another term");
    }

    #[test]
    fn no_more_than_the_bound_is_ahead_and_answers_make_room() {
        let mut pacing = Pacing::default();
        let half = BYTES_INFLIGHT / 2;
        assert_eq!(pacing.judge(2, 1, 0, 1, half), Pace::Send);
        assert_eq!(pacing.judge(2, 1, 1, 1, half), Pace::Send);
        assert_eq!(pacing.judge(2, 1, 2, 1, 1), Pace::TooFar);
        assert_eq!(pacing.judge(2, 1, 3, 1, 1), Pace::TooFar, "not behind a gap either");
        pacing.answered(2, 1);
        assert_eq!(pacing.judge(2, 1, 3, 1, 1), Pace::TooFar, "the one before was withheld");
        assert_eq!(pacing.judge(2, 1, 1, 1, half), Pace::UnderWay);
        assert_eq!(pacing.judge(2, 1, 2, 2, 2), Pace::Send);
    }

    #[test]
    fn one_append_over_the_bound_goes_alone() {
        let mut pacing = Pacing::default();
        assert_eq!(pacing.judge(2, 1, 0, 1, 2 * BYTES_INFLIGHT), Pace::Send);
    }

    #[test]
    fn a_follower_that_is_silent_is_begun_with_anew() {
        let mut pacing = Pacing::default();
        pacing.judge(2, 1, 0, 1, 1);
        for _ in 1..SILENCE_TICKS {
            pacing.tick();
        }
        assert_eq!(pacing.judge(2, 1, 0, 1, 1), Pace::UnderWay);
        pacing.tick();
        assert_eq!(pacing.judge(2, 1, 0, 1, 1), Pace::Send);
    }
}
