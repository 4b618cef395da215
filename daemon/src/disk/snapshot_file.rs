//! One snapshot file: head (life, cluster, metadata), chunks with chained checksums, and an end that counts them.
//! Cut or changed anywhere, it is refused whole.

use super::durable;
use bytes::Bytes;
use quorate_proto::{GenesisId, Instance, Message as _, SnapshotMetadata, limits};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

const MARK: &[u8; 8] = b"qsnap001";
/// Far above a metadata with every member of the largest cluster (`limits::MEMBERS` ids of 10 bytes, four lists).
const MAX_HEAD: usize = 64 * 1024;

/// Whose snapshot it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) instance: Instance,
    pub(super) genesis: GenesisId,
}

/// A snapshot as read.
#[derive(Debug)]
pub(super) struct SnapshotFile {
    pub(super) owner: Owner,
    pub(super) metadata: SnapshotMetadata,
    pub(super) chunks: Vec<Bytes>,
}

/// Writes a snapshot durably under `path`: aside, synced, renamed, directory synced.
pub(super) fn write(
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
    std::fs::rename(&aside, path)?;
    durable::sync_directory_of(path)
}

fn write_aside(
    aside: &Path,
    owner: Owner,
    metadata: &SnapshotMetadata,
    chunks: impl Iterator<Item = Bytes>,
) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1024 * 1024, durable::create(aside)?);
    let mut head = owner.instance.to_bytes().to_vec();
    head.extend_from_slice(&owner.genesis.to_bytes());
    metadata.encode(&mut head).expect("a Vec grows");
    if head.len() > MAX_HEAD {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "metadata above its bound"));
    }
    file.write_all(MARK)?;
    let mut chain = 0;
    write_piece(&mut file, &mut chain, &head)?;
    let mut count = 0_u64;
    for chunk in chunks.filter(|chunk| !chunk.is_empty()) {
        if chunk.len() > limits::BULK_CHUNK {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a chunk above its bound"));
        }
        write_piece(&mut file, &mut chain, &chunk)?;
        count += 1;
    }
    file.write_all(&0_u32.to_be_bytes())?;
    file.write_all(&chained(chain, &count.to_be_bytes()).to_be_bytes())?;
    file.write_all(&count.to_be_bytes())?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

fn write_piece(file: &mut impl Write, chain: &mut u32, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).expect("checked against a bound");
    *chain = chained(*chain, bytes);
    file.write_all(&length.to_be_bytes())?;
    file.write_all(&chain.to_be_bytes())?;
    file.write_all(bytes)
}

/// Each checksum covers everything before it.
fn chained(previous: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&previous.to_be_bytes());
    hasher.update(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// Reads a snapshot whole.
///
/// # Errors
/// The reason, when a byte is missing, changed, or too many.
pub(super) fn read(path: &Path) -> Result<SnapshotFile, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut file = BufReader::with_capacity(1024 * 1024, file);
    let mut mark = [0; 8];
    exactly(&mut file, &mut mark)?;
    if &mark != MARK {
        return Err("it does not begin with its format mark".into());
    }
    let mut chain = 0;
    let Piece::Bytes(head) = read_piece(&mut file, &mut chain, MAX_HEAD)? else {
        return Err("it has no head".into());
    };
    let (owner, metadata) = decode_head(&head)?;
    let mut chunks = Vec::new();
    let end = loop {
        match read_piece(&mut file, &mut chain, limits::BULK_CHUNK)? {
            Piece::Bytes(chunk) => chunks.push(chunk),
            Piece::End { checksum } => break checksum,
        }
    };
    let mut count = [0; 8];
    exactly(&mut file, &mut count)?;
    if chained(chain, &count) != end || u64::from_be_bytes(count) != chunks.len() as u64 {
        return Err("its end does not match its content".into());
    }
    match file.read(&mut [0]) {
        Ok(0) => Ok(SnapshotFile { owner, metadata, chunks }),
        Ok(_) => Err("there is something behind its end".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn decode_head(head: &[u8]) -> Result<(Owner, SnapshotMetadata), String> {
    let (instance, rest) = head.split_first_chunk::<16>().ok_or("its head is cut short")?;
    let (genesis, metadata) = rest.split_first_chunk::<16>().ok_or("its head is cut short")?;
    let owner = Owner {
        instance: Instance::from_bytes(*instance),
        genesis: GenesisId::from_bytes(*genesis),
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
