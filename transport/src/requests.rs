//! Requests and answers: a bidirectional stream each, one frame there and one back.
//!
//! The asker learns whether its request may have reached the owner of the other side (`Lost`) or cannot have
//! (`NotSent`): only in the second case may it be asked elsewhere.

use crate::event::TransportEvent;
use crate::frames::{Batch, FrameError, FrameReader};
use crate::link::{InUse, Link};
use crate::peer::Peer;
use crate::refusal::{BUSY_STREAM, NO_ANSWER};
use crate::shared::Shared;
use crate::turns::{Room, Turn};
use bytes::Bytes;
use quinn::{ReadError, RecvStream, SendStream, VarInt};
use quorate_proto::{Instance, limits};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How long a request may take to come in once its stream is there.
const RECEIVE: Duration = Duration::from_secs(5);
/// Longest wait for the owner's answer: any client's patience. The asker's own deadline is far shorter and ends
/// the stream, and with it the wait.
const ANSWER: Duration = Duration::from_secs(600);

/// How long an answer counts as being given until the asker has it.
const TAKEN: Duration = Duration::from_secs(1);

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestFailure {
    /// It cannot have reached the other side's owner.
    #[error("the request was not sent")]
    NotSent,
    /// It may have reached the other side.
    #[error("the request or its answer was lost")]
    Lost,
}

/// Counts a request that waits for a connection, so that dialling goes on.
struct Waiting<'a>(&'a Peer);

impl<'a> Waiting<'a> {
    fn new(peer: &'a Peer) -> Self {
        peer.state().waiting_requests += 1;
        Self(peer)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().waiting_requests -= 1;
    }
}

/// Resets the stream unless the request came to its end, so that the other side stops working on it.
struct Asking {
    sender: SendStream,
    done: bool,
}

impl Drop for Asking {
    fn drop(&mut self) {
        if !self.done {
            let _ = self.sender.reset(VarInt::from_u32(NO_ANSWER));
        }
    }
}

pub(crate) async fn ask(
    shared: Arc<Shared>,
    to: Instance,
    address: SocketAddr,
    bytes: Bytes,
    deadline: Duration,
) -> Result<Bytes, RequestFailure> {
    let until = tokio::time::Instant::now() + deadline;
    if bytes.len() > limits::REQUEST_FRAME {
        return Err(RequestFailure::NotSent);
    }
    let peer = shared.peer_at(to, address).ok_or(RequestFailure::NotSent)?;
    let send = async {
        let in_use = connected(&shared, &peer, address).await;
        in_use.link.used.store(true, Relaxed);
        let (sender, receiver) = in_use.link.connection.open_bi().await.map_err(drop)?;
        let mut asking = Asking { sender, done: false };
        let mut batch = Batch::default();
        batch.push(bytes);
        batch.write(&mut asking.sender).await.map_err(drop)?;
        Ok::<_, ()>((asking, receiver, in_use))
    };
    // Until the last byte is handed over, the other side cannot have the whole frame.
    let sent = tokio::time::timeout_at(until, send).await;
    let Ok(Ok((mut asking, receiver, _in_use))) = sent else { return Err(RequestFailure::NotSent) };
    let _ = asking.sender.finish();
    let mut reader = FrameReader::new(receiver);
    match tokio::time::timeout_at(until, reader.next(limits::REQUEST_FRAME)).await {
        Ok(Ok(Some(answer))) => {
            asking.done = true;
            Ok(answer)
        }
        Ok(Err(FrameError::Stream(ReadError::Reset(code))))
            if code == VarInt::from_u32(BUSY_STREAM) =>
        {
            Err(RequestFailure::NotSent)
        }
        _ => Err(RequestFailure::Lost),
    }
}

/// Waits for a session with the peer, dialling as long as it takes; the caller sets the limit.
async fn connected(shared: &Arc<Shared>, peer: &Arc<Peer>, address: SocketAddr) -> InUse {
    let _waiting = Waiting::new(peer);
    loop {
        let linked = peer.linked.notified();
        tokio::pin!(linked);
        linked.as_mut().enable();
        if let Some(in_use) = peer.standing_for_request() {
            return in_use;
        }
        {
            let mut state = peer.state();
            if state.standing().is_none() {
                state.address = address;
            }
        }
        shared.dial_if_needed(peer);
        tokio::select! {
            () = linked => {}
            // The dialling task ends when it reached somebody else; start it again.
            () = shared.dial_ended.notified() => {}
        }
    }
}

/// Takes in the requests of one connection.
pub(crate) async fn accept(shared: Arc<Shared>, peer: Arc<Peer>, link: Arc<Link>) {
    // As many as the peer may have open streams, so this set is bounded.
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            stream = link.connection.accept_bi() => {
                let Ok((sender, receiver)) = stream else { return };
                link.came_in();
                running.spawn(serve(shared.clone(), peer.clone(), sender, receiver));
            }
            Some(_) = running.join_next() => {}
        }
        link.answering.store(running.len(), Relaxed);
    }
}

async fn serve(shared: Arc<Shared>, peer: Arc<Peer>, mut sender: SendStream, receiver: RecvStream) {
    let code = match tokio::time::timeout(RECEIVE, receive(&shared, &peer, receiver)).await {
        Ok(Some(request)) => {
            if answer(&shared, peer.instance, &mut sender, request).await {
                return;
            }
            NO_ANSWER
        }
        _ => BUSY_STREAM,
    };
    // An error means that the asker is gone.
    let _ = sender.reset(VarInt::from_u32(code));
}

/// A request that has come in whole, and the room that it takes until it is answered, and for as long as anybody has its bytes: an
/// asker that goes leaves them with whoever works on it.
struct Received {
    bytes: Bytes,
    /// Kept until the asker has the answer: who closes in good order takes all turns first.
    _turn: Turn,
    room: Arc<Room>,
}

/// The bytes of a request with their room.
struct Roomed {
    bytes: Bytes,
    _room: Arc<Room>,
}

impl AsRef<[u8]> for Roomed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// None when there is no room or the request is no frame: nothing was looked at.
async fn receive(shared: &Shared, peer: &Peer, receiver: RecvStream) -> Option<Received> {
    let turn = shared.turns.take(&peer.share)?;
    let mut reader = FrameReader::new(receiver);
    let length = reader.length().await.ok()??;
    if length as usize > limits::REQUEST_FRAME {
        reader.stop(BUSY_STREAM);
        return None;
    }
    let room = shared.turns.room(&peer.share, length)?;
    let bytes = reader.body(length, limits::REQUEST_FRAME).await.ok()?;
    let room = Arc::new(room);
    let bytes = Bytes::from_owner(Roomed { bytes, _room: Arc::clone(&room) });
    Some(Received { bytes, _turn: turn, room })
}

/// True when an answer was given.
async fn answer(
    shared: &Shared,
    from: Instance,
    sender: &mut SendStream,
    request: Received,
) -> bool {
    let (give, mut wait) = oneshot::channel();
    let Received { bytes, room, _turn } = request;
    if !shared.tell(TransportEvent::Request { from, bytes, answer: give }).await {
        return false;
    }
    let gone = sender.stopped();
    let answer = tokio::select! {
        answer = tokio::time::timeout(ANSWER, &mut wait) => answer,
        _ = gone => return false,
    };
    let Ok(Ok(answer)) = answer else { return false };
    if answer.len() > limits::REQUEST_FRAME {
        tracing::warn!(length = answer.len(), "an answer over the limit was not sent");
        return false;
    }
    let mut batch = Batch::default();
    batch.push(answer);
    if batch.write(sender).await.is_err() || sender.finish().is_err() {
        return false;
    }
    drop(room);
    // What is written is not yet there, and a connection that is closed sends nothing again.
    let _ = tokio::time::timeout(TAKEN, sender.stopped()).await;
    true
}
