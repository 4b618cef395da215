//! The feed of health: views as they were committed, and whether there is a quorum.
//!
//! No subscriber is shown an epoch below one that it saw, in this run of the daemon or another. Knows nothing of how a view is shown.

use super::ring::{Ring, Subscription};
use crate::clock::wall_unix_ms;
use quorate_proto::{ApplicationChange, HealthChange, HealthDelta, HealthEpoch, HealthView};
use std::sync::Arc;

/// Lines kept: enough for a subscriber that reconnects after a bad minute.
const HEALTH_LINES: usize = 256;

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
    /// The same for applications.
    pub(crate) changed_applications: Vec<ApplicationChange>,
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
                let (changed, changed_applications) = (Vec::new(), Vec::new());
                let line = (*line).clone();
                return Some(Arc::new(HealthLine { changed, changed_applications, ..line }));
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
            let delta = match (before, delta) {
                (Some(before), _) => view.since(&before.view),
                (None, Some(delta)) => (*delta).clone(),
                (None, None) => HealthDelta::default(),
            };
            let HealthDelta { changed, changed_applications, .. } = delta;
            let at_unix_ms = match view.at_unix_ms {
                0 => wall_unix_ms(),
                _ if same_epoch => wall_unix_ms(),
                at => at,
            };
            Some(HealthLine { number, view, quorate, changed, changed_applications, at_unix_ms })
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use quorate_proto::Member;

    fn view(epoch: u64) -> Arc<HealthView> {
        Arc::new(HealthView {
            epoch: HealthEpoch::new(epoch),
            members: Vec::new(),
            at_unix_ms: 1,
            ..HealthView::default()
        })
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
            Arc::new(HealthView {
                epoch: HealthEpoch::new(epoch),
                members,
                at_unix_ms: 1,
                ..HealthView::default()
            })
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
}
