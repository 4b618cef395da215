//! Snapshot files beside the log: written on a thread of their own, the newest two kept.
//!
//! Invariant: a snapshot counts once its final name is durable; nothing older is removed before that. One that was received
//! gets that name when raft has taken it (`writer.rs`).

use super::arrivals::Arrivals;
use super::file::{self, Owner};
use super::names::{directory, file_name, list, received};
use super::source::SnapshotSource;
use crate::disk::durable::fatal;
use crate::disk::files::{Files, sync_directory};
use crate::disk::life::data_dir::DataDir;
use crate::disk::log::spare::is_full;
use bytes::Bytes;
use quorate_proto::{ClusterId, GroupId, Instance, SnapshotMetadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::SystemTime;

/// The newest may turn out damaged while the log still reaches back to the one before.
const KEPT: usize = 2;
/// Snapshots that may wait: one taken here and one received, twice.
const QUEUE: usize = 4;

/// A snapshot to be made durable.
pub(crate) struct SnapshotJob {
    /// The cluster it belongs to.
    pub(crate) cluster_id: ClusterId,
    /// The group whose state it is.
    pub(crate) group: GroupId,
    /// Where it stands.
    pub(crate) metadata: SnapshotMetadata,
    /// Its content, made while it is written.
    pub(crate) chunks: Box<dyn Iterator<Item = Bytes> + Send>,
    /// Called once with the outcome, on the snapshot thread; must not block. An error means that nothing was kept (no
    /// room, or too many at once): ask again later.
    pub(crate) done: Box<dyn FnOnce(Result<(), String>) + Send>,
}

/// The handle of the thread. Dropping it finishes what is queued and then ends the thread.
#[derive(Debug)]
pub(crate) struct SnapshotKeeper {
    queue: Option<SyncSender<SnapshotJob>>,
    thread: Option<std::thread::JoinHandle<()>>,
    directory: PathBuf,
    instance: Instance,
    /// Snapshots that come from peers.
    pub(crate) arrivals: Arrivals,
}

impl SnapshotKeeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn spawn(dir: &DataDir) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE);
        let directory = directory(&dir.life());
        let instance = dir.identity().instance;
        let (path, arrivals) = (directory.clone(), Arrivals::new(directory.clone(), instance));
        let run = move |jobs: &Receiver<SnapshotJob>| {
            while let Ok(SnapshotJob { cluster_id, group, metadata, chunks, done }) = jobs.recv() {
                done(keep(&path, Owner { instance, cluster_id }, group, &metadata, chunks));
            }
        };
        let thread =
            std::thread::Builder::new().name("snapshots".into()).spawn(move || run(&jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), directory, instance, arrivals })
    }

    /// Opens a durable snapshot of this life for sending. Blocks on the disk.
    ///
    /// # Errors
    /// The reason, when it is not there or its head is not what it should be.
    pub(crate) fn open(
        &self,
        cluster_id: ClusterId,
        group: GroupId,
        metadata: &SnapshotMetadata,
    ) -> Result<SnapshotSource, String> {
        let path = self.directory.join(file_name(group, metadata));
        let owner = Owner { instance: self.instance, cluster_id };
        SnapshotSource::open(&path, owner, metadata)
            .map_err(|why| format!("snapshot {} cannot be read: {why}", path.display()))
    }

    /// Queues a snapshot; never waits.
    pub(crate) fn store(&self, job: SnapshotJob) {
        let Some(queue) = &self.queue else { return };
        match queue.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => {
                (job.done)(Err("too many snapshots are being written".into()));
            }
        }
    }
}

impl Drop for SnapshotKeeper {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Where this life's snapshots are.
pub(crate) fn of(dir: &DataDir) -> PathBuf {
    directory(&dir.life())
}

/// Makes a snapshot durable, then removes what is older than the newest two. A failed write or sync other than
/// "no space" ends the process.
pub(crate) fn keep(
    directory: &Path,
    owner: Owner,
    group: GroupId,
    metadata: &SnapshotMetadata,
    chunks: impl Iterator<Item = Bytes>,
) -> Result<(), String> {
    let path = directory.join(file_name(group, metadata));
    match file::write(&path, owner, metadata, chunks) {
        Ok(()) => {}
        Err(error) if is_full(&error) || error.kind() == io::ErrorKind::InvalidInput => {
            return Err(format!("snapshot {} was not kept: {error}", path.display()));
        }
        Err(error) => fatal("writing the snapshot", &path, &error),
    }
    prune(directory, group);
    Ok(())
}

/// Removes what is older than the newest two of a group.
pub(crate) fn prune(directory: &Path, group: GroupId) {
    let prune = || -> io::Result<()> {
        let of_group = list(directory)?.into_iter().filter(|named| named.group == group);
        for old in of_group.skip(KEPT) {
            match std::fs::remove_file(old.path) {
                // Another thread was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        sync_directory(directory)
    };
    if let Err(error) = prune() {
        // Only space is lost; the next snapshot tries again.
        tracing::warn!(%error, directory = %directory.display(), "old snapshots stay");
    }
}

/// Gives a snapshot that was received aside the name under which it counts, then removes what is older than the newest two.
pub(crate) fn count_received(
    files: &dyn Files,
    directory: &Path,
    group: GroupId,
    file: u64,
    metadata: &SnapshotMetadata,
) -> io::Result<()> {
    let name = directory.join(file_name(group, metadata));
    match files.rename(&received(directory, file), &name) {
        // Tried again because there was no room for the sync.
        Err(error) if error.kind() == io::ErrorKind::NotFound && name.exists() => {}
        renamed => renamed?,
    }
    files.sync_directory(directory)?;
    prune(directory, group);
    Ok(())
}

/// When the newest snapshot was written; none before the first.
pub(crate) fn newest_at(directory: &Path) -> Option<SystemTime> {
    list(directory).ok()?.first()?.path.metadata().ok()?.modified().ok()
}
