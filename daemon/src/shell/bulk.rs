//! The shell's part in snapshots that travel: a durable file is read as the transport takes it, what arrives is written
//! as it comes. Never more than a few pieces are in memory, whatever the size; the state at the end of it is built while
//! the file is read back.

use crate::disk::{Announced, Incoming, Received, Refused, SnapshotKeeper, SnapshotSource};
use quorate_meta::Meta;
use quorate_node::Input;
use quorate_proto::{
    ClusterId, GroupId, Instance, Message as _, RaftMessage, SnapshotAnnouncement, SnapshotMetadata,
};
use quorate_transport::{
    SnapshotArrival, SnapshotOutcome, SnapshotPart, SnapshotPosition, Transport,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Pieces that are read ahead of the network: 1 MiB.
const READ_AHEAD: usize = 4;
/// How long a part of a snapshot is kept for a sender whose connection was lost: it gives up after half of that.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// What snapshots on their way need.
pub(crate) struct Bulk {
    pub(crate) cluster_id: ClusterId,
    pub(crate) transport: Transport,
    pub(crate) keeper: Arc<SnapshotKeeper>,
    pub(crate) results: mpsc::Sender<Input>,
}

impl Bulk {
    /// Sends the durable snapshot that the message names; the node hears once how it ended.
    pub(crate) fn send(
        self,
        group: GroupId,
        to: Instance,
        address: SocketAddr,
        message: RaftMessage,
    ) {
        tokio::spawn(async move {
            let results = self.results.clone();
            let (index, term) = message
                .snapshot
                .as_ref()
                .map_or((0, 0), |metadata| (metadata.index, metadata.term));
            let outcome = self.stream_out(group, to, address, message).await;
            if outcome == SnapshotOutcome::Unreadable {
                let _ = results.send(Input::SnapshotUnreadable { group, index, term }).await;
            }
            let ok = outcome == SnapshotOutcome::Taken;
            let _ = results.send(Input::SnapshotSent { group, to, ok }).await;
        });
    }

    async fn stream_out(
        self,
        group: GroupId,
        to: Instance,
        address: SocketAddr,
        message: RaftMessage,
    ) -> SnapshotOutcome {
        let Some(metadata) = message.snapshot.clone() else { return SnapshotOutcome::Failed };
        let (index, cluster_id, keeper) = (metadata.index, self.cluster_id, self.keeper);
        let opened = tokio::task::spawn_blocking(move || {
            let source = keeper.open(cluster_id, group, &metadata)?;
            Ok::<_, String>((source.length()?, source))
        });
        let (bytes, source) = match opened.await {
            Ok(Ok((bytes, source))) => (bytes, Arc::new(source)),
            Ok(Err(error)) => {
                tracing::warn!(%to, index, %error, "a snapshot is not sent; another will be taken");
                return SnapshotOutcome::Unreadable;
            }
            Err(_) => return SnapshotOutcome::Failed,
        };
        let header =
            SnapshotAnnouncement { message, bytes, group: group.get() }.encode_to_vec().into();
        let read = move |had| read(Arc::clone(&source), had);
        let outcome = self.transport.send_snapshot(to, address, header, read).await;
        match outcome {
            SnapshotOutcome::Taken => tracing::info!(%to, index, "a snapshot was sent and taken"),
            SnapshotOutcome::Failed => tracing::info!(%to, index, "a snapshot did not arrive"),
            SnapshotOutcome::Unreadable => {
                tracing::warn!(%to, index, "a snapshot could not be read while it was sent")
            }
        }
        outcome
    }

    /// Takes in a snapshot that a peer sends.
    pub(crate) fn receive(self, from: Instance, arrival: SnapshotArrival) {
        let SnapshotArrival { header, have, parts, taken } = arrival;
        let Ok(SnapshotAnnouncement { message, bytes, group }) =
            SnapshotAnnouncement::decode(header)
        else {
            tracing::warn!(%from, "a snapshot was refused: what announces it cannot be decoded");
            return;
        };
        let Some(metadata) = message.snapshot.clone() else { return };
        let group = GroupId::new(group);
        if group != GroupId::META {
            tracing::warn!(%from, %group, "a snapshot was refused: this version does not know its group");
            return;
        }
        tokio::spawn(async move {
            let (cluster_id, index) = (self.cluster_id, metadata.index);
            let announced = Announced { from, cluster_id, group, metadata, bytes };
            let keeper = Arc::clone(&self.keeper);
            let received = tokio::task::spawn_blocking(move || {
                let mut incoming = Parts { have: Some(have), parts };
                let understand = |pieces: &mut dyn Iterator<Item = _>| {
                    understand(cluster_id, &announced.metadata, pieces)
                };
                keeper.arrivals.receive(&announced, &mut incoming, understand)
            });
            let number = match received.await {
                Ok(Ok(Received { state, file, number })) => {
                    tracing::info!(%from, index, "a snapshot was received");
                    let image = Box::new(state);
                    let input = Input::SnapshotReceived { group, from, message, image, file };
                    let _ = taken.send(self.results.send(input).await.is_ok());
                    number
                }
                Ok(Err(Refused::Lost(number))) => {
                    tracing::info!(%from, index, "a snapshot was cut off on its way");
                    number
                }
                Ok(Err(Refused::Because(why))) => {
                    tracing::warn!(%from, index, %why, "a snapshot was refused");
                    return;
                }
                Err(_) => return,
            };
            tokio::time::sleep(KEPT_FOR).await;
            let keeper = self.keeper;
            let _ =
                tokio::task::spawn_blocking(move || keeper.arrivals.expire(group, from, number))
                    .await;
        });
    }
}

/// Reads a snapshot on a thread of its own, as far ahead as the channel has room.
fn read(source: Arc<SnapshotSource>, had: SnapshotPosition) -> mpsc::Receiver<SnapshotPart> {
    let (give, parts) = mpsc::channel(READ_AHEAD);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = source.read(had, |part| give.blocking_send(part).is_ok()) {
            tracing::warn!(%error, "a snapshot cannot be read to its end; another will be taken");
        }
    });
    parts
}

/// Builds the state, and checks that it is the one that was announced.
fn understand(
    cluster_id: ClusterId,
    metadata: &SnapshotMetadata,
    pieces: &mut dyn Iterator<Item = bytes::Bytes>,
) -> Result<Meta, String> {
    let image = Meta::restore(pieces).map_err(|error| error.to_string())?;
    if image.cluster_id() != Some(cluster_id) {
        return Err("it is of another cluster".into());
    }
    if image.applied() != metadata.index {
        return Err(format!("it stands at {}, not where it says", image.applied()));
    }
    Ok(image)
}

/// A snapshot that arrives, as the disk's thread sees it.
struct Parts {
    have: Option<oneshot::Sender<SnapshotPosition>>,
    parts: mpsc::Receiver<SnapshotPart>,
}

impl Incoming for Parts {
    fn have(&mut self, position: SnapshotPosition) -> bool {
        self.have.take().is_some_and(|have| have.send(position).is_ok())
    }

    fn next(&mut self) -> Option<SnapshotPart> {
        self.parts.blocking_recv()
    }
}
