//! `GET /v1/snapshot`: everything that the cluster has agreed on, as a backup, from this node's copy.
//!
//! What stays true: the loop hands out a copy of the state, which shares its data with the state that goes on, and never waits; the bytes
//! are made on a thread of their own, no faster than the client takes them. What was acknowledged before the question is in the answer.

use super::failure::{Failure, failed};
use super::loop_call::once;
use super::parameters::{Flag, Parameters, Patience};
use super::request_id::RequestId;
use crate::clock::{self, wall_unix_ms};
use crate::disk::backups::{BackupHead, BackupHost, FORMAT, stream};
use crate::doors::{Call, Doors};
use crate::words::time::rfc3339;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use quorate_meta::Meta;
use quorate_node::Status;
use quorate_proto::{HealthView, KvRequest, RangeRequest, Role, kv_request, kv_response};
use serde::Deserialize;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Pieces that are made ahead of the client: 1 MiB.
const AHEAD: usize = 4;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SnapshotQuery {
    /// The copy as it is here, which may be old but needs no leader.
    serializable: Flag,
}

pub(super) async fn snapshot(
    State(doors): State<Arc<Doors>>,
    Parameters(query): Parameters<SnapshotQuery>,
    patience: Patience,
) -> Response {
    let Some(place) = doors.crowds.snapshots.take(1, clock::now()) else {
        return failed(&Failure::Busy);
    };
    match copy(&doors, query.serializable.0, patience.0).await {
        Ok(meta) => {
            let head = head(&doors.status.borrow(), &meta);
            let (give, parts) = mpsc::channel(AHEAD);
            tokio::task::spawn_blocking(move || {
                for part in stream(&head, meta.chunks()) {
                    if give.blocking_send(part).is_err() {
                        break;
                    }
                }
                drop((meta, place));
            });
            sent(parts)
        }
        Err(failure) => failed(&failure),
    }
}

fn sent(parts: mpsc::Receiver<io::Result<Bytes>>) -> Response {
    let next = async |mut parts: mpsc::Receiver<_>| Some((parts.recv().await?, parts));
    let body = Body::from_stream(futures_util::stream::unfold(parts, next));
    ([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response()
}

/// The state here, once it holds what the leader had acknowledged when this was asked.
async fn copy(doors: &Doors, serializable: bool, patience: Duration) -> Result<Box<Meta>, Failure> {
    let until = Instant::now() + patience;
    // A copy must be here before anybody is asked how new it is.
    let mut copy = here(doors, patience).await?;
    if serializable {
        return Ok(copy);
    }
    let newest = newest_revision(doors, patience).await?;
    let mut status = doors.status.clone();
    while copy.revision().get() < newest {
        status.mark_unchanged();
        copy = here(doors, patience).await?;
        if copy.revision().get() >= newest {
            break;
        }
        match tokio::time::timeout_at(until, status.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Failure::Stopping),
            Err(_) => return Err(Failure::TimedOut),
        }
    }
    Ok(copy)
}

async fn here(doors: &Doors, patience: Duration) -> Result<Box<Meta>, Failure> {
    let copy = doors.ask(patience, |reply| Call::Copy { reply }).await?;
    copy.ok_or_else(|| Failure::NotFound(nothing_here(&doors.status.borrow().view)))
}

/// Which hosts to ask instead.
fn nothing_here(view: &HealthView) -> String {
    let holders = view.members.iter().filter(|member| member.role() != Role::Member);
    let names: Vec<&str> = holders.map(|member| member.name.as_str()).collect();
    match names.is_empty() {
        true => "this host holds no copy of what the cluster has agreed on, and knows of no host that does: `quorate why` says what it waits for".to_owned(),
        false => format!(
            "this host holds no copy of what the cluster has agreed on; these hosts do: {}. Save it there",
            names.join(", ")
        ),
    }
}

/// A linearizable read: nothing that was acknowledged before is newer.
async fn newest_revision(doors: &Doors, patience: Duration) -> Result<u64, Failure> {
    let range = RangeRequest { key: Bytes::from_static(b"\0"), ..RangeRequest::default() };
    let request = KvRequest { request: Some(kv_request::Request::Range(range)) };
    match once(doors, request, RequestId::default(), patience).await?.response {
        Some(kv_response::Response::Range(answer)) => {
            Ok(answer.header.map_or(0, |header| header.revision.unsigned_abs()))
        }
        _ => Err(super::loop_call::wrong_kind()),
    }
}

fn head(status: &Status, meta: &Meta) -> BackupHead {
    let view = meta.view();
    let hosts = view.members.iter().map(|member| BackupHost {
        name: member.name.clone(),
        role: member.role().word().to_owned(),
    });
    BackupHead {
        format: FORMAT,
        cluster: status.cluster.clone(),
        cluster_id: meta.cluster_id().map(|id| id.to_string()).unwrap_or_default(),
        revision: meta.revision().get(),
        keys: meta.keys(),
        key_bytes: meta.keyspace_bytes(),
        index: meta.applied(),
        state_hash: format!("{:016x}", meta.state_hash()),
        health_epoch: meta.epoch().get(),
        time: rfc3339(wall_unix_ms()),
        saved_by: status.name.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hosts: hosts.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::pages::RefusalPage;
    use crate::api::tests::{Stage, refuse, view};
    use crate::disk::backups::BackupReader;
    use hyper::StatusCode;
    use quorate_node::ClientReply;
    use quorate_node::status::State as NodeState;
    use quorate_proto::{KvResponse, MemberState, RangeResponse, RefusalCode, ResponseHeader};

    #[tokio::test]
    async fn a_snapshot_is_a_file_that_is_whole_and_says_whose_it_is() {
        let stage =
            Stage::new(NodeState::Quorate, |request| panic!("no leader is asked: {request:?}"));
        let (code, bytes) = stage.get("/v1/snapshot?serializable=1").await;
        assert_eq!(code, StatusCode::OK);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("snapshot");
        std::fs::write(&file, &bytes).unwrap();
        let head = BackupReader::check(&file).unwrap();
        assert_eq!((head.cluster.as_str(), head.saved_by.as_str()), ("demo", "b"));
        // Its place is free again, once the thread has ended.
        while stage.doors.crowds.snapshots.bound().used > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_copy_that_is_behind_what_was_acknowledged_is_not_given() {
        let stage = Stage::new(NodeState::Quorate, |_| {
            let header = Some(ResponseHeader { revision: 9, ..ResponseHeader::default() });
            let range = RangeResponse { header, ..RangeResponse::default() };
            let response = Some(kv_response::Response::Range(range));
            ClientReply::Kv(KvResponse { response })
        });
        let failure = copy(&stage.doors, false, Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(failure, Failure::TimedOut);
    }

    #[tokio::test]
    async fn without_a_leader_only_the_own_copy_is_given() {
        let stage = Stage::new(NodeState::NoQuorum, |_| refuse(RefusalCode::TimedOut, 0));
        let (code, body) = stage.get("/v1/snapshot").await;
        let page: RefusalPage = serde_json::from_slice(&body).unwrap();
        assert_eq!((code, page.code.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "no-leader"));
        assert_eq!(stage.get("/v1/snapshot?serializable=1").await.0, StatusCode::OK);
    }

    #[test]
    fn a_host_without_a_copy_names_those_that_have_one() {
        let mut members = view(4, MemberState::Alive);
        members.members[1].role = Role::Member as i32;
        let told = nothing_here(&members);
        assert!(told.contains("these hosts do: a, c."), "{told}");
    }
}
