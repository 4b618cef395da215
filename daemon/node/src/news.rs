//! What one room tells the others. A room never calls another: it says what happened, and the node hands that on, in order, from one table
//! (`node/hand_on.rs`).
//!
//! Handed on as soon as the room that spoke is done, before anything else happens in the turn. Knows nothing of who listens.

use quorate_membership::{DetectorInput, FoundingInput};
use quorate_proto::{Admit, ForwardAnswer, Instance, Moment};
use std::net::SocketAddr;

/// See the head of the file.
#[derive(Debug)]
pub(crate) enum News {
    /// Something for the detector of who is alive.
    Detector(DetectorInput),
    /// Something for the founding.
    Founding(FoundingInput),
    /// Whoever is not let in, or does not know who leads, asks now.
    AskToJoin,
    /// A node asked this leader to be let in, by its own session.
    JoinerAsked { ticket: u64, from: Instance, admit: Box<Admit>, deadline: Moment },
    /// A request to be let in has its place here, and this node leads.
    JoinerWaits { request: u64, admit: Box<Admit> },
    /// This node's own request to be let in has its answer, from this node.
    JoinAnswered { ticket: u64, answer: ForwardAnswer },
    /// A node that was asked said where another is reached.
    AddressNamed { instance: Instance, address: SocketAddr },
    /// A node that was asked named a newer leader, and there is no replica here that would know.
    LeaderNamed { leader: Instance, term: u64 },
    /// Raft did not take a command that no request waits for.
    NotProposed { ticket: u64 },
}
