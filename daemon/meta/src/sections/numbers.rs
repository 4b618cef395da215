//! Numbers that only grow, of which none is given twice: the fencing tokens of what is granted. They jump when a cluster is founded anew.
//!
//! Knows nothing of what they number.

use crate::jump::behind;
use crate::snapshot::fields::{bounded, content, word};
use crate::snapshot::record::{Records, RestoreError};
use quorate_proto::limits;

/// By how much numbers jump when a cluster is founded anew: more than were given behind the state that is left.
pub(super) const JUMP: u64 = 1_000_000_000;
/// Numbers a second by the clock: more than a cluster gives for long.
const A_SECOND: u64 = 1_000;

/// See the head of this file.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Numbers {
    /// The newest that was given.
    last: u64,
    /// The longest time for which anything may have been granted behind the state from which the cluster was founded anew, in milliseconds.
    longest_ttl_ms: u64,
}

impl Numbers {
    /// The newest that was given; 0: none was.
    pub(super) fn last(self) -> u64 {
        self.last
    }

    /// The next one.
    pub(super) fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// What was given behind this state is not given again.
    pub(super) fn jump(&mut self, at_unix_ms: u64, ttls_ms: impl Iterator<Item = u64>) {
        self.last = behind(self.last, JUMP, A_SECOND, at_unix_ms);
        self.longest_ttl_ms = ttls_ms.fold(self.longest_ttl_ms, u64::max);
    }

    /// For so long whatever waits behind a founding waits at least: another definition may have been there then. 0 where none was.
    pub(super) fn longest_ttl_ms(self) -> u64 {
        self.longest_ttl_ms
    }

    /// Whether they jumped ever: nobody counts so far.
    pub(super) fn have_jumped(self) -> bool {
        self.last >= JUMP
    }

    pub(super) fn save(self, tag: u8, records: &mut Records<'_>) {
        if self.last > 0 {
            records.add(tag, |out| {
                out.extend(self.last.to_le_bytes());
                out.extend(self.longest_ttl_ms.to_le_bytes());
            });
        }
    }

    /// Takes them from a snapshot, once.
    pub(super) fn load(
        &mut self,
        body: &mut &[u8],
        what: &'static str,
    ) -> Result<(), RestoreError> {
        let (last, longest) = (bounded(word(body)?)?, word(body)?);
        if longest > *limits::BUDGET_TTL_MS.end() {
            return Err(content(what));
        }
        self.longest_ttl_ms = longest;
        let first = std::mem::replace(&mut self.last, last) == 0 && last > 0;
        first.then_some(()).ok_or(content(what))
    }
}
