//! `put`, `delete`, and how the keyspace is asked from the command line. What has no answer is asked again until `--timeout` is
//! over, so that a daemon that is started again meanwhile costs time and nothing else: a write has one id for all attempts, under which
//! it happens once. `get` is in [`super::reading`].
//!
//! What stays true: a write that may have happened is asked again only where it went out with an id, and only for as long as that is surely
//! remembered. It has one where the daemon showed a feature level at which ids count; that never falls.

use super::arguments::{DeleteOptions, Format, PutOptions};
use super::client::{Changes, Client};
use super::exit::{Exit, Failure};
use super::output;
use super::stdin::{self, must_be_meant};
use crate::api::keyspace::pages::range;
use crate::api::pages::StatusPage;
use crate::api::{KV_PATH, PROTOBUF, REQUEST_ID_HEADER, TIMEOUT_HEADER};
use bytes::Bytes;
use quorate_meta::Meta;
use quorate_proto::{
    DeleteRangeRequest, FeatureLevel, KvRequest, KvResponse, Message, NamedWrite, PutRequest,
    kv_request::Request, kv_response::Response,
};
use serde_json::json;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Between attempts while nothing is done.
const RETRY: Duration = Duration::from_millis(50);
/// For how long a write is asked again, from the first attempt that may have done it: a minute less than its id is remembered.
const ASKED_AGAIN: Duration = Duration::from_mins(4);
/// Longer than anybody waits, and no more than can be added to a moment.
const ENDLESS: Duration = Duration::from_hours(24 * 365);
/// How long a write is held up at most by a daemon that does not say its level. One that works says it at once.
const LEVEL_PATIENCE: Duration = Duration::from_secs(1);

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
    let key = typed(options.key);
    if options.prefix && key.is_empty() {
        must_be_meant(options.yes, "Every key of every program begins so. Delete all of them?")?;
    }
    let (key, range_end) = range(&key, options.prefix, None);
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

/// Asks the keyspace, again and again for as long as there is no answer and time is left.
pub(super) async fn ask(
    client: &Client,
    request: Request,
    timeout: Duration,
) -> Result<Response, Failure> {
    let request = KvRequest { request: Some(request) };
    let id = new_id()?;
    let mut until = Instant::now() + timeout.min(ENDLESS);
    let mut lost = None;
    loop {
        if lost.is_none() && !Meta::is_read_only(&request) {
            learn_whether_ids_count(client, until).await;
        }
        let asked = Instant::now();
        let named = client.ids_count().then_some(id.as_str());
        let failure = match ask_as(client, &request, named, left(until)).await {
            Ok(response) => return Ok(response),
            Err(failure) => failure,
        };
        if failure.exit == Exit::FateUnknown {
            if named.is_none() {
                return Err(failure);
            }
            if lost.is_none() {
                until = asked_until(until, asked);
            }
            lost = Some(failure.clone());
        } else if !failure.again {
            // An earlier attempt may have been done, unless this is an answer to it.
            return Err(lost.filter(|_| !failure.is_an_answer()).unwrap_or(failure));
        }
        if Instant::now() + RETRY >= until {
            return Err(lost.unwrap_or(failure));
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Until when a write is asked again whose first attempt that may have done it was at `lost`.
pub(super) fn asked_until(until: Instant, lost: Instant) -> Instant {
    until.min(lost + ASKED_AGAIN)
}

/// What is left until then; never nothing, which would be no limit at all.
fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

/// Asks for the feature level, below which ids are not remembered. A daemon that is away, or knows no level yet, says nothing.
async fn learn_whether_ids_count(client: &Client, until: Instant) {
    if client.ids_count() {
        return;
    }
    let status = client.get::<StatusPage>("/v1/status");
    if let Ok(Ok(status)) = tokio::time::timeout(left(until).min(LEVEL_PATIENCE), status).await
        && status.feature.level.is_some_and(|level| FeatureLevel::new(level) >= NamedWrite::LEVEL)
    {
        client.note_that_ids_count();
    }
}

/// An id for one write.
fn new_id() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::other(format!("the system gives no random numbers ({error}); nothing was asked"))
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Asks the keyspace once, for a write without an id.
pub(crate) async fn ask_once(
    client: &Client,
    request: Request,
    timeout: Duration,
) -> Result<Response, Failure> {
    ask_as(client, &KvRequest { request: Some(request) }, None, timeout).await
}

async fn ask_as(
    client: &Client,
    request: &KvRequest,
    id: Option<&str>,
    timeout: Duration,
) -> Result<Response, Failure> {
    let reads = Meta::is_read_only(request);
    let changes = if reads { Changes::Nothing } else { Changes::Something };
    let body = request.encode_to_vec();
    let millis = timeout.as_millis().max(1).to_string();
    let mut headers = vec![("content-type", PROTOBUF), (TIMEOUT_HEADER, millis.as_str())];
    headers.extend(id.filter(|_| !reads).map(|id| (REQUEST_ID_HEADER, id)));
    let answer = client.post(KV_PATH, &headers, body.into(), changes, timeout).await?;
    let answer = KvResponse::decode(answer).ok().and_then(|answer| answer.response);
    answer.ok_or_else(|| if reads { other_kind() } else { client.unknown(&"no answer to this") })
}

pub(super) fn other_kind() -> Failure {
    Failure::other("the daemon's answer is not understood; is it of another version?")
}
