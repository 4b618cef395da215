//! The control lane to one peer: a frame that was not written yet is superseded by a newer one of the same key.
//!
//! Nothing is sent twice: whoever speaks on this lane repeats itself until its word has become true. Invariant: at
//! most [`CONTROL_FRAMES`] frames and [`CONTROL_BYTES`] bytes wait, but for one frame of the largest size.

use super::{CONTROL_BYTES, CONTROL_FRAMES, GivenUp, Waiting};
use quorate_proto::{FrameKind, Moment};
use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct ControlLane {
    frames: VecDeque<Waiting>,
    bytes: usize,
    pub(super) superseded: u64,
}

/// A goodbye is said once; everything else on this lane is repeated by its owner.
fn repeats(frame: &Waiting) -> bool {
    frame.supersede.is_none_or(|key| key.kind != FrameKind::Farewell)
}

impl ControlLane {
    pub(super) fn push(
        &mut self,
        now: Moment,
        connected: bool,
        frame: Waiting,
        fresh: &mut GivenUp,
    ) {
        if let Some(key) = frame.supersede {
            let place = self.frames.iter().position(|waiting| waiting.supersede == Some(key));
            if let Some(place) = place {
                self.superseded += 1;
                self.bytes = self.bytes - self.frames[place].cost() + frame.cost();
                self.frames[place] = frame;
                self.make_room(now, connected, 0, fresh);
                return;
            }
        }
        if self.make_room(now, connected, frame.cost(), fresh) {
            self.bytes += frame.cost();
            self.frames.push_back(frame);
        } else {
            fresh.control_full += 1;
        }
    }

    fn fits(&self, cost: usize) -> bool {
        let frames = self.frames.len() + usize::from(cost > 0);
        frames <= 1 || (frames <= CONTROL_FRAMES && self.bytes + cost <= CONTROL_BYTES)
    }

    /// Drops the oldest frames that repeat until one more of this cost fits. A frame of the largest size is let in
    /// alone, though it is over the bound by its overhead.
    fn make_room(
        &mut self,
        now: Moment,
        connected: bool,
        cost: usize,
        fresh: &mut GivenUp,
    ) -> bool {
        if !self.fits(cost) {
            self.expire(now, connected, fresh);
        }
        while !self.fits(cost) {
            let Some(place) = self.frames.iter().position(repeats) else { return false };
            let dropped = self.frames.remove(place).expect("a place that was just found");
            self.bytes -= dropped.cost();
            fresh.control_full += 1;
        }
        true
    }

    /// The next frame, without those whose time is over.
    pub(super) fn next(&mut self, now: Moment, fresh: &mut GivenUp) -> Option<Waiting> {
        loop {
            let frame = self.frames.pop_front()?;
            self.bytes -= frame.cost();
            if !frame.is_over(now, true) {
                return Some(frame);
            }
            fresh.control_expired += 1;
        }
    }

    /// The wait for a connection begins now.
    pub(super) fn connection_lost(&mut self, now: Moment) {
        for frame in &mut self.frames {
            frame.since = now;
        }
    }

    pub(super) fn expire(&mut self, now: Moment, connected: bool, fresh: &mut GivenUp) {
        let bytes = &mut self.bytes;
        self.frames.retain(|frame| {
            let over = frame.is_over(now, connected);
            if over {
                *bytes -= frame.cost();
                fresh.control_expired += 1;
            }
            !over
        });
    }

    pub(super) fn next_end(&self, connected: bool) -> Option<Moment> {
        self.frames.iter().filter_map(|frame| frame.ends(connected)).min()
    }

    pub(super) fn waiting(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
