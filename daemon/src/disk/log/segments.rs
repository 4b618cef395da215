//! The log as segment files: each batch one write and one sync, segments preallocated, freed whole from the front.
//!
//! Invariant: a segment gets its name only when its head, and with it the live hard state and position of every
//! group, is synced; so the segments before it can go as soon as no entry in them is needed.
//! Knows the fold's outline (hard state, position, highest index), not what an entry means.

use super::spare::{self, Spare, SpareMaker};
use super::times;
use crate::disk::durable;
use crate::disk::files::{Files, WritableFile};
use crate::disk::life::reached::LogPlace;
use quorate_consensus::LogRecord;
use quorate_consensus::log_codec::{ALIGN, Chain, HEAD, SegmentHead, encode_batch};
use quorate_proto::{ClusterId, GroupId, HardState, Instance};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// How large segments are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentSizes {
    /// The first: small, so that a birth does not wait for zeroes.
    pub(crate) first: u64,
    /// All others: large enough that making one is rare, small enough that freeing whole ones keeps the disk
    /// within a few times the live log.
    pub(crate) next: u64,
}

impl SegmentSizes {
    /// What ships.
    pub(crate) const SHIPPED: Self = Self { first: 1024 * 1024, next: 16 * 1024 * 1024 };
}

/// Name of the file that says which cluster this log belongs to (GENESIS rule 15).
pub(crate) const STORE: &str = "store";
pub(crate) const STORE_MARK: &[u8; 8] = b"qstore01";

/// The file name of a segment.
pub(crate) fn file_name(number: u64) -> String {
    format!("log-{number:020}")
}

/// The segment number of a file name.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("log-")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

/// What every segment head repeats about a group.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct GroupHead {
    pub(crate) hard_state: HardState,
    /// Position of the last `Reset` or `Compacted`.
    pub(crate) base: (u64, u64),
}

/// The segment that is being written.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) file: Box<dyn WritableFile>,
    pub(crate) head: SegmentHead,
    pub(crate) chain: Chain,
}

/// What is known of a log's files between writes; recovery builds it.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pub(crate) current: Option<Current>,
    pub(crate) groups: BTreeMap<GroupId, GroupHead>,
    /// Highest index that each segment holds, by segment and group.
    pub(crate) highest: BTreeMap<u64, BTreeMap<GroupId, u64>>,
}

impl Layout {
    /// Takes note of a record in a segment.
    pub(crate) fn note(&mut self, segment: u64, group: GroupId, record: &LogRecord) {
        let head = self.groups.entry(group).or_default();
        match record {
            LogRecord::Entries(entries) => {
                if let Some(last) = entries.last() {
                    let highest =
                        self.highest.entry(segment).or_default().entry(group).or_default();
                    *highest = last.index.max(*highest);
                }
            }
            LogRecord::HardState(state) => head.hard_state = *state,
            LogRecord::Reset { index, term } => {
                head.base = (*index, *term);
                // Everything before is void, whatever its index.
                for groups in self.highest.values_mut() {
                    groups.remove(&group);
                }
            }
            LogRecord::Compacted { index, term } => {
                if *index >= head.base.0 {
                    head.base = (*index, *term);
                }
            }
        }
    }
}

/// The log of this life, open for appending.
#[derive(Debug)]
pub(crate) struct Segments {
    files: Arc<dyn Files>,
    life: PathBuf,
    instance: Instance,
    cluster_id: ClusterId,
    sizes: SegmentSizes,
    layout: Layout,
    spares: Option<SpareMaker>,
    buffer: Vec<u8>,
}

/// The log, open for appending.
#[derive(Debug)]
pub(crate) struct OpenLog {
    pub(crate) segments: Segments,
}

impl Segments {
    pub(crate) fn new(
        life: &Path,
        instance: Instance,
        cluster_id: ClusterId,
        sizes: SegmentSizes,
        layout: Layout,
        files: Arc<dyn Files>,
    ) -> Self {
        let life = life.to_owned();
        Self { files, life, instance, cluster_id, sizes, layout, spares: None, buffer: Vec::new() }
    }

    /// From now on spares are made ahead on this thread, and a full disk is waited out.
    pub(crate) fn make_spares_with(&mut self, spares: SpareMaker) {
        if self.layout.current.is_none() {
            spares.want(self.sizes.first);
        }
        self.spares = Some(spares);
    }

    /// The cluster this log belongs to, once known: stamped into segments from now on.
    pub(crate) fn belongs_to(&mut self, cluster_id: ClusterId) {
        self.cluster_id = cluster_id;
    }

    pub(crate) fn log_dir(&self) -> PathBuf {
        self.life.join("log")
    }

    /// Up to where everything is durable.
    pub(crate) fn end(&self) -> LogPlace {
        let place = |current: &Current| LogPlace {
            segment: current.head.number,
            offset: current.chain.offset(),
        };
        self.layout.current.as_ref().map(place).unwrap_or_default()
    }

    /// Appends one batch durably: one write, one sync. On an error nothing of it counts, and after
    /// `StorageFull` the same records may be appended again.
    pub(crate) fn append(&mut self, records: &[(GroupId, LogRecord)]) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.append_with(&mut buffer, records);
        // Bounded between batches: one huge write must not stay allocated for good.
        buffer.clear();
        buffer.shrink_to(1024 * 1024);
        self.buffer = buffer;
        result?;
        self.free_front()
    }

    fn append_with(
        &mut self,
        buffer: &mut Vec<u8>,
        records: &[(GroupId, LogRecord)],
    ) -> io::Result<()> {
        let (head, end) = match &self.layout.current {
            Some(current) => (current.head, current.chain),
            None => (self.head(0, 0), self.head(0, 0).chain()),
        };
        let mut chain = encode_behind(end, records, buffer);
        if chain.offset() > head.size {
            self.roll(buffer.len() as u64)?;
            // Bound to its place, so encoded anew for this one: once a segment.
            let begun = self.layout.current.as_ref().expect("rolled just now").chain;
            chain = encode_behind(begun, records, buffer);
        }
        let current = self.layout.current.as_mut().expect("rolled when there was none");
        let synced = current.chain.offset();
        let begun = Instant::now();
        current.file.write_all_at(buffer, synced)?;
        let written = Instant::now();
        current.file.sync_data().map_err(never_full)?;
        times::SYNCS.note(written.elapsed());
        times::WRITES.note(begun.elapsed());
        current.chain = chain;
        let (number, size) = (current.head.number, current.head.size);
        for (group, record) in records {
            self.layout.note(number, *group, record);
        }
        if chain.offset() > size / 2
            && let Some(spares) = &self.spares
        {
            spares.want(self.sizes.next);
        }
        Ok(())
    }

    fn head(&self, number: u64, size: u64) -> SegmentHead {
        let end = self.layout.current.as_ref().map(|current| current.chain);
        SegmentHead {
            number,
            instance: self.instance.to_bytes(),
            cluster_id: self.cluster_id.to_bytes(),
            size,
            previous_end: end.map_or(0, |end| end.offset()),
            previous_checksum: end.map_or(0, |end| end.checksum()),
        }
    }

    /// Begins the next segment, with room for a batch of `need` bytes.
    fn roll(&mut self, need: u64) -> io::Result<()> {
        let number = self.layout.current.as_ref().map_or(1, |current| current.head.number + 1);
        let live: Vec<(GroupId, LogRecord)> = self
            .layout
            .groups
            .iter()
            .flat_map(|(group, head)| {
                let (index, term) = head.base;
                let base = LogRecord::Compacted { index, term };
                [(*group, base), (*group, LogRecord::HardState(head.hard_state))]
            })
            .collect();
        let usual = if number == 1 { self.sizes.first } else { self.sizes.next };
        // A group's head takes well under 128 bytes.
        let need = (HEAD + 64 + live.len() * 128) as u64 + need;
        let size = usual.max(need.next_multiple_of(ALIGN as u64));
        let Spare { file, path, size } = match &self.spares {
            Some(spares) => spares.take(size),
            None => spare::make(&*self.files, &self.log_dir(), size)?,
        };
        let head = self.head(number, size);
        let mut chain = head.chain();
        let mut bytes = head.encode().to_vec();
        if !live.is_empty() {
            let synced = chain.offset();
            encode_batch(&mut chain, synced, &live, &mut bytes);
        }
        file.write_all_at(&bytes, 0)?;
        file.sync_data().map_err(never_full)?;
        self.files.rename(&path, &self.log_dir().join(file_name(number)))?;
        self.files.sync_directory(&self.log_dir()).map_err(never_full)?;
        if number == 1 {
            self.write_store_mark()?;
        }
        self.layout.highest.entry(number).or_default();
        self.layout.current = Some(Current { file, head, chain });
        Ok(())
    }

    /// Says durably that this log exists and whose it is: before the first record, so before the first vote.
    fn write_store_mark(&self) -> io::Result<()> {
        let mark = durable::seal(STORE_MARK, &self.cluster_id.to_bytes());
        durable::replace(&*self.files, &self.life.join(STORE), &mark)
    }

    /// Frees whole segments from the front that hold no entry behind their group's position. One by one with
    /// the directory synced, so that a crash never leaves a gap in the numbers.
    fn free_front(&mut self) -> io::Result<()> {
        let Some(current) = self.layout.current.as_ref().map(|current| current.head.number) else {
            return Ok(());
        };
        while let Some(first) = self.layout.highest.first_entry() {
            let needed = first.get().iter().any(|(group, highest)| {
                self.layout.groups.get(group).is_none_or(|head| *highest > head.base.0)
            });
            if *first.key() == current || needed {
                break;
            }
            let path = self.life.join("log").join(file_name(*first.key()));
            match self.files.remove(&path) {
                Ok(()) => {}
                // Some file systems need room to remove: the records are durable, so this waits for the next batch.
                Err(error) if spare::is_full(&error) => break,
                Err(error) => return Err(error),
            }
            first.remove();
            self.files.sync_directory(&self.log_dir()).map_err(never_full)?;
        }
        Ok(())
    }
}

/// Encodes one batch alone into `buffer`, for the place behind `end`; where the one after it goes.
fn encode_behind(end: Chain, records: &[(GroupId, LogRecord)], buffer: &mut Vec<u8>) -> Chain {
    let mut chain = end;
    buffer.clear();
    encode_batch(&mut chain, end.offset(), records, buffer);
    chain
}

/// A sync that says "full" may have dropped pages: it must not be mistaken for a write that can be repeated.
fn never_full(error: io::Error) -> io::Error {
    io::Error::other(format!("sync: {error}"))
}
