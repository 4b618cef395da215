//! `health` and `events`, once or for as long as somebody watches. A watch outlives a restart of the daemon: it
//! connects again and resumes behind the last line.

use super::arguments::Format;
use super::client::{Client, Line};
use super::exit::{Exit, Failure};
use super::format::{Paint, Pen, paint_of};
use super::output;
use super::show::{draw_members, query_value};
use super::stderr::complain;
use crate::api::pages::{EventPage, HealthPage};
use crate::clock::wall_unix_ms;
use crate::words::time::{rfc3339, short_time};
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

/// Between attempts to reach a daemon that went away.
const RETRY: Duration = Duration::from_millis(200);

/// `quorate health`.
pub(super) async fn health(client: &Client, format: Format) -> Result<ExitCode, Failure> {
    match format {
        Format::Json => output::json(&client.get::<serde_json::Value>("/v1/health").await?)?,
        Format::Table => {
            let pen = Pen { colour: output::colour() };
            let page: HealthPage = client.get("/v1/health").await?;
            output::text(&draw_health(&page, pen, &rfc3339(wall_unix_ms())))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `quorate health --watch`. In JSON a daemon that is gone is a line too: who reads only this must not take the last view for
/// the present one.
pub(super) async fn watch_health(client: &Client, format: Format) -> Result<ExitCode, Failure> {
    let pen = Pen { colour: output::colour() };
    let last = RefCell::new(String::new());
    let show = |line: &Line| {
        let page: HealthPage = understand(&line.text)?;
        last.borrow_mut().clone_from(&line.text);
        match format {
            Format::Json => output::text(&format!("{}\n", line.text)),
            Format::Table => output::text(&draw_line(&page, pen)),
        }
    };
    let gone = || match format {
        Format::Json => output::json(&without_daemon(&last.borrow(), wall_unix_ms())?),
        Format::Table => Ok(()),
    };
    follow(client, "/v1/health/watch", show, gone).await
}

/// The last line once more, as nobody vouches for it any more.
pub(super) fn without_daemon(last: &str, unix_ms: u64) -> Result<serde_json::Value, Failure> {
    let mut line: serde_json::Value = understand(last)?;
    line["quorate"] = false.into();
    line["daemon"] = "gone".into();
    line["at"] = rfc3339(unix_ms).into();
    line["changed"] = serde_json::json!([]);
    Ok(line)
}

/// `quorate events`.
pub(super) async fn events(
    client: &Client,
    format: Format,
    since: Option<&str>,
) -> Result<ExitCode, Failure> {
    let query = since.map_or_else(String::new, |since| format!("?since={}", query_value(since)));
    let pages: Vec<EventPage> = client.get(&format!("/v1/events{query}")).await?;
    let runs_differ = pages.windows(2).any(|two| two[0].run != two[1].run);
    let mut run = None;
    for page in &pages {
        if runs_differ && format == Format::Table && run.replace(&page.run) != Some(&page.run) {
            output::text(&run_line(page, &rfc3339(wall_unix_ms())))?;
        }
        show_event(page, format)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Between the events of two runs of the daemon.
fn run_line(page: &EventPage, now: &str) -> String {
    match page.run.as_str() {
        "" => "-- an earlier run of the daemon\n".to_owned(),
        run => format!("-- the daemon started at {}\n", short_time(run, now)),
    }
}

/// `quorate events --watch`.
pub(super) async fn watch_events(client: &Client, format: Format) -> Result<ExitCode, Failure> {
    let show = |line: &Line| show_event(&understand(&line.text)?, format);
    follow(client, "/v1/events/watch", show, || Ok(())).await
}

fn show_event(page: &EventPage, format: Format) -> Result<(), Failure> {
    let pen = Pen { colour: output::colour() };
    match format {
        Format::Json => output::json(page),
        Format::Table => output::text(&draw_event(page, pen, &rfc3339(wall_unix_ms()))),
    }
}

/// Follows a feed for ever. The first connection must succeed; later ones are tried until they do.
pub(super) async fn follow(
    client: &Client,
    path: &str,
    show: impl Fn(&Line) -> Result<(), Failure>,
    gone: impl Fn() -> Result<(), Failure>,
) -> Result<ExitCode, Failure> {
    let mut lines = client.follow(path, None).await?;
    let mut seen: Option<String> = None;
    loop {
        match lines.next().await {
            Ok(line) => {
                show(&line)?;
                seen = Some(line.id);
            }
            Err(failure) if failure.exit != Exit::Unreachable => return Err(failure),
            Err(failure) => {
                gone()?;
                complain(&format!("quorate: {}; waiting for it", failure.text));
                lines = reconnect(client, path, seen.as_deref()).await?;
            }
        }
    }
}

async fn reconnect(
    client: &Client,
    path: &str,
    seen: Option<&str>,
) -> Result<super::client::Lines, Failure> {
    loop {
        tokio::time::sleep(RETRY).await;
        match client.follow(path, seen).await {
            Err(failure) if failure.exit == Exit::Unreachable => {}
            done => return done,
        }
    }
}

pub(super) fn understand<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::other(format!("the daemon's line is not understood: {error}")))
}

/// The table of `health`.
pub(super) fn draw_health(page: &HealthPage, pen: Pen, now: &str) -> String {
    let state = if page.quorate { "quorate" } else { "no-quorum" };
    let state = pen.paint(paint_of(state), state);
    let members = draw_members(&page.members, pen, now);
    let at = match page.at.as_str() {
        "" => String::new(),
        at => format!(", {}", short_time(at, now)),
    };
    format!("epoch {}, {state}{at}\n\n{members}", page.epoch)
}

/// One line of `health --watch`.
pub(super) fn draw_line(page: &HealthPage, pen: Pen) -> String {
    let alive = page.members.iter().filter(|member| member.state == "alive").count();
    let mut out = format!("{} epoch {} {alive}/{} alive", page.at, page.epoch, page.members.len());
    if !page.quorate {
        let _ = write!(out, ", {}", pen.paint(Paint::Bad, "no quorum: this may be old"));
    }
    for change in &page.changed {
        let to = if change.to.is_empty() { "removed" } else { &change.to };
        let to = pen.paint(paint_of(to), to);
        let _ = write!(out, "; {} is {to} ({})", change.name, change.reason);
    }
    for change in &page.changed_applications {
        let to = if change.to.is_empty() { "gone" } else { &change.to };
        let to = pen.paint(paint_of(to), to);
        let _ = write!(out, "; {} on {} is {to} ({})", change.name, change.host, change.reason);
    }
    out.push('\n');
    out
}

fn draw_event(page: &EventPage, pen: Pen, now: &str) -> String {
    let paint = if page.warning { Paint::Bad } else { Paint::Plain };
    let kind = pen.paint(paint, &format!("{:<12}", page.kind));
    format!("{}  {kind}  {}\n", short_time(&page.at, now), page.text)
}
