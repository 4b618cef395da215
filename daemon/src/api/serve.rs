//! The accept loops. Each connection is a task of its own, which speaks HTTP/1.1 or HTTP/2 as the client begins;
//! the tasks end with the future that accepts for them. It ends when the door was asked to close and everybody has their answer.

use super::guard::Guard;
use super::lenient::Lenient;
use super::{UnixDoor, routes};
use crate::doors::{Closing, Doors};
use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;

/// Connections of one door. Beyond it the door stops accepting: the kernel's backlog holds the rest.
const CONNECTIONS: usize = 1024;
/// Streams of one HTTP/2 connection at a time; etcd clients multiplex everything on one.
const STREAMS: u32 = 1024;
/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// Idle HTTP/2 connections are asked for a sign of life this often, so that those of dead clients go.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// After a failed accept (no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the unix socket until it is asked to close or the future is dropped. Everything is open there.
pub(crate) async fn serve_unix(door: UnixDoor, doors: Doors) {
    let doors = Doors { keyspace: true, ..doors };
    let closing = doors.closing.clone();
    accept(Listener::Unix(door), routes::router(doors, Guard { names: None }), closing).await;
}

/// The same of the TCP address. `names` are this host's names, which `Host` may show.
pub(crate) async fn serve_tcp(listener: TcpListener, doors: Doors, names: Vec<String>) {
    let closing = doors.closing.clone();
    let router = routes::router(doors, Guard { names: Some(names) });
    accept(Listener::Tcp(listener), router, closing).await;
}

enum Listener {
    Unix(UnixDoor),
    Tcp(TcpListener),
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Listener {
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

async fn accept(listener: Listener, router: Router, closing: Closing) {
    let mut connections = JoinSet::new();
    let asked = closing.clone().asked();
    tokio::pin!(asked);
    loop {
        tokio::select! {
            () = &mut asked => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.next(), if connections.len() < CONNECTIONS => match accepted {
                Ok(Stream::Unix(stream)) => {
                    connections.spawn(connection(Lenient::new(stream), router.clone(), closing.clone()));
                }
                Ok(Stream::Tcp(stream)) => { connections.spawn(connection(stream, router.clone(), closing.clone())); }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection<S>(stream: S, router: Router, closing: Closing)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(KEEP_ALIVE);
    let service = TowerToHyperService::new(router);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = closing.asked() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a client's connection ended");
    }
}
