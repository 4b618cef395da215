//! Watches the daemons from outside, over their sockets: health and events as they are pushed, the status now and
//! then. All of it arrives in one channel, each with the moment at which it was heard.

use super::heard::{Heard, Mouth, What};
use super::place::Files;
use crate::api::pages::StatusPage;
use crate::cli::Client;
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Between attempts to reach a daemon that is not there.
const RETRY: Duration = Duration::from_millis(5);
/// Between questions for the status, which only the table and its readers' eyes need.
const STATUS_EVERY: Duration = Duration::from_millis(50);

/// Watches one daemon, across its deaths, for as long as the tasks live.
pub(super) fn watch(tasks: &mut JoinSet<()>, host: usize, files: &Files, mouth: &Mouth) {
    let client = || Client::new(files.socket.clone());
    let health = follow(client(), "/v1/health/watch", host, mouth.clone(), What::Health);
    let events = follow(client(), "/v1/events/watch", host, mouth.clone(), What::Event);
    tasks.spawn(health);
    tasks.spawn(events);
    tasks.spawn(poll(client(), host, mouth.clone()));
}

/// Each new connection begins with the newest view, or with all events of the run.
async fn follow<T: DeserializeOwned>(
    client: Client,
    path: &'static str,
    host: usize,
    mouth: Mouth,
    what: fn(T) -> What,
) {
    loop {
        if let Ok(mut lines) = client.follow(path, None).await {
            while let Ok(line) = lines.next().await {
                let at = Instant::now();
                // What is not understood is not shown; the chapter that needs it will say what it misses.
                let Ok(page) = serde_json::from_str(&line.text) else { continue };
                if mouth.send(Heard { host, at, what: what(page) }).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn poll(client: Client, host: usize, mouth: Mouth) {
    loop {
        let page = client.get::<StatusPage>("/v1/status").await.ok().map(Box::new);
        let heard = Heard { host, at: Instant::now(), what: What::Status(page) };
        if mouth.send(heard).await.is_err() {
            return;
        }
        tokio::time::sleep(STATUS_EVERY).await;
    }
}
