//! What `quorate budget` and `quorate assign` have in common: definitions are listed, shown and found by their names, and are asked for with
//! what is said of them alone.
//!
//! Knows nothing of what is defined.

use super::acts::{ask, tell};
use super::arguments::{AskingOptions, Format};
use super::client::{Client, Line};
use super::exit::Failure;
use super::output;
use super::watching::understand;
use crate::api::pages::LapsingPage;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

/// Lists definitions; `none`: what is told where there are none.
pub(super) fn list<T: Serialize>(
    format: Format,
    pages: &[T],
    none: &str,
    draw: impl Fn(&T) -> String,
) -> Result<ExitCode, Failure> {
    match format {
        Format::Json => output::json(&pages)?,
        Format::Table if pages.is_empty() => output::text(none)?,
        Format::Table => output::text(&pages.iter().map(draw).collect::<Vec<_>>().join("\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows one page.
pub(super) fn show<T: Serialize>(
    format: Format,
    page: &T,
    draw: impl Fn(&T) -> String,
) -> Result<ExitCode, Failure> {
    match format {
        Format::Json => output::json(page)?,
        Format::Table => output::text(&draw(page))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows a line of a stream.
pub(super) fn show_line<T: DeserializeOwned>(
    format: Format,
    line: &Line,
    draw: impl Fn(&T) -> String,
) -> Result<(), Failure> {
    match format {
        Format::Json => output::text(&format!("{}\n", line.text)),
        Format::Table => output::text(&draw(&understand(&line.text)?)),
    }
}

/// For so long it is asked whether there is something of a name.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// Whether nothing that this path lists is it. Without a majority nobody can say what there is, and it may be.
pub(super) async fn is_unknown<T: DeserializeOwned>(
    client: &Client,
    path: &str,
    is_it: impl Fn(&T) -> bool,
) -> bool {
    let pages = client.get_in::<Vec<T>>(path, LOOK).await;
    pages.is_ok_and(|pages| !pages.iter().any(is_it))
}

/// Asks for something to be done with what has this name, and says what came of it.
pub(super) async fn act(
    client: &Client,
    format: Format,
    (name, options): (&str, AskingOptions),
    path: &str,
) -> Result<ExitCode, Failure> {
    let page = ask(client, path, options.timeout).await?;
    tell(format, &page, &format!("{name}: {}", page.text))
}

/// A path with what is said behind it; what is not said stays as it is.
pub(super) fn with_what_is_said(mut path: String, said: &[(&str, Option<String>)]) -> String {
    for (name, value) in said {
        if let Some(value) = value {
            let _ = write!(path, "&{name}={value}");
        }
    }
    path
}

/// Lines about grants of hosts that are gone are as many at most; a table of all is above them.
const GONE: usize = 8;

/// What hosts hold that are gone, and what frees it sooner than its lapse: `free` is that command, for one of them, and `reserve` what of a
/// budget no lapse frees.
pub(super) fn lapsing_in_words(
    lapsing: &[LapsingPage],
    reserve: u64,
    free: impl Fn(&LapsingPage) -> String,
) -> String {
    let line = |one: &LapsingPage| {
        let LapsingPage { host, state, number, .. } = one;
        let word = if state == "left" { "has stopped".to_owned() } else { format!("is {state}") };
        let kept = one.amount.map_or(0, |amount| amount.min(reserve));
        let when = match (kept, one.amount) {
            (0, _) => format!("grant {number} is free once it has lapsed"),
            (kept, Some(amount)) if kept == amount => {
                format!("grant {number} is a reserve of {kept}, which it keeps until it is removed")
            }
            (kept, _) => format!(
                "grant {number} is free once it has lapsed but for its reserve of {kept}, which it keeps until it is removed"
            ),
        };
        format!("{host} {word}: {when}, or once you have ended its use and say so: {}\n", free(one))
    };
    let mut out: String = lapsing.iter().take(GONE).map(line).collect();
    if lapsing.len() > GONE {
        let _ = writeln!(out, "and {} more", lapsing.len() - GONE);
    }
    out
}

/// The grants that were freed because their use was ended from outside: a line of an audit.
pub(super) fn fenced_in_words(numbers: &[u64]) -> String {
    let shown: Vec<String> = numbers.iter().map(u64::to_string).collect();
    match shown.is_empty() {
        true => String::new(),
        false => format!(
            "grants that are freed because their use was ended from outside, by number: {}\n",
            shown.join(", ")
        ),
    }
}

/// For which hosts it is, and whether it is being removed: the end of a line about it.
pub(super) fn end_of_line(scope: &BTreeMap<String, String>, removing: bool) -> String {
    let mut out = String::new();
    let scope: Vec<String> = scope.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if !scope.is_empty() {
        let _ = write!(out, ", for {}", scope.join(" and "));
    }
    if removing {
        out.push_str(", is being removed");
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_holds_that_is_gone_is_free_once_it_has_lapsed_but_for_a_reserve() {
        let page = |amount| LapsingPage {
            host: "db1".to_owned(),
            state: "down".to_owned(),
            number: 7,
            amount,
            ..LapsingPage::default()
        };
        let said = |amount, reserve| {
            lapsing_in_words(&[page(amount)], reserve, |_| "quorate budget free".to_owned())
        };
        let plain = "db1 is down: grant 7 is free once it has lapsed, or once you have ended its use and say so: quorate budget free\n";
        assert_eq!(said(Some(15), 0), plain);
        assert_eq!(said(None, 0), plain, "of an item");
        let kept = said(Some(15), 2);
        assert!(
            kept.contains("lapsed but for its reserve of 2, which it keeps until it is removed"),
            "{kept}"
        );
        let all = said(Some(2), 2);
        assert!(all.contains("grant 7 is a reserve of 2, which it keeps"), "{all}");
    }
}
