//! The daemon's clocks: the boot-time clock for the node, which goes on while a host is suspended, and the wall
//! clock for display. The only place where the node's time comes from.

use quorate_proto::Moment;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now, on the boot-time clock.
pub(crate) fn now() -> Moment {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_nsec / 1_000).unwrap_or(0);
    Moment::from_micros(seconds.saturating_mul(1_000_000).saturating_add(micros))
}

/// How long from now until `at`; zero when it has passed.
pub(crate) fn until(at: Moment) -> Duration {
    at.since(now())
}

/// The wall clock in milliseconds since 1970; for display only.
pub(crate) fn wall_unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
