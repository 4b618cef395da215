//! One snapshot file: head (life, cluster, metadata), chunks with chained checksums, and an end that counts them.
//! Cut or changed anywhere, it is refused whole.

use crate::disk::durable;
use crate::disk::files::create;
use crate::disk::formats;
use bytes::Bytes;
use quorate_proto::{ClusterId, Instance, Message as _, SnapshotMetadata, limits};
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
fn install(aside: &Path, path: &Path) -> io::Result<()> {
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
    file: BufWriter<File>,
    chain: u32,
    count: u64,
    unsynced: u64,
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
        let mut file = BufWriter::with_capacity(BUFFER, create(aside)?);
        file.write_all(MARK)?;
        let mut writer = Self { file, chain: 0, count: 0, unsynced: 0 };
        writer.put(&head)?;
        Ok(writer)
    }

    pub(crate) fn piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() || bytes.len() > limits::BULK_CHUNK {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a chunk out of its bounds"));
        }
        self.put(bytes)?;
        self.count += 1;
        if self.unsynced >= SYNC_EVERY {
            self.file.flush()?;
            self.file.get_ref().sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).expect("checked against a bound");
        self.chain = chained(self.chain, bytes);
        self.file.write_all(&length.to_be_bytes())?;
        self.file.write_all(&self.chain.to_be_bytes())?;
        self.unsynced += u64::from(length);
        self.file.write_all(bytes)
    }

    /// Writes the end and syncs.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let count = self.count.to_be_bytes();
        self.file.write_all(&0_u32.to_be_bytes())?;
        self.file.write_all(&chained(self.chain, &count).to_be_bytes())?;
        self.file.write_all(&count)?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()
    }
}

/// Each checksum covers everything before it.
pub(crate) fn chained(previous: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&previous.to_be_bytes());
    hasher.update(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// A snapshot file that is being read, piece by piece: an iterator over its chunks that ends early when a byte is
/// missing, changed, or too many. Whoever reads it asks [`SnapshotReader::verdict`] afterwards.
#[derive(Debug)]
pub(crate) struct SnapshotReader {
    file: BufReader<ReadAt>,
    pub(crate) owner: Owner,
    pub(crate) metadata: SnapshotMetadata,
    chain: u32,
    count: u64,
    ended: Option<Result<(), String>>,
}

/// Why a snapshot file cannot be read from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// In words.
    pub(crate) why: String,
    /// It is not damaged, but of a format that this version does not know.
    pub(crate) newer: bool,
}

impl From<Unreadable> for String {
    fn from(unreadable: Unreadable) -> Self {
        unreadable.why
    }
}

impl From<String> for Unreadable {
    fn from(why: String) -> Self {
        Self { why, newer: false }
    }
}

impl SnapshotReader {
    /// Opens a file and reads its head.
    ///
    /// # Errors
    /// The reason, when the head cannot be read.
    pub(crate) fn open(path: &Path) -> Result<Self, Unreadable> {
        let file = File::open(path).map_err(|error| Unreadable::from(error.to_string()))?;
        Self::of(Arc::new(file))
    }

    /// Reads a file that is open from its beginning, whatever other readers of it do.
    ///
    /// # Errors
    /// The reason, when the head cannot be read.
    pub(crate) fn of(file: Arc<File>) -> Result<Self, Unreadable> {
        let mut file = BufReader::with_capacity(BUFFER, ReadAt { file, at: 0 });
        let mut mark = [0; 8];
        exactly(&mut file, &mut mark)?;
        if &mark != MARK {
            return Err(match formats::newer(&mark) {
                Some(format) => Unreadable { why: format!("it is of {format}"), newer: true },
                None => "it does not begin with its format mark".to_owned().into(),
            });
        }
        let mut chain = 0;
        let Piece::Bytes(head) = read_piece(&mut file, &mut chain, MAX_HEAD)? else {
            return Err("it has no head".to_owned().into());
        };
        let (owner, metadata) = decode_head(&head)?;
        Ok(Self { file, owner, metadata, chain, count: 0, ended: None })
    }

    fn read(&mut self) -> Result<Option<Bytes>, String> {
        let end = match read_piece(&mut self.file, &mut self.chain, limits::BULK_CHUNK)? {
            Piece::Bytes(chunk) => {
                self.count += 1;
                return Ok(Some(chunk));
            }
            Piece::End { checksum } => checksum,
        };
        let mut count = [0; 8];
        exactly(&mut self.file, &mut count)?;
        if chained(self.chain, &count) != end || u64::from_be_bytes(count) != self.count {
            return Err("its end does not match its content".into());
        }
        match self.file.read(&mut [0]) {
            Ok(0) => Ok(None),
            Ok(_) => Err("there is something behind its end".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Reads what is left, and says whether every byte of the file was as it was written.
    ///
    /// # Errors
    /// The reason, when it was not.
    pub(crate) fn verdict(mut self) -> Result<(), String> {
        self.by_ref().for_each(drop);
        self.ended.unwrap_or(Ok(()))
    }
}

impl Iterator for SnapshotReader {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.ended.is_some() {
            return None;
        }
        match self.read() {
            Ok(Some(chunk)) => return Some(chunk),
            Ok(None) => self.ended = Some(Ok(())),
            Err(why) => self.ended = Some(Err(why)),
        }
        None
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

enum Piece {
    Bytes(Bytes),
    End { checksum: u32 },
}

fn read_piece(file: &mut impl Read, chain: &mut u32, most: usize) -> Result<Piece, String> {
    let (mut length, mut sum) = ([0; 4], [0; 4]);
    exactly(file, &mut length)?;
    exactly(file, &mut sum)?;
    let sum = u32::from_be_bytes(sum);
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(|error| error.to_string())?;
    if length == 0 {
        return Ok(Piece::End { checksum: sum });
    }
    if length > most {
        return Err("a piece is longer than any can be".into());
    }
    let mut bytes = vec![0; length];
    exactly(file, &mut bytes)?;
    if chained(*chain, &bytes) != sum {
        return Err("a checksum is wrong".into());
    }
    *chain = sum;
    Ok(Piece::Bytes(bytes.into()))
}

fn exactly(file: &mut impl Read, bytes: &mut [u8]) -> Result<(), String> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "it is cut short".into(),
        _ => error.to_string(),
    })
}
