//! How often a leader pings, and what hangs on that: the waits of other rooms are held to it when the code is compiled.
//!
//! Knows nothing of what a ping carries.

use crate::leadership::LEADER_SILENCE;
use quorate_membership::Profile;
use std::time::Duration;

/// Rounds of pings at the start: three may be lost in a row before half a second of silence becomes a suspicion.
pub(crate) const PING_INTERVAL: Duration = Duration::from_millis(150);
/// The quickest rounds, in a small cluster where nothing is slow.
pub(crate) const QUICKEST: Duration = Duration::from_millis(66);
/// Each member makes the quickest rounds slower by so much: 30 members and more are pinged as at the start.
const SLOWER_BY_EACH: Duration = Duration::from_millis(5);
/// Most pings a second that a leader sends; above 300 nodes its rounds become slower.
const PINGS_PER_SECOND: usize = 2_000;
/// A node that is down is pinged once in so many rounds, for ever: it may be back behind a healed network.
pub(crate) const DOWN_EVERY: u64 = 7;

// Three lost pings are no silence, and a silence that makes a suspicion is over before a leader counts as gone.
const _: () = assert!(PING_INTERVAL.as_millis() * 3 < Profile::DEFAULT.silence.as_millis());
const _: () = assert!(QUICKEST.as_millis() < PING_INTERVAL.as_millis());
const _: () = assert!(Profile::DEFAULT.silence.as_millis() < LEADER_SILENCE.as_millis());

/// How often the leader of so many members pings each of them, until it has measured that it may ping them more often.
pub(crate) fn ping_interval(members: usize) -> Duration {
    let slower = Duration::from_micros(1_000_000 * members as u64 / PINGS_PER_SECOND as u64);
    PING_INTERVAL.max(slower)
}

/// How often it pings them at most: as often as it can where nothing is slow.
pub(crate) fn least_interval(members: usize) -> Duration {
    let each = u32::try_from(members).unwrap_or(u32::MAX);
    SLOWER_BY_EACH.saturating_mul(each).clamp(QUICKEST, ping_interval(members))
}
