//! `quorate apps`: the applications of all hosts as committed; `quorate app`: what is said of those of this host. Asks the daemon's JSON, and
//! draws tables.

use super::acts::{ask, tell};
use super::arguments::{AppCommand, AppOptions, AppSaid, AppsOptions, AskOptions, Format};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::format::{Pen, table};
use super::output;
use super::show::query_value;
use crate::api::pages::{ApplicationPage, ApplicationsPage, LocalPage};
use crate::clock::wall_unix_ms;
use crate::words::time::{rfc3339, short_time};
use std::process::ExitCode;

/// `quorate apps`.
pub(super) async fn apps(
    client: &Client,
    format: Format,
    options: &AppsOptions,
) -> Result<ExitCode, Failure> {
    let path = match &options.name {
        Some(name) => format!("/v1/apps?name={}", query_value(name)),
        None => "/v1/apps".to_owned(),
    };
    let page: ApplicationsPage = client.get(&path).await?;
    if let (Some(name), true) = (&options.name, page.applications.is_empty()) {
        let text = format!(
            "no host has an application named `{name}`; `quorate apps` shows those that there are"
        );
        return Err(Failure::new(Exit::NotFound, "not-found", text));
    }
    match format {
        Format::Json => output::json(&page)?,
        Format::Table => {
            let pen = Pen { colour: output::colour() };
            output::text(&draw(&page, pen, &rfc3339(wall_unix_ms())))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `quorate app`.
pub(super) async fn app(
    client: &Client,
    format: Format,
    command: &AppCommand,
) -> Result<ExitCode, Failure> {
    let (path, name, options) = match command {
        AppCommand::List(options) => return list(client, format, *options).await,
        AppCommand::Set(options) => (set_path(options), &options.name, options.ask),
        AppCommand::Heartbeat { name, state, reason, ask } => {
            let state = match state {
                AppSaid::Up => "up",
                AppSaid::Down => "down",
            };
            let (of, why) = (query_value(name), query_value(reason));
            (format!("/v1/apps/heartbeat?name={of}&state={state}&reason={why}"), name, *ask)
        }
        AppCommand::Remove { name, ask } => {
            (format!("/v1/apps/remove?name={}", query_value(name)), name, *ask)
        }
    };
    let page = ask(client, &path, options.timeout).await?;
    tell(format, &page, &format!("{name}: {}", page.text))
}

fn set_path(options: &AppOptions) -> String {
    let AppOptions { name, endpoint, label, ttl, .. } = options;
    let list = |all: &[String]| query_value(&all.join(","));
    let (name, endpoints, labels) = (query_value(name), list(endpoint), list(label));
    format!("/v1/apps?name={name}&endpoints={endpoints}&labels={labels}&ttl={}ms", ttl.as_millis())
}

async fn list(client: &Client, format: Format, options: AskOptions) -> Result<ExitCode, Failure> {
    let pages: Vec<LocalPage> = client.with_patience(options.timeout).get("/v1/apps/local").await?;
    match format {
        Format::Json => output::json(&pages)?,
        Format::Table => output::text(&draw_own(&pages, Pen { colour: output::colour() }))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The table of `apps`.
pub(super) fn draw(page: &ApplicationsPage, pen: Pen, now: &str) -> String {
    let quorate = if page.quorate { "" } else { ", no quorum: this may be old" };
    let head = format!("epoch {}{quorate}\n\n", page.epoch);
    if page.applications.is_empty() {
        return format!(
            "{head}no applications; a file in apps.d of a host defines one (docs/APPLICATIONS.md)\n"
        );
    }
    let row = |one: &ApplicationPage| {
        let since = match one.since.as_str() {
            "" => String::new(),
            at => short_time(at, now),
        };
        let endpoints = one.endpoints.join(" ");
        vec![
            one.name.clone(),
            one.host.clone(),
            one.state.clone(),
            endpoints,
            since,
            one.reason.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = page.applications.iter().map(row).collect();
    head + &table(pen, &["APPLICATION", "HOST", "STATE", "ENDPOINTS", "SINCE", "REASON"], &rows)
}

/// The table of `app list`.
pub(super) fn draw_own(pages: &[LocalPage], pen: Pen) -> String {
    if pages.is_empty() {
        return "no applications on this host; a file in apps.d defines one (docs/APPLICATIONS.md)\n".to_owned();
    }
    let row = |one: &LocalPage| {
        let defined = one.file.clone().unwrap_or_else(|| "registered".to_owned());
        vec![one.name.clone(), one.state.clone(), one.check.clone(), defined, one.reason.clone()]
    };
    let rows: Vec<Vec<String>> = pages.iter().map(row).collect();
    table(pen, &["APPLICATION", "STATE", "CHECK", "DEFINED", "LAST WORD"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_is_drawn_with_its_host_state_endpoints_and_reason() {
        let word = |word: &str| word.to_owned();
        let one = ApplicationPage {
            name: word("web"),
            host: word("n2"),
            state: word("down"),
            endpoints: vec![word("10.0.0.2:80"), word("10.0.0.2:443")],
            reason: word("its host is down"),
            ..ApplicationPage::default()
        };
        let mut page = ApplicationsPage { epoch: 7, quorate: true, applications: vec![one] };
        let pen = Pen { colour: false };
        let text = draw(&page, pen, "2026-11-30T00:00:00Z");
        assert_eq!(
            text,
            "epoch 7\n\nAPPLICATION  HOST  STATE  ENDPOINTS                 SINCE  REASON\nweb          n2    down   10.0.0.2:80 10.0.0.2:443         its host is down\n"
        );
        (page.quorate, page.applications) = (false, Vec::new());
        let text = draw(&page, pen, "");
        assert!(text.starts_with("epoch 7, no quorum") && text.contains("apps.d"), "{text}");
    }
}
