//! HTTP to the daemon over its unix socket, one connection a request. What can go wrong on the way is told with the
//! remedy. A write whose connection broke once a byte of it was written may have happened, and that is what is said.
//!
//! What stays true: no question waits for ever. A daemon that is stopped or stuck takes connections and answers nothing.

use super::exit::{Exit, Failure};
use crate::api::TIMEOUT_HEADER;
use crate::api::pages::RefusalPage;
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::UnixStream;

/// Longest line of a stream that is kept: a view of 1,000 members fits ten times.
const LINE: usize = 4 * 1024 * 1024;

/// A daemon that works answers within this, beyond what the question itself waits for: its loop turns each tenth of a second, and systemd
/// ends one that stands for ten.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much longer than its own limit a request is waited for: the daemon says itself that it is over, and why.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Whether a request changes something if it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changes {
    Nothing,
    Something,
}

/// Talks to one socket.
#[derive(Debug)]
pub(crate) struct Client {
    socket: PathBuf,
    patience: Duration,
    /// The ids of writes count ([`super::keyspace::ask`]): once it is so it stays so.
    ids_count: AtomicBool,
}

fn understood<T: DeserializeOwned>(body: &Bytes) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::other(format!(
            "the daemon's answer is not understood ({error}); is it of another version? `quorate --version`"
        ))
    })
}

impl Client {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket, patience: PATIENCE, ids_count: AtomicBool::new(false) }
    }

    /// The same, which waits so long for an answer that the daemon has at once.
    pub(super) fn with_patience(&self, patience: Duration) -> Self {
        Self { patience, ..Self::new(self.socket.clone()) }
    }

    /// Whether the ids of writes are known to count.
    pub(super) fn ids_count(&self) -> bool {
        self.ids_count.load(Ordering::Relaxed)
    }

    /// They count.
    pub(super) fn note_that_ids_count(&self) {
        self.ids_count.store(true, Ordering::Relaxed);
    }

    /// Where the socket is.
    pub(super) fn path(&self) -> &Path {
        &self.socket
    }

    /// The socket's path, for texts.
    pub(crate) fn socket(&self) -> String {
        self.socket.display().to_string()
    }

    /// Asks for a page that is there at once.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.get_within(path, Duration::ZERO).await
    }

    /// Asks for a page that the daemon may give so much later.
    pub(crate) async fn get_within<T: DeserializeOwned>(
        &self,
        path: &str,
        wait: Duration,
    ) -> Result<T, Failure> {
        understood(&self.bytes(path, wait).await?)
    }

    /// Asks for a page that the daemon gives within this time, or says why not.
    pub(crate) async fn get_in<T: DeserializeOwned>(
        &self,
        path: &str,
        time: Duration,
    ) -> Result<T, Failure> {
        let millis = time.as_millis().max(1).to_string();
        let headers = [(TIMEOUT_HEADER, millis.as_str())];
        let body = self.body(Method::GET, path, &headers, Bytes::new(), Changes::Nothing);
        understood(&self.in_time(time, Changes::Nothing, body).await?)
    }

    /// The same as it comes.
    pub(super) async fn bytes(&self, path: &str, wait: Duration) -> Result<Bytes, Failure> {
        let body = self.body(Method::GET, path, &[], Bytes::new(), Changes::Nothing);
        self.in_time(wait, Changes::Nothing, body).await
    }

    /// Sends a body, gives the body of the answer, which the daemon may give so much later.
    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
        changes: Changes,
        wait: Duration,
    ) -> Result<Bytes, Failure> {
        let answer = self.body(Method::POST, path, headers, body, changes);
        self.in_time(wait, changes, answer).await
    }

    async fn in_time<T>(
        &self,
        wait: Duration,
        changes: Changes,
        answer: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let limit = if wait.is_zero() { self.patience } else { wait.saturating_add(LAST_WORD) };
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer,
            Err(_) if changes == Changes::Something => {
                Err(self.unknown(&format!("no answer within {:.1} s", limit.as_secs_f64())))
            }
            Err(_) => Err(self.silent(limit)),
        }
    }

    /// It takes connections, for the kernel does that for it, and says nothing.
    fn silent(&self, limit: Duration) -> Failure {
        let text = format!(
            "the daemon at {} takes requests and answered none within {:.1} s: it is stopped or stuck. `systemctl status quorate` \
             shows it; systemd starts one anew whose loop stands for 10 s, else: `systemctl restart quorate`",
            self.socket(),
            limit.as_secs_f64()
        );
        Failure::new(Exit::Unreachable, "unreachable", text)
    }

    async fn body(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
        changes: Changes,
    ) -> Result<Bytes, Failure> {
        let answer = self.send(method, path, headers, body, changes).await?;
        let body = answer.into_body().collect().await;
        Ok(body.map_err(|error| self.unanswered(&error, changes))?.to_bytes())
    }

    /// Follows a stream of server-sent events, behind the one with the id that was seen last.
    pub(crate) async fn follow(&self, path: &str, seen: Option<&str>) -> Result<Lines, Failure> {
        let headers: Vec<_> = seen.map(|id| ("last-event-id", id)).into_iter().collect();
        let nothing = Changes::Nothing;
        let answer = self.send(Method::GET, path, &headers, Bytes::new(), nothing);
        let answer = self.in_time(Duration::ZERO, nothing, answer).await?;
        Ok(Lines { body: answer.into_body(), rest: BytesMut::new(), socket: self.socket() })
    }

    /// Asks for bytes of any number, which come for as long as the daemon has some. `wait`: the first may come so much later, and
    /// each that follows so long after the one before.
    pub(super) async fn download(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        wait: Duration,
    ) -> Result<Download, Failure> {
        let nothing = Changes::Nothing;
        let answer = self.send(Method::GET, path, headers, Bytes::new(), nothing);
        let answer = self.in_time(wait, nothing, answer).await?;
        Ok(Download { body: answer.into_body(), client: self.with_patience(wait) })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
        changes: Changes,
    ) -> Result<Response<Incoming>, Failure> {
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|error| self.no_way_in(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error))?;
        tokio::spawn(connection);
        let mut request =
            Request::builder().method(method).uri(path).header(header::HOST, "quorate");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| Failure::new(Exit::Usage, "usage", format!("cannot ask: {error}")))?;
        let answer = sender.try_send_request(request).await.map_err(|mut failed| {
            // What comes back was not begun to be written.
            let changes = if failed.take_message().is_some() { Changes::Nothing } else { changes };
            self.unanswered(failed.error(), changes)
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body = answer.into_body().collect().await;
        let body = body.map_err(|error| self.unanswered(&error, changes))?;
        Err(match serde_json::from_slice::<RefusalPage>(&body.to_bytes()) {
            Ok(page) => Failure::refused(page),
            Err(_) if changes == Changes::Something => self.unknown(&status),
            Err(_) => Failure::other(format!("the daemon refused: {status}")),
        })
    }

    fn no_way_in(&self, error: &Error) -> Failure {
        let socket = self.socket();
        let text = match error.kind() {
            ErrorKind::NotFound => format!(
                "no daemon at {socket}: is it running? `systemctl start quorate`, or name its socket with --socket"
            ),
            ErrorKind::ConnectionRefused => format!(
                "the daemon at {socket} has ended: `systemctl start quorate`; `journalctl -u quorate -e` shows why"
            ),
            ErrorKind::PermissionDenied => format!(
                "no permission for {socket}: run this as root, or join the group quorate (`usermod -aG quorate USER`, then log in anew)"
            ),
            _ => format!("cannot reach the daemon at {socket}: {error}"),
        };
        let failure = Failure::new(Exit::Unreachable, "unreachable", text);
        match error.kind() {
            // Full places of a daemon that does not accept are as passing as a daemon that is away.
            ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::WouldBlock => {
                failure.for_now()
            }
            _ => failure,
        }
    }

    fn broken(&self, error: &hyper::Error) -> Failure {
        broken(&self.socket(), error)
    }

    /// The request was sent, as far as anybody can tell, and has no answer.
    fn unanswered(&self, error: &hyper::Error, changes: Changes) -> Failure {
        match changes {
            Changes::Nothing => self.broken(error),
            Changes::Something => self.unknown(error),
        }
    }

    /// A write whose answer is lost, or means nothing.
    pub(crate) fn unknown(&self, why: &dyn std::fmt::Display) -> Failure {
        let text = format!(
            "the daemon at {} was lost while it worked on this ({why}): it may or may not have happened. Read before \
             writing again",
            self.socket()
        );
        Failure::new(Exit::FateUnknown, "fate-unknown", text)
    }
}

fn broken(socket: &str, error: &hyper::Error) -> Failure {
    let text = format!("the daemon at {socket} hung up ({error}): `journalctl -u quorate -e`");
    // Only what changes nothing, or was not sent, ends like this.
    Failure::new(Exit::Unreachable, "unreachable", text).for_now()
}

/// Bytes that come one part after the other.
pub(crate) struct Download {
    body: Incoming,
    client: Client,
}

impl Download {
    /// The next part; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let Self { body, client } = self;
        let next = async {
            loop {
                match body.frame().await {
                    None => return Ok(None),
                    Some(Err(error)) => return Err(client.broken(&error)),
                    Some(Ok(frame)) => {
                        if let Ok(bytes) = frame.into_data() {
                            return Ok(Some(bytes));
                        }
                    }
                }
            }
        };
        client.in_time(client.patience, Changes::Nothing, next).await
    }
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) text: String,
}

/// A stream of server-sent events.
pub(crate) struct Lines {
    body: Incoming,
    rest: BytesMut,
    socket: String,
}

impl Lines {
    /// The next event. The stream ends only with the daemon, so its end is a failure.
    pub(crate) async fn next(&mut self) -> Result<Line, Failure> {
        loop {
            while let Some(line) = take_event(&mut self.rest) {
                if !line.text.is_empty() {
                    return Ok(line);
                }
            }
            if self.rest.len() > LINE {
                return Err(Failure::other("the daemon sent a line that does not end"));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.rest.extend_from_slice(&bytes);
                    }
                }
                Some(Err(error)) => return Err(broken(&self.socket, &error)),
                None => {
                    let text = format!("the daemon at {} has stopped", self.socket);
                    return Err(Failure::new(Exit::Unreachable, "unreachable", text));
                }
            }
        }
    }
}

/// Takes one event, which ends with an empty line, off the front.
pub(super) fn take_event(rest: &mut BytesMut) -> Option<Line> {
    let end = rest.windows(2).position(|pair| pair == b"\n\n")?;
    let block = rest.split_to(end);
    rest.advance(2);
    let mut line = Line::default();
    for field in String::from_utf8_lossy(&block).lines() {
        match field.split_once(':') {
            Some(("id", value)) => value.trim().clone_into(&mut line.id),
            Some(("data", value)) => line.text.push_str(value.strip_prefix(' ').unwrap_or(value)),
            _ => {}
        }
    }
    Some(line)
}
