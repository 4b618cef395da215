//! The sending end of a snapshot: dials as often as it makes progress, and tells the outcome once.

use crate::bulk::{
    HEADER, REFUSED, SnapshotOutcome, SnapshotPart, SnapshotPosition, TAKEN, WANTED,
};
use crate::frames::{Batch, FrameReader};
use crate::greeting::greet;
use crate::outbox::PeerStart;
use crate::refusal::{CLOSED, DONE, close_open};
use crate::shared::Shared;
use bytes::Bytes;
use quinn::{Connection, SendStream, WriteError};
use quorate_proto::{HelloKind, Instance};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;

/// Dials in a row that bring nothing new to the receiver before the sending has failed: half a minute of a peer that
/// does not answer. Raft then tries anew when it hears from the peer.
const TRIES: u32 = 8;
/// The receiver's last sync, and building the state: a GiB takes seconds.
const VERDICT: Duration = Duration::from_secs(600);
/// Round trips longer than the shortest by this mean that our own bytes wait in a queue on the way, and heartbeats of the
/// main connection behind them.
const QUEUE: Duration = Duration::from_millis(40);
/// Longest pause for that between two pieces; keeps 1 MiB a second going on the worst link.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// How one connection ended.
enum Attempt {
    Over(SnapshotOutcome),
    /// Lost. The receiver had said that it has so many pieces.
    Lost(Option<u64>),
}

/// What is sent to whom.
struct Sending<R> {
    shared: Arc<Shared>,
    to: Instance,
    address: SocketAddr,
    header: Bytes,
    read: R,
    /// Which start of the receiver answered first; another one has nothing of what was sent.
    start: Option<PeerStart>,
}

/// Sends a snapshot; `read` opens it behind what the receiver has, or at its beginning.
pub(crate) async fn send<R>(
    shared: Arc<Shared>,
    to: Instance,
    address: SocketAddr,
    header: Bytes,
    read: R,
) -> SnapshotOutcome
where
    R: Fn(SnapshotPosition) -> mpsc::Receiver<SnapshotPart> + Send + 'static,
{
    if header.len() > HEADER {
        return SnapshotOutcome::Failed;
    }
    let mut sending = Sending { shared: shared.clone(), to, address, header, read, start: None };
    let Some(place) = shared.snapshots_out.take(to) else { return SnapshotOutcome::Failed };
    let (mut tries, mut most) = (0, 0);
    loop {
        let over = || shared.is_banned(to) || shared.closing.load(Ordering::Acquire);
        if over() {
            return SnapshotOutcome::Failed;
        }
        let had = match sending.attempt(&place).await {
            Attempt::Over(outcome) => return outcome,
            Attempt::Lost(had) => had.unwrap_or(0),
        };
        if had > most {
            (tries, most) = (0, had);
        }
        tries += 1;
        if tries >= TRIES || over() {
            return SnapshotOutcome::Failed;
        }
        tracing::debug!(%to, %address, had, tries, "a snapshot's connection was lost");
        tokio::time::sleep(shared.timings.backoff(tries)).await;
    }
}

impl<R> Sending<R>
where
    R: Fn(SnapshotPosition) -> mpsc::Receiver<SnapshotPart> + Send + 'static,
{
    async fn attempt(&mut self, place: &crate::bulk::Place<'_>) -> Attempt {
        let shared = self.shared.clone();
        let client = shared.secrets().bulk_client.clone();
        let Ok(connection) = shared.connect_as(client, self.address).await else {
            return Attempt::Lost(None);
        };
        let mut hello = shared.hello();
        hello.kind = HelloKind::Bulk.into();
        let limit = shared.timings.hello;
        let Ok(greeted) = greet(connection, &hello, &shared.secrets().side, limit).await else {
            return Attempt::Lost(None);
        };
        let connection = &greeted.connection;
        place.stands(connection);
        let start = greeted.start();
        let right = greeted.hello.instance == self.to
            && greeted.kind == HelloKind::Node
            && *self.start.get_or_insert(start) == start
            && !shared.is_banned(self.to);
        let attempt = match right {
            true => self.stream_out(connection).await,
            false => Attempt::Over(SnapshotOutcome::Failed),
        };
        let taken = matches!(attempt, Attempt::Over(SnapshotOutcome::Taken));
        close_open(connection, if taken { DONE } else { CLOSED }, b"");
        attempt
    }

    async fn stream_out(&self, connection: &Connection) -> Attempt {
        let Some((mut sender, mut reader)) = self.open(connection).await else {
            return Attempt::Lost(None);
        };
        let stall = self.shared.timings.stall;
        let position = tokio::time::timeout(stall, position(&mut reader)).await;
        let position = match position {
            Ok(Some(Ok(position))) => position,
            Ok(Some(Err(outcome))) => return Attempt::Over(outcome),
            Ok(None) | Err(_) => return Attempt::Lost(None),
        };
        let lost = Attempt::Lost(Some(position.pieces));
        let mut parts = (self.read)(position);
        match write_parts(connection, &mut sender, &mut parts, stall).await {
            Written::All => {}
            Written::Unreadable => return Attempt::Over(SnapshotOutcome::Unreadable),
            Written::Stopped => {}
            Written::Lost => return lost,
        }
        match tokio::time::timeout(VERDICT, reader.byte()).await {
            Ok(Ok(TAKEN)) => Attempt::Over(SnapshotOutcome::Taken),
            Ok(Ok(REFUSED)) => Attempt::Over(SnapshotOutcome::Failed),
            _ => lost,
        }
    }

    async fn open(&self, connection: &Connection) -> Option<(SendStream, FrameReader)> {
        let (mut sender, receiver) = connection.open_bi().await.ok()?;
        let mut batch = Batch::default();
        batch.push(self.header.clone());
        batch.write(&mut sender).await.ok()?;
        Some((sender, FrameReader::new(receiver)))
    }
}

/// What the receiver has; an outcome when it does not want it, none when the connection broke.
async fn position(reader: &mut FrameReader) -> Option<Result<SnapshotPosition, SnapshotOutcome>> {
    match reader.byte().await.ok()? {
        WANTED => {}
        REFUSED => return Some(Err(SnapshotOutcome::Failed)),
        _ => return None,
    }
    let pieces = reader.number().await.ok()?;
    let chain = u32::try_from(reader.number().await.ok()?).ok()?;
    Some(Ok(SnapshotPosition { pieces, chain }))
}

enum Written {
    All,
    /// The receiver wants no more of it.
    Stopped,
    Unreadable,
    Lost,
}

async fn write_parts(
    connection: &Connection,
    sender: &mut SendStream,
    parts: &mut mpsc::Receiver<SnapshotPart>,
    stall: Duration,
) -> Written {
    let mut batch = Batch::default();
    let mut shortest = connection.rtt();
    loop {
        let last = match parts.recv().await {
            None => return Written::Unreadable,
            Some(SnapshotPart::Begin { pieces }) => {
                batch.push_raw(&pieces.to_be_bytes());
                false
            }
            Some(SnapshotPart::Piece(piece)) => {
                batch.push(piece);
                false
            }
            Some(SnapshotPart::End) => {
                batch.push(Bytes::new());
                true
            }
        };
        match tokio::time::timeout(stall, batch.write(sender)).await {
            Ok(Ok(())) => {}
            Ok(Err(WriteError::Stopped(_))) => return Written::Stopped,
            Ok(Err(_)) | Err(_) => return Written::Lost,
        }
        if last {
            let _ = sender.finish();
            return Written::All;
        }
        give_way(connection, &mut shortest).await;
    }
}

/// The main connection shares the way with this one. Where a queue builds up, this one waits for it to drain.
async fn give_way(connection: &Connection, shortest: &mut Duration) {
    let round_trip = connection.rtt();
    *shortest = round_trip.min(*shortest);
    let queued = round_trip - *shortest;
    if queued > QUEUE {
        tokio::time::sleep(queued.min(LONGEST_PAUSE)).await;
    }
}
