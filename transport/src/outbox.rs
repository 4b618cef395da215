//! What waits to be sent to one peer: a pure, bounded queue per ordered lane.
//!
//! A frame handed over before a connection stands waits here and is the first thing written when one does. Control
//! frames supersede each other (`control`); log frames keep their order, are numbered and kept until the peer has
//! acknowledged them, and go again on the next connection when one is lost (`log`). Everything that is given up is
//! counted by lane and cause; for the log lane the owner must be told (`take_given_up`), because Raft has to probe
//! that peer anew.
//!
//! Invariant: each lane holds at most its bound in bytes (and frames), whatever is pushed.
//!
//! Reads no clock and knows nothing of connections beyond "up" and "lost"; the simulator drives this very code.

mod control;
mod given_up;
mod log;

pub use given_up::GivenUp;

use bytes::Bytes;
use control::ControlLane;
use log::LogLane;
use quorate_proto::{Frame, FrameKind, Generation, Lane, Moment, Supersede, limits};
use std::time::Duration;

/// Most control frames that wait. Each peer has a handful of keys at a time (ping, pong, dissent, founding);
/// 256 is far above that and keeps the scan for a superseded frame short.
pub const CONTROL_FRAMES: usize = 256;
/// Most bytes of waiting control frames: one frame of the largest size.
pub const CONTROL_BYTES: usize = limits::CONTROL_FRAME;
/// Most bytes of waiting and unacknowledged log frames: several frames of the largest size, and a tenth of a second
/// of a full gigabit link. More would only be older when it arrives.
pub const LOG_BYTES: usize = 16 * 1024 * 1024;
/// What a waiting frame costs besides its bytes, so that a flood of empty frames is bounded too.
pub const FRAME_OVERHEAD: usize = 64;
/// Longest wait without a connection: by then Raft and the founding round have long repeated themselves.
pub const AGE_LIMIT: Duration = Duration::from_secs(5);

const _: () = assert!(LOG_BYTES >= 2 * (limits::LOG_FRAME + FRAME_OVERHEAD));

/// Which start of a peer it is: numbered frames belong to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerStart {
    /// Its boot counter.
    pub generation: Generation,
    /// Random number of that start: a copied disk has the same counter.
    pub boot_nonce: u64,
}

/// A frame that is to be written now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Log lane: number of the frame, consecutive within one connection. Control lane: 0.
    pub number: u64,
    /// The encoded envelope; none when the frame of this number is skipped.
    pub bytes: Option<Bytes>,
    /// Control lane: what it is, when that was said.
    pub kind: Option<FrameKind>,
}

/// A peer acknowledged a frame that was never written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an acknowledgement of log frame {number}, where {last} is the last that was sent")]
pub struct FalseAcknowledgement {
    /// What it acknowledged.
    pub number: u64,
    /// The last frame written to it.
    pub last: u64,
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
}

/// The frames that wait for one peer. See the head of the file.
#[derive(Debug)]
pub struct Outbox {
    control: ControlLane,
    log: LogLane,
    connected: bool,
    /// Given up since `take_given_up`.
    fresh: GivenUp,
    total: GivenUp,
}

impl Outbox {
    /// An empty outbox without a connection.
    #[must_use]
    pub fn new(now: Moment) -> Self {
        Self {
            control: ControlLane::default(),
            log: LogLane::new(now),
            connected: false,
            fresh: GivenUp::default(),
            total: GivenUp::default(),
        }
    }

    /// Takes a frame. The result says what had to be given up for it, the frame itself perhaps.
    pub fn push(&mut self, now: Moment, frame: Frame) -> Option<GivenUp> {
        let limit = match frame.lane {
            Lane::Control => limits::CONTROL_FRAME,
            Lane::Log => limits::LOG_FRAME,
        };
        let waiting = Waiting {
            since: now,
            expires: frame.expires.map(|span| now + span),
            supersede: frame.supersede,
            bytes: frame.bytes,
        };
        match frame.lane {
            // On the wire an empty frame means something else, and no envelope is empty.
            _ if waiting.bytes.len() > limit || waiting.bytes.is_empty() => {
                self.fresh.oversize += 1;
            }
            Lane::Control => self.control.push(now, self.connected, waiting, &mut self.fresh),
            Lane::Log => self.log.push(now, waiting, &mut self.fresh),
        }
        self.take_given_up()
    }

    /// The next frame of a lane that is to be written to the connection that stands; none while none does, nor on the
    /// log lane before the peer has said what it has, when something may have been lost. Frames whose time is over are
    /// skipped and counted.
    pub fn next_to_write(&mut self, now: Moment, lane: Lane) -> Option<Outgoing> {
        if !self.connected {
            return None;
        }
        match lane {
            Lane::Control => {
                let frame = self.control.next(now, &mut self.fresh)?;
                let kind = frame.supersede.map(|key| key.kind);
                Some(Outgoing { number: 0, bytes: Some(frame.bytes), kind })
            }
            Lane::Log => self.log.next(now, &mut self.fresh),
        }
    }

    /// A connection to this start of the peer stands, the first one or another in place of the one before: what waits
    /// may be written. The result says which frames another start of the peer left unacknowledged.
    pub fn connection_up(&mut self, start: PeerStart) -> Option<GivenUp> {
        self.connected = true;
        self.log.connection_up(start, &mut self.fresh);
        self.take_given_up()
    }

    /// The connection is lost. What was not written or not acknowledged stays, within the bounds.
    pub fn connection_lost(&mut self, now: Moment) {
        self.connected = false;
        // The wait for a connection begins now, not when the frame came.
        self.control.connection_lost(now);
        self.log.connection_lost(now);
    }

    /// The peer has handed every log frame up to this number to its core. `first` when this is the first word of this
    /// kind on the connection that stands.
    ///
    /// # Errors
    /// When that frame was never sent: the peer is broken.
    pub fn acknowledged(&mut self, number: u64, first: bool) -> Result<(), FalseAcknowledgement> {
        self.log.acknowledged(number, first)
    }

    /// Gives up all frames whose time is over.
    pub fn expire(&mut self, now: Moment) -> Option<GivenUp> {
        self.control.expire(now, self.connected, &mut self.fresh);
        self.log.expire(now, &mut self.fresh);
        self.take_given_up()
    }

    /// When `expire` next has something to do.
    #[must_use]
    pub fn next_wake(&self) -> Option<Moment> {
        let ends = [self.control.next_end(self.connected), self.log.next_end()];
        ends.into_iter().flatten().min()
    }

    /// What was given up since this was last asked (by `push`, `expire` and `connection_up` too).
    pub fn take_given_up(&mut self) -> Option<GivenUp> {
        let fresh = std::mem::take(&mut self.fresh);
        self.total.add(&fresh);
        (!fresh.is_nothing()).then_some(fresh)
    }

    /// Whether nothing waits in either lane, for a connection or for an acknowledgement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.control.waiting() == 0 && self.log.is_empty()
    }

    /// Frames that were never written, in a lane.
    #[must_use]
    pub fn waiting(&self, lane: Lane) -> usize {
        match lane {
            Lane::Control => self.control.waiting(),
            Lane::Log => self.log.waiting(),
        }
    }

    /// Log frames that were written and are not acknowledged.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.log.unacknowledged()
    }

    /// Bytes of control frames that wait, with their overhead.
    #[must_use]
    pub fn control_bytes(&self) -> usize {
        self.control.bytes()
    }

    /// Bytes of log frames that are kept, waiting or unacknowledged, with their overhead; at most [`LOG_BYTES`].
    #[must_use]
    pub fn log_bytes(&self) -> usize {
        self.log.bytes()
    }

    /// Log frames that were written a second time, because a connection was lost.
    #[must_use]
    pub fn retransmitted(&self) -> u64 {
        self.log.retransmitted
    }

    /// Everything given up since the start.
    #[must_use]
    pub fn given_up(&self) -> GivenUp {
        self.total
    }

    /// Control frames that a newer one replaced before they were written.
    #[must_use]
    pub fn superseded(&self) -> u64 {
        self.control.superseded
    }
}
