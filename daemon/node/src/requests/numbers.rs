//! The numbers that this run of the node gives to the writes of its clients: each once, and known which are over.
//!
//! Knows nothing of what the writes are.

use quorate_proto::{Instance, Numbered};
use std::collections::BTreeSet;

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Numbers {
    origin: Instance,
    run: u64,
    last: u64,
    /// Those of writes that are under way: as many at most as there are places for requests.
    open: BTreeSet<u64>,
}

impl Numbers {
    /// `run` is random: no number of another run is met again.
    pub(super) fn new(origin: Instance, run: u64) -> Self {
        Self { origin, run, last: 0, open: BTreeSet::new() }
    }

    /// The next number.
    pub(super) fn open(&mut self) -> Numbered {
        self.last += 1;
        self.open.insert(self.last);
        let Self { origin, run, last: number, .. } = *self;
        Numbered { origin, run, number, settled: self.settled() }
    }

    /// Nobody asks for the answer to this write any more.
    pub(super) fn close(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Up to which number all are over.
    pub(super) fn settled(&self) -> u64 {
        self.open.first().map_or(self.last, |lowest| lowest - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_below_the_lowest_number_that_is_under_way_are_over() {
        let mut numbers = Numbers::new(Instance::from_bytes([1; 16]), 9);
        let given = [(); 4].map(|()| numbers.open().number);
        assert_eq!((given, numbers.settled()), ([1, 2, 3, 4], 0));
        numbers.close(2);
        assert_eq!(numbers.settled(), 0, "1 is under way");
        numbers.close(1);
        assert_eq!(numbers.settled(), 2);
        numbers.close(4);
        numbers.close(3);
        assert_eq!(numbers.settled(), 4);
        let next = numbers.open();
        assert_eq!((next.number, next.settled, next.run), (5, 4, 9));
    }
}
