//! The sessions of a peer by themselves: which connection is kept, what the owner hears and in which order, by rule and in random
//! runs of two nodes.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../stage/mod.rs"]
mod stage;

mod ear;
mod pair;

use pair::{KEYS, Pair, SETTLED, address, key, session};
use quorate_proto::{Moment, SessionEnd};
use quorate_transport::sessions::{
    Action, Admitted, Closing, Greeting, LINKS, LinkId, Met, Refused, SESSIONS, Sessions, Word,
};
use std::time::Duration;

/// The first node's sessions with the second, and the clock.
struct Side {
    sessions: Sessions,
    now: Moment,
    numbers: u64,
    out: Vec<Action>,
}

/// A connection of this generation of the peer from its first address.
fn of(generation: u64) -> Greeting {
    from(1, generation, false)
}

fn from(door: u8, generation: u64, dialled: bool) -> Greeting {
    let mut session = session(1, 0, (generation, generation), address(1, door));
    session.dialled = dialled.then_some(session.address);
    Greeting { session, lost: false, standing_ended: None, still_runs: None }
}

impl Side {
    fn new() -> Self {
        let sessions = Sessions::new(key(KEYS[0]), SETTLED);
        Self { sessions, now: Moment::ZERO, numbers: 0, out: Vec::new() }
    }

    fn greet(&mut self, mut greeting: Greeting) -> Result<Admitted, Refused> {
        self.out.clear();
        self.numbers += 1;
        greeting.session.number = self.numbers;
        self.sessions.greeted(self.now, greeting, &mut self.out)
    }

    /// A connection that is let in.
    fn link(&mut self, greeting: Greeting) -> LinkId {
        self.greet(greeting).unwrap().link
    }

    fn close(&mut self, link: LinkId, end: SessionEnd) {
        self.out.clear();
        self.sessions.closed(self.now, link, end, &mut self.out);
    }

    /// What the owner hears, in short.
    fn words(&mut self) -> Vec<String> {
        self.out.clear();
        let words = std::iter::from_fn(|| self.sessions.next_word(&mut self.out));
        words
            .map(|word| match word {
                Word::Up(session) => format!("up {} at {}", session.number, session.address),
                Word::Down { number, end, .. } => format!("down {number} {end:?}"),
            })
            .collect()
    }
}

#[test]
fn nothing_is_read_before_the_owner_has_heard_of_the_session() {
    let mut side = Side::new();
    let first = side.link(of(1));
    let second = side.link(of(1));
    assert!(!side.out.contains(&Action::Read(second)), "{:?}", side.out);
    assert!(!side.sessions.hands_over(1));
    assert_eq!(side.words(), ["up 1 at 10.0.1.1:4747"]);
    assert_eq!(side.out, [Action::Read(first), Action::Read(second)]);
    assert!(side.sessions.hands_over(1));
    let third = side.link(of(1));
    assert!(side.out.contains(&Action::Read(third)), "{:?}", side.out);
}

#[test]
fn a_session_is_over_with_the_link_that_carries_it_and_so_are_its_other_links() {
    let mut side = Side::new();
    let (first, second) = (side.link(of(1)), side.link(of(1)));
    side.words();
    side.close(second, SessionEnd::TimedOut);
    assert_eq!(side.out, [Action::Lost, Action::Close(first, Closing::SessionOver)]);
    // Before the owner hears of it too: it would pass over what the peer is then told was handed over.
    assert!(!side.sessions.hands_over(1));
    side.close(first, SessionEnd::Closed);
    assert_eq!(side.words(), ["down 1 TimedOut"]);
    assert!(side.sessions.is_quiet());
    assert_eq!(side.sessions.last_end(), Some((side.now, SessionEnd::TimedOut)));
}

#[test]
fn a_session_goes_on_when_a_link_that_it_left_is_over() {
    let mut side = Side::new();
    let (first, second) = (side.link(of(1)), side.link(of(1)));
    assert!(side.out.contains(&Action::Yields(first)), "{:?}", side.out);
    side.words();
    side.close(first, SessionEnd::Replaced);
    assert_eq!(side.words(), Vec::<String>::new());
    assert_eq!(side.sessions.standing(), Some(second));
    assert!(side.sessions.hands_over(1));
}

#[test]
fn the_end_of_a_session_is_told_once_and_first_when_another_start_takes_its_place() {
    let mut side = Side::new();
    let old = side.link(of(1));
    side.words();
    let new = side.link(of(2));
    assert_eq!(side.out[..2], [Action::Close(old, Closing::Replaced), Action::Lost]);
    assert_eq!(side.words(), Vec::<String>::new(), "the old one is still read to its end");
    assert!(side.sessions.hands_over(1));
    side.close(old, SessionEnd::TimedOut);
    assert_eq!(side.words(), ["down 1 Reset", "up 2 at 10.0.1.1:4747"]);
    assert_eq!(side.out, [Action::Read(new)]);
    // A start that the owner never heard of before its end.
    let newest = side.link(of(3));
    side.link(of(4));
    side.close(new, SessionEnd::Closed);
    side.close(newest, SessionEnd::Closed);
    let words = side.words();
    let all = ["down 2 Reset", "up 3 at 10.0.1.1:4747", "down 3 Reset", "up 4 at 10.0.1.1:4747"];
    assert_eq!(words, all);
}

#[test]
fn the_same_start_begins_anew_when_its_connection_has_just_ended() {
    for end_first in [true, false] {
        let mut side = Side::new();
        let old = side.link(of(1));
        side.words();
        let ended = Some(SessionEnd::TimedOut);
        if end_first {
            side.close(old, SessionEnd::TimedOut);
            side.link(of(1));
        } else {
            // The task of the connection has not come to say so.
            side.link(Greeting { standing_ended: ended, ..of(1) });
            side.close(old, SessionEnd::TimedOut);
        }
        assert_eq!(side.words(), ["down 1 TimedOut", "up 2 at 10.0.1.1:4747"]);
    }
}

#[test]
fn another_key_an_older_start_and_a_copy_change_nothing() {
    let mut side = Side::new();
    let link = side.link(of(5));
    let other = || {
        let mut other = of(6);
        other.session.key = key(KEYS[0]);
        other
    };
    assert_eq!(side.greet(other()).unwrap_err(), Refused::OtherKey);
    assert_eq!(side.greet(of(4)).unwrap_err(), Refused::Late);
    side.now = side.now + SETTLED;
    assert_eq!(side.greet(of(4)).unwrap_err(), Refused::Older);
    let still_runs = Some(1);
    assert_eq!(side.greet(Greeting { still_runs, ..of(6) }).unwrap_err(), Refused::Twice);
    let mut twin = of(5);
    twin.session.boot_nonce = 99;
    assert_eq!(side.greet(Greeting { still_runs, ..twin }).unwrap_err(), Refused::Twice);
    assert!(side.out.is_empty());
    assert_eq!(side.sessions.standing(), Some(link));
    // Nobody has asked the host of the session that stands, but that of an earlier one.
    assert!(side.greet(Greeting { still_runs: Some(0), ..of(6) }).is_ok());
    // Another key may come when the connection has ended.
    let standing_ended = Some(SessionEnd::Reset);
    assert!(side.greet(Greeting { standing_ended, ..other() }).is_ok());
}

#[test]
fn a_connection_that_is_lost_when_its_hello_comes_takes_the_place_of_none() {
    let mut side = Side::new();
    let link = side.link(of(1));
    side.link(Greeting { lost: true, ..of(1) });
    assert_eq!(side.sessions.standing(), Some(link));
}

#[test]
fn a_peer_that_has_moved_is_told_once_its_earlier_connection_is_over() {
    let mut side = Side::new();
    let old = side.link(of(1));
    side.words();
    // From elsewhere, so that the one that this side dialled gives way to it though both are young.
    let new = side.link(from(2, 1, true));
    assert_eq!(side.sessions.standing(), Some(new));
    assert_eq!(side.words(), Vec::<String>::new());
    side.close(old, SessionEnd::TimedOut);
    assert_eq!(side.words(), ["up 1 at 10.0.1.2:4747"]);
    // And back, before the owner has taken the word: it hears where the peer is last.
    let back = side.link(of(1));
    side.close(new, SessionEnd::TimedOut);
    let again = side.link(from(2, 1, true));
    side.close(back, SessionEnd::TimedOut);
    assert_eq!(side.words(), ["up 1 at 10.0.1.1:4747", "up 1 at 10.0.1.2:4747"]);
    side.close(again, SessionEnd::Closed);
    assert_eq!(side.words(), ["down 1 Closed"]);
}

#[test]
fn a_session_is_told_again_when_it_is_dialled_and_not_when_it_is_over() {
    let mut side = Side::new();
    let link = side.link(of(1));
    side.words();
    let met = Met { address: address(1, 1), dialled: Some(address(1, 1)) };
    side.sessions.tell_again(1, met);
    side.sessions.tell_again(1, met);
    assert_eq!(side.words(), ["up 1 at 10.0.1.1:4747"]);
    side.sessions.tell_again(1, met);
    side.close(link, SessionEnd::Closed);
    side.sessions.tell_again(1, met);
    assert_eq!(side.words(), ["down 1 Closed"]);
}

#[test]
fn the_numbered_frames_begin_anew_with_another_start_only() {
    let mut side = Side::new();
    let first = side.greet(of(1)).unwrap();
    assert!(first.anew);
    assert!(!side.greet(of(1)).unwrap().anew);
    side.close(first.link, SessionEnd::TimedOut);
    let mut side = Side::new();
    let first = side.greet(of(1)).unwrap();
    side.close(first.link, SessionEnd::TimedOut);
    let again = side.greet(of(1)).unwrap();
    assert!(!again.continued && !again.anew);
    assert!(side.greet(of(2)).unwrap().anew);
}

#[test]
fn a_peer_has_so_many_connections_and_untold_sessions_and_no_more() {
    let mut side = Side::new();
    let links: Vec<LinkId> = (0..LINKS).map(|_| side.link(of(1))).collect();
    assert_eq!(side.greet(of(1)).unwrap_err(), Refused::Full);
    side.close(links[0], SessionEnd::Replaced);
    assert!(side.greet(of(1)).is_ok());
    // An owner that has no room.
    let mut side = Side::new();
    for generation in 1..=SESSIONS as u64 {
        let link = side.link(of(generation));
        side.close(link, SessionEnd::Reset);
    }
    assert_eq!(side.greet(of(1000)).unwrap_err(), Refused::Full);
    assert_eq!(side.words().len(), 2 * SESSIONS);
    assert!(side.greet(of(1000)).is_ok());
}

/// All orders in which the hellos of two connections come in at both ends.
fn orders() -> Vec<[(usize, usize); 4]> {
    let all = [(0, 0), (0, 1), (1, 0), (1, 1)];
    let mut orders = Vec::new();
    for code in 0..256_usize {
        let order = [code % 4, code / 4 % 4, code / 16 % 4, code / 64].map(|at| all[at]);
        if all.iter().all(|event| order.contains(event)) {
            orders.push(order);
        }
    }
    orders
}

#[test]
fn of_two_connections_that_cross_both_ends_keep_that_of_the_smaller_key() {
    let orders = orders();
    assert_eq!(orders.len(), 24);
    for order in orders {
        assert_eq!(Pair::cross(order), [0, 0], "{order:?}");
    }
}

#[test]
fn a_second_connection_of_a_settled_session_is_kept() {
    let mut side = Side::new();
    side.link(from(1, 1, true));
    let crossing = side.link(of(1));
    assert_ne!(side.sessions.standing(), Some(crossing), "ours is the smaller key");
    side.now = side.now + (SETTLED - Duration::from_millis(1));
    side.link(of(1));
    assert_ne!(side.sessions.standing(), Some(crossing));
    side.now = side.now + Duration::from_millis(1);
    let newer = side.link(of(1));
    assert_eq!(side.sessions.standing(), Some(newer));
}

/// Says which seed fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}

#[test]
fn random_runs_of_two_nodes_end_with_one_link_and_every_session_told() {
    for number in 0..2000 {
        let _seed = Seed(number);
        let mut pair = Pair::new(number);
        for _ in 0..300 {
            pair.step();
        }
        pair.calm();
        pair.break_all();
    }
}
