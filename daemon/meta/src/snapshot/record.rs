//! What writer and reader of a snapshot agree on: its mark, the kinds of its records, and why one cannot be used.

/// First bytes of the first record: name and format version.
pub(crate) const MARK: &[u8; 8] = b"qmeta001";

/// Kinds of record, in the order in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Kind {
    Head = 1,
    Member = 2,
    Tombstone = 3,
    Delta = 4,
    /// Begins a space; the users' comes first.
    Space = 5,
    Present = 6,
    Past = 7,
    Changes = 8,
    End = 9,
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
    /// Written by a version that this one does not know.
    #[error("the snapshot has a format that this version does not know; update quorate")]
    Format,
    /// The checksums are right, the content is not.
    #[error("the snapshot makes no sense: {what}")]
    Content {
        /// What is wrong.
        what: &'static str,
    },
}
