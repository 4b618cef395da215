//! Items spread over hosts by weight: over zones first, then over the hosts of each zone, and so that as little moves as can.
//!
//! Invariant: whoever is given an item has no more with it than its share. A function of its arguments alone, whatever the order of the
//! hosts. Knows nothing of grants.

use crate::duties::shared::divide::{Claim, Tie, divide};
use quorate_proto::Rebalance;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// One who may hold items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) tie: Tie,
    /// Its part in relation to the others; 0: none.
    pub(super) weight: u64,
    /// Where it stands; empty when its host names no zone.
    pub(super) zone: String,
}

/// Where an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// With nobody: it may be given.
    Free,
    /// With the host of this seat.
    With(usize),
    /// On its way from somebody who is gone, or who was asked to let go.
    Away,
}

/// The seat that each item is to have; none for one that is away, and where nobody has any weight.
pub(super) fn spread(seats: &[Seat], items: &[Place], rebalance: Rebalance) -> Vec<Option<usize>> {
    let mut held = vec![0_u64; seats.len()];
    for item in items {
        if let Place::With(seat) = item {
            held[*seat] += 1;
        }
    }
    let spare = spare(rebalance);
    let shares = shares(seats, items.len() as u64, &held, spare);
    let keeps = |seat: usize| match seats[seat].weight {
        0 => 0,
        _ => shares[seat].saturating_add(spare),
    };
    let mut has = vec![0_u64; seats.len()];
    let mut to: Vec<Option<usize>> = vec![None; items.len()];
    let mut pool = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match item {
            Place::With(seat) if has[*seat] < keeps(*seat) => {
                has[*seat] += 1;
                to[at] = Some(*seat);
            }
            Place::With(_) | Place::Free => pool.push(at),
            Place::Away => {}
        }
    }
    for at in pool {
        let lacks = |seat: &usize| shares[*seat].saturating_sub(has[*seat]);
        let most = |seat: &usize| (lacks(seat), Reverse(seats[*seat].tie));
        let next = (0..seats.len()).filter(|seat| lacks(seat) > 0).max_by_key(most);
        if let Some(seat) = next {
            has[seat] += 1;
            to[at] = Some(seat);
        }
    }
    to
}

/// So many items above its share a host keeps.
fn spare(rebalance: Rebalance) -> u64 {
    match rebalance {
        Rebalance::Eager => 0,
        Rebalance::Lazy => 1,
        Rebalance::Never => u64::MAX,
    }
}

/// How many items each seat should have, in the order of the seats. What cannot be divided evenly goes where it saves a move.
fn shares(seats: &[Seat], count: u64, held: &[u64], spare: u64) -> Vec<u64> {
    let mut zones: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, seat) in seats.iter().enumerate().filter(|(_, seat)| seat.weight > 0) {
        zones.entry(&seat.zone).or_default().push(at);
    }
    let total: u128 = seats.iter().map(|seat| u128::from(seat.weight)).sum();
    let within = |members: &[usize], of_zone: u64| {
        let claim = |at: &usize| Claim {
            tie: seats[*at].tie,
            weight: seats[*at].weight,
            holds: held[*at].saturating_sub(spare),
        };
        divide(of_zone, 0, &members.iter().map(claim).collect::<Vec<_>>())
    };
    let moves = |members: &[usize], of_zone: u64| -> u64 {
        let kept = within(members, of_zone).into_iter().map(|share| share.saturating_add(spare));
        members.iter().zip(kept).map(|(at, kept)| held[*at].saturating_sub(kept)).sum()
    };
    let claim = |members: &Vec<usize>| {
        let weight = members.iter().map(|at| seats[*at].weight).sum();
        let least = u128::from(count) * u128::from(weight) / total.max(1);
        let least = u64::try_from(least).unwrap_or(count);
        let saves = moves(members, least) > moves(members, least + 1);
        // A zone is known by the first of its hosts.
        let tie = members.iter().map(|at| seats[*at].tie).min().unwrap_or_default();
        Claim { tie, weight, holds: if saves { u64::MAX } else { 0 } }
    };
    let claims: Vec<Claim> = zones.values().map(claim).collect();
    let mut shares = vec![0; seats.len()];
    for (members, of_zone) in zones.values().zip(divide(count, 0, &claims)) {
        for (at, share) in members.iter().zip(within(members, of_zone)) {
            shares[*at] = share;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duties::shared::draw::Draw;
    use Place::{Away, Free, With};
    use quorate_proto::Instance;

    fn seat(life: usize, weight: u64, zone: &str) -> Seat {
        let life = u8::try_from(life).expect("few");
        Seat { tie: Tie::in_order(Instance::from_bytes([life; 16])), weight, zone: zone.to_owned() }
    }

    fn seats(count: usize) -> Vec<Seat> {
        (0..count).map(|life| seat(life, 1, "")).collect()
    }

    fn counts(seats: &[Seat], to: &[Option<usize>]) -> Vec<usize> {
        (0..seats.len()).map(|seat| to.iter().filter(|it| **it == Some(seat)).count()).collect()
    }

    fn with(counts: &[usize]) -> Vec<Place> {
        let each = counts.iter().enumerate();
        each.flat_map(|(seat, count)| std::iter::repeat_n(With(seat), *count)).collect()
    }

    #[test]
    fn six_items_over_three_hosts_are_two_each_and_a_death_moves_only_the_dead_ones() {
        let three = seats(3);
        let to = spread(&three, &[Free; 6], Rebalance::Lazy);
        assert_eq!(counts(&three, &to), [2, 2, 2]);
        let two = seats(2);
        let left = [With(0), With(0), With(1), With(1), Free, Free];
        let to = spread(&two, &left, Rebalance::Eager);
        assert_eq!(to[..4], [Some(0), Some(0), Some(1), Some(1)]);
        assert_eq!(counts(&two, &to), [3, 3]);
        let to = spread(&two, &[With(0), With(0), With(1), With(1), Away, Away], Rebalance::Eager);
        assert_eq!(to[4..], [None, None], "what is away is nobody's yet");
    }

    #[test]
    fn a_return_takes_back_only_where_it_is_asked_for_or_where_more_than_one_is_too_many() {
        let three = seats(3);
        let moved =
            |held: &[usize], rebalance| counts(&three, &spread(&three, &with(held), rebalance));
        assert_eq!(moved(&[3, 3, 0], Rebalance::Lazy), [3, 3, 0], "one above its share stays");
        assert_eq!(moved(&[3, 3, 0], Rebalance::Eager), [2, 2, 2]);
        assert_eq!(moved(&[6, 0, 0], Rebalance::Lazy), [3, 2, 1]);
        assert_eq!(moved(&[6, 0, 0], Rebalance::Never), [6, 0, 0]);
        assert_eq!(moved(&[1, 0, 0], Rebalance::Lazy), [1, 0, 0], "a single job stays");
    }

    #[test]
    fn a_host_without_weight_keeps_nothing_whatever_the_rule() {
        let some = [seat(0, 1, ""), seat(1, 0, "")];
        for rebalance in [Rebalance::Lazy, Rebalance::Eager, Rebalance::Never] {
            let to = spread(&some, &with(&[1, 2]), rebalance);
            assert_eq!(counts(&some, &to), [3, 0], "{rebalance:?}");
        }
        assert_eq!(spread(&[seat(0, 0, "")], &[Free], Rebalance::Lazy), [None]);
    }

    #[test]
    fn two_items_stand_in_two_zones() {
        let four = [seat(0, 1, "a"), seat(1, 1, "a"), seat(2, 1, "b"), seat(3, 1, "b")];
        assert_eq!(counts(&four, &spread(&four, &[Free; 2], Rebalance::Lazy)), [1, 0, 1, 0]);
        assert_eq!(counts(&four, &spread(&four, &[Free; 5], Rebalance::Lazy)), [2, 1, 1, 1]);
        let heavy = [seat(0, 3, "a"), seat(1, 1, "b")];
        assert_eq!(counts(&heavy, &spread(&heavy, &[Free; 8], Rebalance::Lazy)), [6, 2]);
    }

    #[test]
    fn in_a_million_cases_items_are_spread_evenly_with_least_movement_and_then_stay() {
        let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
        for case in 0..1_000_000_usize {
            let equal = case % 2 == 0;
            let hosts: Vec<Seat> = (0..1 + draw.index(5))
                .map(|life| {
                    let weight = if equal { 1 } else { draw.index(4) as u64 };
                    seat(life, weight, ["", "a", "b"][draw.index(3)])
                })
                .collect();
            let items: Vec<Place> = (0..draw.index(12))
                .map(|_| match draw.index(hosts.len() + 2) {
                    0 => Free,
                    1 => Away,
                    seat => With(seat - 2),
                })
                .collect();
            let rebalance = [Rebalance::Eager, Rebalance::Lazy, Rebalance::Never][case % 3];
            check(&hosts, &items, rebalance);
        }
    }

    fn check(hosts: &[Seat], items: &[Place], rebalance: Rebalance) {
        let to = spread(hosts, items, rebalance);
        let told = || format!("{hosts:?}\n{items:?}\n{rebalance:?}: {to:?}");
        let could = hosts.iter().any(|host| host.weight > 0);
        let counted = |seat: usize| items.iter().filter(|it| **it == With(seat)).count() as u64;
        let held: Vec<u64> = (0..hosts.len()).map(counted).collect();
        let shares = shares(hosts, items.len() as u64, &held, spare(rebalance));
        for (item, seat) in items.iter().zip(&to) {
            assert_eq!(seat.is_some(), could && *item != Away, "{}", told());
            assert!(seat.is_none_or(|seat| hosts[seat].weight > 0), "{}", told());
        }
        let after = counts(hosts, &to);
        let moved = |(item, to): &(&Place, &Option<usize>)| {
            matches!(item, With(_)) && item_seat(item) != **to
        };
        let moves = items.iter().zip(&to).filter(moved).count() as u64;
        let above = |by: u64| -> u64 {
            let kept = |seat: usize| if hosts[seat].weight == 0 { 0 } else { shares[seat] + by };
            (0..hosts.len()).map(|seat| held[seat].saturating_sub(kept(seat))).sum()
        };
        match rebalance {
            _ if !could => {}
            Rebalance::Eager => assert_eq!(moves, above(0), "{}", told()),
            Rebalance::Lazy => assert_eq!(moves, above(1), "{}", told()),
            Rebalance::Never => {
                let leave = (0..hosts.len()).filter(|seat| hosts[*seat].weight == 0);
                assert_eq!(moves, leave.map(|seat| held[seat]).sum::<u64>(), "{}", told());
            }
        }
        for seat in 0..hosts.len() {
            let (now, share) = (after[seat] as u64, shares[seat]);
            assert!(now <= share.max(held[seat]), "{}", told());
            assert!(rebalance != Rebalance::Eager || now <= share, "{}", told());
        }
        zones_are_even(hosts, items.len(), &shares);
        let then: Vec<Place> =
            items.iter().zip(&to).map(|(item, to)| to.map_or(*item, With)).collect();
        assert_eq!(spread(hosts, &then, rebalance), to, "it stays: {}", told());
    }

    fn item_seat(item: &Place) -> Option<usize> {
        match item {
            With(seat) => Some(*seat),
            Free | Away => None,
        }
    }

    fn zones_are_even(hosts: &[Seat], items: usize, shares: &[u64]) {
        let mut zones: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (host, share) in hosts.iter().zip(shares) {
            let zone = zones.entry(&host.zone).or_default();
            (zone.0, zone.1) = (zone.0 + host.weight, zone.1 + share);
        }
        let of = |weight: u64| zones.values().filter(move |zone| zone.0 == weight).map(|it| it.1);
        for (weight, _) in zones.values() {
            let (most, least) = (of(*weight).max(), of(*weight).min());
            assert!(most.zip(least).is_none_or(|(most, least)| most - least <= 1), "{hosts:?}");
        }
        let total: u64 = shares.iter().sum();
        assert!(total == items as u64 || hosts.iter().all(|host| host.weight == 0));
    }
}
