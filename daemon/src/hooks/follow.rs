//! Follows the daemon of this host: the view of health, and this host's shares of budgets, for as long as the runner runs.
//!
//! What stays true: what is known is the newest that was told, and nothing older comes behind it; a daemon that is away is waited for, and
//! what it told last stands meanwhile, but no share beyond its deadline. Knows nothing of hooks.

use super::fence::InTheWay;
use super::view::{self, Subject, Told};
use crate::api::pages::SharePage;
use crate::cli::{Client, Failure};
use crate::clock;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Between attempts to reach a daemon that is away: the first, and at most.
const RETRY: Duration = Duration::from_millis(200);
const RARELY: Duration = Duration::from_secs(2);
/// The daemon of this host says itself that a share has lapsed; one that is stuck does not, and is waited for no longer than this.
const WORD_OF_A_LAPSE: Duration = Duration::from_millis(100);

/// What is known now.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// This host's name.
    pub(super) host: String,
    /// The newest line of health.
    pub(super) health: Option<Arc<Value>>,
    /// The shares, by budget.
    pub(super) shares: BTreeMap<String, SharePage>,
    /// Grants of hosts that are down, without which this host would have more.
    pub(super) in_the_way: BTreeSet<InTheWay>,
    /// Others that are to be cut off before this host uses a budget alone.
    pub(super) alone: BTreeSet<InTheWay>,
    /// Why the daemon cannot be reached; none while it is.
    pub(super) away: Option<String>,
}

impl Known {
    /// What is told of health.
    pub(super) fn told_of_health(&self) -> Option<Told> {
        self.health.as_deref().map(view::of_health)
    }

    /// What is told of a share now, by the boot-time clock.
    pub(super) fn told_of_share(&self, budget: &str, now_ms: u64) -> Option<(Subject, Value)> {
        let page = self.share(budget, now_ms)?;
        let page = serde_json::to_value(page).expect("a page has text keys only");
        Some(view::of_budget(budget, &page))
    }

    /// A share as it counts now: beyond its deadline the reserve alone.
    pub(super) fn share(&self, budget: &str, now_ms: u64) -> Option<SharePage> {
        let told = self.shares.get(budget)?;
        Some(match self.lapses_at(budget) {
            Some(at) if at <= now_ms => SharePage {
                state: "lapsed".to_owned(),
                amount: told.reserve.min(told.amount),
                deadline_boottime_ms: None,
                deadline: None,
                acknowledge: false,
                source: String::new(),
                source_reason: String::new(),
                source_since: String::new(),
                ..told.clone()
            },
            _ => told.clone(),
        })
    }

    /// When a share ends though nobody says so.
    pub(super) fn lapses_at(&self, budget: &str) -> Option<u64> {
        let at = self.shares.get(budget)?.deadline_boottime_ms?;
        let grace = if self.away.is_some() { 0 } else { WORD_OF_A_LAPSE.as_millis() as u64 };
        Some(at + grace)
    }

    fn take_share(&mut self, page: SharePage, now_ms: u64) {
        let before = self.share(&page.budget, now_ms);
        // A daemon that was started anew has no grant of its own yet: what was told before counts until its deadline.
        let kept = before.filter(|before| {
            page.state == "restarted" && before.deadline_boottime_ms.is_some_and(|at| at > now_ms)
        });
        let page = match kept {
            Some(SharePage { amount, deadline_boottime_ms, deadline, .. }) => {
                SharePage { amount, deadline_boottime_ms, deadline, ..page }
            }
            None => page,
        };
        self.shares.insert(page.budget.clone(), page);
    }
}

/// What is known now, for whoever is to do something with it.
pub(super) fn now_ms() -> u64 {
    clock::boottime_ms(clock::now())
}

/// Follows health into what is known, for ever.
pub(super) async fn health(client: Arc<Client>, known: watch::Sender<Known>) {
    let mut seen: Option<String> = None;
    let mut pause = RETRY;
    loop {
        let failure = match follow_health(&client, &known, &mut seen, &mut pause).await {
            Err(failure) => failure,
            Ok(never) => match never {},
        };
        note_away(&known, &failure);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RARELY);
    }
}

fn note_away(known: &watch::Sender<Known>, failure: &Failure) {
    known.send_if_modified(|known| {
        if known.away.is_none() {
            tracing::warn!(error = %failure.text, "the daemon of this host is away; what it told last stands");
        }
        let changed = known.away.as_ref() != Some(&failure.text);
        known.away = Some(failure.text.clone());
        changed
    });
}

async fn follow_health(
    client: &Client,
    known: &watch::Sender<Known>,
    seen: &mut Option<String>,
    pause: &mut Duration,
) -> Result<std::convert::Infallible, Failure> {
    let status: Value = client.get("/v1/status").await?;
    let host = status["node"]["name"].as_str().unwrap_or_default().to_owned();
    let mut lines = client.follow("/v1/health/watch", seen.as_deref()).await?;
    known.send_modify(|known| {
        if known.away.take().is_some() {
            tracing::info!("the daemon of this host is there");
        }
        known.host = host;
    });
    loop {
        let line = lines.next().await?;
        *seen = Some(line.id);
        *pause = RETRY;
        let view: Value = serde_json::from_str(&line.text).map_err(|error| {
            Failure::other(format!("the daemon's line is not understood: {error}"))
        })?;
        known.send_modify(|known| known.health = Some(Arc::new(view)));
    }
}

/// Follows a share of this host into what is known, for ever.
pub(super) async fn share(client: Arc<Client>, budget: String, known: watch::Sender<Known>) {
    let mut pause = RETRY;
    loop {
        if let Err(failure) = follow_share(&client, &budget, &known, &mut pause).await
            && !failure.is_unreachable()
        {
            tracing::warn!(%budget, error = %failure.text, "the share cannot be followed");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RARELY);
    }
}

async fn follow_share(
    client: &Client,
    budget: &str,
    known: &watch::Sender<Known>,
    pause: &mut Duration,
) -> Result<(), Failure> {
    let name = crate::cli::query_value(budget);
    let path = format!("/v1/budgets/watch?name={name}&classes=true");
    let mut lines = client.follow(&path, None).await?;
    let mut warned = false;
    loop {
        let line = lines.next().await?;
        *pause = RETRY;
        let page: SharePage = serde_json::from_str(&line.text).map_err(|error| {
            Failure::other(format!("the daemon's line is not understood: {error}"))
        })?;
        if page.budget == budget {
            known.send_modify(|known| known.take_share(page, now_ms()));
        } else if !std::mem::replace(&mut warned, true) {
            // It was followed so that this could be said: what is divided is each class.
            tracing::warn!(
                "a hook has `on = \"budget {budget}\"`, which is divided into classes: it hears nothing; name one of them, as `budget {}`",
                page.budget
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(state: &str, amount: u64, number: u64, deadline: Option<u64>) -> SharePage {
        SharePage {
            budget: "pg".to_owned(),
            state: state.to_owned(),
            amount,
            number,
            deadline_boottime_ms: deadline,
            reserve: 2,
            ..SharePage::default()
        }
    }

    fn amount(known: &Known, now_ms: u64) -> (String, u64) {
        let share = known.share("pg", now_ms).expect("it is followed");
        (share.state, share.amount)
    }

    #[test]
    fn a_share_that_nobody_renews_ends_at_its_deadline() {
        let mut known = Known { away: Some("away".to_owned()), ..Known::default() };
        known.take_share(page("held", 15, 7, Some(3_000)), 0);
        assert_eq!(amount(&known, 2_999), ("held".to_owned(), 15));
        assert_eq!(amount(&known, 3_000), ("lapsed".to_owned(), 2), "the reserve stays");
        let mut told = known.told_of_share("pg", 3_000).expect("it is followed").1;
        assert_eq!(told["amount"].take(), 2);
        known.away = None;
        assert_eq!(amount(&known, 3_000), ("held".to_owned(), 15), "the daemon is about to say so");
        assert_eq!(amount(&known, 3_100), ("lapsed".to_owned(), 2), "and it did not");
    }

    #[test]
    fn behind_a_restart_what_was_told_before_counts_until_its_deadline() {
        let mut known = Known::default();
        known.take_share(page("held", 15, 7, Some(3_000)), 0);
        known.take_share(page("restarted", 2, 7, None), 1_000);
        assert_eq!(amount(&known, 1_000), ("restarted".to_owned(), 15));
        assert_eq!(amount(&known, 3_100), ("lapsed".to_owned(), 2));
        known.take_share(page("restarted", 2, 7, None), 4_000);
        assert_eq!(amount(&known, 4_000), ("restarted".to_owned(), 2));
    }
}
