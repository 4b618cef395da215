//! The feed of health: views as they were committed, and whether there is a quorum.
//!
//! No subscriber is shown an epoch below one that it saw, on this host or another, in this run of the daemon or another. Nor does one miss
//! an epoch unsaid: each line says from which epoch its changes count, and one whose changes cannot count from what its subscriber saw says
//! that it stands for itself. Knows nothing of how a view is shown.

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
    /// The epoch that the changes count from; zero in the first line of a run, before which nothing was shown.
    pub(crate) after: HealthEpoch,
    /// What is different from then.
    pub(crate) changed: Vec<HealthChange>,
    /// Its subscriber saw an earlier epoch, and what changed since is not known: the view counts alone.
    pub(crate) reset: bool,
    /// The same for applications.
    pub(crate) changed_applications: Vec<ApplicationChange>,
    /// When, in milliseconds since 1970: the leader's clock for an epoch, this host's for a loss of quorum.
    pub(crate) at_unix_ms: u64,
}

/// What a subscriber has seen of this cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) epoch: HealthEpoch,
    /// Whether there was a quorum; none: it does not say.
    pub(crate) quorate: Option<bool>,
}

/// Follows the health feed, and never shows an epoch below one that its subscriber has seen.
#[derive(Debug)]
pub(crate) struct HealthSubscription {
    lines: Subscription<HealthLine>,
    /// The epoch that the subscriber saw last, wherever it did; zero of one that has seen none.
    seen: HealthEpoch,
    /// The view of that epoch, where this run has it.
    view: Option<Arc<HealthView>>,
    /// It has seen something that is of no use here, and was not told so yet.
    lost: bool,
}

impl HealthSubscription {
    /// The next line; none when the daemon stops. May be dropped while it waits, without losing a line.
    pub(crate) async fn next(&mut self) -> Option<Arc<HealthLine>> {
        loop {
            let line = self.lines.next().await?;
            if line.view.epoch < self.seen {
                continue;
            }
            let told = self.retold(&line);
            self.seen = line.view.epoch;
            self.view = Some(Arc::clone(&line.view));
            self.lost = false;
            return Some(told);
        }
    }

    /// The line as it is for who has seen what this subscriber has.
    fn retold(&self, line: &Arc<HealthLine>) -> Arc<HealthLine> {
        let seen = self.seen;
        let delta = match &self.view {
            _ if self.lost => None,
            _ if seen == HealthEpoch::ZERO || line.after == seen => return Arc::clone(line),
            _ if line.view.epoch == seen => Some(HealthDelta::default()),
            Some(view) => Some(line.view.since(view)),
            None => None,
        };
        let (after, reset) =
            if delta.is_some() { (seen, false) } else { (HealthEpoch::ZERO, true) };
        let HealthDelta { changed, changed_applications, .. } = delta.unwrap_or_default();
        let line = (**line).clone();
        Arc::new(HealthLine { after, changed, changed_applications, reset, ..line })
    }
}

/// The health feed.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    ring: Arc<Ring<HealthLine>>,
}

impl Feed {
    /// An empty feed.
    pub(crate) fn new() -> Self {
        Self { ring: Ring::new(HEALTH_LINES) }
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
            let (after, delta) = match (before, delta) {
                (Some(before), _) => (before.view.epoch, view.since(&before.view)),
                (None, Some(delta)) => {
                    let before = delta.epoch.get().saturating_sub(1);
                    (HealthEpoch::new(before), (*delta).clone())
                }
                (None, None) => (HealthEpoch::ZERO, HealthDelta::default()),
            };
            let HealthDelta { changed, changed_applications, .. } = delta;
            let at_unix_ms = match view.at_unix_ms {
                0 => wall_unix_ms(),
                _ if same_epoch => wall_unix_ms(),
                at => at,
            };
            let reset = false;
            Some(HealthLine {
                number,
                view,
                quorate,
                after,
                changed,
                changed_applications,
                reset,
                at_unix_ms,
            })
        });
    }

    /// The newest line.
    pub(crate) fn newest(&self) -> Option<Arc<HealthLine>> {
        self.ring.newest()
    }

    /// The newest line and all that follow.
    pub(crate) fn subscribe(&self) -> HealthSubscription {
        self.newest_on(HealthEpoch::ZERO, false)
    }

    /// The same for who has seen something that says nothing here: the first line says so.
    pub(crate) fn begin_anew(&self) -> HealthSubscription {
        self.newest_on(HealthEpoch::ZERO, true)
    }

    fn newest_on(&self, seen: HealthEpoch, lost: bool) -> HealthSubscription {
        let newest = self.ring.newest().map_or(0, |line| line.number);
        let lines = Subscription::new(&self.ring, newest.saturating_sub(1));
        HealthSubscription { lines, seen, view: None, lost }
    }

    /// Each epoch behind the one that was seen, as far as they are kept; where there is none yet, first the newest line of that
    /// epoch, without its changes. No epoch below it is shown, though this run may have begun with an older one.
    pub(crate) fn resume(&self, seen: HealthEpoch) -> HealthSubscription {
        if seen == HealthEpoch::ZERO {
            return self.subscribe();
        }
        let all = self.ring.all();
        let view = all.iter().find(|line| line.view.epoch == seen);
        let view = view.map(|line| Arc::clone(&line.view));
        match all.iter().find(|line| line.view.epoch > seen) {
            None => HealthSubscription { view, ..self.newest_on(seen, false) },
            Some(missed) => {
                let lines = Subscription::new(&self.ring, missed.number - 1);
                HealthSubscription { lines, seen, view, lost: false }
            }
        }
    }

    /// The first line that says something to who has seen this; none when the daemon stops.
    pub(crate) async fn news(&self, seen: Seen) -> Option<Arc<HealthLine>> {
        let mut quorate = seen.quorate;
        let mut lines = self.resume(seen.epoch);
        loop {
            let line = lines.next().await?;
            // Who names an epoch alone has the word on the quorum that stands now.
            if line.view.epoch > seen.epoch || line.quorate != *quorate.get_or_insert(line.quorate)
            {
                return Some(line);
            }
        }
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
        let feed = Feed::new();
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
        let feed = Feed::new();
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
        let before = Feed::new();
        before.publish(view(7), None, true);
        let last = before.newest().unwrap().view.epoch;
        // The daemon starts again from an older snapshot and catches up.
        let after = Feed::new();
        after.publish(view(4), None, false);
        let (mut resumed, mut fresh) = (after.resume(last), after.subscribe());
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
        assert_eq!(after.resume(last).next().await.unwrap().view.epoch.get(), 8);
        assert_eq!(after.resume(HealthEpoch::new(9)).next().now_or_never(), None);
    }

    fn of(epoch: u64, names: &[&str]) -> Arc<HealthView> {
        let member = |name: &&str| Member { name: (*name).to_owned(), ..Member::default() };
        let members = names.iter().map(member).collect();
        Arc::new(HealthView { members, ..(*view(epoch)).clone() })
    }

    async fn told(lines: &mut HealthSubscription) -> (u64, u64, bool, Vec<String>) {
        let line = lines.next().await.unwrap();
        let names = line.changed.iter().map(|change| change.name.clone()).collect();
        (line.after.get(), line.view.epoch.get(), line.reset, names)
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[tokio::test]
    async fn a_run_begins_without_changes_and_an_epoch_seen_before_has_none() {
        let feed = Feed::new();
        feed.publish(of(4, &["a", "b"]), None, true);
        let mut all = feed.subscribe();
        assert_eq!(told(&mut all).await, (0, 4, false, vec![]));
        feed.publish(of(5, &["a", "b", "c"]), None, true);
        assert_eq!(told(&mut all).await, (4, 5, false, names(&["c"])));
        let mut again = feed.resume(HealthEpoch::new(5));
        assert_eq!(told(&mut again).await, (5, 5, false, vec![]));
    }

    #[tokio::test]
    async fn who_resumes_is_told_all_that_changed_since_or_that_it_is_not_known() {
        let feed = Feed::new();
        feed.publish(of(4, &["a"]), None, true);
        feed.publish(of(5, &["a", "b"]), None, true);
        // The node got there without the epochs between.
        feed.publish(of(9, &["a", "b", "c"]), None, true);
        let mut kept = feed.resume(HealthEpoch::new(4));
        assert_eq!(told(&mut kept).await, (4, 5, false, names(&["b"])));
        assert_eq!(told(&mut kept).await, (5, 9, false, names(&["c"])));
        for unknown in [3, 7] {
            let mut lines = feed.resume(HealthEpoch::new(unknown));
            assert!(told(&mut lines).await.2, "epoch {unknown} was not kept");
            if unknown == 3 {
                assert_eq!(told(&mut lines).await, (4, 5, false, names(&["b"])));
            }
        }
        assert!(told(&mut feed.begin_anew()).await.2);
    }

    #[tokio::test]
    async fn a_slow_subscriber_is_told_what_changed_in_all_that_it_skipped() {
        let feed = Feed::new();
        feed.publish(of(1, &["a"]), None, true);
        let mut slow = feed.subscribe();
        assert_eq!(told(&mut slow).await.1, 1);
        for epoch in 2..=2 * HEALTH_LINES as u64 {
            feed.publish(of(epoch, &["a", &format!("host-{}", epoch.min(3))]), None, true);
        }
        let oldest = HEALTH_LINES as u64 + 1;
        assert_eq!(told(&mut slow).await, (1, oldest, false, names(&["host-3"])));
        assert_eq!(told(&mut slow).await.0, oldest);
    }

    #[tokio::test]
    async fn who_polls_waits_for_an_epoch_or_another_word_on_the_quorum() {
        let feed = Feed::new();
        feed.publish(view(4), None, true);
        let seen = |epoch, quorate| Seen { epoch: HealthEpoch::new(epoch), quorate };
        let at_once = |seen| feed.news(seen).now_or_never().flatten().map(|line| line.quorate);
        assert_eq!(at_once(seen(3, None)), Some(true));
        assert_eq!(at_once(seen(4, None)), None);
        assert_eq!(at_once(seen(4, Some(true))), None);
        assert_eq!(at_once(seen(4, Some(false))), Some(true));
        assert_eq!(at_once(seen(5, None)), None, "this node is behind what was seen elsewhere");
        let mut waits = std::pin::pin!(feed.news(seen(4, None)));
        assert!(waits.as_mut().now_or_never().is_none());
        feed.publish(view(4), None, false);
        assert_eq!(waits.await.map(|line| line.quorate), Some(false));
    }
}
