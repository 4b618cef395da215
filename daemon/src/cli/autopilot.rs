//! `quorate autopilot`: what it does with the voters and why, and its pause. Drawing is pure: page in, text out.

use super::acts::{ask, tell};
use super::arguments::{AutopilotCommand, AutopilotOptions, Format};
use super::client::Client;
use super::exit::Failure;
use super::format::{Paint, Pen, table};
use super::output;
use super::show::query_value;
use crate::api::pages::AutopilotPage;
use crate::api::pages::autopilot::AutopilotHostPage;
use std::fmt::Write as _;
use std::process::ExitCode;

pub(super) async fn autopilot(
    client: &Client,
    format: Format,
    options: &AutopilotOptions,
) -> Result<ExitCode, Failure> {
    let path = match &options.command {
        None => return show(client, format, options).await,
        Some(AutopilotCommand::Pause { reason }) => {
            format!("/v1/autopilot/pause?reason={}", query_value(reason))
        }
        Some(AutopilotCommand::Resume) => "/v1/autopilot/resume".to_owned(),
    };
    let page = ask(client, &path, options.timeout).await?;
    tell(format, &page, &format!("the autopilot {}", said(&page.text)))
}

/// `paused` is a state, `goes on` is what it does.
fn said(text: &str) -> String {
    if text.starts_with("paused") { format!("is {text}") } else { text.to_owned() }
}

async fn show(
    client: &Client,
    format: Format,
    options: &AutopilotOptions,
) -> Result<ExitCode, Failure> {
    let page: AutopilotPage = client.get_in("/v1/autopilot", options.timeout).await?;
    match format {
        Format::Json => output::json(&page)?,
        Format::Table => output::text(&draw(&page, Pen { colour: output::colour() }))?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn draw(page: &AutopilotPage, pen: Pen) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: &str| {
        let _ = writeln!(out, "{name:<10} {text}");
    };
    line("target", &format!("{} ({})", page.target, page.rule));
    if let Some(pause) = &page.paused {
        let colon = if pause.reason.is_empty() { "" } else { ": " };
        let text = format!("since {}{colon}{}", pause.since, pause.reason);
        line("paused", &pen.paint(Paint::Middling, &text));
    }
    line("does", &page.does);
    line("why", &page.why);
    for (number, change) in page.would_change.iter().enumerate() {
        line(if number == 0 { "changes if" } else { "" }, change);
    }
    let rows: Vec<Vec<String>> = page.hosts.iter().map(row).collect();
    let head = ["NAME", "ROLE", "STATE", "GONE", "ZONE", "SEED", "LOG"];
    let _ = write!(out, "\n{}", table(pen, &head, &rows));
    out
}

fn row(host: &AutopilotHostPage) -> Vec<String> {
    let state = if host.drained { format!("{}, drained", host.state) } else { host.state.clone() };
    let gone = host.gone_seconds.map(|seconds| {
        let lost = if host.lost { ", for good" } else { "" };
        format!("{seconds} s{lost}")
    });
    let log = match host.role.as_str() {
        "standby" if host.caught_up => "caught up",
        "standby" => "behind",
        _ => "-",
    };
    let dash = || "-".to_owned();
    vec![
        host.name.clone(),
        if host.witness { format!("{}, witness", host.role) } else { host.role.clone() },
        state,
        gone.unwrap_or_else(dash),
        host.zone.clone().unwrap_or_else(dash),
        if host.seed { "seed".to_owned() } else { dash() },
        log.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::pages::autopilot::PausePage;

    #[test]
    fn what_it_does_and_why_comes_before_the_hosts_that_it_decides_from() {
        let host = AutopilotHostPage {
            name: "n3".to_owned(),
            role: "voter".to_owned(),
            state: "down".to_owned(),
            gone_seconds: Some(20),
            ..AutopilotHostPage::default()
        };
        let page = AutopilotPage {
            target: 3,
            rule: "3 voters for 4 hosts".to_owned(),
            paused: Some(PausePage { reason: "a rack".to_owned(), since: "then".to_owned() }),
            does: "nothing".to_owned(),
            why: "an operator paused the autopilot".to_owned(),
            would_change: vec!["`quorate autopilot resume`".to_owned()],
            hosts: vec![host.clone(), AutopilotHostPage { witness: true, ..host }],
        };
        assert_eq!(
            draw(&page, Pen { colour: false }),
            "target     3 (3 voters for 4 hosts)\n\
             paused     since then: a rack\n\
             does       nothing\n\
             why        an operator paused the autopilot\n\
             changes if `quorate autopilot resume`\n\n\
             NAME  ROLE            STATE  GONE  ZONE  SEED  LOG\n\
             n3    voter           down   20 s  -     -     -\n\
             n3    voter, witness  down   20 s  -     -     -\n"
        );
    }

    #[test]
    fn a_pause_and_its_end_are_told_in_a_sentence() {
        assert_eq!(said("paused already"), "is paused already");
        assert_eq!(said("goes on"), "goes on");
    }
}
