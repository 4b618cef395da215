//! What a wrapped command goes by, as the daemon tells it: lines of a budget, or of an assignment, in, what is told of the share out.
//!
//! Invariant: what is known is the newest line. A daemon that is away is waited for, and what it told last stands.

use super::machine::{Standing, Told};
use crate::api::pages::{HeldPage, SharePage};
use crate::cli::client::Client;
use crate::cli::exit::Failure;
use crate::cli::show::query_value;
use crate::cli::stderr::complain;
use crate::cli::watching::understand;
use std::time::Duration;
use tokio::sync::watch;

/// Between attempts to reach a daemon that is away: the first, and at most. A short share bears a restart of a second, so no part of that
/// is slept away.
const RETRY: Duration = Duration::from_millis(50);
const RARELY: Duration = Duration::from_millis(200);

/// What a command goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Followed {
    Budget(String),
    Item { assignment: String, item: String },
}

impl Followed {
    /// As it is typed.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let unclear = || {
            format!(
                "`{text}`: write budget=NAME, or assignment=NAME/ITEM for an item of an assignment"
            )
        };
        match text.split_once('=').ok_or_else(unclear)? {
            ("budget", name) if !name.is_empty() => Ok(Self::Budget(name.to_owned())),
            ("assignment", place) => match place.split_once('/') {
                Some((assignment, item)) if !assignment.is_empty() && !item.is_empty() => {
                    let [assignment, item] = [assignment, item].map(str::to_owned);
                    Ok(Self::Item { assignment, item })
                }
                _ => Err(unclear()),
            },
            _ => Err(unclear()),
        }
    }

    fn path(&self) -> String {
        match self {
            Self::Budget(name) => format!("/v1/budgets/watch?name={}", query_value(name)),
            Self::Item { assignment, .. } => {
                format!("/v1/assignments/watch?name={}", query_value(assignment))
            }
        }
    }

    fn told(&self, line: &str) -> Result<Told, Failure> {
        match self {
            Self::Budget(_) => Ok(told_of(&understand(line)?)),
            Self::Item { item, .. } => Ok(told_of_item(&understand(line)?, item)),
        }
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Budget(name) => format!("a share of {name}"),
            Self::Item { assignment, item } => format!("the item {item} of {assignment}"),
        }
    }
}

fn told_of(page: &SharePage) -> Told {
    let standing = match page.state.as_str() {
        "held" => Standing::Held,
        "lapsed" => Standing::Lapsed,
        "restarted" => Standing::Restarted,
        _ => Standing::None,
    };
    Told {
        standing,
        amount: page.amount,
        reserve: page.reserve,
        number: page.number,
        deadline: page.deadline_boottime_ms,
        asks: page.acknowledge,
    }
}

fn told_of_item(page: &HeldPage, name: &str) -> Told {
    let none = Told {
        standing: Standing::None,
        amount: 0,
        reserve: 0,
        number: 0,
        deadline: None,
        asks: false,
    };
    let Some(item) = page.items.iter().find(|item| item.item == name) else { return none };
    let (standing, amount) = match item.state.as_str() {
        "held" => (Standing::Held, 1),
        "restarted" => (Standing::Restarted, 0),
        _ => (Standing::Leaving, 0),
    };
    Told { standing, amount, number: item.number, deadline: item.deadline_boottime_ms, ..none }
}

/// The newest line, and how often the daemon was reached by then.
pub(super) type Newest = (u64, Option<Told>);

/// Follows it for ever.
pub(super) async fn follow(client: Client, followed: Followed, newest: watch::Sender<Newest>) {
    let mut pause = RETRY;
    let mut away = false;
    loop {
        let Err(failure) = lines(&client, &followed, &newest, &mut pause, &mut away).await else {
            return;
        };
        if !std::mem::replace(&mut away, true) {
            complain(&format!("quorate: waiting for the daemon of this host: {}", failure.text));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RARELY);
    }
}

/// Until it breaks off; well, when nobody wants to know any more.
async fn lines(
    client: &Client,
    followed: &Followed,
    newest: &watch::Sender<Newest>,
    pause: &mut Duration,
    away: &mut bool,
) -> Result<(), Failure> {
    let mut lines = client.follow(&followed.path(), None).await?;
    let reached = newest.borrow().0 + 1;
    while !newest.is_closed() {
        let told = followed.told(&lines.next().await?.text)?;
        newest.send_replace((reached, Some(told)));
        (*pause, *away) = (RETRY, false);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::pages::HeldItemPage;

    #[test]
    fn what_is_followed_is_a_budget_or_an_item() {
        assert_eq!(Followed::parse("budget=pg"), Ok(Followed::Budget("pg".to_owned())));
        let vip = Followed::parse("assignment=edge/vip").expect("an item");
        assert_eq!(vip.words(), "the item vip of edge");
        for wrong in
            ["pg", "budget=", "assignment=edge", "assignment=/vip", "assignment=edge/", "x=y"]
        {
            let text = Followed::parse(wrong).expect_err("it is unclear");
            assert!(text.contains("budget=NAME"), "{text}");
        }
    }

    #[test]
    fn an_item_that_is_not_in_the_line_is_not_held() {
        let item = |state: &str| HeldItemPage {
            item: "vip".to_owned(),
            number: 7,
            state: state.to_owned(),
            deadline_boottime_ms: Some(9),
            deadline: None,
        };
        let page = |items| HeldPage { items, ..HeldPage::default() };
        for (state, standing, amount) in [
            ("held", Standing::Held, 1),
            ("restarted", Standing::Restarted, 0),
            ("leaving", Standing::Leaving, 0),
        ] {
            let told = told_of_item(&page(vec![item(state)]), "vip");
            assert_eq!((told.standing, told.amount, told.number), (standing, amount, 7));
        }
        assert_eq!(told_of_item(&page(vec![item("held")]), "cron").standing, Standing::None);
        assert_eq!(told_of_item(&page(Vec::new()), "vip").standing, Standing::None);
    }
}
