//! What this host's applications may use of the budgets, which items of assignments they hold, and until when.
//!
//! Invariants: a share may be used until its time is over, counted by this host's clock from when the renewal was *sent* that was answered;
//! then what is left is the reserve, without anybody's word. A start of this node goes by no grant of an earlier one: its application is
//! told so, and what it says of that lets this start take the grant over. One renewal is of all that this host
//! holds. Knows nothing of how shares are divided.

mod alone;
mod items;
mod prospect;
mod rider;
mod share;

pub use items::{Item, ItemStanding, Items};
pub use share::{AloneFence, AloneShare, Share, ShareState};

use crate::client::{Acknowledgement, ClientReply, ItemRelease};
use crate::event::Output;
use crate::news::{News, ShareNews};
use crate::requests::RETRY;
use crate::sight::Sight;
use crate::timers::Timer;
use crate::turn::Turn;
use alone::Alone;
use items::Holding;
use quorate_proto::{
    Acted, BudgetCause, ItemsKnown, ItemsRenewed, Moment, Reason, Refusal, RefusalCode,
    RenewShares, ShareRenewed, ShareUse, SharesRenewed, limits,
};
use share::Held;
use std::collections::BTreeMap;
use std::time::Duration;

/// A host that was told of a grant asks so often, until it knows of how long it is good for.
const ASK: Duration = Duration::from_millis(300);
/// Who has not heard the leader for so long asks so often whether there is something for it.
const APART: Duration = Duration::from_secs(1);
/// An ask that has no answer by then is asked anew.
const PATIENCE: Duration = Duration::from_secs(2);

/// The newest numbers of what this host has to hear of: of budgets, and of items.
#[derive(Debug, Clone, Copy, Default)]
struct Newest {
    budgets: u64,
    items: u64,
}

impl Newest {
    fn raise(&mut self, other: Self) {
        self.budgets = self.budgets.max(other.budgets);
        self.items = self.items.max(other.items);
    }

    /// Whether there is nothing to hear of.
    fn are_none(self) -> bool {
        self.budgets == 0 && self.items == 0
    }

    /// Whether it is above another one in either.
    fn is_above(self, other: Self) -> bool {
        self.budgets > other.budgets || self.items > other.items
    }
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    held: BTreeMap<String, Held>,
    items: BTreeMap<String, Holding>,
    /// The newest numbers among the grants of this host, as the leader or the own copy says.
    newest: Newest,
    /// The same, as a leader said last.
    said: Newest,
    /// Up to which numbers the last answer knew.
    seen: Newest,
    /// The renewal that is asked for: its ticket, when it was sent, and the newest numbers then.
    asked: Option<(u64, Moment, Newest)>,
    tickets: u64,
    next: Option<Moment>,
    /// Nothing is asked before: the last ask came to nothing.
    rests: Option<Moment>,
    /// The newest term of which this host has heard.
    term: u64,
    /// What it does without a quorum.
    alone: Alone,
    /// Whether this start has heard from who leads what this host is granted. Before, an application keeps what it was told.
    known: bool,
}

impl Shares {
    /// A start behind one that may have told a share without a majority's word, for so long.
    pub(crate) fn started(now: Moment, alone: Duration) -> Self {
        Self { alone: Alone::started(now, alone), ..Self::default() }
    }

    /// Who leads has said what this host is granted, or that it is nothing.
    fn know(&mut self, turn: &mut Turn) {
        if !std::mem::replace(&mut self.known, true) {
            turn.out.push(Output::SharesKnown);
        }
    }

    /// In each turn: what lapses ends, and what is to be renewed is asked for.
    pub(crate) fn look(&mut self, sight: &Sight<'_>, turn: &mut Turn) {
        if let Some(group) = sight.group {
            let (meta, me) = (group.meta(), sight.config.instance);
            let (budgets, items) = (meta.newest_grant(me), meta.newest_item(me));
            self.newest.raise(Newest { budgets, items });
            if self.newest.are_none() && group.replica().leads_safely() {
                self.know(turn);
            }
        }
        self.look_alone(sight, turn);
        for (budget, held) in &mut self.held {
            if held.lapse(turn.now) {
                turn.out.push(Output::Share(held.share(budget)));
            }
        }
        for (assignment, holding) in &mut self.items {
            if holding.lapse(turn.now) {
                turn.out.push(Output::Items(holding.items(assignment)));
            }
        }
        self.say_again_to_the_next(sight);
        self.hurry(turn.now);
        self.ask_of_itself(sight, turn.now);
        self.rests = self.rests.filter(|until| *until > turn.now);
        let due = self.newest.is_above(self.seen) || self.next.is_some_and(|at| at <= turn.now);
        if due && self.rests.is_none() && self.asked.is_none() && !sight.stops {
            self.ask(sight, turn);
        }
        self.wake(sight, turn);
    }

    /// A leader that is lost may have answered a renewal without committing what was said with it.
    fn say_again_to_the_next(&mut self, sight: &Sight<'_>) {
        let term = sight.leadership.leader().map_or(0, |leader| leader.term);
        if term > self.term {
            self.term = term;
            self.held.values_mut().for_each(Held::say_again);
            self.items.values_mut().for_each(Holding::say_again);
        }
    }

    /// Who does not hear the leader itself hears no numbers of its grants either, and may be served through another host.
    fn ask_of_itself(&mut self, sight: &Sight<'_>, now: Moment) {
        let led = sight.leadership.leader().is_some() && !sight.leads();
        let apart = led && now.since(sight.leadership.heard()) >= APART;
        if apart && self.next.is_none() && self.asked.is_none() {
            self.next = Some(now + APART);
        }
    }

    /// Has a turn when a share lapses, or when something is to be asked.
    fn wake(&self, sight: &Sight<'_>, turn: &mut Turn) {
        let deadlines = self.held.values().filter_map(|held| held.deadline);
        let deadlines = deadlines.chain(self.items.values().filter_map(Holding::next));
        let next = self.rests.or(self.next).filter(|_| self.asked.is_none() && !sight.stops);
        if let Some(at) = deadlines.chain(next).chain(self.alone.next()).min() {
            turn.timers.arm(Timer::Shares, at);
        }
    }

    fn ask(&mut self, sight: &Sight<'_>, turn: &mut Turn) {
        self.tickets += 1;
        let (ticket, now) = (self.tickets, turn.now);
        self.asked = Some((ticket, now, self.newest));
        let said = |(budget, held): (&String, &Held)| {
            let in_use = held.said(now)?;
            Some(ShareUse { budget: budget.clone(), number: held.number, in_use })
        };
        let uses = self.held.iter().filter_map(said).collect();
        self.held.values_mut().for_each(Held::is_told);
        let (instance, generation) = (sight.config.instance, sight.config.generation);
        let (mut taken, mut released) = (Vec::new(), Vec::new());
        self.items.values_mut().for_each(|holding| holding.say(&mut taken, &mut released));
        // The leader looks each of them up.
        taken.sort_unstable();
        released.sort_unstable();
        let known = |(assignment, holding): (&String, &Holding)| ItemsKnown {
            assignment: assignment.clone(),
            version: holding.version(),
        };
        let known = self.items.iter().map(known).collect();
        let ask = RenewShares { instance, generation, uses, taken, released, known };
        let deadline = now + self.patience();
        turn.tell(News::Shares(ShareNews::Asked { ticket, ask, deadline }));
    }

    /// As often as the shortest time asks for.
    fn pace(&self) -> Duration {
        self.shortest().map_or(ASK, limits::renewed_each)
    }

    /// A slow answer is worth more than another ask: as long as the next one still has its time.
    fn patience(&self) -> Duration {
        self.shortest().map_or(ASK, |ttl| ttl / 3).min(PATIENCE)
    }

    fn shortest(&self) -> Option<Duration> {
        let shares = self.held.values().map(|held| held.ttl);
        shares.chain(self.items.values().map(|holding| holding.ttl)).min()
    }

    /// The leader's answer, or none.
    pub(crate) fn answered(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        ticket: u64,
        answer: Option<SharesRenewed>,
    ) {
        let Some((_, sent, newest)) = self.asked.filter(|(asked, ..)| *asked == ticket) else {
            return;
        };
        self.asked = None;
        let Some(answer) = answer else {
            self.rests = Some(turn.now + RETRY);
            return self.wake(sight, turn);
        };
        self.seen = newest;
        let gone = |budget: &String| !answer.shares.iter().any(|share| share.budget == *budget);
        let over = self.held.extract_if(.., |budget, _| gone(budget));
        turn.out.extend(over.map(|(budget, held)| Output::Share(held.gone(&budget))));
        for share in answer.shares {
            self.seen.budgets = self.seen.budgets.max(share.grant.number);
            self.take(sight, turn, sent, share);
        }
        self.take_items(turn, sent, &answer.items);
        // Behind all that there is: what is known to be all is all.
        self.know(turn);
        let holds = !self.held.is_empty() || !self.items.is_empty();
        self.next = holds.then(|| sent + self.pace());
        self.hurry(turn.now);
        self.wake(sight, turn);
    }

    fn take(&mut self, sight: &Sight<'_>, turn: &mut Turn, sent: Moment, share: ShareRenewed) {
        let own = share.grant.generation == sight.config.generation;
        let held = self.held.entry(share.budget.clone()).or_default();
        if held.renew(turn.now, sent, &share, own) {
            turn.out.push(Output::Share(held.share(&share.budget)));
        }
    }

    fn take_items(&mut self, turn: &mut Turn, sent: Moment, renewed: &[ItemsRenewed]) {
        let gone = |name: &String| !renewed.iter().any(|items| items.assignment == *name);
        for (assignment, _) in self.items.extract_if(.., |name, _| gone(name)) {
            turn.out.push(Output::Items(Items { assignment, items: Vec::new() }));
        }
        for items in renewed {
            self.seen.items = self.seen.items.max(items.version);
            let holding = self.items.entry(items.assignment.clone()).or_default();
            if holding.renew(turn.now, sent, items) {
                turn.out.push(Output::Items(holding.items(&items.assignment)));
            }
        }
    }

    /// What the leader waits for is said at once.
    fn hurry(&mut self, now: Moment) {
        let items = self.items.values().any(Holding::has_news);
        if items || self.held.values().any(Held::has_news) {
            self.next = Some(now);
        }
    }

    /// An application says that it has let an item go.
    pub(crate) fn release(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        ticket: u64,
        release: &ItemRelease,
    ) {
        let ItemRelease { assignment, item, number } = release;
        let outcome = match self.items.get_mut(assignment) {
            Some(holding) => {
                let outcome = holding.release(assignment, item, *number);
                if outcome.is_ok() && holding.is_other() {
                    turn.out.push(Output::Items(holding.items(assignment)));
                }
                outcome
            }
            None => Err((
                RefusalCode::NotFound,
                format!(
                    "this host holds no item of an assignment `{assignment}`; `quorate assign list`"
                ),
            )),
        };
        self.answer(sight, turn, ticket, outcome);
    }

    /// An application says what it uses.
    pub(crate) fn acknowledge(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        ticket: u64,
        said: &Acknowledgement,
    ) {
        let outcome = match self.held.get_mut(&said.budget) {
            _ if self.alone.has_told(&said.budget) => Ok(format!(
                "acknowledged: {} in use of all, which this host uses alone",
                said.in_use
            )),
            Some(held) => held.hear(turn.now, said),
            None => Err((
                RefusalCode::NotFound,
                format!(
                    "this host has no share of a budget `{}`; `quorate budget list`",
                    said.budget
                ),
            )),
        };
        self.answer(sight, turn, ticket, outcome);
    }

    fn answer(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        ticket: u64,
        outcome: Result<String, (RefusalCode, String)>,
    ) {
        self.hurry(turn.now);
        self.wake(sight, turn);
        let reply = match outcome {
            Ok(text) => {
                let (epoch, term) = (sight.health.view().epoch, sight.own_term());
                ClientReply::Acted(Acted { epoch, text, term, autopilot: None })
            }
            Err((code, text)) => {
                ClientReply::Refused(Refusal { code: code.into(), detail: 0, text })
            }
        };
        turn.out.push(Output::Reply { ticket, reply });
    }

    /// What the application on this host has not acknowledged; a leader tells it of all hosts.
    pub(crate) fn reasons<'a>(
        &'a self,
        sight: &Sight<'a>,
        now: Moment,
    ) -> impl Iterator<Item = Reason> + use<'a> {
        let (leads, host) = (sight.leads(), sight.config.name.to_string());
        let alone = self.alone.reasons(now).into_iter().chain(self.alone.why_not(sight));
        let unacknowledged =
            self.held.iter().filter(move |_| !leads).filter_map(move |(budget, held)| {
                let since = held.shrinks_since(now)?;
                let cause = BudgetCause::Unacknowledged {
                    budget: budget.clone(),
                    host: host.clone(),
                    share: held.told,
                    counted: held.counted,
                    number: held.number,
                };
                Some(Reason::of(&cause, since))
            });
        unacknowledged.chain(alone)
    }
}

#[cfg(test)]
mod tests;
