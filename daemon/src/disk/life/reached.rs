//! What this host is known to have reached: its generation, and the place in its log up to which all was durable. Noted
//! outside of the data directory at each start and orderly stop, so that data which are older than that are noticed:
//! a restored copy, or a log that the disk has shortened (GENESIS rule 19, the part that a host sees alone).
//!
//! Invariants: it is written behind what it tells of, so that it never says too much; it may say too little. The note about a life that
//! another one takes the place of is kept beside the new one: that life may come back, from a copy. There are as many as an operator had
//! lives put in place of others, and the host keeps the data of these too.
//! Damage beyond the place may be a write that a crash cut short; damage before it is not.

use crate::disk::durable;
use crate::disk::error::DiskError;
use crate::disk::files::Files;
use crate::regular::{self, NoFile, SMALL};
use quorate_proto::{ClusterName, Generation, Instance};
use std::io;
use std::path::{Path, PathBuf};

const MARK: &[u8; 8] = b"qreach01";
/// In the directory of a life that is not in place.
const CARRIED: &str = "reached";

/// One note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The disk life that it is about.
    pub(crate) instance: Instance,
    /// A start that this life has begun.
    pub(crate) generation: Generation,
    /// Place in its log.
    pub(crate) end: LogPlace,
}

/// A place in a log. The least one, all zero, is that of a log that was never begun.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogPlace {
    /// Number of the segment, from 1.
    pub(crate) segment: u64,
    /// Bytes in it.
    pub(crate) offset: u64,
}

/// Where the note lies: a dot is in no cluster's name, so no marker has this one.
pub(crate) fn path(birth_dir: &Path, cluster: &ClusterName) -> PathBuf {
    birth_dir.join(format!("{cluster}.reached"))
}

/// Where the note about a life lies that is not in place any more.
fn path_of(birth_dir: &Path, cluster: &ClusterName, instance: Instance) -> PathBuf {
    birth_dir.join(format!("{cluster}.reached-{instance}"))
}

/// What a life is known to have reached that is not in place: it has the note with it, since the one beside the marker is about another.
pub(super) fn carried(life: &Path, instance: Instance) -> Result<Option<Reached>, DiskError> {
    read_from(&life.join(CARRIED), instance)
}

/// Gives a life the note that goes with it, durably.
pub(crate) fn carry(files: &dyn Files, life: &Path, reached: &Reached) -> io::Result<()> {
    write_to(files, &life.join(CARRIED), reached)
}

/// Reads the note about this life. None: there is none, it is about another life, or it is not as it was written (then
/// this host only knows less).
///
/// # Errors
/// When the disk does not let it be read.
pub(crate) fn read(
    birth_dir: &Path,
    cluster: &ClusterName,
    instance: Instance,
) -> Result<Option<Reached>, DiskError> {
    match read_from(&path(birth_dir, cluster), instance)? {
        None => read_from(&path_of(birth_dir, cluster, instance), instance),
        noted => Ok(noted),
    }
}

fn read_from(file: &Path, instance: Instance) -> Result<Option<Reached>, DiskError> {
    Ok(read_any(file)?.filter(|reached| reached.instance == instance))
}

/// A note, whatever life it is about.
fn read_any(file: &Path) -> Result<Option<Reached>, DiskError> {
    let noted = match regular::read(file, SMALL) {
        Ok(content) => decode(&content),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if NoFile::is_in(&error) => None,
        Err(error) => return Err(DiskError::io("read", file, error)),
    };
    if noted.is_none() {
        let file = file.display();
        tracing::warn!(%file, "what this host had reached cannot be read: that its data are not older than that is not checked at this start");
    }
    Ok(noted)
}

/// Replaces the note durably, and keeps one about another life beside it.
pub(crate) fn write(
    files: &dyn Files,
    birth_dir: &Path,
    cluster: &ClusterName,
    reached: &Reached,
) -> io::Result<()> {
    let file = path(birth_dir, cluster);
    if let Ok(Some(before)) = read_any(&file)
        && before.instance != reached.instance
    {
        write_to(files, &path_of(birth_dir, cluster, before.instance), &before)?;
    }
    write_to(files, &file, reached)
}

fn write_to(files: &dyn Files, file: &Path, reached: &Reached) -> io::Result<()> {
    let mut body = reached.instance.to_bytes().to_vec();
    for number in [reached.generation.get(), reached.end.segment, reached.end.offset] {
        body.extend_from_slice(&number.to_be_bytes());
    }
    durable::replace(files, file, &durable::seal(MARK, &body))
}

fn decode(content: &[u8]) -> Option<Reached> {
    let (instance, numbers) = durable::unseal(MARK, content).ok()?.split_first_chunk::<16>()?;
    let (numbers, []) = numbers.as_chunks::<8>() else { return None };
    let [generation, segment, offset] = *numbers else { return None };
    Some(Reached {
        instance: Instance::from_bytes(*instance),
        generation: Generation::new(u64::from_be_bytes(generation)),
        end: LogPlace { segment: u64::from_be_bytes(segment), offset: u64::from_be_bytes(offset) },
    })
}
