//! When what a holder may use has lapsed, by the leader's clock.
//!
//! Clocks of honest hosts run right within one part in a hundred, whatever they show. A holder counts its time by its own clock, from when
//! it *sent* the renewal that was answered; the leader by its own, from when that came. Knows nothing of grants.

use std::time::Duration;

/// By so many parts in a hundred a host's clock may be fast or slow.
const TOLERANCE: u64 = 1;

/// For so long the leader waits behind a renewal: the holder's time on the slowest clock, counted on the fastest. A factor of 1.01 would
/// cover one of the two alone.
pub(crate) fn span(ttl_ms: u64) -> Duration {
    let micros = ttl_ms.saturating_mul(1_000);
    Duration::from_micros(micros.saturating_mul(100 + TOLERANCE).div_ceil(100 - TOLERANCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_holder_has_ended_when_the_fastest_leader_has_waited() {
        for ttl_ms in [1_000, 3_000, 3_001, 3_600_000] {
            let waited = span(ttl_ms).as_secs_f64() / 1.01;
            let used = Duration::from_millis(ttl_ms).as_secs_f64() / 0.99;
            assert!(waited >= used && waited < used * 1.000_01, "{ttl_ms}: {waited} and {used}");
        }
    }
}
