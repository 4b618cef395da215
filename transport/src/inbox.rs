//! Which numbered log frames of one start of a peer were handed over: each once, in order, whatever connections they
//! came on.
//!
//! Pure, like the outbox at the other end. A connection says at its beginning which number it starts with; numbers
//! are consecutive from there. A jump there means that the sender gave up what lies between, and told its owner.

/// The last number that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inbox {
    last: u64,
}

/// What to do with a numbered frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Hand it over, then say so with [`Inbox::handed`].
    New,
    /// It was handed over before: drop it.
    Again,
    /// It cannot be: the sender broke the protocol.
    Gap,
}

impl Inbox {
    /// Judges a frame; `opens` when it is the first on its connection.
    #[must_use]
    pub fn judge(&self, number: u64, opens: bool) -> Arrival {
        if number <= self.last {
            Arrival::Again
        } else if opens || number == self.last + 1 {
            Arrival::New
        } else {
            Arrival::Gap
        }
    }

    /// The frame of this number was handed over or was to be skipped.
    pub fn handed(&mut self, number: u64) {
        self.last = self.last.max(number);
    }

    /// What to acknowledge.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }
}
