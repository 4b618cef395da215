//! Large reads beside the loop: two at a time on threads of their own, the others in a queue with a bound.
//!
//! A read holds a copy of the state, which shares its data with the state that goes on; whoever has gone, or came too late, is not
//! read for. Knows nothing of what is read.

use crate::askers::Waiting;
use crate::clock;
use quorate_node::LargeRead;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Reads that run. One processor is left to the loop where there are three or more.
const RUNNING: usize = 2;
/// Reads that run or wait. A fleet's programs read whole tables seldom; each that waits keeps what it would read in memory.
const PLACES: usize = 256;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct LargeReads {
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl Default for LargeReads {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLACES)),
            running: Arc::new(Semaphore::new(RUNNING)),
        }
    }
}

impl LargeReads {
    /// Reads, and tells who waits: at once when there is no place.
    pub(crate) fn start(&self, read: Box<LargeRead>, waiting: Waiting) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            waiting.tell(read.refused(false));
            return;
        };
        let running = Arc::clone(&self.running);
        tokio::spawn(async move {
            let turn = running.acquire_owned().await;
            let work = move || {
                if waiting.is_gone() {
                    return;
                }
                let late = clock::now() > read.deadline;
                waiting.tell(if late { read.refused(true) } else { read.answer() });
            };
            let _ = tokio::task::spawn_blocking(work).await;
            drop((turn, place));
        });
    }
}
