//! Whether a command outlives a restart of the daemon: with a short TTL its share is over before the next start can renew it.

use super::followed::Followed;
use crate::api::pages::{AssignmentPage, BudgetPage};
use crate::cli::client::Client;
use crate::cli::stderr::complain;
use quorate_proto::{Budget, limits};
use std::time::Duration;

/// A restart of the daemon takes up to so long until it has renewed what it held.
const RESTART_MS: u64 = 2_000;

/// Says once that a restart may end the command, where it may.
pub(super) async fn warn(client: Client, followed: Followed, grace_ms: u64) {
    let ttl_ms = match &followed {
        Followed::Budget(name) => {
            let pages = client.get::<Vec<BudgetPage>>("/v1/budgets").await.unwrap_or_default();
            pages.iter().find_map(|page| page.named(name)).map(|page| page.ttl_ms)
        }
        Followed::Item { assignment, .. } => {
            let pages = client.get::<Vec<AssignmentPage>>("/v1/assignments").await;
            let pages = pages.unwrap_or_default();
            pages.iter().find(|page| page.name == *assignment).map(|page| page.ttl_ms)
        }
    };
    if let Some(text) = ttl_ms.and_then(|ttl_ms| warning(&followed, ttl_ms, grace_ms)) {
        complain(&text);
    }
}

/// Up to the time between two renewals may have passed since the last one, and the command is asked to end before the rest has.
fn warning(followed: &Followed, ttl_ms: u64, grace_ms: u64) -> Option<String> {
    let renewed_each = limits::renewed_each(Duration::from_millis(ttl_ms)).as_millis() as u64;
    let bears = (ttl_ms - renewed_each).saturating_sub(grace_ms.min(ttl_ms / 3));
    let (ttl, bears_for) = (seconds(ttl_ms), seconds(bears));
    let (what, remove) = match followed {
        Followed::Budget(name) => {
            let budget = Budget::class_of(name).map_or(name.as_str(), |(budget, _)| budget);
            (name, format!("quorate budget remove {budget}"))
        }
        Followed::Item { assignment, .. } => {
            (assignment, format!("quorate assign remove {assignment}"))
        }
    };
    (bears < RESTART_MS).then(|| {
        format!(
            "quorate: a restart of the daemon that takes longer than {bears_for} ends the command: the TTL of {what} is {ttl}, and a restart takes up to 2s. \
             With a TTL of 10s the command goes on: `{remove}`, then define it anew"
        )
    })
}

fn seconds(ms: u64) -> String {
    match ms % 1000 {
        0 => format!("{}s", ms / 1000),
        rest => format!("{}.{}s", ms / 1000, rest / 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_that_a_restart_may_outlast_is_warned_of_with_what_helps() {
        let pg = Followed::Budget("pg".to_owned());
        let text = warning(&pg, 3_000, 5_000).expect("that is short");
        assert!(text.contains("longer than 1.6s ends the command"), "{text}");
        assert!(text.contains("the TTL of pg is 3s"), "{text}");
        assert!(text.contains("`quorate budget remove pg`"), "{text}");
        let quick = warning(&pg, 2_000, 300).expect("even for who ends quickly");
        assert!(quick.contains("longer than 1.3s"), "{quick}");
        assert_eq!(warning(&pg, limits::BUDGET_TTL_DEFAULT_MS, 5_000), None);
        assert_eq!(warning(&pg, 10_000, 60_000), None);
        let vip = Followed::parse("assignment=edge/vip").expect("an item");
        let text = warning(&vip, 3_000, 5_000).expect("the same");
        assert!(text.contains("`quorate assign remove edge`"), "{text}");
    }
}
