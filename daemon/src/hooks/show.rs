//! What the command line shows of hooks: their state, what is wrong with their files, and one run by hand.

use super::fence::{Guarded, InTheWay};
use super::fencer;
use super::follow::Known;
use super::in_the_way;
use super::launch;
use super::one;
use super::render;
use super::report::Report;
use super::settings::{self, Hook, Topic};
use super::state::{HookPage, StatePage};
use super::view::Told;
use crate::api::pages::SharePage;
use crate::cli::format::{Pen, table};
use crate::cli::{Client, Exit, Failure, Format, colour, output, query_value};
use crate::clock::wall_unix_ms;
use crate::words::time::{rfc3339, short_time};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// The table of `hooks status`.
pub(super) fn draw(page: &StatePage) -> String {
    let mut out = match (page.running, &page.daemon_away) {
        (false, _) => "the runner does not run: `systemctl start quorate-hooks`; this is what it showed last\n".to_owned(),
        (true, Some(why)) => format!("the daemon of this host is away: {why}\n"),
        (true, None) => format!("epoch {}\n", page.epoch),
    };
    for refused in &page.refused {
        let _ = writeln!(out, "refused: {refused}");
    }
    if page.hooks.is_empty() {
        out.push_str("no hooks\n");
        return out;
    }
    let now = rfc3339(wall_unix_ms());
    let time = |at: &str| if at.is_empty() { "never".to_owned() } else { short_time(at, &now) };
    let row = |hook: &HookPage| {
        let state = format!("{} {}", hook.state, hook.text);
        let counts = format!("{} of {}", hook.runs - hook.failed, hook.runs);
        let times = [time(&hook.last_run), time(&hook.last_success)];
        vec![
            hook.name.clone(),
            hook.on.join(", "),
            state.trim().to_owned(),
            counts,
            times[0].clone(),
            times[1].clone(),
            hook.last_ended.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = page.hooks.iter().map(row).collect();
    let head = ["HOOK", "ON", "STATE", "SUCCEEDED", "LAST RUN", "LAST SUCCESS", "ENDED"];
    out.push('\n');
    out.push_str(&table(Pen { colour: colour() }, &head, &rows));
    for hook in page.hooks.iter().filter(|hook| !hook.last_error.is_empty()) {
        let error = hook.last_error.replace(|c: char| c.is_control() && c != '\n', "?");
        let _ = write!(out, "\n{} said at its end:\n{}\n", hook.name, error.trim_end());
    }
    out
}

/// Ends badly when the runner does not run, or a hook fails.
pub(super) fn judge(page: &StatePage) -> Result<ExitCode, Failure> {
    let failing = page.hooks.iter().any(|hook| hook.failures > 0);
    let well = page.running && !failing && page.refused.is_empty();
    Ok(if well { ExitCode::SUCCESS } else { Exit::Error.into() })
}

/// `quorate hooks check`.
pub(super) fn check(dir: &Path, format: Format) -> Result<ExitCode, Failure> {
    let (hooks, refused) = settings::all(dir);
    let mut refused: Vec<String> = refused.iter().map(ToString::to_string).collect();
    let mut names: Vec<&str> = hooks.iter().map(|hook| hook.name.as_str()).collect();
    for (name, written) in settings::all_written(dir) {
        if let Err(what) = render::check(&written) {
            names.retain(|one| *one != name);
            refused.push(what);
        }
    }
    match format {
        Format::Json => output::json(&json!({ "hooks": names, "refused": refused }))?,
        Format::Table if names.is_empty() && refused.is_empty() => {
            let dir = dir.display();
            output::text(&format!(
                "no hooks: nothing ends with .toml in {dir}/hooks.d and {dir}/files.d\n"
            ))?;
        }
        Format::Table => {
            names.iter().try_for_each(|name| output::text(&format!("{name}: fits\n")))?
        }
    }
    match refused.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(Failure::new(Exit::Error, "refused", refused.join("\n"))),
    }
}

/// `quorate hooks try`: one run, as who asks for it, with what is now.
pub(super) fn attempt(
    dir: &Path,
    name: &str,
    client: &Client,
    format: Format,
) -> Result<ExitCode, Failure> {
    let hook = named(dir, name)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::other(format!("cannot start: {error}")))?;
    let report = runtime.block_on(async {
        let (known, shares) = ask(client, &hook).await?;
        let launched = match &hook.fences {
            Some(guarded) => {
                let one = first_in_the_way(client, guarded, &known).await?;
                fencer::launched(&hook, &known, &one)
            }
            None => {
                let view = one::composed(name, &known, &shares, None, &Told::new());
                let epoch = view["epoch"].as_u64().unwrap_or_default();
                launch::launch(&hook, view.to_string().as_bytes(), &known.host, epoch, &[])
            }
        };
        let launched =
            launched.map_err(|error| Failure::other(format!("{name} cannot be run: {error}")))?;
        let ended = launched.ended().await;
        ended.ok_or_else(|| Failure::other(format!("the run of {name} ended without a word")))
    })?;
    match format {
        Format::Json => output::json(&report)?,
        Format::Table => output::text(&format!("{}{}", report.out.end, report.err.end))?,
    }
    let words = report.in_words(hook.timeout);
    match Report::is_success(&report) {
        true => Ok(ExitCode::SUCCESS),
        false => Err(Failure::new(Exit::Error, "failed", format!("{name} {words}"))),
    }
}

/// What a fence would be run for now. It frees nothing when it is tried: that the runner does.
async fn first_in_the_way(
    client: &Client,
    guarded: &Guarded,
    known: &Known,
) -> Result<InTheWay, Failure> {
    let all = in_the_way::look(client, &[guarded.clone()].into(), known).await?;
    all.into_iter().next().ok_or_else(|| {
        let text = format!(
            "nothing of {guarded} is in the way, so there is nobody to run it for: no host that is down has any of it, or this host would not \
             get more"
        );
        Failure::new(Exit::Error, "nothing-in-the-way", text)
    })
}

fn named(dir: &Path, name: &str) -> Result<Hook, Failure> {
    let (hooks, refused) = settings::all(dir);
    let names: Vec<String> = hooks.iter().map(|hook| hook.name.clone()).collect();
    if let Some(hook) = hooks.into_iter().find(|hook| hook.name == name) {
        return Ok(hook);
    }
    let file = name.strip_prefix("file/").unwrap_or(name);
    let of_name = |no: &&settings::Refused| no.file.file_stem().is_some_and(|stem| stem == file);
    if let Some(no) = refused.iter().find(of_name) {
        return Err(Failure::new(Exit::Error, "refused", no.to_string()));
    }
    let known = if names.is_empty() {
        "none is".to_owned()
    } else {
        format!("these are: {}", names.join(", "))
    };
    let text = format!("no hook is named `{name}` in {}; {known}", dir.display());
    Err(Failure::new(Exit::NotFound, "not-found", text))
}

/// What is now.
async fn ask(
    client: &Client,
    hook: &Hook,
) -> Result<(Known, BTreeMap<String, SharePage>), Failure> {
    let status: Value = client.get("/v1/status").await?;
    let health: Value = client.get("/v1/health").await?;
    let mut shares = BTreeMap::new();
    for topic in &hook.on {
        let Topic::Budget(budget) = topic else { continue };
        let path = format!("/v1/budgets/watch?name={}", query_value(budget));
        let line = client.follow(&path, None).await?.next().await?;
        let page = serde_json::from_str(&line.text).map_err(|error| {
            Failure::other(format!("the daemon's line is not understood: {error}"))
        })?;
        shares.insert(budget.clone(), page);
    }
    let host = status["node"]["name"].as_str().unwrap_or_default().to_owned();
    let known = Known { host, health: Some(Arc::new(health)), ..Known::default() };
    Ok((known, shares))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_of_each_hook_and_of_errors_without_what_steers_a_terminal() {
        let hook = HookPage {
            name: "tell".to_owned(),
            on: vec!["health".to_owned()],
            state: "failing".to_owned(),
            text: "is run again".to_owned(),
            runs: 5,
            failed: 2,
            failures: 1,
            last_ended: "exited with 3".to_owned(),
            last_error: "no \u{1b}[31mway\n".to_owned(),
            ..HookPage::default()
        };
        let page = StatePage { running: true, epoch: 9, hooks: vec![hook], ..StatePage::default() };
        let text = draw(&page);
        for part in
            ["epoch 9\n", "failing is run again", "3 of 5", "never", "exited with 3", "no ?[31mway"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_ne!(judge(&page).expect("judged"), ExitCode::SUCCESS);
        let stopped = draw(&StatePage { running: false, ..page });
        assert!(stopped.starts_with("the runner does not run: `systemctl start quorate-hooks`"));
    }
}
