//! What the disk tells the loop, and how its threads say it.

use std::sync::{Arc, Mutex, PoisonError};

/// What the disk tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completed {
    /// The write with this number and all before it are durable.
    Durable {
        /// The node's number.
        number: u64,
    },
    /// There is no room (any more, or again) for the log to grow.
    DiskFull(bool),
}

/// Who looks for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finder {
    /// The writer, for what it is to write now.
    Writer,
    /// The maker of spares, for the next segment.
    Maker,
}

/// Where the disk tells it; shared by the writer and the maker of spares. The disk is full for as long as one of them finds no room: there
/// may be some for a small file and none for a segment.
#[derive(Clone)]
pub(crate) struct Report(Arc<Mutex<Told>>);

struct Told {
    callback: Callback,
    /// Who finds no room.
    without: Vec<Finder>,
}

/// Called on the disk's threads; must not block.
pub(crate) type Callback = Box<dyn Fn(Completed) + Send>;

impl Report {
    pub(crate) fn new(report: Callback) -> Self {
        Self(Arc::new(Mutex::new(Told { callback: report, without: Vec::new() })))
    }

    /// The write with this number and all before it are durable.
    pub(crate) fn durable(&self, number: u64) {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (told.callback)(Completed::Durable { number });
    }

    /// One of both finds no room, or finds room again. Told when it is news.
    pub(crate) fn full(&self, finder: Finder, full: bool) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = !told.without.is_empty();
        told.without.retain(|one| *one != finder);
        told.without.extend(full.then_some(finder));
        if told.without.is_empty() == before {
            (told.callback)(Completed::DiskFull(full));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_disk_is_full_until_neither_the_writer_nor_the_maker_of_spares_lacks_room() {
        let (tell, told) = mpsc::channel();
        let report = Report::new(Box::new(move |completed| tell.send(completed).expect("heard")));
        let says = |finder, full| {
            report.full(finder, full);
            told.try_iter().collect::<Vec<_>>()
        };
        assert_eq!(says(Finder::Maker, true), [Completed::DiskFull(true)]);
        assert_eq!(says(Finder::Writer, true), []);
        assert_eq!(says(Finder::Writer, false), [], "a small file fits, a segment does not");
        assert_eq!(says(Finder::Maker, false), [Completed::DiskFull(false)]);
        assert_eq!(says(Finder::Writer, true), [Completed::DiskFull(true)]);
        assert_eq!(says(Finder::Writer, false), [Completed::DiskFull(false)]);
    }
}
