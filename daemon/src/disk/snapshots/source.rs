//! A durable snapshot on its way to a peer: read as it is sent, every byte checked. Each piece that goes out carries a
//! checksum of all pieces so far, by which sender and receiver know that they speak of the same ones.
//!
//! The file stays open: it can be read to its end also after it was removed for newer ones.

use super::file::{Owner, SnapshotReader};
use super::pieces::chained;
use crate::regular;
use bytes::{BufMut as _, Bytes, BytesMut};
use quorate_proto::SnapshotMetadata;
use quorate_transport::{SnapshotPart, SnapshotPosition};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// A snapshot that can be read as often as need be.
#[derive(Debug)]
pub(crate) struct SnapshotSource {
    file: Arc<File>,
}

impl SnapshotSource {
    pub(super) fn open(
        path: &Path,
        owner: Owner,
        metadata: &SnapshotMetadata,
    ) -> Result<Self, String> {
        let file = Arc::new(regular::open(path).map_err(|error| error.to_string())?);
        let reader = SnapshotReader::of(Arc::clone(&file))?;
        if reader.owner != owner || reader.metadata != *metadata {
            return Err("its head is that of another snapshot".into());
        }
        Ok(Self { file })
    }

    /// Bytes of the file.
    ///
    /// # Errors
    /// The reason, when the system does not say.
    pub(crate) fn length(&self) -> Result<u64, String> {
        self.file.metadata().map(|file| file.len()).map_err(|error| error.to_string())
    }

    /// Gives the parts that a receiver needs which has `had`; all of them when that is not from here. Stops when `give`
    /// is false. Blocks on the disk.
    ///
    /// # Errors
    /// The reason, when the file is damaged or cannot be read.
    pub(crate) fn read(
        &self,
        had: SnapshotPosition,
        mut give: impl FnMut(SnapshotPart) -> bool,
    ) -> Result<(), String> {
        let (mut reader, position) = self.behind(had)?;
        let mut chain = position.chain;
        if !give(SnapshotPart::Begin { pieces: position.pieces }) {
            return Ok(());
        }
        for chunk in reader.by_ref() {
            chain = chained(chain, &chunk);
            if !give(SnapshotPart::Piece(stamped(chain, &chunk))) {
                return Ok(());
            }
        }
        reader.verdict()?;
        give(SnapshotPart::End);
        Ok(())
    }

    fn behind(&self, had: SnapshotPosition) -> Result<(SnapshotReader, SnapshotPosition), String> {
        let mut reader = SnapshotReader::of(Arc::clone(&self.file))?;
        let mut position = SnapshotPosition::default();
        while position.pieces < had.pieces
            && let Some(chunk) = reader.next()
        {
            position.pieces += 1;
            position.chain = chained(position.chain, &chunk);
        }
        if position == had {
            return Ok((reader, position));
        }
        Ok((SnapshotReader::of(Arc::clone(&self.file))?, SnapshotPosition::default()))
    }
}

fn stamped(chain: u32, chunk: &[u8]) -> Bytes {
    let mut piece = BytesMut::with_capacity(4 + chunk.len());
    piece.put_u32(chain);
    piece.put_slice(chunk);
    piece.freeze()
}

/// Takes the checksum off a piece that continues `chain`; none when it does not.
pub(super) fn unstamped(chain: u32, piece: &Bytes) -> Option<(u32, &[u8])> {
    let (sum, chunk) = piece.split_first_chunk::<4>()?;
    let sum = u32::from_be_bytes(*sum);
    (chained(chain, chunk) == sum).then_some((sum, chunk))
}
