//! The applications that share a budget, and the checker that adds up what all of them may believe at each instant of true time.
//!
//! An application believes what it was told until the deadline that came with it, by its own host's clock, whatever becomes of the daemon;
//! it lets go of a share that shrinks a while after it hears of it, and says so, unless it is one that never says anything. What it
//! believes rises only when it is told something: so the sum is looked at then.

use crate::world::{SimEvent, World};
use quorate_node::{Acknowledgement, ClientRequest, Share, ShareState};
use quorate_proto::Moment;
use std::collections::BTreeMap;
use std::time::Duration;

/// The application of one host.
#[derive(Debug, Default)]
struct App {
    /// It never acknowledges anything.
    silent: bool,
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
    all: BTreeMap<usize, App>,
    max: Option<u64>,
    reserve: u64,
    slowest: Duration,
    most: u64,
}

impl Apps {
    /// The most that all of them believed at one time.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.most
    }
}

impl World {
    /// From now on all applications together may never believe more than `max`.
    pub fn applications_share(&mut self, max: u64, reserve: u64, slowest: Duration) {
        (self.apps.max, self.apps.reserve, self.apps.slowest) = (Some(max), reserve, slowest);
    }

    /// The application of a host acknowledges nothing.
    pub fn application_is_silent(&mut self, host: usize) {
        self.apps.all.entry(host).or_default().silent = true;
    }

    /// What the application of a host believes now.
    #[must_use]
    pub fn believed(&self, host: usize) -> u64 {
        self.apps.all.get(&host).map_or(0, |app| app.believes(self.now))
    }

    /// Until when, in true time.
    #[must_use]
    pub fn believed_until(&self, host: usize) -> Option<Moment> {
        self.apps.all.get(&host)?.until
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
        let fenced = self.fences.has_share(host, share.number);
        let app = self.apps.all.entry(host).or_default();
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
        let Some(app) = self.apps.all.get_mut(&host) else { return };
        app.settle(now);
        let Some((amount, pending, deadline)) = app.pending else { return };
        if pending != number {
            return;
        }
        app.pending = None;
        (app.using, app.until) = (amount, deadline);
        app.settle(now);
        let (in_use, silent) = (app.believes(now), app.silent);
        let use_of = Acknowledgement { budget: "pg".to_owned(), number, in_use };
        if !silent {
            self.ask(host, ClientRequest::Acknowledge(use_of), Duration::from_secs(1));
        }
    }

    /// What the application of a host was told under this number, or an earlier one, counts for nothing any more.
    pub(crate) fn application_is_fenced(&mut self, host: usize, number: u64) {
        let Some(app) = self.apps.all.get_mut(&host) else { return };
        if app.number <= number {
            (app.using, app.until, app.pending) = (0, None, None);
        }
    }

    fn add_up(&mut self) {
        let all = self.apps.all.iter();
        let believed: Vec<(usize, u64)> =
            all.map(|(host, app)| (host + 1, app.believes(self.now))).collect();
        let sum = believed.iter().map(|(_, amount)| amount).sum();
        self.apps.most = self.apps.most.max(sum);
        let Some(max) = self.apps.max else { return };
        assert!(
            sum <= max,
            "budgets: the applications believe {sum} of {max}, by host: {believed:?}, after {:?}",
            self.elapsed()
        );
    }
}
