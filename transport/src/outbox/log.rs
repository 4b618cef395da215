//! The log lane to one peer: frames get a number when they are first written, and stay until the peer has
//! acknowledged them. What a lost connection may have swallowed is written again on the next one, in order, behind the
//! last number that the peer has.
//!
//! Invariants: numbers are consecutive within one connection; a frame that is not sent after all (its time is over)
//! keeps its number and is skipped explicitly; frames that were numbered for one start of the peer are never written to
//! another. Waiting and unacknowledged frames together stay within [`LOG_BYTES`].

use super::{
    FRAME_OVERHEAD, FalseAcknowledgement, GivenUp, LOG_BYTES, Outgoing, PeerStart, Waiting,
};
use quorate_proto::Moment;
use std::collections::VecDeque;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    /// There is none.
    None,
    /// It stands, but the peer has not said yet what it has.
    Asking,
    /// It stands, and `sent` frames were written on it or are not needed any more.
    Open,
}

/// A frame, or the place of one that is skipped.
#[derive(Debug)]
struct Slot {
    frame: Option<Waiting>,
}

impl Slot {
    fn cost(&self) -> usize {
        self.frame.as_ref().map_or(FRAME_OVERHEAD, Waiting::cost)
    }

    fn is_over(&self, now: Moment, connected: bool) -> bool {
        self.frame.as_ref().is_some_and(|frame| frame.is_over(now, connected))
    }
}

#[derive(Debug)]
pub(super) struct LogLane {
    slots: VecDeque<Slot>,
    bytes: usize,
    /// Number of the frame before the first slot.
    behind: u64,
    /// How many slots have a number: written on some connection to this start of the peer.
    numbered: usize,
    /// How many slots need not be written on the connection that stands (any more).
    sent: usize,
    connection: Connection,
    start: Option<PeerStart>,
    pub(super) retransmitted: u64,
}

impl LogLane {
    /// Numbers begin with the time in microseconds: should this peer be forgotten and remembered again, none comes
    /// twice, for nobody writes a million frames a second.
    pub(super) fn new(now: Moment) -> Self {
        Self {
            slots: VecDeque::new(),
            bytes: 0,
            behind: now.as_micros(),
            numbered: 0,
            sent: 0,
            connection: Connection::None,
            start: None,
            retransmitted: 0,
        }
    }

    pub(super) fn push(&mut self, now: Moment, frame: Waiting, fresh: &mut GivenUp) {
        if self.bytes + frame.cost() > LOG_BYTES {
            self.expire(now, fresh);
        }
        // The newest is refused, not the oldest: what waits stays a gapless piece of the stream.
        if self.bytes + frame.cost() > LOG_BYTES {
            fresh.log_full += 1;
            return;
        }
        self.bytes += frame.cost();
        self.slots.push_back(Slot { frame: Some(frame) });
    }

    /// The next frame, numbered; `None` in its place when it is skipped.
    pub(super) fn next(&mut self, now: Moment, fresh: &mut GivenUp) -> Option<Outgoing> {
        if self.connection != Connection::Open {
            return None;
        }
        while self.sent == self.numbered && self.slots.get(self.sent)?.is_over(now, true) {
            // Without a number yet it can go altogether.
            self.remove(self.sent);
            fresh.log_expired += 1;
        }
        let place = self.sent;
        if self.slots.get(place)?.is_over(now, true) {
            self.skip(place);
            fresh.log_expired += 1;
        }
        let frame = self.slots[place].frame.as_ref().map(|frame| frame.bytes.clone());
        self.sent += 1;
        if place < self.numbered {
            self.retransmitted += u64::from(frame.is_some());
        } else {
            self.numbered = self.sent;
        }
        let number = self.behind + self.sent as u64;
        Some(Outgoing { number, bytes: frame, kind: None })
    }

    fn remove(&mut self, place: usize) {
        if let Some(slot) = self.slots.remove(place) {
            self.bytes -= slot.cost();
        }
    }

    fn skip(&mut self, place: usize) {
        let slot = &mut self.slots[place];
        self.bytes -= slot.cost();
        slot.frame = None;
        self.bytes += slot.cost();
    }

    /// A connection to this start of the peer takes the frames from now on.
    pub(super) fn connection_up(&mut self, start: PeerStart, fresh: &mut GivenUp) {
        if self.start.replace(start).is_some_and(|before| before != start) {
            // Whether the start before took them in, nobody knows: its owner is told, and they are not sent to this one.
            let lost = self.slots.iter().take(self.numbered).filter(|slot| slot.frame.is_some());
            fresh.log_lost += lost.count() as u64;
            self.forget(self.numbered);
        }
        self.sent = 0;
        // With nothing unacknowledged there is nothing to ask the peer.
        let asks = self.numbered > 0;
        self.connection = if asks { Connection::Asking } else { Connection::Open };
    }

    pub(super) fn connection_lost(&mut self, now: Moment) {
        self.connection = Connection::None;
        self.sent = 0;
        for frame in self.slots.iter_mut().filter_map(|slot| slot.frame.as_mut()) {
            frame.since = now;
        }
    }

    /// The peer has everything up to this number. `first` when it says so at the beginning of the connection that
    /// stands: then the rest is written.
    pub(super) fn acknowledged(
        &mut self,
        number: u64,
        first: bool,
    ) -> Result<(), FalseAcknowledgement> {
        let last = self.behind + self.numbered as u64;
        if number > last {
            return Err(FalseAcknowledgement { number, last });
        }
        let done = usize::try_from(number.saturating_sub(self.behind)).unwrap_or(self.numbered);
        self.forget(done);
        if first && self.connection == Connection::Asking {
            self.connection = Connection::Open;
        }
        Ok(())
    }

    /// Drops the first numbered slots.
    fn forget(&mut self, count: usize) {
        for slot in self.slots.drain(..count) {
            self.bytes -= slot.cost();
        }
        self.behind += count as u64;
        self.numbered -= count;
        self.sent = self.sent.saturating_sub(count);
    }

    /// Gives up what is over: from the front altogether, the next number on a connection says so to the peer; behind
    /// that, what has a number is skipped.
    pub(super) fn expire(&mut self, now: Moment, fresh: &mut GivenUp) {
        let connected = self.connection != Connection::None;
        if !connected {
            let over = |slot: &Slot| slot.frame.is_none() || slot.is_over(now, false);
            let first = self.slots.iter().take(self.numbered).take_while(|slot| over(slot)).count();
            let frames = self.slots.iter().take(first).filter(|slot| slot.frame.is_some());
            fresh.log_expired += frames.count() as u64;
            self.forget(first);
        }
        let mut place = 0;
        while place < self.slots.len() {
            if !self.slots[place].is_over(now, connected) || place < self.sent {
                place += 1;
            } else if place < self.numbered {
                self.skip(place);
                fresh.log_expired += 1;
            } else {
                self.remove(place);
                fresh.log_expired += 1;
            }
        }
    }

    pub(super) fn next_end(&self) -> Option<Moment> {
        let connected = self.connection != Connection::None;
        let unsent = self.slots.iter().skip(self.sent).filter_map(|slot| slot.frame.as_ref());
        unsent.filter_map(|frame| frame.ends(connected)).min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn waiting(&self) -> usize {
        self.slots.len() - self.numbered
    }

    pub(super) fn unacknowledged(&self) -> usize {
        self.numbered
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
