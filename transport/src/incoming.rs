//! The numbered log frames that come from one start of a peer, over all its connections, and what is owed to it for
//! them: an acknowledgement of what was handed to the owner.
//!
//! Invariant: one frame is handed over at a time, so the order is that of the numbers, also while two connections carry
//! the same session. What is acknowledged was handed over.

use crate::event::TransportEvent;
use crate::inbox::{Arrival, Inbox};
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
    /// The session is over, or the owner is gone: nothing was handed over.
    Over,
}

impl Incoming {
    /// Hands frames over in their turn, the first of which has this number: what is new goes to `events` at once.
    /// `opens` when it is the first on its connection. `session` gives what keeps the session from ending meanwhile; without
    /// that nothing is handed over.
    pub(crate) async fn take<G>(
        &self,
        number: u64,
        opens: bool,
        frames: &mut Vec<Bytes>,
        from: Instance,
        events: &mpsc::Sender<TransportEvent>,
        session: impl FnOnce() -> Option<G>,
    ) -> Taken {
        let mut inbox = self.inbox.lock().await;
        let mut after = *inbox;
        let (mut again, mut new, mut bytes) = (0, 0, 0);
        for (number, frame) in (number..).zip(frames.iter_mut()) {
            match after.judge(number, opens && new == 0) {
                Arrival::Gap => return Taken::Gap,
                Arrival::Again => {
                    // An empty one stands for what came another way, and was counted there if it came twice.
                    again += u64::from(!frame.is_empty());
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
        let Ok(room) = events.reserve_many(frames.len()).await else { return Taken::Over };
        // Behind the end of its session the owner would pass over what is then said to have been handed over.
        let Some(session) = session() else { return Taken::Over };
        for (place, bytes) in room.zip(frames.drain(..)) {
            place.send(TransportEvent::Frame { from, lane: Lane::Log, bytes });
        }
        *inbox = after;
        self.handed.store(after.last(), Ordering::Release);
        drop(session);
        self.duplicates.fetch_add(again, Ordering::Relaxed);
        let before = self.frames.fetch_add(new, Ordering::AcqRel);
        let bytes_before = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        let crossed = |before: u64, more: u64, mark: u64| before < mark && before + more >= mark;
        let owes = crossed(before, new, 1) || crossed(before, new, FRAMES);
        Taken::Done(owes || crossed(bytes_before, bytes, BYTES))
    }

    /// Whether more was handed over than this, which a link said last. Each link remembers its own word: one that is lost
    /// with its connection must not pass for said.
    pub(crate) fn owes(&self, said: u64) -> bool {
        self.handed.load(Ordering::Acquire) > said
    }

    /// Whether so many frames were handed over since any link acknowledged that the next one should not wait.
    pub(crate) fn owes_much(&self) -> bool {
        self.frames.load(Ordering::Relaxed) >= FRAMES || self.bytes.load(Ordering::Relaxed) >= BYTES
    }

    /// What to acknowledge now.
    pub(crate) fn acknowledgement(&self) -> u64 {
        // Before the number is read: a frame that is handed over meanwhile rings again.
        self.frames.swap(0, Ordering::AcqRel);
        self.bytes.swap(0, Ordering::AcqRel);
        self.handed.load(Ordering::Acquire)
    }

    /// Frames that came a second time.
    pub(crate) fn duplicates(&self) -> u64 {
        self.duplicates.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn hand_over(incoming: &Incoming, over: bool) -> (Taken, usize) {
        let (events, mut told) = mpsc::channel(8);
        let mut frames = vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        let from = Instance::from_bytes([1; 16]);
        let session = || (!over).then_some(());
        let taken = incoming.take(1, true, &mut frames, from, &events, session).await;
        drop(events);
        let mut count = 0;
        while told.recv().await.is_some() {
            count += 1;
        }
        (taken, count)
    }

    #[tokio::test]
    async fn what_one_link_said_does_not_pass_for_the_word_of_another() {
        let incoming = Incoming::default();
        let said_before = incoming.acknowledgement();
        assert!(matches!(hand_over(&incoming, false).await, (Taken::Done(true), 2)));
        // The first word on a second link, which is lost with it.
        assert_eq!(incoming.acknowledgement(), 2);
        assert!(incoming.owes(said_before));
        assert!(!incoming.owes(2));
    }

    #[tokio::test]
    async fn behind_the_end_of_a_session_nothing_is_handed_over_or_acknowledged() {
        let incoming = Incoming::default();
        assert!(matches!(hand_over(&incoming, true).await, (Taken::Over, 0)));
        assert_eq!(incoming.acknowledgement(), 0);
        assert!(matches!(hand_over(&incoming, false).await, (Taken::Done(true), 2)));
    }
}
