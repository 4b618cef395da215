//! Makes one state of what is on disk: newest readable snapshot, log behind it, hard state.
//!
//! A damaged newest snapshot is passed over only when the log still reaches back to an older one (or to birth);
//! otherwise it is an error. What an earlier process wrote and was killed before it synced is made durable before anything
//! rests on it. Knows nothing of what a snapshot means: `restore` is the caller's.

use super::error::DiskError;
use super::files::Files;
use super::life::identity::Identity;
use super::life::reached::LogPlace;
use super::log::log_files::{self, LogFiles};
use super::log::segments::{OpenLog, SegmentSizes, Segments};
use super::snapshots::file::{Pieces, SnapshotReader};
use super::snapshots::names::{self, Named};
use super::snapshots::pieces::Unreadable;
use quorate_consensus::LogRecord;
use quorate_consensus::log_codec::fold::{FoldError, LogFold, LogState};
use quorate_proto::{ClusterId, Entry, FoundingState, GroupId, HardState, SnapshotMetadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything a start needs from the log and the snapshots.
#[derive(Debug)]
pub(crate) struct Recovered<M> {
    /// `__meta`'s replica; none when this host never had one.
    pub(crate) group: Option<RecoveredGroup<M>>,
    /// For [`super::Writer::spawn`].
    pub(crate) log: OpenLog,
    /// What an operator should read: a tail that was cut, a snapshot that was passed over.
    pub(crate) notes: Vec<String>,
}

/// A replica as the disk has it.
#[derive(Debug)]
pub(crate) struct RecoveredGroup<M> {
    /// Term, vote, commit; commit lies within snapshot and last entry.
    pub(crate) hard_state: HardState,
    /// The newest readable snapshot and its state. None: the log begins at birth, or with nothing.
    pub(crate) snapshot: Option<(SnapshotMetadata, M)>,
    /// Without gaps, right behind the snapshot, or behind `reset` without one.
    pub(crate) entries: Vec<Entry>,
    /// The log's first position: index, term.
    pub(crate) reset: (u64, u64),
}

/// A life whose replica is recovered, wherever its directory is.
pub(super) struct Standing<'a> {
    /// Its directory.
    pub(super) life: &'a Path,
    /// Who it is.
    pub(super) identity: &'a Identity,
    /// Where its log must reach to.
    pub(super) reached: LogPlace,
}

/// Recovers the replica of a life. `restore` makes a state of a snapshot's chunks, or says why not.
///
/// # Errors
/// When anything is damaged that had been written safely, belongs to another life or cluster, or cannot be read.
pub(super) fn recover_life<M>(
    standing: &Standing<'_>,
    founding: &FoundingState,
    sizes: SegmentSizes,
    files: Arc<dyn Files>,
    restore: impl Fn(Pieces<'_>) -> Result<M, String>,
) -> Result<Recovered<M>, DiskError> {
    let Standing { life, identity, reached } = *standing;
    let cluster_id = founding.known_cluster();
    let log = log_files::read(&*files, life, identity, cluster_id, reached)?;
    let LogFiles { mut folds, layout, cut } = log;
    let mut notes = Vec::new();
    if let Some((file, range)) = cut {
        notes.push(format!(
            "{}: bytes {} to {} were a write that is not whole; they are cleared. A crash that cut it short did so before it was acknowledged; if the disk has damaged it since, it may have been acknowledged",
            file.display(),
            range.start,
            range.end
        ));
    }
    let fold = folds.remove(&GroupId::META);
    // What would be left out here would be given up with the first segment that is freed.
    if let Some(group) = folds.first_key_value().map(|(group, _)| *group) {
        return Err(DiskError::UnknownGroup { log: life.join("log"), group });
    }
    let stamp = cluster_id.unwrap_or_default();
    // The log is reset below because of a received snapshot: the name of that file must outlive the power.
    let names = names::directory(life);
    files.sync_directory(&names).map_err(|error| DiskError::io("sync", &names, error))?;
    let mut segments = Segments::new(life, identity.instance, stamp, sizes, layout, files);
    let chosen = choose(life, identity, cluster_id, fold, &restore, &mut notes)?;
    let group = chosen.map(|(snapshot, state, reset)| {
        if state.overruled {
            note_overruled(&mut segments, &state)?;
        }
        let LogState { hard_state, entries, .. } = state;
        Ok(RecoveredGroup { hard_state, snapshot, entries, reset })
    });
    Ok(Recovered { group: group.transpose()?, log: OpenLog { segments }, notes })
}

type Chosen<M> = (Option<(SnapshotMetadata, M)>, LogState, (u64, u64));

/// Finds the newest snapshot that can be read and that the log reaches.
fn choose<M>(
    life: &Path,
    identity: &Identity,
    cluster_id: Option<ClusterId>,
    fold: Option<LogFold>,
    restore: &impl Fn(Pieces<'_>) -> Result<M, String>,
    notes: &mut Vec<String>,
) -> Result<Option<Chosen<M>>, DiskError> {
    let directory = names::directory(life);
    names::clear_leftovers(&directory)?;
    let listed = names::list(&directory)
        .map_err(|error| DiskError::io("list the snapshots in", &directory, error))?;
    if let Some(other) = listed.iter().find(|named| named.group != GroupId::META) {
        return Err(DiskError::UnknownGroup { log: directory, group: other.group });
    }
    let had_log = fold.is_some();
    let fold = fold.unwrap_or_default();
    let mut passed: Vec<Passed> = Vec::new();
    for named in &listed {
        match load(named, identity, cluster_id, restore)? {
            Err(damage) => passed.push(damage),
            Ok((metadata, image)) => {
                let at = Some((metadata.index, metadata.term));
                let (state, base) = behind(fold, at, &directory, identity, &passed)?;
                note_passed(passed, notes)?;
                return Ok(Some((Some((metadata, image)), state, base)));
            }
        }
    }
    if !had_log {
        note_passed(passed, notes)?;
        return Ok(None);
    }
    let (state, base) = behind(fold, None, &directory, identity, &passed)?;
    note_passed(passed, notes)?;
    Ok(Some((None, state, base)))
}

/// A snapshot that cannot be used, and why.
struct Passed {
    path: PathBuf,
    why: String,
    /// The file itself is broken, not only unknown to this version.
    broken: bool,
}

fn load<M>(
    named: &Named,
    identity: &Identity,
    cluster_id: Option<ClusterId>,
    restore: &impl Fn(Pieces<'_>) -> Result<M, String>,
) -> Result<Result<(SnapshotMetadata, M), Passed>, DiskError> {
    let passed = |why: String, broken| Passed { path: named.path.clone(), why, broken };
    let mut reader = match SnapshotReader::open(&named.path) {
        Ok(reader) => reader,
        Err(Unreadable { why, newer }) => return Ok(Err(passed(why, !newer))),
    };
    let (owner, metadata) = (reader.owner, reader.metadata.clone());
    let foreign = cluster_id.is_some_and(|cluster_id| owner.cluster_id != cluster_id);
    if owner.instance != identity.instance || foreign {
        return Err(DiskError::Mixed {
            file: named.path.clone(),
            found: format!("disk {:?}, cluster {}", owner.instance, owner.cluster_id),
            wanted: format!(
                "disk {:?}, cluster {}",
                identity.instance,
                cluster_id.unwrap_or_default()
            ),
            cluster: identity.cluster.to_string(),
        });
    }
    if (metadata.index, metadata.term) != (named.index, named.term) {
        return Ok(Err(passed("its name does not match its content".into(), true)));
    }
    let restored = restore(&mut reader);
    if let Err(why) = reader.verdict() {
        return Ok(Err(passed(why, true)));
    }
    Ok(restored.map(|image| (metadata, image)).map_err(|why| passed(why, false)))
}

/// The log behind a snapshot, and its first position.
fn behind(
    fold: LogFold,
    at: Option<(u64, u64)>,
    directory: &Path,
    identity: &Identity,
    passed: &[Passed],
) -> Result<(LogState, (u64, u64)), DiskError> {
    let base = fold.base();
    let state = fold.behind(at).map_err(|error: FoldError| match passed.first() {
        Some(newest) if !newest.broken => {
            DiskError::NotUnderstood { file: newest.path.clone(), reason: newest.why.clone() }
        }
        Some(newest) => DiskError::Damaged {
            file: newest.path.clone(),
            reason: format!("{}, and no older snapshot will do: {error}", newest.why),
            cluster: identity.cluster.to_string(),
        },
        None => DiskError::Damaged {
            file: directory.with_file_name("log"),
            reason: format!("{error}, and no snapshot beside it has it"),
            cluster: identity.cluster.to_string(),
        },
    })?;
    let base = if state.overruled { state.base } else { base };
    Ok((state, base))
}

fn note_passed(passed: Vec<Passed>, notes: &mut Vec<String>) -> Result<(), DiskError> {
    for Passed { path, why, broken } in passed {
        notes.push(format!("{} is passed over: {why}; the log makes up for it", path.display()));
        if broken {
            names::set_aside(&path)?;
        }
    }
    Ok(())
}

/// The snapshot was received and the log not reset before the crash: makes that good, so that what is appended
/// next follows on.
fn note_overruled(segments: &mut Segments, state: &LogState) -> Result<(), DiskError> {
    let (index, term) = state.base;
    let reset = LogRecord::Reset { index, term };
    let records = [(GroupId::META, reset), (GroupId::META, LogRecord::HardState(state.hard_state))];
    let directory = segments.log_dir();
    segments.append(&records).map_err(|error| DiskError::io("reset the log in", &directory, error))
}
