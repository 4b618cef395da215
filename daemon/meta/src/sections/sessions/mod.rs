//! Writes that are remembered by their names, so that each happens once: what is applied again under a name gets the first answer.
//!
//! A write with a number is remembered until its origin says that it is over, and [`KEPT_MS`] of the leaders' time at most; one that a client
//! named, for that time. Nor are there ever more of them than the bounds allow: at the bounds the oldest is forgotten first. Of numbers the
//! highest that was forgotten is known for as long as their run is: whoever asks for one up to there is told that nobody can tell, and
//! nothing is done, also where it never came. A client's id that was forgotten is new.
//!
//! Invariants: each record is in the index of its name and each place in an index has its record; what a state remembers is a function of
//! the entries alone; nobody gets the record of a number that is over, though it may be there for a while. Knows nothing of the keyspace,
//! nor of clocks.

mod answer;
mod section;

pub use answer::FirstAnswer;
pub(crate) use section::Done;

use answer::Answer;
use bytes::Bytes;
use imbl::OrdMap;
use quorate_proto::{Instance, Numbered, WriteName, write_name};

/// How long a write is remembered that its client named: clients that lost a connection ask again within seconds, jobs that were started
/// again within minutes.
const KEPT_MS: u64 = 300_000;
/// Most writes that are remembered: as many as may be under way at eight nodes, and 200 a second that clients name.
const MOST_RECORDS: usize = 65_536;
/// Most bytes that they take: a tenth of a small host's memory at the very most, as all replicas, snapshots and starts carry them.
const MOST_BYTES: u64 = 32 * 1024 * 1024;
/// What a record takes beside its id and its answer, about.
const RECORD_BYTES: u64 = 160;
/// Most runs of nodes: four of each member.
const MOST_RUNS: usize = 4 * quorate_proto::limits::MEMBERS;
/// How long a run is known that writes nothing: longer than any request waits for its answer (an hour).
const RUN_KEPT_MS: u64 = 7_200_000;
/// Old records that are forgotten with each new one: more than one, so that they come to an end; few, so that no entry takes long.
const FORGOTTEN_AT_ONCE: usize = 4;
/// Records of numbers that are over which go with each write of their run: far more than come with it, so that they come to an end; few
/// enough that no entry takes long.
const SETTLED_AT_ONCE: usize = 256;
/// The time stays below this, so that counting on never overflows.
const MOST: u64 = 1 << 62;

/// A run of a node.
type RunKey = (Instance, u64);

/// See the head of this file.
#[derive(Clone, PartialEq)]
pub(crate) struct Sessions {
    /// The leaders' time, as far as the entries told it.
    clock_ms: u64,
    /// The place of the next record: the order in which they came.
    next: u64,
    /// How many were forgotten before their time, for want of room.
    early: u64,
    /// What all records take.
    bytes: u64,
    records: OrdMap<u64, Record>,
    runs: OrdMap<RunKey, Run>,
    /// The ids that clients gave, and the places of their records.
    clients: OrdMap<Bytes, u64>,
}

/// One write.
#[derive(Clone, PartialEq)]
struct Record {
    name: Name,
    at_ms: u64,
    answer: Answer,
}

/// Under which name a record is found.
#[derive(Clone, PartialEq)]
enum Name {
    Numbered { run: RunKey, number: u64 },
    Client { id: Bytes, fingerprint: u64 },
}

impl Record {
    fn weight(&self) -> u64 {
        let id = if let Name::Client { id, .. } = &self.name { id.len() } else { 0 };
        RECORD_BYTES + (id + self.answer.len()) as u64
    }
}

/// The numbers of one run.
#[derive(Clone, PartialEq, Default)]
struct Run {
    /// Up to this number they are over.
    settled: u64,
    /// The highest number whose record was forgotten for its age or for want of room; 0 = none.
    forgotten: u64,
    /// When it wrote last.
    at_ms: u64,
    /// The numbers that are remembered, and the places of their records. Those that are over go with the next writes.
    open: OrdMap<u64, u64>,
}

impl Sessions {
    pub(crate) fn empty() -> Self {
        Self {
            clock_ms: 0,
            next: 0,
            early: 0,
            bytes: 0,
            records: OrdMap::new(),
            runs: OrdMap::new(),
            clients: OrdMap::new(),
        }
    }

    /// The leaders' time, in milliseconds.
    pub(crate) fn clock_ms(&self) -> u64 {
        self.clock_ms
    }

    /// How many writes are remembered, what they take, and how many were forgotten before their time.
    pub(crate) fn figures(&self) -> [u64; 3] {
        [self.records.len() as u64, self.bytes, self.early]
    }

    /// What a write of this name was answered when it was applied; none when it was not.
    pub(crate) fn first_answer(&self, name: &WriteName) -> Option<FirstAnswer> {
        match name.kind.as_ref()? {
            write_name::Kind::Numbered(name) => {
                let run = self.runs.get(&(name.origin, name.run))?;
                let place = run.open.get(&name.number).filter(|_| name.number > run.settled);
                match place {
                    Some(place) => self.records.get(place).map(|record| record.answer.first()),
                    None => {
                        let over = name.number <= run.settled.max(run.forgotten);
                        over.then_some(FirstAnswer::Forgotten)
                    }
                }
            }
            write_name::Kind::Client(name) => {
                let record = self.records.get(self.clients.get(&name.id)?)?;
                match record.name {
                    Name::Client { fingerprint, .. } if fingerprint == name.fingerprint => {
                        Some(record.answer.first())
                    }
                    _ => Some(FirstAnswer::OtherRequest),
                }
            }
        }
    }

    /// Remembers a write that was just applied for the first time.
    fn remember(&mut self, done: &Done<'_>) {
        let Done { write, result, changed } = *done;
        self.clock_ms = self.clock_ms.max(write.clock_ms.min(MOST));
        let place = self.next;
        let name = match &write.name.kind {
            Some(write_name::Kind::Numbered(name)) => {
                let run = self.settle(name);
                run.open.insert(name.number, place);
                Name::Numbered { run: (name.origin, name.run), number: name.number }
            }
            Some(write_name::Kind::Client(name)) => {
                // A copy: the entry may be a slice of a receive buffer of megabytes.
                let id = Bytes::copy_from_slice(&name.id);
                self.clients.insert(id.clone(), place);
                Name::Client { id, fingerprint: name.fingerprint }
            }
            None => return,
        };
        let record = Record { name, at_ms: self.clock_ms, answer: Answer::of(result, changed) };
        self.next += 1;
        self.bytes += record.weight();
        self.records.insert(place, record);
        self.forget_old();
    }

    /// Forgets of what the origin of this write says is over as much as one entry may; the run that it belongs to.
    fn settle(&mut self, name: &Numbered) -> &mut Run {
        let key = (name.origin, name.run);
        if !self.runs.contains_key(&key) {
            self.make_room_for_a_run();
            self.runs.insert(key, Run::default());
        }
        let Self { runs, records, bytes, clock_ms, .. } = self;
        let run = runs.get_mut(&key).expect("it was put there");
        run.at_ms = *clock_ms;
        run.settled = run.settled.max(name.settled);
        for _ in 0..SETTLED_AT_ONCE {
            let lowest = run.open.get_min().map(|(number, place)| (*number, *place));
            let Some((number, place)) = lowest.filter(|(number, _)| *number <= run.settled) else {
                break;
            };
            run.open.remove(&number);
            *bytes -= records.remove(&place).map_or(0, |record| record.weight());
        }
        run
    }

    fn make_room_for_a_run(&mut self) {
        let over = |run: &Run| run.at_ms + RUN_KEPT_MS < self.clock_ms;
        let ended = self.runs.iter().filter(|(_, run)| over(run)).map(|(key, _)| *key);
        for key in ended.collect::<Vec<_>>() {
            self.end_run(key);
        }
        while self.runs.len() >= MOST_RUNS {
            let oldest = self.runs.iter().min_by_key(|(_, run)| run.at_ms);
            let Some(key) = oldest.map(|(key, _)| *key) else { return };
            self.end_run(key);
        }
    }

    fn end_run(&mut self, key: RunKey) {
        let Some(run) = self.runs.remove(&key) else { return };
        for place in run.open.values() {
            self.bytes -= self.records.remove(place).map_or(0, |record| record.weight());
        }
    }

    /// Forgets the oldest: what is beyond the bounds, and some of what has had its time.
    fn forget_old(&mut self) {
        let mut left = FORGOTTEN_AT_ONCE;
        while let Some((place, record)) = self.records.get_min() {
            let full = self.records.len() > MOST_RECORDS || self.bytes > MOST_BYTES;
            let old = record.at_ms + KEPT_MS < self.clock_ms;
            if !full && (!old || left == 0) {
                return;
            }
            left = left.saturating_sub(1);
            let (place, early) = (*place, !old && !self.is_over(record));
            self.early += u64::from(early);
            self.forget(place);
        }
    }

    /// Whether nobody asks for it any more.
    fn is_over(&self, record: &Record) -> bool {
        match &record.name {
            Name::Client { .. } => false,
            Name::Numbered { run, number } => {
                self.runs.get(run).is_some_and(|run| *number <= run.settled)
            }
        }
    }

    fn forget(&mut self, place: u64) {
        let Some(record) = self.records.remove(&place) else { return };
        self.bytes -= record.weight();
        match record.name {
            Name::Client { id, .. } => {
                self.clients.remove(&id);
            }
            Name::Numbered { run, number } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.open.remove(&number);
                    run.forgotten = run.forgotten.max(number);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
