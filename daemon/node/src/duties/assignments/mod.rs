//! The leader gives the items of assignments to the hosts that are there, and answers for how long each may hold its own.
//!
//! Invariants: a renewal is answered behind a round in which a majority confirmed this leader after the renewal came, and never while a
//! change of one of that host's assignments is under way; an item of a host that is gone is freed no sooner than it lapsed there by any
//! clock within its tolerance, and one that was asked back no sooner than its holder let go, or it lapsed; a new leader counts each grant
//! from its own first look. That no item has two grants the state itself sees to. Knows nothing of how a renewal travels.

mod plan;
mod reasons;
mod spread;
mod unheld;

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
    AssignmentRecord, ChangeItems, CommandBody, Generation, Instance, ItemGrant, ItemRenewed,
    ItemState, ItemsRenewed, Moment, RenewShares,
};
use std::collections::BTreeMap;
use unheld::Unheld;

/// What this leader knows of one grant beyond what is committed.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Its first look at the grant.
    since: Moment,
    /// When the newest renewal came that it answered; or its first look.
    renewed: Moment,
    /// Its first look at it as one that is asked back.
    leaving: Option<Moment>,
    /// Its holder has told its application.
    taken: bool,
    /// Its application has let go.
    released: bool,
    /// The start of the holder that may take it over.
    taken_over: Option<Generation>,
}

impl Known {
    /// Nothing but that it is there now.
    fn new(now: Moment) -> Self {
        let (leaving, taken_over) = (None, None);
        Self { since: now, renewed: now, leaving, taken: false, released: false, taken_over }
    }
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Assignments {
    /// By the number of the grant.
    known: BTreeMap<u64, Known>,
    /// Hosts that were counted as there and did not renew: nothing is given to them.
    unheard: BTreeMap<Instance, Unheard>,
    under_way: UnderWay,
    looks: Looks,
    unheld: Unheld,
}

impl Duty for Assignments {
    fn begin(&mut self) {
        // Whoever leads, what nobody holds goes on to be held by nobody.
        *self = Self { unheld: std::mem::take(&mut self.unheld), ..Self::default() };
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
        for assigned in meta.assignments() {
            let record = assigned.record();
            if self.under_way.has(&record.assignment.name, record.version) {
                continue;
            }
            let ttl_ms = record.assignment.ttl_ms.max(meta.longest_ttl_ms());
            let waited = self.looks.waited(record.waits, ttl_ms, sight.now);
            self.look_at(sight, record, waited, will);
        }
    }

    fn proposed(&mut self, tickets: &[u64]) {
        self.under_way.proposed(tickets);
    }
}

impl Assignments {
    /// In each turn, whoever leads.
    pub(super) fn note_unheld(&mut self, sight: &Sight<'_>) {
        self.unheld.look(sight);
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
        for assigned in meta.assignments() {
            for grant in &assigned.record().grants {
                let known = self.known.get(&grant.number).copied();
                let mut known = known.unwrap_or_else(|| Known::new(now));
                if grant.state() == ItemState::Leaving {
                    known.leaving.get_or_insert(now);
                }
                all.insert(grant.number, known);
            }
        }
        self.known = all;
    }

    /// Those that were cut off from this leader and are heard again may be given items; the others it listens for.
    fn hear_again(&mut self, sight: &Sight<'_>) {
        self.unheard.retain(|instance, it| !(it.cut_off && sight.heard_of_late(*instance)));
        if self.unheard.values().any(|it| it.cut_off) {
            self.looks.wake_at(sight.now + LISTEN, sight.now);
        }
    }

    fn look_at(
        &mut self,
        sight: &Sight<'_>,
        record: &AssignmentRecord,
        waited: bool,
        will: &mut Will,
    ) {
        for grant in &record.grants {
            let at = self.lapses_at(record, grant);
            self.looks.wake_at(at, sight.now);
            if at <= sight.now && is_there(sight, grant.instance, Some(grant.generation)) {
                let cut_off = !sight.heard_of_late(grant.instance);
                let unheard = Unheard { generation: grant.generation, cut_off };
                self.unheard.insert(grant.instance, unheard);
            }
        }
        let hosts = self.hosts(sight, record);
        let may_give = !record.waits || waited;
        let changes = plan(record, &hosts, may_give, |grant| self.use_of(sight, record, grant));
        if changes.is_empty() {
            return;
        }
        let assignment = record.assignment.name.clone();
        self.under_way.begin(&assignment, record.version);
        will.propose.push(CommandBody::ChangeItems(ChangeItems {
            assignment,
            if_version: record.version,
            changes,
            waited,
            at_unix_ms: sight.wall_ms,
        }));
    }

    /// Who may be told of items: all that are there, those who get none without weight.
    fn hosts(&self, sight: &Sight<'_>, record: &AssignmentRecord) -> Vec<Host> {
        let there = sight.health.alive().filter(|member| {
            let unheard = self.unheard.get(&member.instance);
            unheard.is_none_or(|it| it.generation != member.generation)
        });
        there.map(|member| Host::of(member, record.assignment.is_for(&member.labels))).collect()
    }

    /// When nobody may use an item any more, by any clock, if nothing else happens.
    fn lapses_at(&self, record: &AssignmentRecord, grant: &ItemGrant) -> Moment {
        let span = lapse::span(record.assignment.ttl_ms);
        let Some(known) = self.known.get(&grant.number) else { return Moment::ZERO + span };
        // What is asked back is renewed no more.
        known.leaving.unwrap_or(known.renewed) + span
    }

    fn use_of(&self, sight: &Sight<'_>, record: &AssignmentRecord, grant: &ItemGrant) -> Use {
        let Some(known) = self.known.get(&grant.number) else { return Use::Stands };
        if grant.state() == ItemState::Leaving && known.released {
            return Use::Released;
        }
        if self.lapses_at(record, grant) <= sight.now {
            return Use::Lapsed;
        }
        match known.taken_over {
            Some(generation) => Use::TakenOver(generation),
            None if known.taken => Use::Taken,
            None => Use::Stands,
        }
    }

    /// Answers a renewal for which a majority has confirmed this leader since it came. None while a change is under way that the holder
    /// must hear of first.
    pub(crate) fn renew(
        &mut self,
        meta: &Meta,
        ask: &RenewShares,
        came: Moment,
    ) -> Option<Vec<ItemsRenewed>> {
        let held = || {
            let all = meta.assignments().filter(|it| it.newest(ask.instance).is_some());
            all.map(|assigned| assigned.record())
        };
        if held().any(|record| self.under_way.has(&record.assignment.name, record.version)) {
            return None;
        }
        let heard = self.unheard.len();
        self.unheard.retain(|instance, _| *instance != ask.instance);
        self.looks.stir(self.unheard.len() < heard);
        let mut items = Vec::new();
        for record in held() {
            let own = || record.grants.iter().filter(|it| it.instance == ask.instance);
            own().for_each(|grant| self.note_said(grant, ask, came));
            items.push(renewed(record, own(), ask));
        }
        Some(items)
    }

    fn note_said(&mut self, grant: &ItemGrant, ask: &RenewShares, came: Moment) {
        let Some(known) = self.known.get_mut(&grant.number) else { return };
        if ask.generation < grant.generation {
            return;
        }
        // Each start of a holder renews its own grants alone.
        if ask.generation == grant.generation {
            known.renewed = known.renewed.max(came);
        }
        let before = (known.taken, known.released, known.taken_over);
        known.released |= ask.released.binary_search(&grant.number).is_ok();
        if ask.taken.binary_search(&grant.number).is_ok() {
            match ask.generation == grant.generation {
                true => known.taken = true,
                false => known.taken_over = known.taken_over.max(Some(ask.generation)),
            }
        }
        self.looks.stir(before != (known.taken, known.released, known.taken_over));
    }
}

/// What a holder is told of its items of one assignment.
fn renewed<'a>(
    record: &AssignmentRecord,
    own: impl Iterator<Item = &'a ItemGrant>,
    ask: &RenewShares,
) -> ItemsRenewed {
    let assignment = record.assignment.name.clone();
    let (version, ttl_ms) = (record.version, record.assignment.ttl_ms);
    let unchanged =
        ask.known.iter().any(|known| known.assignment == assignment && known.version == version);
    let item = |grant: &ItemGrant| ItemRenewed {
        item: record.assignment.item(grant.item),
        number: grant.number,
        state: grant.state,
        earlier: grant.generation != ask.generation,
    };
    let items = if unchanged { Vec::new() } else { own.map(item).collect() };
    ItemsRenewed { assignment, version, ttl_ms, unchanged, items }
}

#[cfg(test)]
mod tests;
