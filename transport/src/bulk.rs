//! Snapshots, each on a connection of its own, so that they delay nothing on the main one: a header, pieces, an
//! empty piece as end mark, and one byte back when all of it has been handed over.

use crate::event::TransportEvent;
use crate::frames::{Batch, FrameReader};
use crate::greeting::{Greeted, greet};
use crate::refusal::{CLOSED, DONE};
use crate::shared::{Shared, lock};
use bytes::Bytes;
use quinn::{Connection, VarInt};
use quorate_proto::{HelloKind, Instance, limits};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// Pieces that wait for a slow disk: 2 MiB. More would only fill memory; the sender waits.
const PIECES: usize = 8;
/// Largest header.
const HEADER: usize = limits::CONTROL_FRAME;
/// The acknowledgement.
const TAKEN: u8 = 1;

/// A peer's place in the set of snapshots under way, given back on drop.
struct Place<'a> {
    set: &'a Mutex<BTreeSet<Instance>>,
    instance: Instance,
}

impl<'a> Place<'a> {
    /// One snapshot per peer and direction at a time: a second one would halve the first.
    fn take(set: &'a Mutex<BTreeSet<Instance>>, instance: Instance) -> Option<Self> {
        lock(set).insert(instance).then_some(Self { set, instance })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(self.set).remove(&self.instance);
    }
}

/// Sends a snapshot. True when the other side has handed all of it to its owner.
pub(crate) async fn send(
    shared: Arc<Shared>,
    to: Instance,
    address: SocketAddr,
    header: Bytes,
    chunks: impl Iterator<Item = Bytes> + Send + 'static,
) -> bool {
    let Some(_place) = Place::take(&shared.snapshots_out, to) else { return false };
    if shared.is_banned(to) || header.len() > HEADER {
        return false;
    }
    let Ok(connection) = shared.connect(address).await else { return false };
    let mut hello = shared.hello();
    hello.kind = HelloKind::Bulk.into();
    let limit = shared.timings.hello;
    let Ok(greeted) = greet(connection, &hello, &shared.side, limit).await else { return false };
    let right = greeted.hello.instance == to && greeted.kind == HelloKind::Node;
    let taken = right && stream_out(&greeted.connection, header, chunks).await.unwrap_or(false);
    let code = if taken { DONE } else { CLOSED };
    greeted.connection.close(VarInt::from_u32(code), b"");
    tracing::debug!(%to, taken, "snapshot sent");
    taken
}

/// None when the connection broke.
async fn stream_out(
    connection: &Connection,
    header: Bytes,
    chunks: impl Iterator<Item = Bytes>,
) -> Option<bool> {
    let (mut sender, receiver) = connection.open_bi().await.ok()?;
    let mut batch = Batch::default();
    batch.push(header);
    for mut chunk in chunks {
        while !chunk.is_empty() {
            let piece = chunk.split_to(chunk.len().min(limits::BULK_CHUNK));
            batch.push(piece);
            batch.write(&mut sender).await.ok()?;
        }
    }
    batch.push(Bytes::new());
    batch.write(&mut sender).await.ok()?;
    sender.finish().ok()?;
    Some(FrameReader::new(receiver).byte().await.ok()? == TAKEN)
}

/// Takes a snapshot in from a bulk connection.
pub(crate) async fn receive(shared: Arc<Shared>, greeted: Greeted) {
    let from = greeted.hello.instance;
    let taken = stream_in(&shared, from, &greeted.connection).await.is_some();
    tracing::debug!(%from, taken, "snapshot received");
    if taken {
        // The sender closes once it has the acknowledgement; it would be lost if this side did.
        let _ = tokio::time::timeout(shared.timings.hello, greeted.connection.closed()).await;
    }
    greeted.connection.close(VarInt::from_u32(CLOSED), b"");
}

/// None when it broke, or there is no room for it.
async fn stream_in(shared: &Shared, from: Instance, connection: &Connection) -> Option<()> {
    let _turn = shared.snapshots.clone().try_acquire_owned().ok()?;
    let _place = Place::take(&shared.snapshots_in, from)?;
    let opened = tokio::time::timeout(shared.timings.hello, connection.accept_bi()).await;
    let (mut sender, receiver) = opened.ok()?.ok()?;
    let mut reader = FrameReader::new(receiver);
    let header = reader.next(HEADER).await.ok()??;
    let (give, chunks) = mpsc::channel(PIECES);
    if !shared.tell(TransportEvent::Snapshot { from, header, chunks }).await {
        return None;
    }
    loop {
        let piece = reader.next(limits::BULK_CHUNK).await.ok()??;
        let last = piece.is_empty();
        give.send(piece).await.ok()?;
        if last {
            break;
        }
    }
    sender.write_all(&[TAKEN]).await.ok()?;
    sender.finish().ok()
}
