//! Budgets as pages: what an operator defined and who is granted what, from quorate's own keys; and the share of one host.

use super::LapsingPage;
use super::numbers::{is_none, number};
use crate::clock::{self, Started};
use crate::words::time::rfc3339;
use quorate_node::{AloneFence, AloneShare, Share, ShareState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A budget, as its key has it, with its grants.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct BudgetPage {
    pub(crate) name: String,
    pub(crate) max: u64,
    pub(crate) min: u64,
    /// `strict` or `eager`.
    pub(crate) mode: String,
    pub(crate) ttl_ms: u64,
    pub(crate) reserve: u64,
    /// `local`; empty: `hold`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) on_quorum_loss: String,
    /// The hook that cuts others off for that.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) fence: String,
    pub(crate) scope: BTreeMap<String, String>,
    /// What all grants add up to.
    pub(crate) granted: u64,
    #[serde(deserialize_with = "number")]
    pub(crate) version: u64,
    /// It goes once all is freed.
    pub(crate) removing: bool,
    /// The cluster was founded anew, and nothing grows before all that was granted before has lapsed.
    pub(crate) waits: bool,
    #[serde(default)]
    pub(crate) grants: Vec<GrantPage>,
    /// Those of hosts that are gone.
    #[serde(default)]
    pub(crate) lapsing: Vec<LapsingPage>,
    /// Of a class: the budget whose it is, its name there, and what all classes may be together.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) family: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) class: String,
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) whole: u64,
    /// Of a budget with classes: each with its grants, ...
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) classes: Vec<BudgetPage>,
    /// ... and what each host has of all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) totals: Vec<TotalPage>,
}

impl BudgetPage {
    /// The page of a budget with these classes.
    pub(crate) fn of_classes(classes: Vec<Self>) -> Option<Self> {
        let rules = classes.iter().find(|page| !page.removing).or(classes.first())?.clone();
        let BudgetPage { family, whole, min, mode, ttl_ms, reserve, scope, .. } = rules;
        let BudgetPage { on_quorum_loss, fence, .. } = rules;
        let mut totals: BTreeMap<&str, TotalPage> = BTreeMap::new();
        for grant in classes.iter().flat_map(|page| &page.grants) {
            let host = grant.host.clone();
            let fresh = || TotalPage { host, ..TotalPage::default() };
            let total = totals.entry(&grant.host).or_insert_with(fresh);
            total.share += grant.share;
            total.counted += grant.counted;
        }
        Some(Self {
            name: family,
            max: whole,
            min,
            mode,
            ttl_ms,
            reserve,
            on_quorum_loss,
            fence,
            scope,
            granted: classes.iter().map(|page| page.granted).sum(),
            version: classes.iter().map(|page| page.version).max().unwrap_or(0),
            removing: classes.iter().all(|page| page.removing),
            waits: classes.iter().any(|page| page.waits),
            totals: totals.into_values().collect(),
            classes,
            ..Self::default()
        })
    }

    /// The page of this name: that of the budget, or that of a class.
    pub(crate) fn named(&self, name: &str) -> Option<&Self> {
        std::iter::once(self).chain(&self.classes).find(|page| page.name == name)
    }
}

/// What one host has of all classes of a budget.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TotalPage {
    pub(crate) host: String,
    pub(crate) share: u64,
    pub(crate) counted: u64,
}

/// What one host is granted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct GrantPage {
    pub(crate) host: String,
    pub(crate) instance: String,
    pub(crate) generation: u64,
    /// Its share.
    pub(crate) share: u64,
    /// What its application may still use: more than its share while that shrinks.
    pub(crate) counted: u64,
    #[serde(deserialize_with = "number")]
    pub(crate) number: u64,
}

/// A change of a grant, as the ledger has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LedgerPage {
    #[serde(flatten)]
    pub(crate) grant: GrantPage,
    /// What all grants added up to with it, ...
    pub(crate) granted: u64,
    /// ... of so much.
    pub(crate) max: u64,
    pub(crate) at_unix_ms: u64,
    /// The number of the grant that was freed because its use was ended from outside; 0 for any other change.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "is_none")]
    pub(crate) fenced: u64,
}

/// Where a share is from that no majority granted.
const LOCAL: &str = "local";

fn why_alone(alone: &AloneShare) -> String {
    format!("there is no quorum, and the fence {} has cut off all others", alone.fence)
}

/// What the application of a host may use of a budget.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SharePage {
    pub(crate) budget: String,
    /// `held`, `lapsed`, `restarted` or `none`.
    pub(crate) state: String,
    /// So much may be used, ...
    pub(crate) amount: u64,
    /// ... under the grant with this number, which only grows, ...
    pub(crate) number: u64,
    /// ... until `CLOCK_BOOTTIME` of this host shows so many milliseconds; null: it needs no renewal.
    pub(crate) deadline_boottime_ms: Option<u64>,
    /// The same by the wall clock, for people.
    pub(crate) deadline: Option<String>,
    /// So much of it stays behind the deadline.
    pub(crate) reserve: u64,
    /// The start of this machine whose clock that is; `/proc/sys/kernel/random/boot_id` has it.
    pub(crate) boot_id: String,
    /// The application is to acknowledge this number.
    pub(crate) acknowledge: bool,
    /// `local`: it is all that there is, without a majority's word; empty: a majority granted it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) source: String,
    /// Why it is local, ...
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) source_reason: String,
    /// ... and since when.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) source_since: String,
}

impl SharePage {
    /// The page of a share, or of none.
    pub(crate) fn of(budget: &str, share: Option<&Share>, started: Started) -> Self {
        let Some(share) = share else {
            let state = ShareState::None.word().to_owned();
            let boot_id = clock::boot_id().to_owned();
            return Self { budget: budget.to_owned(), state, boot_id, ..Self::default() };
        };
        let alone = share.alone.as_ref();
        Self {
            budget: share.budget.clone(),
            state: share.state.word().to_owned(),
            amount: share.amount,
            number: share.number,
            deadline_boottime_ms: share.deadline.map(clock::boottime_ms),
            deadline: share.deadline.map(|at| rfc3339(started.unix_ms(at))),
            reserve: share.reserve,
            boot_id: clock::boot_id().to_owned(),
            acknowledge: share.acknowledge,
            source: alone.map(|_| LOCAL.to_owned()).unwrap_or_default(),
            source_reason: alone.map(why_alone).unwrap_or_default(),
            source_since: alone.map(|it| rfc3339(started.unix_ms(it.since))).unwrap_or_default(),
        }
    }
}

/// A host that is to be cut off, or is, before this one uses a budget alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct AlonePage {
    pub(crate) budget: String,
    /// The hook that does it.
    pub(crate) fence: String,
    pub(crate) host: String,
    pub(crate) instance: String,
    pub(crate) address: Option<String>,
    /// The newest number under which it may use something, and so much counts for it.
    pub(crate) number: u64,
    pub(crate) amount: u64,
    /// Which round of fences it is of.
    pub(crate) round: u64,
    pub(crate) done: bool,
}

impl AlonePage {
    pub(crate) fn of(fence: &AloneFence) -> Self {
        let AloneFence { budget, fence, host, instance, address, number, amount, round, done } =
            fence.clone();
        let instance = instance.to_string();
        Self { budget, fence, host, instance, address, number, amount, round, done }
    }
}
