//! Snapshots, each on a connection of its own, so that they delay nothing on the main one.
//!
//! On one stream, both ways: a header; what the receiver has of exactly this snapshot already; where the sender goes
//! on from; pieces, and an empty one as end mark; and one byte when the receiver's owner has made it durable, or will
//! not have it. A lost connection is made again and the rest is sent; the outcome is told once.
//!
//! Neither side holds more than a few pieces: what is not taken is not read. Knows nothing of what a piece means.

use crate::lock::lock;
use bytes::Bytes;
use quinn::Connection;
use quorate_proto::{Instance, limits};
use std::collections::BTreeMap;
use std::sync::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};

/// Pieces that wait for a slow disk: 1 MiB. More would only fill memory; the sender waits.
pub(crate) const PIECES: usize = 4;
/// Largest header.
pub(crate) const HEADER: usize = limits::CONTROL_FRAME;
/// Room in a piece for what its owners add to a chunk: a checksum.
pub(crate) const PIECE: usize = limits::BULK_CHUNK + 16;
/// The receiver's owner wants it.
pub(crate) const WANTED: u8 = 0;
/// The receiver's owner has it, durably.
pub(crate) const TAKEN: u8 = 1;
/// The receiver's owner will not have it.
pub(crate) const REFUSED: u8 = 2;

/// How much of a snapshot a receiver has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SnapshotPosition {
    /// Pieces.
    pub pieces: u64,
    /// The checksum of all of them, by which the sender knows whether they are its own.
    pub chain: u32,
}

/// A part of a snapshot, in the order in which they come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotPart {
    /// The first: so many pieces are not repeated. Either as many as the receiver said it has, or none.
    Begin {
        /// How many.
        pieces: u64,
    },
    /// The next piece; never empty.
    Piece(Bytes),
    /// That was all. Without it the snapshot is broken.
    End,
}

/// How the sending of a snapshot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotOutcome {
    /// The peer's owner has it, durably.
    Taken,
    /// The peer could not be reached, was restarted or banned, or did not want it.
    Failed,
    /// Our own owner could not read it to its end.
    Unreadable,
}

/// A snapshot that begins to arrive. Dropping any part of it refuses it.
#[derive(Debug)]
pub struct SnapshotArrival {
    /// What the peer says about it.
    pub header: Bytes,
    /// Takes what is here already; nothing comes before that.
    pub have: oneshot::Sender<SnapshotPosition>,
    /// What comes. Closed without an end: the connection was lost, and the peer may come again with the rest.
    pub parts: mpsc::Receiver<SnapshotPart>,
    /// Takes whether it is durable.
    pub taken: oneshot::Sender<bool>,
}

/// The snapshots of one direction that are under way: one for each peer.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    /// The connection, while there is one.
    peers: Mutex<BTreeMap<Instance, Option<Connection>>>,
    ended: Notify,
}

impl UnderWay {
    /// A place for this peer, if none is under way: a second one would halve the first.
    pub(crate) fn take(&self, instance: Instance) -> Option<Place<'_>> {
        let mut peers = lock(&self.peers);
        if peers.contains_key(&instance) {
            return None;
        }
        peers.insert(instance, None);
        Some(Place { under_way: self, instance })
    }

    /// The same, but what is under way from this peer must end: whoever sends anew has given up the older one.
    pub(crate) async fn supersede(&self, instance: Instance, connection: &Connection) -> Place<'_> {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if let Some(place) = self.take(instance) {
                place.stands(connection);
                return place;
            }
            self.close(instance);
            ended.await;
        }
    }

    /// Closes the connection on which something is under way with this peer.
    pub(crate) fn close(&self, instance: Instance) {
        let peers = lock(&self.peers);
        if let Some(Some(connection)) = peers.get(&instance) {
            crate::refusal::close_open(connection, crate::refusal::CLOSED, b"");
        }
    }
}

/// A peer's place among the snapshots under way, given back on drop.
pub(crate) struct Place<'a> {
    under_way: &'a UnderWay,
    instance: Instance,
}

impl Place<'_> {
    /// It is on this connection now.
    pub(crate) fn stands(&self, connection: &Connection) {
        lock(&self.under_way.peers).insert(self.instance, Some(connection.clone()));
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.under_way.peers).remove(&self.instance);
        self.under_way.ended.notify_waiters();
    }
}
