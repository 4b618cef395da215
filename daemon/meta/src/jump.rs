//! Where numbers go on that were counted in a state from which a cluster is founded anew.
//!
//! Invariant: what is founded later, from the same state or a later one of the same line, is further, if its clock is right and fewer were
//! counted a second than the clock allows for. Knows nothing of what the numbers count.

/// From when on the clock counts, in milliseconds since 1970: the beginning of 2026. Later than 1970, so that numbers stay shorter.
const BEGINNING_MS: u64 = 1_767_225_600_000;
/// Numbers above this do not jump any more: the next ones could not be counted.
pub(crate) const MOST: u64 = 1 << 61;

/// Where a number goes on that was counted up to here: behind all that was counted since by a cluster that had this state, or was founded
/// anew from it before, if it counts at most `a_second`. Where the clock does not lead further, that is a multiple of `step` at least that
/// much ahead, so that a person sees at once that it was a jump.
pub(crate) fn behind(number: u64, step: u64, a_second: u64, at_unix_ms: u64) -> u64 {
    let by_the_clock =
        at_unix_ms.saturating_sub(BEGINNING_MS).min(MOST / a_second) / 1_000 * a_second;
    number.saturating_add(step).div_ceil(step).saturating_mul(step).max(by_the_clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_leads_to_a_round_number_far_behind_what_was_counted() {
        for (was, is) in [
            (1, 2_000_000_000),
            (8_811, 2_000_000_000),
            (999_999_999, 2_000_000_000),
            (1_000_000_000, 2_000_000_000),
            (2_000_000_017, 4_000_000_000),
        ] {
            assert_eq!(behind(was, 1_000_000_000, 10_000, 0), is, "{was}");
        }
    }

    #[test]
    fn a_second_jump_from_the_same_number_leads_behind_what_was_counted_since_the_first() {
        let jump = |seconds: u64| {
            let at = BEGINNING_MS + 20_000_000_000 + seconds * 1_000;
            behind(8_811, 1_000_000_000, 10_000, at)
        };
        for seconds in [1, 60, 86_400] {
            let counted = jump(0) + (seconds - 1) * 10_000;
            assert!(jump(seconds) > counted, "{seconds} s later");
        }
        assert!(behind(8_811, 1_000_000_000, 10_000, u64::MAX) <= MOST, "whatever the clock says");
    }
}
