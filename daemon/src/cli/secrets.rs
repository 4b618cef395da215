//! `quorate secret rotate`: begins a change of the cluster's secret and follows it, shows how far it has come, or gives it up. What is said
//! is pure: a page in, text out.

use super::arguments::{Format, RotateOptions};
use super::client::{Changes, Client};
use super::exit::{Exit, Failure};
use super::keyspace::other_kind;
use super::output;
use super::stderr::complain;
use crate::api::TIMEOUT_HEADER;
use crate::api::pages::{ActPage, SecretChangePage, SecretPage, StatusPage};
use bytes::Bytes;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Between looks at how far it has come.
const LOOK: Duration = Duration::from_millis(100);
/// How long the cluster may take to begin.
const BEGIN: Duration = Duration::from_secs(10);

/// `quorate secret rotate`.
pub(super) async fn rotate(
    client: &Client,
    format: Format,
    options: &RotateOptions,
) -> Result<ExitCode, Failure> {
    if options.status {
        let page = look(client).await?;
        match format {
            Format::Json => output::json(&page)?,
            Format::Table => output::text(&draw(&page))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let path = if options.cancel { "/v1/secret/rotate?cancel=1" } else { "/v1/secret/rotate" };
    let millis = BEGIN.min(options.timeout).as_millis().max(1).to_string();
    let headers = [(TIMEOUT_HEADER, millis.as_str())];
    let page = look(client).await?;
    if let Some(text) = page.is_over().filter(|_| !options.cancel) {
        complain(&text);
        return at_the_end(format, &page);
    }
    let before = page.change;
    let answer = client.post(path, &headers, Bytes::new(), Changes::Something, BEGIN).await?;
    let begun: ActPage = serde_json::from_slice(&answer).map_err(|_| other_kind())?;
    complain(&begun.text);
    let wanted = if options.cancel { "given-up" } else { "dropped" };
    follow(client, format, (wanted, before), options.timeout).await
}

/// Says each step as it comes, until the wanted one. What the page showed before is an earlier change: this host may hear of the new one
/// later than the leader's answer.
async fn follow(
    client: &Client,
    format: Format,
    (wanted, before): (&str, Option<SecretChangePage>),
    timeout: Duration,
) -> Result<ExitCode, Failure> {
    let (begun, mut told) = (Instant::now(), String::new());
    loop {
        let page = look(client).await?;
        let now = progress(&page);
        let step = page.change.as_ref().map(|change| change.step.as_str());
        if step == Some(wanted) && page.change != before && page.uses.is_some() {
            return at_the_end(format, &page);
        }
        if now != told {
            complain(&now);
            told = now;
        }
        if begun.elapsed() >= timeout {
            let text = format!(
                "{told}. It goes on by itself when they are ready: `quorate secret rotate --status` shows it, `quorate why` what helps"
            );
            return Err(Failure::new(Exit::Timeout, "timeout", text));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn at_the_end(format: Format, page: &SecretPage) -> Result<ExitCode, Failure> {
    match format {
        Format::Json => output::json(page)?,
        Format::Table => output::text(&drawn_at_the_end(page))?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn look(client: &Client) -> Result<SecretPage, Failure> {
    let status: StatusPage = client.get("/v1/status").await?;
    Ok(status.secret.unwrap_or_default())
}

/// How far it has come, in one line.
fn progress(page: &SecretPage) -> String {
    let Some(change) = &page.change else { return "the change has not begun here yet".to_owned() };
    let waits: Vec<String> = page
        .lacking
        .iter()
        .filter(|lack| lack.state == "alive")
        .map(|lack| format!("{} ({})", lack.name, lacks(&lack.lacks)))
        .collect();
    let step = words(&change.step);
    match waits.is_empty() {
        true => step.to_owned(),
        false => format!("{step}; it waits for {}", waits.join(", ")),
    }
}

/// What `quorate status` says of it, while somebody should know.
pub(super) fn in_status(page: &SecretPage) -> Option<String> {
    let change = page.change.as_ref()?;
    if matches!(change.step.as_str(), "accept" | "use") {
        return Some(progress(page));
    }
    let away: Vec<&str> = page.lacking.iter().map(|lack| lack.name.as_str()).collect();
    (!away.is_empty())
        .then(|| format!("changed; away, and not known to have the new one: {}", away.join(", ")))
}

fn words(step: &str) -> &'static str {
    match step {
        "accept" => "step 1 of 3: every host is to accept the new secret",
        "use" => "step 2 of 3: every host is to use the new secret",
        "dropped" => "done: the old secret is dropped",
        _ => "given up: the old secret is used",
    }
}

fn lacks(what: &str) -> &'static str {
    match what {
        "accept" => "does not accept the new secret",
        "use" => "does not use it on all links yet",
        _ => "has not said yet",
    }
}

/// What `--status` shows, and the end of a change.
pub(super) fn draw(page: &SecretPage) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: String| {
        let _ = writeln!(out, "{name:<9} {text}");
    };
    let Some(change) = &page.change else {
        line("change", "none so far".to_owned());
        line("here", here(page));
        return out;
    };
    line("change", format!("from {} to {}, since {}", change.from, change.to, change.since));
    line("step", words(&change.step).to_owned());
    line("here", here(page));
    for lack in &page.lacking {
        let what = match lack.state.as_str() {
            "alive" => lacks(&lack.lacks),
            _ => lacks_away(&lack.lacks),
        };
        line("waits for", format!("{}: {what}", lack.name));
    }
    if !page.leftover.is_empty() {
        let hosts = page.leftover.join(", ");
        let text = format!(
            "remove the old line from the secret file, then `systemctl reload quorate`, on: {hosts}"
        );
        line("left", text);
    }
    out
}

/// The end of a change: which hosts have the old line yet is told a moment later.
fn drawn_at_the_end(page: &SecretPage) -> String {
    let mut out = draw(page);
    let dropped = page.change.as_ref().is_some_and(|change| change.step == "dropped");
    if dropped && page.leftover.is_empty() {
        out.push_str(
            "left      remove the old line from the secret file on every host; `quorate secret rotate --status` shows who has it yet\n",
        );
    }
    out
}

/// What is said of a host that is not waited for.
fn lacks_away(what: &str) -> &'static str {
    match what {
        "silent" => {
            "away, and not heard since the leader of now leads: unless it has the new secret already, it needs the file before it comes back"
        }
        _ => "away, and went with the old secret alone: it needs the file before it comes back",
    }
}

fn here(page: &SecretPage) -> String {
    let uses = page.uses.as_deref().unwrap_or("links are being replaced");
    format!("uses {uses}; accepts {}", page.accepts.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::pages::SecretLackPage;

    fn page(step: &str, lacking: &[(&str, &str, &str)]) -> SecretPage {
        let lack = |(name, state, lacks): &(&str, &str, &str)| SecretLackPage {
            name: (*name).to_owned(),
            state: (*state).to_owned(),
            lacks: (*lacks).to_owned(),
        };
        SecretPage {
            uses: Some("00000000000000aa".to_owned()),
            accepts: vec!["00000000000000aa".to_owned(), "00000000000000bb".to_owned()],
            change: Some(SecretChangePage {
                from: "00000000000000aa".to_owned(),
                to: "00000000000000bb".to_owned(),
                step: step.to_owned(),
                since: "2026-01-01T00:00:00Z".to_owned(),
            }),
            lacking: lacking.iter().map(lack).collect(),
            leftover: Vec::new(),
            has_dropped: false,
        }
    }

    #[test]
    fn who_is_waited_for_is_said_and_who_is_away_is_not_waited_for() {
        let page = page("accept", &[("n2", "alive", "accept"), ("n3", "down", "silent")]);
        assert_eq!(
            progress(&page),
            "step 1 of 3: every host is to accept the new secret; it waits for n2 (does not accept the new secret)"
        );
        let drawn = draw(&page);
        assert!(drawn.contains("waits for n2: does not accept the new secret\n"), "{drawn}");
        assert!(drawn.contains("waits for n3: away, and not heard since"), "{drawn}");
        assert_eq!(in_status(&page), Some(progress(&page)));
    }

    #[test]
    fn a_change_that_is_over_says_what_is_left_to_do_and_none_says_so() {
        assert!(!draw(&page("dropped", &[])).contains("remove the old line"), "all have done it");
        let leftover = vec!["n2".to_owned(), "n4".to_owned()];
        let drawn = draw(&SecretPage { leftover, ..page("dropped", &[]) });
        assert!(drawn.contains("remove the old line") && drawn.contains("on: n2, n4\n"), "{drawn}");
        assert_eq!(in_status(&page("dropped", &[])), None);
        let away = in_status(&page("dropped", &[("n3", "down", "silent")])).expect("told");
        assert!(away.ends_with("not known to have the new one: n3"), "{away}");
        let none = SecretPage { change: None, ..page("use", &[]) };
        assert!(draw(&none).starts_with("change    none so far\n"));
    }
}
