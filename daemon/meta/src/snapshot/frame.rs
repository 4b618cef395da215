//! A snapshot as a stream of frames, each with its length, number and checksum.
//!
//! One chunk that is written is one frame, but a reader takes the stream in any pieces. The last record
//! names the number of frames before its own and a hash of their checksums: a frame that is missing, doubled
//! or out of place is noticed, and so is the end of a stream that was cut.

use crate::snapshot::record::RestoreError;
use crate::state_hash::StateHash;
use bytes::{Buf as _, Bytes, BytesMut};
use quorate_proto::limits;

/// Length, number and CRC-32 of number and payload; each four bytes, little endian.
const HEAD: usize = 12;
/// Most payload in one frame.
pub(crate) const PAYLOAD: usize = limits::BULK_CHUNK - HEAD;

/// What ties the frames of one stream together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chain {
    pub(crate) frames: u32,
    pub(crate) sum: StateHash,
}

impl Chain {
    pub(crate) const START: Self = Self { frames: 0, sum: StateHash::START };

    fn add(&mut self, crc: u32) {
        self.frames = self.frames.wrapping_add(1);
        self.sum.word(u64::from(crc));
    }

    /// Puts a payload into a frame.
    pub(crate) fn frame(&mut self, payload: &[u8]) -> Bytes {
        let crc = checksum(self.frames, payload);
        let mut frame = BytesMut::with_capacity(HEAD + payload.len());
        let length = u32::try_from(payload.len()).expect("a payload is smaller than a chunk");
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(&self.frames.to_le_bytes());
        frame.extend_from_slice(&crc.to_le_bytes());
        frame.extend_from_slice(payload);
        self.add(crc);
        frame.freeze()
    }
}

fn checksum(number: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Takes frames apart again.
pub(crate) struct FrameReader<I> {
    pieces: I,
    rest: BytesMut,
    pub(crate) chain: Chain,
}

impl<I: Iterator<Item = Bytes>> FrameReader<I> {
    pub(crate) fn new(pieces: I) -> Self {
        Self { pieces, rest: BytesMut::new(), chain: Chain::START }
    }

    /// The payload of the next frame; none at the end of the stream.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, RestoreError> {
        if !self.fill(HEAD) {
            return if self.rest.is_empty() { Ok(None) } else { Err(RestoreError::Cut) };
        }
        let length = self.rest.get_u32_le() as usize;
        let number = self.rest.get_u32_le();
        let crc = self.rest.get_u32_le();
        if length > PAYLOAD || number != self.chain.frames {
            return Err(RestoreError::Damaged { frame: self.chain.frames });
        }
        if !self.fill(length) {
            return Err(RestoreError::Cut);
        }
        let payload = self.rest.split_to(length).freeze();
        if checksum(number, &payload) != crc {
            return Err(RestoreError::Damaged { frame: number });
        }
        self.chain.add(crc);
        Ok(Some(payload))
    }

    /// Gathers at least so many bytes; never more than were sent.
    fn fill(&mut self, length: usize) -> bool {
        while self.rest.len() < length {
            let Some(piece) = self.pieces.next() else { return false };
            self.rest.extend_from_slice(&piece);
        }
        true
    }
}
