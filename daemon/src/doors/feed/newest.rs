//! What this host's applications may use of one kind of thing, each as it is now: who follows one sees the newest, and skips what came
//! between.
//!
//! Unlike the other feeds this keeps no history: only the last word counts. Knows nothing of what it is, nor of how it came about.

use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// See the head of this file.
#[derive(Debug, Clone)]
pub(crate) struct Newest<T> {
    newest: watch::Sender<BTreeMap<String, Arc<T>>>,
}

impl<T: PartialEq> Newest<T> {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { newest: watch::channel(BTreeMap::new()).0 }
    }

    /// What has this name is another than before.
    pub(crate) fn publish(&self, name: &str, now: T) {
        self.newest.send_modify(|all| {
            all.insert(name.to_owned(), Arc::new(now));
        });
    }

    /// Follows all of them, from the first that there is.
    pub(crate) fn follow_all(&self) -> FollowingAll<T> {
        let mut bell = self.newest.subscribe();
        bell.mark_changed();
        FollowingAll { bell }
    }

    /// Follows one of them, from what it is now.
    pub(crate) fn follow(&self, name: &str) -> Following<T> {
        Following { bell: self.newest.subscribe(), name: name.to_owned(), shown: None }
    }
}

/// Follows all of them.
#[derive(Debug)]
pub(crate) struct FollowingAll<T> {
    bell: watch::Receiver<BTreeMap<String, Arc<T>>>,
}

impl<T> FollowingAll<T> {
    /// All as they are, once one is another than at the last look. None when the daemon stops.
    pub(crate) async fn next(&mut self) -> Option<BTreeMap<String, Arc<T>>> {
        self.bell.changed().await.ok()?;
        Some(self.bell.borrow_and_update().clone())
    }
}

/// Follows one of them.
#[derive(Debug)]
pub(crate) struct Following<T> {
    bell: watch::Receiver<BTreeMap<String, Arc<T>>>,
    name: String,
    /// What was shown last; the outer one is none before anything was.
    shown: Option<Option<Arc<T>>>,
}

impl<T: PartialEq> Following<T> {
    /// What it is now, if that was not shown yet, else what it is next; an inner none: there is none. None when the daemon stops. May be
    /// dropped while it waits, without losing a line.
    pub(crate) async fn next(&mut self) -> Option<Option<Arc<T>>> {
        loop {
            let now = self.bell.borrow_and_update().get(&self.name).cloned();
            if self.shown.as_ref() != Some(&now) {
                self.shown = Some(now.clone());
                return Some(now);
            }
            self.bell.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_node::{Share, ShareState};

    fn share(budget: &str, number: u64) -> Share {
        let (budget, state) = (budget.to_owned(), ShareState::Held);
        Share { budget, state, amount: 15, number, deadline: None, acknowledge: false }
    }

    #[tokio::test]
    async fn who_follows_a_share_sees_what_it_is_and_then_the_newest_alone() {
        let shares = Newest::new();
        let mut following = shares.follow("pg");
        assert_eq!(following.next().await, Some(None));
        shares.publish("other", share("other", 9));
        shares.publish("pg", share("pg", 1));
        shares.publish("pg", share("pg", 2));
        let line = following.next().await.flatten().expect("there is one");
        assert_eq!(line.number, 2);
        drop(shares);
        assert_eq!(following.next().await, None);
    }
}
