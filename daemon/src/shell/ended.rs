//! How the loop ended.

/// How the loop ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As asked.
    Stopped,
    /// The node must not go on. `again`: another start may go better.
    Halted {
        /// Why, and what helps.
        reason: String,
        /// Whether it may start again by itself.
        again: bool,
    },
}
