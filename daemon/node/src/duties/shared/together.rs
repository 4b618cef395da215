//! Several numbers divided by the same weights at once: each of them adds up exactly, and so does what each host has of all of them, as far as
//! whole numbers can.
//!
//! Invariants: what a host has of a number is its exact share rounded down or up, and so is what it has of all together. Where each number
//! was divided for itself, what is left over of each could fall to the same host. What is held stays where a division allows it; so a
//! division on the way to which shares shrink and grow one after the other turns nothing back. A function of its arguments alone, whatever
//! the order of hosts. Knows nothing of grants.

use super::divide::{Tie, heavier_first};
use std::collections::VecDeque;

/// One who shares all of the numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sharer {
    pub(crate) tie: Tie,
    /// Its part in relation to the others; 0: none.
    pub(crate) weight: u64,
    /// Its share of each number as it is.
    pub(crate) holds: Vec<u64>,
}

/// Of each number, the share of each in the order of the sharers. Where a share of one number would be below `min`, fewer share all of them:
/// the heavier ones, and of equals those who hold something. A number below `min` is of no use to anybody.
pub(crate) fn divide_together(amounts: &[u64], min: u64, sharers: &[Sharer]) -> Vec<Vec<u64>> {
    let holds = |it: &Sharer| it.holds.iter().any(|amount| *amount > 0);
    let order = heavier_first(sharers.iter().map(|it| (it.weight, holds(it), it.tie)));
    let useful = |amount: &u64| if *amount < min { 0 } else { *amount };
    let amounts: Vec<u64> = amounts.iter().map(useful).collect();
    let least = amounts.iter().filter(|it| **it > 0).min().copied();
    let fits = |count: &usize| {
        let weight = |at: &usize| u128::from(sharers[*at].weight);
        let total: u128 = order[..*count].iter().map(weight).sum();
        let lightest = order[..*count].last().map_or(0, weight);
        least.is_none_or(|least| u128::from(least) * lightest / total >= u128::from(min))
    };
    let counts: Vec<usize> = (1..=order.len()).collect();
    let sharing = &order[..counts.partition_point(fits)];
    let mut shares = vec![vec![0; sharers.len()]; amounts.len()];
    let mut rounding = Rounding::of(&amounts, sharers, sharing);
    rounding.deal();
    rounding.balance();
    for (all, row) in shares.iter_mut().zip(&rounding.rows) {
        for (at, cell) in sharing.iter().zip(row) {
            all[*at] = cell.whole + u64::from(cell.up);
        }
    }
    shares
}

/// What one host has of one number.
struct Cell {
    /// Its exact share rounded down, ...
    whole: u64,
    /// ... what is left of that, in parts of which the total weight makes one, ...
    rest: u128,
    /// ... and whether it is rounded up instead.
    up: bool,
    /// The host holds it rounded up.
    held: bool,
}

impl Cell {
    fn can_rise(&self) -> bool {
        !self.up && self.rest > 0
    }
}

/// The number of which a host takes or gives, and the other host; none where it was not reached.
type Step = Option<(usize, usize)>;

/// Which exact shares are rounded up, among those who share.
struct Rounding {
    total: u128,
    /// Of each number, the cell of each host.
    rows: Vec<Vec<Cell>>,
    /// What is left of all exact shares of a host, rounded down.
    rests: Vec<u128>,
    /// How many of its shares are rounded up, by host.
    ups: Vec<u128>,
}

impl Rounding {
    fn of(amounts: &[u64], sharers: &[Sharer], sharing: &[usize]) -> Self {
        let total = sharing.iter().map(|at| u128::from(sharers[*at].weight)).sum();
        let cell = |number: usize, sharer: &Sharer| {
            let exact = u128::from(amounts[number]) * u128::from(sharer.weight);
            let whole = u64::try_from(exact / total).unwrap_or(amounts[number]);
            let holds = sharer.holds.get(number).copied().unwrap_or(0);
            Cell { whole, rest: exact % total, up: false, held: holds > whole }
        };
        let row = |number| sharing.iter().map(|at| cell(number, &sharers[*at])).collect();
        let rows: Vec<Vec<Cell>> = (0..amounts.len()).map(row).collect();
        let of_host = |at: usize| rows.iter().map(|row| row[at].rest).sum();
        let rests = (0..sharing.len()).map(of_host).collect();
        Self { total, rows, rests, ups: vec![0; sharing.len()] }
    }

    /// Rounds up as many shares of each number as it takes: those that are held so, and then of the hosts that have least of what is theirs.
    fn deal(&mut self) {
        let mut due = vec![0_u128; self.ups.len()];
        for row in &mut self.rows {
            let rests: u128 = row.iter().map(|cell| cell.rest).sum();
            due.iter_mut().zip(row.iter()).for_each(|(due, cell)| *due += cell.rest);
            let mut order: Vec<usize> = (0..row.len()).filter(|at| row[*at].rest > 0).collect();
            let ahead =
                |at: usize| (self.ups[at] * self.total).cast_signed() - due[at].cast_signed();
            order.sort_by_key(|at| (!row[*at].held, ahead(*at), *at));
            let count = rests.checked_div(self.total).unwrap_or(0);
            for (at, _) in order.into_iter().zip(0..count) {
                row[at].up = true;
                self.ups[at] += 1;
            }
        }
    }

    /// Has hosts that have too much, or too little, of all together change with others. First without what is held, then with it: as long as
    /// a share can be rounded up or down at all, one of the two does it, for the exact shares are a division themselves.
    fn balance(&mut self) {
        for firm in [true, false] {
            for host in 0..self.ups.len() {
                while self.ups[host] > self.most(host) && self.change(host, true, firm) {}
                while self.ups[host] < self.least(host) && self.change(host, false, firm) {}
            }
        }
    }

    fn least(&self, host: usize) -> u128 {
        self.rests[host] / self.total
    }

    fn most(&self, host: usize) -> u128 {
        self.rests[host].div_ceil(self.total)
    }

    /// One share of this host less is rounded up (`gives`), or one more, and for that one of another host that can bear it. False where there
    /// is no way to such a host.
    fn change(&mut self, host: usize, gives: bool, firm: bool) -> bool {
        let way = self.way(host, gives, firm);
        let found = way.is_some();
        if let Some((end, came)) = way {
            self.exchange(host, end, gives, &came);
        }
        found
    }

    /// The shortest way from a host to one that can bear the change, over others in between if need be, who give one of one number and take one
    /// of another: its end, and from where each host on it was reached, with which number.
    fn way(&self, host: usize, gives: bool, firm: bool) -> Option<(usize, Vec<Step>)> {
        let can_give = |cell: &Cell| cell.up && !(firm && cell.held);
        let can = |cell: &Cell, gives: bool| if gives { can_give(cell) } else { cell.can_rise() };
        let bears = |at: usize| match gives {
            true => self.ups[at] < self.most(at),
            false => self.ups[at] > self.least(at),
        };
        let mut came: Vec<Step> = vec![None; self.ups.len()];
        let mut looked = vec![false; self.rows.len()];
        let mut queue = VecDeque::from([host]);
        while let Some(from) = queue.pop_front() {
            for (number, row) in self.rows.iter().enumerate() {
                if looked[number] || !can(&row[from], gives) {
                    continue;
                }
                looked[number] = true;
                for (to, cell) in row.iter().enumerate() {
                    if to == host || came[to].is_some() || !can(cell, !gives) {
                        continue;
                    }
                    came[to] = Some((number, from));
                    if bears(to) {
                        return Some((to, came));
                    }
                    queue.push_back(to);
                }
            }
        }
        None
    }

    /// Goes the way back from its end, and rounds the two shares of each step the other way.
    fn exchange(&mut self, host: usize, end: usize, gives: bool, came: &[Step]) {
        let (less, more) = if gives { (host, end) } else { (end, host) };
        self.ups[less] -= 1;
        self.ups[more] += 1;
        let mut at = end;
        while let Some((number, from)) = came[at] {
            for cell in [at, from] {
                self.rows[number][cell].up = !self.rows[number][cell].up;
            }
            at = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duties::shared::draw::Draw;
    use quorate_proto::Instance;

    fn sharer(life: u16, weight: u64, holds: &[u64]) -> Sharer {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&life.to_be_bytes());
        let tie = Tie::in_order(Instance::from_bytes(bytes));
        Sharer { tie, weight, holds: holds.to_vec() }
    }

    /// Hosts with these weights that hold nothing.
    fn fresh(weights: &[u64], numbers: usize) -> Vec<Sharer> {
        let one = |(life, weight): (usize, &u64)| {
            sharer(u16::try_from(life).expect("few"), *weight, &vec![0; numbers])
        };
        weights.iter().enumerate().map(one).collect()
    }

    fn totals(shares: &[Vec<u64>], hosts: usize) -> Vec<u64> {
        (0..hosts).map(|at| shares.iter().map(|row| row[at]).sum()).collect()
    }

    #[test]
    fn what_is_left_over_of_two_numbers_falls_to_different_hosts() {
        let shares = divide_together(&[20, 10], 0, &fresh(&[1, 1, 1], 2));
        assert_eq!(shares, [[7, 7, 6], [3, 3, 4]]);
        assert_eq!(divide_together(&[20, 10], 0, &fresh(&[1, 1], 2)), [[10, 10], [5, 5]]);
        let four = divide_together(&[20, 10], 0, &fresh(&[1, 1, 1, 1], 2));
        assert_eq!(four, [[5, 5, 5, 5], [3, 3, 2, 2]]);
        assert_eq!(divide_together(&[20, 10], 0, &[]), [Vec::<u64>::new(), Vec::new()]);
        assert_eq!(divide_together(&[20], 0, &fresh(&[0, 3, 1], 1)), [[0, 15, 5]]);
    }

    #[test]
    fn where_a_share_of_one_number_is_below_the_least_fewer_share_all_of_them() {
        let hosts = fresh(&[1; 6], 2);
        let shares = divide_together(&[20, 10], 3, &hosts);
        assert_eq!(shares, [[7, 7, 6, 0, 0, 0], [3, 3, 4, 0, 0, 0]]);
        assert_eq!(divide_together(&[20, 2], 3, &fresh(&[1, 1], 2)), [[10, 10], [0, 0]]);
        let mut held = hosts;
        held[4].holds = vec![7, 3];
        let shares = divide_together(&[20, 10], 6, &held);
        assert_eq!(shares, [[0, 0, 0, 0, 20, 0], [0, 0, 0, 0, 10, 0]], "who holds stays");
    }

    fn drawn(draw: &mut Draw, case: u32) -> (Vec<u64>, u64, Vec<Sharer>) {
        let (hosts, numbers) = (1 + draw.below(7), 1 + draw.below(5));
        let most = if case.is_multiple_of(7) { 1 << 40 } else { 30 };
        let amounts: Vec<u64> = (0..numbers).map(|_| draw.below(most)).collect();
        let min = if case.is_multiple_of(5) { draw.below(6) } else { 0 };
        let one = |life: u64| {
            let weight = if case.is_multiple_of(2) { 1 } else { draw.below(6) };
            let holds: Vec<u64> = (0..numbers).map(|_| draw.below(9)).collect();
            sharer(u16::try_from(life).expect("few"), weight, &holds)
        };
        let sharers = (0..hosts).map(one).collect();
        (amounts, min, sharers)
    }

    #[test]
    fn in_two_hundred_thousand_cases_all_numbers_and_all_hosts_add_up_and_stay() {
        let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
        for case in 0..200_000 {
            let (amounts, min, mut sharers) = drawn(&mut draw, case);
            let shares = divide_together(&amounts, min, &sharers);
            check(&amounts, min, &sharers, &shares);
            sharers.reverse();
            let mut back = divide_together(&amounts, min, &sharers);
            back.iter_mut().for_each(|row| row.reverse());
            sharers.reverse();
            assert_eq!(shares, back, "the order of {sharers:?} does not matter");
            comes_to_rest(&mut draw, &amounts, min, sharers);
        }
    }

    /// The sums are exact, and each share of one number and of all together is the exact one rounded down or up.
    fn check(amounts: &[u64], min: u64, sharers: &[Sharer], shares: &[Vec<u64>]) {
        let all = totals(shares, sharers.len());
        let shared: Vec<usize> = (0..sharers.len()).filter(|at| all[*at] > 0).collect();
        let weight = |at: &usize| u128::from(sharers[*at].weight);
        let sharing: Vec<usize> = match min {
            0 => (0..sharers.len()).collect(),
            _ => shared,
        };
        let total: u128 = sharing.iter().map(weight).sum();
        let useful = |amount: &u64| if total == 0 || *amount < min { 0 } else { *amount };
        let amounts: Vec<u64> = amounts.iter().map(useful).collect();
        let rows = amounts.iter().zip(shares);
        let whole = (&amounts.iter().sum(), &all);
        for (amount, row) in rows.chain([whole]) {
            assert_eq!(row.iter().sum::<u64>(), *amount, "{amounts:?} over {sharers:?}");
            for at in &sharing {
                let share = u128::from(row[*at]) * total;
                let exact = u128::from(*amount) * weight(at);
                let near = share.abs_diff(exact) < total.max(1);
                assert!(near, "{amounts:?} over {sharers:?}: {shares:?}");
                assert!(min == 0 || *amount == 0 || row[*at] >= min, "{min}: {shares:?}");
            }
        }
    }

    /// Shares shrink at once and grow one after the other, while it is divided again and again: after the first time none shrinks any more,
    /// so nothing goes on for ever.
    fn comes_to_rest(draw: &mut Draw, amounts: &[u64], min: u64, mut sharers: Vec<Sharer>) {
        let cells = amounts.len() * sharers.len();
        let weights: Vec<u64> = sharers.iter().map(|it| it.weight).collect();
        for step in 0.. {
            let shares = divide_together(amounts, min, &sharers);
            let (mut moved, one) = (false, draw.below(cells as u64));
            for (number, row) in shares.iter().enumerate() {
                for (at, share) in row.iter().enumerate() {
                    let holds = &mut sharers[at].holds[number];
                    let its_turn = (number * row.len() + at) as u64 == one || step > cells;
                    if share < holds {
                        moved = true;
                        assert!(
                            min > 0 || step == 0,
                            "{amounts:?} over {weights:?}: it turns back"
                        );
                        *holds = *share;
                    } else if share > holds {
                        moved = true;
                        *holds = if its_turn { *share } else { *holds };
                    }
                }
            }
            if !moved {
                return;
            }
            assert!(step < 3 * cells, "{amounts:?} over {sharers:?} does not come to rest");
        }
    }

    #[test]
    fn a_death_takes_nothing_of_one_number_from_the_others_and_hardly_anything_of_several() {
        let mut draw = Draw(0x2545_f491_4f6c_dd1d);
        let (mut taken, cases) = (0, 50_000);
        for _ in 0..cases {
            let (hosts, numbers) = (2 + draw.below(5), 1 + draw.below(4));
            let amounts: Vec<u64> = (0..numbers).map(|_| 1 + draw.below(40)).collect();
            let weights = vec![1; usize::try_from(hosts).expect("few")];
            let mut sharers = fresh(&weights, amounts.len());
            let held = divide_together(&amounts, 0, &sharers);
            for (at, sharer) in sharers.iter_mut().enumerate() {
                sharer.holds = held.iter().map(|row| row[at]).collect();
            }
            let left = divide_together(&amounts, 0, &sharers[1..]);
            for (now, before) in left.iter().zip(&held) {
                let less =
                    now.iter().zip(&before[1..]).filter(|(now, before)| now < before).count();
                assert!(less == 0 || numbers > 1, "{amounts:?}: {held:?}, then {left:?}");
                taken += less;
            }
        }
        assert!(taken * 1_000 < cases, "{taken} of {cases}");
    }

    #[test]
    fn the_largest_cluster_is_divided_too_whatever_it_holds() {
        let mut draw = Draw(0x2545_f491_4f6c_dd1d);
        let amounts: Vec<u64> = (0..16).map(|_| draw.below(5_000)).collect();
        let one = |life: u16| {
            let holds: Vec<u64> = (0..16).map(|_| draw.below(9)).collect();
            sharer(life, 1 + draw.below(9), &holds)
        };
        let sharers: Vec<Sharer> = (0..1_000).map(one).collect();
        let shares = divide_together(&amounts, 0, &sharers);
        check(&amounts, 0, &sharers, &shares);
    }
}
