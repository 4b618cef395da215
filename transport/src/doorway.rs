//! Who may begin a handshake here, so that a flood of forged first packets leaves members their way in.
//!
//! A first packet proves nothing: its source address may be forged, and what is answered goes there. So everybody is sent a
//! Retry first, which costs no memory and is smaller than what it answers, and comes back with a token that only the owner of
//! the address can have. That takes one round trip of each new connection. Behind it, no address takes more than its
//! share of the places, and some are kept for the addresses that this node knows (it dialled them, or a peer came from
//! there). Own dials are counted elsewhere.
//!
//! Pure. Bounded: the places, and the known addresses, of which the one that was known longest goes first.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Connections whose hellos are not in yet, of those that others began. Each lives for three seconds at most.
pub(crate) const PLACES: usize = 256;
/// Of these, what strangers get together: the rest is kept for known addresses.
const STRANGERS: usize = 192;
/// What one address gets: a machine with many daemons behind it, or all of a site behind address translation.
const SHARE: usize = 64;
/// Known addresses: all members, with several each.
const KNOWN: usize = 4 * quorate_proto::limits::MEMBERS;

const _: () = assert!(SHARE < STRANGERS && STRANGERS < PLACES);

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
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Doorway {
    /// Known addresses, with the count at which each was learned last.
    known: BTreeMap<IpAddr, u64>,
    /// Counts what is learned, to find what was learned first.
    learned: u64,
    taken: BTreeMap<IpAddr, usize>,
    all: usize,
    strangers: usize,
}

impl Doorway {
    /// This address is dialled, or a peer came from it.
    pub(crate) fn know(&mut self, ip: IpAddr) {
        self.learned += 1;
        if self.known.len() >= KNOWN && !self.known.contains_key(&ip) {
            let oldest = self.known.iter().min_by_key(|(_, learned)| **learned);
            let oldest = oldest.map(|(ip, _)| *ip);
            oldest.map(|ip| self.known.remove(&ip));
        }
        self.known.insert(ip, self.learned);
    }

    /// Somebody begins a handshake; `proved` when it came with a token for this address.
    pub(crate) fn knock(&mut self, ip: IpAddr, proved: bool) -> Answer {
        if !proved {
            return Answer::Prove;
        }
        let known = self.known.contains_key(&ip);
        let share = self.taken.get(&ip).copied().unwrap_or(0);
        if share >= SHARE || self.all >= PLACES || (!known && self.strangers >= STRANGERS) {
            return Answer::Full;
        }
        *self.taken.entry(ip).or_default() += 1;
        self.all += 1;
        self.strangers += usize::from(!known);
        Answer::Enter(Place { ip, known })
    }

    /// The handshake in this place is over; `well` when it led to a peer.
    pub(crate) fn leave(&mut self, place: Place, well: bool) {
        if let Some(count) = self.taken.get_mut(&place.ip) {
            *count -= 1;
            if *count == 0 {
                self.taken.remove(&place.ip);
            }
        }
        self.all -= 1;
        self.strangers -= usize::from(!place.known);
        if well {
            self.know(place.ip);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into()
    }

    fn enter(doorway: &mut Doorway, ip: IpAddr) -> Place {
        match doorway.knock(ip, true) {
            Answer::Enter(place) => place,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everybody_proves_an_address_first_and_places_are_given_back() {
        let mut doorway = Doorway::default();
        doorway.know(ip(1));
        for number in [1, 2] {
            assert_eq!(doorway.knock(ip(number), false), Answer::Prove);
        }
        let places = [1, 1, 2].map(|number| enter(&mut doorway, ip(number)));
        places.into_iter().for_each(|place| doorway.leave(place, true));
        assert_eq!((doorway.all, doorway.strangers), (0, 0));
        assert!(doorway.taken.is_empty());
        assert!(doorway.known.contains_key(&ip(2)), "a peer came from there");
    }

    #[test]
    fn no_address_takes_more_than_its_share_and_strangers_leave_room_for_those_who_are_known() {
        let mut doorway = Doorway::default();
        doorway.know(ip(1));
        for _ in 0..SHARE {
            enter(&mut doorway, ip(2));
        }
        assert_eq!(doorway.knock(ip(2), true), Answer::Full);
        for number in SHARE..STRANGERS {
            enter(&mut doorway, ip(number as u32 + 3));
        }
        assert_eq!(doorway.knock(ip(3_000), true), Answer::Full);
        let kept =
            (0..PLACES).take_while(|_| matches!(doorway.knock(ip(1), true), Answer::Enter(_)));
        assert_eq!(kept.count(), PLACES - STRANGERS);
    }

    #[test]
    fn what_is_known_stays_bounded() {
        let mut doorway = Doorway::default();
        (0..=KNOWN as u32).for_each(|number| doorway.know(ip(number)));
        assert_eq!(doorway.known.len(), KNOWN);
        assert!(!doorway.known.contains_key(&ip(0)), "the first was forgotten");
        assert!(doorway.known.contains_key(&ip(1)));
    }
}
