//! Whether a history of calls on one key can be true: an order of them that fits both what each was told and the order in
//! which they came and returned (linearizability, by the search of Wing, Gong and Lowe).
//!
//! A call whose outcome is unknown stays open to the end: it may take effect at any time after it was made, or never. A call that was
//! refused is not in a history at all, so that its value cannot be read. Knows nothing of revisions, nodes or faults.

use quorate_proto::Moment;
use std::collections::BTreeSet;

/// Calls of one history; a bit each in the search.
pub const MOST_CALLS: usize = 32;
/// States that the search looks at before it gives up: far above what a history of so few calls needs.
const MOST_STATES: usize = 300_000;

/// What a key holds. Each value is written by one call only.
pub type Value = Option<u64>;

/// What was asked, with what was told. `None` where the answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The value read.
    Read(Value),
    /// Written.
    Put(u64),
    /// Whether there was something to delete.
    Deleted(Option<bool>),
    /// Whether the key held `from`, and therefore now holds `to`.
    Swapped {
        /// The value that must be there.
        from: Value,
        /// The value that replaces it.
        to: u64,
        /// Whether it did.
        done: Option<bool>,
    },
}

/// A call with its time on the clients' clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// What it was.
    pub told: Told,
    /// When it was made.
    pub called: Moment,
    /// When its answer came; none for one that is open.
    pub returned: Option<Moment>,
}

/// What a search came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// An order exists.
    Linearizable,
    /// None does.
    Impossible,
    /// The search was given up at its bound.
    Undecided,
}

/// What the key holds after a call; none when the call cannot have been told this then.
fn step(value: Value, told: Told) -> Option<Value> {
    match told {
        Told::Read(read) => (read == value).then_some(value),
        Told::Put(put) => Some(Some(put)),
        Told::Deleted(deleted) => {
            deleted.is_none_or(|deleted| deleted == value.is_some()).then_some(None)
        }
        Told::Swapped { from, to, done } => {
            let fits = from == value;
            let after = if fits { Some(to) } else { value };
            done.is_none_or(|done| done == fits).then_some(after)
        }
    }
}

/// Searches an order for the calls on a key that held nothing.
///
/// # Panics
/// With more than [`MOST_CALLS`].
#[must_use]
pub fn judge(calls: &[Call]) -> Verdict {
    assert!(calls.len() <= MOST_CALLS, "a history has at most {MOST_CALLS} calls");
    let bit = |at: usize| 1u32 << at;
    let ended = (0..calls.len()).filter(|at| calls[*at].returned.is_some());
    let all = ended.fold(0, |all, at| all | bit(at));
    let mut seen = BTreeSet::from([(0u32, None)]);
    let mut open = vec![(0u32, None)];
    while let Some((placed, value)) = open.pop() {
        if placed & all == all {
            return Verdict::Linearizable;
        }
        let left = || (0..calls.len()).filter(move |at| placed & bit(*at) == 0);
        // Nothing comes behind a call that had returned before it was made.
        let horizon = left().filter_map(|at| calls[at].returned).min();
        for at in left().filter(|at| horizon.is_none_or(|end| calls[*at].called <= end)) {
            let Some(after) = step(value, calls[at].told) else { continue };
            let state = (placed | bit(at), after);
            if seen.insert(state) {
                open.push(state);
            }
        }
        if seen.len() > MOST_STATES {
            return Verdict::Undecided;
        }
    }
    Verdict::Impossible
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(told: Told, called: u64, returned: u64) -> Call {
        let returned = (returned > 0).then(|| Moment::from_micros(returned));
        Call { told, called: Moment::from_micros(called), returned }
    }

    #[test]
    fn a_read_may_show_a_write_under_way_but_none_may_miss_it_afterwards() {
        let write = call(Told::Put(1), 10, 50);
        let shown = call(Told::Read(Some(1)), 20, 30);
        let later = call(Told::Read(Some(1)), 35, 40);
        let missed = call(Told::Read(None), 35, 40);
        assert_eq!(judge(&[write, shown, later]), Verdict::Linearizable);
        assert_eq!(judge(&[write, shown, missed]), Verdict::Impossible);
    }

    #[test]
    fn a_read_after_a_write_must_not_be_stale() {
        let writes = [call(Told::Put(1), 10, 20), call(Told::Put(2), 30, 40)];
        let stale = call(Told::Read(Some(1)), 50, 60);
        assert_eq!(judge(&[writes[0], writes[1], stale]), Verdict::Impossible);
    }

    #[test]
    fn a_write_of_unknown_fate_happens_late_or_never_but_once() {
        let unknown = call(Told::Put(1), 10, 0);
        let other = call(Told::Put(2), 20, 30);
        let read = |value, at| call(Told::Read(Some(value)), at, at + 5);
        assert_eq!(judge(&[unknown, other, read(2, 40), read(1, 50)]), Verdict::Linearizable);
        assert_eq!(judge(&[unknown, other, read(2, 40), read(2, 50)]), Verdict::Linearizable);
        let twice = [unknown, read(1, 15), other, read(2, 40), read(1, 50)];
        assert_eq!(judge(&twice), Verdict::Impossible);
    }

    #[test]
    fn what_was_refused_cannot_be_read() {
        assert_eq!(judge(&[call(Told::Read(Some(7)), 10, 20)]), Verdict::Impossible);
    }

    #[test]
    fn of_two_swaps_from_one_value_one_is_done() {
        let swap = |to, done| call(Told::Swapped { from: None, to, done: Some(done) }, 10, 20);
        assert_eq!(judge(&[swap(1, true), swap(2, false)]), Verdict::Linearizable);
        assert_eq!(judge(&[swap(1, true), swap(2, true)]), Verdict::Impossible);
        assert_eq!(judge(&[swap(1, false), swap(2, false)]), Verdict::Impossible);
    }

    #[test]
    fn a_deletion_that_was_done_twice_is_noticed() {
        let write = call(Told::Put(1), 10, 20);
        let delete = |deleted| call(Told::Deleted(Some(deleted)), 30, 40);
        assert_eq!(judge(&[write, delete(true), delete(false)]), Verdict::Linearizable);
        assert_eq!(judge(&[write, delete(false)]), Verdict::Impossible);
        assert_eq!(judge(&[write, delete(true), delete(true)]), Verdict::Impossible);
    }
}
