//! The applications that share a budget, and the checker that adds up what all of them may believe at each instant of true time.
//!
//! An application believes what it was told until the deadline that came with it, by its own host's clock, whatever becomes of the daemon;
//! it lets go of a share that shrinks a while after it hears of it, and says so, unless it is one that never says anything. What it
//! believes rises only when it is told something: so the sum is looked at then. A host has one for each class of a budget, and what all of them
//! believe of one class is looked at, too.

use crate::world::{SimEvent, World};
use quorate_node::{Acknowledgement, ClientRequest, Share, ShareState};
use quorate_proto::Moment;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The application of one host, for one budget or one class.
#[derive(Debug, Default)]
struct App {
    /// What it may use, and until when; none: without an end.
    using: u64,
    until: Option<Moment>,
    /// What it keeps at the end.
    reserve: u64,
    /// What it was told and does not follow yet: amount, number, deadline.
    pending: Option<(u64, u64, Option<Moment>)>,
    /// How often it was told something.
    told: u64,
    /// The newest number that it was told.
    number: u64,
}

impl App {
    fn believes(&self, now: Moment) -> u64 {
        match (self.until, self.pending) {
            (Some(until), Some((amount, _, next))) if until <= now => {
                if next.is_some_and(|next| next > now) { amount } else { amount.min(self.reserve) }
            }
            (Some(until), None) if until <= now => self.using.min(self.reserve),
            _ => self.using,
        }
    }

    /// Its time may be over: it ends what it may use no more.
    fn settle(&mut self, now: Moment) {
        if self.until.is_none_or(|until| until > now) {
            return;
        }
        self.using = self.believes(now);
        self.until = self.pending.take().and_then(|(.., next)| next).filter(|next| *next > now);
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Apps {
    /// By host, and by the name of the budget or the class.
    all: BTreeMap<(usize, String), App>,
    /// Hosts where none acknowledges anything.
    silent: BTreeSet<usize>,
    /// Hosts that are cut off from what is shared: whatever they believe, they use nothing.
    cut: BTreeSet<usize>,
    max: Option<u64>,
    /// Of each class, what is never exceeded.
    classes: BTreeMap<String, u64>,
    reserve: u64,
    slowest: Duration,
    most: u64,
    /// How often somebody was told all of it without a majority's word.
    alone: u64,
}

impl Apps {
    /// The most that all of them believed at one time.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.most
    }

    /// How often somebody was told all of it without a majority's word.
    #[must_use]
    pub fn told_alone(&self) -> u64 {
        self.alone
    }

    fn of(&self, host: usize) -> impl Iterator<Item = (&String, &App)> {
        let all = self.all.range((host, String::new())..(host + 1, String::new()));
        all.map(|((_, name), app)| (name, app))
    }
}

impl World {
    /// From now on all applications together may never believe more than `max`.
    pub fn applications_share(&mut self, max: u64, reserve: u64, slowest: Duration) {
        (self.apps.max, self.apps.reserve, self.apps.slowest) = (Some(max), reserve, slowest);
    }

    /// Nor more than `max` of this class.
    pub fn applications_share_a_class(&mut self, class: &str, max: u64) {
        self.apps.classes.insert(class.to_owned(), max);
    }

    /// The application of a host acknowledges nothing.
    pub fn application_is_silent(&mut self, host: usize) {
        self.apps.silent.insert(host);
    }

    /// What the application of a host believes now, of all classes.
    #[must_use]
    pub fn believed(&self, host: usize) -> u64 {
        self.apps.of(host).map(|(_, app)| app.believes(self.now)).sum()
    }

    /// And of one class.
    #[must_use]
    pub fn believed_of(&self, host: usize, class: &str) -> u64 {
        let of = self.apps.of(host).filter(|(name, _)| *name == class);
        of.map(|(_, app)| app.believes(self.now)).sum()
    }

    /// Until when, in true time.
    #[must_use]
    pub fn believed_until(&self, host: usize) -> Option<Moment> {
        self.apps.of(host).find_map(|(_, app)| app.until)
    }

    /// A daemon tells its application.
    pub(crate) fn share_told(&mut self, host: usize, share: &Share) {
        let (now, reserve) = (self.now, self.apps.reserve);
        let deadline = share.deadline.map(|at| self.true_time(host, at));
        self.note(|| {
            let Share { amount, state, acknowledge, .. } = share;
            let asks = if *acknowledge { ", to be acknowledged" } else { "" };
            format!("n{} share: {} of {}, {}{asks}", host + 1, amount, share.budget, state.word())
        });
        self.apps.alone += u64::from(share.alone.is_some());
        let fenced = self.fences.has_share(host, &share.budget, share.number);
        let app = self.apps.all.entry((host, share.budget.clone())).or_default();
        app.reserve = reserve;
        app.told += 1;
        app.settle(now);
        if fenced {
            return;
        }
        app.number = app.number.max(share.number);
        let mut acts = false;
        match share.state {
            ShareState::Held if share.amount >= app.using => {
                (app.using, app.until, app.pending) = (share.amount, deadline, None);
                acts = share.acknowledge;
                if acts {
                    app.pending = Some((share.amount, share.number, deadline));
                }
            }
            ShareState::Held => {
                let known = app.pending.is_some_and(|(_, number, _)| number == share.number);
                app.pending = Some((share.amount, share.number, deadline));
                acts = !known;
            }
            ShareState::Restarted => {
                // It keeps what it was told before, until that ends.
                app.pending = Some((app.using, share.number, app.until));
                acts = true;
            }
            // By its own clock it knows that already.
            ShareState::Lapsed | ShareState::None => {}
        }
        if acts {
            let most = u64::try_from(self.apps.slowest.as_micros()).unwrap_or(0);
            let at = self.now + Duration::from_micros(self.random.below(most + 1));
            self.schedule(at, SimEvent::Application { host, number: share.number });
        }
        self.add_up();
    }

    /// An application follows what it was told.
    pub(crate) fn application_acts(&mut self, host: usize, number: u64) {
        let now = self.now;
        let of = self.apps.all.range_mut((host, String::new())..(host + 1, String::new()));
        // No two grants have one number.
        let is_it = |app: &App| app.pending.is_some_and(|(_, pending, _)| pending == number);
        let Some(((_, budget), app)) = of.into_iter().find(|(_, app)| is_it(app)) else { return };
        app.settle(now);
        let Some((amount, _, deadline)) = app.pending else { return };
        app.pending = None;
        (app.using, app.until) = (amount, deadline);
        app.settle(now);
        let use_of = Acknowledgement { budget: budget.clone(), number, in_use: app.believes(now) };
        if !self.apps.silent.contains(&host) {
            self.ask(host, ClientRequest::Acknowledge(use_of), Duration::from_secs(1));
        }
    }

    /// What the application of a host was told under this number, or an earlier one, counts for nothing any more.
    pub(crate) fn application_is_fenced(&mut self, host: usize, budget: &str, number: u64) {
        let Some(app) = self.apps.all.get_mut(&(host, budget.to_owned())) else { return };
        if app.number <= number {
            (app.using, app.until, app.pending) = (0, None, None);
        }
    }

    /// A host is cut off from what is shared, until it is let in again.
    pub(crate) fn is_cut(&mut self, host: usize) {
        self.note(|| format!("n{} is cut off from what is shared", host + 1));
        self.apps.cut.insert(host);
    }

    /// It may use again what it believes.
    pub(crate) fn is_let_in(&mut self, host: usize) {
        if self.apps.cut.remove(&host) {
            self.note(|| format!("n{} is let in again", host + 1));
            self.add_up();
        }
    }

    pub(crate) fn is_cut_off(&self, host: usize) -> bool {
        self.apps.cut.contains(&host)
    }

    fn add_up(&mut self) {
        let all = self.apps.all.iter().filter(|((host, _), _)| !self.apps.cut.contains(host));
        let believed: Vec<(usize, &str, u64)> = all
            .map(|((host, name), app)| (host + 1, name.as_str(), app.believes(self.now)))
            .collect();
        let sum = believed.iter().map(|(.., amount)| amount).sum();
        self.apps.most = self.apps.most.max(sum);
        let whole = self.apps.max.map(|max| ("all", sum, max));
        let classes = self.apps.classes.iter().map(|(class, max)| {
            let of = believed.iter().filter(|(_, name, _)| name == class);
            (class.as_str(), of.map(|(.., amount)| amount).sum(), *max)
        });
        for (what, sum, max) in whole.into_iter().chain(classes) {
            assert!(
                sum <= max,
                "budgets: the applications believe {sum} of {max} ({what}), by host: {believed:?}, after {:?}",
                self.elapsed()
            );
        }
    }
}
