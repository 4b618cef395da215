//! The items of one assignment that this host holds: under which numbers, until when; and what the leader is to hear of them.
//!
//! Invariants: an item is held until its deadline, counted from when the renewal was *sent* that was answered, and then no more, without
//! anybody's word; one that is asked back keeps the deadline that it had. What an earlier start of this node held its application is told
//! of before this start takes it over. Knows nothing of other assignments, nor of how renewals are asked for.

use quorate_proto::{ItemRenewed, ItemState, ItemsRenewed, Moment, RefusalCode};
use std::time::Duration;

/// How an item stands with the application of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemStanding {
    /// It may be used until its deadline.
    Held,
    /// The same, and it is asked back: the application lets go and says so.
    Leaving,
    /// It was given to an earlier start of the daemon: the application keeps what it was told of it, until the deadline of that.
    Restarted,
}

impl ItemStanding {
    /// The word that programs read.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Leaving => "leaving",
            Self::Restarted => "restarted",
        }
    }
}

/// What an application is told of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// The number of its grant: the fencing token.
    pub number: u64,
    /// How it stands.
    pub standing: ItemStanding,
    /// Until then, on this host's clock; none for one of an earlier start.
    pub deadline: Option<Moment>,
}

/// What an application is told of an assignment: all of its items that this host holds. One that is not here it may not use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Items {
    /// Of which.
    pub assignment: String,
    /// In the order of the definition.
    pub items: Vec<Item>,
}

/// What is known of one item.
#[derive(Debug, Clone)]
struct Held {
    name: String,
    number: u64,
    state: ItemState,
    earlier: bool,
    deadline: Option<Moment>,
    /// The time that this start told of is over. What an earlier start told has a deadline that nobody here knows.
    over: bool,
    /// Its application has let go.
    let_go: bool,
    /// What this host has to say of it was sent to the leader.
    said: bool,
}

/// What is known of those of one assignment.
#[derive(Debug, Default)]
pub(super) struct Holding {
    version: u64,
    pub(super) ttl: Duration,
    items: Vec<Held>,
    /// What the application was told last.
    told: Vec<Item>,
}

impl Holding {
    /// A renewal that was sent then is answered so. Whether the application is to hear of it.
    pub(super) fn renew(&mut self, now: Moment, sent: Moment, renewed: &ItemsRenewed) -> bool {
        self.ttl = Duration::from_millis(renewed.ttl_ms);
        self.version = renewed.version;
        if !renewed.unchanged {
            let before = std::mem::take(&mut self.items);
            let known = |number| before.iter().find(|held| held.number == number);
            let held = |item: &ItemRenewed| held(known(item.number), item);
            self.items = renewed.items.iter().map(held).collect();
        }
        let deadline = sent + self.ttl;
        for held in &mut self.items {
            if held.state != ItemState::Leaving && !held.earlier {
                (held.deadline, held.over) = (held.deadline.max(Some(deadline)), false);
            }
        }
        self.lapse(now);
        self.is_other()
    }

    /// Times may be over. Whether the application is to hear of it.
    pub(super) fn lapse(&mut self, now: Moment) -> bool {
        let mut over = false;
        for held in &mut self.items {
            let is_over = held.deadline.is_some_and(|at| at <= now);
            if is_over {
                (held.deadline, held.over) = (None, true);
                // One that is asked back is free with that, and the leader may hear of it.
                held.said &= held.state != ItemState::Leaving;
            }
            over |= is_over;
        }
        over && self.is_other()
    }

    /// Whether what the application is to know is other than what it was told; it is told with this.
    pub(super) fn is_other(&mut self) -> bool {
        let now: Vec<Item> = self.items.iter().filter_map(Held::item).collect();
        let other = now != self.told;
        self.told = now;
        other
    }

    /// What the application was told last.
    pub(super) fn items(&self, assignment: &str) -> Items {
        Items { assignment: assignment.to_owned(), items: self.told.clone() }
    }

    /// The first deadline.
    pub(super) fn next(&self) -> Option<Moment> {
        self.items.iter().filter_map(|held| held.deadline).min()
    }

    /// Which version of the assignment all of it is of.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Whether there is something of which the leader has not heard.
    pub(super) fn has_news(&self) -> bool {
        self.items.iter().any(|held| !held.said && (held.is_taken() || held.is_released()))
    }

    /// Adds the grants of which the application was told, and those that it has let go: until they are committed as such.
    pub(super) fn say(&mut self, taken: &mut Vec<u64>, released: &mut Vec<u64>) {
        for held in &mut self.items {
            if held.is_released() {
                released.push(held.number);
                held.said = true;
            } else if held.is_taken() {
                taken.push(held.number);
                held.said = true;
            }
        }
    }

    /// Who was told of it is lost, and may have told nobody: the next leader is to hear of what is not committed.
    pub(super) fn say_again(&mut self) {
        self.items.iter_mut().for_each(|held| held.said = false);
    }

    /// The application says that it has let an item go.
    pub(super) fn release(
        &mut self,
        assignment: &str,
        item: &str,
        number: u64,
    ) -> Result<String, (RefusalCode, String)> {
        let Some(held) = self.items.iter_mut().find(|held| held.name == item) else {
            return Err((
                RefusalCode::NotFound,
                format!("this host does not hold item {item} of {assignment}; nothing was done"),
            ));
        };
        let not_now =
            |text: String| Err((RefusalCode::NotNow, format!("{text}; nothing was done")));
        if held.number != number {
            return not_now(format!(
                "grant {number} of item {item} is not the newest, which is {}",
                held.number
            ));
        }
        if held.state != ItemState::Leaving {
            return not_now(format!(
                "item {item} of {assignment} is not asked back: `quorate drain HOST` has a host let go of all that it holds"
            ));
        }
        held.said &= held.let_go;
        held.let_go = true;
        Ok(format!("item {item} is let go"))
    }
}

impl Held {
    fn item(&self) -> Option<Item> {
        let standing = match (self.earlier, self.state, self.deadline) {
            (true, ItemState::Leaving, _) => ItemStanding::Leaving,
            (true, ..) => ItemStanding::Restarted,
            (_, ItemState::Leaving, Some(_)) => ItemStanding::Leaving,
            (_, _, Some(_)) => ItemStanding::Held,
            (_, _, None) => return None,
        };
        let (name, number, deadline) = (self.name.clone(), self.number, self.deadline);
        (!self.let_go).then_some(Item { name, number, standing, deadline })
    }

    /// Its application was told of it, and the cluster has not committed that yet.
    fn is_taken(&self) -> bool {
        let waits = self.state == ItemState::Given && self.deadline.is_some();
        waits || (self.earlier && self.state != ItemState::Leaving)
    }

    /// It was asked back, and its application may use it no more.
    fn is_released(&self) -> bool {
        self.state == ItemState::Leaving && (self.let_go || self.over)
    }
}

/// An item as the leader tells of it, with what was known of it before.
fn held(before: Option<&Held>, item: &ItemRenewed) -> Held {
    let ItemRenewed { item: name, number, earlier, .. } = item;
    let state = item.state();
    let same = before.filter(|held| held.state == state && held.earlier == *earlier);
    Held {
        name: name.clone(),
        number: *number,
        state,
        earlier: *earlier,
        deadline: before.and_then(|held| held.deadline),
        over: before.is_some_and(|held| held.over),
        let_go: before.is_some_and(|held| held.let_go),
        said: same.is_some_and(|held| held.said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_micros(ms * 1_000)
    }

    fn item(number: u64, state: ItemState, earlier: bool) -> ItemRenewed {
        ItemRenewed { item: number.to_string(), number, state: state.into(), earlier }
    }

    fn renewed(version: u64, items: &[ItemRenewed]) -> ItemsRenewed {
        let (assignment, items) = ("p".to_owned(), items.to_vec());
        ItemsRenewed { assignment, version, ttl_ms: 3_000, unchanged: items.is_empty(), items }
    }

    fn told(holding: &Holding) -> Vec<(u64, ItemStanding, Option<Moment>)> {
        let items = holding.items("p").items.into_iter();
        items.map(|item| (item.number, item.standing, item.deadline)).collect()
    }

    fn said(holding: &mut Holding) -> (Vec<u64>, Vec<u64>) {
        let (mut taken, mut released) = (Vec::new(), Vec::new());
        holding.say(&mut taken, &mut released);
        (taken, released)
    }

    use ItemStanding::{Held, Leaving, Restarted};

    #[test]
    fn an_item_ends_its_time_behind_the_sending_of_the_renewal_that_was_answered() {
        let mut holding = Holding::default();
        let given = renewed(5, &[item(1, ItemState::Given, false)]);
        assert!(holding.renew(at(10_900), at(10_000), &given));
        assert_eq!(told(&holding), [(1, Held, Some(at(13_000)))]);
        assert!(!holding.lapse(at(12_999)) && holding.lapse(at(13_000)));
        assert!(told(&holding).is_empty(), "nothing is held without a word of the leader");
        assert!(holding.renew(at(13_500), at(13_100), &renewed(5, &[])), "as it was");
        assert_eq!(told(&holding), [(1, Held, Some(at(16_100)))]);
        let mut late = Holding::default();
        assert!(!late.renew(at(13_000), at(10_000), &given), "it came behind its time");
        assert!(told(&late).is_empty() && !late.has_news(), "and nobody was told");
    }

    #[test]
    fn the_leader_hears_that_an_application_was_told_until_it_is_committed() {
        let mut holding = Holding::default();
        holding.renew(at(10_100), at(10_000), &renewed(5, &[item(1, ItemState::Given, false)]));
        assert!(holding.has_news());
        assert_eq!(said(&mut holding), (vec![1], vec![]));
        assert!(!holding.has_news(), "it is on its way");
        assert_eq!(said(&mut holding), (vec![1], vec![]), "and said again");
        holding.renew(at(11_100), at(11_000), &renewed(6, &[item(1, ItemState::Held, false)]));
        assert_eq!(said(&mut holding), (vec![], vec![]));
    }

    #[test]
    fn the_next_leader_hears_what_a_lost_one_was_told_and_nothing_that_is_committed() {
        let mut holding = Holding::default();
        let both = [item(1, ItemState::Given, false), item(2, ItemState::Held, false)];
        holding.renew(at(10_100), at(10_000), &renewed(5, &both));
        assert_eq!(said(&mut holding), (vec![1], vec![]));
        holding.say_again();
        assert!(holding.has_news());
        assert_eq!(said(&mut holding), (vec![1], vec![]));
        let held = [item(1, ItemState::Held, false), item(2, ItemState::Held, false)];
        holding.renew(at(11_100), at(11_000), &renewed(6, &held));
        holding.say_again();
        assert!(!holding.has_news(), "it is committed");
    }

    #[test]
    fn an_item_that_is_asked_back_keeps_its_deadline_and_is_free_once_it_was_let_go_or_that_is_over()
     {
        let mut holding = Holding::default();
        let both = [item(1, ItemState::Held, false), item(2, ItemState::Held, false)];
        holding.renew(at(10_100), at(10_000), &renewed(5, &both));
        let back = [item(1, ItemState::Leaving, false), item(2, ItemState::Leaving, false)];
        assert!(holding.renew(at(11_100), at(11_000), &renewed(6, &back)));
        assert!(!holding.renew(at(12_100), at(12_000), &renewed(6, &[])));
        let until = Some(at(13_000));
        assert_eq!(told(&holding), [(1, Leaving, until), (2, Leaving, until)]);
        assert_eq!(said(&mut holding), (vec![], vec![]));
        holding.release("p", "1", 1).expect("it is asked back");
        assert!(holding.has_news());
        assert_eq!(said(&mut holding), (vec![], vec![1]));
        assert!(!holding.has_news() && holding.lapse(at(13_000)) && holding.has_news());
        assert_eq!(said(&mut holding), (vec![], vec![1, 2]), "its time is over");
        assert!(told(&holding).is_empty());
    }

    #[test]
    fn what_an_earlier_start_held_is_taken_over_once_the_application_was_told() {
        let mut holding = Holding::default();
        assert!(holding.renew(
            at(10_100),
            at(10_000),
            &renewed(5, &[item(1, ItemState::Held, true)])
        ));
        assert_eq!(told(&holding), [(1, Restarted, None)]);
        assert_eq!(said(&mut holding), (vec![1], vec![]));
        assert!(holding.renew(
            at(10_300),
            at(10_200),
            &renewed(7, &[item(4, ItemState::Given, false)])
        ));
        assert_eq!(told(&holding), [(4, Held, Some(at(13_200)))]);
        let mut back = Holding::default();
        back.renew(at(10_100), at(10_000), &renewed(5, &[item(1, ItemState::Leaving, true)]));
        assert_eq!(said(&mut back), (vec![], vec![]), "until when it is in use nobody here knows");
    }

    #[test]
    fn what_this_start_never_told_of_is_not_let_go_by_its_own_clock() {
        let mut holding = Holding::default();
        // It was taken over and asked back before this start heard of either.
        holding.renew(at(10_100), at(10_000), &renewed(5, &[item(4, ItemState::Leaving, false)]));
        assert!(!holding.has_news());
        assert_eq!(said(&mut holding), (vec![], vec![]), "its application may hold it yet");
        holding.release("p", "4", 4).expect("its application knows");
        assert_eq!(said(&mut holding), (vec![], vec![4]));
    }

    #[test]
    fn only_what_is_asked_back_is_let_go_and_under_its_newest_number() {
        let mut holding = Holding::default();
        let items = [item(1, ItemState::Held, false), item(2, ItemState::Leaving, true)];
        holding.renew(at(10_100), at(10_000), &renewed(5, &items));
        let mut refused =
            |item, number| holding.release("p", item, number).expect_err("it is refused").1;
        assert!(refused("1", 1).contains("not asked back"));
        assert!(refused("2", 1).contains("not the newest"));
        assert!(refused("9", 1).contains("does not hold"));
        holding.release("p", "2", 2).expect("its application knows");
        assert_eq!(said(&mut holding), (vec![], vec![2]));
    }
}
