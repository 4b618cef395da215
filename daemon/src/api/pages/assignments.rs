//! Assignments as pages: what an operator defined and who holds each item, from quorate's own keys; and the items of one host.

use super::LapsingPage;
use super::numbers::number;
use crate::clock::{self, Started};
use crate::doors::feed::ToldBefore;
use crate::words::time::rfc3339;
use quorate_node::{Item, Items};
use quorate_proto::Moment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An assignment, as its key has it, with its items.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AssignmentPage {
    pub(crate) name: String,
    /// So many items, whose names are 0, 1 and so on; 0: they have names of their own.
    pub(crate) count: u64,
    pub(crate) names: Vec<String>,
    pub(crate) scope: BTreeMap<String, String>,
    pub(crate) ttl_ms: u64,
    /// `lazy`, `eager` or `never`.
    pub(crate) rebalance: String,
    #[serde(deserialize_with = "number")]
    pub(crate) version: u64,
    /// It goes once all items are freed.
    pub(crate) removing: bool,
    /// The cluster was founded anew, and nothing is given before all that was held before has lapsed.
    pub(crate) waits: bool,
    /// All of them, in the order of the definition.
    #[serde(default)]
    pub(crate) items: Vec<ItemPage>,
    /// Those that are with hosts that are gone.
    #[serde(default)]
    pub(crate) lapsing: Vec<LapsingPage>,
}

/// One item, and who holds it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ItemPage {
    pub(crate) item: String,
    /// Empty when nobody holds it.
    pub(crate) host: String,
    pub(crate) instance: String,
    pub(crate) generation: u64,
    /// Where other nodes reach the host.
    pub(crate) address: String,
    /// The fencing token.
    #[serde(deserialize_with = "number")]
    pub(crate) number: u64,
    /// `held`; `given`: its holder has not said yet that its application was told; `leaving`: it is asked back; `free`.
    pub(crate) state: String,
}

impl ItemPage {
    fn free(item: String) -> Self {
        Self { item, state: "free".to_owned(), ..Self::default() }
    }

    /// Whether its holder knows that it holds it.
    pub(crate) fn is_held(&self) -> bool {
        self.state == "held"
    }
}

impl AssignmentPage {
    /// Its items, given the keys of those that somebody holds.
    pub(crate) fn with_items(mut self, mut held: BTreeMap<String, ItemPage>) -> Self {
        let counted = (0..self.count).map(|item| item.to_string());
        let names: Vec<String> =
            if self.names.is_empty() { counted.collect() } else { self.names.clone() };
        let item = |name: String| held.remove(&name).unwrap_or_else(|| ItemPage::free(name));
        self.items = names.into_iter().map(item).collect();
        self
    }
}

/// A change of an item, as the ledger has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ItemLedgerPage {
    #[serde(flatten)]
    pub(crate) item: ItemPage,
    /// How many changes there were before it.
    pub(crate) change: u64,
    /// `give`, `hold`, `leave`, `release`, `lapse`, `take-over` or `fenced`.
    pub(crate) step: String,
    pub(crate) at_unix_ms: u64,
}

/// What came of a definition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CreatedPage {
    /// What was done.
    pub(crate) text: String,
    /// Each item is held by a host that knows it.
    pub(crate) held: bool,
    /// The assignment as it is then.
    pub(crate) assignment: AssignmentPage,
}

/// What the application of a host is told of an assignment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HeldPage {
    pub(crate) assignment: String,
    /// The items that it may use. One that is not here it may not.
    pub(crate) items: Vec<HeldItemPage>,
    /// Which start of this machine the deadlines are of.
    #[serde(default)]
    pub(crate) boot_id: String,
}

/// One of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HeldItemPage {
    pub(crate) item: String,
    /// The fencing token; a newer holder has a higher one.
    pub(crate) number: u64,
    /// `held`; `leaving`: let go, then say so; `restarted`: keep what was told before, until that ends.
    pub(crate) state: String,
    /// It may be used until `CLOCK_BOOTTIME` of this host shows so many milliseconds.
    pub(crate) deadline_boottime_ms: Option<u64>,
    /// The same by the wall clock, for people.
    pub(crate) deadline: Option<String>,
}

impl HeldPage {
    /// The page of what a host holds, or of nothing.
    pub(crate) fn of(assignment: &str, items: Option<&Items>, started: Started) -> Self {
        let item = |item: &Item| HeldItemPage {
            item: item.name.clone(),
            number: item.number,
            state: item.standing.word().to_owned(),
            deadline_boottime_ms: item.deadline.map(clock::boottime_ms),
            deadline: item.deadline.map(|at| rfc3339(started.unix_ms(at))),
        };
        let items = items.map(|items| items.items.iter().map(item).collect());
        Self {
            assignment: assignment.to_owned(),
            items: items.unwrap_or_default(),
            boot_id: clock::boot_id().to_owned(),
        }
    }

    /// What an earlier start of the daemon told of an item counts until its own deadline, which this start does not know of itself.
    pub(crate) fn keep_what_was_told(&mut self, before: &ToldBefore, started: Started) {
        for item in self.items.iter_mut().filter(|item| item.state == "restarted") {
            let key = (self.assignment.clone(), item.item.clone(), item.number);
            item.deadline_boottime_ms = before.get(&key).copied();
            let at = item.deadline_boottime_ms.map(|at| Moment::from_micros(at * 1_000));
            item.deadline = at.map(|at| rfc3339(started.unix_ms(at)));
        }
    }

    /// The deadlines of all items in it that have one, of this start of the machine. It was read from a file, and a number that is no moment
    /// was not told.
    pub(crate) fn told(self) -> impl Iterator<Item = ((String, String, u64), u64)> {
        let Self { assignment, items, boot_id } = self;
        let items = items.into_iter().filter(move |_| boot_id == clock::boot_id());
        items.filter_map(move |item| {
            let until = item.deadline_boottime_ms.filter(|at| at.checked_mul(1_000).is_some())?;
            Some(((assignment.clone(), item.item, item.number), until))
        })
    }
}
