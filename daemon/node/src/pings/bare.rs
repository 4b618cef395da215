//! What a ping and its answer say of their sender before anything rides on them.
//!
//! Knows nothing of what whoever gets them makes of it.

use crate::sight::Sight;
use quorate_proto::{FeatureLevel, Instance, Ping, Pong};
use std::time::Duration;

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

/// A ping of a leader says how often it pings, and how long it bears with the receiver.
pub(crate) fn pace_said(sight: &Sight<'_>, to: Instance, ping: Ping) -> Ping {
    let millis = |span: Duration| u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
    let (interval_ms, patience_ms) =
        (millis(sight.pace.interval()), millis(sight.pace.silence_of(to)));
    Ping { interval_ms, patience_ms, ..ping }
}

/// An answer of this node.
pub(crate) fn pong(sight: &Sight<'_>, number: u64) -> Pong {
    Pong {
        number,
        term: sight.own_term(),
        leader: sight.followed().map(|leader| leader.instance),
        late_ms: sight.pace.late_ms(sight.now),
        ..Pong::default()
    }
}
