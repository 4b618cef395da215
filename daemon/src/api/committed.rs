//! What the doors of all that hosts share have in common: reading quorate's own keys through the leader, as any client could, and reading
//! the scope and the time of a definition.
//!
//! Knows nothing of what the keys say.

use super::failure::Failure;
use super::keyspace::{self, pages::range};
use super::loop_call;
use super::parameters::Patience;
use super::request_id::RequestId;
use crate::doors::Doors;
use crate::words::time;
use quorate_proto::{Label, RangeRequest, kv_request, kv_response};
use std::time::Duration;

/// What stands where nothing is said: a dead host is replaced within five seconds.
const TTL: Duration = Duration::from_secs(3);

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

/// For how long a renewal counts, in milliseconds.
pub(super) fn ttl_of(ttl: Option<String>) -> Result<u64, String> {
    let ttl = match ttl {
        Some(text) => time::duration(&text).map_err(|error| format!("ttl: {error}"))?,
        None => TTL,
    };
    Ok(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}

/// Labels as `NAME=VALUE`, several divided by commas.
pub(super) fn scope_of(text: &str) -> Result<Vec<Label>, String> {
    let label = |text: &str| {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            format!("a scope is NAME=VALUE, as in `[labels]` of host.toml, not `{text}`")
        })?;
        Ok(Label { name: name.to_owned(), value: value.to_owned() })
    };
    text.split(',').filter(|label| !label.is_empty()).map(label).collect()
}
