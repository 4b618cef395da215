//! A client's stream that ends when the client takes nothing of what is written to it.
//!
//! What stays true: a write that waits is given up after the patience, counted from when it began to wait; each byte that goes out
//! begins it anew. Reading has no such bound: a client may have nothing to say.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// See the file's head.
#[derive(Debug)]
pub(super) struct Stalls<S> {
    stream: S,
    patience: Duration,
    /// Set once a write was given up: what HTTP makes of the error does not say so.
    given_up: Arc<AtomicBool>,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Stalls<S> {
    pub(super) fn new(stream: S, patience: Duration, given_up: Arc<AtomicBool>) -> Self {
        Self { stream, patience, given_up, waiting: None }
    }

    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        match waiting.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.given_up.store(true, Ordering::Relaxed);
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalls<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, out)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalls<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets keep nothing back: that what was written has left says nothing of a write that still waits.
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn a_write_that_nobody_takes_is_given_up() {
        let (stream, mut other) = duplex(4);
        let given_up = Arc::default();
        let mut stream = Stalls::new(stream, Duration::from_millis(1), Arc::clone(&given_up));
        stream.write_all(b"full").await.unwrap();
        let stalled = stream.write_all(b"more").await.unwrap_err();
        assert_eq!(stalled.kind(), io::ErrorKind::TimedOut);
        assert!(given_up.load(Ordering::Relaxed));
        let mut taken = [0; 4];
        other.read_exact(&mut taken).await.unwrap();
        assert_eq!(&taken, b"full");
    }

    #[tokio::test]
    async fn a_byte_that_goes_out_begins_the_patience_anew() {
        let (stream, mut other) = duplex(4);
        let mut stream = Stalls::new(stream, Duration::from_secs(3600), Arc::default());
        stream.write_all(b"full").await.unwrap();
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut write = |stream: &mut Stalls<_>| Pin::new(stream).poll_write(&mut context, b"more");
        assert!(write(&mut stream).is_pending() && stream.waiting.is_some());
        other.read_exact(&mut [0; 4]).await.unwrap();
        assert!(write(&mut stream).is_ready());
        assert!(stream.waiting.is_none());
    }
}
