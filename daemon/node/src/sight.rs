//! What a room may look at beyond its own: read-only, for one turn.
//!
//! Knows nothing of what is made of it.

use crate::boot::NodeConfig;
use crate::groups::Group;
use crate::health::Health;
use quorate_proto::Moment;

/// See the head of the file.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    /// The moment of the turn.
    pub(crate) now: Moment,
    /// Milliseconds since 1970 by this host's clock; for what is shown to people only.
    pub(crate) wall_ms: u64,
    pub(crate) config: &'a NodeConfig,
    /// The replica of `__meta`, and what it applied.
    pub(crate) group: &'a Group,
    /// The newest committed view.
    pub(crate) health: &'a Health,
    /// The process was asked to stop.
    pub(crate) stops: bool,
}
