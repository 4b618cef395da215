//! How far a life has come that is not in place, as this host knows it: what the life says itself, what goes with it, and what is noted
//! outside of the data directory.
//!
//! Invariant: a life that was never begun is let through, as often as a start is killed before it runs. One that has begun runs only from
//! where it has come to: an older copy of it would begin a start that was, and acknowledge again what it has forgotten. Knows nothing of
//! what is in the log.

use super::parts::{LIFE, read_life_in};
use super::reached::{self, Reached};
use crate::disk::error::DiskError;
use crate::disk::presence::exists;
use quorate_proto::{ClusterName, Generation, Instance};
use std::path::Path;

/// What a life that is not in place has reached, if it is not older than this host knows.
///
/// # Errors
/// When it is older, or a copy of the life that is in place.
pub(super) fn reached_by(
    life: &Path,
    birth_dir: &Path,
    cluster: &ClusterName,
    (instance, generation): (Instance, Generation),
) -> Result<Reached, DiskError> {
    refuse_second_copy(life, cluster, instance)?;
    let carried = reached::carried(life, instance)?;
    let outside = reached::read(birth_dir, cluster, instance)?;
    let mut known = Reached { instance, generation, end: reached::LogPlace::default() };
    for noted in carried.into_iter().chain(outside) {
        if noted.generation > generation {
            return Err(DiskError::OlderCopy {
                dir: life.to_owned(),
                found: generation.get(),
                noted: noted.generation.get(),
                note: reached::path(birth_dir, cluster),
                cluster: cluster.to_string(),
            });
        }
        known.end = known.end.max(noted.end);
    }
    Ok(known)
}

/// Nothing that this program does leaves a life in place and the same one beside it.
fn refuse_second_copy(
    life: &Path,
    cluster: &ClusterName,
    instance: Instance,
) -> Result<(), DiskError> {
    let here = life.with_file_name(LIFE);
    if !exists(&here)? {
        return Ok(());
    }
    match read_life_in(&here, cluster.as_str()) {
        Ok((identity, _)) if identity.instance == instance => {
            Err(DiskError::SecondCopy { copy: life.to_owned(), cluster: cluster.to_string() })
        }
        // One that cannot be read is set aside as it is.
        _ => Ok(()),
    }
}
