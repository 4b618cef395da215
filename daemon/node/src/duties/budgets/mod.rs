//! The leader divides the budgets among the hosts that are there, and answers for how long each may use its share.
//!
//! Invariants: a renewal is answered behind a round in which a majority confirmed this leader after the renewal came, and never while a
//! change of that budget is under way; what a host that is gone may use is freed no sooner than it lapsed there by any clock within its
//! tolerance; a new leader counts each grant from its own first look, for it knows of no renewal that an earlier one answered. What is
//! granted is at most what there is: that the state itself sees to. Knows nothing of how a renewal travels.

mod plan;

use super::duty::{Duty, Will};
use super::shared::hosts::{Host, LISTEN, Unheard, is_there};
use super::shared::lapse;
use super::shared::looks::Looks;
use super::shared::under_way::UnderWay;
use crate::groups::Group;
use crate::sight::Sight;
use crate::warnings::Warnings;
use plan::{Use, plan};
use quorate_meta::Meta;
use quorate_proto::{
    BudgetCause, BudgetMode, BudgetRecord, ChangeGrants, CommandBody, Generation, Grant, Instance,
    Member, MemberState, Moment, Reason, RenewShares, ShareRenewed,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who has not let go of the rest of its share by then is named.
const UNACKNOWLEDGED: Duration = Duration::from_secs(2);

/// The grant of one host: of which budget, and whose.
type Place = (String, Instance);

/// What this leader knows of one grant beyond what is committed.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// The grant that this is about.
    number: u64,
    generation: Generation,
    /// When the newest renewal came that it answered; or its first look at the grant.
    renewed: Moment,
    /// Since when it counts more than the holder's share; or when its application said last that it uses more.
    above: Option<Moment>,
    /// Since when it has counted more, for people.
    shrinks: Option<Moment>,
    /// The number of the grant of which the application said that it uses no more than its share.
    within: u64,
    /// The start of the holder that may take the grant with this number over.
    taken_over: Option<(u64, Generation)>,
}

impl Known {
    /// Nothing but that it is there now.
    fn new(grant: &Grant, now: Moment) -> Self {
        let Grant { number, generation, .. } = *grant;
        let (above, shrinks, taken_over) = (None, None, None);
        Self { number, generation, renewed: now, above, shrinks, within: 0, taken_over }
    }
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    known: BTreeMap<Place, Known>,
    under_way: UnderWay,
    /// Hosts that were counted as there and did not renew: nothing is given to them.
    unheard: BTreeMap<Place, Unheard>,
    looks: Looks,
}

impl Duty for Budgets {
    fn begin(&mut self) {
        *self = Self::default();
    }

    fn is_in_each_turn(&self) -> bool {
        true
    }

    fn look(&mut self, sight: &Sight<'_>, group: &Group, _warnings: &Warnings, will: &mut Will) {
        let meta = group.meta();
        if !self.looks.are_due(sight, meta) {
            return;
        }
        self.note(meta, sight.now);
        self.hear_again(sight);
        let records: Vec<&BudgetRecord> = meta.budgets().map(|record| &**record).collect();
        let of_one = |one: &&BudgetRecord, next: &&BudgetRecord| {
            one.family().is_some() && one.family() == next.family()
        };
        // All classes of a budget are looked at together: what one lets go another may get.
        for records in records.chunk_by(of_one) {
            if !records.iter().any(|record| self.is_under_way(record)) {
                self.look_at(sight, meta, records, will);
            }
        }
    }

    fn proposed(&mut self, tickets: &[u64]) {
        self.under_way.proposed(tickets);
    }
}

impl Budgets {
    /// Whether a change of a budget is proposed, and nobody knows yet what comes of it.
    fn is_under_way(&self, record: &BudgetRecord) -> bool {
        self.under_way.has(&record.budget.name, record.version)
    }

    /// A command was applied, or came to nothing.
    pub(crate) fn settled(&mut self, ticket: u64) {
        let news = self.under_way.settled(ticket);
        self.looks.stir(news);
    }

    /// When it wants to look again although nothing happens.
    pub(crate) fn next_look(&self) -> Option<Moment> {
        self.looks.next()
    }

    /// Takes up the grants that are committed, each from now on where nothing is known of it.
    fn note(&mut self, meta: &Meta, now: Moment) {
        let mut all = BTreeMap::new();
        for record in meta.budgets() {
            for grant in &record.grants {
                let place = (record.budget.name.clone(), grant.instance);
                let same = |it: &&Known| it.generation == grant.generation;
                let known = self.known.get(&place).filter(same).copied();
                let mut one = known.unwrap_or_else(|| Known::new(grant, now));
                if one.number != grant.number {
                    // What was answered before may have told of another share.
                    (one.number, one.above) = (grant.number, None);
                }
                if grant.counted > grant.told {
                    one.above.get_or_insert(now);
                    one.shrinks.get_or_insert(now);
                } else {
                    (one.above, one.shrinks) = (None, None);
                }
                all.insert(place, one);
            }
        }
        self.known = all;
    }

    /// Those that were cut off from this leader and are heard again may be given a share; the others it listens for.
    fn hear_again(&mut self, sight: &Sight<'_>) {
        self.unheard.retain(|(_, instance), it| !(it.cut_off && sight.heard_of_late(*instance)));
        let (now, cut_off) = (sight.now, self.unheard.values().any(|it| it.cut_off));
        if cut_off {
            self.looks.wake_at(now + LISTEN, now);
        }
    }

    /// Looks at a budget, or at all classes of one.
    fn look_at(
        &mut self,
        sight: &Sight<'_>,
        meta: &Meta,
        records: &[&BudgetRecord],
        will: &mut Will,
    ) {
        records.iter().for_each(|record| self.note_lapses(sight, record));
        let hosts = self.hosts(sight, records);
        let shares =
            plan::shares(records, &hosts, |record, grant| self.use_of(sight, meta, record, grant));
        let mut together: u64 = records.iter().map(|record| record.granted()).sum();
        for (record, shares) in records.iter().zip(&shares) {
            let others = together - record.granted();
            let limit = match record.family() {
                Some(_) => record.limit().min(record.whole.saturating_sub(others)),
                None => record.limit(),
            };
            let use_of = |grant: &Grant| self.use_of(sight, meta, record, grant);
            let grants = plan(record, &hosts, shares, limit, use_of);
            together += self.propose(sight, meta, record, grants, will);
        }
    }

    /// Proposes what is due of a budget. Gives how much more of it is granted then.
    fn propose(
        &mut self,
        sight: &Sight<'_>,
        meta: &Meta,
        record: &BudgetRecord,
        mut grants: Vec<Grant>,
        will: &mut Will,
    ) -> u64 {
        let name = &record.budget.name;
        let before = |grant: &Grant| record.grant(grant.instance).map_or(0, |it| it.counted);
        let ttl_ms = record.budget.ttl_ms.max(meta.longest_ttl_ms());
        let waited = self.looks.waited(record.waits, ttl_ms, sight.now);
        if record.waits && !waited {
            grants.retain(|grant| grant.counted <= before(grant));
        }
        if grants.is_empty() {
            return 0;
        }
        let grows = grants.iter().map(|grant| grant.counted.saturating_sub(before(grant))).sum();
        self.under_way.begin(name, record.version);
        will.propose.push(CommandBody::ChangeGrants(ChangeGrants {
            budget: name.clone(),
            if_version: record.version,
            grants,
            waited,
            at_unix_ms: sight.wall_ms,
        }));
        grows
    }

    /// When what is granted of a budget lapses, and who is there and let it lapse.
    fn note_lapses(&mut self, sight: &Sight<'_>, record: &BudgetRecord) {
        for grant in &record.grants {
            let at = self.lapses_at(record, grant);
            self.looks.wake_at(at, sight.now);
            let is_there = is_there(sight, grant.instance, Some(grant.generation));
            if at <= sight.now && is_there {
                let cut_off = !sight.heard_of_late(grant.instance);
                let unheard = Unheard { generation: grant.generation, cut_off };
                self.unheard.insert((record.budget.name.clone(), grant.instance), unheard);
            }
            if let Some(above) = self.above(record, grant) {
                self.looks.wake_at(above + lapse::span(record.budget.ttl_ms), sight.now);
            }
        }
    }

    /// Who may be told of a share: all that are there, those who get none without weight. Who let one class lapse gets nothing of any.
    fn hosts(&self, sight: &Sight<'_>, records: &[&BudgetRecord]) -> Vec<Host> {
        let rules = plan::rules_of(records);
        let heard = |member: &Member, record: &BudgetRecord| {
            let place = (record.budget.name.clone(), member.instance);
            self.unheard.get(&place).is_none_or(|it| it.generation != member.generation)
        };
        let there = sight.health.alive();
        let there = there.filter(|member| records.iter().all(|it| heard(member, it)));
        let is_in = |member: &Member| rules.is_some_and(|it| it.budget.is_for(&member.labels));
        there.map(|member| Host::of(member, is_in(member))).collect()
    }

    fn lapses_at(&self, record: &BudgetRecord, grant: &Grant) -> Moment {
        let place = (record.budget.name.clone(), grant.instance);
        let renewed = self.known.get(&place).map_or(Moment::ZERO, |known| known.renewed);
        renewed + lapse::span(record.budget.ttl_ms)
    }

    fn above(&self, record: &BudgetRecord, grant: &Grant) -> Option<Moment> {
        self.known.get(&(record.budget.name.clone(), grant.instance))?.above
    }

    fn use_of(&self, sight: &Sight<'_>, meta: &Meta, record: &BudgetRecord, grant: &Grant) -> Use {
        let place = (record.budget.name.clone(), grant.instance);
        let Some(known) = self.known.get(&place) else { return Use::Stands };
        // A farewell is that of the daemon: its application may go on.
        let down = sight.health.member(grant.instance);
        let down = down.is_some_and(|member| member.state() == MemberState::Down);
        let eager = record.budget.mode() == BudgetMode::Eager && down;
        if eager || self.lapses_at(record, grant) <= sight.now {
            // Who is no member any more was taken out, or has another disk: nobody will ever say what becomes of its reserve.
            let member = meta.member(grant.instance).is_some();
            return Use::Lapsed { keeps: if member { record.budget.reserve } else { 0 } };
        }
        if let Some((number, generation)) = known.taken_over
            && number == grant.number
        {
            return Use::TakenOver(generation);
        }
        let lapsed = |above: Moment| above + lapse::span(record.budget.ttl_ms) <= sight.now;
        match grant.counted > grant.told {
            true if known.within == grant.number => Use::WithinShare,
            true if known.above.is_some_and(lapsed) => {
                Use::WithinTime { reserve: record.budget.reserve }
            }
            _ => Use::Stands,
        }
    }

    /// Answers a renewal for which a majority has confirmed this leader since it came. None while a change is under way that the holder
    /// must hear of first.
    pub(crate) fn renew(
        &mut self,
        meta: &Meta,
        ask: &RenewShares,
        came: Moment,
    ) -> Option<Vec<ShareRenewed>> {
        let held = || meta.budgets().filter(|record| record.grant(ask.instance).is_some());
        if held().any(|record| self.is_under_way(record)) {
            return None;
        }
        let heard = self.unheard.len();
        self.unheard.retain(|(_, instance), _| *instance != ask.instance);
        self.looks.stir(self.unheard.len() < heard);
        let mut shares = Vec::new();
        for record in held() {
            let Some(grant) = record.grant(ask.instance) else { continue };
            self.note_use(record, grant, ask, came);
            shares.push(ShareRenewed {
                budget: record.budget.name.clone(),
                grant: grant.clone(),
                ttl_ms: record.budget.ttl_ms,
                reserve: record.budget.reserve,
            });
        }
        Some(shares)
    }

    fn note_use(&mut self, record: &BudgetRecord, grant: &Grant, ask: &RenewShares, came: Moment) {
        let place = (record.budget.name.clone(), grant.instance);
        let Some(known) = self.known.get_mut(&place) else { return };
        let said = ask.uses.iter().find(|it| it.budget == record.budget.name);
        let said = said.filter(|it| it.number == grant.number).map(|it| it.in_use);
        if ask.generation == grant.generation {
            known.renewed = known.renewed.max(came);
            match said {
                Some(in_use) if in_use <= grant.told => {
                    self.looks.stir(known.within != grant.number && grant.counted > grant.told);
                    known.within = grant.number;
                }
                // It works on it, and says so: it is waited for.
                Some(_) if known.above.is_some() => known.above = Some(came),
                _ => {}
            }
        } else if ask.generation > grant.generation && said.is_some_and(|it| it <= grant.counted) {
            known.taken_over = Some((grant.number, ask.generation));
            self.looks.stir(true);
        }
    }

    /// Who has not let go of what it was told to, for long enough to be spoken of.
    pub(crate) fn reasons<'a>(
        &'a self,
        sight: &Sight<'a>,
        now: Moment,
    ) -> impl Iterator<Item = Reason> + use<'a> {
        let records = sight.group.filter(|group| group.leads()).into_iter();
        let records = records.flat_map(|group| group.meta().budgets());
        let grants = records.flat_map(|record| record.grants.iter().map(move |it| (record, it)));
        let alive: BTreeSet<Instance> = sight.health.alive().map(|it| it.instance).collect();
        grants.filter_map(move |(record, grant)| {
            let budget = record.budget.name.clone();
            let since = self.known.get(&(budget.clone(), grant.instance))?.shrinks?;
            // Where nobody is there to acknowledge anything, the time alone counts.
            alive.contains(&grant.instance).then_some(())?;
            let cause = BudgetCause::Unacknowledged {
                budget,
                host: grant.host.clone(),
                share: grant.told,
                counted: grant.counted,
                number: grant.number,
            };
            (now.since(since) >= UNACKNOWLEDGED).then(|| Reason::of(&cause, since))
        })
    }
}

#[cfg(test)]
mod tests;
