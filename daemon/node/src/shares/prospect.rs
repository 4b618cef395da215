//! What this host would use alone without a quorum, and who else may use any of it: in whatever state may be committed.
//!
//! Invariant: whoever holds something, or could come to hold it without this host's vote, is among the others. That can be known only where
//! every majority needs this host: then all that may be committed stands in its log. Changes nothing.

use crate::duties::{Host, span};
use crate::groups::Group;
use quorate_meta::Meta;
use quorate_proto::{Address, BudgetRecord, Generation, Grant, Instance, ShareRenewed, limits};
use std::collections::BTreeMap;
use std::time::Duration;

/// So many entries are looked at that may be committed or not; after a leader's death there are a few.
const UNCERTAIN: usize = 1_000;

/// A budget, or a class of one, that is used alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    /// The budget, of a class too: fences are for all of it.
    pub(super) family: String,
    /// The hook that cuts others off.
    pub(super) fence: String,
    /// The whole.
    pub(super) limit: u64,
    pub(super) ttl_ms: u64,
    reserve: u64,
    version: u64,
    /// What this host is granted of it, ...
    own: Option<Grant>,
    /// ... which is the same in each state.
    certain: bool,
}

/// Another host that may use something of a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) host: String,
    pub(super) address: Option<String>,
    /// The newest number that it may have been told, of all classes.
    pub(super) number: u64,
    /// What counts for it, of all classes.
    pub(super) amount: u64,
}

/// See the head of this file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Prospect {
    pub(super) parts: Vec<Part>,
    pub(super) others: BTreeMap<(String, Instance), Other>,
}

impl Part {
    /// For so long it is told.
    pub(super) fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }

    /// The number under which the whole is used: that of the own grant, or else one that nobody else has.
    pub(super) fn number(&self) -> u64 {
        self.own.as_ref().map_or(self.version, |grant| grant.number)
    }

    /// What the own grant leaves behind its deadline.
    pub(super) fn reserve(&self) -> u64 {
        let told = self.own.as_ref().filter(|_| self.certain).map_or(0, |grant| grant.told);
        told.min(self.reserve)
    }

    /// What this host is granted, as an answer to a renewal tells it; none where that is nothing, or nobody knows.
    pub(super) fn granted(&self) -> Option<(Generation, ShareRenewed)> {
        let grant = self.own.clone().filter(|_| self.certain)?;
        let ttl_ms = self.ttl_ms;
        let (budget, reserve) = (self.name.clone(), self.reserve);
        Some((grant.generation, ShareRenewed { budget, grant, ttl_ms, reserve }))
    }

    /// The same as in another state, but for what may differ.
    fn agrees(&self, other: &Self) -> bool {
        let what = |it: &Self| (it.name.clone(), it.fence.clone(), it.limit, it.ttl_ms, it.reserve);
        what(self) == what(other)
    }
}

impl Prospect {
    /// Of all states that may be committed; or why that is not to be known.
    pub(super) fn of(group: &Group, me: Instance) -> Result<Self, String> {
        let mut all: Option<Self> = None;
        let mut agrees = true;
        let known = group.whatever_is_committed(UNCERTAIN, |meta| {
            let one = Self::of_state(meta, me);
            match &mut all {
                Some(all) => agrees &= all.join(one),
                none => *none = Some(one),
            }
        });
        let all = all.unwrap_or_default();
        if known && agrees && all.parts.is_empty() {
            return Ok(all);
        }
        let voters = group.replica().status().conf;
        if voters.voters.len() != 2
            || !voters.voters.contains(&group.me().get())
            || !voters.voters_outgoing.is_empty()
        {
            return Err(format!(
                "it is not one of two voters but there are {}, and a majority that this host does not hear may go on granting without it",
                voters.voters.len()
            ));
        }
        if !(known && agrees) {
            return Err("the end of its log may change the budget or the voters, and nobody knows whether that is committed".to_owned());
        }
        let most = limits::BUDGET_LOCAL_FENCES;
        let many = |part: &&Part| all.of_budget(&part.family).count() > most;
        match all.parts.iter().find(many) {
            Some(part) => Err(format!(
                "{} others share it, and {most} are the most that are fenced",
                all.of_budget(&part.family).count()
            )),
            None => Ok(all),
        }
    }

    /// The others of a budget.
    pub(super) fn of_budget<'a>(
        &'a self,
        family: &'a str,
    ) -> impl Iterator<Item = (Instance, &'a Other)> {
        let of = self.others.iter().filter(move |((name, _), _)| name == family);
        of.map(|((_, instance), other)| (*instance, other))
    }

    /// The longest time for which any of it is told, in milliseconds.
    pub(super) fn ttl_ms(&self) -> u64 {
        self.parts.iter().map(|part| part.ttl_ms).max().unwrap_or_default()
    }

    /// For so long whatever any majority granted may be used, once this host helps none any more.
    pub(super) fn lapse(&self) -> Duration {
        span(self.ttl_ms())
    }

    fn of_state(meta: &Meta, me: Instance) -> Self {
        let is_local = |record: &&BudgetRecord| {
            let host = meta.member(me).map(|it| Host::of(it, record.budget.is_for(&it.labels)));
            record.budget.fence_for_the_whole().is_some()
                && !record.removing
                && host.is_some_and(|host| host.weight > 0)
        };
        let waits = |family: &str| meta.budgets().any(|it| it.waits && it.of_budget() == family);
        let mut all = Self::default();
        for record in meta.budgets().map(|record| &**record).filter(is_local) {
            let family = record.of_budget().to_owned();
            if waits(&family) {
                continue;
            }
            all.note_others(meta, me, &family, record);
            all.parts.push(Part {
                name: record.budget.name.clone(),
                fence: record.budget.fence.clone(),
                limit: record.limit(),
                ttl_ms: record.budget.ttl_ms,
                reserve: record.budget.reserve,
                version: record.version,
                own: record.grant(me).cloned(),
                certain: true,
                family,
            });
        }
        // What is granted of a class that goes is in use, too.
        for record in meta.budgets() {
            let family = record.of_budget().to_owned();
            if record.removing && all.parts.iter().any(|part| part.family == family) {
                all.note_holders(meta, me, &family, record);
            }
        }
        all
    }

    fn note_others(&mut self, meta: &Meta, me: Instance, family: &str, record: &BudgetRecord) {
        for member in &meta.view().members {
            let shares = record.budget.is_for(&member.labels) && !member.is_witness();
            if shares && member.instance != me {
                self.note(meta, (family, member.instance), &member.name);
            }
        }
        self.note_holders(meta, me, family, record);
    }

    fn note_holders(&mut self, meta: &Meta, me: Instance, family: &str, record: &BudgetRecord) {
        for grant in record.grants.iter().filter(|grant| grant.instance != me) {
            let other = self.note(meta, (family, grant.instance), &grant.host);
            other.number = other.number.max(grant.number);
            other.amount += grant.counted;
        }
    }

    fn note(&mut self, meta: &Meta, (family, one): (&str, Instance), host: &str) -> &mut Other {
        let address = meta.member(one).and_then(|it| it.address.as_ref()).and_then(Address::socket);
        let fresh = || Other {
            host: host.to_owned(),
            address: address.map(|it| it.to_string()),
            number: 0,
            amount: 0,
        };
        self.others.entry((family.to_owned(), one)).or_insert_with(fresh)
    }

    /// Takes up what another state says. Whether both define the same.
    fn join(&mut self, other: Self) -> bool {
        let same = self.parts.len() == other.parts.len()
            && self.parts.iter().zip(&other.parts).all(|(one, other)| one.agrees(other));
        if !same {
            return false;
        }
        for (part, other) in self.parts.iter_mut().zip(other.parts) {
            part.certain &= part.own == other.own;
            part.version = part.version.max(other.version);
        }
        for (place, other) in other.others {
            let known = self.others.entry(place).or_insert_with(|| other.clone());
            known.number = known.number.max(other.number);
            known.amount = known.amount.max(other.amount);
        }
        true
    }
}
