//! What the doors of all that hosts share have in common: reading quorate's own keys and ledgers through the leader, as any client could,
//! and reading the scope and the time of a definition, which stay as they are where nothing is said.
//!
//! Knows nothing of what the keys say.

use super::failure::{Failure, failed};
use super::keyspace::{self, pages::range};
use super::loop_call;
use super::parameters::Patience;
use super::request_id::RequestId;
use crate::doors::Doors;
use crate::words::time;
use axum::Json;
use axum::response::{IntoResponse as _, Response};
use quorate_proto::{Label, RangeRequest, kv_request, kv_response, limits};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Keys below a prefix that go on so, without the prefix, and their values.
pub(super) async fn below(
    doors: &Doors,
    prefix: &str,
    begin: &str,
    patience: Patience,
) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let (key, range_end) = range(&format!("{prefix}{begin}").into(), true, None);
    let range = RangeRequest { key, range_end, ..RangeRequest::default() };
    let request = kv_request::Request::Range(range);
    let answer = keyspace::ask(doors, request, RequestId::default(), patience.0).await?;
    let Some(kv_response::Response::Range(found)) = answer.response else {
        return Err(loop_call::wrong_kind());
    };
    let keys = found.kvs.into_iter().map(|kv| {
        let key = String::from_utf8_lossy(&kv.key).trim_start_matches(prefix).to_owned();
        (key, kv.value.to_vec())
    });
    Ok(keys.collect())
}

/// A ledger below a prefix, in the order of `place`. One of which a line cannot be read is refused: without that line it would prove nothing.
pub(super) async fn ledger<T: DeserializeOwned + Serialize>(
    doors: &Doors,
    prefix: &str,
    name: &str,
    patience: Patience,
    place: impl Fn(&T) -> u64,
) -> Response {
    let keys = match below(doors, prefix, &format!("{name}/"), patience).await {
        Ok(keys) => keys,
        Err(failure) => return failed(&failure),
    };
    let lines = keys.iter().map(|(_, value)| serde_json::from_slice(value));
    let Ok(mut lines) = lines.collect::<Result<Vec<T>, _>>() else {
        return failed(&loop_call::wrong_kind());
    };
    lines.sort_by_key(place);
    Json(lines).into_response()
}

/// For how long a renewal counts, in milliseconds; `now`: as it is, 0 where there is no definition yet.
pub(super) fn ttl_of(ttl: Option<String>, now: u64) -> Result<u64, String> {
    let ttl = match ttl {
        Some(text) => time::duration(&text).map_err(|error| format!("ttl: {error}"))?,
        None if now > 0 => return Ok(now),
        None => return Ok(limits::BUDGET_TTL_DEFAULT_MS),
    };
    Ok(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}

/// Labels as `NAME=VALUE`, several divided by commas; `now`: as they are.
pub(super) fn scope_of(
    text: Option<String>,
    now: BTreeMap<String, String>,
) -> Result<Vec<Label>, String> {
    let Some(text) = text else {
        return Ok(Label::all(now));
    };
    let label = |text: &str| {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            format!("a scope is NAME=VALUE, as in `[labels]` of host.toml, not `{text}`")
        })?;
        Ok(Label { name: name.to_owned(), value: value.to_owned() })
    };
    text.split(',').filter(|label| !label.is_empty()).map(label).collect()
}
