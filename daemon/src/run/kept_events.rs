//! Keeps the events of this run in the data directory, for who asks after a restart.
//!
//! Invariant: the loop never waits for it. It follows the feed of events as any subscriber does, at the pace of the disk; what the feed
//! has forgotten by then, or the disk refuses, is counted as lost. Knows nothing of what an event says.

use crate::api::pages::EventPage;
use crate::disk::LineFile;
use crate::doors::feed::Feeds;
use crate::doors::feed::events::EventLine;
use futures_util::FutureExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

/// What a stop waits for the last events: a disk that lives takes them at once.
const LAST_EVENTS: Duration = Duration::from_secs(1);

/// The task that keeps them.
#[derive(Debug)]
pub(super) struct Keeping {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Keeping {
    /// Keeps what the run tells that is named by its start.
    pub(super) fn begin(feeds: &Feeds, file: LineFile, run: u64, threads: &Handle) -> Self {
        let (end, ended) = oneshot::channel();
        let task = threads.spawn(keep(feeds.clone(), file, run, ended));
        Self { end, task }
    }

    /// Writes what there is, and ends.
    pub(super) async fn end(self) {
        drop(self.end);
        let _ = tokio::time::timeout(LAST_EVENTS, self.task).await;
    }
}

async fn keep(feeds: Feeds, mut file: LineFile, run: u64, mut ended: oneshot::Receiver<()>) {
    let (mut events, mut seen, mut fails) = (feeds.events.subscribe_after(0), 0, false);
    loop {
        let first = tokio::select! {
            biased;
            event = events.next() => event,
            _ = &mut ended => None,
        };
        let Some(first) = first else { return };
        let mut batch = vec![first];
        while let Some(Some(next)) = events.next().now_or_never() {
            batch.push(next);
        }
        let newest = batch.last().map_or(seen, |line| line.number);
        // What is not among them went by while the disk was slow.
        let passed_over = newest - seen - batch.len() as u64;
        seen = newest;
        let written = spawn_blocking(move || {
            let failed = write(&mut file, &batch, run);
            (file, failed)
        });
        let Ok((back, failed)) = written.await else { return };
        file = back;
        let lost = passed_over + failed.as_ref().map_or(0, |(events, _)| *events);
        feeds.kept.lose(lost);
        match &failed {
            Some((_, error)) if !fails => {
                tracing::warn!(%error, "events cannot be kept in the data directory");
            }
            None if fails => tracing::info!("events are kept in the data directory again"),
            _ => {}
        }
        fails = failed.is_some();
    }
}

/// How many could not be written, and the last reason.
fn write(file: &mut LineFile, batch: &[Arc<EventLine>], run: u64) -> Option<(u64, std::io::Error)> {
    let mut failed = None;
    for line in batch {
        let text = serde_json::to_string(&EventPage::of(line, run));
        let text = text.expect("pages have text keys only");
        if let Err(error) = file.append(&text) {
            failed = Some((failed.map_or(0, |(events, _)| events) + 1, error));
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_node::Event;

    #[tokio::test]
    async fn what_a_run_told_is_there_for_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let (feeds, threads) = (Feeds::new(), Handle::current());
        let file = || LineFile::of(dir.path());
        let keeping = Keeping::begin(&feeds, file(), 7, &threads);
        feeds.events.push(Event::Quorate);
        feeds.events.push(Event::RemovedAsLeader);
        keeping.end().await;
        let pages: Vec<EventPage> =
            file().read().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let ids: Vec<&str> = pages.iter().map(|page| page.id.as_str()).collect();
        assert_eq!(ids, ["1-7", "2-7"]);
        assert_eq!((pages[0].kind.as_str(), feeds.kept.lost()), ("quorate", 0));
    }

    #[tokio::test]
    async fn what_the_disk_refuses_is_counted_and_ends_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let feeds = Feeds::new();
        // No directory, no file.
        let file = LineFile::of(&dir.path().join("gone"));
        let keeping = Keeping::begin(&feeds, file, 7, &Handle::current());
        (0..3).for_each(|_| feeds.events.push(Event::Quorate));
        keeping.end().await;
        assert_eq!((feeds.kept.lost(), feeds.events.all().len()), (3, 3));
    }
}
