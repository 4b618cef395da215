//! `put`, `delete`, and how the keyspace is asked from the command line. What was not done is asked again until `--timeout` is
//! over, so that a daemon that is started again meanwhile costs time and nothing else. `get` is in [`super::reading`].

use super::arguments::{DeleteOptions, Format, PutOptions};
use super::client::{Changes, Client};
use super::exit::Failure;
use super::output;
use super::stdin;
use crate::api::keyspace::pages::range;
use crate::api::{KV_PATH, PROTOBUF, TIMEOUT_HEADER};
use bytes::Bytes;
use quorate_meta::Meta;
use quorate_proto::{
    DeleteRangeRequest, KvRequest, KvResponse, Message, PutRequest, kv_request::Request,
    kv_response::Response,
};
use serde_json::json;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Between attempts while nothing is done.
const RETRY: Duration = Duration::from_millis(50);

/// An argument as the bytes that were typed.
pub(super) fn typed(argument: OsString) -> Bytes {
    argument.into_vec().into()
}

/// `quorate put`.
pub(super) async fn put(
    client: &Client,
    format: Format,
    options: PutOptions,
) -> Result<ExitCode, Failure> {
    let value = match typed(options.value) {
        value if value == "-" && !is_literal(std::env::args_os()) => stdin::value()?,
        value => value,
    };
    let request = PutRequest { key: typed(options.key), value, ..PutRequest::default() };
    let Response::Put(answer) = ask(client, Request::Put(request), options.timeout).await? else {
        return Err(other_kind());
    };
    let revision = answer.header.map_or(0, |header| header.revision);
    match format {
        Format::Json => output::json(&json!({ "revision": revision }))?,
        Format::Table => output::text(&format!("revision {revision}\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the end of the options was marked, so that `-` is what it says.
fn is_literal(mut arguments: impl Iterator<Item = OsString>) -> bool {
    arguments.any(|argument| argument == "--")
}

/// `quorate delete`.
pub(super) async fn delete(
    client: &Client,
    format: Format,
    options: DeleteOptions,
) -> Result<ExitCode, Failure> {
    let (key, range_end) = range(&typed(options.key), options.prefix, None);
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

/// Asks the keyspace, again and again for as long as nothing was done and time is left.
pub(super) async fn ask(
    client: &Client,
    request: Request,
    timeout: Duration,
) -> Result<Response, Failure> {
    let begun = Instant::now();
    loop {
        let left = timeout.saturating_sub(begun.elapsed());
        match ask_once(client, request.clone(), left).await {
            Err(failure) if failure.again && begun.elapsed() + RETRY < timeout => {
                tokio::time::sleep(RETRY).await;
            }
            done => return done,
        }
    }
}

/// Asks the keyspace once.
pub(crate) async fn ask_once(
    client: &Client,
    request: Request,
    timeout: Duration,
) -> Result<Response, Failure> {
    let request = KvRequest { request: Some(request) };
    let reads = Meta::is_read_only(&request);
    let changes = if reads { Changes::Nothing } else { Changes::Something };
    let body = request.encode_to_vec();
    let millis = timeout.as_millis().max(1).to_string();
    let headers = [("content-type", PROTOBUF), (TIMEOUT_HEADER, millis.as_str())];
    let answer = client.post(KV_PATH, &headers, body.into(), changes, timeout).await?;
    let answer = KvResponse::decode(answer).ok().and_then(|answer| answer.response);
    answer.ok_or_else(|| if reads { other_kind() } else { client.unknown(&"no answer to this") })
}

pub(super) fn other_kind() -> Failure {
    Failure::other("the daemon's answer is not understood; is it of another version?")
}
