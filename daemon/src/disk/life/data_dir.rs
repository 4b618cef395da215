//! The data directory: locked for life, created whole or not at all, and its generation raised at each start.
//!
//! Invariant: a life comes into being by one rename of a directory whose every file is synced, so a kill during
//! creation leaves nothing behind, and a life of which anything is missing was damaged later: it is refused,
//! never taken for fresh (GENESIS rules 1, 2 and 19).

use super::identity::{Identity, generation_to_file, running_from_file, running_to_file};
use super::known_name::KnownName;
use super::lock::{LOCK, lock, lock_to_read};
use super::owner;
use super::parts::{GENERATION, LIFE, read_life, write_life};
use super::reached::{self, Reached};
use super::{founding_file, made_on, marker, next};
use crate::disk::durable;
use crate::disk::error::DiskError;
use crate::disk::files::{Files, Machine, sync_directory};
use crate::disk::formats::refuse_newer;
use crate::disk::log::segments::STORE;
use crate::disk::log::spare::is_full;
use crate::disk::presence::{exists, need_directory, remove_unfinished};
use crate::regular::{self, SMALL};
use quorate_node::MadeOn;
use quorate_proto::{ClusterId, ClusterName, FoundingState, Generation, Instance, NodeName};
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A life that is being created and does not count yet.
const LIFE_ASIDE: &str = "life.new";
/// Names that do not make a directory somebody else's.
const IGNORED: [&str; 3] = [LOCK, LIFE_ASIDE, "lost+found"];

/// A data directory that this process holds.
#[derive(Debug)]
pub(crate) struct DataDir {
    root: PathBuf,
    birth_dir: PathBuf,
    identity: Identity,
    generation: Generation,
    made_on: MadeOn,
    /// What this life is known to have reached.
    reached: Option<Reached>,
    /// Held until this value is dropped or the process ends in any way.
    _lock: File,
}

/// A data directory as it was found or made at this start.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The directory, held.
    pub(crate) dir: DataDir,
    /// What this life remembers of founding.
    pub(crate) founding: FoundingState,
    /// The cluster id in the marker outside.
    pub(crate) marker: Option<ClusterId>,
    /// Whether the life was created just now.
    pub(crate) fresh: bool,
}

/// Opens the data directory, or creates it when it is missing or empty. On return everything is durable and the
/// generation is one that this life has never used before.
///
/// # Errors
/// When it is held, cannot be read whole, belongs to another cluster, or the disk refuses.
pub(crate) fn open(
    root: &Path,
    birth_dir: &Path,
    cluster: &ClusterName,
) -> Result<Opened, DiskError> {
    // First of all: who is not the owner makes nothing here.
    owner::check(root, birth_dir)?;
    make_directory(root)?;
    make_directory(birth_dir)?;
    let lock = lock(root)?;
    let machine: Arc<dyn Files> = Arc::new(Machine);
    if let Some(before) = next::put_in_place(&machine, root, birth_dir, cluster)? {
        tracing::warn!(
            before = %before.display(),
            "a new disk life is put in place; the data of the one before are kept beside it"
        );
    }
    refuse_other_life(&root.join(LIFE), cluster)?;
    refuse_newer(&root.join(LIFE), birth_dir, cluster.as_str())?;
    let fresh = !exists(&root.join(LIFE))? || give_up_unused(root, birth_dir, cluster)?;
    if fresh {
        refuse_foreign(root)?;
        create_life(root, cluster)?;
    }
    // Names that an earlier process gave and was killed before it synced them.
    for directory in [root, birth_dir].into_iter().skip(usize::from(fresh)) {
        sync_directory(directory).map_err(|error| DiskError::io("sync", directory, error))?;
    }
    let (identity, generation) = read_life(root, cluster.as_str())?;
    if identity.cluster != *cluster {
        return Err(of_another_cluster(root, &identity, cluster));
    }
    let reached = reached::read(birth_dir, cluster, identity.instance)?;
    if let Some(Reached { generation: noted, .. }) = reached
        && noted > generation
    {
        return Err(DiskError::OlderCopy {
            dir: root.to_owned(),
            found: generation.get(),
            noted: noted.get(),
            note: reached::path(birth_dir, cluster),
            cluster: cluster.to_string(),
        });
    }
    let life = root.join(LIFE);
    let founding = founding_file::read(&life, &identity)?;
    let marker = agree_on_marker(birth_dir, cluster, &founding)?;
    // The one that a life is created with is that of this start.
    let generation = if fresh { generation } else { raise(&life, identity.instance, generation)? };
    let dir = DataDir {
        root: root.to_owned(),
        birth_dir: birth_dir.to_owned(),
        made_on: made_on::made_on(&life, birth_dir, cluster),
        identity,
        generation,
        reached,
        _lock: lock,
    };
    Ok(Opened { dir, founding, marker, fresh })
}

/// Looks at the data as a start would, and changes nothing. Gives in a sentence what a start would find.
///
/// # Errors
/// What would end the start: but for the log, which is not read.
pub(crate) fn inspect(
    root: &Path,
    birth_dir: &Path,
    cluster: &ClusterName,
    name: &NodeName,
) -> Result<String, DiskError> {
    owner::check(root, birth_dir)?;
    let life = root.join(LIFE);
    if next::inspect(root, birth_dir, cluster)? {
        return Ok("a new disk life is prepared: the next start puts it in place, if its log is whole, and sets aside what is here".to_owned());
    }
    refuse_other_life(&life, cluster)?;
    refuse_newer(&life, birth_dir, cluster.as_str())?;
    if !exists(&life)? {
        if exists(root)? {
            refuse_foreign(root)?;
        }
        return Ok(match marker::read(birth_dir, cluster)? {
            Some(cluster_id) => format!(
                "the data are gone: this host was in cluster {cluster_id}, and joins again as a new disk"
            ),
            None => "no data yet: the first start makes them".to_owned(),
        });
    }
    let (identity, _) = read_life(root, cluster.as_str())?;
    if identity.cluster != *cluster {
        return match is_unused(&life, birth_dir, &identity)? {
            true => Ok(format!(
                "the data were made for cluster `{}` and never were in it: the next start begins them anew",
                identity.cluster
            )),
            false => Err(of_another_cluster(root, &identity, cluster)),
        };
    }
    check_name(root, &identity, name)?;
    let founding = founding_file::read(&life, &identity)?;
    refuse_conflict(birth_dir, cluster, marker::read(birth_dir, cluster)?, &founding)?;
    Ok(match founding.known_cluster() {
        Some(cluster_id) => format!("the data are of cluster {cluster_id}"),
        None => "the data are in no cluster yet".to_owned(),
    })
}

/// A link that leads to a directory is somebody's wish; anything else is damage.
fn refuse_other_life(life: &Path, cluster: &ClusterName) -> Result<(), DiskError> {
    if life.is_dir() { Ok(()) } else { need_directory(life, cluster.as_str()) }
}

fn of_another_cluster(root: &Path, identity: &Identity, wanted: &ClusterName) -> DiskError {
    let (found, wanted) = (identity.cluster.to_string(), wanted.to_string());
    DiskError::OtherCluster { dir: root.to_owned(), found, wanted }
}

fn check_name(root: &Path, identity: &Identity, wanted: &NodeName) -> Result<(), DiskError> {
    let apart = identity.instance.told_apart(wanted.as_str());
    match KnownName::of(&root.join(LIFE), identity.instance).read() {
        Some(found) if found != *wanted && found.as_str() != apart => Err(DiskError::OtherName {
            dir: root.to_owned(),
            found: found.to_string(),
            wanted: wanted.to_string(),
            cluster: identity.cluster.to_string(),
        }),
        _ => Ok(()),
    }
}

/// Counts a start, durably.
fn raise(life: &Path, instance: Instance, generation: Generation) -> Result<Generation, DiskError> {
    let generation = Generation::new(generation.get().saturating_add(1));
    let file = life.join(GENERATION);
    let content = generation_to_file(instance, generation);
    let raised = match durable::replace(&Machine, &file, &content) {
        // A full disk does not keep a host from starting: so few bytes are written whole where they are, or not at all.
        Err(error) if is_full(&error) => durable::overwrite(&Machine, &file, &content),
        raised => raised,
    };
    raised.map_err(|error| DiskError::io("raise the generation in", &file, error))?;
    Ok(generation)
}

impl DataDir {
    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What this life remembers of founding, as it is on the disk now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn founding(&self) -> Result<FoundingState, DiskError> {
        founding_file::read(&self.life(), &self.identity)
    }

    /// Who this life is.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Which start of this life this is.
    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    /// Where this life was made, as seen from this machine.
    pub(crate) fn made_on(&self) -> MadeOn {
        self.made_on
    }

    /// Where the files of this life are.
    pub(crate) fn life(&self) -> PathBuf {
        self.root.join(LIFE)
    }

    /// Where the marker is.
    pub(crate) fn birth_dir(&self) -> &Path {
        &self.birth_dir
    }

    /// The note of the name under which the cluster knows this life.
    pub(crate) fn known_name(&self) -> KnownName {
        KnownName::of(&self.life(), self.identity.instance)
    }

    /// Refuses a host with another name than the one under which the cluster knows this life.
    ///
    /// # Errors
    /// With both names, and what helps in either case.
    pub(crate) fn check_name(&self, wanted: &NodeName) -> Result<(), DiskError> {
        check_name(&self.root, &self.identity, wanted)
    }

    /// What this life is known to have reached; none when nothing was ever noted.
    pub(crate) fn reached(&self) -> Option<Reached> {
        self.reached
    }

    /// Notes that this start runs, for the farewell behind it, in a file that is not copied with the data: a copy that never ran has
    /// nothing to say. Not synced: after a power loss nobody says a farewell.
    pub(crate) fn note_running(&self, note: &Path, boot_nonce: u64) -> io::Result<()> {
        let content = running_to_file(self.identity.instance, self.generation, boot_nonce);
        // Never through a link that somebody else has put there.
        match std::fs::remove_file(note) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        durable::write_unsynced(note, &content)
    }
}

/// A life whose daemon is not running.
#[derive(Debug)]
pub(crate) struct EndedLife {
    /// Who it was.
    pub(crate) identity: Identity,
    /// Its last generation.
    pub(crate) generation: Generation,
    /// The nonce of the start that ended without a word. None: the last one said goodbye itself, or never came so far that
    /// anybody could have met it. The number of a generation is not enough: a copy of the disk counts up alike.
    pub(crate) died: Option<u64>,
    /// What it remembers of founding.
    pub(crate) founding: FoundingState,
}

/// Reads a life without starting it, for `quorate farewell`. `running` is where its start was noted.
///
/// # Errors
/// When a daemon holds it, or it cannot be read.
pub(crate) fn read_ended(root: &Path, running: &Path) -> Result<EndedLife, DiskError> {
    let _lock = lock_to_read(root)?;
    let (identity, generation) = read_life(root, "CLUSTER")?;
    let life = root.join(LIFE);
    let founding = founding_file::read(&life, &identity)?;
    let is_file = std::fs::symlink_metadata(running).is_ok_and(|found| found.is_file());
    let note = is_file.then(|| regular::read(running, SMALL).ok()).flatten();
    let started = note.and_then(|note| running_from_file(&note).ok());
    let last =
        started.filter(|(whose, which, _)| (*whose, *which) == (identity.instance, generation));
    let died = last.map(|(.., boot_nonce)| boot_nonce);
    Ok(EndedLife { identity, generation, died, founding })
}

/// Whether a life was never in a cluster, and has promised nothing to anybody.
pub(super) fn is_unused(
    life: &Path,
    birth_dir: &Path,
    identity: &Identity,
) -> Result<bool, DiskError> {
    let fresh = FoundingState::fresh(identity.instance, &identity.cluster);
    Ok(founding_file::read(life, identity)? == fresh
        && !exists(&life.join(STORE))?
        && marker::read(birth_dir, &identity.cluster)?.is_none())
}

/// Puts a life of another cluster's name aside that is unused: it follows the configuration. Gives whether it did.
fn give_up_unused(root: &Path, birth_dir: &Path, cluster: &ClusterName) -> Result<bool, DiskError> {
    let (life, aside) = (root.join(LIFE), root.join(LIFE_ASIDE));
    let (identity, _) = read_life(root, cluster.as_str())?;
    if identity.cluster == *cluster || !is_unused(&life, birth_dir, &identity)? {
        return Ok(false);
    }
    remove_unfinished(&aside)?;
    let give_up = || -> io::Result<()> {
        std::fs::rename(&life, &aside)?;
        sync_directory(root)
    };
    give_up().map_err(|error| DiskError::io("begin anew in", root, error))?;
    let (was, is) = (identity.cluster.as_str(), cluster.as_str());
    tracing::warn!(
        "the data directory was made for cluster `{was}` and never was in it; it is begun anew for `{is}`"
    );
    Ok(true)
}

/// Creates a life aside and puts it in place by one rename.
fn create_life(root: &Path, cluster: &ClusterName) -> Result<(), DiskError> {
    let aside = root.join(LIFE_ASIDE);
    // Left by a creation that was killed: it never sent a packet.
    remove_unfinished(&aside)?;
    let write = || -> io::Result<()> {
        let identity = Identity::random(cluster)?;
        let founding = FoundingState::fresh(identity.instance, cluster);
        write_life(&aside, &identity, Generation::new(1), &founding)?;
        sync_directory(&aside)?;
        std::fs::rename(&aside, root.join(LIFE))?;
        sync_directory(root)
    };
    write().map_err(|error| DiskError::io("create the data directory in", root, error))
}

/// The marker and the data must name one cluster; a marker that a crash kept from being written is made good.
fn agree_on_marker(
    birth_dir: &Path,
    cluster: &ClusterName,
    founding: &FoundingState,
) -> Result<Option<ClusterId>, DiskError> {
    let marker = marker::read(birth_dir, cluster)?;
    let file = marker::path(birth_dir, cluster);
    if let (None, Some(known)) = (marker, founding.known_cluster()) {
        marker::write(&Machine, birth_dir, cluster, known)
            .map_err(|error| DiskError::io("write the marker", &file, error))?;
        return Ok(Some(known));
    }
    refuse_conflict(birth_dir, cluster, marker, founding)?;
    Ok(marker)
}

fn refuse_conflict(
    birth_dir: &Path,
    cluster: &ClusterName,
    marker: Option<ClusterId>,
    founding: &FoundingState,
) -> Result<(), DiskError> {
    match (marker, founding.founded.as_ref().map(|founded| founded.record.cluster_id())) {
        (Some(marker), Some(data)) if marker != data => Err(DiskError::MarkerConflict {
            file: marker::path(birth_dir, cluster),
            marker: marker.to_string(),
            data: data.to_string(),
            cluster: cluster.to_string(),
        }),
        _ => Ok(()),
    }
}

pub(super) fn make_directory(path: &Path) -> Result<(), DiskError> {
    if exists(path)? {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| durable::sync_directory_of(path))
        .map_err(|error| DiskError::io("create", path, error))
}

pub(super) fn refuse_foreign(root: &Path) -> Result<(), DiskError> {
    let entries = std::fs::read_dir(root).map_err(|error| DiskError::io("list", root, error))?;
    for entry in entries {
        let name = entry.map_err(|error| DiskError::io("list", root, error))?.file_name();
        let name = name.to_string_lossy();
        if !IGNORED.contains(&name.as_ref()) && !next::is_beside(&name) {
            return Err(DiskError::NotOurs { dir: root.to_owned(), found: name.into_owned() });
        }
    }
    Ok(())
}
