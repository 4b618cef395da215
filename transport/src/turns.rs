//! How many requests of other nodes may be under way here, and how much memory they take: bounded in all and for each peer.
//!
//! One peer takes half at most, and a quarter is kept for peers that have few under way. So a member whose clients ask much,
//! or that asks without end, takes neither the others' places nor that of a host that wants to be let in.
//! Knows nothing of what is asked.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests being received or answered, from all peers.
pub(crate) const REQUESTS: usize = 256;
/// Those that no peer may take beyond its first [`OWN`].
const KEPT: usize = REQUESTS / 4;
/// What each peer may have under way however much the others ask.
const OWN: usize = 4;
/// What one peer may have under way.
const SHARE: usize = REQUESTS / 2;
/// Memory of received requests, in KiB: a few of the largest and many of the usual size.
const KIB: usize = 64 * 1024;
/// Memory of the requests of one peer.
const SHARE_KIB: usize = KIB / 2;

/// The places of all peers.
#[derive(Debug)]
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    /// Those that are not kept.
    open: Arc<Semaphore>,
    kib: Arc<Semaphore>,
}

/// The places of one peer.
#[derive(Debug)]
pub(crate) struct Share {
    turns: Arc<Semaphore>,
    kib: Arc<Semaphore>,
}

/// A place that is taken.
#[derive(Debug)]
pub(crate) struct Turn {
    _all: OwnedSemaphorePermit,
    _open: Option<OwnedSemaphorePermit>,
    _share: OwnedSemaphorePermit,
}

/// Memory that is taken.
#[derive(Debug)]
pub(crate) struct Room {
    _all: OwnedSemaphorePermit,
    _share: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(REQUESTS)),
            open: Arc::new(Semaphore::new(REQUESTS - KEPT)),
            kib: Arc::new(Semaphore::new(KIB)),
        }
    }
}

impl Default for Share {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(SHARE)), kib: Arc::new(Semaphore::new(SHARE_KIB)) }
    }
}

impl Turns {
    /// A place for one more request of this peer. None: it is to ask again, or somebody else.
    pub(crate) fn take(&self, share: &Share) -> Option<Turn> {
        let own = share.turns.clone().try_acquire_owned().ok()?;
        let many = SHARE - share.turns.available_permits() > OWN;
        let open = match many {
            true => Some(self.open.clone().try_acquire_owned().ok()?),
            false => None,
        };
        let all = self.all.clone().try_acquire_owned().ok()?;
        Some(Turn { _all: all, _open: open, _share: own })
    }

    /// Memory for so many bytes more.
    pub(crate) fn room(&self, share: &Share, bytes: u32) -> Option<Room> {
        let kib = bytes / 1024 + 1;
        let own = share.kib.clone().try_acquire_many_owned(kib).ok()?;
        let all = self.kib.clone().try_acquire_many_owned(kib).ok()?;
        Some(Room { _all: all, _share: own })
    }

    /// Waits until none is taken, and takes all.
    pub(crate) async fn all_over(&self) {
        let all = u32::try_from(REQUESTS).expect("a small constant");
        if let Ok(permits) = self.all.acquire_many(all).await {
            permits.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_takes_half_and_what_is_kept_is_for_peers_with_few() {
        let (turns, greedy, second, modest) =
            (Turns::default(), Share::default(), Share::default(), Share::default());
        let first = Vec::from_iter(std::iter::from_fn(|| turns.take(&greedy)));
        assert_eq!(first.len(), SHARE);
        let more = Vec::from_iter(std::iter::from_fn(|| turns.take(&second)));
        assert_eq!(first.len() + more.len(), REQUESTS - KEPT + 2 * OWN);
        let few = Vec::from_iter(std::iter::from_fn(|| turns.take(&modest)));
        assert_eq!(few.len(), OWN, "whoever asks little is heard");
        drop(more);
        assert!(turns.take(&modest).is_some(), "what was given back is there for others");
    }

    #[test]
    fn one_peers_large_requests_leave_room_for_anothers() {
        let (turns, greedy, modest) = (Turns::default(), Share::default(), Share::default());
        let megabyte = 1024 * 1024;
        let taken = Vec::from_iter(std::iter::from_fn(|| turns.room(&greedy, megabyte)));
        assert_eq!(taken.len(), 31, "half of all, less what rounding takes");
        assert!(turns.room(&modest, megabyte).is_some());
    }
}
