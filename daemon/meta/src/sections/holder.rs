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

/// Why a use that was ended under one number frees no grant with another one.
pub(super) fn why_not(ended: u64, now: u64) -> &'static str {
    match ended < now {
        true => "what was ended under an earlier number may be in use again",
        false => "it was given no such number, so something else was ended",
    }
}
