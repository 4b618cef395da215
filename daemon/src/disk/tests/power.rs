//! The power is cut between any two operations of the real writer, any operation fails, and the real recovery reads what
//! is left: nothing that was told is missing, and what is there is a beginning of what was asked for, in its order.

use super::super::life::marker;
use super::super::log::report::Report;
use super::super::log::writer::WriteLoop;
use super::super::snapshots::file::Owner;
use super::super::snapshots::{keeper, names};
use super::recorded::{Image, Operation, Random, RecordedDisk};
use super::*;
use bytes::Bytes;
use quorate_consensus::log_codec::fold::LogFold;
use quorate_node::Write;
use quorate_proto::{Ballot, FoundingState, GroupId};
use std::io;

/// A host, and everything that its node has asked to be durable; write number 1 is the first in `writes`.
struct Story {
    host: Host,
    random: Random,
    writes: Vec<Write>,
    /// The founding state of a fresh life.
    fresh: FoundingState,
    /// Snapshots that are durable, with the number of operations of this start before them.
    snapshots: Vec<(usize, SnapshotMetadata, PathBuf, Vec<u8>)>,
    drawn: Drawn,
}

/// What the next random write follows on.
#[derive(Clone, Default)]
struct Drawn {
    founding: Option<FoundingState>,
    last: u64,
    term: u64,
    base: u64,
}

type Replica = Option<(HardState, Vec<Entry>)>;

/// One start of the host: what the disk held then, what it read, and the writer on it.
struct Start {
    before: Image,
    replica: Replica,
    disk: RecordedDisk,
    writer: WriteLoop,
}

/// What the disk means after the first `m` writes.
#[derive(Debug, Clone, PartialEq)]
struct Meaning {
    founding: FoundingState,
    marker: Option<ClusterId>,
    replica: Replica,
}

impl Story {
    fn new(seed: u64) -> Self {
        let host = Host::in_memory();
        let opened = host.open().expect("created");
        let fresh = opened.founding.clone();
        let (random, writes, snapshots) = (Random(seed), Vec::new(), Vec::new());
        Self { host, random, writes, fresh, snapshots, drawn: Drawn::default() }
    }

    fn start(&mut self) -> Start {
        self.snapshots.iter_mut().for_each(|snapshot| snapshot.0 = 0);
        let opened = self.host.open().expect("opened");
        let before = Image::of(self.host.dir.path());
        self.start_on(&opened, before)
    }

    /// Reads what lies there; everything that is made durable goes to a disk that holds `before`.
    fn start_on(&self, opened: &Opened, before: Image) -> Start {
        let disk = RecordedDisk::holding(&before);
        let recovered = recover_on(Arc::new(disk.clone()), opened).expect("whole");
        let replica = recovered.group.map(|group| (group.hard_state, group.entries));
        let teller = disk.clone();
        let writer = WriteLoop {
            files: Arc::new(disk.clone()) as Arc<dyn Files>,
            life: self.host.life(),
            birth_dir: self.host.birth(),
            cluster: cluster("prod"),
            start: (opened.dir.identity().instance, opened.dir.generation()),
            noted: opened.dir.reached().is_some(),
            segments: recovered.log.segments,
            report: Report::new(Box::new(move |completed| teller.tell(completed))),
            full: false,
        };
        Start { before, replica, disk, writer }
    }

    /// Draws one to three writes that wait at the same time.
    fn draw(&mut self, done: usize) -> Vec<(u64, Write)> {
        let count = 1 + self.random.below(3);
        (0..count)
            .map(|place| {
                let write = self.draw_one(place == 0, done);
                self.writes.push(write.clone());
                (self.writes.len() as u64, write)
            })
            .collect()
    }

    /// `quiet`: everything before it is durable.
    fn draw_one(&mut self, quiet: bool, done: usize) -> Write {
        if self.drawn.last == 0 {
            (self.drawn.last, self.drawn.term, self.drawn.base) = (1, 1, 1);
            return log_write(birth());
        }
        match self.random.below(100) {
            0..20 => self.draw_founding(),
            20..35 if quiet && self.knows_its_cluster() && self.drawn.base < self.drawn.last => {
                let span = self.drawn.last - self.drawn.base;
                let index = self.drawn.base + 1 + self.random.below(span);
                self.take_snapshot(index, done);
                self.drawn.base = index;
                log_write(vec![LogRecord::Compacted { index, term: 1 }])
            }
            35..45 => {
                self.drawn.term += 1;
                let vote = 1 + self.random.below(9);
                log_write(vec![hard_state(self.drawn.term, vote, self.drawn.base)])
            }
            _ => {
                let first = self.drawn.last + 1;
                self.drawn.last = first + self.random.below(6);
                let mut records = vec![entries(first, self.drawn.last, 1)];
                if self.random.percent(30) {
                    records.push(hard_state(self.drawn.term, 3, self.drawn.last));
                }
                log_write(records)
            }
        }
    }

    fn draw_founding(&mut self) -> Write {
        let mut state = self.drawn.founding.clone().unwrap_or_else(|| self.fresh.clone());
        let round = self.writes.len() as u64 + 1;
        state.promised = Some(Ballot { round, instance: state.instance });
        let learns = state.exists.is_none() && self.random.percent(60);
        if learns {
            state.exists = Some(cluster_id(4));
        }
        self.drawn.founding = Some(state.clone());
        Write::Founding { state: Box::new(state), marker: learns.then(|| cluster_id(4)) }
    }

    fn knows_its_cluster(&self) -> bool {
        self.drawn.founding.as_ref().is_some_and(|state| state.exists.is_some())
    }

    fn take_snapshot(&mut self, index: u64, done: usize) {
        let owner = Owner { instance: self.fresh.instance, cluster_id: cluster_id(4) };
        let directory = names::directory(&self.host.life());
        let chunks = [Bytes::from(format!("state {index}"))];
        keeper::keep(&directory, owner, GroupId::META, &at(index, 1), chunks.into_iter())
            .expect("kept");
        let listed = names::list(&directory).expect("listed");
        let path = listed[0].path.clone();
        let bytes = std::fs::read(&path).expect("read");
        self.snapshots.push((done, at(index, 1), path, bytes));
    }

    /// What the first `count` writes mean, with the snapshots that there were after `done` operations.
    fn meaning(&self, count: usize, done: usize) -> Meaning {
        let mut meaning = Meaning { founding: self.fresh.clone(), marker: None, replica: None };
        let mut log: Option<LogFold> = None;
        for write in &self.writes[..count] {
            match write.clone() {
                Write::Founding { state, marker } => {
                    meaning.founding = *state;
                    meaning.marker = marker.or(meaning.marker);
                }
                Write::Log { records, .. } => {
                    let log = log.get_or_insert_default();
                    records.into_iter().for_each(|record| log.add(record));
                }
                Write::Snapshot { .. } => unreachable!("none is drawn"),
            }
        }
        let snapshot = self.snapshots.iter().rfind(|snapshot| snapshot.0 <= done);
        let position = snapshot.map(|(_, metadata, ..)| (metadata.index, metadata.term));
        meaning.replica = log.map(|log| {
            let state = log.behind(position).expect("without gaps");
            (state.hard_state, state.entries)
        });
        meaning
    }

    /// The newest snapshot that there was after `done` operations: they are not under the recorded disk.
    fn add_snapshot(&self, image: &mut Image, done: usize) {
        if let Some((.., path, bytes)) = self.snapshots.iter().rfind(|snapshot| snapshot.0 <= done)
        {
            image.add(path, bytes);
        }
    }

    /// The process is killed with the disk in this state, after `done` operations, and another one starts on what the system
    /// still knows. Then the power is cut: between its first operations nothing told is missing, and behind them nothing that
    /// it has read.
    fn started_again_then_cut(&mut self, mut killed: Image, told: u64, done: usize) {
        self.add_snapshot(&mut killed, done);
        killed.put_seen_into(self.host.dir.path());
        let opened = self.host.open().expect("never damaged");
        // What `open` makes durable is not under the recorded disk either.
        for file in [self.host.life().join("generation"), self.host.birth().join("prod")] {
            if let Ok(content) = std::fs::read(&file) {
                killed.add(&file, &content);
            }
        }
        for path in [self.host.life(), self.host.birth()] {
            killed.apply(&Operation::SyncDirectory { path }, &mut self.random);
        }
        let again = self.start_on(&opened, killed);
        again.writer.note_reached();
        drop(opened);
        let (mut image, asked) = (again.before, self.writes.clone());
        for operation in again.disk.operations() {
            let left = image.cut(&mut self.random);
            self.recovered(left, told, done);
            self.writes.clone_from(&asked);
            image.apply(&operation, &mut self.random);
        }
        for _ in 0..3 {
            image.cut(&mut self.random).put_into(self.host.dir.path());
            let group = self.host.recover().expect("never damaged").group;
            let found = group.map(|group| (group.hard_state, group.entries));
            assert_eq!(found, again.replica, "after {done} operations");
        }
    }

    /// Reads what a cut left, with the real recovery, and finds how many of the writes are there: at least `told`.
    fn recovered(&mut self, mut left: Image, told: u64, done: usize) -> usize {
        self.add_snapshot(&mut left, done);
        left.put_into(self.host.dir.path());
        let marker =
            marker::read(&self.host.birth(), &cluster("prod")).expect("whole or not there");
        let opened = self.host.open().expect("never damaged");
        let group = recover(&opened).expect("never damaged").group;
        let replica = group.map(|group| (group.hard_state, group.entries));
        let found = Meaning { founding: opened.founding.clone(), marker, replica };
        let told = usize::try_from(told).expect("few");
        for count in told..=self.writes.len() {
            let mut meaning = self.meaning(count, done);
            if meaning == found {
                return count;
            }
            // The founding state is there and its marker is not yet: the start has made it good.
            if let Some(Write::Founding { state, marker: Some(_) }) = self.writes.get(count) {
                meaning.founding = (**state).clone();
                if meaning == found {
                    return count + 1;
                }
            }
        }
        panic!("{told} writes were told and after {done} operations the disk has {found:?}");
    }

    /// Cuts the power behind each operation of a start in turn; goes on from one of the cuts.
    fn cut_everywhere(&mut self, start: &Start) {
        let (operations, told) = (start.disk.operations(), start.disk.told());
        let mut image = start.before.clone();
        let goes_on = usize::try_from(self.random.below(operations.len() as u64)).expect("few");
        let mut next = None;
        let asked = self.writes.clone();
        for done in 0..=operations.len() {
            let told = told_by(&told, done);
            let left = image.cut(&mut self.random);
            let count = self.recovered(left, told, done);
            if done == goes_on {
                next = Some((Image::of(self.host.dir.path()), self.writes[..count].to_vec(), done));
            }
            self.writes.clone_from(&asked);
            if let Some(operation) = operations.get(done) {
                image.apply(operation, &mut self.random);
            }
        }
        let (image, writes, done) = next.expect("one of them");
        image.put_into(self.host.dir.path());
        self.writes = writes;
        self.snapshots.retain(|snapshot| snapshot.0 <= done);
        self.draw_on();
    }

    /// The next random writes follow on those that are there.
    fn draw_on(&mut self) {
        let mut drawn = Drawn::default();
        for write in &self.writes {
            match write {
                Write::Founding { state, .. } => drawn.founding = Some((**state).clone()),
                Write::Log { records, .. } => records.iter().for_each(|record| match record {
                    LogRecord::Entries(entries) => {
                        drawn.last = entries.last().map_or(drawn.last, |last| last.index);
                    }
                    LogRecord::HardState(state) => drawn.term = state.term,
                    LogRecord::Reset { index, .. } => (drawn.last, drawn.base) = (*index, *index),
                    LogRecord::Compacted { index, .. } => drawn.base = *index,
                }),
                Write::Snapshot { .. } => unreachable!("none is drawn"),
            }
        }
        // A snapshot whose compaction was lost may be newer.
        let newest = self.snapshots.last().map_or(0, |(_, metadata, ..)| metadata.index);
        drawn.base = drawn.base.max(newest);
        self.drawn = drawn;
    }
}

fn told_by(told: &[(usize, Completed)], done: usize) -> u64 {
    let numbers = told.iter().filter(|(at, _)| *at <= done).filter_map(|(_, told)| match told {
        Completed::Durable { number } => Some(*number),
        Completed::DiskFull(_) => None,
    });
    numbers.max().unwrap_or(0)
}

#[test]
fn whatever_the_power_leaves_nothing_told_is_missing_and_the_rest_is_in_order() {
    let (mut rolled, mut freed, mut founded) = (0, 0, 0);
    for seed in 0..8 {
        let mut story = Story::new(seed);
        for _ in 0..3 {
            let mut start = story.start();
            for _ in 0..14 {
                let waiting = story.draw(start.disk.done());
                start.writer.write(waiting).expect("this disk does not fail");
            }
            for operation in start.disk.operations() {
                match operation {
                    Operation::Rename { to, .. } if to.starts_with(story.host.birth()) => {
                        founded += 1
                    }
                    Operation::Rename { from, .. } if from.ends_with("spare") => rolled += 1,
                    Operation::Remove { .. } => freed += 1,
                    _ => {}
                }
            }
            story.cut_everywhere(&start);
        }
    }
    assert!(rolled > 30 && freed > 5 && founded > 4, "{rolled} {freed} {founded}");
}

#[test]
fn what_a_killed_process_had_not_synced_is_durable_before_the_next_one_counts_on_it() {
    for seed in 0..4 {
        let mut story = Story::new(seed);
        let mut start = story.start();
        for _ in 0..14 {
            let waiting = story.draw(start.disk.done());
            start.writer.write(waiting).expect("this disk does not fail");
        }
        let (operations, told) = (start.disk.operations(), start.disk.told());
        let mut image = start.before.clone();
        for (done, operation) in operations.iter().enumerate() {
            image.apply(operation, &mut story.random);
            story.started_again_then_cut(image.clone(), told_by(&told, done + 1), done + 1);
        }
    }
}

#[test]
fn a_received_snapshot_has_its_name_for_good_before_the_log_forgets_what_it_replaces() {
    let host = Host::in_memory();
    let mut log = host.recover().expect("empty");
    append(&mut log, &[birth(), vec![entries(2, 3, 1)]]);
    drop(log);
    super::snapshot::store(&host, at(9, 2), &[b"received"]).expect("kept");
    let opened = host.open().expect("opened");
    let disk = RecordedDisk::holding(&Image::of(host.dir.path()));
    recover_on(Arc::new(disk.clone()), &opened).expect("whole");
    let operations = disk.operations();
    let names = names::directory(&host.life());
    let named = operations
        .iter()
        .position(|one| matches!(one, Operation::SyncDirectory { path } if *path == names));
    let reset = operations.iter().rposition(|one| matches!(one, Operation::Write { .. }));
    assert!(named.expect("synced") < reset.expect("reset"), "{operations:?}");
}

#[test]
fn a_snapshot_that_raft_has_taken_has_its_name_for_good_before_the_log_begins_behind_it() {
    let mut story = Story::new(7);
    let mut start = story.start();
    let births = vec![(1, log_write(birth())), (2, log_write(vec![entries(2, 3, 1)]))];
    start.writer.write(births).expect("this disk does not fail");
    let names = names::directory(&story.host.life());
    let received = start.disk.create(&names::received(&names, 0)).expect("created");
    received.write_all_at(b"received", 0).expect("written");
    received.sync_all().expect("synced");
    let before = start.disk.done();
    let reset = vec![LogRecord::Reset { index: 9, term: 2 }];
    let waiting = vec![
        (3, Write::Snapshot { group: GroupId::META, file: 0, metadata: Box::new(at(9, 2)) }),
        (4, log_write(reset)),
    ];
    start.writer.write(waiting).expect("this disk does not fail");
    let operations = start.disk.operations().split_off(before);
    let place = |what: &dyn Fn(&Operation) -> bool| operations.iter().position(what);
    let named = place(&|one| matches!(one, Operation::Rename { to, .. } if to.starts_with(&names)));
    let synced = place(&|one| matches!(one, Operation::SyncDirectory { path } if *path == names));
    let begins = place(&|one| matches!(one, Operation::Write { .. }));
    assert!(named.is_some() && named < synced && synced < begins, "{operations:?}");
}

/// Runs one story with one failing operation for each operation that it has, until `check` says it has no more.
fn fail_each(kind: io::ErrorKind, mut check: impl FnMut(&Start, bool)) {
    for failing in 0.. {
        let mut story = Story::new(5);
        let mut start = story.start();
        // What recovery does is before it.
        let failing = start.disk.done() + failing;
        start.disk.fail(failing, kind);
        let (mut broke, mut finished) = (false, true);
        for _ in 0..24 {
            let waiting = story.draw(start.disk.done());
            if start.writer.write(waiting).is_err() {
                (broke, finished) = (true, false);
                break;
            }
        }
        if finished && start.disk.done() <= failing {
            return;
        }
        check(&start, broke);
        let mut image = start.before.clone();
        let operations = start.disk.operations();
        operations.iter().for_each(|operation| image.apply(operation, &mut story.random));
        let told = told_by(&start.disk.told(), operations.len());
        let asked = story.writes.clone();
        for _ in 0..3 {
            let left = image.cut(&mut story.random);
            story.recovered(left, told, operations.len());
            story.writes.clone_from(&asked);
        }
        story.started_again_then_cut(image, told, operations.len());
    }
}

#[test]
fn after_any_failed_operation_nothing_more_is_written_or_told() {
    fail_each(io::ErrorKind::Other, |start, broke| {
        assert!(broke, "an error was passed over");
        let operations = start.disk.operations();
        let failed = operations.iter().position(|one| matches!(one, Operation::Failed(_)));
        let failed = failed.expect("it was reached");
        // Only a half-filled spare is removed.
        assert!(operations[failed + 1..].iter().all(|one| matches!(one, Operation::Remove { .. })));
        assert!(start.disk.told().iter().all(|(at, _)| *at <= failed));
    });
}

#[test]
fn a_full_disk_is_waited_out_in_order_and_a_sync_that_says_full_is_not_believed() {
    let mut waited = 0;
    fail_each(io::ErrorKind::StorageFull, |start, broke| {
        let operations = start.disk.operations();
        let failed = operations.iter().position(|one| matches!(one, Operation::Failed(_)));
        let failed = failed.expect("it was reached");
        let Operation::Failed(tried) = &operations[failed] else { unreachable!() };
        let appended = failed > 0
            && matches!(operations[failed - 1], Operation::Write { offset, .. } if offset > 0);
        assert!(broke || !appended || !matches!(**tried, Operation::Sync { .. }), "believed");
        let full: Vec<_> = start.disk.told().into_iter().map(|(_, told)| told).collect();
        if broke {
            assert!(matches!(**tried, Operation::Sync { .. } | Operation::SyncDirectory { .. }));
            assert!(start.disk.told().iter().all(|(at, _)| *at <= failed));
        } else if full.contains(&Completed::DiskFull(true)) {
            waited += 1;
            assert!(full.contains(&Completed::DiskFull(false)));
        }
    });
    assert!(waited > 10);
}

/// What `replace` promises, for the files that are replaced whole.
#[test]
fn a_file_that_is_replaced_is_the_old_one_or_the_new_one_and_durable_at_the_end() {
    let host = Host::in_memory();
    drop(host.open().expect("created"));
    let file = host.life().join("stopped");
    std::fs::write(&file, b"old").expect("written");
    let before = Image::of(host.dir.path());
    let disk = RecordedDisk::holding(&before);
    super::super::durable::replace(&disk, &file, b"new").expect("replaced");
    let (operations, mut random) = (disk.operations(), Random(1));
    let mut image = before;
    for done in 0..=operations.len() {
        for _ in 0..20 {
            image.cut(&mut random).put_into(host.dir.path());
            let content = std::fs::read(&file).expect("there");
            let durable = done == operations.len();
            assert!(content == b"new" || (!durable && content == b"old"), "{content:?}");
        }
        if let Some(operation) = operations.get(done) {
            image.apply(operation, &mut random);
        }
    }
}
