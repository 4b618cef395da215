//! The thread that makes the node's writes durable, in order, all that is queued with one sync (group commit).
//!
//! Contract: `Durable { number }` is told after everything up to `number` is synced. Any failed write or sync ends
//! the process before anything more is told; only "no space" is waited out, in order, and told as `DiskFull`.

use super::report::{Callback, Finder, Report};
use super::segments::{OpenLog, Segments};
use super::spare::{SpareMaker, is_full};
use crate::disk::durable::fatal;
use crate::disk::files::{Files, Machine};
use crate::disk::life::data_dir::DataDir;
use crate::disk::life::reached::{self, LogPlace, Reached};
use crate::disk::life::{founding_file, marker};
use crate::disk::snapshots::{keeper, names};
use quorate_consensus::LogRecord;
use quorate_node::{DiskStep, Write, disk_steps};
use quorate_proto::{ClusterName, Entry, FoundingState, Generation, Instance};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Writes that may wait. The node has few in flight per turn (raft bounds them), so this is only reached when the disk
/// stands still for many seconds; then the loop waits too, because nothing it does could be made durable.
const QUEUE: usize = 4096;
/// One sync covers at most this many bytes of entries, so that the first in the queue does not wait for seconds.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// A stop waits for the last writes so long: seconds beyond this are a disk that is full or hangs.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// The handle of the thread. Dropping it has the thread finish what is queued, unless the disk has no room for it or does
/// not answer: then what is left goes with the process, which loses nothing, because nothing was told of it.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Option<SyncSender<(u64, Write)>>,
    /// Closes when the thread ends.
    ended: Receiver<()>,
}

impl Writer {
    /// Starts the thread on a recovered log. `report` is called on it (and on the spare's) and must not block.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn spawn(dir: &DataDir, log: OpenLog, report: Callback) -> io::Result<Self> {
        let report = Report::new(report);
        let mut segments = log.segments;
        let files: Arc<dyn Files> = Arc::new(Machine);
        let spares = SpareMaker::start(Arc::clone(&files), &segments.log_dir(), report.clone())?;
        segments.make_spares_with(spares);
        let (queue, jobs) = sync_channel(QUEUE);
        let (alive, ended) = sync_channel(1);
        let loop_state = WriteLoop {
            files,
            life: dir.life(),
            birth_dir: dir.birth_dir().to_owned(),
            cluster: dir.identity().cluster.clone(),
            start: (dir.identity().instance, dir.generation()),
            noted: dir.reached().is_some(),
            segments,
            report,
            full: false,
        };
        loop_state.note_reached();
        std::thread::Builder::new().name("log-writer".into()).spawn(move || {
            loop_state.run(&jobs);
            drop::<SyncSender<()>>(alive);
        })?;
        Ok(Self { queue: Some(queue), ended })
    }

    /// Queues a write. Numbers grow by one. Waits when the queue is full.
    pub(crate) fn submit(&self, number: u64, write: Write) {
        if let Some(queue) = &self.queue {
            // The thread only ends after this handle is gone, or with the process.
            let _ = queue.send((number, write));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        let _ = self.ended.recv_timeout(LAST_WRITES);
    }
}

/// The thread's own.
pub(crate) struct WriteLoop {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) life: PathBuf,
    pub(crate) birth_dir: PathBuf,
    pub(crate) cluster: ClusterName,
    /// Whose log it is, and which start of it this is.
    pub(crate) start: (Instance, Generation),
    /// Whether a note about this life is there.
    pub(crate) noted: bool,
    pub(crate) segments: Segments,
    pub(crate) report: Report,
    /// No room was found for the write that is being tried.
    pub(crate) full: bool,
}

/// A write or sync that failed for good: whatever was not told may be lost, also what was written before it.
#[derive(Debug)]
pub(crate) struct Broken {
    doing: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl WriteLoop {
    fn run(mut self, jobs: &Receiver<(u64, Write)>) {
        while let Ok(first) = jobs.recv() {
            let mut bytes = size(&first.1);
            let mut drained = vec![first];
            while bytes < BATCH_BYTES
                && let Ok(job) = jobs.try_recv()
            {
                bytes += size(&job.1);
                drained.push(job);
            }
            if let Err(Broken { doing, path, error }) = self.write(drained) {
                fatal(doing, &path, &error);
            }
        }
        self.note_reached();
    }

    /// Notes outside of the data directory how far this log is durable, so that it can never be shorter unnoticed. Nothing is
    /// noted of a log that was not begun, since a birth does not wait for it, but where a note is there already: that life came in place
    /// of another, from data that can be put back.
    pub(crate) fn note_reached(&self) {
        let end = self.segments.end();
        if end == LogPlace::default() && !self.noted {
            return;
        }
        let (instance, generation) = self.start;
        let reached = Reached { instance, generation, end };
        let noted = reached::write(&*self.files, &self.birth_dir, &self.cluster, &reached);
        if let Err(error) = noted {
            // The note before it stays: a later start only knows less. A full disk must not keep a host from starting.
            tracing::warn!(%error, "how far the log has come was not noted");
        }
    }

    /// Makes the drained writes durable in order and tells them.
    ///
    /// # Errors
    /// When the disk fails other than by being full: nothing may be written or told any more.
    pub(crate) fn write(&mut self, drained: Vec<(u64, Write)>) -> Result<(), Broken> {
        for step in disk_steps(drained) {
            match step {
                DiskStep::Append(records) => {
                    let log_dir = self.segments.log_dir();
                    self.until_there_is_room("writing the log in", &log_dir, |this| {
                        this.segments.append(&records)
                    })?;
                }
                DiskStep::Founding(state) => self.write_founding(&state)?,
                DiskStep::Snapshot { group, file, metadata } => {
                    let directory = names::directory(&self.life);
                    self.until_there_is_room("naming a snapshot in", &directory, |this| {
                        keeper::count_received(&*this.files, &directory, group, file, &metadata)
                    })?;
                }
                DiskStep::Marker(cluster_id) => {
                    let file = marker::path(&self.birth_dir, &self.cluster);
                    self.until_there_is_room("writing the marker", &file, |this| {
                        marker::write(&*this.files, &this.birth_dir, &this.cluster, cluster_id)
                    })?;
                }
                DiskStep::Tell(number) => self.report.durable(number),
            }
        }
        Ok(())
    }

    fn write_founding(&mut self, state: &FoundingState) -> Result<(), Broken> {
        let file = self.life.join(founding_file::NAME);
        self.until_there_is_room("writing the founding state", &file, |this| {
            founding_file::write(&*this.files, &this.life, state)
        })?;
        if let Some(cluster_id) = state.known_cluster() {
            self.segments.belongs_to(cluster_id);
        }
        Ok(())
    }

    /// Repeats a write for as long as the disk is full; any other error is final.
    fn until_there_is_room(
        &mut self,
        doing: &'static str,
        path: &Path,
        mut write: impl FnMut(&mut Self) -> io::Result<()>,
    ) -> Result<(), Broken> {
        loop {
            match write(self) {
                Ok(()) => break,
                Err(error) if is_full(&error) => {
                    if !std::mem::replace(&mut self.full, true) {
                        self.report.full(Finder::Writer, true);
                    }
                    self.files.wait_for_room();
                }
                Err(error) => return Err(Broken { doing, path: path.to_owned(), error }),
            }
        }
        if std::mem::replace(&mut self.full, false) {
            self.report.full(Finder::Writer, false);
        }
        Ok(())
    }
}

/// About how many bytes a write needs.
fn size(write: &Write) -> usize {
    let entry = |entry: &Entry| entry.data.len() + entry.context.len() + 32;
    match write {
        Write::Founding { .. } | Write::Snapshot { .. } => 1024,
        Write::Log { records, .. } => records
            .iter()
            .map(|record| match record {
                LogRecord::Entries(entries) => entries.iter().map(entry).sum(),
                _ => 32,
            })
            .sum(),
    }
}
