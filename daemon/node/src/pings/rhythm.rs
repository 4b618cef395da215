//! How often a leader pings, and what hangs on that: the waits of other rooms are held to it when the code is compiled.
//!
//! Knows nothing of what a ping carries.

use crate::leadership::LEADER_SILENCE;
use quorate_membership::Profile;
use std::time::Duration;

/// Rounds of pings: three may be lost in a row before half a second of silence becomes a suspicion.
pub(crate) const PING_INTERVAL: Duration = Duration::from_millis(150);
/// Most pings a second that a leader sends; above 300 nodes its rounds become slower.
const PINGS_PER_SECOND: usize = 2_000;
/// A node that is down is pinged once in so many rounds, for ever: it may be back behind a healed network.
pub(crate) const DOWN_EVERY: u64 = 7;

// Three lost pings are no silence, and a silence that makes a suspicion is over before a leader counts as gone.
const _: () = assert!(PING_INTERVAL.as_millis() * 3 < Profile::DEFAULT.silence.as_millis());
const _: () = assert!(Profile::DEFAULT.silence.as_millis() < LEADER_SILENCE.as_millis());

/// How often the leader of so many members pings each of them.
pub(crate) fn ping_interval(members: usize) -> Duration {
    let slower = Duration::from_micros(1_000_000 * members as u64 / PINGS_PER_SECOND as u64);
    PING_INTERVAL.max(slower)
}
