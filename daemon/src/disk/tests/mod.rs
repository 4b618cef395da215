//! What the disk survives: kills at every byte, torn writes, lost and changed bytes, other lives' files.

mod arrival;
mod formats;
mod golden;
mod in_the_way;
mod life;
mod log;
mod next_life;
mod no_files;
mod power;
mod put_back;
mod recorded;
mod rollback;
mod snapshot;
mod way_back;

use super::files::{Files, Machine};
use super::life::data_dir::{Opened, open};
use super::log::segments::SegmentSizes;
use super::recovery::Recovered;
use super::replica::recover_with;
use super::*;
use quorate_consensus::LogRecord;
use quorate_node::Write;
use quorate_proto::{ClusterId, ClusterName, Entry, GroupId, HardState, SnapshotMetadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Small, so that a test rolls through many.
const SMALL: SegmentSizes = SegmentSizes { first: 4096, next: 8192 };

/// A host's disk.
struct Host {
    dir: TempDir,
}

impl Host {
    fn new() -> Self {
        Self { dir: TempDir::new().expect("a directory") }
    }

    /// Without a real disk where the system has memory for files: for tests with very many syncs.
    fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        if !memory.is_dir() {
            return Self::new();
        }
        Self { dir: TempDir::new_in(memory).expect("a directory") }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn running(&self) -> PathBuf {
        self.dir.path().join("quorate.running")
    }

    fn life(&self) -> PathBuf {
        self.root().join("life")
    }

    fn birth(&self) -> PathBuf {
        self.dir.path().join("birth")
    }

    fn open(&self) -> Result<Opened, DiskError> {
        open(&self.root(), &self.birth(), &cluster("prod"))
    }

    fn recover(&self) -> Result<Recovered<Vec<u8>>, DiskError> {
        let opened = self.open()?;
        recover(&opened)
    }
}

/// A snapshot's state is its bytes; a state that begins with `?` is refused.
fn recover(opened: &Opened) -> Result<Recovered<Vec<u8>>, DiskError> {
    recover_on(Arc::new(Machine), opened)
}

/// The same with all that is made durable on that disk.
fn recover_on(files: Arc<dyn Files>, opened: &Opened) -> Result<Recovered<Vec<u8>>, DiskError> {
    recover_with(&opened.dir, &opened.founding, SMALL, files, |chunks| {
        let state = chunks.flatten().collect::<Vec<u8>>();
        if state.starts_with(b"?") { Err("not understood".into()) } else { Ok(state) }
    })
}

fn cluster(name: &str) -> ClusterName {
    ClusterName::new(name).expect("valid")
}

fn cluster_id(number: u8) -> ClusterId {
    ClusterId::from_bytes([number; 16])
}

fn entry(index: u64, term: u64) -> Entry {
    Entry { index, term, data: vec![b'x'; 200].into(), ..Entry::default() }
}

fn entries(first: u64, last: u64, term: u64) -> LogRecord {
    LogRecord::Entries((first..=last).map(|index| entry(index, term)).collect())
}

fn hard_state(term: u64, vote: u64, commit: u64) -> LogRecord {
    LogRecord::HardState(HardState { term, vote, commit })
}

fn birth() -> Vec<LogRecord> {
    vec![LogRecord::Reset { index: 1, term: 1 }, hard_state(1, 0, 1)]
}

fn at(index: u64, term: u64) -> SnapshotMetadata {
    SnapshotMetadata { index, term, ..SnapshotMetadata::default() }
}

fn indexes(recovered: &Recovered<Vec<u8>>) -> Vec<u64> {
    let group = recovered.group.as_ref().expect("a replica");
    group.entries.iter().map(|entry| entry.index).collect()
}

/// Appends each list of records as one batch.
fn append(recovered: &mut Recovered<Vec<u8>>, batches: &[Vec<LogRecord>]) {
    for batch in batches {
        let records: Vec<_> = batch.iter().map(|record| (GroupId::META, record.clone())).collect();
        recovered.log.segments.append(&records).expect("appended");
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("created");
    for entry in std::fs::read_dir(from).expect("listed") {
        let entry = entry.expect("listed");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("copied");
        }
    }
}

/// A write to the log of `__meta`.
fn log_write(records: Vec<LogRecord>) -> Write {
    Write::Log { group: GroupId::META, records }
}
