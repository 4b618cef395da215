//! Why the daemon could not start, and whether another start would go better.

use crate::disk;

/// Why the daemon could not start; the texts name the thing and the remedy.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Disk(#[from] disk::DiskError),
    #[error(transparent)]
    Bind(#[from] quorate_transport::BindError),
    #[error("cannot open the door for local programs: {0}")]
    Door(String),
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
    #[error("cannot start: the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl StartError {
    /// Whether every other start would fail like this one until somebody has done something about it.
    pub(super) fn needs_operator(&self) -> bool {
        matches!(self, Self::Disk(error) if error.needs_operator())
    }
}
