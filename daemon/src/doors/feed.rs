//! The local feeds, each to any number of subscribers: what the loop publishes, and the doors hand on.
//!
//! The loop never waits for a subscriber. Knows nothing of what the lines say.

pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod kept;
pub(crate) mod newest;
mod ring;

pub(crate) use ring::Subscription;

use events::EventRing;
use health::Feed;
use kept::Kept;
use newest::Newest;
use quorate_node::{Items, Share};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Until when an earlier start of the daemon told that an item may be used, in milliseconds of the boot-time clock: by assignment, item and
/// number.
pub(crate) type ToldBefore = BTreeMap<(String, String, u64), u64>;

/// All feeds, for the loop that publishes into them and for the doors; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Feeds {
    /// The health views.
    pub(crate) health: Feed,
    /// The newest events.
    pub(crate) events: EventRing,
    /// Those of earlier runs.
    pub(crate) kept: Kept,
    /// The shares of this host's applications.
    pub(crate) shares: Newest<Share>,
    /// The items that they hold.
    pub(crate) items: Newest<Items>,
    /// What was told of items before this start.
    pub(crate) told_before: Arc<ToldBefore>,
}

impl Feeds {
    /// Empty feeds.
    pub(crate) fn new() -> Self {
        Self {
            health: Feed::new(),
            events: EventRing::new(),
            kept: Kept::default(),
            shares: Newest::new(),
            items: Newest::new(),
            told_before: Arc::default(),
        }
    }
}
