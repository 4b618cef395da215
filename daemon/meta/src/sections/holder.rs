//! What the committed health says of the host of a grant that is to be freed, since its use was ended from outside.
//!
//! Knows nothing of what is granted.

/// See the head of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// It is away, and has been since its use was ended; or it is no member any more.
    Away,
    /// It is away, and was up since its use was ended.
    WasUp,
    /// It is counted as alive.
    Up,
    /// No grant and no member is meant.
    Unknown,
}
