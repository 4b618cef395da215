//! Heartbeats a second time: on a link that loses packets, what beats on the control lane goes once more as a datagram,
//! a little after the stream.
//!
//! QUIC sees a lost packet only when a later one is acknowledged or a timer ends; until it is repeated, everything behind
//! it on the stream waits. At 40 ms of round trip and 5 % loss that is a quarter of a second for one heartbeat in a
//! hundred. With a copy, both packets must be lost. Copied is only what its owner repeats and what may overtake: pings,
//! their answers, Raft's heartbeats.
//!
//! Invariants: of a frame and its copy one is handed over, whichever comes first. A link that loses nothing carries no
//! copies. What is held for copies, and what is remembered of them, is bounded. Both sides count the control frames of
//! one connection, so a copy names its frame by that number.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use quorate_proto::FrameKind;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// In front of a gossip packet.
pub(crate) const GOSSIP: u8 = 0;
/// In front of a copy: number and frame follow.
pub(crate) const COPY: u8 = 1;

/// A copy leaves so much later: in another packet, and behind a short burst of losses. A tenth of Raft's heartbeat.
const AFTER: Duration = Duration::from_millis(10);
/// Longest frame that is copied: pings that carry no news. With its head it is shorter than a gossip packet.
const LONGEST: usize = 1024;
/// Copies that wait to leave; each waits 10 ms, so more would be a flood.
const HELD: usize = 32;
/// Copies that came before their frames: those of some seconds.
const EARLY: usize = 256;

/// The control frames written on one connection, and the copies that are to follow.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// The number of the next frame.
    next: u64,
    held: VecDeque<(Instant, Bytes)>,
}

impl Copies {
    /// A control frame is written now.
    pub(crate) fn written(&mut self, kind: Option<FrameKind>, frame: &[u8], lossy: bool) {
        let number = self.next;
        self.next += 1;
        let beats = kind.is_some_and(FrameKind::beats);
        if !lossy || !beats || frame.len() > LONGEST || self.held.len() >= HELD {
            return;
        }
        let mut copy = BytesMut::with_capacity(9 + frame.len());
        copy.put_u8(COPY);
        copy.put_u64(number);
        copy.put_slice(frame);
        self.held.push_back((Instant::now() + AFTER, copy.freeze()));
    }

    /// When the next copy leaves.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.held.front().map(|(at, _)| *at)
    }

    /// A copy that leaves now.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Bytes> {
        self.due().filter(|at| *at <= now)?;
        self.held.pop_front().map(|(_, copy)| copy)
    }
}

/// The control frames that came on one connection, by stream and by copy.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The number of the next frame on the stream.
    next: u64,
    /// Later ones, of which a copy was handed over.
    early: BTreeSet<u64>,
}

impl Seen {
    /// The next frame came on the stream: whether it is to be handed over.
    pub(crate) fn on_stream(&mut self) -> bool {
        let number = self.next;
        self.next += 1;
        !self.early.remove(&number)
    }

    /// The number and the frame of a copy, when it is the first to come. The caller says with [`Self::handed`] that it
    /// was handed over.
    pub(crate) fn copy(&self, mut datagram: Bytes) -> Option<(u64, Bytes)> {
        let number = datagram.try_get_u64().ok()?;
        let new = number >= self.next && !self.early.contains(&number);
        (new && self.early.len() < EARLY).then_some((number, datagram))
    }

    /// A copy was handed over.
    pub(crate) fn handed(&mut self, number: u64) {
        self.early.insert(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: Option<FrameKind> = Some(FrameKind::Ping);

    fn frame(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    /// The copies that have left by then, without their mark.
    fn left(copies: &mut Copies, by: Instant) -> Vec<Bytes> {
        std::iter::from_fn(|| copies.take_due(by)).map(|copy| copy.slice(1..)).collect()
    }

    #[test]
    fn only_what_beats_is_copied_and_only_on_a_link_that_loses() {
        let (mut copies, now) = (Copies::default(), Instant::now());
        copies.written(PING, &frame("clean"), false);
        copies.written(Some(FrameKind::Founding), &frame("once"), true);
        copies.written(None, &frame("unknown"), true);
        copies.written(PING, &frame(&"long".repeat(300)), true);
        assert_eq!(copies.due(), None);
        copies.written(PING, &frame("ping"), true);
        copies.written(Some(FrameKind::Heartbeat), &frame("beat"), true);
        assert_eq!(left(&mut copies, now), Vec::<Bytes>::new(), "not in the same packet");
        let later = copies.due().expect("two are held") + AFTER;
        let sent = left(&mut copies, later);
        let numbers: Vec<u64> = sent.into_iter().map(|mut copy| copy.get_u64()).collect();
        assert_eq!(numbers, [4, 5], "frames without a copy are counted too");
    }

    #[test]
    fn a_flood_is_not_copied() {
        let mut copies = Copies::default();
        (0..1_000).for_each(|_| copies.written(PING, &frame("ping"), true));
        assert_eq!(left(&mut copies, Instant::now() + AFTER).len(), HELD);
    }

    #[test]
    fn of_a_frame_and_its_copy_the_first_is_handed_over() {
        let (mut copies, mut seen) = (Copies::default(), Seen::default());
        ["a", "b", "c"].iter().for_each(|text| copies.written(PING, &frame(text), true));
        let [a, b, c] = left(&mut copies, Instant::now() + AFTER).try_into().expect("three copies");
        assert!(seen.on_stream());
        assert_eq!(seen.copy(a), None, "its frame was there");
        let (number, bytes) = seen.copy(c.clone()).expect("it overtakes");
        assert_eq!((number, bytes), (2, frame("c")));
        seen.handed(number);
        assert_eq!(seen.copy(c), None, "a datagram may come twice");
        assert!(seen.on_stream() && !seen.on_stream());
        assert_eq!(seen.copy(b), None);
    }

    #[test]
    fn copies_without_frames_take_no_more_memory_than_is_stated() {
        let mut seen = Seen::default();
        for number in 0_u64..10_000 {
            if let Some((number, _)) = seen.copy(number.to_be_bytes().to_vec().into()) {
                seen.handed(number);
            }
        }
        assert_eq!(seen.early.len(), EARLY);
        assert_eq!(seen.copy(frame("short")), None);
    }
}
