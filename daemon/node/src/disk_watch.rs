//! What a node makes of its disk's troubles: full, silent, or slow. All nodes are told (`warnings.rs`).
//!
//! A leader whose disk is silent can commit nothing that it may apply, and one whose disk is full refuses what the others could
//! keep, so both hand leadership over; a node whose disk stays silent ends, since nothing that it says can be kept. The watch runs while anything is to be written: before
//! the birth, and on a node that is no replica, too. Knows nothing of files.

use crate::event::Output;
use crate::node::Node;
use crate::timers::Timer;
use quorate_proto::{Moment, Trouble};
use std::collections::VecDeque;
use std::time::Duration;

/// A write that takes this long is no slow disk but a silent one: elections are calmer than that.
pub(crate) const STALL: Duration = Duration::from_secs(2);
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

impl Node {
    /// The disk has no room for the log to grow, or has room again.
    pub(crate) fn disk_filled(&mut self, full: bool) {
        if full == self.disk_full.is_some() {
            return;
        }
        self.disk_full = full.then_some(self.turn.now);
        let text = if full {
            "the disk under `data_dir` is full: if this node leads it hands over, and refuses new writes until then; make room (df -h)"
        } else {
            "the disk under `data_dir` has room again: writes are taken"
        };
        self.turn.event("disk-full", text.to_owned(), full);
        self.tell_of_own_disk();
        self.watch_disk();
    }

    /// There was no turn for so long: the process stood still, and the threads that write with it, or its loop waited for them. That
    /// time is not the disk's; what was silent before stays so.
    pub(crate) fn forgive_disk(&mut self, pause: Duration) {
        self.persists.iter_mut().for_each(|(_, _, since)| *since = *since + pause);
        self.disk_stalled = self.disk_stalled.map(|since| since + pause);
    }

    /// Looks how long the oldest write has been under way, and looks again while there is one.
    pub(crate) fn watch_disk(&mut self) {
        let stalled = self.disk_stalled.is_some();
        self.judge_disk();
        self.judge_pace();
        self.hand_over_for_disk();
        if stalled != self.disk_stalled.is_some() {
            self.tell_of_own_disk();
        }
        if self.disk_pace.slow_since().is_some() {
            self.turn.timers.arm_if_idle(Timer::Disk, self.turn.now + STALL);
        }
        if let Some((_, _, since)) = self.persists.front() {
            self.turn.timers.arm(Timer::Disk, (self.turn.now + LOOK).max(*since + STALL));
        }
    }

    fn judge_pace(&mut self) {
        if !self.disk_pace.judge(self.turn.now) {
            return;
        }
        let slow = self.disk_pace.slow_since().is_some();
        let text = if slow {
            "the disk under `data_dir` is slow: most of its last writes took more than a tenth of a second each (iostat -x)"
        } else {
            "the disk under `data_dir` is quick again"
        };
        self.turn.event("disk-slow", text.to_owned(), slow);
        self.tell_of_own_disk();
    }

    /// What is wrong with the disk of this host, and since when.
    pub(crate) fn disk_troubles(&self) -> impl Iterator<Item = (Trouble, Moment)> + use<> {
        let full = self.disk_full.map(|since| (Trouble::DiskFull, since));
        let stalled = self.disk_stalled.map(|since| (Trouble::DiskStalled, since));
        // A silent disk is not called slow too.
        let slow = self.disk_pace.slow_since().filter(|_| stalled.is_none());
        let slow = slow.map(|since| (Trouble::DiskSlow, since));
        [full, stalled, slow].into_iter().flatten()
    }

    fn judge_disk(&mut self) {
        let oldest = self.persists.front().map(|(_, _, since)| *since);
        let Some(since) = oldest.filter(|since| self.turn.now.since(*since) >= STALL) else {
            if self.disk_stalled.take().is_some() {
                let text = "the disk under `data_dir` answers again".to_owned();
                self.turn.event("disk-stalled", text, false);
            }
            return;
        };
        // While the disk is full it is silent by decision.
        if self.disk_full.is_some() {
            return;
        }
        if self.disk_stalled.is_none() {
            self.disk_stalled = Some(since);
            let text = "the disk under `data_dir` has not answered for 2 s: if this node leads it hands over; look at \
                        the disk (dmesg, iostat -x)";
            self.turn.event("disk-stalled", text.to_owned(), true);
        }
        if self.turn.now.since(since) >= GIVE_UP {
            let reason =
                "the disk under `data_dir` has not answered for 30 s (dmesg, iostat -x)".to_owned();
            self.turn.out.push(Output::Halt { reason, again: true });
        }
    }

    /// Somebody whose disk works leads better than this node. Where there is nobody, this one goes on.
    fn hand_over_for_disk(&mut self) {
        if self.disk_full.is_none() && self.disk_stalled.is_none() {
            return;
        }
        // It may be elected at any time.
        self.turn.timers.arm_if_idle(Timer::Disk, self.turn.now + HAND_OVER_AGAIN);
        if !self.leads() || self.turn.now < self.hand_over_at {
            return;
        }
        self.hand_over_at = self.turn.now + HAND_OVER_AGAIN;
        if let Some(successor) = self.successor_with_disk() {
            self.hand_over_to(successor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Input, Output};
    use crate::trial::Trial;

    fn alarms(out: &[Output]) -> usize {
        let alarm = |output: &&Output| matches!(output, Output::Event(event) if event.kind == "disk-stalled");
        out.iter().filter(alarm).count()
    }

    #[test]
    fn a_disk_is_slow_when_most_of_its_newest_writes_were_late_and_well_again_when_few_are() {
        let at = |seconds| Moment::ZERO + Duration::from_secs(seconds);
        let mut pace = DiskPace::default();
        for write in 0..MANY_LATE as u64 {
            assert!(!pace.judge(at(write)) && pace.slow_since().is_none(), "{write} late writes");
            pace.note(at(write), LATE);
        }
        let now = MANY_LATE as u64;
        assert!(pace.judge(at(now)), "it is told once");
        assert!(!pace.judge(at(now)));
        assert_eq!(pace.slow_since(), Some(at(now)));
        for _ in 0..NEWEST - MANY_LATE + 4 {
            pace.note(at(now), LATE / 2);
        }
        assert!(!pace.judge(at(now)), "half as many are still late");
        pace.note(at(now), LATE / 2);
        assert!(pace.judge(at(now)) && pace.slow_since().is_none());
        (0..NEWEST).for_each(|_| pace.note(at(now), LATE));
        assert!(pace.judge(at(now)));
        assert!(pace.judge(at(now) + OF_LATE), "nothing was written for a minute");
    }

    #[test]
    fn a_process_that_stood_still_does_not_blame_its_disk() {
        let mut trial = Trial::voter();
        // Its first writes are under way, and nobody says that they are durable.
        trial.now = trial.now + STALL * 10;
        assert_eq!(alarms(&trial.turn([Input::Wake])), 0);
        assert_eq!(alarms(&trial.pass(STALL - LOOK)), 0);
        assert_eq!(alarms(&trial.pass(LOOK * 2)), 1, "from now on it is silent for as long as any");
        trial.now = trial.now + STALL * 2;
        assert_eq!(alarms(&trial.turn([Input::Wake])), 0, "it still does not answer");
        let halts = |out: &[Output]| out.iter().any(|one| matches!(one, Output::Halt { .. }));
        assert!(!halts(&trial.pass(GIVE_UP - STALL - LOOK * 4)));
        assert!(halts(&trial.pass(LOOK * 6)), "30 s in which the process ran");
    }
}
