//! The numbered log frames that come from one start of a peer, over all its connections, and what is owed to it for
//! them: an acknowledgement of what was handed to the owner.
//!
//! Invariant: one frame is handed over at a time, so the order is that of the numbers, also while two connections carry
//! the same session. What is acknowledged was handed over.

use crate::inbox::{Arrival, Inbox};
use crate::outbox::PeerStart;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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

/// What a frame was.
pub(crate) enum Taken {
    /// Handed over; true when the sender's acknowledgement should be seen to.
    New(bool),
    /// Known already.
    Again,
    /// Impossible.
    Gap,
    /// The owner is gone.
    NoOwner,
}

impl Incoming {
    pub(crate) fn new(start: PeerStart) -> Self {
        Self { start: Some(start), ..Self::default() }
    }

    /// Hands a frame over in its turn: `hand_over` gives false when there is nobody to take it.
    pub(crate) async fn take(
        &self,
        number: u64,
        opens: bool,
        bytes: usize,
        hand_over: impl Future<Output = bool>,
    ) -> Taken {
        let mut inbox = self.inbox.lock().await;
        match inbox.judge(number, opens) {
            Arrival::Gap => return Taken::Gap,
            Arrival::Again => {
                self.duplicates.fetch_add(1, Ordering::Relaxed);
                return Taken::Again;
            }
            Arrival::New => {}
        }
        if !hand_over.await {
            return Taken::NoOwner;
        }
        inbox.handed(number);
        self.handed.store(inbox.last(), Ordering::Release);
        let frames = self.frames.fetch_add(1, Ordering::Relaxed) + 1;
        let length = bytes as u64;
        let before = self.bytes.fetch_add(length, Ordering::Relaxed);
        let crossed = before < BYTES && before + length >= BYTES;
        Taken::New(frames == 1 || frames == FRAMES || crossed)
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
