//! What waits to be sent to one peer: a pure, bounded queue per ordered lane.
//!
//! A frame handed over before a connection stands waits here and is the first thing written when one does.
//! Control frames supersede each other; log frames keep their order and get a number when they are first
//! written. Everything that is given up is counted by lane and cause; for the log lane the owner must be told
//! (`take_given_up`), because Raft has to probe that peer anew.
//!
//! Invariant: each lane holds at most its bound in bytes (and frames), whatever is pushed.
//!
//! Reads no clock and knows nothing of connections beyond "up" and "lost"; the simulator drives this very code.

use bytes::Bytes;
use quorate_proto::{Frame, FrameKind, Lane, Moment, Supersede, limits};
use std::collections::VecDeque;
use std::time::Duration;

/// Most control frames that wait. Each peer has a handful of keys at a time (ping, pong, dissent, founding);
/// 256 is far above that and keeps the scan for a superseded frame short.
pub const CONTROL_FRAMES: usize = 256;
/// Most bytes of waiting control frames: one frame of the largest size.
pub const CONTROL_BYTES: usize = limits::CONTROL_FRAME;
/// Most bytes of waiting log frames: several frames of the largest size, and a tenth of a second of a full
/// gigabit link. More would only be older when it arrives.
pub const LOG_BYTES: usize = 16 * 1024 * 1024;
/// What a waiting frame costs besides its bytes, so that a flood of empty frames is bounded too.
pub const FRAME_OVERHEAD: usize = 64;
/// Longest wait without a connection: by then Raft and the founding round have long repeated themselves.
pub const AGE_LIMIT: Duration = Duration::from_secs(5);

const _: () = assert!(LOG_BYTES >= 2 * (limits::LOG_FRAME + FRAME_OVERHEAD));

/// Frames that were given up, by lane and cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GivenUp {
    /// Control frames that had to make room, or for which there was none.
    pub control_full: u64,
    /// Control frames whose own time limit passed, or that waited too long for a connection.
    pub control_expired: u64,
    /// Log frames for which there was no room.
    pub log_full: u64,
    /// Log frames whose own time limit passed, or that waited too long for a connection.
    pub log_expired: u64,
    /// Log frames written to a connection that was lost: their fate is unknown.
    pub log_lost: u64,
    /// Frames over the limit of their lane, refused at the door.
    pub oversize: u64,
}

impl GivenUp {
    /// Whether the owner of the log lane has to be told.
    #[must_use]
    pub fn undelivered(&self) -> bool {
        self.log_full + self.log_expired + self.log_lost + self.oversize > 0
    }

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, other: &Self) {
        self.control_full += other.control_full;
        self.control_expired += other.control_expired;
        self.log_full += other.log_full;
        self.log_expired += other.log_expired;
        self.log_lost += other.log_lost;
        self.oversize += other.oversize;
    }
}

/// A frame that is to be written now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Log lane: number of the frame at this outbox, from 1. Control lane: 0.
    pub number: u64,
    /// The encoded envelope.
    pub bytes: Bytes,
}

#[derive(Debug)]
struct Waiting {
    since: Moment,
    expires: Option<Moment>,
    supersede: Option<Supersede>,
    bytes: Bytes,
}

impl Waiting {
    fn cost(&self) -> usize {
        self.bytes.len() + FRAME_OVERHEAD
    }

    /// When this frame is given up if it is still here.
    fn ends(&self, connected: bool) -> Option<Moment> {
        let aged = (!connected).then(|| self.since + AGE_LIMIT);
        match (self.expires, aged) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn is_over(&self, now: Moment, connected: bool) -> bool {
        self.ends(connected).is_some_and(|end| end <= now)
    }

    /// A goodbye is said once; everything else on the control lane is repeated by its owner.
    fn repeats(&self) -> bool {
        self.supersede.is_none_or(|key| key.kind != FrameKind::Farewell)
    }
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Waiting>,
    bytes: usize,
}

impl Queue {
    fn push(&mut self, frame: Waiting) {
        self.bytes += frame.cost();
        self.frames.push_back(frame);
    }

    fn pop(&mut self) -> Option<Waiting> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.cost();
        Some(frame)
    }

    fn replace(&mut self, place: usize, frame: Waiting) {
        self.bytes = self.bytes - self.frames[place].cost() + frame.cost();
        self.frames[place] = frame;
    }

    /// Drops what is over and says how many frames that were.
    fn expire(&mut self, now: Moment, connected: bool) -> u64 {
        let before = self.frames.len();
        let bytes = &mut self.bytes;
        self.frames.retain(|frame| {
            let keep = !frame.is_over(now, connected);
            if !keep {
                *bytes -= frame.cost();
            }
            keep
        });
        (before - self.frames.len()) as u64
    }

    fn next_end(&self, connected: bool) -> Option<Moment> {
        self.frames.iter().filter_map(|frame| frame.ends(connected)).min()
    }
}

/// The frames that wait for one peer. See the head of the file.
#[derive(Debug, Default)]
pub struct Outbox {
    control: Queue,
    log: Queue,
    connected: bool,
    /// Number of the last log frame written, over all connections. The acknowledgements and the retransmission
    /// of numbered frames hang on this.
    log_written: u64,
    /// Log frames written on the connection that stands now.
    log_in_flight: u64,
    superseded: u64,
    /// Given up since `take_given_up`.
    fresh: GivenUp,
    total: GivenUp,
}

impl Outbox {
    /// An empty outbox without a connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a frame. The result says what had to be given up for it, the frame itself perhaps.
    pub fn push(&mut self, now: Moment, frame: Frame) -> Option<GivenUp> {
        let waiting = Waiting {
            since: now,
            expires: frame.expires.map(|span| now + span),
            supersede: frame.supersede,
            bytes: frame.bytes,
        };
        match frame.lane {
            Lane::Control if waiting.bytes.len() > limits::CONTROL_FRAME => {
                self.fresh.oversize += 1
            }
            Lane::Log if waiting.bytes.len() > limits::LOG_FRAME => self.fresh.oversize += 1,
            Lane::Control => self.push_control(now, waiting),
            Lane::Log => self.push_log(now, waiting),
        }
        self.take_given_up()
    }

    fn push_control(&mut self, now: Moment, frame: Waiting) {
        if let Some(key) = frame.supersede {
            let place = self.control.frames.iter().position(|w| w.supersede == Some(key));
            if let Some(place) = place {
                self.superseded += 1;
                self.control.replace(place, frame);
                self.make_room(now, 0);
                return;
            }
        }
        if self.make_room(now, frame.cost()) {
            self.control.push(frame);
        } else {
            self.fresh.control_full += 1;
        }
    }

    /// Drops the oldest control frames that repeat until one more of this cost fits. A frame of the largest
    /// size is let in alone, though it is over the bound by its overhead.
    fn make_room(&mut self, now: Moment, cost: usize) -> bool {
        let incoming = usize::from(cost > 0);
        let fits = |queue: &Queue| {
            let frames = queue.frames.len() + incoming;
            frames <= 1 || (frames <= CONTROL_FRAMES && queue.bytes + cost <= CONTROL_BYTES)
        };
        if !fits(&self.control) {
            self.fresh.control_expired += self.control.expire(now, self.connected);
        }
        while !fits(&self.control) {
            let Some(place) = self.control.frames.iter().position(Waiting::repeats) else {
                return false;
            };
            let dropped = self.control.frames.remove(place).expect("a place that was just found");
            self.control.bytes -= dropped.cost();
            self.fresh.control_full += 1;
        }
        true
    }

    fn push_log(&mut self, now: Moment, frame: Waiting) {
        if self.log.bytes + frame.cost() > LOG_BYTES {
            self.fresh.log_expired += self.log.expire(now, self.connected);
        }
        // The newest is refused, not the oldest: what waits stays a gapless piece of the stream.
        if self.log.bytes + frame.cost() > LOG_BYTES {
            self.fresh.log_full += 1;
        } else {
            self.log.push(frame);
        }
    }

    /// The next frame of a lane that is to be written to the connection that stands; none while none does.
    /// Frames whose time is over are skipped and counted.
    pub fn next_to_write(&mut self, now: Moment, lane: Lane) -> Option<Outgoing> {
        if !self.connected {
            return None;
        }
        loop {
            let frame = match lane {
                Lane::Control => self.control.pop()?,
                Lane::Log => self.log.pop()?,
            };
            let over = frame.is_over(now, true);
            match lane {
                Lane::Control if over => self.fresh.control_expired += 1,
                Lane::Log if over => self.fresh.log_expired += 1,
                Lane::Control => return Some(Outgoing { number: 0, bytes: frame.bytes }),
                Lane::Log => {
                    self.log_written += 1;
                    self.log_in_flight += 1;
                    return Some(Outgoing { number: self.log_written, bytes: frame.bytes });
                }
            }
        }
    }

    /// A connection stands (or another one replaced it without loss): what waits may be written.
    pub fn connection_up(&mut self) {
        self.connected = true;
    }

    /// The connection is lost. What was not written stays, within the bounds; log frames that were written
    /// on it are given up, because nobody knows whether they arrived.
    pub fn connection_lost(&mut self, now: Moment) -> Option<GivenUp> {
        self.connected = false;
        self.fresh.log_lost += std::mem::take(&mut self.log_in_flight);
        // The wait for a connection begins now, not when the frame came.
        for frame in self.control.frames.iter_mut().chain(self.log.frames.iter_mut()) {
            frame.since = now;
        }
        self.take_given_up()
    }

    /// Gives up all frames whose time is over.
    pub fn expire(&mut self, now: Moment) -> Option<GivenUp> {
        self.fresh.control_expired += self.control.expire(now, self.connected);
        self.fresh.log_expired += self.log.expire(now, self.connected);
        self.take_given_up()
    }

    /// When `expire` next has something to do.
    #[must_use]
    pub fn next_wake(&self) -> Option<Moment> {
        let ends = [self.control.next_end(self.connected), self.log.next_end(self.connected)];
        ends.into_iter().flatten().min()
    }

    /// What was given up since this was last asked (by `push`, `expire` and `connection_lost` too).
    pub fn take_given_up(&mut self) -> Option<GivenUp> {
        let fresh = std::mem::take(&mut self.fresh);
        self.total.add(&fresh);
        (!fresh.is_nothing()).then_some(fresh)
    }

    /// Whether nothing waits in either lane.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.control.frames.is_empty() && self.log.frames.is_empty()
    }

    /// Frames that wait in a lane.
    #[must_use]
    pub fn waiting(&self, lane: Lane) -> usize {
        match lane {
            Lane::Control => self.control.frames.len(),
            Lane::Log => self.log.frames.len(),
        }
    }

    /// Everything given up since the start.
    #[must_use]
    pub fn given_up(&self) -> GivenUp {
        self.total
    }

    /// Control frames that a newer one replaced before they were written.
    #[must_use]
    pub fn superseded(&self) -> u64 {
        self.superseded
    }
}
