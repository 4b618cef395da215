//! A ring of lines, and whoever follows it.
//!
//! It keeps the newest lines, numbered from 1 for this run of the daemon. A subscriber that keeps up sees each line; a slow one skips to
//! the oldest that is left. Nothing ever queues for a subscriber, and whoever writes never waits for one. Knows nothing of what the lines
//! say.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A bounded history with a bell.
#[derive(Debug)]
pub(super) struct Ring<T> {
    lines: Mutex<VecDeque<(u64, Arc<T>)>>,
    /// Number of the newest line; 0 before the first.
    newest: watch::Sender<u64>,
    bound: usize,
}

impl<T> Ring<T> {
    pub(super) fn new(bound: usize) -> Arc<Self> {
        let (newest, _) = watch::channel(0);
        Arc::new(Self { lines: Mutex::new(VecDeque::with_capacity(bound)), newest, bound })
    }

    fn lines(&self) -> MutexGuard<'_, VecDeque<(u64, Arc<T>)>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what `make` makes of the newest line.
    pub(super) fn push(&self, make: impl FnOnce(u64, Option<&T>) -> Option<T>) {
        let mut lines = self.lines();
        let number = lines.back().map_or(0, |(number, _)| *number) + 1;
        let Some(line) = make(number, lines.back().map(|(_, line)| &**line)) else { return };
        // Full: the oldest line goes. Whoever still wanted it skips it.
        if lines.len() == self.bound {
            lines.pop_front();
        }
        lines.push_back((number, Arc::new(line)));
        drop(lines);
        self.newest.send_replace(number);
    }

    pub(super) fn newest(&self) -> Option<Arc<T>> {
        self.lines().back().map(|(_, line)| Arc::clone(line))
    }

    pub(super) fn all(&self) -> Vec<Arc<T>> {
        self.lines().iter().map(|(_, line)| Arc::clone(line)).collect()
    }

    fn next_after(&self, seen: u64) -> Option<(u64, Arc<T>)> {
        self.lines().iter().find(|(number, _)| *number > seen).cloned()
    }
}

/// Follows a ring.
#[derive(Debug)]
pub(crate) struct Subscription<T> {
    ring: Arc<Ring<T>>,
    bell: watch::Receiver<u64>,
    seen: u64,
}

impl<T> Subscription<T> {
    pub(super) fn new(ring: &Arc<Ring<T>>, seen: u64) -> Self {
        Self { ring: Arc::clone(ring), bell: ring.newest.subscribe(), seen }
    }

    /// The next line; none when the daemon stops. May be dropped while it waits, without losing a line.
    pub(crate) async fn next(&mut self) -> Option<Arc<T>> {
        loop {
            self.bell.borrow_and_update();
            if let Some((number, line)) = self.ring.next_after(self.seen) {
                self.seen = number;
                return Some(line);
            }
            self.bell.changed().await.ok()?;
        }
    }
}
