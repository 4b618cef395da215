//! Budgets at the doors: what an operator defines, what is granted, and what an application says of its share.
//!
//! What is granted is read from quorate's own keys, through the leader, as any client could. Knows nothing of how it is divided.

use super::acts::{done, said};
use super::committed::{self, below, scope_of, ttl_of};
use super::failure::{Failure, failed, usage};
use super::lapsing::note_grants;
use super::loop_call;
use super::pages::{BudgetPage, GrantPage, LedgerPage};
use super::parameters::{NameQuery, Parameters, Patience};
use crate::doors::Doors;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use quorate_node::Acknowledgement;
use quorate_proto::{Budget, BudgetMode, Class, DropBudget, Label, QuorumLoss, SetBudget, act};
use serde::Deserialize;
use std::sync::Arc;

/// Where budgets stand among the keys.
pub(super) const PREFIX: &str = "__meta/budgets/";
/// And the changes of their grants.
const LEDGERS: &str = "__meta/ledgers/budgets/";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetQuery {
    name: String,
    max: u64,
    min: Option<u64>,
    mode: Option<String>,
    /// As in the configuration.
    ttl: Option<String>,
    reserve: Option<u64>,
    on_quorum_loss: Option<String>,
    fence: Option<String>,
    /// `NAME=VALUE`, several divided by commas; empty: all hosts.
    scope: Option<String>,
    /// `NAME=N`, several divided by commas.
    classes: Option<String>,
}

pub(super) async fn set(
    State(doors): State<Arc<Doors>>,
    Parameters(query): Parameters<SetQuery>,
    patience: Patience,
) -> Response {
    let now = match budgets(&doors, &query.name, patience).await {
        Ok(pages) => pages.into_iter().find(|page| page.name == query.name).unwrap_or_default(),
        Err(failure) => return failed(&failure),
    };
    match budget_of(query, now) {
        Ok(budget) => done(&doors, act::Body::SetBudget(SetBudget { budget }), patience).await,
        Err(text) => usage(&text),
    }
}

/// The definition that is asked for. What is not said is as it is now, or as by default where there is no such budget.
fn budget_of(query: SetQuery, now: BudgetPage) -> Result<Budget, String> {
    let SetQuery { name, max, min, mode, ttl, reserve, scope, classes, .. } = query;
    let classes = classes.map_or_else(|| Ok(classes_of(&now)), |text| classes_in(&text))?;
    let on_quorum_loss = query.on_quorum_loss.unwrap_or(now.on_quorum_loss);
    let (on_quorum_loss, fence) = quorum_loss_of(&on_quorum_loss, query.fence, now.fence)?;
    let mode = match mode.unwrap_or(now.mode).as_str() {
        "" | "strict" => BudgetMode::Strict,
        "eager" => BudgetMode::Eager,
        other => return Err(format!("mode is strict or eager, not `{other}`")),
    };
    let (ttl_ms, scope) = (ttl_of(ttl, now.ttl_ms)?, scope_of(scope, now.scope)?);
    let (min, reserve) = (min.unwrap_or(now.min), reserve.unwrap_or(now.reserve));
    let mode = mode.into();
    let budget =
        Budget { name, max, min, mode, ttl_ms, reserve, scope, classes, on_quorum_loss, fence };
    budget.fault().map_or(Ok(budget), Err)
}

/// What a holder does without a quorum, and behind which fence: what `hold` needs none for is forgotten.
fn quorum_loss_of(word: &str, fence: Option<String>, now: String) -> Result<(i32, String), String> {
    match word {
        "" | "hold" => Ok((QuorumLoss::Hold.into(), fence.unwrap_or_default())),
        "local" => Ok((QuorumLoss::Local.into(), fence.unwrap_or(now))),
        other => Err(format!("on_quorum_loss is hold or local, not `{other}`")),
    }
}

/// Classes as `NAME=N`, several divided by commas.
fn classes_in(text: &str) -> Result<Vec<Class>, String> {
    let class = |text: &str| {
        let wrong = || format!("a class is NAME=N, as app=20, not `{text}`");
        let (name, max) = text.split_once('=').ok_or_else(wrong)?;
        Ok(Class { name: name.to_owned(), max: max.parse().map_err(|_| wrong())? })
    };
    text.split(',').filter(|class| !class.is_empty()).map(class).collect()
}

/// The classes that a page shows, other than those that are going.
fn classes_of(page: &BudgetPage) -> Vec<Class> {
    let stay = page.classes.iter().filter(|class| !class.removing);
    stay.map(|class| Class { name: class.class.clone(), max: class.max }).collect()
}

pub(super) async fn remove(
    State(doors): State<Arc<Doors>>,
    Parameters(NameQuery { name }): Parameters<NameQuery>,
    patience: Patience,
) -> Response {
    done(&doors, act::Body::DropBudget(DropBudget { name }), patience).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AcknowledgeQuery {
    name: String,
    number: u64,
    in_use: u64,
}

/// Answered by this node alone: the leader hears of it with the next renewal, which follows at once.
pub(super) async fn acknowledge(
    State(doors): State<Arc<Doors>>,
    Parameters(AcknowledgeQuery { name, number, in_use }): Parameters<AcknowledgeQuery>,
    patience: Patience,
) -> Response {
    let use_of = Acknowledgement { budget: name, number, in_use };
    said(loop_call::acknowledge(&doors, use_of, patience.0).await)
}

/// All budgets, with what is granted of them.
pub(super) async fn list(State(doors): State<Arc<Doors>>, patience: Patience) -> Response {
    match budgets(&doors, "", patience).await {
        Ok(mut pages) => {
            if let Some(line) = doors.feeds.health.newest() {
                pages.iter_mut().for_each(|page| note_grants(page, &line.view));
            }
            Json(pages).into_response()
        }
        Err(failure) => failed(&failure),
    }
}

/// The budgets whose names begin so.
async fn budgets(
    doors: &Doors,
    begin: &str,
    patience: Patience,
) -> Result<Vec<BudgetPage>, Failure> {
    Ok(budgets_of(&below(doors, PREFIX, begin, patience).await?))
}

/// The newest changes of a budget's grants, oldest first.
pub(super) async fn ledger(
    State(doors): State<Arc<Doors>>,
    Parameters(NameQuery { name }): Parameters<NameQuery>,
    patience: Patience,
) -> Response {
    committed::ledger(&doors, LEDGERS, &name, patience, |line: &LedgerPage| line.grant.number).await
}

/// The definition that a page shows.
pub(super) fn definition_of(page: &BudgetPage) -> Budget {
    let eager = page.mode == BudgetMode::Eager.word();
    let mode = if eager { BudgetMode::Eager } else { BudgetMode::Strict };
    let BudgetPage { max, min, ttl_ms, reserve, .. } = *page;
    let (name, scope) = (page.name.clone(), Label::all(page.scope.clone()));
    let (classes, mode, fence) = (classes_of(page), mode.into(), page.fence.clone());
    let local = page.on_quorum_loss == QuorumLoss::Local.word();
    let on_quorum_loss = if local { QuorumLoss::Local } else { QuorumLoss::Hold }.into();
    Budget { name, max, min, mode, ttl_ms, reserve, scope, classes, on_quorum_loss, fence }
}

/// In the order of names; the classes of a budget in its page.
pub(super) fn budgets_of(keys: &[(String, Vec<u8>)]) -> Vec<BudgetPage> {
    let mut pages: Vec<BudgetPage> = Vec::new();
    for (key, value) in keys {
        let parts: Vec<&str> = key.split('/').collect();
        match parts.as_slice() {
            [_] => pages.extend(serde_json::from_slice::<BudgetPage>(value).ok()),
            [name, "grants", _] => {
                let grant = serde_json::from_slice::<GrantPage>(value).ok();
                let page = pages.iter_mut().find(|page| page.name == *name);
                page.into_iter().for_each(|page| page.grants.extend(grant.clone()));
            }
            _ => {}
        }
    }
    for page in &mut pages {
        page.grants.sort_by(|one, other| one.host.cmp(&other.host));
    }
    let of_one =
        |one: &BudgetPage, next: &BudgetPage| !one.family.is_empty() && one.family == next.family;
    let whole = |pages: &[BudgetPage]| match pages {
        [page] if page.family.is_empty() => Some(page.clone()),
        classes => BudgetPage::of_classes(classes.to_vec()),
    };
    pages.chunk_by(of_one).filter_map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, ttl: Option<&str>, scope: &str) -> SetQuery {
        let (name, ttl, scope) = (name.to_owned(), ttl.map(str::to_owned), Some(scope.to_owned()));
        let (min, mode, reserve, classes) = (None, None, None, None);
        let (on_quorum_loss, fence) = (None, None);
        SetQuery { name, max: 30, min, mode, ttl, reserve, scope, classes, on_quorum_loss, fence }
    }

    #[test]
    fn a_budget_is_read_with_its_defaults_and_refused_with_what_is_wrong() {
        let read = |query| budget_of(query, BudgetPage::default());
        let budget = read(query("pg", None, "role=proxy,zone=a")).expect("a sound one");
        assert_eq!(
            (budget.ttl_ms, budget.mode(), budget.scope.len()),
            (4_000, BudgetMode::Strict, 2)
        );
        for (wrong, says) in [
            (query("a/b", None, ""), "name"),
            (query("pg", Some("3"), ""), "ttl"),
            (query("pg", Some("1ms"), ""), "ttl"),
            (query("pg", None, "role"), "NAME=VALUE"),
        ] {
            let text = read(wrong).expect_err("it is refused");
            assert!(text.contains(says), "{text}");
        }
    }

    #[test]
    fn who_is_to_use_the_whole_without_a_quorum_names_a_fence_and_who_holds_needs_none() {
        let asked = |word: &str, fence: Option<&str>, now: &str| {
            let (on_quorum_loss, fence) = (Some(word.to_owned()), fence.map(str::to_owned));
            let now = BudgetPage { fence: now.to_owned(), ..BudgetPage::default() };
            let query = SetQuery { on_quorum_loss, fence, ..query("pg", None, "") };
            budget_of(query, now).map(|it| (it.on_quorum_loss().word(), it.fence))
        };
        assert_eq!(asked("local", Some("cut"), ""), Ok(("local", "cut".to_owned())));
        assert_eq!(asked("local", None, "cut"), Ok(("local", "cut".to_owned())), "as it is");
        assert_eq!(asked("hold", None, "cut"), Ok(("hold", String::new())));
        let refused = asked("local", None, "").expect_err("it has no fence");
        assert!(refused.contains("demands a fence"), "{refused}");
        let refused = asked("both", None, "").expect_err("it is no such word");
        assert!(refused.contains("hold or local"), "{refused}");
    }

    #[test]
    fn what_is_not_said_of_a_budget_that_is_there_stays_as_it_is() {
        let scope = [("role".to_owned(), "proxy".to_owned())].into();
        let (mode, ttl_ms) = ("eager".to_owned(), 9_000);
        let now = BudgetPage { min: 5, mode, ttl_ms, reserve: 2, scope, ..BudgetPage::default() };
        let asked = SetQuery { scope: None, ..query("pg", None, "") };
        let budget = budget_of(asked, now.clone()).expect("a sound one");
        assert_eq!((budget.max, budget.min, budget.reserve), (30, 5, 2));
        assert_eq!((budget.ttl_ms, budget.mode()), (9_000, BudgetMode::Eager));
        assert_eq!(budget.scope.len(), 1);
        let budget = budget_of(query("pg", Some("4s"), ""), now).expect("a sound one");
        assert_eq!((budget.ttl_ms, budget.scope.len()), (4_000, 0), "what is said is done");
    }

    #[test]
    fn a_budget_has_its_own_grants_whatever_the_names_of_others() {
        let budget = |name: &str| {
            let page = BudgetPage { name: name.to_owned(), ..BudgetPage::default() };
            (name.to_owned(), serde_json::to_vec(&page).expect("a page"))
        };
        let grant = |name: &str, host: &str| {
            let page = GrantPage { host: host.to_owned(), ..GrantPage::default() };
            (format!("{name}/grants/{host}"), serde_json::to_vec(&page).expect("a page"))
        };
        let keys =
            [budget("a"), budget("a-b"), grant("a", "n2"), grant("a", "n1"), grant("a-b", "n3")];
        let pages = budgets_of(&keys);
        let hosts = |page: &BudgetPage| -> Vec<String> {
            page.grants.iter().map(|it| it.host.clone()).collect()
        };
        assert_eq!(
            (hosts(&pages[0]), hosts(&pages[1])),
            (vec!["n1".to_owned(), "n2".to_owned()], vec!["n3".to_owned()])
        );
    }

    #[test]
    fn the_classes_of_a_budget_are_one_page_with_what_each_host_has_of_all() {
        let class = |class: &str, max, shares: [u64; 2]| {
            let grant = |(host, share): (&str, u64)| GrantPage {
                host: host.to_owned(),
                share,
                counted: share,
                ..GrantPage::default()
            };
            let (name, family) = (Budget::class_name("pg", class), "pg".to_owned());
            let grants = vec![grant(("n1", shares[0])), grant(("n2", shares[1]))];
            let (class, granted) = (class.to_owned(), max);
            let page =
                BudgetPage { name, family, class, whole: 40, max, granted, grants, ..page() };
            (page.name.clone(), serde_json::to_vec(&page).expect("a page"))
        };
        fn page() -> BudgetPage {
            BudgetPage { mode: "eager".to_owned(), ttl_ms: 9_000, ..BudgetPage::default() }
        }
        let plain = |name: &str| {
            let page = BudgetPage { name: name.to_owned(), ..page() };
            (name.to_owned(), serde_json::to_vec(&page).expect("a page"))
        };
        let keys =
            [plain("p"), class("app", 20, [11, 9]), class("report", 10, [4, 6]), plain("pga")];
        let pages = budgets_of(&keys);
        let names: Vec<&str> = pages.iter().map(|page| page.name.as_str()).collect();
        assert_eq!(names, ["p", "pg", "pga"]);
        let pg = &pages[1];
        assert_eq!((pg.max, pg.granted, pg.ttl_ms), (40, 30, 9_000));
        let totals: Vec<_> = pg.totals.iter().map(|it| (it.host.as_str(), it.share)).collect();
        assert_eq!(totals, [("n1", 15), ("n2", 15)]);
        assert_eq!(pg.named("pg:report").map(|page| page.max), Some(10));
        assert_eq!(definition_of(pg).classes.len(), 2);
        let asked = |classes: Option<&str>| {
            let classes = classes.map(str::to_owned);
            budget_of(SetQuery { scope: None, classes, ..query("pg", None, "") }, pg.clone())
        };
        let as_it_is = asked(None).expect("they fit");
        assert_eq!((as_it_is.classes.len(), as_it_is.max), (2, 30), "what is not said stays");
        let one = asked(Some("app=30")).expect("it fits").classes;
        assert_eq!(one, [Class { name: "app".to_owned(), max: 30 }]);
        for (wrong, says) in
            [("app", "NAME=N"), ("app=x", "NAME=N"), ("app=20,b=11", "31 together")]
        {
            let text = asked(Some(wrong)).expect_err("it is refused");
            assert!(text.contains(says), "{text}");
        }
    }
}
