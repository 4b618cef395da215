//! What one room tells the others. A room never calls another: it says what happened, and the node hands that on, in order, from one table
//! (`node/hand_on.rs`).
//!
//! Handed on as soon as the room that spoke is done, before anything else happens in the turn. Knows nothing of who listens.

use quorate_membership::{DetectorInput, FoundingInput};

/// See the head of the file.
#[derive(Debug)]
pub(crate) enum News {
    /// Something for the detector of who is alive.
    Detector(DetectorInput),
    /// Something for the founding.
    Founding(FoundingInput),
    /// Whoever is not let in, or does not know who leads, asks now.
    AskToJoin,
}
