//! `quorate budget`: a number that hosts divide among themselves. Asks the daemon's JSON, draws tables, follows a share.

use super::arguments::{
    AskingOptions, BudgetCommand, BudgetMode, Format, NamedOptions, QuorumLoss, SetOptions,
};
use super::client::{Client, Line};
use super::definitions::{
    LOOK, act, end_of_line, fenced_in_words, is_unknown, lapsing_in_words, list, show, show_line,
    with_what_is_said,
};
use super::exit::{Exit, Failure};
use super::format::{Pen, table};
use super::output;
use super::show::query_value;
use super::watching::follow;
use crate::api::pages::{BudgetPage, GrantPage, LapsingPage, LedgerPage, SharePage, TotalPage};
use crate::words::time::rfc3339;
use quorate_proto::Budget;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

pub(super) async fn budget(
    client: &Client,
    format: Format,
    command: &BudgetCommand,
) -> Result<ExitCode, Failure> {
    match command {
        BudgetCommand::Set(options) => set(client, format, options).await,
        BudgetCommand::List { ask: options } => {
            let none = "no budgets; `quorate budget set connections --max 30` defines one\n";
            list(format, &all(client, *options).await?, none, draw)
        }
        BudgetCommand::Show(budget) => show(format, &one(client, budget).await?, draw),
        BudgetCommand::Watch { name } => watch(client, format, name).await,
        BudgetCommand::Ack { number, in_use, budget } => {
            let path = format!(
                "/v1/budgets/acknowledge?name={}&number={number}&in_use={in_use}",
                query_value(&budget.name)
            );
            act(client, format, (&budget.name, budget.ask), &path).await
        }
        BudgetCommand::Remove(budget) => {
            let path = format!("/v1/budgets/remove?name={}", query_value(&budget.name));
            act(client, format, (&budget.name, budget.ask), &path).await
        }
        BudgetCommand::Free { holder, number, budget } => {
            let path = format!(
                "/v1/budgets/free?name={}&holder={}&number={number}",
                query_value(&budget.name),
                query_value(holder)
            );
            act(client, format, (&budget.name, budget.ask), &path).await
        }
        BudgetCommand::Audit(budget) => audit(client, format, budget).await,
    }
}

async fn set(client: &Client, format: Format, options: &SetOptions) -> Result<ExitCode, Failure> {
    let SetOptions { max, min, ttl, mode, reserve, scope, classes, budget, .. } = options;
    let on_quorum_loss = options.on_quorum_loss.map(|word| match word {
        QuorumLoss::Hold => "hold".to_owned(),
        QuorumLoss::Local => "local".to_owned(),
    });
    let mode = mode.map(|mode| match mode {
        BudgetMode::Strict => "strict".to_owned(),
        BudgetMode::Eager => "eager".to_owned(),
    });
    let path = format!("/v1/budgets?name={}&max={max}", query_value(&budget.name));
    let said = [
        ("min", min.map(|min| min.to_string())),
        ("ttl", ttl.map(|ttl| format!("{}ms", ttl.as_millis()))),
        ("mode", mode),
        ("reserve", reserve.map(|reserve| reserve.to_string())),
        ("on_quorum_loss", on_quorum_loss),
        ("fence", options.fence.as_deref().map(query_value)),
        ("scope", (!scope.is_empty()).then(|| query_value(&scope.join(",")))),
        ("classes", (!classes.is_empty()).then(|| query_value(&classes.join(",")))),
    ];
    act(client, format, (&budget.name, budget.ask), &with_what_is_said(path, &said)).await
}

async fn all(client: &Client, ask: AskingOptions) -> Result<Vec<BudgetPage>, Failure> {
    client.get_in("/v1/budgets", ask.timeout).await
}

async fn one(client: &Client, budget: &NamedOptions) -> Result<BudgetPage, Failure> {
    let pages = all(client, budget.ask).await?;
    let page = pages.iter().find_map(|page| page.named(&budget.name));
    page.cloned().ok_or_else(|| unknown(&budget.name))
}

/// Why nobody has one share of this name, in words; nothing where nobody can say what there is.
pub(super) async fn no_share(client: &Client, name: &str) -> Option<String> {
    let pages: Vec<BudgetPage> = client.get_in("/v1/budgets", LOOK).await.ok()?;
    match pages.iter().find_map(|page| page.named(name)) {
        None => Some(Budget::unknown(name)),
        Some(page) if page.classes.is_empty() => None,
        Some(page) => {
            let names: Vec<&str> = page.classes.iter().map(|it| it.name.as_str()).collect();
            Some(format!("{name} has classes, each with its share: {}", names.join(", ")))
        }
    }
}

fn unknown(name: &str) -> Failure {
    Failure::new(Exit::NotFound, "not-found", Budget::unknown(name))
}

fn draw(page: &BudgetPage) -> String {
    let mut out = format!("{}: {} of {} granted, {}", page.name, page.granted, page.max, page.mode);
    let _ = write!(out, ", ttl {} ms", page.ttl_ms);
    for (word, number) in [("min", page.min), ("reserve", page.reserve)] {
        if number > 0 {
            let _ = write!(out, ", {word} {number}");
        }
    }
    if !page.on_quorum_loss.is_empty() {
        let _ = write!(out, ", {} without a quorum behind {}", page.on_quorum_loss, page.fence);
    }
    out.push_str(&end_of_line(&page.scope, page.removing));
    if page.classes.is_empty() {
        return out + &draw_grants(page);
    }
    let row = |total: &TotalPage| {
        vec![total.host.clone(), total.share.to_string(), total.counted.to_string()]
    };
    let rows: Vec<Vec<String>> = page.totals.iter().map(row).collect();
    if !rows.is_empty() {
        out.push_str(&table(
            Pen { colour: output::colour() },
            &["HOST", "SHARE", "COUNTED"],
            &rows,
        ));
    }
    for class in &page.classes {
        let BudgetPage { name, granted, max, removing, .. } = class;
        let _ = write!(out, "\n{name}: {granted} of {max} granted");
        out.push_str(&end_of_line(&BTreeMap::new(), *removing));
        out.push_str(&draw_grants(class));
    }
    out
}

fn draw_grants(page: &BudgetPage) -> String {
    if page.grants.is_empty() {
        return String::new();
    }
    let row = |grant: &GrantPage| {
        let numbers = [grant.share, grant.counted, grant.number].map(|it| it.to_string());
        [vec![grant.host.clone()], numbers.to_vec()].concat()
    };
    let rows: Vec<Vec<String>> = page.grants.iter().map(row).collect();
    let pen = Pen { colour: output::colour() };
    let free = |one: &LapsingPage| {
        let LapsingPage { host, number, .. } = one;
        format!("quorate budget free {} --holder {host} --number {number}", page.name)
    };
    table(pen, &["HOST", "SHARE", "COUNTED", "NUMBER"], &rows)
        + &lapsing_in_words(&page.lapsing, page.reserve, free)
}

async fn watch(client: &Client, format: Format, name: &str) -> Result<ExitCode, Failure> {
    if is_unknown(client, "/v1/budgets", |page: &BudgetPage| page.named(name).is_some()).await {
        return Err(unknown(name));
    }
    let show = |line: &Line| show_line(format, line, draw_share);
    // A share may be used until its deadline, also while the daemon is away.
    let path = format!("/v1/budgets/watch?name={}&classes=true", query_value(name));
    follow(client, &path, show, || Ok(())).await
}

pub(super) fn draw_share(page: &SharePage) -> String {
    let mut out = format!("{}: {}", page.budget, page.amount);
    match page.state.as_str() {
        "none" => out.push_str(", no share"),
        state => {
            let _ = write!(out, ", number {}, {state}", page.number);
        }
    }
    if let Some(deadline) = &page.deadline {
        let _ = write!(out, " until {deadline}");
    }
    if !page.source.is_empty() {
        let SharePage { source, source_since, source_reason, .. } = page;
        let _ = write!(out, "; {source} since {source_since}: {source_reason}");
    }
    if page.acknowledge {
        out.push_str("; acknowledge it");
    }
    out.push('\n');
    out
}

/// What the ledger proves.
#[derive(Debug, PartialEq, serde::Serialize)]
pub(super) struct Audit {
    pub(super) budget: String,
    /// Changes that were looked at, from the first to the last.
    pub(super) changes: usize,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    /// Changes that granted more than there was, other than what was granted before `max` was lowered.
    pub(super) exceeded: Vec<u64>,
    /// Changes whose grants do not add up to what they say was granted in all.
    pub(super) differing: Vec<u64>,
    /// The change with which most was granted of what there was.
    pub(super) tightest: Option<LedgerPage>,
    /// Grants that were freed because their use was ended from outside.
    pub(super) fenced: Vec<u64>,
}

async fn audit(
    client: &Client,
    format: Format,
    budget: &NamedOptions,
) -> Result<ExitCode, Failure> {
    // A budget that is not there has no ledger, which would prove everything.
    let page = one(client, budget).await?;
    let mut audits = Vec::new();
    let classes = page.classes.iter().map(|class| class.name.as_str());
    let names: Vec<&str> =
        if page.classes.is_empty() { vec![&page.name] } else { classes.collect() };
    for name in names {
        let path = format!("/v1/budgets/ledger?name={}", query_value(name));
        let lines: Vec<LedgerPage> = client.get_in(&path, budget.ask.timeout).await?;
        audits.push(judged(name, &lines));
    }
    match (audits.as_slice(), page.classes.is_empty()) {
        ([audit], true) => show(format, audit, draw_audit)?,
        (audits, _) => list(format, audits, "", draw_audit)?,
    };
    let sound = |it: &&Audit| it.exceeded.is_empty() && it.differing.is_empty();
    let Some(audit) = audits.iter().find(|it| !sound(it)) else {
        return Ok(ExitCode::SUCCESS);
    };
    let text = match audit.exceeded.is_empty() {
        true => format!("the ledger of {} does not add up", audit.budget),
        false => format!("more was granted of {} than there was", audit.budget),
    };
    Err(Failure::new(Exit::Error, "exceeded", text))
}

/// The changes whose grants add up to more than they say. A command's changes stand side by side with one sum, that of all of them; of a
/// holder whose last change is older than the ledger nothing is known, so the grants that are known may add up to less.
fn differing(lines: &[LedgerPage]) -> Vec<u64> {
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    let mut differing = Vec::new();
    for command in
        lines.chunk_by(|one, next| (one.granted, one.at_unix_ms) == (next.granted, next.at_unix_ms))
    {
        counted.extend(command.iter().map(|it| (it.grant.instance.as_str(), it.grant.counted)));
        let sum: u64 = counted.values().sum();
        differing.extend(command.last().filter(|it| sum > it.granted).map(|it| it.grant.number));
    }
    differing
}

/// Judges a ledger, oldest change first. What a change finds granted above `max`, because that was lowered, may only fall.
pub(super) fn judged(budget: &str, lines: &[LedgerPage]) -> Audit {
    let mut exceeded = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| lines[before].granted);
        let falls = before.is_none_or(|before| line.granted <= before);
        if line.granted > line.max && !falls {
            exceeded.push(line.grant.number);
        }
    }
    let slack = |line: &&LedgerPage| line.max.saturating_sub(line.granted);
    let time = |line: Option<&LedgerPage>| line.map(|line| rfc3339(line.at_unix_ms));
    Audit {
        budget: budget.to_owned(),
        changes: lines.len(),
        from: time(lines.first()),
        to: time(lines.last()),
        exceeded,
        differing: differing(lines),
        tightest: lines.iter().min_by_key(slack).cloned(),
        fenced: lines.iter().map(|line| line.fenced).filter(|number| *number > 0).collect(),
    }
}

fn draw_audit(audit: &Audit) -> String {
    let (Some(from), Some(to), Some(tightest)) = (&audit.from, &audit.to, &audit.tightest) else {
        return format!("{}: nothing was granted yet\n", audit.budget);
    };
    let verdict = match audit.exceeded.is_empty() {
        true if !audit.differing.is_empty() => {
            format!("the grants do not add up to what is said of {:?}", audit.differing)
        }
        true => "none granted more than there was".to_owned(),
        false => format!("MORE THAN THERE WAS was granted by {:?}", audit.exceeded),
    };
    let LedgerPage { grant, granted, max, at_unix_ms, .. } = tightest;
    let fenced = fenced_in_words(&audit.fenced);
    format!(
        "{}: {} changes from {from} to {to}: {verdict}\ntightest: {granted} of {max} at {}, with grant {} of {}\n{fenced}",
        audit.budget,
        audit.changes,
        rfc3339(*at_unix_ms),
        grant.number,
        grant.host
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64, granted: u64, max: u64) -> LedgerPage {
        let mut line = LedgerPage { granted, max, ..LedgerPage::default() };
        line.grant.number = number;
        line
    }

    #[test]
    fn an_audit_names_what_exceeded_and_the_tightest_change() {
        let sound = [line(1, 15, 30), line(2, 30, 30), line(3, 29, 30)];
        let audit = judged("pg", &sound);
        assert!(audit.exceeded.is_empty());
        assert_eq!(audit.tightest.map(|line| line.grant.number), Some(2));
        let lowered = [line(1, 30, 30), line(2, 25, 20), line(3, 20, 20)];
        assert!(judged("pg", &lowered).exceeded.is_empty(), "it only fell");
        let over = [line(1, 30, 30), line(2, 31, 30)];
        assert_eq!(judged("pg", &over).exceeded, [2]);
    }

    #[test]
    fn an_audit_adds_up_the_grants_itself() {
        let grant = |number, host: &str, counted, granted, at_unix_ms| {
            let mut line = LedgerPage { granted, max: 30, at_unix_ms, ..LedgerPage::default() };
            (line.grant.number, line.grant.counted) = (number, counted);
            line.grant.instance = host.to_owned();
            line
        };
        // The second command shrinks one and grows the other.
        let mut lines = vec![
            grant(1, "a", 30, 30, 1),
            grant(2, "a", 15, 30, 2),
            grant(3, "b", 15, 30, 2),
            grant(4, "b", 0, 15, 3),
        ];
        assert!(judged("pg", &lines).differing.is_empty());
        lines.push(grant(5, "b", 15, 16, 4));
        assert_eq!(judged("pg", &lines).differing, [5], "15 and 15 are no 16");
    }

    #[test]
    fn a_budget_with_classes_is_drawn_with_what_each_host_has_of_all_and_then_class_by_class() {
        let class = |class: &str, max, share| {
            let grant =
                GrantPage { host: "n1".to_owned(), share, counted: share, ..GrantPage::default() };
            let (name, family) = (Budget::class_name("pg", class), "pg".to_owned());
            let (granted, grants) = (share, vec![grant]);
            BudgetPage { name, family, max, whole: 30, granted, grants, ..BudgetPage::default() }
        };
        let classes = vec![class("app", 20, 20), class("report", 10, 9)];
        let page = BudgetPage::of_classes(classes).expect("there are two");
        let drawn = draw(&page);
        let lines: Vec<String> = drawn
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(lines[0], "pg: 29 of 30 granted, , ttl 0 ms");
        assert_eq!(lines[1..3], ["HOST SHARE COUNTED", "n1 29 29"]);
        assert_eq!(lines[3..5], ["", "pg:app: 20 of 20 granted"]);
        assert!(drawn.contains("\npg:report: 9 of 10 granted\n"), "{drawn}");
    }

    #[test]
    fn a_share_is_told_with_its_number_and_until_when() {
        let page = SharePage {
            reserve: 0,
            boot_id: String::new(),
            budget: "pg".to_owned(),
            state: "held".to_owned(),
            amount: 15,
            number: 7,
            deadline_boottime_ms: Some(5),
            deadline: Some("2026-11-29T22:00:00Z".to_owned()),
            acknowledge: true,
            ..SharePage::default()
        };
        assert_eq!(
            draw_share(&page),
            "pg: 15, number 7, held until 2026-11-29T22:00:00Z; acknowledge it\n"
        );
        let alone = SharePage {
            acknowledge: false,
            source: "local".to_owned(),
            source_since: "2026-11-29T21:00:00Z".to_owned(),
            source_reason: "there is no quorum".to_owned(),
            ..page
        };
        assert_eq!(
            draw_share(&alone),
            "pg: 15, number 7, held until 2026-11-29T22:00:00Z; local since 2026-11-29T21:00:00Z: there is no quorum\n"
        );
        let none =
            SharePage { budget: "pg".to_owned(), state: "none".to_owned(), ..SharePage::default() };
        assert_eq!(draw_share(&none), "pg: 0, no share\n");
    }
}
