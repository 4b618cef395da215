//! What this host's applications may use of one kind of thing, each as it is now: who follows one sees the newest, and skips what came
//! between.
//!
//! Unlike the other feeds this keeps no history: only the last word counts. Nobody is told that there is none before that is known: a daemon
//! that was just started knows of nothing yet. Knows nothing of what it is, nor of how it came about.

use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// See the head of this file.
#[derive(Debug, Clone)]
pub(crate) struct Newest<T> {
    newest: watch::Sender<All<T>>,
}

/// All that there is.
#[derive(Debug)]
pub(crate) struct All<T> {
    pub(crate) by_name: BTreeMap<String, Arc<T>>,
    /// Whether there is none of what is not among them.
    pub(crate) known: bool,
}

impl<T> Clone for All<T> {
    fn clone(&self) -> Self {
        Self { by_name: self.by_name.clone(), known: self.known }
    }
}

impl<T: PartialEq> Newest<T> {
    /// None yet.
    pub(crate) fn new() -> Self {
        let none = All { by_name: BTreeMap::new(), known: false };
        Self { newest: watch::channel(none).0 }
    }

    /// What has this name is another than before, or is no more.
    pub(crate) fn publish(&self, name: String, now: Option<T>) {
        self.newest.send_modify(|all| {
            match now {
                Some(now) => all.by_name.insert(name, Arc::new(now)),
                None => all.by_name.remove(&name),
            };
        });
    }

    /// There is none of what was not published.
    pub(crate) fn is_known(&self) {
        self.newest.send_modify(|all| all.known = true);
    }

    /// There is none any more.
    pub(crate) fn withdraw(&self) {
        self.newest.send_modify(|all| {
            all.by_name.clear();
            all.known = true;
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
    bell: watch::Receiver<All<T>>,
}

impl<T> FollowingAll<T> {
    /// All as they are, once one is another than at the last look. None when the daemon stops.
    pub(crate) async fn next(&mut self) -> Option<All<T>> {
        self.bell.changed().await.ok()?;
        Some(self.bell.borrow_and_update().clone())
    }
}

/// Follows one of them.
#[derive(Debug)]
pub(crate) struct Following<T> {
    bell: watch::Receiver<All<T>>,
    name: String,
    /// What was shown last; the outer one is none before anything was.
    shown: Option<Option<Arc<T>>>,
}

impl<T: PartialEq> Following<T> {
    /// What it is now, if that was not shown yet, else what it is next; an inner none: there is none. None when the daemon stops. May be
    /// dropped while it waits, without losing a line.
    pub(crate) async fn next(&mut self) -> Option<Option<Arc<T>>> {
        loop {
            let (now, known) = {
                let all = self.bell.borrow_and_update();
                (all.by_name.get(&self.name).cloned(), all.known)
            };
            if (known || now.is_some()) && self.shown.as_ref() != Some(&now) {
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
        Share {
            budget,
            state,
            amount: 15,
            number,
            deadline: None,
            reserve: 0,
            acknowledge: false,
            alone: None,
        }
    }

    fn publish(shares: &Newest<Share>, budget: &str, number: u64) {
        shares.publish(budget.to_owned(), Some(share(budget, number)));
    }

    #[tokio::test]
    async fn nobody_is_told_that_there_is_none_before_that_is_known() {
        let shares: Newest<Share> = Newest::new();
        let mut following = shares.follow("pg");
        let early = tokio::time::timeout(std::time::Duration::ZERO, following.next()).await;
        assert!(early.is_err(), "a daemon that was just started knows nothing yet");
        shares.is_known();
        assert_eq!(following.next().await, Some(None));
        publish(&shares, "pg", 1);
        assert!(following.next().await.flatten().is_some());
        shares.withdraw();
        assert_eq!(following.next().await, Some(None), "it is no more");
    }

    #[tokio::test]
    async fn who_follows_a_share_sees_what_it_is_and_then_the_newest_alone() {
        let shares = Newest::new();
        let mut following = shares.follow("pg");
        publish(&shares, "other", 9);
        publish(&shares, "pg", 1);
        publish(&shares, "pg", 2);
        let line = following.next().await.flatten().expect("there is one");
        assert_eq!(line.number, 2);
        drop(shares);
        assert_eq!(following.next().await, None);
    }
}
