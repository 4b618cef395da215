//! A number divided by weights: largest remainder, so that the shares add up to it exactly.
//!
//! Ties go to who holds more already, so that as little moves as can, and then by [`Tie`]. A function of its arguments alone, whatever
//! their order. Knows nothing of grants.

use quorate_proto::Instance;
use std::cmp::Reverse;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Which of equals comes first: in each budget and assignment another host, so that what cannot be divided is not always given to the same
/// one. A later version may have another order: who holds something keeps it anyway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tie(u64, Instance);

impl Tie {
    /// That of a host in what has this name.
    pub(crate) fn of(name: &str, host: Instance) -> Self {
        let mut hasher = DefaultHasher::new();
        (name, host.to_bytes()).hash(&mut hasher);
        Self(hasher.finish(), host)
    }

    #[cfg(test)]
    pub(crate) fn in_order(host: Instance) -> Self {
        Self(0, host)
    }
}

/// One who shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) tie: Tie,
    /// Its part in relation to the others; 0: none.
    pub(crate) weight: u64,
    /// Its share as it is.
    pub(crate) holds: u64,
}

/// The share of each, in the order of the claims. Where a share would be below `min`, fewer share: the heavier ones, and of equals those who
/// hold something.
pub(crate) fn divide(max: u64, min: u64, claims: &[Claim]) -> Vec<u64> {
    let order = heavier_first(claims.iter().map(|it| (it.weight, it.holds > 0, it.tie)));
    // The fewer share, the more each of them gets.
    let fits = |count: &usize| by_weight(max, claims, &order[..*count]).iter().all(|it| *it >= min);
    let counts: Vec<usize> = (1..=order.len()).collect();
    let sharing = counts.partition_point(fits);
    let mut shares = vec![0; claims.len()];
    for (at, share) in order[..sharing].iter().zip(by_weight(max, claims, &order[..sharing])) {
        shares[*at] = share;
    }
    shares
}

/// The places of those who have a weight, in the order in which they share where not all can: the heavier ones first, and of equals those
/// who hold something. Of each its weight, and whether it does.
pub(super) fn heavier_first(all: impl Iterator<Item = (u64, bool, Tie)>) -> Vec<usize> {
    let all = all.enumerate().filter(|(_, (weight, ..))| *weight > 0);
    let mut order: Vec<_> =
        all.map(|(at, (weight, holds, tie))| (Reverse(weight), !holds, tie, at)).collect();
    order.sort_unstable();
    order.into_iter().map(|(.., at)| at).collect()
}

/// The shares of those claims, all of whose weights count.
fn by_weight(max: u64, claims: &[Claim], sharing: &[usize]) -> Vec<u64> {
    let total: u128 = sharing.iter().map(|at| u128::from(claims[*at].weight)).sum();
    if total == 0 {
        return Vec::new();
    }
    let exact = |at: &usize| u128::from(max) * u128::from(claims[*at].weight);
    let whole = |at: &usize| u64::try_from(exact(at) / total).unwrap_or(max);
    let mut shares: Vec<u64> = sharing.iter().map(whole).collect();
    let left = max - shares.iter().sum::<u64>();
    let mut by_remainder: Vec<usize> = (0..sharing.len()).collect();
    by_remainder.sort_by_key(|place| {
        let claim = &claims[sharing[*place]];
        let holds_more = claim.holds > shares[*place];
        (Reverse(exact(&sharing[*place]) % total), !holds_more, claim.tie)
    });
    // Fewer are left than there are who share.
    by_remainder.iter().zip(0..left).for_each(|(place, _)| shares[*place] += 1);
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duties::shared::draw::Draw;

    fn claim(life: u16, weight: u64, holds: u64) -> Claim {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&life.to_be_bytes());
        Claim { tie: Tie(0, Instance::from_bytes(bytes)), weight, holds }
    }

    fn shares(max: u64, min: u64, claims: &[(u64, u64)]) -> Vec<u64> {
        let claim = |(life, (weight, holds)): (usize, &(u64, u64))| {
            claim(u16::try_from(life).expect("few"), *weight, *holds)
        };
        divide(max, min, &claims.iter().enumerate().map(claim).collect::<Vec<_>>())
    }

    #[test]
    fn thirty_over_two_three_and_four_hosts_is_thirty() {
        assert_eq!(shares(30, 0, &[(1, 0); 2]), [15, 15]);
        assert_eq!(shares(30, 0, &[(1, 0); 3]), [10, 10, 10]);
        assert_eq!(shares(30, 0, &[(1, 0); 4]), [8, 8, 7, 7]);
        assert_eq!(shares(30, 0, &[(2, 0), (1, 0)]), [20, 10]);
        assert_eq!(shares(30, 0, &[(1, 0), (0, 5)]), [30, 0]);
        assert!(shares(30, 0, &[]).is_empty());
    }

    #[test]
    fn of_equals_those_keep_the_odd_ones_who_have_them() {
        assert_eq!(shares(30, 0, &[(1, 7), (1, 8), (1, 7), (1, 8)]), [7, 8, 7, 8]);
        assert_eq!(shares(31, 0, &[(1, 15), (1, 16)]), [15, 16]);
    }

    #[test]
    fn a_share_below_the_least_is_none_and_who_holds_stays() {
        assert_eq!(shares(30, 10, &[(1, 0); 4]), [10, 10, 10, 0]);
        assert_eq!(shares(30, 10, &[(1, 0), (1, 10), (1, 10), (1, 10)]), [0, 10, 10, 10]);
        assert_eq!(shares(30, 30, &[(1, 0), (5, 0)]), [0, 30]);
        assert_eq!(shares(9, 10, &[(1, 0)]), [0]);
    }

    #[test]
    fn in_a_million_cases_the_shares_add_up_are_fair_and_stay_when_nothing_changes() {
        let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
        for case in 0..1_000_000_u32 {
            let count = 1 + draw.below(6);
            let max = if case % 7 == 0 { draw.below(1 << 40) } else { draw.below(50) };
            let min = if case % 3 == 0 { draw.below(max + 2) } else { 0 };
            let mut claims: Vec<Claim> = (0..count)
                .map(|life| {
                    let weight = if case % 2 == 0 { 1 } else { draw.below(5) };
                    claim(u16::try_from(life).expect("few"), weight, draw.below(20))
                })
                .collect();
            let first = divide(max, min, &claims);
            check(max, min, &claims, &first);
            let back: Vec<u64> = {
                claims.reverse();
                let mut shares = divide(max, min, &claims);
                claims.reverse();
                shares.reverse();
                shares
            };
            assert_eq!(first, back, "the order of {claims:?} does not matter");
            for (claim, share) in claims.iter_mut().zip(&first) {
                claim.holds = *share;
            }
            assert_eq!(divide(max, min, &claims), first, "{max} over {claims:?} stays");
            if case % 2 == 0 && min == 0 {
                a_death_takes_nothing_from_the_others(max, &claims, &first);
            }
        }
    }

    fn check(max: u64, min: u64, claims: &[Claim], shares: &[u64]) {
        let sharing: Vec<usize> = (0..claims.len()).filter(|at| shares[*at] > 0).collect();
        let sum: u64 = shares.iter().sum();
        let could = max > 0 && max >= min && claims.iter().any(|claim| claim.weight > 0);
        assert_eq!(
            sum,
            if could { max } else { 0 },
            "{max} (min {min}) over {claims:?}: {shares:?}"
        );
        if min > 0 {
            assert!(sharing.iter().all(|at| shares[*at] >= min), "{min}: {shares:?}");
            return;
        }
        let total: u128 = claims.iter().map(|claim| u128::from(claim.weight)).sum();
        for (claim, share) in claims.iter().zip(shares) {
            let exact = u128::from(max) * u128::from(claim.weight);
            let share = u128::from(*share) * total;
            assert!(share.abs_diff(exact) < total.max(1), "{claims:?}: {shares:?}");
        }
    }

    fn a_death_takes_nothing_from_the_others(max: u64, claims: &[Claim], shares: &[u64]) {
        let left = divide(max, 0, &claims[1..]);
        assert!(left.iter().zip(&shares[1..]).all(|(now, before)| now >= before));
        let mut back = claims.to_vec();
        back[0].holds = 0;
        for (claim, share) in back[1..].iter_mut().zip(&left) {
            claim.holds = *share;
        }
        let again = divide(max, 0, &back);
        let taken = again[1..].iter().zip(&left).all(|(now, before)| now <= before);
        assert!(taken || claims.len() == 1, "a return takes back, and gives nobody more");
    }
}
