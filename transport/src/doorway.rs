//! Who may begin a handshake here, so that a flood of forged first packets leaves members their way in.
//!
//! A first packet proves nothing: its source address may be forged, and what is answered goes there. An address that this
//! node knows (it was dialled, or a peer came from it) gets an answer at once while few such handshakes are under way;
//! everybody else is sent a small Retry, which costs no memory, and comes back with a token that only the owner of
//! the address can have. Behind that, no address takes more than its share of the places, and some are kept for those
//! who are known. Own dials are counted elsewhere.
//!
//! Pure. Bounded: the places, and the known addresses, of which the one that was known longest goes first.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Connections whose hellos are not in yet, of those that others began. Each lives for three seconds at most.
pub(crate) const PLACES: usize = 256;
/// Of these, what strangers get together: the rest is kept for known addresses.
const STRANGERS: usize = 192;
/// What one address gets: a machine with many daemons behind it, or all of a site behind address translation.
const SHARE: usize = 64;
/// Handshakes from addresses that are not proved. A cluster that starts needs as many as it has seeds.
const UNPROVED: usize = 32;
/// Of these, from one address.
const UNPROVED_SHARE: usize = 8;
/// A known address proves itself for so long after a handshake that began there unproved came to nothing: then somebody else
/// uses its name, and what is answered (up to 3.12 times what came) should not go there again and again.
const WARY: Duration = Duration::from_secs(10);
/// Known addresses: all members, with several each.
const KNOWN: usize = 4 * quorate_proto::limits::MEMBERS;

const _: () = assert!(UNPROVED < SHARE && SHARE < STRANGERS && STRANGERS < PLACES);

/// What is done with a first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The handshake goes on, in this place.
    Enter(Place),
    /// It must show first that the address is its own.
    Prove,
    /// No place is left for it.
    Full,
}

/// A place that is taken, to be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    ip: IpAddr,
    known: bool,
    proved: bool,
}

/// What is remembered of a known address.
#[derive(Debug, Clone, Copy)]
struct Known {
    learned: u64,
    wary_until: Option<Instant>,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Doorway {
    known: BTreeMap<IpAddr, Known>,
    /// Counts what is learned, to find what was learned first.
    learned: u64,
    taken: BTreeMap<IpAddr, usize>,
    all: usize,
    strangers: usize,
    unproved: usize,
}

impl Doorway {
    /// This address is dialled, or a peer came from it.
    pub(crate) fn know(&mut self, ip: IpAddr) {
        self.learned += 1;
        if self.known.len() >= KNOWN && !self.known.contains_key(&ip) {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.learned);
            let oldest = oldest.map(|(ip, _)| *ip);
            oldest.map(|ip| self.known.remove(&ip));
        }
        let known = self.known.entry(ip).or_insert(Known { learned: 0, wary_until: None });
        known.learned = self.learned;
    }

    /// Somebody begins a handshake; `proved` when it came with a token for this address.
    pub(crate) fn knock(&mut self, now: Instant, ip: IpAddr, proved: bool) -> Answer {
        let known = self.known.get(&ip).copied();
        let share = self.taken.get(&ip).copied().unwrap_or(0);
        if !proved {
            let wary = |known: Known| known.wary_until.is_some_and(|until| now < until);
            let many = self.unproved >= UNPROVED || share >= UNPROVED_SHARE;
            if many || known.is_none_or(wary) {
                return Answer::Prove;
            }
        }
        let known = known.is_some();
        if share >= SHARE || self.all >= PLACES || (!known && self.strangers >= STRANGERS) {
            return Answer::Full;
        }
        *self.taken.entry(ip).or_default() += 1;
        self.all += 1;
        self.strangers += usize::from(!known);
        self.unproved += usize::from(!proved);
        Answer::Enter(Place { ip, known, proved })
    }

    /// The handshake in this place is over; `well` when it led to a peer.
    pub(crate) fn leave(&mut self, now: Instant, place: Place, well: bool) {
        if let Some(count) = self.taken.get_mut(&place.ip) {
            *count -= 1;
            if *count == 0 {
                self.taken.remove(&place.ip);
            }
        }
        self.all -= 1;
        self.strangers -= usize::from(!place.known);
        self.unproved -= usize::from(!place.proved);
        if well {
            self.know(place.ip);
        }
        if let Some(known) = self.known.get_mut(&place.ip).filter(|_| !place.proved) {
            known.wary_until = (!well).then_some(now + WARY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into()
    }

    fn enter(doorway: &mut Doorway, now: Instant, ip: IpAddr, proved: bool) -> Place {
        match doorway.knock(now, ip, proved) {
            Answer::Enter(place) => place,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn strangers_prove_their_address_and_known_ones_only_when_many_are_under_way() {
        let (mut doorway, now) = (Doorway::default(), Instant::now());
        assert_eq!(doorway.knock(now, ip(1), false), Answer::Prove);
        (1..=5).for_each(|number| doorway.know(ip(number)));
        let places = (1..=4).flat_map(|number| [number; UNPROVED_SHARE]);
        let places: Vec<_> =
            places.map(|number| enter(&mut doorway, now, ip(number), false)).collect();
        assert_eq!(places.len(), UNPROVED);
        assert_eq!(doorway.knock(now, ip(5), false), Answer::Prove);
        let proved = enter(&mut doorway, now, ip(5), true);
        places.into_iter().chain([proved]).for_each(|place| doorway.leave(now, place, true));
        let place = enter(&mut doorway, now, ip(5), false);
        doorway.leave(now, place, true);
        assert_eq!((doorway.all, doorway.strangers, doorway.unproved), (0, 0, 0));
        assert!(doorway.taken.is_empty());
    }

    #[test]
    fn an_address_in_whose_name_handshakes_come_to_nothing_proves_itself_for_a_while() {
        let (mut doorway, now) = (Doorway::default(), Instant::now());
        doorway.know(ip(1));
        let place = enter(&mut doorway, now, ip(1), false);
        doorway.leave(now, place, false);
        assert_eq!(doorway.knock(now, ip(1), false), Answer::Prove);
        let place = enter(&mut doorway, now, ip(1), true);
        doorway.leave(now, place, true);
        assert_eq!(doorway.knock(now, ip(1), false), Answer::Prove, "it says nothing of others");
        assert!(matches!(doorway.knock(now + WARY, ip(1), false), Answer::Enter(_)));
    }

    #[test]
    fn no_address_takes_more_than_its_share_and_strangers_leave_room_for_those_who_are_known() {
        let (mut doorway, now) = (Doorway::default(), Instant::now());
        doorway.know(ip(1));
        for _ in 0..SHARE {
            enter(&mut doorway, now, ip(2), true);
        }
        assert_eq!(doorway.knock(now, ip(2), true), Answer::Full);
        for number in SHARE..STRANGERS {
            enter(&mut doorway, now, ip(number as u32 + 3), true);
        }
        assert_eq!(doorway.knock(now, ip(3_000), true), Answer::Full);
        let kept =
            (0..PLACES).take_while(|_| matches!(doorway.knock(now, ip(1), true), Answer::Enter(_)));
        assert_eq!(kept.count(), PLACES - STRANGERS);
    }

    #[test]
    fn what_is_known_stays_bounded() {
        let (mut doorway, now) = (Doorway::default(), Instant::now());
        (0..=KNOWN as u32).for_each(|number| doorway.know(ip(number)));
        assert_eq!(doorway.known.len(), KNOWN);
        assert_eq!(doorway.knock(now, ip(0), false), Answer::Prove, "the first was forgotten");
        assert!(matches!(doorway.knock(now, ip(1), false), Answer::Enter(_)));
    }
}
