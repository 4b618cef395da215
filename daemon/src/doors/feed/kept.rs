//! The events of earlier runs of the daemon, as they were kept, and how many of this run could not be.
//!
//! Knows nothing of what an event says, nor of who keeps it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many of earlier runs are shown: as many as of this one.
const PAST: usize = super::events::EVENT_LINES;

/// See the head of the file. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    /// Each as JSON, oldest first.
    past: Arc<[String]>,
    lost: Arc<AtomicU64>,
}

impl Kept {
    /// The newest of these.
    pub(crate) fn of(mut lines: Vec<String>) -> Self {
        lines.drain(..lines.len().saturating_sub(PAST));
        Self { past: lines.into(), lost: Arc::default() }
    }

    /// Those of earlier runs, oldest first.
    pub(crate) fn past(&self) -> &[String] {
        &self.past
    }

    /// So many of this run could not be kept.
    pub(crate) fn lose(&self, events: u64) {
        self.lost.fetch_add(events, Ordering::Relaxed);
    }

    /// How many that are.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}
