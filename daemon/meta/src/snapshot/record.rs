//! What writer and reader of a snapshot agree on: its mark, the form and the kinds of its records, and why one cannot be used.
//!
//! A record is its kind (one byte), the length of its body (four bytes, little endian) and the body. First comes the head, then what
//! each section holds, then both spaces with their keys, then the end. The kinds of the sections are their tags: 2, 3, 4 and 10 are
//! the roster's, 90 is the feature level's, 95 the secret's; a new section takes one above 10 that none has. No number ever gets another
//! meaning.

/// First bytes of the first record: name and format version.
pub(crate) const MARK: &[u8; 8] = b"qmeta001";

/// Index, hash, and what the roster has once: it stood there before there were sections.
pub(crate) const HEAD: u8 = 1;
/// Begins a space; the users' comes first.
pub(crate) const SPACE: u8 = 5;
/// A key as it is now.
pub(crate) const PRESENT: u8 = 6;
/// A key as it was.
pub(crate) const PAST: u8 = 7;
/// What one revision changed.
pub(crate) const CHANGES: u8 = 8;
/// How many frames there are, and the hash of their checksums.
pub(crate) const END: u8 = 9;

/// Adds one record.
pub(crate) fn write(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    let place = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = u32::try_from(out.len() - place - 4).expect("a record is far below 4 GiB");
    out[place..place + 4].copy_from_slice(&length.to_le_bytes());
}

/// Adds a byte string with its length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a byte string is far below 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Where one section writes its records.
pub(crate) struct Records<'a> {
    tags: &'static [u8],
    out: &'a mut Vec<u8>,
}

impl<'a> Records<'a> {
    pub(crate) fn new(tags: &'static [u8], out: &'a mut Vec<u8>) -> Self {
        Self { tags, out }
    }

    /// Adds a record. Its body stays below what a reader takes, which is twice `limits::CONTROL_FRAME`.
    ///
    /// # Panics
    /// When the tag is not the section's: no reader would hand it the record.
    pub(crate) fn add(&mut self, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
        assert!(
            self.tags.contains(&tag),
            "a section wrote a record with the tag {tag}, of another"
        );
        write(self.out, tag, body);
    }
}

/// Why a snapshot cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The stream ends too early.
    #[error("the snapshot is cut short")]
    Cut,
    /// A checksum, length or number is wrong.
    #[error("the snapshot is damaged in frame {frame}")]
    Damaged {
        /// Counted from 0.
        frame: u32,
    },
    /// Written in a format that this version does not know.
    #[error("the snapshot has a format that this version does not know; update quorate")]
    Format,
    /// It holds something that this version does not know.
    #[error(
        "the snapshot holds records of kind {kind}, which this version does not know; update quorate"
    )]
    Unknown {
        /// The kind of the first such record.
        kind: u8,
    },
    /// The checksums are right, the content is not.
    #[error("the snapshot makes no sense: {what}")]
    Content {
        /// What is wrong.
        what: &'static str,
    },
}
