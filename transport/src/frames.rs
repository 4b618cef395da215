//! Frames on a stream: a length of four bytes, big-endian, and that many bytes.
//!
//! Invariant: memory is taken only for bytes that arrived, and no frame over the caller's limit is read.
//! A frame that lies within one received piece is handed on without a copy.

use bytes::{Buf as _, Bytes, BytesMut};
use quinn::{ReadError, RecvStream, SendStream, WriteError};

/// Frames up to this size are copied together into one buffer; a chunk of its own costs more than the copy.
const COPY_BELOW: usize = 2 * 1024;
/// Memory that is taken at once for a frame that arrives in pieces; more is taken as it arrives.
const FIRST_PIECE: usize = 64 * 1024;

/// In place of a length on the control stream: a number of eight bytes follows, the last log frame that was handed over.
pub(crate) const ACKNOWLEDGEMENT: u32 = u32::MAX;

/// Why no further frame can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The other side announced more than the limit.
    #[error("a frame of {length} bytes where at most {limit} are allowed")]
    TooLong { length: usize, limit: usize },
    /// The stream ended in the middle of a frame.
    #[error("a stream that ended within a frame")]
    Cut,
    /// The stream or its connection broke.
    #[error("{0}")]
    Stream(#[from] ReadError),
}

/// Reads frames off a stream.
pub(crate) struct FrameReader {
    stream: RecvStream,
    rest: Bytes,
}

impl FrameReader {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self { stream, rest: Bytes::new() }
    }

    /// The next frame; none when the stream ended in good order.
    pub(crate) async fn next(&mut self, limit: usize) -> Result<Option<Bytes>, FrameError> {
        match self.length().await? {
            None => Ok(None),
            Some(length) => self.body(length, limit).await.map(Some),
        }
    }

    /// The length of the next frame; none when the stream ended in good order.
    pub(crate) async fn length(&mut self) -> Result<Option<u32>, FrameError> {
        if self.rest.is_empty() && !self.more().await? {
            return Ok(None);
        }
        let head = self.take(4).await?;
        let head: [u8; 4] = head[..].try_into().expect("four bytes were taken");
        Ok(Some(u32::from_be_bytes(head)))
    }

    /// The bytes that follow `length`.
    pub(crate) async fn body(&mut self, length: u32, limit: usize) -> Result<Bytes, FrameError> {
        let length = length as usize;
        if length > limit {
            return Err(FrameError::TooLong { length, limit });
        }
        self.take(length).await
    }

    /// The next frame, if all of it has been received already.
    pub(crate) fn buffered(&mut self, limit: usize) -> Option<Bytes> {
        let head: [u8; 4] = self.rest.get(..4)?.try_into().expect("four bytes were taken");
        let length = u32::from_be_bytes(head) as usize;
        if length > limit || self.rest.len() < 4 + length {
            return None;
        }
        self.rest.advance(4);
        Some(self.rest.split_to(length))
    }

    /// One byte: a lane's mark or an acknowledgement.
    pub(crate) async fn byte(&mut self) -> Result<u8, FrameError> {
        Ok(self.take(1).await?[0])
    }

    /// A number of eight bytes.
    pub(crate) async fn number(&mut self) -> Result<u64, FrameError> {
        let bytes = self.take(8).await?;
        Ok(u64::from_be_bytes(bytes[..].try_into().expect("eight bytes were taken")))
    }

    /// Whether the stream ended in good order here.
    pub(crate) async fn is_at_end(&mut self) -> Result<bool, FrameError> {
        Ok(self.rest.is_empty() && !self.more().await?)
    }

    /// Tells the other side that nothing more is read.
    pub(crate) fn stop(&mut self, code: u32) {
        // An error means that the stream is over already.
        let _ = self.stream.stop(quinn::VarInt::from_u32(code));
    }

    async fn take(&mut self, length: usize) -> Result<Bytes, FrameError> {
        if self.rest.len() >= length {
            return Ok(self.rest.split_to(length));
        }
        let mut whole = BytesMut::with_capacity(length.min(FIRST_PIECE));
        loop {
            let piece = self.rest.split_to((length - whole.len()).min(self.rest.len()));
            whole.extend_from_slice(&piece);
            if whole.len() == length {
                return Ok(whole.freeze());
            }
            if !self.more().await? {
                return Err(FrameError::Cut);
            }
        }
    }

    async fn more(&mut self) -> Result<bool, FrameError> {
        while self.rest.is_empty() {
            match self.stream.read_chunk(usize::MAX, true).await? {
                Some(chunk) => self.rest = chunk.bytes,
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// The numbers of the log frames on one connection: the first is written, the others follow from it.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    next: Option<u64>,
}

impl Numbers {
    /// Writes what must stand before the frame of this number. Numbers jump where the peer has acknowledged meanwhile, on
    /// the way of another connection, what was still to be written here: empty frames, which it knows, fill the gap.
    pub(crate) fn write(&mut self, number: u64, batch: &mut Batch) {
        match self.next {
            None => batch.push_raw(&number.to_be_bytes()),
            Some(next) => (next..number).for_each(|_| batch.push(Bytes::new())),
        }
        self.next = Some(number + 1);
    }
}

/// Many frames on their way into one write.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    chunks: Vec<Bytes>,
    small: BytesMut,
    bytes: usize,
}

impl Batch {
    /// Appends a frame.
    pub(crate) fn push(&mut self, frame: Bytes) {
        let length = u32::try_from(frame.len()).expect("frames are bounded far below 4 GiB");
        self.bytes += frame.len() + 4;
        self.small.extend_from_slice(&length.to_be_bytes());
        if frame.len() < COPY_BELOW {
            self.small.extend_from_slice(&frame);
        } else {
            self.chunks.push(self.small.split().freeze());
            self.chunks.push(frame);
        }
    }

    /// Appends an acknowledgement.
    pub(crate) fn push_acknowledgement(&mut self, number: u64) {
        self.push_raw(&ACKNOWLEDGEMENT.to_be_bytes());
        self.push_raw(&number.to_be_bytes());
    }

    /// Appends bytes as they are.
    pub(crate) fn push_raw(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.small.extend_from_slice(bytes);
    }

    /// Bytes in it, lengths included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes everything and empties the batch.
    pub(crate) async fn write(&mut self, stream: &mut SendStream) -> Result<(), WriteError> {
        if !self.small.is_empty() {
            self.chunks.push(self.small.split().freeze());
        }
        self.bytes = 0;
        let result = stream.write_all_chunks(&mut self.chunks).await;
        self.chunks.clear();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_in_the_numbers_is_filled_so_that_the_reader_counts_right() {
        let (mut numbers, mut batch) = (Numbers::default(), Batch::default());
        for number in [3_u64, 4, 11, 12] {
            numbers.write(number, &mut batch);
            batch.push(Bytes::from(number.to_string()));
        }
        let mut rest = batch.small.freeze();
        let mut number = rest.split_to(8).get_u64();
        let mut read = Vec::new();
        while !rest.is_empty() {
            let length = rest.get_u32() as usize;
            let frame = rest.split_to(length);
            if !frame.is_empty() {
                read.push((number, String::from_utf8_lossy(&frame).into_owned()));
            }
            number += 1;
        }
        let sent = [3, 4, 11, 12].map(|number: u64| (number, number.to_string()));
        assert_eq!(read, sent);
    }
}
