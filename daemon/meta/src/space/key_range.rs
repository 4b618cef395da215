//! A key range as etcd writes it, and the space it lies in.
//!
//! Invariant: a range is in the system space only when every key it can name begins with `__meta/`.

use crate::SYSTEM_PREFIX;
use bytes::Bytes;
use std::ops::Bound;

/// The first key behind the system space: `__meta/` with its last byte raised.
const SYSTEM_END: &[u8] = b"__meta0";

/// Which of the two keyspaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// The users' keys.
    Users,
    /// quorate's own records, under `__meta/`.
    System,
}

/// The bounds of a range over keys.
pub(crate) type KeyBounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);
/// The bounds of a range over versions of keys.
pub(crate) type VersionBounds = (Bound<(Bytes, i64)>, Bound<(Bytes, i64)>);

/// One key, or all keys from `key` up to (not including) `range_end`, or from `key` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    key: Bytes,
    end: End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    Single,
    Before(Bytes),
    Open,
}

impl KeyRange {
    /// The range of a request: an empty `range_end` names one key, a single zero byte means "from `key` on".
    #[must_use]
    pub fn new(key: &Bytes, range_end: &Bytes) -> Self {
        let end = match range_end.as_ref() {
            [] => End::Single,
            [0] => End::Open,
            _ => End::Before(range_end.clone()),
        };
        Self { key: key.clone(), end }
    }

    /// One key.
    #[must_use]
    pub fn single(key: &Bytes) -> Self {
        Self { key: key.clone(), end: End::Single }
    }

    /// Whether the key lies in the range.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        match &self.end {
            End::Single => key == self.key,
            End::Before(end) => key >= &self.key[..] && key < &end[..],
            End::Open => key >= &self.key[..],
        }
    }

    /// The space whose keys the range names. A range that straddles sees users' keys only.
    #[must_use]
    pub fn space(&self) -> Space {
        let inside = self.key.starts_with(SYSTEM_PREFIX)
            && match &self.end {
                End::Single => true,
                End::Before(end) => &end[..] <= SYSTEM_END,
                End::Open => false,
            };
        if inside { Space::System } else { Space::Users }
    }

    /// The key, when the range names a single one.
    pub(crate) fn as_single(&self) -> Option<&Bytes> {
        matches!(self.end, End::Single).then_some(&self.key)
    }

    /// Whether every key there can be lies in the range.
    pub(crate) fn is_everything(&self) -> bool {
        self.end == End::Open && self.key[..] <= [0][..]
    }

    /// The bounds for a map of keys; none when the range is empty.
    pub(crate) fn bounds(&self) -> Option<KeyBounds<'_>> {
        let start = Bound::Included(&self.key[..]);
        match &self.end {
            End::Single => Some((start, Bound::Included(&self.key[..]))),
            End::Before(end) if end <= &self.key => None,
            End::Before(end) => Some((start, Bound::Excluded(&end[..]))),
            End::Open => Some((start, Bound::Unbounded)),
        }
    }

    /// The bounds for a map of (key, revision); none when the range is empty.
    pub(crate) fn version_bounds(&self) -> Option<VersionBounds> {
        let start = Bound::Included((self.key.clone(), i64::MIN));
        match &self.end {
            End::Single => Some((start, Bound::Included((self.key.clone(), i64::MAX)))),
            End::Before(end) if *end <= self.key => None,
            End::Before(end) => Some((start, Bound::Excluded((end.clone(), i64::MIN)))),
            End::Open => Some((start, Bound::Unbounded)),
        }
    }
}
