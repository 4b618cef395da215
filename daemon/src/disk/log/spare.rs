//! The next segment, preallocated and zero-filled before it is needed, on a thread of its own.
//!
//! It is also the reserve of a full disk: when there is no room for the next spare, or hardly any at all, the node is told
//! (`DiskFull`) and refuses what clients write, while what is left of the current segment still takes votes and commits. The thread looks
//! again each second and tells when there is room.

use super::report::{Finder, Report};
use crate::disk::durable;
use crate::disk::files::{Files, RETRY, WritableFile};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a disk with room is looked at: others fill it too, and a full one should be told of before the log needs it.
const LOOK: Duration = Duration::from_secs(10);
/// Space that is left to others (and to the founding state) when a segment is made.
const SLACK: u64 = 2 * 1024 * 1024;
/// Zeroes are written in pieces of this size.
const ZEROES: usize = 256 * 1024;

/// A file full of synced zeroes that has no name of its own yet.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) file: Box<dyn WritableFile>,
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
}

/// Makes a spare now.
pub(crate) fn make(files: &dyn Files, log_dir: &Path, size: u64) -> io::Result<Spare> {
    if files.room(log_dir)? < size + SLACK {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let path = log_dir.join("spare");
    let file = files.create(&path)?;
    let filled = (|| {
        let zeroes = vec![0; ZEROES];
        let mut filled = 0;
        while filled < size {
            let piece = (size - filled).min(ZEROES as u64);
            file.write_all_at(&zeroes[..usize::try_from(piece).expect("at most ZEROES")], filled)?;
            filled += piece;
        }
        file.sync_all()
    })();
    match filled {
        Ok(()) => Ok(Spare { file, path, size }),
        Err(error) => {
            // A half-filled spare must not use up the last room.
            let _ = files.remove(&path);
            Err(error)
        }
    }
}

#[derive(Debug, Default)]
struct State {
    wanted: Option<u64>,
    ready: Option<Spare>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that makes spares ahead of need.
#[derive(Debug)]
pub(crate) struct SpareMaker {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl SpareMaker {
    pub(crate) fn start(files: Arc<dyn Files>, log_dir: &Path, report: Report) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (dir, theirs) = (log_dir.to_owned(), Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("log-spare".into())
            .spawn(move || run(&*files, &dir, &theirs, &report))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Asks for a spare of at least this size; returns at once.
    pub(crate) fn want(&self, size: u64) {
        let mut state = self.shared.lock();
        if state.wanted.is_none() && state.ready.is_none() {
            state.wanted = Some(size);
            self.shared.changed.notify_all();
        }
    }

    /// Waits for a spare of at least this size, for as long as the disk is full.
    pub(crate) fn take(&self, size: u64) -> Spare {
        let mut state = self.shared.lock();
        loop {
            match state.ready.take() {
                Some(spare) if spare.size >= size => return spare,
                _ => {}
            }
            if state.wanted.is_none_or(|wanted| wanted < size) {
                state.wanted = Some(size);
                self.shared.changed.notify_all();
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for SpareMaker {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(files: &dyn Files, log_dir: &Path, shared: &Shared, report: &Report) {
    let mut full = false;
    let mut state = shared.lock();
    while !state.closed {
        let wanted = state.wanted;
        drop(state);
        let made = wanted.map(|size| make(files, log_dir, size));
        let now_full = match &made {
            Some(Ok(_)) => false,
            Some(Err(error)) if is_full(error) => true,
            Some(Err(error)) => durable::fatal("making the next log segment in", log_dir, error),
            None => hardly_any_room(files, log_dir, full),
        };
        if now_full != full {
            full = now_full;
            report.full(Finder::Maker, full);
        }
        state = shared.lock();
        if let Some(Ok(spare)) = made {
            // A larger one may have been asked for meanwhile; then this one is written over.
            if state.wanted == wanted {
                state.wanted = None;
                state.ready = Some(spare);
                shared.changed.notify_all();
            }
        } else if !state.closed && state.wanted == wanted {
            let pause = if full { RETRY } else { LOOK };
            state =
                shared.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Whether what others need is not left, where no segment is to be made. A full disk must have twice as much before it is well, or
/// each file that comes and goes would be news. Where the system does not say, nothing changes.
fn hardly_any_room(files: &dyn Files, log_dir: &Path, full: bool) -> bool {
    let least = if full { 2 * SLACK } else { SLACK };
    files.room(log_dir).map_or(full, |room| room < least)
}

/// Whether the disk has no room: the one error that passes by itself.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Completed;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;

    /// A disk of which only the room matters.
    #[derive(Debug)]
    struct Room(AtomicU64);

    impl Files for Room {
        fn create(&self, _: &Path) -> io::Result<Box<dyn WritableFile>> {
            unreachable!("nothing is wanted")
        }
        fn open(&self, _: &Path) -> io::Result<Box<dyn WritableFile>> {
            unreachable!("nothing is wanted")
        }
        fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
            unreachable!("nothing is wanted")
        }
        fn remove(&self, _: &Path) -> io::Result<()> {
            unreachable!("nothing is wanted")
        }
        fn sync_directory(&self, _: &Path) -> io::Result<()> {
            unreachable!("nothing is wanted")
        }
        fn room(&self, _: &Path) -> io::Result<u64> {
            Ok(self.0.load(Ordering::SeqCst))
        }
        fn wait_for_room(&self) {}
    }

    #[test]
    fn a_disk_that_is_full_at_the_start_is_told_of_before_the_log_needs_it() {
        let disk = Arc::new(Room(AtomicU64::new(SLACK - 1)));
        let (tell, told) = mpsc::channel();
        let report = Report::new(Box::new(move |completed| tell.send(completed).expect("heard")));
        let maker =
            SpareMaker::start(disk.clone(), Path::new("/nowhere"), report).expect("a thread");
        // For a test that would hang otherwise.
        let patience = Duration::from_secs(60);
        assert_eq!(told.recv_timeout(patience), Ok(Completed::DiskFull(true)));
        disk.0.store(2 * SLACK, Ordering::SeqCst);
        assert_eq!(told.recv_timeout(patience), Ok(Completed::DiskFull(false)));
        drop(maker);
        assert!(told.try_recv().is_err(), "told once each");
    }

    #[test]
    fn a_full_disk_needs_twice_the_room_to_be_well_again() {
        let disk = |room| Room(AtomicU64::new(room));
        let full = |room, before| hardly_any_room(&disk(room), Path::new("/nowhere"), before);
        assert!(full(SLACK - 1, false) && !full(SLACK, false));
        assert!(full(2 * SLACK - 1, true) && !full(2 * SLACK, true));
    }
}
