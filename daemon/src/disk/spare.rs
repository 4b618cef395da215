//! The next segment, preallocated and zero-filled before it is needed, on a thread of its own.
//!
//! It is also the reserve of a full disk: when there is no room for the next spare, the node is told (`DiskFull`) and refuses
//! new proposals, while what is left of the current segment still takes votes and commits. The thread looks
//! again each second and tells when there is room.

use super::durable;
use super::files::{Files, WritableFile};
use super::writer::{Completed, Report};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a full disk is looked at again: soon enough for people, rare enough to cost nothing.
pub(super) const RETRY: Duration = Duration::from_secs(1);
/// Space that is left to others (and to the founding state) when a segment is made.
const SLACK: u64 = 2 * 1024 * 1024;
/// Zeroes are written in pieces of this size.
const ZEROES: usize = 256 * 1024;

/// A file full of synced zeroes that has no name of its own yet.
#[derive(Debug)]
pub(super) struct Spare {
    pub(super) file: Box<dyn WritableFile>,
    pub(super) path: PathBuf,
    pub(super) size: u64,
}

/// Makes a spare now.
pub(super) fn make(files: &dyn Files, log_dir: &Path, size: u64) -> io::Result<Spare> {
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
pub(super) struct SpareMaker {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl SpareMaker {
    pub(super) fn start(files: Arc<dyn Files>, log_dir: &Path, report: Report) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (dir, theirs) = (log_dir.to_owned(), Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("log-spare".into())
            .spawn(move || run(&*files, &dir, &theirs, &report))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Asks for a spare of at least this size; returns at once.
    pub(super) fn want(&self, size: u64) {
        let mut state = self.shared.lock();
        if state.wanted.is_none() && state.ready.is_none() {
            state.wanted = Some(size);
            self.shared.changed.notify_all();
        }
    }

    /// Waits for a spare of at least this size, for as long as the disk is full.
    pub(super) fn take(&self, size: u64) -> Spare {
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
        let Some(size) = state.wanted else {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        drop(state);
        let made = make(files, log_dir, size);
        let now_full = match &made {
            Ok(_) => false,
            Err(error) if is_full(error) => true,
            Err(error) => durable::fatal("making the next log segment in", log_dir, error),
        };
        if now_full != full {
            full = now_full;
            report.tell(Completed::DiskFull(full));
        }
        state = shared.lock();
        if let Ok(spare) = made {
            // A larger one may have been asked for meanwhile; then this one is written over.
            if state.wanted == Some(size) {
                state.wanted = None;
                state.ready = Some(spare);
                shared.changed.notify_all();
            }
        } else if !state.closed {
            state =
                shared.changed.wait_timeout(state, RETRY).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Whether the disk has no room: the one error that passes by itself.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
