//! The receiving end of a snapshot: hands pieces to the owner as fast as it takes them, and the owner's verdict back.

use crate::bulk::{
    HEADER, PIECE, PIECES, REFUSED, SnapshotArrival, SnapshotPart, SnapshotPosition, TAKEN, WANTED,
};
use crate::event::TransportEvent;
use crate::frames::FrameReader;
use crate::greeting::Greeted;
use crate::refusal::{CLOSED, close_open};
use crate::shared::Shared;
use quinn::{Connection, SendStream};
use quorate_proto::{Instance, NodeKey};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Takes a snapshot in from a bulk connection.
pub(crate) async fn receive(shared: Arc<Shared>, greeted: Greeted) {
    let (from, connection) = (greeted.hello.instance, &greeted.connection);
    // One more than can be received may wait for its turn: a new connection for one that is dead.
    let received = async {
        let _place = shared.snapshots_in.supersede(from, connection).await;
        if shared.is_banned(from) {
            // Since it was let in.
            return None;
        }
        let _turn = shared.snapshots.clone().try_acquire_owned().ok()?;
        stream_in(&shared, from, greeted.key, connection).await
    };
    let taken = tokio::select! {
        taken = received => taken,
        _ = connection.closed() => None,
    };
    tracing::debug!(%from, ?taken, "a snapshot's connection ends");
    if taken.is_some() {
        // The sender closes once it has the verdict; it would be lost if this side did.
        let _ = timeout(shared.timings.hello, connection.closed()).await;
    }
    close_open(connection, CLOSED, b"");
}

/// The verdict that was sent; none when the connection broke, or there is no room for another.
async fn stream_in(
    shared: &Shared,
    from: Instance,
    key: NodeKey,
    connection: &Connection,
) -> Option<bool> {
    let opened = timeout(shared.timings.hello, connection.accept_bi()).await;
    let (mut sender, receiver) = opened.ok()?.ok()?;
    let mut reader = FrameReader::new(receiver);
    let header = timeout(shared.timings.hello, reader.next(HEADER)).await.ok()?.ok()??;
    let (have, position) = oneshot::channel();
    let (give, parts) = mpsc::channel(PIECES);
    let (taken, verdict) = oneshot::channel();
    let arrival = SnapshotArrival { header, have, parts, taken };
    if !shared.tell(TransportEvent::Snapshot { from, key, arrival }).await {
        return None;
    }
    let Ok(SnapshotPosition { pieces, chain }) = position.await else {
        return decide(&mut sender, &mut reader, false).await;
    };
    let mut answer = vec![WANTED];
    answer.extend_from_slice(&pieces.to_be_bytes());
    answer.extend_from_slice(&u64::from(chain).to_be_bytes());
    sender.write_all(&answer).await.ok()?;
    let taken = match hand_over(&mut reader, pieces, give, shared.timings.stall).await? {
        true => verdict.await.unwrap_or(false),
        false => false,
    };
    decide(&mut sender, &mut reader, taken).await
}

/// True when all of it was taken, false when the owner stopped taking it, none when the connection broke or nothing came
/// for too long: whoever sends nothing keeps one of few places.
async fn hand_over(
    reader: &mut FrameReader,
    had: u64,
    give: mpsc::Sender<SnapshotPart>,
    stall: Duration,
) -> Option<bool> {
    let pieces = timeout(stall, reader.number()).await.ok()?.ok()?;
    if pieces != 0 && pieces != had {
        return None;
    }
    let mut part = SnapshotPart::Begin { pieces };
    loop {
        let last = part == SnapshotPart::End;
        if give.send(part).await.is_err() {
            return Some(false);
        }
        if last {
            return Some(true);
        }
        let piece = timeout(stall, reader.next(PIECE)).await.ok()?.ok()??;
        part = if piece.is_empty() { SnapshotPart::End } else { SnapshotPart::Piece(piece) };
    }
}

async fn decide(sender: &mut SendStream, reader: &mut FrameReader, taken: bool) -> Option<bool> {
    sender.write_all(&[if taken { TAKEN } else { REFUSED }]).await.ok()?;
    sender.finish().ok()?;
    if !taken {
        reader.stop(CLOSED);
    }
    Some(taken)
}
