//! `get`: one key, or all with a prefix, in pages of one revision, so that what is shown was so at one moment however large it is.

use super::arguments::{Format, GetOptions};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::format::{Pen, table};
use super::keyspace::{ask, other_kind, typed};
use super::output;
use super::stderr::complain;
use crate::api::keyspace::paged_range::PagedRange;
use crate::api::keyspace::pages::{KeysPage, range};
use bytes::Bytes;
use quorate_proto::{
    KeyValue, KvError, RangeRequest, RangeResponse, kv_request::Request, kv_response::Response,
};
use std::os::unix::ffi::OsStringExt as _;
use std::process::ExitCode;
use std::time::Duration;

/// Keys of the first page; a page whose answer is too large is asked for with a quarter.
const PAGE: i64 = 1000;
/// Most letters of a value in a table.
const SHOWN: usize = 100;

/// `quorate get`.
pub(super) async fn get(
    client: &Client,
    format: Format,
    options: GetOptions,
) -> Result<ExitCode, Failure> {
    let key = typed(options.key.clone());
    let after = options.after.clone().map(|after| Bytes::from(after.into_vec()));
    let (begin, range_end) = range(&key, options.prefix, after.as_ref());
    let request = RangeRequest {
        key: begin,
        range_end,
        limit: options.limit,
        revision: options.rev.unwrap_or(0),
        serializable: options.serializable,
        ..RangeRequest::default()
    };
    let answer = if options.prefix {
        in_pages(client, request, options.timeout).await?
    } else {
        page(client, request, options.timeout).await?
    };
    let shown = String::from_utf8_lossy(&key).into_owned();
    if answer.kvs.is_empty() && !options.prefix {
        let text = format!("no key `{}`", shown.escape_debug());
        return Err(Failure::new(Exit::NotFound, "not-found", text));
    }
    match (format, answer.kvs.as_slice()) {
        (_, [one]) if options.raw => output::bytes(&one.value)?,
        (Format::Json, _) => output::json(&KeysPage::of(&answer))?,
        (Format::Table, [one]) if !options.prefix => {
            output::bytes(&[&one.value, b"\n".as_slice()].concat())?;
        }
        (Format::Table, all) => output::text(&draw(all))?,
    }
    if answer.more && format == Format::Table {
        complain(&how_to_go_on(&shown, &answer));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn page(
    client: &Client,
    request: RangeRequest,
    timeout: Duration,
) -> Result<RangeResponse, Failure> {
    match ask(client, Request::Range(request), timeout).await? {
        Response::Range(answer) => Ok(answer),
        _ => Err(other_kind()),
    }
}

/// All that was asked for, as it was when the first page was read. `timeout` is for each page.
pub(super) async fn in_pages(
    client: &Client,
    range: RangeRequest,
    timeout: Duration,
) -> Result<RangeResponse, Failure> {
    let mut pages = PagedRange::new(range, PAGE);
    loop {
        match page(client, pages.page(), timeout).await {
            Err(failure) if is_too_large(&failure) && pages.shrink() => {}
            answer => {
                if let Some(whole) = pages.take(answer?) {
                    return Ok(whole);
                }
            }
        }
    }
}

pub(super) fn is_too_large(failure: &Failure) -> bool {
    failure.detail.as_deref() == Some(KvError::AnswerTooLarge.word())
}

/// That a limit left some out, and the command that shows them.
pub(super) fn how_to_go_on(prefix: &str, answer: &RangeResponse) -> String {
    let shown = i64::try_from(answer.kvs.len()).unwrap_or(i64::MAX);
    let more = answer.count.saturating_sub(shown);
    let at = answer.header.map_or(0, |header| header.revision);
    let Some(last) = answer.kvs.last() else { return format!("quorate: {more} more") };
    match std::str::from_utf8(&last.key) {
        Ok(last) if !last.contains(char::is_control) => format!(
            "quorate: {more} more; `quorate get --prefix {} --after {} --rev {at}` goes on behind these",
            quoted(prefix),
            quoted(last)
        ),
        _ => format!(
            "quorate: {more} more; the last of these keys is no text: give it to `--after` as bytes to go on behind it"
        ),
    }
}

/// As one word of a shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn draw(kvs: &[KeyValue]) -> String {
    let rows: Vec<Vec<String>> = kvs
        .iter()
        .map(|kv| {
            let key = String::from_utf8_lossy(&kv.key).escape_debug().to_string();
            let value = String::from_utf8_lossy(&kv.value);
            let mut shown: String = value.chars().take(SHOWN).collect();
            if shown.len() < value.len() {
                shown.push('…');
            }
            vec![key, kv.mod_revision.to_string(), shown.escape_debug().to_string()]
        })
        .collect();
    table(Pen { colour: false }, &["KEY", "REVISION", "VALUE"], &rows)
}
