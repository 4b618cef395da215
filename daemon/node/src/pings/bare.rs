//! What a ping and its answer say of their sender before anything rides on them.
//!
//! Knows nothing of whom they go to.

use crate::sight::Sight;
use quorate_proto::{FeatureLevel, Ping, Pong};

/// A ping of this node.
pub(crate) fn ping(sight: &Sight<'_>, number: u64) -> Ping {
    let leader = sight.leadership.leader();
    Ping {
        number,
        cluster_id: sight.cluster_id.unwrap_or_default(),
        term: leader.map_or(0, |leader| leader.term),
        leader: leader.map(|leader| leader.instance),
        epoch: sight.health.view().epoch,
        applied: sight.state().0,
        level: sight.level().map_or(0, FeatureLevel::get),
        ..Ping::default()
    }
}

/// An answer of this node.
pub(crate) fn pong(sight: &Sight<'_>, number: u64) -> Pong {
    Pong {
        number,
        term: sight.own_term(),
        leader: sight.followed().map(|leader| leader.instance),
        ..Pong::default()
    }
}
