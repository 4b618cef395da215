//! The numbered log frames that come from one start of a peer, over all its connections, and what is owed to it for
//! them: an acknowledgement of what was handed to the owner.
//!
//! Invariant: one frame is handed over at a time, so the order is that of the numbers, also while two connections carry
//! the same session. What is acknowledged was handed over.

use crate::event::TransportEvent;
use crate::inbox::{Arrival, Inbox};
use crate::outbox::PeerStart;
use bytes::Bytes;
use quorate_proto::{Instance, Lane};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// An acknowledgement waits at most this long for a control frame that it can ride along with: a frame that is not
/// acknowledged only costs the sender memory.
pub(crate) const ACKNOWLEDGE_AFTER: Duration = Duration::from_millis(200);
/// It does not wait when the sender keeps this many frames or bytes for us.
const FRAMES: u64 = 64;
const BYTES: u64 = 256 * 1024;

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    /// None before the first connection.
    pub(crate) start: Option<PeerStart>,
    inbox: tokio::sync::Mutex<Inbox>,
    /// The last number that was handed over.
    handed: AtomicU64,
    /// Since the last acknowledgement.
    frames: AtomicU64,
    bytes: AtomicU64,
    duplicates: AtomicU64,
}

/// What became of frames.
pub(crate) enum Taken {
    /// What was new was handed over; true when the sender's acknowledgement should be seen to.
    Done(bool),
    /// One cannot be: the sender broke the protocol.
    Gap,
    /// The owner is gone.
    NoOwner,
}

impl Incoming {
    pub(crate) fn new(start: PeerStart) -> Self {
        Self { start: Some(start), ..Self::default() }
    }

    /// Hands frames over in their turn, the first of which has this number: what is new goes to `events` at once.
    /// `opens` when it is the first on its connection.
    pub(crate) async fn take(
        &self,
        number: u64,
        opens: bool,
        frames: &mut Vec<Bytes>,
        from: Instance,
        events: &mpsc::Sender<TransportEvent>,
    ) -> Taken {
        let mut inbox = self.inbox.lock().await;
        let mut after = *inbox;
        let (mut again, mut new, mut bytes) = (0, 0, 0);
        for (number, frame) in (number..).zip(frames.iter_mut()) {
            match after.judge(number, opens && new == 0) {
                Arrival::Gap => return Taken::Gap,
                Arrival::Again => {
                    again += 1;
                    frame.clear();
                }
                Arrival::New => {
                    new += 1;
                    bytes += frame.len() as u64;
                    after.handed(number);
                }
            }
        }
        // An empty one was given up by the sender, which has told its owner.
        frames.retain(|frame| !frame.is_empty());
        let Ok(room) = events.reserve_many(frames.len()).await else { return Taken::NoOwner };
        for (place, bytes) in room.zip(frames.drain(..)) {
            place.send(TransportEvent::Frame { from, lane: Lane::Log, bytes });
        }
        *inbox = after;
        self.handed.store(after.last(), Ordering::Release);
        self.duplicates.fetch_add(again, Ordering::Relaxed);
        let before = self.frames.fetch_add(new, Ordering::Relaxed);
        let bytes_before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let crossed = |before: u64, more: u64, mark: u64| before < mark && before + more >= mark;
        let owes = crossed(before, new, 1) || crossed(before, new, FRAMES);
        Taken::Done(owes || crossed(bytes_before, bytes, BYTES))
    }

    /// Whether frames were handed over that are not acknowledged.
    pub(crate) fn owes(&self) -> bool {
        self.frames.load(Ordering::Relaxed) > 0
    }

    /// Whether so many that it should not wait.
    pub(crate) fn owes_much(&self) -> bool {
        self.frames.load(Ordering::Relaxed) >= FRAMES || self.bytes.load(Ordering::Relaxed) >= BYTES
    }

    /// What to acknowledge now; nothing is owed afterwards.
    pub(crate) fn acknowledgement(&self) -> u64 {
        self.frames.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        self.handed.load(Ordering::Acquire)
    }

    /// Frames that came a second time.
    pub(crate) fn duplicates(&self) -> u64 {
        self.duplicates.load(Ordering::Relaxed)
    }
}
