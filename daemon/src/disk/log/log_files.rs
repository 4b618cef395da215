//! Reads the log's segment files at start: checks that they are this life's, whole and without gaps, cuts a torn
//! tail, and refuses corruption with file and offset.
//!
//! Invariant: what is handed on is durable. A process that was killed leaves writes and names that this one reads and that the
//! next power cut would take away.

use super::segments::{Current, Layout, STORE, STORE_MARK, SegmentSizes, file_name, number_of};
use crate::disk::durable::unseal;
use crate::disk::error::DiskError;
use crate::disk::files::{Files, WritableFile};
use crate::disk::life::identity::Identity;
use crate::disk::life::reached::LogPlace;
use crate::disk::presence::{read_if_there, unreadable};
use crate::regular;
use quorate_consensus::log_codec::fold::LogFold;
use quorate_consensus::log_codec::{Contents, Corruption, SegmentHead, read_last, read_sealed};
use quorate_proto::{ClusterId, GroupId};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes of any segment, with much room: one is as large as others, or as one batch.
const LARGEST: u64 = 1024 * 1024 * 1024;
const _: () = assert!(SegmentSizes::SHIPPED.next * 16 < LARGEST);

/// A log as its files have it.
#[derive(Debug, Default)]
pub(crate) struct LogFiles {
    /// What the records of each group mean together.
    pub(crate) folds: BTreeMap<GroupId, LogFold>,
    /// For appending.
    pub(crate) layout: Layout,
    /// The torn tail that was cut, for the journal.
    pub(crate) cut: Option<(PathBuf, Range<u64>)>,
}

/// Reads the log of a life, which must reach to `reached`. An empty answer means that none was ever begun.
pub(crate) fn read(
    files: &dyn Files,
    life: &Path,
    identity: &Identity,
    cluster_id: Option<ClusterId>,
    reached: LogPlace,
) -> Result<LogFiles, DiskError> {
    let reader = Reader { files, log_dir: life.join("log"), identity, cluster_id };
    let numbers = reader.list()?;
    if numbers.is_empty() {
        reader.check_never_begun(reached)?;
    }
    reader.check_store_mark(life, numbers.is_empty())?;
    let mut log = LogFiles::default();
    let mut next: Option<Segment> = None;
    for (place, number) in numbers.iter().enumerate() {
        let (head, file, bytes) = match next.take() {
            Some(read) => read,
            None => reader.open(*number)?,
        };
        if let Some(later) = numbers.get(place + 1) {
            if *later != number + 1 {
                return Err(reader.damaged(*later - 1, "this segment is missing".into()));
            }
            next = Some(reader.open(*later)?);
        }
        let contents = match &next {
            Some((next, ..)) => read_sealed(&head, &bytes, next),
            None => read_last(&head, &bytes),
        };
        let contents = contents.map_err(|damage| reader.corrupt(*number, damage))?;
        if next.is_none() {
            reader.check_end(*number, &contents, reached)?;
            reader.settle(*number, &*file, &bytes, &contents)?;
            log.cut =
                (!contents.torn.is_empty()).then(|| (reader.path(*number), contents.torn.clone()));
        }
        log.take(head, file, contents);
    }
    Ok(log)
}

impl LogFiles {
    fn take(&mut self, head: SegmentHead, file: Box<dyn WritableFile>, contents: Contents) {
        self.layout.highest.entry(head.number).or_default();
        for (group, record) in contents.records {
            self.layout.note(head.number, group, &record);
            self.folds.entry(group).or_default().add(record);
        }
        self.layout.current = Some(Current { file, head, chain: contents.end });
    }
}

/// A segment's head, the file, and all its bytes.
type Segment = (SegmentHead, Box<dyn WritableFile>, Vec<u8>);

struct Reader<'a> {
    files: &'a dyn Files,
    log_dir: PathBuf,
    identity: &'a Identity,
    cluster_id: Option<ClusterId>,
}

impl Reader<'_> {
    fn path(&self, number: u64) -> PathBuf {
        self.log_dir.join(file_name(number))
    }

    /// Numbers of all segments, in order, their names durable. Spares of an earlier run are removed.
    fn list(&self) -> Result<Vec<u64>, DiskError> {
        let failed = |error| DiskError::io("list", &self.log_dir, error);
        let listing = match std::fs::read_dir(&self.log_dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DiskError::Damaged {
                    file: self.log_dir.clone(),
                    reason: "the directory is missing".into(),
                    cluster: self.identity.cluster.to_string(),
                });
            }
            listing => listing.map_err(failed)?,
        };
        let mut numbers = Vec::new();
        for entry in listing {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name == "spare" {
                let path = entry.path();
                self.files.remove(&path).map_err(|error| DiskError::io("remove", &path, error))?;
            }
            numbers.extend(name.to_str().and_then(number_of));
        }
        self.files
            .sync_directory(&self.log_dir)
            .map_err(|error| DiskError::io("sync", &self.log_dir, error))?;
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// No segments, though a place in the log was noted as safe: the log was lost, and its store mark may be lost with it.
    fn check_never_begun(&self, noted: LogPlace) -> Result<(), DiskError> {
        if noted == LogPlace::default() {
            return Ok(());
        }
        let reason = format!(
            "the log of this host is gone; when it last started or stopped, all was safe up to byte {} of segment {}",
            noted.offset, noted.segment
        );
        let (file, cluster) = (self.log_dir.clone(), self.identity.cluster.to_string());
        Err(DiskError::Damaged { file, reason, cluster })
    }

    /// A store mark without segments is a log that was lost; a mark of another cluster is another log.
    fn check_store_mark(&self, life: &Path, empty: bool) -> Result<(), DiskError> {
        let file = life.join(STORE);
        let cluster = self.identity.cluster.to_string();
        let Some(content) = read_if_there(&file, &cluster)? else { return Ok(()) };
        let bytes = unseal(STORE_MARK, &content).ok().and_then(|body| body.try_into().ok());
        let Some(bytes) = bytes else {
            let reason = "it is not as it was written".into();
            return Err(DiskError::Damaged { file, reason, cluster });
        };
        if empty {
            let reason = "the log of this host is gone".into();
            return Err(DiskError::Damaged { file: self.log_dir.clone(), reason, cluster });
        }
        self.check_genesis(file, ClusterId::from_bytes(bytes))
    }

    fn check_genesis(&self, file: PathBuf, found: ClusterId) -> Result<(), DiskError> {
        let unknown = found.is_nobody();
        match self.cluster_id {
            Some(wanted) if !unknown && found != wanted => Err(DiskError::Mixed {
                file,
                found: format!("cluster {found}"),
                wanted: format!("cluster {wanted}"),
                cluster: self.identity.cluster.to_string(),
            }),
            _ => Ok(()),
        }
    }

    fn open(&self, number: u64) -> Result<Segment, DiskError> {
        let path = self.path(number);
        let failed = |error| unreadable(&path, self.identity.cluster.as_str(), error);
        let bytes = regular::read(&path, LARGEST).map_err(failed)?;
        let file = self.files.open(&path).map_err(|error| DiskError::io("open", &path, error))?;
        let head = SegmentHead::decode(&bytes).filter(|head| head.number == number);
        let Some(head) = head else {
            let reason = "the segment's head is not as it was written".into();
            return Err(self.corrupt(number, Corruption { offset: 0, reason }));
        };
        if head.instance != self.identity.instance.to_bytes() {
            return Err(DiskError::Mixed {
                file: path,
                found: format!("disk {:?}", quorate_proto::Instance::from_bytes(head.instance)),
                wanted: format!("disk {:?}", self.identity.instance),
                cluster: self.identity.cluster.to_string(),
            });
        }
        self.check_genesis(path, ClusterId::from_bytes(head.cluster_id))?;
        Ok((head, file, bytes))
    }

    /// The last segment must not end before the place that was noted as safe.
    fn check_end(&self, number: u64, found: &Contents, noted: LogPlace) -> Result<(), DiskError> {
        let end = LogPlace { segment: number, offset: found.end.offset() };
        if end >= noted {
            return Ok(());
        }
        let what = if found.torn.is_empty() { "the log ends here" } else { "a batch is broken" };
        let reason = format!(
            "{what}, but when this host last started or stopped, all was safe up to byte {} of segment {}",
            noted.offset, noted.segment
        );
        Err(self.corrupt(number, Corruption { offset: end.offset, reason }))
    }

    /// Makes the last segment durable as it was read, before anything is written behind it: zeroes a torn tail, and writes
    /// the last batch once more, which no later one vouches for. A sync alone would not do: behind one that has failed the
    /// system reads pages that it never writes again.
    fn settle(
        &self,
        number: u64,
        file: &dyn WritableFile,
        bytes: &[u8],
        found: &Contents,
    ) -> Result<(), DiskError> {
        let settle = || -> io::Result<()> {
            let place = |offset| usize::try_from(offset).expect("read into memory before");
            let last = &bytes[place(found.last)..place(found.end.offset())];
            file.write_all_at(last, found.last)?;
            if !found.torn.is_empty() {
                let zeroes = vec![0; place(found.torn.end - found.torn.start)];
                file.write_all_at(&zeroes, found.torn.start)?;
            }
            file.sync_data()
        };
        settle().map_err(|error| DiskError::io("settle the end of", &self.path(number), error))
    }

    fn corrupt(&self, number: u64, Corruption { offset, reason }: Corruption) -> DiskError {
        let cluster = self.identity.cluster.to_string();
        DiskError::Corrupt { file: self.path(number), offset, reason, cluster }
    }

    fn damaged(&self, number: u64, reason: String) -> DiskError {
        let cluster = self.identity.cluster.to_string();
        DiskError::Damaged { file: self.path(number), reason, cluster }
    }
}
