//! What an outbox gave up, by lane and cause.

/// Frames that were given up, by lane and cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GivenUp {
    /// Control frames that had to make room, or for which there was none.
    pub control_full: u64,
    /// Control frames whose own time limit passed, or that waited too long for a connection.
    pub control_expired: u64,
    /// Log frames for which there was no room.
    pub log_full: u64,
    /// Log frames whose own time limit passed, or that waited too long for a connection.
    pub log_expired: u64,
    /// Log frames that an earlier start of the peer did not acknowledge: their fate is unknown.
    pub log_lost: u64,
    /// Frames over the limit of their lane, or empty, refused at the door.
    pub oversize: u64,
}

impl GivenUp {
    /// Whether the owner of the log lane has to be told.
    #[must_use]
    pub fn undelivered(&self) -> bool {
        self.log_full + self.log_expired + self.log_lost + self.oversize > 0
    }

    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.control_full += other.control_full;
        self.control_expired += other.control_expired;
        self.log_full += other.log_full;
        self.log_expired += other.log_expired;
        self.log_lost += other.log_lost;
        self.oversize += other.oversize;
    }
}
