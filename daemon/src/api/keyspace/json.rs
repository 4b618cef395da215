//! `/v1/kv` in JSON, for curl and whatever has no etcd client: read, write and delete, the last two on condition that the
//! key is still as it was read. The pages are those of [`super::pages`].

use super::pages::{KeysPage, given, range};
use crate::api::failure::{Failure, failed, refusal, usage};
use crate::api::keyspace;
use crate::api::parameters::{Flag, Parameters, Patience, Whole};
use crate::api::request_id::RequestId;
use crate::doors::Doors;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use quorate_proto::kv_request::Request;
use quorate_proto::{
    Compare, CompareResult, CompareTarget, DeleteRangeRequest, KvResponse, PutRequest,
    RangeRequest, RequestOp, TxnRequest, TxnResponse, compare, kv_response, request_op,
    response_op,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// What is asked for with GET.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reading {
    key: Option<String>,
    key_base64: Option<String>,
    prefix: Option<String>,
    prefix_base64: Option<String>,
    after: Option<String>,
    after_base64: Option<String>,
    limit: Whole,
    revision: Whole,
    serializable: Flag,
    keys_only: Flag,
}

/// The body of PUT.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Writing {
    key: Option<String>,
    key_base64: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
    if_mod_revision: Option<Whole>,
}

/// The body of DELETE.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Deleting {
    key: Option<String>,
    key_base64: Option<String>,
    prefix: Option<String>,
    prefix_base64: Option<String>,
    if_mod_revision: Option<Whole>,
}

/// Why there is no page.
enum No {
    Usage(String),
    Kv(Failure),
    /// The key was changed since; this is its revision now, 0 when it is gone.
    Changed(i64),
}

impl From<String> for No {
    fn from(text: String) -> Self {
        Self::Usage(text)
    }
}

impl From<Failure> for No {
    fn from(failure: Failure) -> Self {
        Self::Kv(failure)
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        match self {
            Self::Usage(text) => usage(&text),
            Self::Kv(failure) => failed(&failure),
            Self::Changed(now) => {
                let text = match now {
                    0 => "the key is not there, so it is not as if_mod_revision says; nothing was changed".to_owned(),
                    now => format!("the key has mod_revision {now}; nothing was changed"),
                };
                refusal(StatusCode::PRECONDITION_FAILED, "precondition", &text).into_response()
            }
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, No> {
    serde_json::from_slice(body)
        .map_err(|error| No::Usage(format!("the body must be JSON: {error}")))
}

/// Which keys: one, or all with a prefix (true).
fn which(key: Option<Bytes>, prefix: Option<Bytes>) -> Result<(Bytes, bool), No> {
    match (key, prefix) {
        (Some(key), None) => Ok((key, false)),
        (None, Some(prefix)) => Ok((prefix, true)),
        _ => Err(No::Usage("give key or prefix, each as text or as _base64".to_owned())),
    }
}

/// GET.
pub(crate) async fn read(
    State(doors): State<Arc<Doors>>,
    patience: Patience,
    Parameters(asked): Parameters<Reading>,
) -> Result<Json<KeysPage>, Response> {
    let page = async {
        let key = given("key", asked.key, asked.key_base64)?;
        let prefix = given("prefix", asked.prefix, asked.prefix_base64)?;
        let after = given("after", asked.after, asked.after_base64)?;
        let (key, all) = which(key, prefix)?;
        let (key, range_end) = range(&key, all, after.as_ref());
        let request = Request::Range(RangeRequest {
            key,
            range_end,
            limit: asked.limit.0,
            revision: asked.revision.0,
            serializable: asked.serializable.0,
            keys_only: asked.keys_only.0,
            ..RangeRequest::default()
        });
        match ask(&doors, patience, RequestId::default(), request).await? {
            kv_response::Response::Range(answer) => Ok(Json(KeysPage::of(&answer))),
            _ => Err(other_kind()),
        }
    };
    page.await.map_err(No::into_response)
}

/// PUT.
pub(crate) async fn write(
    State(doors): State<Arc<Doors>>,
    patience: Patience,
    id: RequestId,
    body: Bytes,
) -> Result<Json<serde_json::Value>, Response> {
    let page = async {
        let asked: Writing = parse(&body)?;
        let (key, _) = which(given("key", asked.key, asked.key_base64)?, None)?;
        let value = given("value", asked.value, asked.value_base64)?
            .ok_or_else(|| No::Usage("give value or value_base64".to_owned()))?;
        let put = PutRequest { key: key.clone(), value, ..PutRequest::default() };
        let operation = request_op::Request::Put(put);
        let (revision, _) =
            change(&doors, patience, id, key, asked.if_mod_revision, operation).await?;
        Ok(Json(serde_json::json!({ "revision": revision })))
    };
    page.await.map_err(No::into_response)
}

/// DELETE.
pub(crate) async fn remove(
    State(doors): State<Arc<Doors>>,
    patience: Patience,
    id: RequestId,
    body: Bytes,
) -> Result<Json<serde_json::Value>, Response> {
    let page = async {
        let asked: Deleting = parse(&body)?;
        let prefix = given("prefix", asked.prefix, asked.prefix_base64)?;
        let (key, all) = which(given("key", asked.key, asked.key_base64)?, prefix)?;
        if all && asked.if_mod_revision.is_some() {
            return Err(No::Usage(
                "if_mod_revision is about one key, not about a prefix".to_owned(),
            ));
        }
        let (begin, range_end) = range(&key, all, None);
        let delete =
            DeleteRangeRequest { key: begin.clone(), range_end, ..DeleteRangeRequest::default() };
        let operation = request_op::Request::DeleteRange(delete);
        let (revision, deleted) =
            change(&doors, patience, id, begin, asked.if_mod_revision, operation).await?;
        Ok(Json(serde_json::json!({ "deleted": deleted, "revision": revision })))
    };
    page.await.map_err(No::into_response)
}

/// Carries out one change, if the key is still as it was. Its revision, and how many keys were deleted.
async fn change(
    doors: &Doors,
    patience: Patience,
    id: RequestId,
    key: Bytes,
    if_mod_revision: Option<Whole>,
    operation: request_op::Request,
) -> Result<(i64, i64), No> {
    let op = |request| RequestOp { request: Some(request) };
    let condition = |revision| Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Mod.into(),
        key: key.clone(),
        target_union: Some(compare::TargetUnion::ModRevision(revision)),
        ..Compare::default()
    };
    let look = RangeRequest { key: key.clone(), keys_only: true, ..RangeRequest::default() };
    let request = Request::Txn(TxnRequest {
        compare: if_mod_revision.map(|Whole(revision)| condition(revision)).into_iter().collect(),
        success: vec![op(operation)],
        failure: vec![op(request_op::Request::Range(look))],
    });
    let kv_response::Response::Txn(answer) = ask(doors, patience, id, request).await? else {
        return Err(other_kind());
    };
    outcome(answer)
}

fn outcome(answer: TxnResponse) -> Result<(i64, i64), No> {
    let revision = answer.header.map_or(0, |header| header.revision);
    let first = answer.responses.into_iter().next().and_then(|response| response.response);
    match first {
        Some(response_op::Response::Put(_)) => Ok((revision, 0)),
        Some(response_op::Response::DeleteRange(answer)) => Ok((revision, answer.deleted)),
        Some(response_op::Response::Range(found)) if !answer.succeeded => {
            Err(No::Changed(found.kvs.first().map_or(0, |kv| kv.mod_revision)))
        }
        _ => Err(other_kind()),
    }
}

async fn ask(
    doors: &Doors,
    patience: Patience,
    id: RequestId,
    request: Request,
) -> Result<kv_response::Response, No> {
    let answer: KvResponse = keyspace::ask(doors, request, id, patience.0).await?;
    answer.response.ok_or_else(other_kind)
}

fn other_kind() -> No {
    No::Kv(Failure::Other("the answer is of another kind than the question".to_owned()))
}
