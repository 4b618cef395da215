//! The accept loops. Each connection is a task of its own, which speaks HTTP/1.1 or HTTP/2 as the client begins;
//! the tasks end with the future that accepts for them. It ends when the door was asked to close and everybody has their answer:
//! whoever had come by then too, so that nobody who wrote a request is left to guess what became of it.
//!
//! What stays true: whoever asks nothing, or takes nothing of the answer, loses the connection, and a full door says so.

use super::etcd::lenient::Lenient;
use super::guard::Guard;
use super::holdings::Connection;
use super::stalls::Stalls;
use super::{UnixDoor, door};
use crate::clock;
use crate::doors::crowds::{Door, DoorCrowds, Room, Shared};
use crate::doors::unread::Unread;
use crate::doors::{Closing, Doors};
use axum::Router;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustix::net::{Shutdown, SocketFlags, accept_with, shutdown};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Connections that a full door keeps beside its places, to tell each that it is full. Beyond them the kernel's backlog holds the rest.
const TURNED_AWAY: usize = 128;
/// How long each of the first half of them may take to ask, and who has asked to hear it.
const TURNED_AWAY_FOR: Duration = Duration::from_secs(1);
/// How long all others may take to ask: who asks nothing keeps nobody waiting behind it.
const IN_A_CROWD: Duration = Duration::from_millis(50);
/// Streams of one HTTP/2 connection at a time; etcd clients multiplex everything on one, and wait with what is more.
const STREAMS: u32 = 100;
/// What a client may send on one stream of HTTP/2, and on all of one connection, before the daemon has looked at it. That much is
/// kept for it beyond the bodies that were let in.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 512 * 1024;
/// The same for HTTP/1.1, where it also bounds the head of a request.
const READ_AHEAD: usize = 64 * 1024;
/// What clients are waited for.
const PATIENCE: Patience = Patience {
    head: Duration::from_secs(10),
    stall: Duration::from_secs(30),
    answer: Duration::from_secs(60),
    idle: Duration::from_secs(300),
    last: Duration::from_millis(50),
};
/// Idle HTTP/2 connections are asked for a sign of life this often, so that those of dead clients go.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// After a failed accept (no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy)]
struct Patience {
    /// For the whole head of a request, the first one included: until then a connection is only a place taken from others.
    head: Duration,
    /// For something that was written to be taken.
    stall: Duration,
    /// For an answer that holds places to be taken whole: to who opens no window nothing is written that could stall.
    answer: Duration,
    /// For a request on a connection where none is under way: signs of life alone keep no place.
    idle: Duration,
    /// For the first request of a connection when the door closes: what a client has written is there already.
    last: Duration,
}

/// Serves the unix socket until it is asked to close or the future is dropped. Everything is open there.
pub(crate) async fn serve_unix(door: UnixDoor, doors: Doors) {
    let doors = Doors { keyspace: true, door: Door::Unix, ..doors };
    accept(Listener::Unix(door), doors, Guard { names: None }).await;
}

/// The same of the TCP address. `names` are this host's names, which `Host` may show.
pub(crate) async fn serve_tcp(listener: TcpListener, doors: Doors, names: Vec<String>) {
    let doors = Doors { door: Door::Tcp, ..doors };
    accept(Listener::Tcp(listener), doors, Guard { names: Some(names.into()) }).await;
}

/// Serves the socket of monitors: nothing there shows or changes a key, or makes the node act. They have places
/// of their own: nothing that they do takes one from programs that use the keyspace, and nothing that comes over TCP takes one of theirs.
pub(crate) async fn serve_monitor(door: UnixDoor, doors: Doors) {
    let doors = Doors { keyspace: false, door: Door::Monitor, ..doors };
    accept(Listener::Unix(door), doors, Guard { names: None }).await;
}

enum Listener {
    Unix(UnixDoor),
    Tcp(TcpListener),
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    /// The user whose program this is, where the kernel tells.
    fn user(&self) -> Option<u32> {
        match self {
            Self::Unix(stream) => stream.peer_cred().ok().map(|peer| peer.uid()),
            Self::Tcp(_) => None,
        }
    }
}

impl Listener {
    /// Lets nobody in any more, so that the queue has an end; who comes now is told that nobody listens. A TCP queue has no such
    /// word: what comes there behind the last look is reset.
    fn shut(&self) {
        if let Self::Unix(door) = self {
            // Fails only for what is no open socket.
            let _ = shutdown(&door.listener, Shutdown::Read);
        }
    }

    /// One who waits already; an error when there is none.
    fn waiting(&self) -> io::Result<Stream> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match self {
            Self::Unix(door) => {
                let stream = accept_with(&door.listener, flags)?;
                Ok(Stream::Unix(UnixStream::from_std(stream.into())?))
            }
            Self::Tcp(listener) => {
                let stream = accept_with(listener, flags)?;
                Ok(Stream::Tcp(TcpStream::from_std(stream.into())?))
            }
        }
    }

    async fn next(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(door) => Ok(Stream::Unix(door.listener.accept().await?.0)),
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Answers are small and awaited; one that waits for more to send with it is only late.
                // That fails only on a connection that is gone already, which will be noticed soon enough.
                let _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
        }
    }
}

async fn accept(listener: Listener, doors: Doors, guard: Guard) {
    let (crowd, closing) = (doors.crowd().clone(), doors.closing.clone());
    let (room, door, unread) = (doors.room().clone(), doors.door, doors.crowds.unread.clone());
    let most = usize::try_from(crowd.connections.bound().limit)
        .unwrap_or(usize::MAX)
        .saturating_add(TURNED_AWAY);
    // Each request has it several times.
    let doors = Arc::new(doors);
    let full = door::full(Arc::clone(&doors), guard.clone());
    let router = door::router(doors, guard);
    let unhurried = Arc::new(Semaphore::new(TURNED_AWAY / 2));
    let asked = closing.clone().asked();
    let entrance = Entrance { door, crowd, unread, router, full, closing, unhurried };
    let mut connections = JoinSet::new();
    tokio::pin!(asked);
    loop {
        tokio::select! {
            () = &mut asked => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.next(), if connections.len() < most => match accepted {
                Ok(stream) => {
                    connections.spawn(entrance.receive(stream, &room));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    // Who came before the door closed waits in the kernel's queue with what they have written.
    listener.shut();
    while connections.len() < most
        && let Ok(stream) = listener.waiting()
    {
        connections.spawn(entrance.receive(stream, &room));
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// What a client has of a door.
enum Entry {
    /// All paths, for as long as it holds its place and the door is not closing.
    Place(Router, Shared, Closing),
    /// One answer, if it asks in this time: others want to be told too.
    Word(Router, Duration, Option<OwnedSemaphorePermit>),
}

/// What a door gives to those who come.
struct Entrance {
    door: Door,
    crowd: DoorCrowds,
    unread: Unread,
    router: Router,
    full: Router,
    closing: Closing,
    /// For those who are turned away and may take their time.
    unhurried: Arc<Semaphore>,
}

impl Entrance {
    /// Serves who comes until the connection ends.
    fn receive(&self, stream: Stream, room: &Room) -> impl Future<Output = ()> + Send + use<> {
        let (client, user) = (Connection::new(room), stream.user());
        let (entry, door, unread) = (self.for_client(user), self.door, self.unread.clone());
        async move {
            if enter(stream, entry, client).await == Ended::Unread {
                unread.note(door.word(), user, clock::now());
            }
        }
    }

    /// What serves a client, with its place; what tells that the door is full where there is none.
    fn for_client(&self, user: Option<u32>) -> Entry {
        let users = &self.crowd.users;
        match users.enter(&self.crowd.connections, user, clock::now()) {
            Some(place) => Entry::Place(self.router.clone(), place, self.closing.clone()),
            None => {
                let unhurried = Arc::clone(&self.unhurried).try_acquire_owned().ok();
                let time = if unhurried.is_some() { TURNED_AWAY_FOR } else { IN_A_CROWD };
                Entry::Word(self.full.clone(), time, unhurried)
            }
        }
    }
}

/// Serves a client; one without a place is told so once, and not for long.
async fn enter(stream: Stream, entry: Entry, client: Arc<Connection>) -> Ended {
    match entry {
        Entry::Place(router, place, closing) => {
            let ended = serve(stream, router, client, closing, PATIENCE).await;
            drop(place);
            ended
        }
        Entry::Word(router, time, unhurried) => {
            // As at a door that closes: the first request is answered, and the connection ends.
            let (_, closing) = Closing::new();
            let patience = Patience { last: time, ..PATIENCE };
            let serving = serve(stream, router, Arc::clone(&client), closing, patience);
            tokio::pin!(serving);
            let ended = tokio::time::timeout(time, &mut serving).await.is_ok();
            if !ended && client.begun() > 0 {
                let _ = tokio::time::timeout(TURNED_AWAY_FOR, serving).await;
            }
            drop(unhurried);
            Ended::Otherwise
        }
    }
}

async fn serve(
    stream: Stream,
    router: Router,
    client: Arc<Connection>,
    closing: Closing,
    patience: Patience,
) -> Ended {
    match stream {
        Stream::Unix(stream) => {
            connection(Lenient::new(stream), router, client, closing, patience).await
        }
        Stream::Tcp(stream) => {
            connection(Lenient::new(stream), router, client, closing, patience).await
        }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Its program did not take in time what it had asked for.
    Unread,
    /// In order, or as the client had it.
    Otherwise,
}

/// Why a connection ends that its client keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overstay {
    /// The first request did not come.
    Silent,
    /// An answer was not taken.
    Full,
    /// Nothing is asked any more.
    Idle,
}

impl Overstay {
    fn text(self) -> &'static str {
        match self {
            Self::Silent => "it sent no request in time",
            Self::Full => "it did not take an answer in time",
            Self::Idle => "it asked nothing for minutes",
        }
    }
}

async fn overstays(client: &Connection, patience: Patience) -> Overstay {
    tokio::time::sleep(patience.head).await;
    let (mut begun, mut since) = (client.begun(), Instant::now());
    if begun == 0 {
        return Overstay::Silent;
    }
    loop {
        tokio::time::sleep(patience.head).await;
        if client.leaves_answers(patience.answer) {
            return Overstay::Full;
        }
        if client.is_asking() || client.begun() != begun {
            (begun, since) = (client.begun(), Instant::now());
        } else if since.elapsed() >= patience.idle {
            return Overstay::Idle;
        }
    }
}

async fn connection<S>(
    stream: S,
    router: Router,
    client: Arc<Connection>,
    closing: Closing,
    patience: Patience,
) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_buf_size(READ_AHEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(KEEP_ALIVE);
    let (router, first) = (TowerToHyperService::new(router), Notify::new());
    let service = service_fn(|request| {
        first.notify_one();
        Arc::clone(&client).serve(router.call(request))
    });
    let unread = Arc::new(AtomicBool::new(false));
    let stream = TokioIo::new(Stalls::new(stream, patience.stall, Arc::clone(&unread)));
    let serving = builder.serve_connection(stream, service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        stay = overstays(&client, patience) => match stay {
            Overstay::Idle => {
                serving.as_mut().graceful_shutdown();
                let goodbye = tokio::time::timeout(patience.head, serving).await;
                goodbye.unwrap_or_else(|_| Err(stay.text().into()))
            }
            Overstay::Silent => Err(stay.text().into()),
            Overstay::Full => {
                unread.store(true, Ordering::Relaxed);
                Err(stay.text().into())
            }
        },
        () = closing.asked() => {
            // Closed before its first request is read, a connection would leave its client without a word.
            let ended = tokio::select! {
                biased;
                ended = &mut serving => Some(ended),
                () = first.notified() => None,
                () = tokio::time::sleep(patience.last) => None,
            };
            match ended {
                Some(ended) => ended,
                None => {
                    serving.as_mut().graceful_shutdown();
                    serving.await
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a client's connection ended");
    }
    if unread.load(Ordering::Relaxed) { Ended::Unread } else { Ended::Otherwise }
}

#[cfg(test)]
mod tests;
