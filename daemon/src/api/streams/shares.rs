//! One share of this host as a stream: what it is, then each time that it is another; of a budget with classes those of all of them, where that is
//! asked for. An id says nothing: the first line of each is always what is.

use super::{Lines, event, tell};
use crate::api::failure::usage;
use crate::api::pages::SharePage;
use crate::api::parameters::Parameters;
use crate::doors::Doors;
use crate::doors::feed::newest::{All, FollowingAll};
use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use quorate_node::Share;
use quorate_proto::Budget;
use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShareQuery {
    name: String,
    /// Those of its classes, too.
    #[serde(default)]
    classes: bool,
}

/// `/v1/budgets/watch`: what this host's application may use of a budget.
pub(crate) async fn share(
    State(doors): State<Arc<Doors>>,
    Parameters(ShareQuery { name, classes }): Parameters<ShareQuery>,
) -> Response {
    if name.is_empty() {
        return usage("name: the budget to follow");
    }
    let (all, shown) = (doors.feeds.shares.follow_all(), BTreeMap::new());
    let shares = Shown { name, classes, shown };
    tell(&doors, Shares { all, shares, due: VecDeque::new(), started: doors.started, lines: 0 })
}

/// The share of a name, or those of its classes, as they were shown last.
struct Shown {
    name: String,
    classes: bool,
    /// None: it was said that there is none.
    shown: BTreeMap<String, Option<Arc<Share>>>,
}

impl Shown {
    /// What is another than was shown, which it is from now on.
    fn news(&mut self, all: &All<Share>) -> Vec<(String, Option<Arc<Share>>)> {
        let classes = all.by_name.range(Budget::class_names(&self.name));
        let here = classes.filter(|_| self.classes).chain(all.by_name.get_key_value(&self.name));
        let mut now: BTreeMap<String, Option<Arc<Share>>> =
            here.map(|(name, share)| (name.clone(), Some(share.clone()))).collect();
        if all.known {
            let gone = self.shown.keys().filter(|name| !all.by_name.contains_key(*name));
            now.extend(gone.map(|name| (name.clone(), None)).collect::<Vec<_>>());
            if now.is_empty() {
                now.insert(self.name.clone(), None);
            }
        }
        now.retain(|name, share| self.shown.get(name) != Some(share));
        self.shown.extend(now.clone());
        now.into_iter().collect()
    }
}

struct Shares {
    all: FollowingAll<Share>,
    shares: Shown,
    /// Lines that are to be told, one of each share at most.
    due: VecDeque<(String, Option<Arc<Share>>)>,
    started: crate::clock::Started,
    lines: u64,
}

impl Lines for Shares {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((name, share)) = self.due.pop_front() {
                self.lines += 1;
                let page = SharePage::of(&name, share.as_deref(), self.started);
                return Some(event(self.lines.to_string(), &page));
            }
            let all = self.all.next().await?;
            self.due.extend(self.shares.news(&all));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_node::ShareState;

    fn all(shares: &[(&str, u64)], known: bool) -> All<Share> {
        let share = |(name, amount): &(&str, u64)| {
            let (budget, state) = ((*name).to_owned(), ShareState::Held);
            let (number, deadline, reserve, acknowledge) = (1, None, 0, false);
            let amount = *amount;
            let share = Share {
                budget,
                state,
                amount,
                number,
                deadline,
                reserve,
                acknowledge,
                alone: None,
            };
            ((*name).to_owned(), Arc::new(share))
        };
        All { by_name: shares.iter().map(share).collect(), known }
    }

    fn told(shown: &mut Shown, all: &All<Share>) -> Vec<(String, Option<u64>)> {
        let news = shown.news(all).into_iter();
        news.map(|(name, share)| (name, share.map(|share| share.amount))).collect()
    }

    #[test]
    fn who_follows_a_budget_is_told_of_it_or_of_each_of_its_classes_when_that_is_another() {
        let line = |name: &str, amount: Option<u64>| (name.to_owned(), amount);
        let follow =
            |name: &str, classes| Shown { name: name.to_owned(), classes, shown: BTreeMap::new() };
        let mut shown = follow("pg", true);
        assert_eq!(told(&mut shown, &all(&[], false)), [], "nothing is known yet");
        let none = all(&[("pga", 9)], true);
        assert_eq!(told(&mut shown, &none), [line("pg", None)]);
        assert_eq!(told(&mut shown, &none), []);
        let both = all(&[("pg:app", 20), ("pg:report", 10), ("pga", 9)], true);
        let lines = [line("pg:app", Some(20)), line("pg:report", Some(10))];
        assert_eq!(told(&mut shown, &both), lines);
        let one = all(&[("pg:app", 20)], true);
        assert_eq!(told(&mut shown, &one), [line("pg:report", None)]);
        let mut plain = follow("pg", true);
        assert_eq!(told(&mut plain, &all(&[("pg", 3)], false)), [line("pg", Some(3))]);
        assert_eq!(told(&mut plain, &all(&[], true)), [line("pg", None)]);
        assert_eq!(told(&mut follow("pg", false), &both), [line("pg", None)], "none was asked for");
        let mut class = follow("pg:app", false);
        assert_eq!(told(&mut class, &both), [line("pg:app", Some(20))]);
    }
}
