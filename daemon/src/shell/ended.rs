//! How the loop ended: the loop says it, and the start makes an exit code of it.

use quorate_node::BeginAnew;

/// How the loop ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Ended {
    /// As asked.
    Stopped,
    /// It stopped to begin anew in a new disk life.
    Anew(BeginAnew),
    /// The node must not go on. `again`: another start may go better.
    Halted {
        /// Why, and what helps.
        reason: String,
        /// Whether it may start again by itself.
        again: bool,
    },
    /// The program cannot run the cluster's feature level, with why and what helps.
    Unfit(String),
}
