//! What the disk tells the loop, and how its threads say it.

use std::sync::{Arc, Mutex, PoisonError};

/// What the disk tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completed {
    /// The write with this number and all before it are durable.
    Durable {
        /// The node's number.
        number: u64,
    },
    /// There is no room (any more, or again) for the log to grow.
    DiskFull(bool),
}

/// Where the disk tells it; shared by the writer and the maker of spares.
#[derive(Clone)]
pub(crate) struct Report(Arc<Mutex<Callback>>);

/// Called on the disk's threads; must not block.
pub(crate) type Callback = Box<dyn Fn(Completed) + Send>;

impl Report {
    pub(crate) fn new(report: Callback) -> Self {
        Self(Arc::new(Mutex::new(report)))
    }

    pub(crate) fn tell(&self, completed: Completed) {
        (self.0.lock().unwrap_or_else(PoisonError::into_inner))(completed);
    }
}
