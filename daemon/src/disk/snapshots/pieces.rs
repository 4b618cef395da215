//! The bytes of a snapshot file: a mark, a head, pieces with chained checksums, and an end that counts them. Cut or changed anywhere, it
//! is not whole, and what is wrong is told with its place.
//!
//! Two files are made so: the snapshots beside the log ([`super::file`]) and the backups that an operator keeps (`disk/backups`).
//! Knows neither what a head nor what a piece means, nor where the bytes go.

use crate::disk::formats;
use bytes::Bytes;
use quorate_proto::limits;
use std::io::{self, Read, Write};

/// Far above a head with every member of the largest cluster.
pub(super) const MAX_HEAD: usize = 256 * 1024;

/// Writes such a file.
#[derive(Debug)]
pub(crate) struct PieceWriter<W> {
    pub(crate) file: W,
    chain: u32,
    count: u64,
}

impl<W: Write> PieceWriter<W> {
    /// Writes mark and head.
    pub(crate) fn begin(mut file: W, mark: &[u8; 8], head: &[u8]) -> io::Result<Self> {
        if head.is_empty() || head.len() > MAX_HEAD {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a head out of its bounds"));
        }
        file.write_all(mark)?;
        let mut writer = Self { file, chain: 0, count: 0 };
        writer.put(head)?;
        Ok(writer)
    }

    /// Writes a piece.
    pub(crate) fn piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() || bytes.len() > limits::BULK_CHUNK {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a chunk out of its bounds"));
        }
        self.put(bytes)?;
        self.count += 1;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).expect("checked against a bound");
        self.chain = chained(self.chain, bytes);
        self.file.write_all(&length.to_be_bytes())?;
        self.file.write_all(&self.chain.to_be_bytes())?;
        self.file.write_all(bytes)
    }

    /// Writes the end, and gives back what was written to.
    pub(crate) fn end(mut self) -> io::Result<W> {
        let count = self.count.to_be_bytes();
        self.file.write_all(&0_u32.to_be_bytes())?;
        self.file.write_all(&chained(self.chain, &count).to_be_bytes())?;
        self.file.write_all(&count)?;
        Ok(self.file)
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

/// Why such a file cannot be read from its beginning.
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

/// Reads such a file, piece by piece: an iterator over its pieces that ends early when a byte is missing, changed, or too many.
/// Whoever reads it asks [`PieceReader::verdict`] afterwards.
#[derive(Debug)]
pub(crate) struct PieceReader<R> {
    file: R,
    /// Bytes that were read.
    at: u64,
    chain: u32,
    count: u64,
    ended: Option<Result<(), String>>,
}

impl<R: Read> PieceReader<R> {
    /// Reads mark and head.
    ///
    /// # Errors
    /// The reason, when the head cannot be read.
    pub(crate) fn begin(file: R, mark: &[u8; 8]) -> Result<(Self, Bytes), Unreadable> {
        let mut reader = Self { file, at: 0, chain: 0, count: 0, ended: None };
        let mut found = [0; 8];
        reader.exactly(&mut found)?;
        if &found != mark {
            return Err(match formats::newer(&found) {
                Some(format) => Unreadable { why: format!("it is of {format}"), newer: true },
                None => "it does not begin with its format mark".to_owned().into(),
            });
        }
        match reader.piece(MAX_HEAD)? {
            Piece::Bytes(head) => Ok((reader, head)),
            Piece::End { .. } => Err("it has no head".to_owned().into()),
        }
    }

    fn read(&mut self) -> Result<Option<Bytes>, String> {
        let begins = self.at;
        let end = match self.piece(limits::BULK_CHUNK)? {
            Piece::Bytes(chunk) => {
                self.count += 1;
                return Ok(Some(chunk));
            }
            Piece::End { checksum } => checksum,
        };
        let mut count = [0; 8];
        self.exactly(&mut count)?;
        if chained(self.chain, &count) != end || u64::from_be_bytes(count) != self.count {
            return Err(format!("its end, at byte {begins}, does not match its content"));
        }
        match self.file.read(&mut [0]) {
            Ok(0) => Ok(None),
            Ok(_) => Err(format!("there is something behind its end, from byte {} on", self.at)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn piece(&mut self, most: usize) -> Result<Piece, String> {
        let begins = self.at;
        let (mut length, mut sum) = ([0; 4], [0; 4]);
        self.exactly(&mut length)?;
        self.exactly(&mut sum)?;
        let sum = u32::from_be_bytes(sum);
        let length =
            usize::try_from(u32::from_be_bytes(length)).map_err(|error| error.to_string())?;
        if length == 0 {
            return Ok(Piece::End { checksum: sum });
        }
        if length > most {
            return Err(format!("the piece at byte {begins} is longer than any can be"));
        }
        let mut bytes = vec![0; length];
        self.exactly(&mut bytes)?;
        if chained(self.chain, &bytes) != sum {
            let ends = self.at;
            return Err(format!(
                "a checksum is wrong: of bytes {begins} to {ends} at least one is not as it was written"
            ));
        }
        self.chain = sum;
        Ok(Piece::Bytes(bytes.into()))
    }

    fn exactly(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.file.read(&mut bytes[filled..]) {
                Ok(0) => return Err(format!("it is cut short, at byte {}", self.at)),
                Ok(length) => {
                    filled += length;
                    self.at += length as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("byte {}: {error}", self.at)),
            }
        }
        Ok(())
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

impl<R: Read> Iterator for PieceReader<R> {
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

enum Piece {
    Bytes(Bytes),
    End { checksum: u32 },
}
