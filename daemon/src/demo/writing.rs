//! The demonstration's clients: each writes through one daemon, one key after the other, as fast as is polite, and
//! tells of each acknowledgement. Reads are here too.

use super::heard::{Heard, Mouth, What, Write};
use crate::cli::{Client, Failure, ask_keyspace};
use bytes::Bytes;
use quorate_proto::{PutRequest, RangeRequest, kv_request::Request, kv_response::Response};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a client lets a daemon work on one request: what is told has an earlier end.
const PATIENCE: Duration = Duration::from_secs(12);
/// Between two writes of one client: a steady hum, which leaves the processors to the daemons.
const BETWEEN: Duration = Duration::from_millis(4);
/// Between attempts while a daemon has not yet opened its door.
const RETRY: Duration = Duration::from_millis(2);
/// What all keys of the continuous writers begin with, and the key just behind them.
const WRITES: (&str, &str) = ("writes/", "writes0");

/// Writes a key, and gives the revision.
pub(super) async fn put(client: &Client, key: &str, value: &str) -> Result<u64, Failure> {
    let request = PutRequest {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
        ..PutRequest::default()
    };
    match ask_keyspace(client, Request::Put(request), PATIENCE).await? {
        Response::Put(answer) => {
            let revision = answer.header.map_or(0, |header| header.revision);
            Ok(u64::try_from(revision).unwrap_or(0))
        }
        _ => Err(Failure::other("the daemon answered another question")),
    }
}

/// Reads a key as the whole cluster has it.
pub(super) async fn get(client: &Client, key: &str) -> Result<Option<String>, Failure> {
    let request =
        RangeRequest { key: Bytes::copy_from_slice(key.as_bytes()), ..RangeRequest::default() };
    let kvs = range(client, request).await?;
    Ok(kvs.first().map(|(_, value)| value.clone()))
}

/// All keys of the continuous writers: as the whole cluster has them, or as they are in the daemon's own copy.
pub(super) async fn written(client: &Client, own: bool) -> Result<BTreeSet<String>, Failure> {
    let request = RangeRequest {
        key: Bytes::from_static(WRITES.0.as_bytes()),
        range_end: Bytes::from_static(WRITES.1.as_bytes()),
        keys_only: true,
        serializable: own,
        ..RangeRequest::default()
    };
    Ok(range(client, request).await?.into_iter().map(|(key, _)| key).collect())
}

async fn range(client: &Client, request: RangeRequest) -> Result<Vec<(String, String)>, Failure> {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    match ask_keyspace(client, Request::Range(request), PATIENCE).await? {
        Response::Range(answer) => {
            Ok(answer.kvs.iter().map(|kv| (text(&kv.key), text(&kv.value))).collect())
        }
        _ => Err(Failure::other("the daemon answered another question")),
    }
}

/// Asks for one write the moment the daemon's door is open, long before there is a leader.
pub(super) async fn first_write(host: usize, socket: impl AsRef<Path>, mouth: Mouth) {
    let client = Client::new(socket.as_ref().to_owned());
    loop {
        let key = "first".to_owned();
        let asked = Instant::now();
        let done = put(&client, &key, "written before there was a leader").await;
        if done.as_ref().is_err_and(Failure::is_unreachable) {
            tokio::time::sleep(RETRY).await;
            continue;
        }
        tell(host, &mouth, Write { key, asked, outcome: done }).await;
        return;
    }
}

/// Writes for ever.
pub(super) async fn keep_writing(host: usize, name: &str, socket: impl AsRef<Path>, mouth: Mouth) {
    let client = Client::new(socket.as_ref().to_owned());
    for number in 0_u64.. {
        let key = format!("{}{name}/{number:06}", WRITES.0);
        let asked = Instant::now();
        let outcome = put(&client, &key, "x").await;
        if !tell(host, &mouth, Write { key, asked, outcome }).await {
            return;
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

async fn tell(host: usize, mouth: &Mouth, write: Write) -> bool {
    mouth.send(Heard { host, at: Instant::now(), what: What::Write(write) }).await.is_ok()
}
