//! One snapshot file of this life beside the log: its head is life, cluster and metadata; [`super::pieces`] has the rest.
//! Cut or changed anywhere, it is refused whole.

use super::pieces::{PieceReader, PieceWriter, Unreadable};
use crate::disk::durable;
use crate::disk::files::create;
use crate::regular;
use bytes::Bytes;
use quorate_proto::{ClusterId, Instance, Message as _, SnapshotMetadata};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

const MARK: &[u8; 8] = b"qsnap001";
/// Far above a metadata with every member of the largest cluster (`limits::MEMBERS` ids of 10 bytes, four lists).
const MAX_HEAD: usize = 64 * 1024;
/// What waits between a file and its reader or writer; pieces are mostly larger, and pass it by.
const BUFFER: usize = 64 * 1024;
/// A snapshot being written is synced whenever so much is new: a GiB in the page cache would hold up the log's next sync.
const SYNC_EVERY: u64 = 32 * 1024 * 1024;

/// The chunks of a snapshot, read from the disk as they are asked for.
pub(crate) type Pieces<'a> = &'a mut dyn Iterator<Item = Bytes>;

/// Whose snapshot it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) instance: Instance,
    pub(crate) cluster_id: ClusterId,
}

/// Writes a snapshot durably under `path`: aside, synced, renamed, directory synced.
pub(crate) fn write(
    path: &Path,
    owner: Owner,
    metadata: &SnapshotMetadata,
    chunks: impl Iterator<Item = Bytes>,
) -> io::Result<()> {
    let aside = durable::aside(path);
    let written = write_aside(&aside, owner, metadata, chunks);
    if written.is_err() {
        // A half-written snapshot must not use up the last room.
        let _ = std::fs::remove_file(&aside);
    }
    written?;
    install(&aside, path)
}

/// Gives a whole and synced file its name.
pub(super) fn install(aside: &Path, path: &Path) -> io::Result<()> {
    std::fs::rename(aside, path)?;
    durable::sync_directory_of(path)
}

fn write_aside(
    aside: &Path,
    owner: Owner,
    metadata: &SnapshotMetadata,
    chunks: impl Iterator<Item = Bytes>,
) -> io::Result<()> {
    let mut file = SnapshotWriter::create(aside, owner, metadata)?;
    for chunk in chunks.filter(|chunk| !chunk.is_empty()) {
        file.piece(&chunk)?;
    }
    file.finish()
}

/// A snapshot file that is being written and does not count yet.
#[derive(Debug)]
pub(crate) struct SnapshotWriter {
    pieces: PieceWriter<SteadyFile>,
}

impl SnapshotWriter {
    pub(crate) fn create(
        aside: &Path,
        owner: Owner,
        metadata: &SnapshotMetadata,
    ) -> io::Result<Self> {
        let mut head = owner.instance.to_bytes().to_vec();
        head.extend_from_slice(&owner.cluster_id.to_bytes());
        metadata.encode(&mut head).expect("a Vec grows");
        if head.len() > MAX_HEAD {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "metadata above its bound"));
        }
        let file = SteadyFile::of(create(aside)?);
        Ok(Self { pieces: PieceWriter::begin(file, MARK, &head)? })
    }

    pub(crate) fn piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pieces.piece(bytes)
    }

    /// Writes the end and syncs.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.pieces.end()?.finish()
    }
}

/// A large file that is being written, and synced whenever so much of it is new.
#[derive(Debug)]
pub(crate) struct SteadyFile {
    file: BufWriter<File>,
    unsynced: u64,
}

impl SteadyFile {
    pub(crate) fn of(file: File) -> Self {
        Self { file: BufWriter::with_capacity(BUFFER, file), unsynced: 0 }
    }

    /// Syncs content and length.
    pub(crate) fn finish(self) -> io::Result<()> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()
    }
}

impl Write for SteadyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.unsynced >= SYNC_EVERY {
            self.file.flush()?;
            self.file.get_ref().sync_data()?;
            self.unsynced = 0;
        }
        let written = self.file.write(bytes)?;
        self.unsynced += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A snapshot file that is being read; see [`PieceReader`].
#[derive(Debug)]
pub(crate) struct SnapshotReader {
    pieces: PieceReader<BufReader<ReadAt>>,
    pub(crate) owner: Owner,
    pub(crate) metadata: SnapshotMetadata,
}

impl SnapshotReader {
    /// Opens a file and reads its head.
    ///
    /// # Errors
    /// The reason, when the head cannot be read.
    pub(crate) fn open(path: &Path) -> Result<Self, Unreadable> {
        let file = regular::open(path).map_err(|error| Unreadable::from(error.to_string()))?;
        Self::of(Arc::new(file))
    }

    /// Reads a file that is open from its beginning, whatever other readers of it do.
    ///
    /// # Errors
    /// The reason, when the head cannot be read.
    pub(crate) fn of(file: Arc<File>) -> Result<Self, Unreadable> {
        let file = BufReader::with_capacity(BUFFER, ReadAt { file, at: 0 });
        let (pieces, head) = PieceReader::begin(file, MARK)?;
        let (owner, metadata) = decode_head(&head)?;
        Ok(Self { pieces, owner, metadata })
    }

    /// See [`PieceReader::verdict`].
    ///
    /// # Errors
    /// The reason, when a byte was not as it was written.
    pub(crate) fn verdict(self) -> Result<(), String> {
        self.pieces.verdict()
    }
}

impl Iterator for SnapshotReader {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.pieces.next()
    }
}

/// A file read at a place of its own, so that several may read it at once, also after it was removed.
#[derive(Debug)]
struct ReadAt {
    file: Arc<File>,
    at: u64,
}

impl Read for ReadAt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

fn decode_head(head: &[u8]) -> Result<(Owner, SnapshotMetadata), String> {
    let (instance, rest) = head.split_first_chunk::<16>().ok_or("its head is cut short")?;
    let (cluster_id, metadata) = rest.split_first_chunk::<16>().ok_or("its head is cut short")?;
    let owner = Owner {
        instance: Instance::from_bytes(*instance),
        cluster_id: ClusterId::from_bytes(*cluster_id),
    };
    let metadata = SnapshotMetadata::decode(metadata).map_err(|error| error.to_string())?;
    Ok((owner, metadata))
}
