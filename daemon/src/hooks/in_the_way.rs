//! Follows what is in the way of growth: grants of hosts that are down, as the leader has them, while this host would grow without them.
//!
//! What stays true: what is known was so a moment ago by a majority's word; when that cannot be had, nothing is known to be in the way, for
//! nobody is fenced on old news. Nothing is asked while no host is down. Knows nothing of when a fence is run.

use super::fence::{Guarded, InTheWay, Round};
use super::follow::Known;
use crate::api::pages::{AlonePage, AssignmentPage, BudgetPage, LapsingPage, MemberPage};
use crate::cli::{Client, Failure};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Between looks while something is in the way: it may have lapsed, or its host is back.
const SOON: Duration = Duration::from_secs(1);
/// And while a host is down and nothing is: what was under way when it went is decided by then.
const SELDOM: Duration = Duration::from_secs(10);
/// How long the leader may take to say.
const PATIENCE: Duration = Duration::from_secs(2);

/// Follows it into what is known, for ever.
pub(super) async fn follow(
    client: Arc<Client>,
    guarded: BTreeSet<Guarded>,
    known: watch::Sender<Known>,
) {
    let mut news = known.subscribe();
    let mut failed = false;
    loop {
        let now = news.borrow_and_update().clone();
        let (epoch, down) = (epoch_of(&now), me(&now).is_some() && is_anybody_down(&now));
        let all = match down {
            true => look(&client, &guarded, &now).await,
            false => Ok(BTreeSet::new()),
        };
        if let (Err(failure), false) = (&all, failed) {
            tracing::warn!(error = %failure.text, "nobody can say what hosts hold that are down; nothing is fenced meanwhile");
        }
        failed = all.is_err();
        let all = all.unwrap_or_default();
        let pause = if all.is_empty() { SELDOM } else { SOON };
        known.send_if_modified(|known| {
            let differs = known.in_the_way != all;
            known.in_the_way = all;
            differs
        });
        let changed = news.wait_for(|known| epoch_of(known) != epoch);
        match down {
            true => _ = tokio::time::timeout(pause, changed).await,
            false => _ = changed.await,
        }
    }
}

fn epoch_of(known: &Known) -> Option<u64> {
    known.health.as_deref()?["epoch"].as_u64()
}

fn is_anybody_down(known: &Known) -> bool {
    let members = known.health.as_deref().and_then(|line| line["members"].as_array());
    members.into_iter().flatten().any(|member| member["state"] == "down")
}

/// This host, if it may hold anything: it is alive, not drained, and no witness.
fn me(known: &Known) -> Option<MemberPage> {
    let members = known.health.as_deref()?["members"].as_array()?;
    let me = members.iter().find(|member| member["name"] == known.host.as_str())?;
    let me: MemberPage = serde_json::from_value(me.clone()).ok()?;
    (me.state == "alive" && me.drained.is_none() && !me.witness).then_some(me)
}

/// What is in the way now, by the leader's word.
pub(super) async fn look(
    client: &Client,
    guarded: &BTreeSet<Guarded>,
    known: &Known,
) -> Result<BTreeSet<InTheWay>, Failure> {
    let (mut budgets, mut assignments) = (Vec::new(), Vec::new());
    if guarded.iter().any(|one| matches!(one, Guarded::Budget(_))) {
        budgets = client.get_in::<Vec<BudgetPage>>("/v1/budgets", PATIENCE).await?;
    }
    if guarded.iter().any(|one| matches!(one, Guarded::Assignment(_))) {
        assignments = client.get_in::<Vec<AssignmentPage>>("/v1/assignments", PATIENCE).await?;
    }
    let Some(me) = me(known) else { return Ok(BTreeSet::new()) };
    let mut all = BTreeSet::new();
    for one in guarded {
        let (kind, name) = one.words();
        let lapsing = match one {
            Guarded::Budget(_) => {
                let page = budgets.iter().find(|page| page.name == name);
                page.filter(|page| grows(&me, &page.scope)).map(|page| &page.lapsing)
            }
            Guarded::Assignment(_) => {
                let page = assignments.iter().find(|page| page.name == name);
                page.filter(|page| grows(&me, &page.scope)).map(|page| &page.lapsing)
            }
        };
        let down = lapsing.into_iter().flatten().filter(|lapsing| lapsing.state == "down");
        all.extend(down.map(|lapsing| in_the_way(kind, name, lapsing)));
    }
    Ok(all)
}

/// Whether this host gets of what is divided among hosts with these labels.
fn grows(me: &MemberPage, scope: &BTreeMap<String, String>) -> bool {
    let label = |name: &str| match name {
        "zone" => me.zone.as_ref(),
        name => me.labels.get(name),
    };
    let weight = label("weight").and_then(|weight| weight.parse::<u32>().ok());
    weight != Some(0) && scope.iter().all(|(name, value)| label(name) == Some(value))
}

fn in_the_way(kind: &'static str, name: &str, lapsing: &LapsingPage) -> InTheWay {
    let LapsingPage { host, instance, since_epoch, address, number, amount, item, .. } =
        lapsing.clone();
    let (name, address) = (name.to_owned(), address.map(|address| address.to_string()));
    InTheWay { kind, name, host, instance, since_epoch, address, number, amount, item, alone: None }
}

/// Between looks while there is no quorum.
const WITHOUT_A_QUORUM: Duration = Duration::from_millis(500);

/// Follows for ever whom this host's daemon has cut off before it uses a budget alone: nobody while there is a quorum, and what its daemon
/// does not say now is not known.
pub(super) async fn follow_alone(client: Arc<Client>, known: watch::Sender<Known>) {
    let mut news = known.subscribe();
    loop {
        let has_quorum = |known: &Known| {
            known.health.as_deref().is_none_or(|line| line["quorate"].as_bool() != Some(false))
        };
        let quorate = has_quorum(&news.borrow_and_update());
        let pages = match quorate {
            true => Vec::new(),
            false => client
                .get_in::<Vec<AlonePage>>("/v1/budgets/alone", PATIENCE)
                .await
                .unwrap_or_default(),
        };
        let all: BTreeSet<InTheWay> =
            pages.into_iter().filter(|page| !page.done).map(without_a_quorum).collect();
        known.send_if_modified(|known| {
            let differs = known.alone != all;
            known.alone = all;
            differs
        });
        let lost = news.wait_for(|known| !has_quorum(known));
        match quorate {
            true if lost.await.is_err() => return,
            true => {}
            false => tokio::time::sleep(WITHOUT_A_QUORUM).await,
        }
    }
}

fn without_a_quorum(page: AlonePage) -> InTheWay {
    let AlonePage { budget, fence, host, instance, address, number, amount, round, .. } = page;
    InTheWay {
        kind: "budget",
        name: budget,
        host,
        instance,
        since_epoch: 0,
        address,
        number,
        amount: Some(amount),
        item: None,
        alone: Some(Round { round, fence }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn known(me: Value) -> Known {
        let mut me = me;
        me["name"] = "a".into();
        for field in ["instance", "role", "reason"] {
            me[field] = "".into();
        }
        me["since_epoch"] = 1.into();
        let line = json!({ "epoch": 5, "members": [me, { "name": "b", "state": "down" }] });
        Known { host: "a".to_owned(), health: Some(Arc::new(line)), ..Known::default() }
    }

    #[test]
    fn who_is_drained_or_not_alive_or_a_witness_fences_nobody() {
        let alive = known(json!({ "state": "alive" }));
        assert!(me(&alive).is_some() && is_anybody_down(&alive));
        let drained = json!({ "state": "alive", "drained": { "reason": "", "since": "" } });
        assert!(me(&known(drained)).is_none());
        assert!(me(&known(json!({ "state": "alive", "witness": true }))).is_none());
        assert!(me(&known(json!({ "state": "down" }))).is_none());
    }

    #[test]
    fn who_is_not_in_scope_or_has_no_weight_would_not_grow() {
        let me = |labels: Value| {
            let known = known(json!({ "state": "alive", "zone": "z1", "labels": labels }));
            super::me(&known).expect("it is alive")
        };
        let scope = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        let proxy = me(json!({ "role": "proxy" }));
        assert!(grows(&proxy, &BTreeMap::new()) && grows(&proxy, &scope("role", "proxy")));
        assert!(grows(&proxy, &scope("zone", "z1")) && !grows(&proxy, &scope("role", "db")));
        assert!(!grows(&me(json!({ "weight": "0" })), &BTreeMap::new()));
        assert!(grows(&me(json!({ "weight": "heavy" })), &BTreeMap::new()), "it counts as 1");
    }
}
