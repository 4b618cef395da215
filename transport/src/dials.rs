//! Who may be dialled when: at most one dial at a time for each address, with a growing pause after failures for
//! dials that frames cause. Dials that the owner asks for do not wait.

use crate::config::Timings;
use quorate_proto::{DialFailure, short_hash};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Addresses that are remembered. Peers may have several; beyond this an address that rests is forgotten, which
/// only makes its next dial come sooner.
const ADDRESSES: usize = 4 * quorate_proto::limits::MEMBERS;

/// A handshake of the peer that came to nothing says something of a dial that ends within so long: a peer that seeks us dials more often.
const KNOCKED: Duration = Duration::from_secs(10);

/// Whether a dial may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Yes, and the caller must report its end.
    Now,
    /// One is under way.
    Running,
    /// Not before this.
    NotBefore(Instant),
    /// Too many addresses are being dialled.
    Full,
}

#[derive(Debug)]
struct Dial {
    running: bool,
    /// The owner asked for it and hears of a session that stood already.
    asked: bool,
    next: Instant,
    told: Dialled,
}

impl Dial {
    fn failed(&mut self, now: Instant, address: SocketAddr, timings: &Timings) {
        self.told.failures = self.told.failures.saturating_add(1);
        self.told.failing_since.get_or_insert(now);
        self.next = now + pause(address, self.told.failures, timings);
    }

    /// The peer is there: the failures are forgotten, and the next dial need not wait.
    fn reached(&mut self, now: Instant) {
        self.told = Dialled::default();
        self.next = now;
    }
}

/// How the dials of an address went.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dialled {
    /// Failed ones, the last in a row.
    pub(crate) failures: u32,
    /// When the first of them ended.
    pub(crate) failing_since: Option<Instant>,
    /// Why the last one failed.
    pub(crate) last: Option<DialFailure>,
    /// When a handshake was begun at that address last, without coming to anything since.
    pub(crate) peer_dialled_us: Option<Instant>,
    /// Since when nothing at all has answered there: since the end of the first such dial in a row.
    pub(crate) unanswered: Option<Instant>,
}

/// All addresses that were dialled of late.
#[derive(Debug, Default)]
pub(crate) struct DialBook {
    dials: BTreeMap<SocketAddr, Dial>,
}

impl DialBook {
    /// Asks for a dial; `asked` when the owner did.
    pub(crate) fn begin(&mut self, now: Instant, address: SocketAddr, asked: bool) -> Begin {
        if !self.dials.contains_key(&address) && !self.make_room() {
            return Begin::Full;
        }
        let dial = self.dials.entry(address).or_insert(Dial {
            running: false,
            asked: false,
            next: now,
            told: Dialled::default(),
        });
        dial.asked |= asked;
        if dial.running {
            return Begin::Running;
        }
        if !asked && now < dial.next {
            return Begin::NotBefore(dial.next);
        }
        dial.running = true;
        Begin::Now
    }

    fn make_room(&mut self) -> bool {
        if self.dials.len() < ADDRESSES {
            return true;
        }
        let resting = self.dials.iter().filter(|(_, dial)| !dial.running);
        let oldest = resting.min_by_key(|(_, dial)| dial.next).map(|(address, _)| *address);
        oldest.is_some_and(|address| self.dials.remove(&address).is_some())
    }

    /// A dial ended. True when the owner had asked for it.
    pub(crate) fn end(
        &mut self,
        now: Instant,
        address: SocketAddr,
        success: bool,
        timings: &Timings,
    ) -> bool {
        let Some(dial) = self.dials.get_mut(&address) else { return false };
        dial.running = false;
        if success {
            dial.reached(now);
        } else {
            dial.failed(now, address, timings);
        }
        std::mem::take(&mut dial.asked)
    }

    /// A dial that ended well reached somebody else than the one who is sought: not again at once.
    pub(crate) fn reached_another(&mut self, now: Instant, address: SocketAddr, timings: &Timings) {
        if let Some(dial) = self.dials.get_mut(&address) {
            dial.failed(now, address, timings);
            let reason = "another node answers at this address".to_owned();
            dial.told.last = Some(DialFailure::Handshake { reason });
        }
    }

    /// The peer at this address is said to be there: the next dial need not wait. True when one was waiting.
    pub(crate) fn is_there(&mut self, now: Instant, address: SocketAddr) -> bool {
        let dial = self.dials.get_mut(&address).filter(|dial| !dial.running && dial.next > now);
        dial.is_some_and(|dial| {
            dial.next = now;
            true
        })
    }

    /// The peer at this address was heard: the next dial need not wait.
    pub(crate) fn heard(&mut self, now: Instant, address: SocketAddr) {
        if let Some(dial) = self.dials.get_mut(&address) {
            dial.reached(now);
        }
    }

    /// What a failed dial of this address says, with what comes in from there. A knock from before the first dial without an answer
    /// says nothing: its daemon may have ended in between, or be about to start.
    pub(crate) fn judged(
        &mut self,
        now: Instant,
        address: SocketAddr,
        failure: DialFailure,
    ) -> DialFailure {
        let Some(dial) = self.dials.get_mut(&address) else { return failure };
        if failure != DialFailure::NoAnswer {
            dial.told.unanswered = None;
            return failure;
        }
        let since = *dial.told.unanswered.get_or_insert(now);
        let of_late = |at: Instant| now.saturating_duration_since(at) < KNOCKED;
        match dial.told.peer_dialled_us.filter(|at| *at > since && of_late(*at)) {
            Some(_) => DialFailure::OneWay,
            None => failure,
        }
    }

    /// Why the last dial of this address failed.
    pub(crate) fn failed(&mut self, address: SocketAddr, failure: &DialFailure) {
        if let Some(dial) = self.dials.get_mut(&address) {
            dial.told.last = Some(failure.clone());
        }
    }

    /// A handshake was begun at this address, or came to nothing.
    pub(crate) fn peer_dialled_us(&mut self, now: Instant, address: SocketAddr) {
        if let Some(dial) = self.dials.get_mut(&address) {
            dial.told.peer_dialled_us = Some(now);
        }
    }

    /// How the dials of this address went.
    pub(crate) fn told(&self, address: SocketAddr) -> Dialled {
        self.dials.get(&address).map(|dial| dial.told.clone()).unwrap_or_default()
    }

    /// Whether this address was dialled of late, so that its refusals are of interest.
    pub(crate) fn knows(&self, address: SocketAddr) -> bool {
        self.dials.contains_key(&address)
    }
}

/// The doubled pause, less up to a quarter, so that nodes that lost a peer at the same moment do not come back at the
/// same moment. The process id makes them differ.
fn pause(address: SocketAddr, failures: u32, timings: &Timings) -> Duration {
    let full = timings.backoff(failures);
    let text = format!("{address} {failures} {}", std::process::id());
    let part = (short_hash(&[text.as_bytes()]) % 1024) as u32;
    full - full / 4 * part / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_last_and_an_asked_dial_does_not_wait() {
        let (mut book, timings) = (DialBook::default(), Timings::default());
        let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let now = Instant::now();
        assert_eq!(book.begin(now, address, false), Begin::Now);
        assert_eq!(book.begin(now, address, true), Begin::Running);
        assert!(book.end(now, address, false, &timings));
        assert!(matches!(book.begin(now, address, false), Begin::NotBefore(_)));
        assert_eq!(book.begin(now, address, true), Begin::Now);
        for _ in 0..40 {
            book.end(now, address, false, &timings);
        }
        let Begin::NotBefore(next) = book.begin(now, address, false) else { panic!("must wait") };
        assert!(next - now <= timings.backoff_last && next - now >= timings.backoff_last * 3 / 4);
        assert!(book.is_there(now, address), "gossip's word cuts the pause short");
        assert_eq!(book.begin(now, address, false), Begin::Now);
        assert!(!book.is_there(now, address), "one is under way");
        book.end(now, address, false, &timings);
        book.heard(now, address);
        assert_eq!(book.begin(now, address, false), Begin::Now);
    }

    #[test]
    fn no_answer_from_a_peer_that_knocks_is_one_way_for_as_long_as_it_does() {
        let mut book = DialBook::default();
        let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let now = Instant::now();
        let judged = |book: &mut DialBook, at| book.judged(at, address, DialFailure::NoAnswer);
        assert_eq!(book.begin(now, address, false), Begin::Now);
        assert_eq!(judged(&mut book, now), DialFailure::NoAnswer);
        let knock = now + Duration::from_millis(1);
        book.peer_dialled_us(knock, address);
        assert_eq!(judged(&mut book, now + KNOCKED / 2), DialFailure::OneWay);
        assert_eq!(judged(&mut book, knock + KNOCKED), DialFailure::NoAnswer, "it does no more");
        let twice = book.judged(now, address, DialFailure::Twice);
        assert_eq!(twice, DialFailure::Twice, "an answer came");
        book.heard(now, address);
        assert_eq!(judged(&mut book, now), DialFailure::NoAnswer);
    }

    #[test]
    fn a_daemon_that_knocked_and_then_ended_or_that_just_starts_is_not_called_one_way() {
        let mut book = DialBook::default();
        let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let other = || DialFailure::OtherSecret { theirs: "a".to_owned(), ours: "b".to_owned() };
        assert_eq!(book.begin(now, address, false), Begin::Now);
        // The two refuse each other, each time that one dials.
        book.peer_dialled_us(now, address);
        assert_eq!(book.judged(now, address, other()), other());
        // It is started again: a dial of that moment reaches nobody, and its own come soon after.
        let judged = book.judged(now + second, address, DialFailure::NoAnswer);
        assert_eq!(judged, DialFailure::NoAnswer);
        book.peer_dialled_us(now + 2 * second, address);
        assert_eq!(book.judged(now + 3 * second, address, other()), other());
        let judged = book.judged(now + 4 * second, address, DialFailure::NoAnswer);
        assert_eq!(judged, DialFailure::NoAnswer, "it answered in between");
    }

    #[test]
    fn the_book_stays_bounded_and_says_when_every_place_is_in_use() {
        let mut book = DialBook::default();
        let now = Instant::now();
        for port in 0..ADDRESSES {
            let address = SocketAddr::from(([127, 0, 0, 1], port as u16 + 1));
            assert_eq!(book.begin(now, address, false), Begin::Now);
        }
        let other: SocketAddr = "127.0.0.2:1".parse().unwrap();
        assert_eq!(book.begin(now, other, true), Begin::Full);
        book.end(now, SocketAddr::from(([127, 0, 0, 1], 1)), true, &Timings::default());
        assert_eq!(book.begin(now, other, true), Begin::Now);
    }
}
