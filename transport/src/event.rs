//! What the transport tells its owner.

use crate::bulk::SnapshotArrival;
use crate::sessions::Word;
use bytes::Bytes;
use quorate_proto::{DialFailure, Generation, Instance, Lane, NodeKey, Session, SessionEnd};
use std::net::SocketAddr;
use tokio::sync::oneshot;

/// What the transport tells its owner. Of one session `SessionUp` comes first and `SessionDown` last, and frames
/// of one lane come in the order in which they were handed over.
#[derive(Debug)]
pub enum TransportEvent {
    /// Both hellos are in. Comes again, with the same number, when a dial led to a session that stood already.
    SessionUp(Session),
    /// Another start of a peer came while the one that is connected still runs, and was turned away: one disk life runs twice.
    /// What stands goes on; this is the one that came.
    Twice(Session),
    /// The session is over.
    SessionDown {
        /// The peer.
        instance: Instance,
        /// The session's number.
        number: u64,
        /// Why.
        end: SessionEnd,
    },
    /// A dial led to no session, or a peer at an address that was dialled before was turned away.
    DialFailed {
        /// The address.
        address: SocketAddr,
        /// Why.
        failure: DialFailure,
    },
    /// A frame on an ordered lane.
    Frame {
        /// The peer.
        from: Instance,
        /// The lane.
        lane: Lane,
        /// The encoded envelope, not looked at.
        bytes: Bytes,
    },
    /// A gossip packet.
    Datagram {
        /// The peer.
        from: Instance,
        /// The packet.
        bytes: Bytes,
    },
    /// Log frames to this peer were given up.
    Undelivered {
        /// The peer.
        to: Instance,
    },
    /// A connection that only said: this generation of this instance has ended.
    Farewell {
        /// Who ended.
        instance: Instance,
        /// Which start of it: its count, ...
        generation: Generation,
        /// ... and its nonce.
        boot_nonce: u64,
        /// The key that said so, from its certificate: whether it may speak for the instance is for the owner to judge.
        key: NodeKey,
    },
    /// A request. Dropping `answer` tells the peer that there will be none.
    Request {
        /// The peer.
        from: Instance,
        /// The request.
        bytes: Bytes,
        /// Takes the answer.
        answer: oneshot::Sender<Bytes>,
    },
    /// A snapshot begins to arrive.
    Snapshot {
        /// The peer.
        from: Instance,
        /// The key that it proved on this connection.
        key: NodeKey,
        /// It, and how to answer.
        arrival: SnapshotArrival,
    },
}

impl From<Word> for TransportEvent {
    fn from(word: Word) -> Self {
        match word {
            Word::Up(session) => Self::SessionUp(*session),
            Word::Down { instance, number, end } => Self::SessionDown { instance, number, end },
        }
    }
}
