//! quorate's HTTP pages: one asked for once, and the health feed as it comes.
//!
//! Requests say HTTP/1.0, so that answers come plain, without chunks, until the connection is closed.

use crate::trouble::Trouble;
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(2);
/// A status page of ten members has some 5 KiB.
const LARGEST_PAGE: u64 = 1 << 20;

async fn open(port: u16, path: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    Ok(stream)
}

/// A JSON page; none when the daemon does not answer, or answers otherwise.
pub(crate) async fn page(port: u16, path: &str) -> Option<Value> {
    let whole = async {
        let mut text = Vec::new();
        open(port, path).await.ok()?.take(LARGEST_PAGE).read_to_end(&mut text).await.ok()?;
        let text = String::from_utf8(text).ok()?;
        let (_, body) = text.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    };
    tokio::time::timeout(PATIENCE, whole).await.ok().flatten()
}

/// The lines of `/v1/health/watch`.
#[derive(Debug)]
pub(crate) struct HealthFeed {
    lines: Lines<BufReader<TcpStream>>,
}

impl HealthFeed {
    pub(crate) async fn open(port: u16) -> Result<Self, Trouble> {
        let stream = open(port, "/v1/health/watch")
            .await
            .map_err(Trouble::at(format!("watching port {port}")))?;
        Ok(Self { lines: BufReader::new(stream).lines() })
    }

    /// The next line of the feed; none when the daemon is gone.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let line = self.lines.next_line().await.ok()??;
            if let Some(text) = line.strip_prefix("data:")
                && let Ok(value) = serde_json::from_str(text)
            {
                return Some(value);
            }
        }
    }
}
