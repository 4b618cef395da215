//! What a node makes of its disk's troubles: full, or silent.
//!
//! A leader whose disk is silent can commit nothing that it may apply, so it hands leadership over; a node whose
//! disk stays silent ends, since nothing that it says can be kept. The watch runs while anything is to be written: before
//! the birth, and on a node that is no replica, too. Knows nothing of files.

use crate::event::Output;
use crate::node::Node;
use crate::timers::Timer;
use std::time::Duration;

/// A write that takes this long is no slow disk but a silent one: elections are calmer than that.
pub(crate) const STALL: Duration = Duration::from_secs(2);
/// A disk that is silent is looked at this often.
const LOOK: Duration = Duration::from_millis(100);
/// How often a leader with a silent disk tries to hand over.
const HAND_OVER_AGAIN: Duration = Duration::from_secs(1);
/// After this the process ends, so that whoever watches it may act; a controller that resets takes less.
const GIVE_UP: Duration = Duration::from_secs(30);

impl Node {
    /// The disk has no room for the log to grow, or has room again.
    pub(crate) fn disk_filled(&mut self, full: bool, out: &mut Vec<Output>) {
        if full == self.disk_full.is_some() {
            return;
        }
        self.disk_full = full.then_some(self.now);
        let text = if full {
            "the disk under `data_dir` is full: new writes are refused while this node leads; make room (df -h)"
        } else {
            "the disk under `data_dir` has room again: writes are taken"
        };
        self.event("disk-full", text.to_owned(), full, out);
    }

    /// There was no turn for so long: the process stood still, and the threads that write with it, or its loop waited for them. That
    /// time is not the disk's; what was silent before stays so.
    pub(crate) fn forgive_disk(&mut self, pause: Duration) {
        self.persists.iter_mut().for_each(|(_, _, since)| *since = *since + pause);
        self.disk_stalled = self.disk_stalled.map(|since| since + pause);
    }

    /// Looks how long the oldest write has been under way, and looks again while there is one.
    pub(crate) fn watch_disk(&mut self, out: &mut Vec<Output>) {
        self.judge_disk(out);
        if let Some((_, _, since)) = self.persists.front() {
            self.timers.arm(Timer::Disk, (self.now + LOOK).max(*since + STALL));
        }
    }

    fn judge_disk(&mut self, out: &mut Vec<Output>) {
        let oldest = self.persists.front().map(|(_, _, since)| *since);
        let Some(since) = oldest.filter(|since| self.now.since(*since) >= STALL) else {
            if self.disk_stalled.take().is_some() {
                let text = "the disk under `data_dir` answers again".to_owned();
                self.event("disk-stalled", text, false, out);
            }
            return;
        };
        // While the disk is full it is silent by decision.
        if self.disk_full.is_some() {
            return;
        }
        if self.disk_stalled.is_none() {
            self.disk_stalled = Some(since);
            self.hand_over_at = self.now;
            let text = "the disk under `data_dir` has not answered for 2 s: if this node leads it hands over; look at \
                        the disk (dmesg, iostat -x)";
            self.event("disk-stalled", text.to_owned(), true, out);
        }
        if self.now.since(since) >= GIVE_UP {
            let reason =
                "the disk under `data_dir` has not answered for 30 s (dmesg, iostat -x)".to_owned();
            out.push(Output::Halt { reason, again: true });
        } else if self.leads() && self.now >= self.hand_over_at {
            self.hand_over_at = self.now + HAND_OVER_AGAIN;
            if let (Some(successor), Some(group)) = (self.successor(), &mut self.group) {
                group.replica.transfer_to(successor);
            }
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
