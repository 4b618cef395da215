//! What clients asked and what they were answered, as they saw it: all that the judges of the keyspace know. Of the simulator
//! and of the chaos runner alike.
//!
//! Invariant: no value is written by two operations, so a value names the operation that it came from. Times are those
//! of one clock, real or virtual, from the begin of the run.

use std::fmt;
use std::time::Duration;

/// A key, by number; [`key_name`] is what the store knows it by.
pub type Key = u32;
/// A value, by number.
pub type Value = u64;

/// What was asked of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Writes a value.
    Put(Value),
    /// Reads.
    Get,
    /// Removes the key if it is there.
    Delete,
    /// A transaction: puts `new` where the key has `expected` (none: where it is absent), else reads it.
    Swap {
        /// The value that must be there.
        expected: Option<Value>,
        /// The value that replaces it.
        new: Value,
    },
}

/// What the key had just before, as the answer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// The answer does not say.
    NotAsked,
    /// The value; none where the key was absent.
    Was(Option<Value>),
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done {
        /// That of the change, or that at which nothing was to change.
        revision: u64,
        /// Whether anything changed.
        changed: bool,
        /// What was there before.
        before: Before,
    },
    /// The server says that it was not and will not be done.
    NotDone,
    /// It may have been done, or may yet be.
    Unknown,
}

/// One operation of one client.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// Who asked.
    pub client: usize,
    /// The node that was asked, from zero.
    pub node: usize,
    /// The one key that it is about.
    pub key: Key,
    /// What was asked.
    pub act: Act,
    /// When it was asked.
    pub sent: Duration,
    /// When the answer came, or the client gave up.
    pub answered: Duration,
    /// What it was answered.
    pub answer: Answer,
}

impl Operation {
    /// The revision that this operation is said to have made.
    #[must_use]
    pub fn made(&self) -> Option<u64> {
        match self.answer {
            Answer::Done { revision, changed: true, .. } => Some(revision),
            _ => None,
        }
    }

    /// The value that it writes when it changes anything.
    #[must_use]
    pub fn writes(&self) -> Option<Value> {
        match self.act {
            Act::Put(value) | Act::Swap { new: value, .. } => Some(value),
            Act::Get | Act::Delete => None,
        }
    }
}

/// What the store calls a key.
#[must_use]
pub fn key_name(key: Key) -> String {
    format!("k{key:03}")
}

/// The number of a key of the store; none for a key that is no client's.
#[must_use]
pub fn key_number(name: &[u8]) -> Option<Key> {
    std::str::from_utf8(name).ok()?.strip_prefix('k')?.parse().ok()
}

/// A value as a number; none for a value that is no client's.
#[must_use]
pub fn value_number(value: &[u8]) -> Option<Value> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// A value, or that there is none.
#[must_use]
pub fn shown(value: Option<Value>) -> String {
    value.map_or_else(|| "absent".to_owned(), |value| value.to_string())
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sent, answered) = (self.sent.as_secs_f64(), self.answered.as_secs_f64());
        let (key, node) = (key_name(self.key), self.node + 1);
        write!(f, "[{sent:.4} to {answered:.4}] client {} at n{node}: ", self.client)?;
        match self.act {
            Act::Put(value) => write!(f, "put {key} {value}")?,
            Act::Get => write!(f, "get {key}")?,
            Act::Delete => write!(f, "delete {key}")?,
            Act::Swap { expected, new } => write!(f, "swap {key} {} for {new}", shown(expected))?,
        }
        match self.answer {
            Answer::Done { revision, changed, before } => {
                let what = if changed { "changed at" } else { "nothing changed, at" };
                write!(f, ": {what} revision {revision}")?;
                match before {
                    Before::NotAsked => Ok(()),
                    Before::Was(value) => write!(f, ", it was {}", shown(value)),
                }
            }
            Answer::NotDone => write!(f, ": not done"),
            Answer::Unknown => write!(f, ": unknown"),
        }
    }
}

/// Histories by hand, for the tests of the judges.
pub mod by_hand {
    use super::{Act, Answer, Before, Operation};
    use std::time::Duration;

    /// An operation on key 1 by client 0 at the first node; times in milliseconds.
    #[must_use]
    pub fn operation(from: u64, to: u64, act: Act, answer: Answer) -> Operation {
        let [sent, answered] = [from, to].map(Duration::from_millis);
        Operation { client: 0, node: 0, key: 1, act, sent, answered, answer }
    }

    /// A put that was done.
    #[must_use]
    pub fn put(from: u64, to: u64, value: u64, revision: u64) -> Operation {
        let answer = Answer::Done { revision, changed: true, before: Before::NotAsked };
        operation(from, to, Act::Put(value), answer)
    }

    /// A read, and what it showed.
    #[must_use]
    pub fn get(from: u64, to: u64, value: Option<u64>, revision: u64) -> Operation {
        let answer = Answer::Done { revision, changed: false, before: Before::Was(value) };
        operation(from, to, Act::Get, answer)
    }
}
