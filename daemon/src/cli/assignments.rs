//! `quorate assign`: items that hosts hold, one each. Asks the daemon's JSON, draws tables, follows what a host holds.

use super::arguments::{
    AskingOptions, AssignCommand, AssignRebalance, AssignmentOptions, CreateOptions, Format,
};
use super::client::{Changes, Client, Line};
use super::definitions::{
    act, end_of_line, fenced_in_words, is_unknown, lapsing_in_words, list, show, show_line,
    with_what_is_said,
};
use super::exit::{Exit, Failure};
use super::format::{Pen, table};
use super::output;
use super::show::query_value;
use super::watching::follow;
use crate::api::TIMEOUT_HEADER;
use crate::api::pages::{
    AssignmentPage, CreatedPage, HeldItemPage, HeldPage, ItemLedgerPage, ItemPage, LapsingPage,
};
use crate::words::time::rfc3339;
use bytes::Bytes;
use quorate_proto::Assignment;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

pub(super) async fn assign(
    client: &Client,
    format: Format,
    command: &AssignCommand,
) -> Result<ExitCode, Failure> {
    match command {
        AssignCommand::Create(options) => create(client, format, options).await,
        AssignCommand::List { ask: options } => {
            let none = "no assignments; `quorate assign create parts --items 3` defines one\n";
            list(format, &all(client, *options).await?, none, draw)
        }
        AssignCommand::Show(assignment) => show(format, &one(client, assignment).await?, draw),
        AssignCommand::Watch { name } => watch(client, format, name).await,
        AssignCommand::Release { item, number, assignment } => {
            let path = format!(
                "/v1/assignments/release?name={}&item={}&number={number}",
                query_value(&assignment.name),
                query_value(item)
            );
            act(client, format, (&assignment.name, assignment.ask), &path).await
        }
        AssignCommand::Remove(assignment) => {
            let path = format!("/v1/assignments/remove?name={}", query_value(&assignment.name));
            act(client, format, (&assignment.name, assignment.ask), &path).await
        }
        AssignCommand::Free { item, number, assignment } => {
            let path = format!(
                "/v1/assignments/free?name={}&item={}&number={number}",
                query_value(&assignment.name),
                query_value(item)
            );
            act(client, format, (&assignment.name, assignment.ask), &path).await
        }
        AssignCommand::Audit(assignment) => audit(client, format, assignment).await,
    }
}

async fn create(
    client: &Client,
    format: Format,
    options: &CreateOptions,
) -> Result<ExitCode, Failure> {
    let CreateOptions { items, item, scope, ttl, rebalance, wait, assignment } = options;
    let rebalance = rebalance.map(|rebalance| match rebalance {
        AssignRebalance::Lazy => "lazy".to_owned(),
        AssignRebalance::Eager => "eager".to_owned(),
        AssignRebalance::Never => "never".to_owned(),
    });
    let path = format!(
        "/v1/assignments?name={}&count={}&items={}&wait={}ms",
        query_value(&assignment.name),
        items.unwrap_or(0),
        query_value(&item.join(",")),
        wait.as_millis()
    );
    let said = [
        ("ttl", ttl.map(|ttl| format!("{}ms", ttl.as_millis()))),
        ("rebalance", rebalance),
        ("scope", (!scope.is_empty()).then(|| query_value(&scope.join(",")))),
    ];
    let path = with_what_is_said(path, &said);
    let timeout = assignment.ask.timeout;
    let millis = timeout.as_millis().max(1).to_string();
    let headers = [(TIMEOUT_HEADER, millis.as_str())];
    let within = timeout.saturating_mul(2).saturating_add(*wait);
    let body = client.post(&path, &headers, Bytes::new(), Changes::Something, within).await?;
    let page: CreatedPage = serde_json::from_slice(&body).map_err(|error| {
        Failure::other(format!("the daemon's answer is not understood: {error}"))
    })?;
    show(format, &page, |page: &CreatedPage| draw(&page.assignment))?;
    match page.held {
        true => Ok(ExitCode::SUCCESS),
        false => Err(Failure::new(Exit::Timeout, "not-held", unheld(&page.assignment))),
    }
}

/// Which items are not held yet, and what they wait for.
pub(super) fn unheld(page: &AssignmentPage) -> String {
    let mut waits: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for item in page.items.iter().filter(|item| !item.is_held()) {
        waits.entry(why(page, item)).or_default().push(&item.item);
    }
    let waits = waits.iter().map(|(why, items)| format!("{} ({why})", items.join(", ")));
    format!(
        "{} is defined, and these items are not held yet: {}. They will be without being asked for again; `quorate why` and `quorate assign show \
         {}` say more",
        page.name,
        waits.collect::<Vec<_>>().join("; "),
        page.name
    )
}

fn why(page: &AssignmentPage, item: &ItemPage) -> String {
    match item.state.as_str() {
        "given" => {
            format!("{} was given it, and has not said that its application was told", item.host)
        }
        "leaving" => format!("{} was asked to let it go", item.host),
        _ if page.waits => "the cluster was founded anew, and waits for one TTL".to_owned(),
        _ => "no host that may hold it is alive, not drained and in scope".to_owned(),
    }
}

async fn all(client: &Client, ask: AskingOptions) -> Result<Vec<AssignmentPage>, Failure> {
    client.get_in("/v1/assignments", ask.timeout).await
}

async fn one(client: &Client, assignment: &AssignmentOptions) -> Result<AssignmentPage, Failure> {
    let mut pages = all(client, assignment.ask).await?;
    let place = pages.iter().position(|page| page.name == assignment.name);
    place.map(|at| pages.swap_remove(at)).ok_or_else(|| unknown(&assignment.name))
}

fn unknown(name: &str) -> Failure {
    Failure::new(Exit::NotFound, "not-found", Assignment::unknown(name))
}

fn draw(page: &AssignmentPage) -> String {
    let held = page.items.iter().filter(|item| item.is_held()).count();
    let mut out = format!("{}: {held} of {} items held", page.name, page.items.len());
    let _ = write!(out, ", {}, ttl {} ms", page.rebalance, page.ttl_ms);
    out.push_str(&end_of_line(&page.scope, page.removing));
    let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let row = |item: &ItemPage| {
        let number = if item.number == 0 { "-".to_owned() } else { item.number.to_string() };
        let (host, address) = (or_none(&item.host), or_none(&item.address));
        vec![item.item.clone(), host, address, number, item.state.clone()]
    };
    let rows: Vec<Vec<String>> = page.items.iter().map(row).collect();
    let pen = Pen { colour: output::colour() };
    let free = |one: &LapsingPage| {
        let (item, number) = (one.item.as_deref().unwrap_or_default(), one.number);
        format!("quorate assign free {} --item {item} --number {number}", page.name)
    };
    out + &table(pen, &["ITEM", "HOST", "ADDRESS", "NUMBER", "STATE"], &rows)
        + &lapsing_in_words(&page.lapsing, 0, free)
}

async fn watch(client: &Client, format: Format, name: &str) -> Result<ExitCode, Failure> {
    if is_unknown(client, "/v1/assignments", |page: &AssignmentPage| page.name == name).await {
        return Err(unknown(name));
    }
    let show = |line: &Line| show_line(format, line, draw_held);
    // An item may be used until its deadline, also while the daemon is away.
    let path = format!("/v1/assignments/watch?name={}", query_value(name));
    follow(client, &path, show, || Ok(())).await
}

pub(super) fn draw_held(page: &HeldPage) -> String {
    if page.items.is_empty() {
        return format!("{}: nothing\n", page.assignment);
    }
    page.items.iter().map(|item| draw_item(&page.assignment, item)).collect()
}

fn draw_item(assignment: &str, item: &HeldItemPage) -> String {
    let HeldItemPage { item: name, number, state, deadline, .. } = item;
    let mut out = format!("{assignment} {name}: number {number}, {state}");
    if let Some(deadline) = deadline {
        let _ = write!(out, " until {deadline}");
    }
    if state == "leaving" {
        out.push_str("; let it go and release it");
    }
    out.push('\n');
    out
}

/// What the ledger proves.
#[derive(Debug, PartialEq, serde::Serialize)]
pub(super) struct Audit {
    pub(super) assignment: String,
    /// Changes that were looked at, from the first to the last.
    pub(super) changes: usize,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    /// Numbers of grants that were given before another of the same item was freed, or that did not grow.
    pub(super) doubled: Vec<u64>,
    /// Grants that were freed because their use was ended from outside.
    pub(super) fenced: Vec<u64>,
}

async fn audit(
    client: &Client,
    format: Format,
    assignment: &AssignmentOptions,
) -> Result<ExitCode, Failure> {
    // An assignment that is not there has no ledger, which would prove everything.
    one(client, assignment).await?;
    let path = format!("/v1/assignments/ledger?name={}", query_value(&assignment.name));
    let lines: Vec<ItemLedgerPage> = client.get_in(&path, assignment.ask.timeout).await?;
    let audit = judged(&assignment.name, &lines);
    show(format, &audit, draw_audit)?;
    match audit.doubled.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => {
            let text = format!("an item of {} had two holders", assignment.name);
            Err(Failure::new(Exit::Error, "doubled", text))
        }
    }
}

/// Judges a ledger, oldest change first. Of an item whose first change is not in it nothing is known before.
pub(super) fn judged(assignment: &str, lines: &[ItemLedgerPage]) -> Audit {
    let mut held: BTreeMap<&str, (&str, u64)> = BTreeMap::new();
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    let mut doubled = Vec::new();
    for ItemLedgerPage { item, step, .. } in lines {
        let (name, number) = (item.item.as_str(), item.number);
        let before = held.get(name).copied();
        let fits = match step.as_str() {
            "give" => before.is_none() && newest.get(name).is_none_or(|newest| *newest < number),
            "take-over" => {
                before.is_none_or(|(holder, before)| holder == item.instance && before < number)
            }
            _ => before.is_none_or(|(holder, before)| holder == item.instance && before == number),
        };
        if !fits {
            doubled.push(number);
        }
        match step.as_str() {
            "release" | "lapse" | "fenced" => held.remove(name),
            _ => held.insert(name, (&item.instance, number)),
        };
        newest.insert(name, number);
    }
    let time = |line: Option<&ItemLedgerPage>| line.map(|line| rfc3339(line.at_unix_ms));
    Audit {
        assignment: assignment.to_owned(),
        changes: lines.len(),
        from: time(lines.first()),
        to: time(lines.last()),
        doubled,
        fenced: lines.iter().filter(|it| it.step == "fenced").map(|it| it.item.number).collect(),
    }
}

fn draw_audit(audit: &Audit) -> String {
    let (Some(from), Some(to)) = (&audit.from, &audit.to) else {
        return format!("{}: nothing was given yet\n", audit.assignment);
    };
    let verdict = match audit.doubled.is_empty() {
        true => "no item was given before it was free, and each number is above the one before",
        false => "AN ITEM HAD TWO HOLDERS",
    };
    let fenced = fenced_in_words(&audit.fenced);
    let (name, changes) = (&audit.assignment, audit.changes);
    format!("{name}: {changes} changes from {from} to {to}: {verdict}\n{fenced}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(item: &str, step: &str, instance: &str, number: u64) -> ItemLedgerPage {
        let (item, instance) = (item.to_owned(), instance.to_owned());
        let item = ItemPage { item, instance, number, ..ItemPage::default() };
        ItemLedgerPage { item, step: step.to_owned(), ..ItemLedgerPage::default() }
    }

    #[test]
    fn an_audit_finds_an_item_that_was_given_before_it_was_free() {
        let sound = [
            line("0", "hold", "a", 2),
            line("0", "leave", "a", 2),
            line("0", "release", "a", 2),
            line("0", "give", "b", 5),
            line("1", "give", "a", 6),
            line("0", "take-over", "b", 7),
            line("0", "lapse", "b", 7),
            line("0", "give", "a", 9),
            line("0", "fenced", "a", 9),
            line("0", "give", "b", 12),
        ];
        let audit = judged("p", &sound);
        assert!(audit.doubled.is_empty() && audit.fenced == [9], "{audit:?}");
        let doubled = |lines: &[ItemLedgerPage]| judged("p", lines).doubled;
        assert_eq!(doubled(&[line("0", "give", "a", 2), line("0", "give", "b", 3)]), [3]);
        assert_eq!(doubled(&[line("0", "give", "a", 2), line("0", "take-over", "b", 3)]), [3]);
        let falls = [line("0", "lapse", "a", 5), line("0", "give", "b", 4)];
        assert_eq!(doubled(&falls), [4], "a fencing token grows");
    }

    #[test]
    fn items_that_are_not_held_are_named_with_what_they_wait_for() {
        let item = |item: &str, host: &str, state: &str| {
            let [item, host, state] = [item, host, state].map(str::to_owned);
            ItemPage { item, host, state, ..ItemPage::default() }
        };
        let items = vec![
            item("0", "n1", "held"),
            item("1", "n2", "given"),
            item("2", "", "free"),
            item("3", "", "free"),
        ];
        let page = AssignmentPage { name: "p".to_owned(), items, ..AssignmentPage::default() };
        let text = unheld(&page);
        for part in ["1 (n2 was given it", "2, 3 (no host", "p is defined"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("0 ("), "{text}");
    }

    #[test]
    fn what_a_host_holds_is_told_with_numbers_and_until_when() {
        let item = |state: &str, deadline: Option<&str>| HeldItemPage {
            item: "vip".to_owned(),
            number: 7,
            state: state.to_owned(),
            deadline_boottime_ms: Some(5),
            deadline: deadline.map(str::to_owned),
        };
        let assignment = "p".to_owned();
        let items = vec![item("leaving", Some("2026-11-29T22:00:00Z"))];
        assert_eq!(
            draw_held(&HeldPage { assignment: assignment.clone(), items, ..HeldPage::default() }),
            "p vip: number 7, leaving until 2026-11-29T22:00:00Z; let it go and release it\n"
        );
        assert_eq!(draw_held(&HeldPage { assignment, ..HeldPage::default() }), "p: nothing\n");
    }
}
