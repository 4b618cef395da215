//! Snapshots that come from peers, written to the disk as they arrive: each into a file of its own, which is handed over once it is
//! whole, synced, read back and understood. It does not count before raft has taken it and the log writer has named it.
//!
//! When the connection is lost the file stays for a while, so that the sender can go on where it was. Every way out
//! other than that removes it, and so does a start.

use super::file::{Owner, Pieces, SnapshotReader, SnapshotWriter};
use super::names::{file_name, received};
use super::source::unstamped;
use crate::disk::durable::fatal;
use crate::disk::files::{Files as _, Machine};
use crate::disk::log::spare::is_full;
use quorate_proto::{ClusterId, GroupId, Instance, SnapshotMetadata};
use quorate_transport::{SnapshotPart, SnapshotPosition};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Senders whose files are kept: as many as may send at one time, twice.
const SENDERS: usize = 8;

/// Why a snapshot did not come to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The connection was lost. What is here is kept; the number is for [`Arrivals::expire`].
    Lost(u64),
    /// The reason, for a person.
    Because(String),
}

/// What a peer says of the snapshot that it sends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Announced {
    /// The peer.
    pub(crate) from: Instance,
    /// Our cluster.
    pub(crate) cluster_id: ClusterId,
    /// The group whose state it is.
    pub(crate) group: GroupId,
    /// Where it stands.
    pub(crate) metadata: SnapshotMetadata,
    /// More bytes than this are not taken.
    pub(crate) bytes: u64,
}

/// How a snapshot comes in.
pub(crate) trait Incoming {
    /// Tells the sender what is here; false when it is gone.
    fn have(&mut self, position: SnapshotPosition) -> bool;
    /// The next part; none when the connection is lost.
    fn next(&mut self) -> Option<SnapshotPart>;
}

/// A peer, and of which group the snapshot is that it sends.
type Sender = (GroupId, Instance);

/// The files of all senders.
#[derive(Debug)]
pub(crate) struct Arrivals {
    directory: PathBuf,
    instance: Instance,
    senders: Mutex<BTreeMap<Sender, Arc<Mutex<Slot>>>>,
    /// Files so far: no two have one number.
    files: AtomicU64,
    /// What each file that is being received may still grow by. At most one for each sender lives.
    to_come: Mutex<Vec<Weak<AtomicU64>>>,
}

/// One sender's. Locked for as long as something arrives from it, so that a connection that is made again waits for the
/// end of the one before.
#[derive(Debug, Default)]
struct Slot {
    kept: Option<Kept>,
    /// Counts what was kept, so that an older expiry does not remove something newer.
    number: u64,
}

/// What is here of a snapshot.
#[derive(Debug)]
struct Kept {
    metadata: SnapshotMetadata,
    position: SnapshotPosition,
    /// Of the content that is here.
    bytes: u64,
    /// Never more than this: the least that was announced, at first or when it went on.
    most: u64,
    /// The difference, as the other senders count it.
    to_come: Arc<AtomicU64>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// A part of it, aside.
    Aside { writer: SnapshotWriter, file: u64, path: PathBuf },
    /// All of it, durable, and handed over; only the sender may not have heard of that.
    Whole { file: u64 },
}

/// A snapshot that is whole, durable and understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received<M> {
    /// What it means.
    pub(crate) state: M,
    /// Its number, for `Write::Snapshot` and [`Arrivals::discard`].
    pub(crate) file: u64,
    /// For [`Arrivals::expire`].
    pub(crate) number: u64,
}

impl Kept {
    /// Takes note of so many bytes more, of which a sender announced `most`.
    fn grow(&mut self, bytes: u64, most: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.most = self.most.min(most);
        self.to_come.store(self.most.saturating_sub(self.bytes), Ordering::Relaxed);
    }

    fn forget(self) {
        if let Place::Aside { path, .. } = self.place {
            remove(&path);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Arrivals {
    pub(crate) fn new(directory: PathBuf, instance: Instance) -> Self {
        let (senders, to_come) = (Mutex::default(), Mutex::default());
        Self { directory, instance, senders, files: AtomicU64::new(0), to_come }
    }

    fn slot(&self, from: Sender) -> Arc<Mutex<Slot>> {
        let mut senders = lock(&self.senders);
        if senders.len() >= SENDERS && !senders.contains_key(&from) {
            // Those that are in use stay; the transport bounds them.
            senders.retain(|_, slot| {
                let used = Arc::strong_count(slot) > 1;
                if !used && let Some(kept) = lock(slot).kept.take() {
                    kept.forget();
                }
                used
            });
        }
        Arc::clone(senders.entry(from).or_default())
    }

    fn new_file(&self) -> (u64, PathBuf) {
        let file = self.files.fetch_add(1, Ordering::Relaxed);
        (file, received(&self.directory, file))
    }

    /// A snapshot that was handed over is not taken.
    pub(crate) fn discard(&self, file: u64) {
        remove(&received(&self.directory, file));
    }

    /// Takes a snapshot in. When this returns a state, its file is durable. Blocks on the disk and on the sender.
    ///
    /// # Errors
    /// When it does not count, see [`Refused`].
    pub(crate) fn receive<M>(
        &self,
        announced: &Announced,
        incoming: &mut impl Incoming,
        restore: impl FnOnce(Pieces<'_>) -> Result<M, String>,
    ) -> Result<Received<M>, Refused> {
        let slot = self.slot((announced.group, announced.from));
        let mut slot = lock(&slot);
        slot.number += 1;
        let kept = slot.kept.take();
        let kept = kept.and_then(|kept| {
            if kept.metadata == announced.metadata {
                return Some(kept);
            }
            kept.forget();
            None
        });
        let position = kept.as_ref().map_or_else(SnapshotPosition::default, |kept| kept.position);
        let begins = incoming.have(position).then(|| incoming.next()).flatten();
        let mut kept = match (begins, kept) {
            (None, kept) => {
                slot.kept = kept;
                return Err(Refused::Lost(slot.number));
            }
            (Some(SnapshotPart::Begin { pieces }), Some(kept)) if pieces == position.pieces => kept,
            (Some(SnapshotPart::Begin { pieces: 0 }), kept) => {
                kept.into_iter().for_each(Kept::forget);
                self.begin(announced)?
            }
            (Some(_), kept) => {
                kept.into_iter().for_each(Kept::forget);
                return Err(Refused::Because("it does not begin where it was asked to".into()));
            }
        };
        kept.grow(0, announced.bytes);
        match take(&mut kept, incoming) {
            Ok(()) => {}
            Err(Refused::Lost(_)) => {
                slot.kept = Some(kept);
                return Err(Refused::Lost(slot.number));
            }
            Err(because) => {
                kept.forget();
                return Err(because);
            }
        }
        let number = slot.number;
        let (state, file, kept) = self.hand_over(announced, kept, number, restore)?;
        slot.kept = Some(kept);
        Ok(Received { state, file, number })
    }

    /// Opens a file, when there is room for it and for what others have announced and not sent yet.
    fn begin(&self, announced: &Announced) -> Result<Kept, Refused> {
        let mut to_come = lock(&self.to_come);
        to_come.retain(|one| one.strong_count() > 0);
        let others = to_come.iter().filter_map(Weak::upgrade);
        let others = others.map(|one| one.load(Ordering::Relaxed)).fold(0, u64::saturating_add);
        let room = Machine.room(&self.directory);
        let room = room.map_err(|error| failed(&self.directory, &error))?;
        if announced.bytes > (room - room / 8).saturating_sub(others) {
            return Err(Refused::Because(format!(
                "it takes {} bytes, and {} has {room} left, of which an eighth is for the log and {others} are for snapshots on their way",
                announced.bytes,
                self.directory.display()
            )));
        }
        let (file, path) = self.new_file();
        let owner = Owner { instance: self.instance, cluster_id: announced.cluster_id };
        let writer = SnapshotWriter::create(&path, owner, &announced.metadata);
        let writer = writer.map_err(|error| failed(&path, &error))?;
        let (metadata, position) = (announced.metadata.clone(), SnapshotPosition::default());
        let (most, ours) = (announced.bytes, Arc::new(AtomicU64::new(announced.bytes)));
        to_come.push(Arc::downgrade(&ours));
        let place = Place::Aside { writer, file, path };
        Ok(Kept { metadata, position, bytes: 0, most, to_come: ours, place })
    }

    /// Syncs what is whole and reads it back. What was handed over before is handed over under another number.
    fn hand_over<M>(
        &self,
        announced: &Announced,
        kept: Kept,
        number: u64,
        restore: impl FnOnce(Pieces<'_>) -> Result<M, String>,
    ) -> Result<(M, u64, Kept), Refused> {
        let Kept { metadata, position, bytes, most, to_come, place } = kept;
        to_come.store(0, Ordering::Relaxed);
        let (file, path) = match place {
            Place::Whole { file } => {
                let (new, path) = self.new_file();
                let name = self.directory.join(file_name(announced.group, &announced.metadata));
                let old = [received(&self.directory, file), name];
                if !old.iter().any(|old| std::fs::hard_link(old, &path).is_ok()) {
                    // Not taken, or pruned since: it is sent from its beginning.
                    return Err(Refused::Lost(number));
                }
                (new, path)
            }
            Place::Aside { writer, file, path } => {
                writer.finish().map_err(|error| failed(&path, &error))?;
                (file, path)
            }
        };
        let state = restore_from(&path, restore).inspect_err(|_| remove(&path))?;
        let place = Place::Whole { file };
        Ok((state, file, Kept { metadata, position, bytes, most, to_come, place }))
    }

    /// Removes what was kept for a sender that did not come again.
    pub(crate) fn expire(&self, group: GroupId, from: Instance, number: u64) {
        let slot = lock(&self.senders).get(&(group, from)).map(Arc::clone);
        // In use: it came again.
        if let Some(slot) = slot
            && let Ok(mut slot) = slot.try_lock()
            && slot.number == number
        {
            slot.kept.take().into_iter().for_each(Kept::forget);
        }
    }
}

/// Writes what comes, up to its end; never more than was announced.
fn take(kept: &mut Kept, incoming: &mut impl Incoming) -> Result<(), Refused> {
    loop {
        let piece = match incoming.next() {
            None => return Err(Refused::Lost(0)),
            Some(SnapshotPart::End) => return Ok(()),
            Some(SnapshotPart::Piece(piece)) => piece,
            Some(SnapshotPart::Begin { .. }) => {
                return Err(Refused::Because("it begins twice".into()));
            }
        };
        let Some((chain, chunk)) = unstamped(kept.position.chain, &piece) else {
            return Err(Refused::Because("a checksum is wrong".into()));
        };
        kept.grow(chunk.len() as u64, kept.most);
        if kept.bytes > kept.most {
            let most = kept.most;
            let why = format!("it is longer than the {most} bytes that were announced");
            return Err(Refused::Because(why));
        }
        let Place::Aside { writer, path, .. } = &mut kept.place else {
            return Err(Refused::Because("it goes on behind its end".into()));
        };
        writer.piece(chunk).map_err(|error| failed(path, &error))?;
        kept.position = SnapshotPosition { pieces: kept.position.pieces + 1, chain };
    }
}

fn restore_from<M>(
    path: &Path,
    restore: impl FnOnce(Pieces<'_>) -> Result<M, String>,
) -> Result<M, Refused> {
    let mut reader = SnapshotReader::open(path).map_err(|it| Refused::Because(it.into()))?;
    let restored = restore(&mut reader);
    reader.verdict().map_err(Refused::Because)?;
    restored.map_err(Refused::Because)
}

fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}

/// No room, and content out of bounds, are told; after any other failure nothing on this disk can be trusted.
fn failed(path: &Path, error: &io::Error) -> Refused {
    if is_full(error) || error.kind() == io::ErrorKind::InvalidInput {
        remove(path);
        return Refused::Because(format!("{}: {error}", path.display()));
    }
    fatal("writing the snapshot", path, error)
}
