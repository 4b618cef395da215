//! A request over plain HTTP/1.1, of whose answer the status alone is read.
//!
//! Invariant: no byte of a body is kept, however long that is. Follows no redirection: one is an answer of something that works.

use axum::http::{Request, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Who asks, for the log of who is asked.
const AGENT: &str = "quorate-check";

pub(super) async fn ask(address: &str, path: &str) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| format!("http://{address}{path}: {error}");
    let stream = TcpStream::connect(address).await.map_err(|error| failed(&error))?;
    let (mut asking, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(&error))?;
    let request = Request::get(path)
        .header(header::HOST, address)
        .header(header::USER_AGENT, AGENT)
        .header(header::CONNECTION, "close")
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|error| failed(&error))?;
    let answer = async { asking.send_request(request).await.map_err(|error| failed(&error)) };
    // The connection moves on while the answer is waited for, and is dropped with it.
    tokio::pin!(connection, answer);
    let mut open = true;
    let answer = loop {
        tokio::select! {
            answer = &mut answer => break answer?,
            _ = &mut connection, if open => open = false,
        }
    };
    let status = answer.status();
    match status.is_success() || status.is_redirection() {
        true => Ok(format!("answers {status}")),
        false => Err(format!("http://{address}{path} answers {status}")),
    }
}
