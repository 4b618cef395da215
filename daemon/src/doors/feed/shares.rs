//! The shares of this host's applications, each as it is now: who follows one sees the newest, and skips what came between.
//!
//! Unlike the other feeds this keeps no history: of a share only the last word counts. Knows nothing of how it came about.

use quorate_node::Share;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// See the head of this file.
#[derive(Debug, Clone)]
pub(crate) struct Shares {
    newest: watch::Sender<BTreeMap<String, Arc<Share>>>,
}

impl Shares {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { newest: watch::channel(BTreeMap::new()).0 }
    }

    /// A share is another than before.
    pub(crate) fn publish(&self, share: Share) {
        self.newest.send_modify(|all| {
            all.insert(share.budget.clone(), Arc::new(share));
        });
    }

    /// Follows all of them, from the first that there is.
    pub(crate) fn follow_all(&self) -> FollowingAll {
        let mut bell = self.newest.subscribe();
        bell.mark_changed();
        FollowingAll { bell }
    }

    /// Follows one of them, from what it is now.
    pub(crate) fn follow(&self, budget: &str) -> Following {
        Following { bell: self.newest.subscribe(), budget: budget.to_owned(), shown: None }
    }
}

/// Follows all of them.
#[derive(Debug)]
pub(crate) struct FollowingAll {
    bell: watch::Receiver<BTreeMap<String, Arc<Share>>>,
}

impl FollowingAll {
    /// All as they are, once one is another than at the last look. None when the daemon stops.
    pub(crate) async fn next(&mut self) -> Option<BTreeMap<String, Arc<Share>>> {
        self.bell.changed().await.ok()?;
        Some(self.bell.borrow_and_update().clone())
    }
}

/// Follows one share.
#[derive(Debug)]
pub(crate) struct Following {
    bell: watch::Receiver<BTreeMap<String, Arc<Share>>>,
    budget: String,
    /// What was shown last; the outer one is none before anything was.
    shown: Option<Option<Arc<Share>>>,
}

impl Following {
    /// What it is now, if that was not shown yet, else what it is next; an inner none: there is no share. None when the daemon stops. May be
    /// dropped while it waits, without losing a line.
    pub(crate) async fn next(&mut self) -> Option<Option<Arc<Share>>> {
        loop {
            let now = self.bell.borrow_and_update().get(&self.budget).cloned();
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
    use quorate_node::ShareState;

    fn share(budget: &str, number: u64) -> Share {
        let (budget, state) = (budget.to_owned(), ShareState::Held);
        Share { budget, state, amount: 15, number, deadline: None, acknowledge: false }
    }

    #[tokio::test]
    async fn who_follows_a_share_sees_what_it_is_and_then_the_newest_alone() {
        let shares = Shares::new();
        let mut following = shares.follow("pg");
        assert_eq!(following.next().await, Some(None));
        shares.publish(share("other", 9));
        shares.publish(share("pg", 1));
        shares.publish(share("pg", 2));
        let line = following.next().await.flatten().expect("there is one");
        assert_eq!(line.number, 2);
        drop(shares);
        assert_eq!(following.next().await, None);
    }
}
