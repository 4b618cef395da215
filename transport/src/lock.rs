//! How mutexes are locked here.

use std::sync::{Mutex, MutexGuard};

/// Locks; a panic in another holder leaves only counters behind, so the poison is ignored.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
