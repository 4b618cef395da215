//! What the leader's duties of all that hosts share have in common: who is there, when what a holder may use has lapsed, how a number is
//! divided by weights, which changes are under way, and when there is something to look at.
//!
//! Knows nothing of what is shared.

pub(crate) mod divide;
#[cfg(test)]
pub(crate) mod draw;
pub(crate) mod hosts;
pub(crate) mod lapse;
pub(crate) mod looks;
pub(crate) mod together;
pub(crate) mod under_way;

use quorate_proto::{Moment, RenewShares};

/// A renewal that a majority has confirmed this leader for, and that waits for a change under way.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) request: u64,
    pub(crate) ask: RenewShares,
    /// When it came.
    pub(crate) came: Moment,
}
