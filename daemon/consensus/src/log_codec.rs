//! The log's byte format: segment heads, batches of records with chained checksums, and the rule that tells a
//! torn tail from corruption. Pure: bytes in, bytes out.
//!
//! A segment is a head ([`SegmentHead`], `HEAD` bytes) and then batches without gaps up to a zero word. A batch is
//! what one sync made durable; it names the offset that was synced before it was written and its predecessor's checksum,
//! and its own checksum covers the segment, its place and both.
//!
//! Invariant: damage beyond the highest offset that any valid batch names as synced is taken for a torn tail, which a crash
//! leaves before anything of it is acknowledged: it may be cut and zeroed. Damage before it is corruption and is never cut.
//! Of the last batch these bytes cannot tell which it is: who reads them compares their end with what was noted elsewhere.
//!
//! Knows nothing of files, of when something is synced, or of what an entry means.

pub mod fold;
mod record;

use crate::LogRecord;
use quorate_proto::GroupId;
use std::ops::Range;

/// Bytes of a segment head; a multiple of `ALIGN`.
pub const HEAD: usize = 88;
/// Batches begin at multiples of this, so that a scan behind damage finds them.
pub const ALIGN: usize = 8;
/// Bytes of a batch before its records.
pub const BATCH_HEAD: usize = 32;
/// Largest body of a batch: above everything that one group commit gathers, and below what a length gone wrong
/// would have us allocate.
pub const MAX_BODY: usize = 64 * 1024 * 1024;

const HEAD_MARK: &[u8; 8] = b"qlogseg1";
const BATCH_MARK: u32 = u32::from_be_bytes(*b"qLb1");

/// The first bytes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHead {
    /// Counted from 1 without gaps.
    pub number: u64,
    /// The disk life the log belongs to.
    pub instance: [u8; 16],
    /// The cluster it belongs to (GENESIS rule 15); zero when it was not known.
    pub cluster_id: [u8; 16],
    /// Length of the file, preallocated before it got its name. A shorter file is damaged.
    pub size: u64,
    /// Where the batches of the segment before end; all of it was synced before this segment came to be. 0 for the first.
    pub previous_end: u64,
    /// Checksum of the last batch there.
    pub previous_checksum: u32,
}

impl SegmentHead {
    /// The head as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEAD] {
        let mut bytes = Vec::with_capacity(HEAD);
        bytes.extend_from_slice(HEAD_MARK);
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes.extend_from_slice(&self.instance);
        bytes.extend_from_slice(&self.cluster_id);
        bytes.extend_from_slice(&self.size.to_be_bytes());
        bytes.extend_from_slice(&self.previous_end.to_be_bytes());
        bytes.extend_from_slice(&self.previous_checksum.to_be_bytes());
        bytes.resize(HEAD - 4, 0);
        let sum = crc(&[&bytes]);
        bytes.extend_from_slice(&sum.to_be_bytes());
        bytes.try_into().expect("exactly as long as a head")
    }

    /// Reads a head; none when a single bit is not as written.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEAD)?;
        let (content, sum) = head.split_at(HEAD - 4);
        if &head[..8] != HEAD_MARK || crc(&[content]).to_be_bytes() != sum {
            return None;
        }
        Some(Self {
            number: u64_at(head, 8),
            instance: head[16..32].try_into().expect("16 bytes"),
            cluster_id: head[32..48].try_into().expect("16 bytes"),
            size: u64_at(head, 48),
            previous_end: u64_at(head, 56),
            previous_checksum: u32_at(head, 64),
        })
    }

    /// Where the first batch of this segment begins.
    #[must_use]
    pub fn chain(&self) -> Chain {
        let bytes = self.encode();
        let seed = u32_at(&bytes, HEAD - 4);
        Chain { seed, offset: HEAD as u64, checksum: seed }
    }
}

/// Where the next batch goes and what it is chained to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// Checksum of the segment's head: binds each batch to its segment.
    seed: u32,
    /// Place of the next batch in the segment.
    offset: u64,
    /// Checksum of the batch before it, or of the head.
    checksum: u32,
}

impl Chain {
    /// Place of the next batch in the segment.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Checksum of the last batch, or of the head.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        self.checksum
    }
}

/// Appends one batch to `out` and moves the chain behind it. `synced` is the offset in this segment up to which
/// everything is durable at the moment of writing.
///
/// # Panics
/// When the records need more than `MAX_BODY` bytes, or `synced` lies beyond the batch: the caller's mistakes.
pub fn encode_batch(
    chain: &mut Chain,
    synced: u64,
    records: &[(GroupId, LogRecord)],
    out: &mut Vec<u8>,
) {
    assert!(synced <= chain.offset, "a batch cannot name as synced what comes after it");
    let start = out.len();
    out.resize(start + BATCH_HEAD, 0);
    for (group, record) in records {
        record::encode(*group, record, out);
    }
    out.resize(start + (out.len() - start).next_multiple_of(ALIGN), 0);
    let body = out.len() - start - BATCH_HEAD;
    assert!(body <= MAX_BODY, "a batch above the bound: the caller splits writes");
    let mut head = Vec::with_capacity(BATCH_HEAD);
    head.extend_from_slice(&BATCH_MARK.to_be_bytes());
    head.extend_from_slice(&u32::try_from(body).expect("below MAX_BODY").to_be_bytes());
    head.extend_from_slice(&synced.to_be_bytes());
    head.extend_from_slice(&chain.offset.to_be_bytes());
    head.extend_from_slice(&chain.checksum.to_be_bytes());
    let sum = crc(&[&chain.seed.to_be_bytes(), &head, &out[start + BATCH_HEAD..]]);
    head.extend_from_slice(&sum.to_be_bytes());
    out[start..start + BATCH_HEAD].copy_from_slice(&head);
    chain.offset += (out.len() - start) as u64;
    chain.checksum = sum;
}

/// What a segment holds.
#[derive(Debug, PartialEq)]
pub struct Contents {
    /// All records of all valid batches, in order, with their groups.
    pub records: Vec<(GroupId, LogRecord)>,
    /// Where the last valid batch begins, or the end of the head when there is none.
    pub last: u64,
    /// Where the next batch goes.
    pub end: Chain,
    /// Bytes behind the last valid batch that are not zero: to be zeroed and synced before anything is
    /// written. Empty after a clean end.
    pub torn: Range<u64>,
}

/// Damage of what was synced. Never cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("damaged at byte {offset}: {reason}")]
pub struct Corruption {
    /// Place in the segment.
    pub offset: u64,
    /// What is wrong there.
    pub reason: String,
}

/// Reads the last segment of a log, which may end in a torn batch. `bytes` is the whole file.
///
/// # Errors
/// When something is damaged that had been synced.
pub fn read_last(head: &SegmentHead, bytes: &[u8]) -> Result<Contents, Corruption> {
    check_size(head, bytes)?;
    let (records, last, end) = read_batches(head, bytes)?;
    let damage = end.offset;
    let Some(rest) = bytes.get(place(damage)..) else {
        return Ok(Contents { records, last, end, torn: damage..damage });
    };
    let Some(torn) = rest.iter().rposition(|byte| *byte != 0) else {
        return Ok(Contents { records, last, end, torn: damage..damage });
    };
    if let Some(synced) = highest_synced_mark(end.seed, bytes, damage)
        && synced > damage
    {
        let reason = format!(
            "a batch there is broken, but a later one was written after byte {synced} was synced"
        );
        return Err(Corruption { offset: damage, reason });
    }
    Ok(Contents { records, last, end, torn: damage..damage + torn as u64 + 1 })
}

/// Reads a segment that has a successor, whose head is `next`: it must be whole up to the end named there.
///
/// # Errors
/// When it is not.
pub fn read_sealed(
    head: &SegmentHead,
    bytes: &[u8],
    next: &SegmentHead,
) -> Result<Contents, Corruption> {
    check_size(head, bytes)?;
    let (records, last, end) = read_batches(head, bytes)?;
    if (end.offset, end.checksum) != (next.previous_end, next.previous_checksum) {
        let reason = format!(
            "a batch there is broken; segment {} says that this one was synced up to byte {}",
            next.number, next.previous_end
        );
        return Err(Corruption { offset: end.offset.min(next.previous_end), reason });
    }
    Ok(Contents { records, last, end, torn: end.offset..end.offset })
}

fn check_size(head: &SegmentHead, bytes: &[u8]) -> Result<(), Corruption> {
    if (bytes.len() as u64) < head.size {
        let reason = format!("the file ends here, but was made {} bytes long", head.size);
        return Err(Corruption { offset: bytes.len() as u64, reason });
    }
    Ok(())
}

/// All records of some batches, where the last of these begins, and where the next one goes.
type Batches = (Vec<(GroupId, LogRecord)>, u64, Chain);

/// Reads batches until one is not valid.
fn read_batches(head: &SegmentHead, bytes: &[u8]) -> Result<Batches, Corruption> {
    let mut chain = head.chain();
    let mut last = chain.offset;
    let mut records = Vec::new();
    while let Some(batch) = batch_at(chain.seed, bytes, chain.offset) {
        if batch.previous != chain.checksum {
            break;
        }
        record::decode_all(batch.body, &mut records)
            .map_err(|reason| Corruption { offset: chain.offset, reason })?;
        last = chain.offset;
        chain.offset += (BATCH_HEAD + batch.body.len()) as u64;
        chain.checksum = batch.checksum;
    }
    Ok((records, last, chain))
}

struct Batch<'a> {
    synced: u64,
    previous: u32,
    checksum: u32,
    body: &'a [u8],
}

/// The batch at `offset`, if its checksum is right for this segment and place.
fn batch_at(seed: u32, bytes: &[u8], offset: u64) -> Option<Batch<'_>> {
    let bytes = bytes.get(place(offset)..)?;
    let (head, rest) = bytes.split_at_checked(BATCH_HEAD)?;
    let length = usize::try_from(u32_at(head, 4)).ok()?;
    if u32_at(head, 0) != BATCH_MARK || length > MAX_BODY || u64_at(head, 16) != offset {
        return None;
    }
    let body = rest.get(..length)?;
    let checksum = u32_at(head, 28);
    (crc(&[&seed.to_be_bytes(), &head[..28], body]) == checksum).then(|| Batch {
        synced: u64_at(head, 8),
        previous: u32_at(head, 24),
        checksum,
        body,
    })
}

/// The highest offset that any valid batch behind the damage names as synced.
fn highest_synced_mark(seed: u32, bytes: &[u8], damage: u64) -> Option<u64> {
    (damage..bytes.len() as u64)
        .step_by(ALIGN)
        .filter_map(|offset| batch_at(seed, bytes, offset))
        .map(|batch| batch.synced)
        .max()
}

fn crc(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// An offset as an index; beyond any slice when it does not fit.
fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
