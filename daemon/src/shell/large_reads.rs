//! Large reads beside the loop: two at a time on threads of their own, the others in a queue with a bound.
//!
//! A read holds a copy of the state, which shares its data with the state that goes on; whoever has gone, or came too late, is not
//! read for. Knows nothing of what is read.

use super::askers::Waiting;
use crate::clock;
use crate::doors::crowds::{Crowds, Places};
use quorate_node::{Answered, LargeRead};
use quorate_proto::Moment;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Reads that run. One processor is left to the loop where there are three or more.
const RUNNING: usize = 2;

/// What is to be read, for an asker.
pub(crate) trait Read: Send + 'static {
    /// Until when the answer is wanted.
    fn deadline(&self) -> Moment;
    /// The answer, which takes its time.
    fn answer(&self) -> Answered;
    /// That it was not read for.
    fn refused(&self) -> Answered;
}

impl Read for LargeRead {
    fn deadline(&self) -> Moment {
        self.deadline
    }

    fn answer(&self) -> Answered {
        Self::answer(self)
    }

    fn refused(&self) -> Answered {
        Self::refused(self)
    }
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct LargeReads {
    own: Places,
    of_peers: Places,
    running: Arc<Semaphore>,
}

impl LargeReads {
    /// None yet.
    pub(crate) fn new(crowds: &Crowds) -> Self {
        Self {
            own: crowds.large_reads.clone(),
            of_peers: crowds.peer_large_reads.clone(),
            running: Arc::new(Semaphore::new(RUNNING)),
        }
    }

    /// Reads, and tells who waits: at once when there is no place.
    pub(crate) fn start(&self, read: Box<impl Read>, waiting: Waiting) {
        let places = match &waiting {
            Waiting::Client(_) => &self.own,
            Waiting::Node(_) => &self.of_peers,
        };
        let Some(place) = places.take(1, clock::now()) else {
            waiting.tell(read.refused());
            return;
        };
        let running = Arc::clone(&self.running);
        tokio::spawn(async move {
            let turn = running.acquire_owned().await;
            let work = move || {
                if waiting.is_gone() {
                    return;
                }
                let late = clock::now() > read.deadline();
                waiting.tell(if late { read.refused() } else { read.answer() });
            };
            let _ = tokio::task::spawn_blocking(work).await;
            drop((turn, place));
        });
    }
}

#[cfg(test)]
mod tests;
