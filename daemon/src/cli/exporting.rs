//! `export`: all keys with a prefix as they were at one revision, a line of JSON each. One page is in memory at a time.

use super::arguments::ExportOptions;
use super::client::Client;
use super::exit::Failure;
use super::key_lines::{End, First, Head, Last};
use super::keyspace::typed;
use super::output;
use super::reading::{is_too_large, page};
use crate::api::keyspace::paged_range::PagedRange;
use crate::api::keyspace::pages::{KeyPage, range};
use crate::api::pages::StatusPage;
use crate::clock::wall_unix_ms;
use crate::words::time::rfc3339;
use quorate_proto::{KvError, Message as _, RangeRequest};
use serde::Serialize;
use std::process::ExitCode;

/// Keys of the first page; later ones follow what the keys of those before took.
const PAGE: i64 = 1_000;
/// Bytes that a page should have: well below what may come from another node at once.
const BYTES: usize = 2 * 1024 * 1024;

/// `quorate export`.
pub(super) async fn export(client: &Client, options: ExportOptions) -> Result<ExitCode, Failure> {
    let prefix = options.prefix.map(typed).unwrap_or_default();
    let (key, range_end) = range(&prefix, true, None);
    let revision = options.revision.unwrap_or(0);
    let whole = RangeRequest { key, range_end, revision, ..RangeRequest::default() };
    let mut pages = PagedRange::new(whole, PAGE);
    let mut keys = 0;
    loop {
        let answer = match page(client, pages.page(), options.timeout).await {
            Err(failure) if is_too_large(&failure) && pages.shrink() => continue,
            answer => answer.map_err(|failure| behind(failure, keys, pages.revision()))?,
        };
        let each = answer.encoded_len() / answer.kvs.len().max(1) + 1;
        pages.have_keys(i64::try_from(BYTES / each).unwrap_or(PAGE));
        let begins = !pages.is_begun();
        let mut last = pages.take(answer);
        let mut lines = Vec::new();
        if begins {
            let status: StatusPage = client.get("/v1/status").await?;
            put(&mut lines, &first(status, pages.revision()))?;
        }
        let rest = last.as_mut().map(|last| std::mem::take(&mut last.kvs));
        for kv in &rest.unwrap_or_else(|| pages.take_out()) {
            put(&mut lines, &KeyPage::of(kv))?;
            keys += 1;
        }
        if last.is_some() {
            put(&mut lines, &Last { end: End { keys } })?;
        }
        output::bytes(&lines)?;
        if last.is_some() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn first(status: StatusPage, revision: i64) -> First {
    let (cluster, cluster_id) = (status.cluster, status.cluster_id);
    First { export: Head { cluster, cluster_id, revision, time: rfc3339(wall_unix_ms()) } }
}

fn put(out: &mut Vec<u8>, line: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, line)
        .map_err(|error| Failure::other(format!("cannot write a line as JSON: {error}")))?;
    out.push(b'\n');
    Ok(())
}

/// What was written already is no export.
fn behind(failure: Failure, keys: u64, revision: i64) -> Failure {
    if keys == 0 {
        return failure;
    }
    let remedy = match failure.detail.as_deref() == Some(KvError::Compacted.word()) {
        true => {
            "so much was written meanwhile that its revision is not kept any more. Export when less is written, or less at a time"
        }
        false => "export again",
    };
    let text = format!(
        "{}; the export of revision {revision} ends behind {keys} keys and is not whole: {remedy}",
        failure.text
    );
    Failure { text, ..failure }
}
