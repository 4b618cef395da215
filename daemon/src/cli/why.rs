//! `quorate why`: what is wrong here, since when, what it means and what helps, in plain sentences. Pure but for the
//! asking: page in, findings out, text out.

use super::absent;
use super::arguments::Format;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::format::{Paint, Pen};
use super::output;
use crate::api::pages::StatusPage;
use crate::api::pages::findings::{Finding, findings, sort};
use crate::clock::wall_unix_ms;
use crate::hooks::state;
use crate::words::time::{rfc3339, short_time};
use std::fmt::Write as _;
use std::process::ExitCode;

/// `quorate why`.
pub(super) async fn why(client: &Client, format: Format) -> Result<ExitCode, Failure> {
    // Where the loop is too busy to tell of its links, the rest is told.
    let page: StatusPage = match client.get("/v1/status?links=1").await {
        Ok(page) => page,
        Err(failure) if failure.exit != Exit::Unreachable => client.get("/v1/status").await?,
        Err(_) if absent::is_absent(client) => return without_daemon(client, format),
        Err(failure) => return Err(failure),
    };
    let mut findings = findings(&page);
    findings.extend(state::failing(client.path()).iter().map(Finding::of));
    sort(&mut findings);
    match format {
        Format::Json => output::json(&serde_json::json!({
            "state": page.state, "findings": findings,
        }))?,
        Format::Table => {
            let pen = Pen { colour: output::colour() };
            output::text(&render(&page, &findings, pen, &rfc3339(wall_unix_ms())))?;
        }
    }
    let quorate = page.state == "quorate";
    Ok(if quorate { ExitCode::SUCCESS } else { Exit::NotQuorate.into() })
}

/// What can be known where no daemon answers.
fn without_daemon(client: &Client, format: Format) -> Result<ExitCode, Failure> {
    let findings = absent::findings(client);
    match format {
        Format::Json => {
            output::json(&serde_json::json!({ "state": "unreachable", "findings": findings }))?;
        }
        Format::Table => {
            let pen = Pen { colour: output::colour() };
            output::text(&render(&StatusPage::default(), &findings, pen, ""))?;
        }
    }
    Ok(Exit::Unreachable.into())
}

/// The text of `why`.
pub(super) fn render(page: &StatusPage, findings: &[Finding], pen: Pen, now: &str) -> String {
    let mut out = summary(page, pen);
    for finding in findings {
        let since = match finding.since.as_str() {
            "" => String::new(),
            since => format!(" (since {})", short_time(since, now)),
        };
        let text = finding.text.replace(char::is_control, "?");
        // A name keeps its own first letter: it may be typed into a command as it stands here.
        let subject = |subject: &String| text.starts_with(subject);
        let named =
            begins_with_a_name(&text, page) || finding.subject.as_ref().is_some_and(subject);
        let text = if named { ended(&text) } else { sentence(&text) };
        let _ = write!(out, "\n{}{since}\n", pen.paint(Paint::Bold, &text));
        if !finding.meaning.is_empty() {
            let _ = writeln!(out, "  {}", sentence(&finding.meaning));
        }
        if !finding.remedy.is_empty() {
            let remedy = finding.remedy.replace(char::is_control, "?");
            let _ = writeln!(out, "  What helps: {remedy}");
        }
    }
    if findings.is_empty() && page.state == "quorate" {
        out.push_str("Nothing is wrong.\n");
    }
    out
}

fn summary(page: &StatusPage, pen: Pen) -> String {
    let alive = page.members.iter().filter(|member| member.state == "alive").count();
    let (node, cluster) = (&page.node.name, &page.cluster);
    match page.state.as_str() {
        "quorate" => format!(
            "{node} is {} in cluster {cluster}: {} leads, {alive} of {} members are alive.\n",
            pen.paint(Paint::Good, "quorate"),
            page.leader.as_deref().unwrap_or("nobody"),
            page.members.len(),
        ),
        "no-quorum" => format!(
            "{node} is in cluster {cluster}, which has {} as seen from here.\n",
            pen.paint(Paint::Bad, "no leader with a majority")
        ),
        "joining" => format!(
            "{node} knows cluster {cluster} and is {}.\n",
            pen.paint(Paint::Middling, "not yet let in")
        ),
        "" => "No daemon answers on this host.\n".to_owned(),
        _ => format!(
            "{node} {} cluster {cluster} to be founded or found.\n",
            pen.paint(Paint::Middling, "waits for")
        ),
    }
}

fn begins_with_a_name(text: &str, page: &StatusPage) -> bool {
    let word = text.split([' ', ',', ':']).next().unwrap_or_default();
    let members = page.members.iter().map(|member| &member.name);
    let mut names = members.chain(page.revoked.iter().map(|revoked| &revoked.name));
    page.node.name == word || names.any(|name| name == word)
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    ended(&format!("{first}{}", letters.as_str()))
}

/// With a full stop.
fn ended(text: &str) -> String {
    let end = if text.ends_with(['.', '!', '?', '`']) { "" } else { "." };
    format!("{text}{end}")
}
