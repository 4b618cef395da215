//! The node's disk: which writes are under way, for whom, and what is wrong with it: full, silent, or slow. All nodes are told
//! (`warnings/mod.rs`).
//!
//! A leader whose disk is silent can commit nothing that it may apply, and one whose disk is full refuses what the others could
//! keep, so both hand leadership over; a node whose disk stays silent ends, since nothing that it says can be kept. The watch runs while anything is to be written: before
//! the birth, and on a node that is no replica, too. Knows nothing of files, nor of who waits for a write.

mod steps;

pub use steps::{DiskStep, disk_steps};

use crate::event::{Output, Write};
use crate::timers::Timer;
use crate::told::Event;
use crate::turn::Turn;
use quorate_proto::{GroupId, Moment, Trouble};
use std::collections::VecDeque;
use std::time::Duration;

/// A write that takes this long is no slow disk but a silent one: elections are calmer than that.
const STALL: Duration = Duration::from_secs(2);
/// A disk that is silent is looked at this often.
const LOOK: Duration = Duration::from_millis(100);
/// How often a leader with a silent or full disk tries to hand over.
const HAND_OVER_AGAIN: Duration = Duration::from_secs(1);
/// After this the process ends, so that whoever watches it may act; a controller that resets takes less.
const GIVE_UP: Duration = Duration::from_secs(30);

/// A write that takes longer than this is late: with less, hundreds of writes a second are durable.
const LATE: Duration = Duration::from_millis(100);
/// A disk is slow when so many ...
const MANY_LATE: usize = 8;
/// ... of its newest writes were late, ...
const NEWEST: usize = 16;
/// ... all within this time: what was long ago says nothing of now.
const OF_LATE: Duration = Duration::from_secs(60);

const _: () = assert!(MANY_LATE <= NEWEST);
const _: () = assert!(LATE.as_millis() < STALL.as_millis());

/// How long the newest writes took. At most `NEWEST` of them.
#[derive(Debug, Default)]
pub(crate) struct DiskPace {
    late: VecDeque<(Moment, bool)>,
    slow: Option<Moment>,
}

impl DiskPace {
    /// A write is durable, after this time.
    pub(crate) fn note(&mut self, now: Moment, took: Duration) {
        if self.late.len() >= NEWEST {
            self.late.pop_front();
        }
        self.late.push_back((now, took >= LATE));
    }

    /// Since when the disk has been slow.
    pub(crate) fn slow_since(&self) -> Option<Moment> {
        self.slow
    }

    /// Looks anew; true when it became slow, or is so no more.
    fn judge(&mut self, now: Moment) -> bool {
        self.late.retain(|(at, _)| now.since(*at) < OF_LATE);
        let late = self.late.iter().filter(|(_, late)| *late).count();
        // It has to become much better before it is well: else each second write would be news.
        let slow = late >= if self.slow.is_some() { MANY_LATE / 2 } else { MANY_LATE };
        let changed = slow != self.slow.is_some();
        self.slow = slow.then(|| self.slow.unwrap_or(now));
        changed
    }
}

/// Who waits for a write to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Nobody; the order alone matters.
    Nobody,
    /// Founding, by its own number.
    Founding(u64),
    /// The replica of this group, by its own number.
    Log(GroupId, u64),
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// Writes under way, in order, with when they were asked for. As many as raft and the founding have under way: both wait for
    /// theirs.
    writes: VecDeque<(u64, Owner, Moment)>,
    /// The number of the newest.
    last: u64,
    /// Since when there is no room for the log to grow.
    full: Option<Moment>,
    /// Since when it has not answered, once that was told.
    stalled: Option<Moment>,
    pace: DiskPace,
    /// When leadership is handed over (again) because of it.
    hand_over_at: Moment,
}

impl Disk {
    /// Asks the shell to make something durable.
    pub(crate) fn write(&mut self, turn: &mut Turn, owner: Owner, write: Write) {
        self.last += 1;
        self.writes.push_back((self.last, owner, turn.now));
        turn.timers.arm_if_idle(Timer::Disk, turn.now + STALL);
        turn.out.push(Output::Persist { number: self.last, write });
    }

    /// The owners of all writes up to this number, in order: they are durable.
    pub(crate) fn written(&mut self, turn: &Turn, number: u64) -> Vec<Owner> {
        let count = self.writes.iter().take_while(|(first, ..)| *first <= number).count();
        let done = self.writes.drain(..count).map(|(_, owner, since)| {
            self.pace.note(turn.now, turn.now.since(since));
            owner
        });
        done.collect()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full.is_some()
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.is_some()
    }

    /// What is wrong with it, and since when.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = (Trouble, Moment)> + use<> {
        let full = self.full.map(|since| (Trouble::DiskFull, since));
        let stalled = self.stalled.map(|since| (Trouble::DiskStalled, since));
        // A silent disk is not called slow too.
        let slow = self.pace.slow_since().filter(|_| stalled.is_none());
        let slow = slow.map(|since| (Trouble::DiskSlow, since));
        [full, stalled, slow].into_iter().flatten()
    }

    /// There was no turn for so long: the process stood still, and the threads that write with it, or its loop waited for them. That
    /// time is not the disk's; what was silent before stays so.
    pub(crate) fn forgive(&mut self, pause: Duration) {
        if pause < STALL {
            return;
        }
        self.writes.iter_mut().for_each(|(_, _, since)| *since = *since + pause);
        self.stalled = self.stalled.map(|since| since + pause);
    }

    /// It has no room for the log to grow, or has room again. True when that is news.
    pub(crate) fn filled(&mut self, turn: &mut Turn, full: bool) -> bool {
        if full == self.full.is_some() {
            return false;
        }
        if let Some(since) = self.full {
            self.waited_for_room(turn.now, since);
        }
        self.full = full.then_some(turn.now);
        turn.event(Event::DiskFull(full));
        true
    }

    /// Since then it was silent by decision. What waited for room is written from now on; what was silent before stays so.
    fn waited_for_room(&mut self, now: Moment, full: Moment) {
        let begins = |since: Moment| since + now.since(since.max(full));
        self.writes.iter_mut().for_each(|(_, _, since)| *since = begins(*since));
        self.stalled = self.stalled.map(begins);
    }

    /// Looks how long the oldest write has been under way, and how long the newest ones took. True when it became silent or slow, or
    /// is so no more.
    pub(crate) fn look(&mut self, turn: &mut Turn) -> bool {
        let stalled = self.stalled.is_some();
        self.judge_silence(turn);
        let pace = self.judge_pace(turn);
        pace || stalled != self.stalled.is_some()
    }

    /// When it is to be looked at next, while there is something to see.
    pub(crate) fn look_again(&self, turn: &mut Turn) {
        if self.pace.slow_since().is_some() {
            turn.timers.arm_if_idle(Timer::Disk, turn.now + STALL);
        }
        if let Some((_, _, since)) = self.writes.front() {
            turn.timers.arm(Timer::Disk, (turn.now + LOOK).max(*since + STALL));
        }
    }

    fn judge_pace(&mut self, turn: &mut Turn) -> bool {
        if !self.pace.judge(turn.now) {
            return false;
        }
        let slow = self.pace.slow_since().is_some();
        turn.event(Event::DiskSlow(slow));
        true
    }

    fn judge_silence(&mut self, turn: &mut Turn) {
        let oldest = self.writes.front().map(|(_, _, since)| *since);
        let Some(since) = oldest.filter(|since| turn.now.since(*since) >= STALL) else {
            if self.stalled.take().is_some() {
                turn.event(Event::DiskSilent(false));
            }
            return;
        };
        // While the disk is full it is silent by decision.
        if self.full.is_some() {
            return;
        }
        if self.stalled.is_none() {
            self.stalled = Some(since);
            turn.event(Event::DiskSilent(true));
        }
        if turn.now.since(since) >= GIVE_UP {
            let reason =
                "the disk under `data_dir` has not answered for 30 s (dmesg, iostat -x)".to_owned();
            turn.out.push(Output::Halt { reason, again: true });
        }
    }

    /// Whether a leader is to hand over because of it, now; asked again after a while, for it may be elected at any time.
    pub(crate) fn is_to_hand_over(&mut self, turn: &mut Turn, leads: bool) -> bool {
        if self.full.is_none() && self.stalled.is_none() {
            return false;
        }
        turn.timers.arm_if_idle(Timer::Disk, turn.now + HAND_OVER_AGAIN);
        if !leads || turn.now < self.hand_over_at {
            return false;
        }
        self.hand_over_at = turn.now + HAND_OVER_AGAIN;
        true
    }
}

#[cfg(test)]
mod tests;
