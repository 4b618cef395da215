//! The local feeds: health views and events, each to any number of subscribers.
//!
//! A ring keeps the newest lines, numbered from 1 for this run of the daemon. A subscriber that keeps up sees each
//! line; a slow one skips to the oldest that is left. Nothing ever queues for a subscriber, and the loop never
//! waits for one.

use crate::doors::wall_unix_ms;
use quorate_node::Event;
use quorate_proto::{HealthChange, HealthDelta, HealthView, Member};
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

/// One line of the health feed: a view, and what led to it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HealthLine {
    /// Counts the lines of this run of the daemon.
    pub(crate) number: u64,
    /// The view.
    pub(crate) view: Arc<HealthView>,
    /// Whether a leader with a majority is known.
    pub(crate) quorate: bool,
    /// What is different from the line before.
    pub(crate) changed: Vec<HealthChange>,
    /// When, in milliseconds since 1970: the leader's clock for an epoch, this host's for a loss of quorum.
    pub(crate) at_unix_ms: u64,
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
            let follows =
                before.is_some_and(|before| before.view.epoch.get() + 1 == view.epoch.get());
            let changed = match delta {
                Some(delta) if follows && delta.epoch == view.epoch => delta.changed.clone(),
                _ => differences(before.map_or(&[], |before| &before.view.members), &view.members),
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
    pub(crate) fn subscribe(&self) -> Subscription<HealthLine> {
        let newest = self.ring.newest().map_or(0, |line| line.number);
        Subscription::new(&self.ring, newest.saturating_sub(1))
    }

    /// What follows the line with this id, as far as it is kept. The id of another run counts by its epoch, and
    /// the newest line is shown in any case.
    pub(crate) fn resume(&self, id: &str) -> Subscription<HealthLine> {
        let mut parts = id.split('-').map(|part| part.parse::<u64>().ok());
        let (Some(Some(epoch)), Some(Some(number)), Some(Some(run)), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return self.subscribe();
        };
        if run == self.run {
            return Subscription::new(&self.ring, number);
        }
        let newest = self.ring.newest().map_or(0, |line| line.number);
        let missed = self.ring.all().into_iter().find(|line| line.view.epoch.get() > epoch);
        Subscription::new(&self.ring, missed.map_or(newest, |line| line.number).saturating_sub(1))
    }

    /// The id of a line, for [`Self::resume`].
    pub(crate) fn id(&self, line: &HealthLine) -> String {
        format!("{}-{}-{}", line.view.epoch, line.number, self.run)
    }
}

fn state_of(member: &Member) -> String {
    member.state().word().to_owned()
}

/// What is different between two lists of members that are ordered by name.
fn differences(before: &[Member], after: &[Member]) -> Vec<HealthChange> {
    let find = |list: &[Member], name: &str| list.iter().find(|m| m.name == name).cloned();
    let mut changed: Vec<HealthChange> = after
        .iter()
        .filter_map(|now| {
            let was = find(before, &now.name);
            let from = was.as_ref().map_or(String::new(), state_of);
            let same_life = was.is_none_or(|was| was.instance == now.instance);
            let to = state_of(now);
            (from != to || !same_life).then(|| HealthChange {
                name: now.name.clone(),
                from,
                to,
                reason: now.reason.clone(),
            })
        })
        .collect();
    changed.extend(before.iter().filter(|was| find(after, &was.name).is_none()).map(|was| {
        HealthChange {
            name: was.name.clone(),
            from: state_of(was),
            to: String::new(),
            reason: "removed".to_owned(),
        }
    }));
    changed
}

/// One event, with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    use quorate_proto::HealthEpoch;

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

    #[test]
    fn the_event_ring_keeps_the_newest() {
        let ring = EventRing::new();
        for _ in 0..EVENT_LINES + 10 {
            ring.push(Event { kind: "leader", text: String::new(), warning: false });
        }
        let numbers: Vec<u64> = ring.all().iter().map(|line| line.number).collect();
        assert_eq!((numbers[0], numbers.len()), (11, EVENT_LINES));
    }
}
