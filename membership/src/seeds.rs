//! The seeds: what their names resolve to, what came of dialling them, and when to dial or resolve again.
//!
//! Addresses are hints. Knows nothing of sessions or of founding.

use quorate_proto::{DialFailure, Instance, Moment, limits::MAX_SEEDS};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Most addresses kept for one seed: a name with more is a mistake, and each is dialled every half second.
const MAX_ADDRESSES: usize = 8;

/// Why a list of seeds cannot found a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeedsError {
    /// None.
    #[error("`seeds` is empty; name 1 to {MAX_SEEDS} hosts, the same on every host")]
    None,
    /// More than GENESIS rule 3 allows.
    #[error(
        "`seeds` names {found} hosts; at most {MAX_SEEDS} may found a cluster, any number may join it"
    )]
    TooMany {
        /// How many.
        found: usize,
    },
    /// One twice.
    #[error("`seeds` names `{seed}` twice; each founder is one host")]
    Twice {
        /// Which.
        seed: String,
    },
}

/// Checks the number of seeds and that none is named twice (GENESIS rule 3).
///
/// # Errors
/// When the list cannot be used.
pub fn check_seeds(seeds: &[String]) -> Result<(), SeedsError> {
    if seeds.is_empty() {
        return Err(SeedsError::None);
    }
    if seeds.len() > MAX_SEEDS {
        return Err(SeedsError::TooMany { found: seeds.len() });
    }
    for (place, seed) in seeds.iter().enumerate() {
        if seeds[..place].contains(seed) {
            return Err(SeedsError::Twice { seed: seed.clone() });
        }
    }
    Ok(())
}

/// One seed.
#[derive(Debug)]
pub(crate) struct Seed {
    pub(crate) name: String,
    pub(crate) addresses: Vec<SocketAddr>,
    /// What the resolver says against it, and since when.
    pub(crate) unresolved: Option<(String, Moment)>,
    /// What came of dialling each of its addresses, and since when it is this.
    pub(crate) failures: BTreeMap<SocketAddr, (DialFailure, Moment)>,
    /// Since when it has not been heard.
    pub(crate) missing_since: Moment,
    /// Whether its IPv4 addresses were dialled in a round before this one, and it is missing since.
    tried: bool,
}

impl Seed {
    /// What to dial while it is missing. A host of both families is dialled at its IPv4 addresses first, by everybody, so that
    /// all meet it at the same ones; at the others only when those lead nowhere.
    pub(crate) fn to_dial(&self) -> impl Iterator<Item = SocketAddr> {
        let both = self.addresses.iter().any(SocketAddr::is_ipv4);
        let all = self.tried || !both;
        self.addresses.iter().copied().filter(move |address| all || address.is_ipv4())
    }
}

/// All seeds, in the order of the list.
#[derive(Debug)]
pub(crate) struct SeedBook {
    seeds: Vec<Seed>,
    /// Whom a dial of an address led to, and when. A host may be met at another address than a seed's name says.
    led_to: BTreeMap<SocketAddr, (Instance, Moment)>,
}

/// Most addresses of which it is kept whom they led to: those of all seeds, and of all voters of the founding record.
const MAX_LED_TO: usize = MAX_SEEDS * (MAX_ADDRESSES + 1);
/// So long an address counts as that of the host that it led to, while that host is there. Then it is dialled again, for it
/// may be another's by now, and rule 20 is for all founders' addresses.
const LED_TO: Duration = Duration::from_secs(30);

impl SeedBook {
    pub(crate) fn new(now: Moment, names: &[String]) -> Self {
        let seed = |name: &String| Seed {
            name: name.clone(),
            addresses: Vec::new(),
            unresolved: None,
            failures: BTreeMap::new(),
            missing_since: now,
            tried: false,
        };
        Self { seeds: names.iter().map(seed).collect(), led_to: BTreeMap::new() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Seed)> {
        self.seeds.iter().enumerate()
    }

    pub(crate) fn get(&self, slot: usize) -> Option<&Seed> {
        self.seeds.get(slot)
    }

    /// Takes what the resolver says; gives the addresses that were not known before.
    pub(crate) fn resolved(
        &mut self,
        now: Moment,
        slot: usize,
        mut addresses: Vec<SocketAddr>,
        problem: Option<String>,
    ) -> Vec<SocketAddr> {
        let Some(seed) = self.seeds.get_mut(slot) else { return Vec::new() };
        addresses.truncate(MAX_ADDRESSES);
        if addresses.is_empty() {
            let text = problem.unwrap_or_else(|| "no address".to_owned());
            let since = seed.unresolved.take().map_or(now, |(_, since)| since);
            seed.unresolved = Some((text, since));
            // The last good answer stays useful while the resolver is down.
            return Vec::new();
        }
        seed.unresolved = None;
        let new = addresses.iter().copied().filter(|new| !seed.addresses.contains(new)).collect();
        seed.failures.retain(|address, _| addresses.contains(address));
        seed.addresses = addresses;
        new
    }

    pub(crate) fn dial_failed(&mut self, now: Moment, address: SocketAddr, failure: &DialFailure) {
        self.led_to.remove(&address);
        for seed in self.seeds.iter_mut().filter(|seed| seed.addresses.contains(&address)) {
            match seed.failures.get_mut(&address) {
                Some((known, _)) if known == failure => {}
                _ => {
                    seed.failures.insert(address, (failure.clone(), now));
                }
            }
        }
    }

    /// What is to be dialled was dialled once; or somebody stands there, and the next search begins anew.
    pub(crate) fn tried(&mut self, slot: usize, missing: bool) {
        if let Some(seed) = self.seeds.get_mut(slot) {
            seed.tried = missing && !seed.addresses.is_empty();
        }
    }

    /// A session stands with this address.
    pub(crate) fn reached(&mut self, address: SocketAddr) {
        for seed in &mut self.seeds {
            seed.failures.remove(&address);
        }
    }

    /// A dial of this address led to this life.
    pub(crate) fn led_to(&mut self, now: Moment, address: SocketAddr, life: Instance) {
        self.reached(address);
        if self.led_to.len() >= MAX_LED_TO && !self.led_to.contains_key(&address) {
            // Only forgets that it need not be dialled.
            self.led_to.retain(|_, (_, at)| now.since(*at) < LED_TO);
        }
        if self.led_to.len() < MAX_LED_TO || self.led_to.contains_key(&address) {
            self.led_to.insert(address, (life, now));
        }
    }

    /// Whom this address led to of late.
    pub(crate) fn whom(&self, now: Moment, address: SocketAddr) -> Option<Instance> {
        let (life, at) = self.led_to.get(&address)?;
        (now.since(*at) < LED_TO).then_some(*life)
    }

    /// The only slot with an address that led to this life; none when no or several slots have one.
    pub(crate) fn slot_that_led_to(&self, life: Instance) -> Option<usize> {
        let led =
            |address: &SocketAddr| self.led_to.get(address).is_some_and(|(to, _)| *to == life);
        let mut slots = self.iter().filter(|(_, seed)| seed.addresses.iter().any(led));
        let (slot, _) = slots.next()?;
        slots.next().is_none().then_some(slot)
    }

    /// The seed of this slot was (not) heard until now.
    pub(crate) fn heard(&mut self, now: Moment, slot: usize) {
        if let Some(seed) = self.seeds.get_mut(slot) {
            seed.missing_since = now;
        }
    }

    /// The only slot that has this address; none when no or several slots have it.
    pub(crate) fn slot_at(&self, address: SocketAddr) -> Option<usize> {
        let mut slots = self.iter().filter(|(_, seed)| seed.addresses.contains(&address));
        let (slot, _) = slots.next()?;
        slots.next().is_none().then_some(slot)
    }

    /// Two slots that resolve to one address.
    pub(crate) fn same_address(&self) -> Option<(usize, usize, SocketAddr)> {
        self.iter().find_map(|(second, seed)| {
            seed.addresses.iter().find_map(|address| {
                let earlier = self.iter().take(second);
                let first =
                    earlier.into_iter().find(|(_, other)| other.addresses.contains(address));
                first.map(|(first, _)| (first, second, *address))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_none_or_eight_or_with_one_twice_is_refused() {
        let list = |n: usize| (0..n).map(|i| format!("f{i}")).collect::<Vec<_>>();
        assert_eq!(check_seeds(&list(0)), Err(SeedsError::None));
        assert_eq!(check_seeds(&list(7)), Ok(()));
        assert_eq!(check_seeds(&list(8)), Err(SeedsError::TooMany { found: 8 }));
        let twice = vec!["a".to_owned(), "b".to_owned(), "a".to_owned()];
        assert_eq!(check_seeds(&twice), Err(SeedsError::Twice { seed: "a".to_owned() }));
    }

    #[test]
    fn a_seed_that_stops_resolving_keeps_its_last_addresses() {
        let mut book = SeedBook::new(Moment::ZERO, &["a".to_owned()]);
        let address: SocketAddr = "10.0.0.1:4747".parse().expect("valid");
        assert_eq!(book.resolved(Moment::ZERO, 0, vec![address], None), [address]);
        let later = Moment::from_micros(5);
        assert!(book.resolved(later, 0, Vec::new(), Some("SERVFAIL".to_owned())).is_empty());
        let seed = book.get(0).expect("there");
        assert_eq!(seed.addresses, [address]);
        assert_eq!(seed.unresolved, Some(("SERVFAIL".to_owned(), later)));
    }
}
