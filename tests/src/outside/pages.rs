//! quorate's HTTP pages: one asked for once, and the health feed as it comes.
//!
//! Requests say HTTP/1.0, so that answers come plain, without chunks, until the connection is closed.

use super::trouble::Trouble;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(2);
/// A status page of ten members has some 5 KiB.
const LARGEST_PAGE: u64 = 1 << 20;

async fn open(at: SocketAddr, path: &str, seen: Option<&str>) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(at).await?;
    let seen = seen.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
    let request = format!("GET {path} HTTP/1.0\r\nHost: {at}\r\n{seen}\r\n");
    stream.write_all(request.as_bytes()).await?;
    Ok(stream)
}

/// A JSON page; none when the daemon does not answer, or answers otherwise.
pub async fn page(at: SocketAddr, path: &str) -> Option<Value> {
    let whole = async {
        let mut text = Vec::new();
        open(at, path, None).await.ok()?.take(LARGEST_PAGE).read_to_end(&mut text).await.ok()?;
        let text = String::from_utf8(text).ok()?;
        let (_, body) = text.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    };
    tokio::time::timeout(PATIENCE, whole).await.ok().flatten()
}

/// The lines of `/v1/health/watch`.
#[derive(Debug)]
pub struct HealthFeed {
    lines: Lines<BufReader<TcpStream>>,
    seen: Option<String>,
}

impl HealthFeed {
    /// Subscribes. `seen` is the id of the last line that this subscriber saw, none when it has seen nothing.
    pub async fn open(at: SocketAddr, seen: Option<&str>) -> Result<Self, Trouble> {
        let stream = open(at, "/v1/health/watch", seen)
            .await
            .map_err(Trouble::at(format!("watching {at}")))?;
        Ok(Self { lines: BufReader::new(stream).lines(), seen: seen.map(str::to_owned) })
    }

    /// The next line of the feed; none when the daemon is gone.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let line = self.lines.next_line().await.ok()??;
            if let Some(id) = line.strip_prefix("id:") {
                self.seen = Some(id.trim().to_owned());
            }
            if let Some(text) = line.strip_prefix("data:")
                && let Ok(value) = serde_json::from_str(text)
            {
                return Some(value);
            }
        }
    }

    /// The id of the newest line, for the next subscription; none before the first.
    #[must_use]
    pub fn seen(&self) -> Option<String> {
        self.seen.clone()
    }
}
