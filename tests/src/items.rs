//! The applications that hold items of assignments, and the checker that counts who believes to hold each item at each instant of true time.
//!
//! An application believes that it holds an item until the deadline that it was told, by its own host's clock, whatever becomes of the
//! daemon and whatever it is told later: it may read slowly. One that is asked back it lets go a while after it hears of that, and says so,
//! unless it is one that never says anything. Beliefs begin only when something is told: so they are counted then.

use crate::world::{SimEvent, World};
use quorate_node::{ClientRequest, ItemRelease, ItemStanding, Items};
use quorate_proto::Moment;
use std::collections::BTreeMap;
use std::time::Duration;

/// An assignment and one of its items.
type Place = (String, String);

/// What an application believes of one item.
#[derive(Debug, Clone, Copy)]
struct Belief {
    /// Its fencing token.
    number: u64,
    /// In true time.
    until: Moment,
    /// It was asked back under this number, and works on it.
    leaves: bool,
}

/// All applications.
#[derive(Debug, Default)]
pub struct Holders {
    /// By host.
    all: BTreeMap<usize, BTreeMap<Place, Belief>>,
    silent: Vec<usize>,
    slowest: Duration,
    /// The newest number under which each item was held.
    newest: BTreeMap<Place, u64>,
    /// How often an item came to another host than before.
    moves: u64,
    last: BTreeMap<Place, usize>,
}

impl World {
    /// So long applications take at most to let an item go.
    pub fn applications_let_go_within(&mut self, slowest: Duration) {
        self.holders.slowest = slowest;
    }

    /// The application of a host never says that it has let an item go.
    pub fn application_keeps_silent(&mut self, host: usize) {
        self.holders.silent.push(host);
    }

    /// Which items the application of a host believes to hold now, with their numbers.
    #[must_use]
    pub fn items_of(&self, host: usize) -> Vec<(String, u64)> {
        let Some(all) = self.holders.all.get(&host) else { return Vec::new() };
        let now = all.iter().filter(|(_, belief)| belief.until > self.now);
        now.map(|((_, item), belief)| (item.clone(), belief.number)).collect()
    }

    /// How often an item came to another host.
    #[must_use]
    pub fn moves(&self) -> u64 {
        self.holders.moves
    }

    /// Until when the application of a host holds its first item, in true time.
    #[must_use]
    pub fn item_until(&self, host: usize) -> Option<Moment> {
        self.holders.all.get(&host)?.values().map(|belief| belief.until).max()
    }

    /// A daemon tells its application.
    pub(crate) fn items_told(&mut self, host: usize, items: &Items) {
        self.note(|| {
            let item =
                |item: &quorate_node::Item| format!("{} {}", item.name, item.standing.word());
            let told: Vec<String> = items.items.iter().map(item).collect();
            let told = if told.is_empty() { "none".to_owned() } else { told.join(", ") };
            format!("n{} items of {}: {told}", host + 1, items.assignment)
        });
        for item in &items.items {
            let place = (items.assignment.clone(), item.name.clone());
            let deadline = item.deadline.map(|at| self.true_time(host, at));
            match (item.standing, deadline) {
                (ItemStanding::Held, Some(until)) => self.takes(host, place, item.number, until),
                (ItemStanding::Leaving, _) => self.is_asked_back(host, &place, item.number),
                // It keeps what it was told before, until that ends.
                _ => {}
            }
        }
        self.count();
    }

    /// What the application of a host does with an item under this number, or an earlier one, is ended.
    pub(crate) fn holder_is_fenced(&mut self, host: usize, place: &Place, number: u64) {
        let Some(all) = self.holders.all.get_mut(&host) else { return };
        if all.get(place).is_some_and(|belief| belief.number <= number) {
            all.remove(place);
        }
    }

    fn takes(&mut self, host: usize, place: Place, number: u64, until: Moment) {
        if self.fences.has_item(host, &place, number) {
            return;
        }
        let newest = self.holders.newest.entry(place.clone()).or_default();
        assert!(number >= *newest, "{place:?} is held under {number}, and was under {newest}");
        *newest = number;
        let before = self.holders.last.insert(place.clone(), host);
        self.holders.moves += u64::from(before.is_some_and(|before| before != host));
        let own = self.holders.all.entry(host).or_default();
        let belief = own.entry(place).or_insert(Belief { number, until, leaves: false });
        let later = until.max(belief.until);
        *belief = Belief { number, until: later, leaves: false };
    }

    fn is_asked_back(&mut self, host: usize, place: &Place, number: u64) {
        let Some(belief) = self.holders.all.get_mut(&host).and_then(|all| all.get_mut(place))
        else {
            return;
        };
        if belief.leaves || self.holders.silent.contains(&host) {
            return;
        }
        belief.leaves = true;
        let most = u64::try_from(self.holders.slowest.as_micros()).unwrap_or(0);
        let at = self.now + Duration::from_micros(self.random.below(most + 1));
        let (assignment, item) = place.clone();
        let release = ItemRelease { assignment, item, number };
        self.schedule(at, SimEvent::LetGo { host, release });
    }

    /// An application lets an item go, and says so; in this order.
    pub(crate) fn lets_go(&mut self, host: usize, release: ItemRelease) {
        let place = (release.assignment.clone(), release.item.clone());
        let own = self.holders.all.entry(host).or_default();
        let same = own.get(&place).is_some_and(|it| it.number == release.number && it.leaves);
        if same {
            own.remove(&place);
            self.ask(host, ClientRequest::Release(release), Duration::from_secs(1));
        }
    }

    /// No item has two believers.
    fn count(&mut self) {
        let now = self.now;
        let mut believers: BTreeMap<&Place, Vec<usize>> = BTreeMap::new();
        for (host, all) in &self.holders.all {
            for (place, _) in all.iter().filter(|(_, belief)| belief.until > now) {
                believers.entry(place).or_default().push(host + 1);
            }
        }
        for ((assignment, item), hosts) in believers {
            assert!(
                hosts.len() < 2,
                "items: {item} of {assignment} has the believers n{hosts:?}, after {:?}",
                self.elapsed()
            );
        }
    }
}
