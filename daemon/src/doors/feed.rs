//! The local feeds: health views and events, each to any number of subscribers.
//!
//! A ring keeps the newest lines, numbered from 1 for this run of the daemon. A subscriber that keeps up sees each
//! line; a slow one skips to the oldest that is left. Nothing ever queues for a subscriber, and the loop never
//! waits for one.

use crate::clock::wall_unix_ms;
use quorate_node::Event;
use quorate_proto::{HealthChange, HealthDelta, HealthEpoch, HealthView};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Health lines kept: enough for a subscriber that reconnects after a bad minute.
pub(crate) const HEALTH_LINES: usize = 256;
/// Events kept for `quorate events`.
pub(crate) const EVENT_LINES: usize = 1024;

/// A bounded history with a bell.
#[derive(Debug)]
struct Ring<T> {
    lines: Mutex<VecDeque<(u64, Arc<T>)>>,
    /// Number of the newest line; 0 before the first.
    newest: watch::Sender<u64>,
    bound: usize,
}

impl<T> Ring<T> {
    fn new(bound: usize) -> Arc<Self> {
        let (newest, _) = watch::channel(0);
        Arc::new(Self { lines: Mutex::new(VecDeque::with_capacity(bound)), newest, bound })
    }

    fn lines(&self) -> MutexGuard<'_, VecDeque<(u64, Arc<T>)>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what `make` makes of the newest line.
    fn push(&self, make: impl FnOnce(u64, Option<&T>) -> Option<T>) {
        let mut lines = self.lines();
        let number = lines.back().map_or(0, |(number, _)| *number) + 1;
        let Some(line) = make(number, lines.back().map(|(_, line)| &**line)) else { return };
        // Full: the oldest line goes. Whoever still wanted it skips it.
        if lines.len() == self.bound {
            lines.pop_front();
        }
        lines.push_back((number, Arc::new(line)));
        drop(lines);
        self.newest.send_replace(number);
    }

    fn newest(&self) -> Option<Arc<T>> {
        self.lines().back().map(|(_, line)| Arc::clone(line))
    }

    fn all(&self) -> Vec<Arc<T>> {
        self.lines().iter().map(|(_, line)| Arc::clone(line)).collect()
    }

    fn next_after(&self, seen: u64) -> Option<(u64, Arc<T>)> {
        self.lines().iter().find(|(number, _)| *number > seen).cloned()
    }
}

/// Follows a ring.
#[derive(Debug)]
pub(crate) struct Subscription<T> {
    ring: Arc<Ring<T>>,
    bell: watch::Receiver<u64>,
    seen: u64,
}

impl<T> Subscription<T> {
    fn new(ring: &Arc<Ring<T>>, seen: u64) -> Self {
        Self { ring: Arc::clone(ring), bell: ring.newest.subscribe(), seen }
    }

    /// The next line; none when the daemon stops. May be dropped while it waits, without losing a line.
    pub(crate) async fn next(&mut self) -> Option<Arc<T>> {
        loop {
            self.bell.borrow_and_update();
            if let Some((number, line)) = self.ring.next_after(self.seen) {
                self.seen = number;
                return Some(line);
            }
            self.bell.changed().await.ok()?;
        }
    }
}

/// All feeds, for the loop that publishes into them and for the doors; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Feeds {
    /// The health views.
    pub(crate) health: Feed,
    /// The newest events.
    pub(crate) events: EventRing,
}

impl Feeds {
    /// Empty feeds of the run that is named by its start time.
    pub(crate) fn new(run: u64) -> Self {
        Self { health: Feed::new(run), events: EventRing::new() }
    }
}

/// One line of the health feed: a view, and what led to it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HealthLine {
    /// Counts the lines of this run of the daemon.
    pub(crate) number: u64,
    /// The view.
    pub(crate) view: Arc<HealthView>,
    /// Whether a leader with a majority is known.
    pub(crate) quorate: bool,
    /// What is different from the line before; nothing in the first line of a run, before which nothing was shown.
    pub(crate) changed: Vec<HealthChange>,
    /// When, in milliseconds since 1970: the leader's clock for an epoch, this host's for a loss of quorum.
    pub(crate) at_unix_ms: u64,
}

/// Follows the health feed, and never shows an epoch below one that its subscriber has seen.
#[derive(Debug)]
pub(crate) struct HealthSubscription {
    lines: Subscription<HealthLine>,
    /// The epoch that the subscriber saw last, in this run of the daemon or another.
    seen: HealthEpoch,
}

impl HealthSubscription {
    /// The next line; none when the daemon stops. May be dropped while it waits, without losing a line.
    pub(crate) async fn next(&mut self) -> Option<Arc<HealthLine>> {
        loop {
            let line = self.lines.next().await?;
            if line.view.epoch > self.seen {
                self.seen = line.view.epoch;
                return Some(line);
            }
            if line.view.epoch == self.seen {
                return Some(Arc::new(HealthLine { changed: Vec::new(), ..(*line).clone() }));
            }
        }
    }
}

/// The health feed.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    ring: Arc<Ring<HealthLine>>,
    /// Names this run of the daemon, so that line numbers of another run are not taken for this one's.
    run: u64,
}

impl Feed {
    /// An empty feed of the run that is named by its start time.
    pub(crate) fn new(run: u64) -> Self {
        Self { ring: Ring::new(HEALTH_LINES), run }
    }

    /// Shows a view to all subscribers. The same view with the same word on quorum is not shown twice.
    /// `delta` belongs to the epoch when no epoch was skipped.
    pub(crate) fn publish(
        &self,
        view: Arc<HealthView>,
        delta: Option<Arc<HealthDelta>>,
        quorate: bool,
    ) {
        self.ring.push(|number, before| {
            if before.is_some_and(|before| before.quorate == quorate && before.view == view) {
                return None;
            }
            let same_epoch = before.is_some_and(|before| before.view.epoch == view.epoch);
            // Exactly what the epoch's own difference says, if none was skipped.
            let changed = match (before, delta) {
                (Some(before), _) => view.since(&before.view).changed,
                (None, Some(delta)) => delta.changed.clone(),
                (None, None) => Vec::new(),
            };
            let at_unix_ms = match view.at_unix_ms {
                0 => wall_unix_ms(),
                _ if same_epoch => wall_unix_ms(),
                at => at,
            };
            Some(HealthLine { number, view, quorate, changed, at_unix_ms })
        });
    }

    /// The newest line.
    pub(crate) fn newest(&self) -> Option<Arc<HealthLine>> {
        self.ring.newest()
    }

    /// The newest line and all that follow.
    pub(crate) fn subscribe(&self) -> HealthSubscription {
        let newest = self.ring.newest().map_or(0, |line| line.number);
        let lines = Subscription::new(&self.ring, newest.saturating_sub(1));
        HealthSubscription { lines, seen: HealthEpoch::ZERO }
    }

    /// What follows the line with this id, as far as it is kept. The id of another run counts by its epoch: no epoch below
    /// it is shown, though this run may have begun with an older one, and the epoch itself is shown without its changes.
    pub(crate) fn resume(&self, id: &str) -> HealthSubscription {
        let mut parts = id.split('-').map(|part| part.parse::<u64>().ok());
        let (Some(Some(epoch)), Some(Some(number)), Some(Some(run)), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return self.subscribe();
        };
        let seen = HealthEpoch::new(epoch);
        if run == self.run {
            return HealthSubscription { lines: Subscription::new(&self.ring, number), seen };
        }
        let newest = self.ring.newest().map_or(0, |line| line.number);
        let missed = self.ring.all().into_iter().find(|line| line.view.epoch > seen);
        let from = missed.map_or(newest, |line| line.number).saturating_sub(1);
        HealthSubscription { lines: Subscription::new(&self.ring, from), seen }
    }

    /// The id of a line, for [`Self::resume`].
    pub(crate) fn id(&self, line: &HealthLine) -> String {
        format!("{}-{}-{}", line.view.epoch, line.number, self.run)
    }
}

/// One event, with its time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EventLine {
    /// Counts the events of this run of the daemon.
    pub(crate) number: u64,
    /// Wall clock, in milliseconds since 1970.
    pub(crate) at_unix_ms: u64,
    /// What.
    pub(crate) event: Event,
}

/// The newest events.
#[derive(Debug, Clone)]
pub(crate) struct EventRing {
    ring: Arc<Ring<EventLine>>,
}

impl EventRing {
    /// An empty ring.
    pub(crate) fn new() -> Self {
        Self { ring: Ring::new(EVENT_LINES) }
    }

    /// Adds an event that happened now.
    pub(crate) fn push(&self, event: Event) {
        let at_unix_ms = wall_unix_ms();
        self.ring.push(|number, _| Some(EventLine { number, at_unix_ms, event }));
    }

    /// All that is kept, oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<EventLine>> {
        self.ring.all()
    }

    /// All that come after the one with this number.
    pub(crate) fn subscribe_after(&self, number: u64) -> Subscription<EventLine> {
        Subscription::new(&self.ring, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use quorate_proto::Member;

    fn view(epoch: u64) -> Arc<HealthView> {
        Arc::new(HealthView { epoch: HealthEpoch::new(epoch), members: Vec::new(), at_unix_ms: 1 })
    }

    #[tokio::test]
    async fn a_slow_subscriber_skips_to_what_is_kept_and_ends_at_the_newest() {
        let feed = Feed::new(1);
        let mut slow = feed.subscribe();
        let last = 3 * HEALTH_LINES as u64;
        for epoch in 1..=last {
            feed.publish(view(epoch), None, true);
        }
        let mut seen = Vec::new();
        while seen.last() != Some(&last) {
            seen.push(slow.next().await.unwrap().view.epoch.get());
        }
        assert_eq!(seen, Vec::from_iter(last - HEALTH_LINES as u64 + 1..=last));
    }

    #[tokio::test]
    async fn the_same_news_is_told_once_and_a_loss_of_quorum_is_news() {
        let feed = Feed::new(1);
        let mut all = feed.subscribe();
        for quorate in [true, true, false, false, true] {
            feed.publish(view(4), None, quorate);
        }
        let mut told = Vec::new();
        for _ in 0..3 {
            told.push(all.next().await.unwrap().quorate);
        }
        assert_eq!(told, [true, false, true]);
        assert_eq!(feed.newest().unwrap().number, 3);
    }

    #[tokio::test]
    async fn no_subscriber_sees_an_epoch_below_one_that_it_saw_in_another_run() {
        let before = Feed::new(1);
        before.publish(view(7), None, true);
        let id = before.id(&before.newest().unwrap());
        // The daemon starts again from an older snapshot and catches up.
        let after = Feed::new(2);
        after.publish(view(4), None, false);
        let (mut resumed, mut fresh) = (after.resume(&id), after.subscribe());
        for epoch in 5..=8 {
            after.publish(view(epoch), None, true);
        }
        let mut seen = Vec::new();
        while seen.last() != Some(&8) {
            seen.push(resumed.next().await.unwrap().view.epoch.get());
        }
        assert_eq!(seen, [7, 8]);
        assert_eq!(fresh.next().await.unwrap().view.epoch.get(), 4);
        // Nor when it resumes once everything is there.
        assert_eq!(after.resume(&id).next().await.unwrap().view.epoch.get(), 8);
        assert_eq!(after.resume("9-1-1").next().now_or_never(), None);
    }

    #[tokio::test]
    async fn a_run_begins_without_changes_and_an_epoch_seen_before_has_none() {
        let member = |name: &str| Member { name: name.to_owned(), ..Member::default() };
        let of = |epoch, names: &[&str]| {
            let members = names.iter().map(|name| member(name)).collect();
            Arc::new(HealthView { epoch: HealthEpoch::new(epoch), members, at_unix_ms: 1 })
        };
        let feed = Feed::new(2);
        feed.publish(of(4, &["a", "b"]), None, true);
        feed.publish(of(5, &["a", "b", "c"]), None, true);
        let mut all = feed.resume("3-1-1");
        let mut told: Vec<Vec<String>> = Vec::new();
        for _ in 0..2 {
            let line = all.next().await.unwrap();
            told.push(line.changed.iter().map(|change| change.name.clone()).collect());
        }
        assert_eq!(told, [vec![], vec!["c".to_owned()]]);
        assert!(feed.resume("5-9-1").next().await.unwrap().changed.is_empty());
    }

    #[test]
    fn the_event_ring_keeps_the_newest() {
        let ring = EventRing::new();
        for _ in 0..EVENT_LINES + 10 {
            ring.push(Event::Quorate);
        }
        let numbers: Vec<u64> = ring.all().iter().map(|line| line.number).collect();
        assert_eq!((numbers[0], numbers.len()), (11, EVENT_LINES));
    }
}
