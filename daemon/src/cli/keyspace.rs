//! `put`, `get`, `delete`: the keyspace from the command line.

use super::arguments::{DeleteOptions, Format, GetOptions, PutOptions};
use super::client::{Changes, Client};
use super::exit::{Exit, Failure};
use super::format::{Pen, table};
use super::output;
use crate::api::key_pages::{KeysPage, after_prefix};
use crate::api::{KV_PATH, PROTOBUF, TIMEOUT_HEADER};
use bytes::Bytes;
use quorate_meta::Meta;
use quorate_proto::{
    DeleteRangeRequest, KeyValue, KvRequest, KvResponse, Message, PutRequest, RangeRequest,
    kv_request::Request, kv_response::Response, limits,
};
use serde_json::json;
use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

/// `quorate put`.
pub(super) async fn put(
    client: &Client,
    format: Format,
    options: PutOptions,
) -> Result<ExitCode, Failure> {
    let value = match options.value.as_str() {
        "-" => from_stdin()?,
        _ => Bytes::from(options.value),
    };
    let request =
        Request::Put(PutRequest { key: options.key.into(), value, ..PutRequest::default() });
    let Response::Put(answer) = ask(client, request, options.timeout).await? else {
        return Err(other_kind());
    };
    let revision = answer.header.map_or(0, |header| header.revision);
    match format {
        Format::Json => output::json(&json!({ "revision": revision }))?,
        Format::Table => output::text(&format!("revision {revision}\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn from_stdin() -> Result<Bytes, Failure> {
    // One byte more than the daemon takes, so that it refuses with its own words.
    let limit = limits::CLIENT_REQUEST as u64 + 1;
    let mut value = Vec::new();
    std::io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut value)
        .map_err(|error| Failure::other(format!("cannot read the value: {error}")))?;
    Ok(value.into())
}

/// `quorate get`.
pub(super) async fn get(
    client: &Client,
    format: Format,
    options: GetOptions,
) -> Result<ExitCode, Failure> {
    let key = Bytes::from(options.key.clone());
    let range_end = if options.prefix { after_prefix(&key) } else { Bytes::new() };
    let request = Request::Range(RangeRequest {
        key: if options.prefix && key.is_empty() { Bytes::from_static(b"\0") } else { key },
        range_end,
        limit: options.limit,
        revision: options.rev.unwrap_or(0),
        serializable: options.serializable,
        ..RangeRequest::default()
    });
    let Response::Range(answer) = ask(client, request, options.timeout).await? else {
        return Err(other_kind());
    };
    if answer.kvs.is_empty() && !options.prefix {
        let text = format!("no key `{}`", options.key.escape_debug());
        return Err(Failure::new(Exit::NotFound, "not-found", text));
    }
    match (format, answer.kvs.as_slice()) {
        (Format::Json, _) => output::json(&KeysPage::of(&answer))?,
        (Format::Table, [one]) if !options.prefix => {
            output::bytes(&[&one.value, b"\n".as_slice()].concat())?;
        }
        (Format::Table, all) => output::text(&draw(all))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// `quorate delete`.
pub(super) async fn delete(
    client: &Client,
    format: Format,
    options: DeleteOptions,
) -> Result<ExitCode, Failure> {
    let key = Bytes::from(options.key);
    let range_end = if options.prefix { after_prefix(&key) } else { Bytes::new() };
    let key = if options.prefix && key.is_empty() { Bytes::from_static(b"\0") } else { key };
    let request = Request::DeleteRange(DeleteRangeRequest {
        key,
        range_end,
        ..DeleteRangeRequest::default()
    });
    let Response::DeleteRange(answer) = ask(client, request, options.timeout).await? else {
        return Err(other_kind());
    };
    let revision = answer.header.map_or(0, |header| header.revision);
    let deleted = answer.deleted;
    match format {
        Format::Json => output::json(&json!({ "deleted": deleted, "revision": revision }))?,
        Format::Table => output::text(&format!("{deleted} deleted, revision {revision}\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the keyspace.
pub(crate) async fn ask(
    client: &Client,
    request: Request,
    timeout: Duration,
) -> Result<Response, Failure> {
    let request = KvRequest { request: Some(request) };
    let reads = Meta::is_read_only(&request);
    let changes = if reads { Changes::Nothing } else { Changes::Something };
    let body = request.encode_to_vec();
    let millis = timeout.as_millis().to_string();
    let headers = [("content-type", PROTOBUF), (TIMEOUT_HEADER, millis.as_str())];
    let answer = client.post(KV_PATH, &headers, body.into(), changes, timeout).await?;
    let answer = KvResponse::decode(answer).ok().and_then(|answer| answer.response);
    answer.ok_or_else(|| if reads { other_kind() } else { client.unknown(&"no answer to this") })
}

fn other_kind() -> Failure {
    Failure::other("the daemon's answer is not understood; is it of another version?")
}

fn draw(kvs: &[KeyValue]) -> String {
    let rows: Vec<Vec<String>> = kvs
        .iter()
        .map(|kv| {
            let key = String::from_utf8_lossy(&kv.key).escape_debug().to_string();
            let value: String = String::from_utf8_lossy(&kv.value).chars().take(100).collect();
            vec![key, kv.mod_revision.to_string(), value.escape_debug().to_string()]
        })
        .collect();
    table(Pen { colour: false }, &["KEY", "REVISION", "VALUE"], &rows)
}
