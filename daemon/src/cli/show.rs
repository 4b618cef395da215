//! `status`, `members`: one answer, drawn. Drawing is pure: page in, text out.

use super::absent;
use super::arguments::Format;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::feature;
use super::format::{Paint, Pen, paint_of, table};
use super::output;
use super::revoked::in_a_line;
use super::secrets::in_status;
use crate::api::pages::{GivenUpPage, MarginPage, MemberPage, StatusPage};
use crate::clock::wall_unix_ms;
use crate::links::table::draw_links;
use crate::words::time::{rfc3339, short_time};
use std::fmt::Write as _;
use std::process::ExitCode;

/// `quorate status`.
pub(super) async fn status(
    client: &Client,
    format: Format,
    links: bool,
) -> Result<ExitCode, Failure> {
    let path = if links { "/v1/status?links=1" } else { "/v1/status" };
    let page: StatusPage = client.get(path).await.map_err(|failure| explained(failure, client))?;
    match format {
        Format::Json => output::json(&page)?,
        Format::Table => {
            let pen = Pen { colour: output::colour() };
            output::text(&draw_status(&page, pen, &rfc3339(wall_unix_ms())))?;
        }
    }
    let quorate = page.state == "quorate";
    Ok(if quorate { ExitCode::SUCCESS } else { Exit::NotQuorate.into() })
}

/// Where no daemon answers: with what is known of the cause.
fn explained(failure: Failure, client: &Client) -> Failure {
    if !failure.is_unreachable() || !absent::is_absent(client) {
        return failure;
    }
    let known: Vec<String> = absent::findings(client)
        .iter()
        .map(|finding| format!("{}. What helps: {}", finding.text, finding.remedy))
        .collect();
    Failure { text: known.join("\n"), ..failure }
}

/// `quorate members`.
pub(super) async fn members(
    client: &Client,
    format: Format,
    wide: bool,
) -> Result<ExitCode, Failure> {
    let page: StatusPage = client.get("/v1/status").await?;
    match format {
        Format::Json => output::json(&page.members)?,
        Format::Table => {
            let pen = Pen { colour: output::colour() };
            let now = rfc3339(wall_unix_ms());
            let draw = if wide { draw_members_wide } else { draw_members };
            let mut text = draw(&page.members, pen, &now);
            if let Some(revoked) = in_a_line(&page.revoked) {
                let _ = writeln!(text, "revoked: {revoked}");
            }
            output::text(&text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A value inside a query: all but letters, digits and a few marks as %XX.
pub(crate) fn query_value(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The table of `status`.
pub(super) fn draw_status(page: &StatusPage, pen: Pen, now: &str) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: String| {
        let _ = writeln!(out, "{:<10} {text}", name);
    };
    let id = page.cluster_id.as_deref().unwrap_or("not founded yet");
    line("cluster", format!("{} ({id})", page.cluster));
    line("state", pen.paint(paint_of(&page.state), &page.state));
    let node = &page.node;
    let role = as_witness(node.role.as_deref().unwrap_or("not let in yet"), node.witness);
    line("node", format!("{}, {role}, {}/{}", node.name, node.instance, node.generation));
    line("feature", feature::in_words(&page.feature));
    let leader = page.leader.as_deref().unwrap_or("none");
    line("leader", format!("{leader}, term {}, {} seen elected", page.term, page.elections));
    line(
        "numbers",
        format!(
            "revision {}, epoch {}, commit {}, applied {}, hash {}",
            page.revision, page.health_epoch, page.commit, page.applied, page.state_hash
        ),
    );
    if let Some(pace) = &page.pace {
        line("pace", pace.in_words());
    }
    let revoked = in_a_line(&page.revoked).map(|text| ("revoked", text));
    let secret = page.secret.as_ref().and_then(in_status).map(|text| ("secret", text));
    for (name, text) in revoked.into_iter().chain(secret) {
        line(name, text);
    }
    if let Some(margin) = &page.margin {
        let paint = if margin.alarm { Paint::Bad } else { Paint::Plain };
        line("margin", pen.paint(paint, &margin_in_words(margin)));
    }
    if let Some(autopilot) = &page.autopilot {
        let text = match autopilot.does.as_str() {
            "nothing" => autopilot.why.clone(),
            does => format!("{does}: {}", autopilot.why),
        };
        line("autopilot", text);
    }
    for reason in &page.waiting_for {
        line("waiting", pen.paint(Paint::Middling, &reason.text));
    }
    for opinion in &page.opinions {
        line("opinion", format!("{} is {}: {}", opinion.name, opinion.verdict, opinion.reason));
    }
    for given_up in page.given_up.iter().flatten() {
        let GivenUpPage { peer, lane, cause, frames } = given_up;
        line("given up", format!("{frames} frames to {peer}, lane {lane}: {cause}"));
    }
    if !page.waiting_for.is_empty() {
        line("", "`quorate why` says what helps".to_owned());
    }
    if !page.members.is_empty() {
        let _ = write!(out, "\n{}", draw_members(&page.members, pen, now));
    }
    if let Some(links) = &page.links {
        let _ = write!(out, "\n{}", draw_links(links, pen));
    }
    out
}

fn margin_in_words(margin: &MarginPage) -> String {
    let MarginPage { disks, known, slots, .. } = margin;
    let may = match disks {
        0 => "keep every founder disk: were one lost, a second cluster could be founded".to_owned(),
        1 => "1 founder disk may be lost, and no second cluster can be founded".to_owned(),
        disks => format!(
            "{disks} founder disks may be lost at once, and no second cluster can be founded"
        ),
    };
    format!("{may} ({known} of {slots} seeds know this one)")
}

/// A role, with what else its host is for.
fn as_witness(role: &str, witness: bool) -> String {
    if witness { format!("{role}, witness") } else { role.to_owned() }
}

/// The table of `members`.
pub(super) fn draw_members(members: &[MemberPage], pen: Pen, now: &str) -> String {
    let rows: Vec<Vec<String>> = members.iter().map(|member| member_row(member, now)).collect();
    table(pen, &["NAME", "ROLE", "STATE", "ADDRESS", "EPOCH", "SINCE", "REASON"], &rows)
}

fn member_row(member: &MemberPage, now: &str) -> Vec<String> {
    let role = as_witness(&member.role, member.witness);
    let role = if member.leader { format!("{role}, leads") } else { role };
    let state = match &member.drained {
        Some(_) => format!("{}, drained", member.state),
        None => member.state.clone(),
    };
    let reason = match member.drained.as_ref().map(|drained| drained.reason.as_str()) {
        Some(what_for) if !what_for.is_empty() => format!("{}; drained: {what_for}", member.reason),
        _ => member.reason.clone(),
    };
    vec![
        member.name.clone(),
        role,
        state,
        member.address.map_or_else(|| "-".to_owned(), |address| address.to_string()),
        member.since_epoch.to_string(),
        short_time(&member.since, now),
        reason,
    ]
}

/// The table of `members --wide`.
pub(super) fn draw_members_wide(members: &[MemberPage], pen: Pen, now: &str) -> String {
    let head = [
        "NAME", "ROLE", "STATE", "ADDRESS", "VERSION", "ZONE", "LABELS", "EPOCH", "SINCE", "REASON",
    ];
    let or_dash = |text: Option<&String>| text.cloned().unwrap_or_else(|| "-".to_owned());
    let row = |member: &MemberPage| {
        let mut row = member_row(member, now);
        let labels: Vec<String> =
            member.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let labels = Some(labels.join(",")).filter(|labels| !labels.is_empty());
        let more = [member.version.as_ref(), member.zone.as_ref(), labels.as_ref()].map(or_dash);
        row.splice(4..4, more);
        row
    };
    table(pen, &head, &members.iter().map(row).collect::<Vec<_>>())
}
