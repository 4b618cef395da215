//! What a host does that lost the quorum, for budgets with `on_quorum_loss = local`: it keeps out of every majority, has all others fenced, and
//! then uses the whole alone.
//!
//! Invariants: the whole is told only where no majority can be without this host, once it has helped none for a full lapse, all others were
//! fenced since then, and it is durable that the next start has to wait, too. A host that was told the whole helps no majority before its
//! application can believe in it no more: so whoever is granted something by the next leader finds the whole gone. What is told is told with a
//! deadline, like any share. Knows nothing of how a fence is run.

use super::Shares;
use super::prospect::{Part, Prospect};
use super::share::{AloneFence, AloneShare, Share, ShareState};
use crate::event::Output;
use crate::news::News;
use crate::sight::Sight;
use crate::told::Event;
use crate::turn::Turn;
use quorate_membership::FoundingInput;
use quorate_proto::{BudgetCause, Instance, Moment, Reason, RefusalCode, limits};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What was told of one budget.
#[derive(Debug, Clone, Copy)]
struct Told {
    since: Moment,
    next: Moment,
    pace: Duration,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Alone {
    /// Since when this host takes part in no majority.
    since: Option<Moment>,
    /// It is about to take part again, once no application can believe any more what it was told.
    ends: bool,
    /// Until then one may.
    believed: Option<Moment>,
    fenced: BTreeSet<(String, Instance)>,
    told: BTreeMap<String, Told>,
    /// When what is the ledger's is told again, while it ends.
    again: Option<Moment>,
    /// What is known of it, as of these indexes: applied, and the last one.
    prospect: Option<((u64, u64), Result<Prospect, String>)>,
    /// When it looks again although nothing happens.
    next: Option<Moment>,
}

impl Alone {
    /// A start behind one that may have told something for so long.
    pub(super) fn started(now: Moment, told: Duration) -> Self {
        match told.is_zero() {
            true => Self::default(),
            false => {
                Self { since: Some(now), ends: true, believed: Some(now + told), ..Self::default() }
            }
        }
    }

    pub(super) fn is_withdrawn(&self) -> bool {
        self.since.is_some()
    }

    pub(super) fn next(&self) -> Option<Moment> {
        self.next
    }

    pub(super) fn has_told(&self, budget: &str) -> bool {
        self.told.contains_key(budget)
    }

    fn wake(&mut self, at: Moment) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    fn known(&self) -> Option<&Prospect> {
        self.prospect.as_ref().and_then(|(_, known)| known.as_ref().ok())
    }

    /// Looks again at what may be committed, where the log is another than at the last look.
    fn learn(&mut self, sight: &Sight<'_>) {
        let Some(group) = sight.group else { return self.prospect = None };
        let as_of = (group.meta().applied(), group.replica().last());
        if self.prospect.as_ref().is_none_or(|(known, _)| *known != as_of) {
            self.prospect = Some((as_of, Prospect::of(group, sight.config.instance)));
        }
    }

    /// Which round of fences counts now.
    fn round(&self) -> u64 {
        self.since.map_or(0, Moment::as_micros)
    }

    fn are_all_fenced(&self, prospect: &Prospect, family: &str) -> bool {
        let is_fenced = |one| self.fenced.contains(&(family.to_owned(), one));
        prospect.of_budget(family).all(|(one, _)| is_fenced(one))
    }

    /// What is to be fenced, and what is.
    pub(super) fn fences(&self) -> Vec<AloneFence> {
        let Some(prospect) = self.known().filter(|_| self.is_withdrawn() && !self.ends) else {
            return Vec::new();
        };
        let hook = |family: &str| prospect.parts.iter().find(|part| part.family == family);
        let fence =
            |((family, instance), other): (&(String, Instance), &super::prospect::Other)| {
                Some(AloneFence {
                    budget: family.clone(),
                    fence: hook(family)?.fence.clone(),
                    host: other.host.clone(),
                    instance: *instance,
                    address: other.address.clone(),
                    number: other.number,
                    amount: other.amount,
                    round: self.round(),
                    done: self.fenced.contains(&(family.clone(), *instance)),
                })
            };
        prospect.others.iter().filter_map(fence).collect()
    }

    /// A fence has succeeded.
    pub(super) fn fenced(
        &mut self,
        budget: &str,
        instance: Instance,
        round: u64,
    ) -> Result<String, (RefusalCode, String)> {
        let is_it = |it: &AloneFence| it.budget == budget && it.instance == instance;
        let Some(fence) = self.fences().into_iter().find(is_it) else {
            let text = format!(
                "{budget} is not to be used alone on this host now, so nothing is to be fenced for that; nothing was done"
            );
            return Err((RefusalCode::NotNow, text));
        };
        if fence.round != round {
            let text = format!(
                "{} was heard since that fence began, and may use {budget} again: fence it once more; nothing was done",
                fence.host
            );
            return Err((RefusalCode::NotNow, text));
        }
        self.fenced.insert((budget.to_owned(), instance));
        Ok(format!("noted: {} is cut off from {budget}", fence.host))
    }

    /// Whether all others are unheard, and this host could use something alone. What it holds itself is not looked at.
    fn may(&mut self, sight: &Sight<'_>) -> bool {
        self.learn(sight);
        let me = sight.config.instance;
        let Some(prospect) = self.known().filter(|it| !it.parts.is_empty()).cloned() else {
            return false;
        };
        let lost = sight.leadership.quorum_lost().filter(|_| !sight.leads() && !sight.stops);
        let Some(lost) = lost else { return false };
        let due = lost + prospect.lapse();
        if due > sight.now {
            self.wake(due);
            return false;
        }
        let heard = |one: Instance| sight.heard_of_late(one) || sight.seems_alive(one);
        let others = prospect.others.keys().map(|(_, instance)| *instance);
        !others.chain(sight.other_voters()).filter(|one| *one != me).any(heard)
    }
}

/// While others may come to be unheard, that is looked at so often.
const LOOK: Duration = Duration::from_millis(500);

impl Shares {
    /// In each turn: whether this host is alone begins, goes on or ends.
    pub(super) fn look_alone(&mut self, sight: &Sight<'_>, turn: &mut Turn) {
        self.alone.next = None;
        let is_quorate = sight.leadership.quorum_lost().is_none();
        if is_quorate && self.alone.since.is_none() {
            return;
        }
        let may = self.alone.may(sight);
        match self.alone.since {
            None if may && self.has_lapsed() => self.withdraw(turn),
            None => {
                if self.alone.known().is_some_and(|it| !it.parts.is_empty()) {
                    self.alone.wake(turn.now + LOOK);
                }
            }
            Some(since) if may && !self.alone.ends => self.use_alone(sight, turn, since),
            Some(_) => self.end(sight, turn),
        }
    }

    /// Whether nothing of what could be used alone is held by a majority's word any more.
    fn has_lapsed(&self) -> bool {
        let held = |part: &Part| self.held.get(&part.name).is_some_and(|it| it.deadline.is_some());
        !self.alone.known().is_some_and(|it| it.parts.iter().any(held))
    }

    fn withdraw(&mut self, turn: &mut Turn) {
        self.alone.since = Some(turn.now);
        self.alone.fenced.clear();
        let Some(prospect) = self.alone.known() else { return };
        let (ms, lapse) = (prospect.ttl_ms(), prospect.lapse());
        tracing::warn!(
            "there is no quorum; all others are to be fenced, and until then this host takes part in no majority"
        );
        turn.tell(News::Founding(FoundingInput::Alone { ms }));
        self.alone.wake(turn.now + lapse);
    }

    fn use_alone(&mut self, sight: &Sight<'_>, turn: &mut Turn, since: Moment) {
        let Some(prospect) = self.alone.known().cloned() else { return };
        self.alone.wake(turn.now + LOOK);
        let has_lapsed = since + prospect.lapse() <= turn.now;
        if !has_lapsed || !sight.founding.is_marked_alone(prospect.ttl_ms()) {
            return;
        }
        for part in &prospect.parts {
            if self.alone.are_all_fenced(&prospect, &part.family) {
                self.tell_whole(turn, part);
            }
        }
    }

    fn tell_whole(&mut self, turn: &mut Turn, part: &Part) {
        let (now, fresh) = (turn.now, !self.alone.has_told(&part.name));
        let told = self.alone.told.entry(part.name.clone());
        let pace = limits::renewed_each(part.ttl());
        let told = told.or_insert(Told { since: now, next: now, pace });
        if told.next <= now {
            told.next = now + pace;
            let deadline = now + part.ttl();
            let alone = Some(AloneShare { since: told.since, fence: part.fence.clone() });
            turn.out.push(Output::Share(Share {
                budget: part.name.clone(),
                state: ShareState::Held,
                amount: part.limit,
                number: part.number(),
                deadline: Some(deadline),
                reserve: part.reserve(),
                acknowledge: false,
                alone,
            }));
            self.alone.believed = self.alone.believed.max(Some(deadline));
        }
        let next = told.next;
        self.alone.wake(next);
        let known = self.alone.known().filter(|_| fresh);
        if let Some(reason) = known.map(|known| self.alone.reason(known, part, now)) {
            turn.event(Event::Wrong { kind: reason.code.word(), reason, host: None });
        }
    }

    /// Somebody is heard again: first the share shrinks, and once nobody can believe in the whole any more, this host takes part again.
    fn end(&mut self, sight: &Sight<'_>, turn: &mut Turn) {
        if !std::mem::replace(&mut self.alone.ends, true) {
            tracing::warn!("this host uses nothing alone any more: others are heard, or it stops");
        }
        if self.alone.again.is_none_or(|at| at <= turn.now) {
            self.go_back(sight, turn);
            let shortest = self.alone.told.values().map(|told| told.pace).min();
            self.alone.again = shortest.map(|pace| turn.now + pace);
        }
        if let Some(again) = self.alone.again {
            self.alone.wake(again);
        }
        if let Some(believed) = self.alone.believed.filter(|at| *at > turn.now) {
            return self.alone.wake(believed);
        }
        // Counted from now, as if it were the answer to a renewal: the next leader counts it from later on.
        self.go_back(sight, turn);
        let prospect = self.alone.prospect.take();
        self.alone = Alone { prospect, ..Alone::default() };
        turn.tell(News::Founding(FoundingInput::Alone { ms: 0 }));
    }

    /// What was used whole is what the ledger says.
    fn go_back(&mut self, sight: &Sight<'_>, turn: &mut Turn) {
        let parts = self.alone.known().map(|it| it.parts.clone()).unwrap_or_default();
        for part in parts.iter().filter(|part| self.alone.has_told(&part.name)) {
            let held = self.held.entry(part.name.clone()).or_default();
            let share = match part.granted() {
                Some((generation, renewed)) => {
                    let own = generation == sight.config.generation;
                    held.renew(turn.now, turn.now, &renewed, own);
                    held.share(&part.name)
                }
                None => {
                    let gone = held.gone(&part.name);
                    self.held.remove(&part.name);
                    gone
                }
            };
            turn.out.push(Output::Share(share));
        }
    }

    /// A fence has succeeded, and whoever ran it says so.
    pub(crate) fn fenced(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        ticket: u64,
        (budget, instance, round): (&str, Instance, u64),
    ) {
        let outcome = self.alone.fenced(budget, instance, round);
        self.answer(sight, turn, ticket, outcome);
    }

    /// Whether this host takes part in no majority now.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.alone.is_withdrawn()
    }

    /// What is to be fenced before this host uses something alone, and what is.
    pub(crate) fn fences(&self) -> Vec<AloneFence> {
        self.alone.fences()
    }
}

impl Alone {
    /// How it stands with each budget, by name, while there is no quorum.
    pub(super) fn reasons(&self, now: Moment) -> Vec<Reason> {
        match &self.prospect {
            Some((_, Ok(prospect))) if self.is_withdrawn() && !self.ends => {
                let mut all: BTreeMap<String, Reason> = BTreeMap::new();
                for part in &prospect.parts {
                    let family = part.family.clone();
                    let reason = self.reason(prospect, part, now);
                    all.entry(family).or_insert(reason);
                }
                all.into_values().collect()
            }
            _ => Vec::new(),
        }
    }

    fn reason(&self, prospect: &Prospect, part: &Part, now: Moment) -> Reason {
        let (budget, fence) = (part.family.clone(), part.fence.clone());
        let of = prospect.parts.iter().filter(|it| it.family == part.family);
        let amount = of.map(|it| it.limit).sum();
        let is_fenced = |one| self.fenced.contains(&(part.family.clone(), one));
        let (fenced, waits_for): (Vec<_>, Vec<_>) =
            prospect.of_budget(&part.family).partition(|(one, _)| is_fenced(*one));
        let names = |of: Vec<(Instance, &super::prospect::Other)>| -> Vec<String> {
            of.into_iter().map(|(_, other)| other.host.clone()).collect()
        };
        match self.told.get(&part.name) {
            Some(told) => {
                let cause = BudgetCause::Alone { budget, amount, fence, fenced: names(fenced) };
                Reason::of(&cause, told.since)
            }
            None => {
                let cause = BudgetCause::Fencing { budget, fence, waits_for: names(waits_for) };
                Reason::of(&cause, self.since.unwrap_or(now))
            }
        }
    }

    /// Why this host does not use alone what it is asked to.
    pub(super) fn why_not(&self, sight: &Sight<'_>) -> Vec<Reason> {
        let Some((_, Err(why))) = &self.prospect else { return Vec::new() };
        let Some(since) = sight.leadership.quorum_lost() else { return Vec::new() };
        let records = sight.group.into_iter().flat_map(|group| group.meta().budgets());
        let local = records.filter(|it| it.budget.fence_for_the_whole().is_some());
        let names: BTreeSet<&str> = local.map(|it| it.of_budget()).collect();
        let cause =
            |budget: &str| BudgetCause::NotAlone { budget: budget.to_owned(), why: why.clone() };
        names.into_iter().map(|budget| Reason::of(&cause(budget), since)).collect()
    }
}

#[cfg(test)]
mod tests;
