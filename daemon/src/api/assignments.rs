//! Assignments at the doors: what an operator defines, who holds what, and that an application has let an item go.
//!
//! Who holds what is read from quorate's own keys, through the leader, as any client could. A definition is answered when all items are
//! held by hosts that know it, or the time for that is over. Knows nothing of how items are given.

use super::acts::{done, said};
use super::committed::{self, below, scope_of, ttl_of};
use super::failure::{Failure, failed, usage};
use super::lapsing::note_items;
use super::loop_call;
use super::pages::{AssignmentPage, CreatedPage, ItemLedgerPage, ItemPage};
use super::parameters::{NameQuery, Parameters, Patience};
use crate::doors::Doors;
use crate::words::time;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use quorate_node::ItemRelease;
use quorate_proto::{Acted, Assignment, DropAssignment, Label, Rebalance, SetAssignment, act};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where assignments stand among the keys.
pub(super) const PREFIX: &str = "__meta/assignments/";
/// Where their changes stand, one prefix each.
const LEDGERS: &str = "__meta/ledgers/assignments/";
/// So long a definition waits for the holders where nothing is said.
const WAIT: Duration = Duration::from_secs(10);
/// And at most: a client that waits for longer asks again.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Between looks at who holds what: each is a read through the leader.
const LOOK: Duration = Duration::from_millis(25);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetQuery {
    name: String,
    /// So many items, whose names are 0, 1 and so on.
    #[serde(default)]
    count: u32,
    /// Or their names, divided by commas.
    #[serde(default)]
    items: String,
    /// `NAME=VALUE`, several divided by commas; empty: all hosts.
    scope: Option<String>,
    /// As in the configuration.
    ttl: Option<String>,
    rebalance: Option<String>,
    /// So long the answer waits for the holders; 10 s without it.
    wait: Option<String>,
}

/// Defines an assignment, and waits until its items are held.
pub(super) async fn set(
    State(doors): State<Arc<Doors>>,
    Parameters(query): Parameters<SetQuery>,
    patience: Patience,
) -> Response {
    let now = match one(&doors, &query.name, patience).await {
        Ok(page) => page.unwrap_or_default(),
        Err(failure) => return failed(&failure),
    };
    let (assignment, wait) = match defined(query, now) {
        Ok(defined) => defined,
        Err(text) => return usage(&text),
    };
    let name = assignment.name.clone();
    let set = act::Body::SetAssignment(SetAssignment { assignment });
    let created = match loop_call::act(&doors, set, patience.0).await {
        Ok(Acted { text, .. }) => held_within(&doors, &name, text, wait, patience).await,
        Err(failure) => Err(failure),
    };
    match created {
        Ok(page) => Json(page).into_response(),
        Err(failure) => failed(&failure),
    }
}

/// The definition that is asked for. What is not said is as it is now, or as by default where there is no such assignment.
fn defined(query: SetQuery, now: AssignmentPage) -> Result<(Assignment, Duration), String> {
    let SetQuery { name, count, items, scope, ttl, rebalance, wait } = query;
    let rebalance = match rebalance.unwrap_or(now.rebalance).as_str() {
        "" | "lazy" => Rebalance::Lazy,
        "eager" => Rebalance::Eager,
        "never" => Rebalance::Never,
        other => return Err(format!("rebalance is lazy, eager or never, not `{other}`")),
    };
    let wait = wait.map_or(Ok(WAIT), |text| time::duration(&text));
    let wait = wait.map_err(|error| format!("wait: {error}"))?.min(LONGEST_WAIT);
    let names = items.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let (ttl_ms, scope) = (ttl_of(ttl, now.ttl_ms)?, scope_of(scope, now.scope)?);
    let rebalance = rebalance.into();
    let assignment = Assignment { name, count, names, scope, ttl_ms, rebalance };
    assignment.fault().map_or(Ok((assignment, wait)), Err)
}

/// Looks until each item is held by a host that knows it, or the time is over.
async fn held_within(
    doors: &Doors,
    name: &str,
    text: String,
    wait: Duration,
    patience: Patience,
) -> Result<CreatedPage, Failure> {
    let until = Instant::now() + wait;
    let mut newest = None;
    loop {
        let late = Instant::now() >= until;
        let none_left = || Failure::NotFound(format!("the assignment {name} was removed"));
        match one(doors, name, patience).await {
            Ok(page) => newest = Some(page.ok_or_else(none_left)?),
            // The definition is committed: who leads next goes on with it.
            Err(failure) if late && newest.is_none() => return Err(failure),
            Err(_) => {}
        }
        if let Some(assignment) = &newest {
            let held = assignment.items.iter().all(ItemPage::is_held);
            if held || late {
                return Ok(CreatedPage { text, held, assignment: assignment.clone() });
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

pub(super) async fn remove(
    State(doors): State<Arc<Doors>>,
    Parameters(NameQuery { name }): Parameters<NameQuery>,
    patience: Patience,
) -> Response {
    done(&doors, act::Body::DropAssignment(DropAssignment { name }), patience).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseQuery {
    name: String,
    item: String,
    number: u64,
}

/// Answered by this node alone: the leader hears of it with the next renewal, which follows at once.
pub(super) async fn release(
    State(doors): State<Arc<Doors>>,
    Parameters(ReleaseQuery { name, item, number }): Parameters<ReleaseQuery>,
    patience: Patience,
) -> Response {
    let release = ItemRelease { assignment: name, item, number };
    said(loop_call::release(&doors, release, patience.0).await)
}

/// All assignments, with who holds each item.
pub(super) async fn list(State(doors): State<Arc<Doors>>, patience: Patience) -> Response {
    match below(&doors, PREFIX, "", patience).await {
        Ok(keys) => {
            let mut pages = assignments_of(&keys);
            if let Some(line) = doors.feeds.health.newest() {
                pages.iter_mut().for_each(|page| note_items(page, &line.view));
            }
            Json(pages).into_response()
        }
        Err(failure) => failed(&failure),
    }
}

/// One assignment; none of that name.
async fn one(
    doors: &Doors,
    name: &str,
    patience: Patience,
) -> Result<Option<AssignmentPage>, Failure> {
    let keys = below(doors, PREFIX, name, patience).await?;
    Ok(assignments_of(&keys).into_iter().find(|page| page.name == name))
}

/// The newest changes of an assignment's items, oldest first.
pub(super) async fn ledger(
    State(doors): State<Arc<Doors>>,
    Parameters(NameQuery { name }): Parameters<NameQuery>,
    patience: Patience,
) -> Response {
    committed::ledger(&doors, LEDGERS, &name, patience, |line: &ItemLedgerPage| line.change).await
}

/// The definition that a page shows.
pub(super) fn assignment_of(page: &AssignmentPage) -> Assignment {
    let rules = [Rebalance::Lazy, Rebalance::Eager, Rebalance::Never];
    let rebalance = rules.into_iter().find(|rule| rule.word() == page.rebalance);
    Assignment {
        name: page.name.clone(),
        count: u32::try_from(page.count).unwrap_or(u32::MAX),
        names: page.names.clone(),
        scope: Label::all(page.scope.clone()),
        ttl_ms: page.ttl_ms,
        rebalance: rebalance.unwrap_or(Rebalance::Lazy).into(),
    }
}

pub(super) fn assignments_of(keys: &[(String, Vec<u8>)]) -> Vec<AssignmentPage> {
    let mut pages: Vec<AssignmentPage> = Vec::new();
    let mut held: BTreeMap<&str, BTreeMap<String, ItemPage>> = BTreeMap::new();
    for (key, value) in keys {
        let parts: Vec<&str> = key.split('/').collect();
        match parts.as_slice() {
            [_] => pages.extend(serde_json::from_slice::<AssignmentPage>(value).ok()),
            [name, item] => {
                let page = serde_json::from_slice::<ItemPage>(value).ok();
                let of = held.entry(*name).or_default();
                of.extend(page.map(|page| ((*item).to_owned(), page)));
            }
            _ => {}
        }
    }
    let items = |page: AssignmentPage| {
        let held = held.remove(page.name.as_str()).unwrap_or_default();
        page.with_items(held)
    };
    pages.into_iter().map(items).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, count: u32, items: &str) -> SetQuery {
        let (name, items, scope) = (name.to_owned(), items.to_owned(), String::new());
        SetQuery { name, count, items, scope: Some(scope), ttl: None, rebalance: None, wait: None }
    }

    #[test]
    fn what_is_not_said_of_an_assignment_that_is_there_stays_as_it_is() {
        let scope = [("role".to_owned(), "broker".to_owned())].into();
        let (ttl_ms, rebalance) = (9_000, "eager".to_owned());
        let now = AssignmentPage { ttl_ms, rebalance, scope, ..AssignmentPage::default() };
        let asked = SetQuery { scope: None, ..query("p", 6, "") };
        let (kept, _) = defined(asked, now.clone()).expect("a sound one");
        assert_eq!((kept.ttl_ms, kept.rebalance(), kept.scope.len()), (9_000, Rebalance::Eager, 1));
        let asked = SetQuery { rebalance: Some("never".to_owned()), ..query("p", 6, "") };
        let (said, _) = defined(asked, now).expect("a sound one");
        assert_eq!(
            (said.rebalance(), said.scope.len()),
            (Rebalance::Never, 0),
            "what is said is done"
        );
    }

    #[test]
    fn an_assignment_is_read_with_its_defaults_and_refused_with_what_is_wrong() {
        let (assignment, wait) =
            defined(query("p", 6, ""), AssignmentPage::default()).expect("a sound one");
        assert_eq!((assignment.items(), assignment.ttl_ms), (6, 4_000));
        assert_eq!((assignment.rebalance(), wait), (Rebalance::Lazy, WAIT));
        let (named, _) =
            defined(query("p", 0, "vip,cron"), AssignmentPage::default()).expect("a sound one");
        assert_eq!(named.names, ["vip", "cron"]);
        let with = |ttl: &str, rebalance: &str, wait: &str| {
            let [ttl, rebalance, wait] = [ttl, rebalance, wait].map(|it| Some(it.to_owned()));
            SetQuery { ttl, rebalance, wait, ..query("p", 1, "") }
        };
        for (wrong, says) in [
            (query("a/b", 1, ""), "name"),
            (query("p", 0, ""), "one of the two"),
            (query("p", 2, "vip"), "one of the two"),
            (with("1ms", "lazy", "1s"), "ttl"),
            (with("3s", "soon", "1s"), "rebalance"),
            (with("3s", "lazy", "later"), "wait"),
        ] {
            let text = defined(wrong, AssignmentPage::default()).expect_err("it is refused");
            assert!(text.contains(says), "{text}");
        }
    }

    #[test]
    fn an_assignment_shows_all_of_its_items_those_too_that_nobody_holds() {
        let assignment = |name: &str, count| {
            let page = AssignmentPage { name: name.to_owned(), count, ..AssignmentPage::default() };
            (name.to_owned(), serde_json::to_vec(&page).expect("a page"))
        };
        let item = |key: &str, host: &str| {
            let (host, state) = (host.to_owned(), "held".to_owned());
            let page = ItemPage { item: "1".to_owned(), host, state, ..ItemPage::default() };
            (key.to_owned(), serde_json::to_vec(&page).expect("a page"))
        };
        let keys =
            [assignment("a", 2), assignment("a-b", 2), item("a-b/1", "n2"), item("a/1", "n1")];
        let pages = assignments_of(&keys);
        let items = |page: &AssignmentPage| -> Vec<String> {
            let items = page.items.iter();
            items.map(|it| format!("{} {} {}", it.item, it.host, it.state)).collect()
        };
        assert_eq!(items(&pages[0]), ["0  free", "1 n1 held"]);
        assert_eq!(items(&pages[1]), ["0  free", "1 n2 held"]);
    }
}
