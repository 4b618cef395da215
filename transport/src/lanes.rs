//! The tasks of one connection: a writer and a reader for each ordered lane, and a reader each for datagrams and
//! requests. One task lies between the outbox and the stream, one between the stream and the owner.
//!
//! A writer puts all that waits into one write. A reader hands each frame over and waits when the owner has no
//! room: then the peer's stream fills, its writer waits, and its outbox supersedes, drops and reports.

use crate::event::TransportEvent;
use crate::frames::{ACKNOWLEDGEMENT, Batch, FrameError, FrameReader, Numbers};
use crate::greeting::LOG_LANE;
use crate::heartbeat_copies::{COPY, Copies, GOSSIP};
use crate::incoming::{ACKNOWLEDGE_AFTER, Taken};
use crate::link::Link;
use crate::lock::lock;
use crate::outbox::Outgoing;
use crate::peer::{Next, Peer};
use crate::refusal::Refusal;
use crate::requests;
use crate::shared::Shared;
use bytes::{Buf as _, Bytes};
use quinn::{ConnectionError, SendStream, WriteError};
use quorate_proto::{Lane, limits};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Bytes that go into one write: enough to fill several packets at once, little enough that the next frame of
/// the other lane does not wait behind it.
const BATCH: usize = 256 * 1024;

/// Log frames that are handed over in one go.
const AT_ONCE: usize = 64;

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
        ordered.spawn(write_lane(shared.clone(), peer.clone(), link.clone(), Some(control)));
        ordered.spawn(write_lane(shared.clone(), peer.clone(), link.clone(), None));
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
            let result = read_control(&s, &p, &l, control).await;
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
    stream: Option<SendStream>,
) {
    let _running = shared.writers.clone().acquire_owned().await;
    // A failed write means that the connection is over; its own task reports that.
    let _ = match stream {
        Some(stream) => write_control(&shared, &peer, &link, stream).await,
        None => write_log(&shared, &peer, &link).await,
    };
}

/// Control frames, with acknowledgements of log frames among them; the first word is one.
async fn write_control(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    link: &Arc<Link>,
    mut stream: SendStream,
) -> Result<(), WriteError> {
    let (mut batch, mut copies) = (Batch::default(), Copies::default());
    let mut said = link.incoming.acknowledgement();
    batch.push_acknowledgement(said);
    let mut due: Option<Instant> = None;
    loop {
        let lossy = link.lossy.load(Relaxed);
        let next = collect(shared, peer, link, Lane::Control, &mut batch, |batch, outgoing| {
            let bytes = outgoing.bytes.unwrap_or_default();
            copies.written(outgoing.kind, &bytes, lossy);
            batch.push(bytes);
        });
        let incoming = &link.incoming;
        let late = due.is_some_and(|due| due <= Instant::now());
        let soon = batch.bytes() > 0 || incoming.owes_much() || late || next == Next::Over;
        if soon || !incoming.owes(said) {
            // Also when nothing is owed: the ring that led here may be of a frame that was acknowledged before it was
            // counted, and only a count that begins anew rings again.
            let handed = incoming.acknowledgement();
            if handed > said {
                said = handed;
                batch.push_acknowledgement(said);
            }
        }
        due =
            incoming.owes(said).then(|| due.unwrap_or_else(|| Instant::now() + ACKNOWLEDGE_AFTER));
        send(&mut batch, &mut stream, &link.traffic.control_sent).await?;
        while let Some(copy) = copies.take_due(Instant::now()) {
            link.send_datagram(copy, &link.traffic.control_sent);
        }
        let wake = due.into_iter().chain(copies.due()).min();
        match next {
            Next::Full => {}
            Next::Nothing => tokio::select! {
                () = link.control.notified() => {}
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                error = link.connection.closed() => return Err(WriteError::ConnectionLost(error)),
            },
            Next::Over => break,
        }
    }
    if !shared.closing.load(Ordering::Acquire) {
        // The end of this stream tells the peer that it may close the connection.
        tokio::select! {
            () = link.all_answered() => {}
            error = link.connection.closed() => return Err(WriteError::ConnectionLost(error)),
        }
    }
    end(stream).await
}

/// Log frames, behind the number of the first; an empty frame stands for one that is skipped, or that another connection
/// was found to have delivered.
async fn write_log(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    link: &Arc<Link>,
) -> Result<(), WriteError> {
    let mut batch = Batch::default();
    batch.push_raw(&[LOG_LANE]);
    let mut numbers = Numbers::default();
    let mut stream = link.connection.open_uni().await.map_err(WriteError::ConnectionLost)?;
    loop {
        let next = collect(shared, peer, link, Lane::Log, &mut batch, |batch, outgoing| {
            numbers.write(outgoing.number, batch);
            batch.push(outgoing.bytes.unwrap_or_default());
        });
        send(&mut batch, &mut stream, &link.traffic.log_sent).await?;
        match next {
            Next::Full => {}
            Next::Nothing => tokio::select! {
                () = link.log.notified() => {}
                error = link.connection.closed() => return Err(WriteError::ConnectionLost(error)),
            },
            Next::Over => break,
        }
    }
    end(stream).await
}

async fn send(
    batch: &mut Batch,
    stream: &mut SendStream,
    sent: &AtomicU64,
) -> Result<(), WriteError> {
    if batch.bytes() == 0 {
        return Ok(());
    }
    sent.fetch_add(batch.bytes() as u64, Relaxed);
    batch.write(stream).await
}

async fn end(mut stream: SendStream) -> Result<(), WriteError> {
    // The stream is open, or its writer would have failed before.
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
    mut put: impl FnMut(&mut Batch, Outgoing),
) -> Next {
    let (next, given_up) = peer.next_frames(link, shared.now(), lane, |outgoing| {
        put(batch, outgoing);
        batch.bytes() >= BATCH
    });
    shared.report(peer, given_up);
    next
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
        tracing::warn!(peer = %link.session.name, "connection closed: the peer sent {text}");
        broken.store(true, Ordering::Release);
        Refusal::Broken(text).close(&link.connection, &shared.secrets().side);
    }
}

/// Control frames, and acknowledgements among them.
async fn read_control(
    shared: &Shared,
    peer: &Peer,
    link: &Arc<Link>,
    mut reader: FrameReader,
) -> Result<(), Broken> {
    let received = &link.traffic.control_received;
    let mut first = true;
    while let Some(length) = reader.length().await? {
        link.came_in();
        if length == ACKNOWLEDGEMENT {
            let number = reader.number().await?;
            let told = peer.acknowledged(link, number, std::mem::take(&mut first));
            told.map_err(|error| Broken::Protocol(error.to_string()))?;
            continue;
        }
        let bytes = reader.body(length, limits::CONTROL_FRAME).await?;
        received.fetch_add(bytes.len() as u64 + 4, Relaxed);
        if !lock(&link.seen).on_stream() {
            continue;
        }
        let event = TransportEvent::Frame { from: peer.instance, lane: Lane::Control, bytes };
        if !shared.tell_of(peer, link.session.number, event).await {
            return Err(Broken::Connection);
        }
    }
    Ok(())
}

async fn read_log(shared: &Shared, peer: &Peer, link: &Arc<Link>) -> Result<(), Broken> {
    let stream = link.connection.accept_uni().await.map_err(|_| Broken::Connection)?;
    let mut reader = FrameReader::new(stream);
    let lane = reader.byte().await?;
    if lane != LOG_LANE {
        return Err(Broken::Protocol(format!("a second stream of lane {lane}, not of the log")));
    }
    if reader.is_at_end().await? {
        return Ok(());
    }
    let (mut number, mut opens) = (reader.number().await?, true);
    let events = shared.events();
    // So many go to the owner at once, which must have room for as many.
    let most = AT_ONCE.min(events.max_capacity());
    let mut frames = Vec::new();
    while let Some(length) = reader.length().await? {
        frames.push(reader.body(length, limits::LOG_FRAME).await?);
        while frames.len() < most
            && let Some(frame) = reader.buffered(limits::LOG_FRAME)
        {
            frames.push(frame);
        }
        let bytes: u64 = frames.iter().map(|frame| frame.len() as u64 + 4).sum();
        link.traffic.log_received.fetch_add(bytes, Relaxed);
        link.came_in();
        let next = number.checked_add(frames.len() as u64);
        let next = next.ok_or_else(|| Broken::Protocol("too high a frame number".to_owned()))?;
        let session = || peer.handing_over(link.session.number);
        let taken = link.incoming.take(number, opens, &mut frames, peer.instance, events, session);
        match taken.await {
            Taken::Done(true) => peer.owes_acknowledgement(),
            Taken::Done(false) => {}
            Taken::Gap => {
                let what = format!("log frame {number} or later without those before it");
                return Err(Broken::Protocol(what));
            }
            Taken::Over => return Err(Broken::Connection),
        }
        (number, opens) = (next, false);
    }
    Ok(())
}

async fn read_datagrams(shared: Arc<Shared>, peer: Arc<Peer>, link: Arc<Link>) {
    while let Ok(mut bytes) = link.connection.read_datagram().await {
        link.came_in();
        let length = bytes.len() as u64;
        match bytes.try_get_u8() {
            Ok(GOSSIP) => {
                link.traffic.gossip_received.fetch_add(length, Relaxed);
                let fits = bytes.len() <= limits::GOSSIP_PACKET;
                // Gossip repeats itself: better lost than waited for.
                let event = TransportEvent::Datagram { from: peer.instance, bytes };
                if !fits || !shared.tell_if_room(event) {
                    link.traffic.gossip_dropped.fetch_add(1, Relaxed);
                }
            }
            Ok(COPY) => {
                link.traffic.control_received.fetch_add(length, Relaxed);
                take_copy(&shared, &peer, &link, bytes);
            }
            // A later version's.
            _ => {}
        }
    }
}

/// A copy of a control frame overtakes it, or comes too late.
fn take_copy(shared: &Shared, peer: &Peer, link: &Link, copy: Bytes) {
    let mut seen = lock(&link.seen);
    let Some(_session) = peer.handing_over(link.session.number) else { return };
    let Some((number, bytes)) = seen.copy(copy) else { return };
    let event = TransportEvent::Frame { from: peer.instance, lane: Lane::Control, bytes };
    if shared.tell_if_room(event) {
        seen.handed(number);
        link.traffic.overtaken.fetch_add(1, Relaxed);
    }
}
