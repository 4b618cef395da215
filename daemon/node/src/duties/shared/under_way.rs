//! The changes of what is granted that a leader has proposed, and of which nobody knows yet what comes of them.
//!
//! Invariant: one is under way until its thing has another version, or until the proposal came to nothing.

use std::collections::BTreeMap;

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    /// What is changed -> its version then, and the proposal once it has a ticket.
    all: BTreeMap<String, (u64, Option<u64>)>,
    /// In the order in which the last look wanted them.
    proposing: Vec<String>,
}

impl UnderWay {
    /// Whether a change of what has this name and version is proposed.
    pub(crate) fn has(&self, name: &str, version: u64) -> bool {
        self.all.get(name).is_some_and(|(of, _)| *of == version)
    }

    /// A change of it is wanted.
    pub(crate) fn begin(&mut self, name: &str, version: u64) {
        self.all.insert(name.to_owned(), (version, None));
        self.proposing.push(name.to_owned());
    }

    /// What the last look wanted was queued under these tickets.
    pub(crate) fn proposed(&mut self, tickets: &[u64]) {
        for (name, ticket) in std::mem::take(&mut self.proposing).into_iter().zip(tickets) {
            if let Some((_, proposal)) = self.all.get_mut(&name) {
                *proposal = Some(*ticket);
            }
        }
    }

    /// A command was applied, or came to nothing. Whether it was one of these.
    pub(crate) fn settled(&mut self, ticket: u64) -> bool {
        let before = self.all.len();
        self.all.retain(|_, (_, proposal)| *proposal != Some(ticket));
        self.all.len() < before
    }
}
