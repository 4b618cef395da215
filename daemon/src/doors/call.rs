//! What a door asks of the loop, what it is answered, and why it may have no answer.
//!
//! Invariant: the loop answers every [`Call`] exactly once; a caller that went away has closed its reply. Knows nothing of HTTP.

use super::crowds::Shared;
use crate::links::line::LinkLine;
use quorate_meta::Meta;
use quorate_node::{ClientReply, ClientRequest};
use quorate_proto::{Holding, Instance, RecoveryOrder};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Calls that may wait for the loop. Full means that the loop is overrun: the caller is told "busy" at once
/// instead of queueing towards its own deadline.
pub(crate) const CALLS: usize = 4096;
/// Most pings of one `quorate ping`.
pub(crate) const PINGS: u32 = 100;

/// Something that a door asks of the loop. A reply whose other end is closed needs no answer any more.
#[derive(Debug)]
pub(crate) enum Call {
    /// A request to the keyspace, or a wait for an epoch.
    Client {
        request: ClientRequest,
        deadline: Duration,
        reply: oneshot::Sender<ClientReply>,
        /// What the request's bytes hold at the doors, until the loop has let go of it.
        body: Option<Arc<Shared>>,
    },
    /// Round trips to a node, over the link that stands.
    Ping { name: String, count: u32, reply: oneshot::Sender<Result<Pings, PingFailure>> },
    /// What all hold that can be reached, this node included: a majority may be lost.
    Survey { reply: oneshot::Sender<Vec<Holding>> },
    /// Has other nodes carry out their parts of a plan to found the cluster anew. Each with why it does not; none: it does, or it is
    /// not known.
    Order { orders: Vec<RecoveryOrder>, reply: oneshot::Sender<Vec<(Instance, Option<String>)>> },
    /// The links to all peers. `interfaces`: the UDP payload that the interfaces of this host take, where it is known.
    Links { interfaces: Option<u16>, reply: oneshot::Sender<Vec<LinkLine>> },
    /// The state as it is here, to be read elsewhere: a copy that costs the loop nothing. None on a node that holds no copy.
    Copy { reply: oneshot::Sender<Option<Box<Meta>>> },
}

/// Round trips to one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pings {
    /// Whom.
    pub(crate) instance: Instance,
    /// Where.
    pub(crate) address: SocketAddr,
    /// Those that were answered.
    pub(crate) trips: Vec<Duration>,
    /// Those that were not.
    pub(crate) lost: u32,
    /// Why, as far as the link tells.
    pub(crate) why: Option<String>,
}

/// Why nobody can be pinged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PingFailure {
    /// No node of that name is known here, but these are.
    Unknown { known: Vec<String> },
    /// That is this node.
    Itself,
}

/// Why a call has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallFailure {
    /// The loop has too many calls waiting; this one was not taken.
    Busy,
    /// The daemon has stopped; the call was not taken.
    Stopping,
    /// The daemon ended with the call in hand; what became of it is not known.
    Abandoned,
    /// The loop did not answer in time; what became of the call is not known.
    Silent,
}
