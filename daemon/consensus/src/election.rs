//! Election timeouts that can be replayed.
//!
//! raft-rs draws them from the operating system's randomness. The draw is overwritten after every call by a
//! function of seed, group, id and term: the groups of one node do not all campaign at one moment. raft-rs reads it only when it
//! ticks. Knows nothing of who wins.

use crate::config::{ELECTION_TICKS, ELECTION_TICKS_MAX};
use quorate_proto::GroupId;

/// Ticks of silence after which this replica of a group campaigns in this term: `ELECTION_TICKS..ELECTION_TICKS_MAX`.
pub(crate) fn timeout(seed: u64, group: GroupId, me: u64, term: u64) -> usize {
    let span = (ELECTION_TICKS_MAX - ELECTION_TICKS) as u64;
    let draw = mix(mix(mix(seed ^ u64::from(group.get())) ^ me) ^ term) % span;
    ELECTION_TICKS + usize::try_from(draw).expect("a draw is below the span")
}

/// splitmix64's finisher: each bit of the input moves about half of the output's.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_range_and_differ_between_replicas_and_terms() {
        let draws: Vec<usize> = (0..200).map(|term| timeout(7, GroupId::META, 1, term)).collect();
        assert!(draws.iter().all(|draw| (ELECTION_TICKS..ELECTION_TICKS_MAX).contains(draw)));
        for ticks in ELECTION_TICKS..ELECTION_TICKS_MAX {
            assert!(draws.contains(&ticks), "{ticks} never drawn");
        }
        let ties = (0..200)
            .filter(|term| {
                timeout(7, GroupId::META, 1, *term) == timeout(7, GroupId::META, 2, *term)
            })
            .count();
        assert!(ties < 40, "{ties} ties in 200 terms");
        let group = |number| (0..200).map(move |term| timeout(7, GroupId::new(number), 1, term));
        let ties = group(0).zip(group(1)).filter(|(one, other)| one == other).count();
        assert!(ties < 40, "{ties} ties of two groups in 200 terms");
    }
}
