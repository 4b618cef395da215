//! The tasks of one connection: a writer and a reader for each ordered lane, and a reader each for datagrams and
//! requests. One task lies between the outbox and the stream, one between the stream and the owner.
//!
//! A writer puts all that waits into one write. A reader hands each frame over and waits when the owner has no
//! room: then the peer's stream fills, its writer waits, and its outbox supersedes, drops and reports.

use crate::event::TransportEvent;
use crate::frames::{Batch, FrameError, FrameReader};
use crate::greeting::LOG_LANE;
use crate::peer::{Link, Next, Peer};
use crate::refusal::Refusal;
use crate::requests;
use crate::shared::Shared;
use quinn::{ConnectionError, SendStream, WriteError};
use quorate_proto::{Lane, limits};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;

/// Bytes that go into one write: enough to fill several packets at once, little enough that the next frame of
/// the other lane does not wait behind it.
const BATCH: usize = 256 * 1024;

/// The tasks of one connection.
pub(crate) struct Lanes {
    /// Ends when this side has ended its streams and the peer has them whole, and the peer's streams are read to
    /// their end.
    ordered: JoinSet<()>,
    /// Datagrams and requests: end with the connection.
    others: JoinSet<()>,
    reading: bool,
    broken: Arc<AtomicBool>,
}

impl Lanes {
    /// Starts writing: what waits in the outbox leaves now.
    pub(crate) fn write(
        shared: &Arc<Shared>,
        peer: &Arc<Peer>,
        link: &Arc<Link>,
        control: SendStream,
    ) -> Self {
        let mut ordered = JoinSet::new();
        ordered.spawn(write_lane(
            shared.clone(),
            peer.clone(),
            link.clone(),
            Lane::Control,
            Some(control),
        ));
        ordered.spawn(write_lane(shared.clone(), peer.clone(), link.clone(), Lane::Log, None));
        Self { ordered, others: JoinSet::new(), reading: false, broken: Arc::default() }
    }

    /// Starts reading, once the session is announced.
    pub(crate) fn read(
        &mut self,
        shared: &Arc<Shared>,
        peer: &Arc<Peer>,
        link: &Arc<Link>,
        control: FrameReader,
    ) {
        self.reading = true;
        let (s, p, l) = (shared.clone(), peer.clone(), link.clone());
        let broken = self.broken.clone();
        self.ordered.spawn(async move {
            let result = read_lane(&s, &p, &l, Lane::Control, control).await;
            close_if_broken(&s, &l, &broken, result);
        });
        let (s, p, l) = (shared.clone(), peer.clone(), link.clone());
        let broken = self.broken.clone();
        self.ordered.spawn(async move {
            let result = read_log(&s, &p, &l).await;
            close_if_broken(&s, &l, &broken, result);
        });
        self.others.spawn(read_datagrams(shared.clone(), peer.clone(), link.clone()));
        self.others.spawn(requests::accept(shared.clone(), peer.clone(), link.clone()));
    }

    /// Waits until both sides are done with the streams of this connection.
    pub(crate) async fn ended(&mut self) {
        while self.ordered.join_next().await.is_some() {}
        if self.others.is_empty() {
            // Said once already; the connection is closing.
            std::future::pending::<()>().await;
        }
        self.others.shutdown().await;
    }

    /// The connection is over: what it still holds of the peer's frames is handed over when the peer closed it in
    /// good order, and everything else ends.
    pub(crate) async fn finish(&mut self, error: &ConnectionError) {
        self.others.shutdown().await;
        if matches!(error, ConnectionError::ApplicationClosed(_)) {
            // Writers fail at once and readers meet the end of what was received.
            while self.ordered.join_next().await.is_some() {}
        }
        self.ordered.shutdown().await;
    }

    /// Whether the peer broke the protocol of a lane.
    pub(crate) fn broke_protocol(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }
}

async fn write_lane(
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    link: Arc<Link>,
    lane: Lane,
    stream: Option<SendStream>,
) {
    let _running = shared.writers.clone().acquire_owned().await;
    // A failed write means that the connection is over; its own task reports that.
    let _ = write_frames(&shared, &peer, &link, lane, stream).await;
}

async fn write_frames(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    link: &Arc<Link>,
    lane: Lane,
    stream: Option<SendStream>,
) -> Result<(), WriteError> {
    let mut batch = Batch::default();
    let mut stream = match stream {
        Some(stream) => stream,
        None => {
            batch.push_raw(&[LOG_LANE]);
            link.connection.open_uni().await.map_err(WriteError::ConnectionLost)?
        }
    };
    let (wake, sent) = match lane {
        Lane::Control => (&link.control, &link.traffic.control_sent),
        Lane::Log => (&link.log, &link.traffic.log_sent),
    };
    loop {
        let next = collect(shared, peer, link, lane, &mut batch);
        if batch.bytes() > 0 {
            sent.fetch_add(batch.bytes() as u64, Relaxed);
            batch.write(&mut stream).await?;
        }
        match next {
            Next::Frame(_) => {}
            Next::Nothing => tokio::select! {
                () = wake.notified() => {}
                error = link.connection.closed() => return Err(WriteError::ConnectionLost(error)),
            },
            Next::Over => break,
        }
    }
    if lane == Lane::Control && !shared.closing.load(Ordering::Acquire) {
        // The end of this stream tells the peer that it may close the connection.
        tokio::select! {
            () = link.all_answered() => {}
            error = link.connection.closed() => return Err(WriteError::ConnectionLost(error)),
        }
    }
    // The stream is open, or the loop would have failed.
    let _ = stream.finish();
    let _ = stream.stopped().await;
    Ok(())
}

/// Moves what waits into the batch, up to its size, and says why it stopped.
fn collect(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    link: &Arc<Link>,
    lane: Lane,
    batch: &mut Batch,
) -> Next {
    let now = shared.now();
    loop {
        match peer.next_frame(link, now, lane) {
            Next::Frame(bytes) => {
                batch.push(bytes.clone());
                if batch.bytes() >= BATCH {
                    return Next::Frame(bytes);
                }
            }
            over => {
                let given_up = peer.state().outbox.take_given_up();
                shared.report(peer, given_up);
                return over;
            }
        }
    }
}

/// How reading a lane ended, when not in good order.
enum Broken {
    /// The connection is over, or the owner is gone.
    Connection,
    /// The peer broke the protocol.
    Protocol(String),
}

impl From<FrameError> for Broken {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Stream(_) => Self::Connection,
            other => Self::Protocol(other.to_string()),
        }
    }
}

fn close_if_broken(shared: &Shared, link: &Link, broken: &AtomicBool, result: Result<(), Broken>) {
    if let Err(Broken::Protocol(text)) = result {
        tracing::warn!(peer = %link.life.session.name, "connection closed: the peer sent {text}");
        broken.store(true, Ordering::Release);
        Refusal::Broken(text).close(&link.connection, &shared.side);
    }
}

async fn read_log(shared: &Shared, peer: &Peer, link: &Link) -> Result<(), Broken> {
    let stream = link.connection.accept_uni().await.map_err(|_| Broken::Connection)?;
    let mut reader = FrameReader::new(stream);
    let lane = reader.byte().await?;
    if lane != LOG_LANE {
        return Err(Broken::Protocol(format!("a second stream of lane {lane}, not of the log")));
    }
    read_lane(shared, peer, link, Lane::Log, reader).await
}

async fn read_lane(
    shared: &Shared,
    peer: &Peer,
    link: &Link,
    lane: Lane,
    mut reader: FrameReader,
) -> Result<(), Broken> {
    let (limit, received) = match lane {
        Lane::Control => (limits::CONTROL_FRAME, &link.traffic.control_received),
        Lane::Log => (limits::LOG_FRAME, &link.traffic.log_received),
    };
    while let Some(bytes) = reader.next(limit).await? {
        link.used.store(true, Relaxed);
        received.fetch_add(bytes.len() as u64 + 4, Relaxed);
        if !shared.tell(TransportEvent::Frame { from: peer.instance, lane, bytes }).await {
            return Err(Broken::Connection);
        }
    }
    Ok(())
}

async fn read_datagrams(shared: Arc<Shared>, peer: Arc<Peer>, link: Arc<Link>) {
    while let Ok(bytes) = link.connection.read_datagram().await {
        link.used.store(true, Relaxed);
        let length = bytes.len();
        link.traffic.gossip_received.fetch_add(length as u64, Relaxed);
        let fits = length <= limits::GOSSIP_PACKET;
        // Gossip repeats itself: better lost than waited for.
        let event = TransportEvent::Datagram { from: peer.instance, bytes };
        if !fits || !shared.tell_if_room(event) {
            link.traffic.gossip_dropped.fetch_add(1, Relaxed);
        }
    }
}
