//! What systemd is told: READY once the daemon serves locally, STATUS in words, and the watchdog's food, which only
//! the loop itself hands out. Silent when no service manager listens.

use quorate_node::{State, Status};
use quorate_proto::Moment;
use sd_notify::NotifyState;
use std::time::Duration;

/// How often the watchdog is fed where no loop does: far more often than in any unit's interval.
const FEED: Duration = Duration::from_secs(1);

/// The line to the service manager.
#[derive(Debug, Default)]
pub(crate) struct Service {
    feed_every: Option<Duration>,
    fed: Moment,
    said: String,
}

impl Service {
    /// Reads what the service manager expects.
    pub(crate) fn new() -> Self {
        // Twice in each interval, as sd_watchdog_enabled(3) recommends.
        let feed_every = sd_notify::watchdog_enabled().map(|interval| interval / 2);
        Self { feed_every, ..Self::default() }
    }

    /// The daemon serves locally.
    pub(crate) fn ready(&self) {
        notify(&[NotifyState::Ready]);
    }

    /// The daemon was asked to stop.
    pub(crate) fn stopping(&self) {
        notify(&[NotifyState::Stopping]);
    }

    /// One turn of the loop is over.
    pub(crate) fn turned(&mut self, now: Moment) {
        if self.feed_every.is_some_and(|every| now.since(self.fed) >= every) {
            self.fed = now;
            notify(&[NotifyState::Watchdog]);
        }
    }

    /// When the loop must turn at the latest, so that the watchdog is fed.
    pub(crate) fn next_feed(&self) -> Option<Moment> {
        self.feed_every.map(|every| self.fed + every)
    }

    /// Shows the state in words when it changed.
    pub(crate) fn show(&mut self, status: &Status) {
        let text = in_words(status);
        if text != self.said {
            notify(&[NotifyState::Status(&text)]);
            self.said = text;
        }
    }
}

/// Waits for something outside of the loop that may take longer than the watchdog waits.
pub(crate) async fn feed_while<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(FEED, &mut work).await {
            Ok(done) => return done,
            Err(_) => notify(&[NotifyState::Watchdog]),
        }
    }
}

/// Shows what the daemon does before it has a state.
pub(crate) fn say(text: &str) {
    notify(&[NotifyState::Status(text)]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager was not told");
    }
}

/// One line for `systemctl status`.
fn in_words(status: &Status) -> String {
    let alive =
        status.view.members.iter().filter(|member| member.state().word() == "alive").count();
    let all = status.view.members.len();
    match (status.state, &status.leader) {
        (State::Quorate, Some((_, leader))) => {
            format!("quorate: {alive} of {all} alive, {leader} leads, epoch {}", status.view.epoch)
        }
        (State::Quorate, None) => format!("quorate: {alive} of {all} alive"),
        (state, _) => match status.reasons.first() {
            Some(reason) => format!("{}: {}", state.word(), reason.text),
            None => state.word().to_owned(),
        },
    }
}
