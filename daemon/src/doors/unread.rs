//! Programs that did not take in time what they had asked for, until their connection was ended: counted, and told in the log.
//!
//! What stays true: the log has at most one line a minute of them, so that a program that comes again and again does not fill it. Clones share
//! the count. Reads no clock, knows nothing of HTTP.

use quorate_node::Refusals;
use quorate_proto::Moment;
use std::sync::{Arc, Mutex, PoisonError};

/// See the head of this file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unread(Arc<Mutex<Refusals>>);

impl Unread {
    /// The connection of a program of this user, where the kernel tells whose it is, was ended at the door with this name.
    pub(crate) fn note(&self, door: &str, user: Option<u32>, now: Moment) {
        let mut ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = ended.since(now).is_some();
        ended.note(now);
        if !told {
            let count = ended.count();
            let user = user.map_or_else(|| "unknown".to_owned(), |user| user.to_string());
            tracing::warn!(
                door,
                user,
                count,
                "a program did not take in time what it had asked for, so its connection was ended"
            );
        }
    }

    /// How many there were since the start.
    pub(crate) fn count(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_by_all_clones() {
        let unread = Unread::default();
        let now = Moment::from_micros(9_000_000);
        unread.note("unix", Some(1_000), now);
        unread.clone().note("tcp", None, now);
        assert_eq!(unread.count(), 2);
    }
}
