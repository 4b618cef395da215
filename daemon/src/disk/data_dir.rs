//! The data directory: locked for life, created whole or not at all, and its generation raised at each start.
//!
//! Invariant: a life comes into being by one rename of a directory whose every file is synced, so a kill during
//! creation leaves nothing behind, and a life of which anything is missing was damaged later: it is refused,
//! never taken for fresh (GENESIS rules 1, 2 and 19).

use super::durable::{self, sync_directory};
use super::error::DiskError;
use super::files::Machine;
use super::identity::{
    Identity, generation_from_file, generation_to_file, running_from_file, running_to_file,
};
use super::known_name::KnownName;
use super::reached::{self, Reached};
use super::spare::is_full;
use super::{founding_file, made_on, marker};
use quorate_node::MadeOn;
use quorate_proto::{ClusterName, FoundingState, Generation, GenesisId, Instance, NodeName};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

const LOCK: &str = "LOCK";
const LIFE: &str = "life";
/// A life that is being created and does not count yet.
const LIFE_ASIDE: &str = "life.new";
const IDENTITY: &str = "identity";
const GENERATION: &str = "generation";
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
    pub(crate) marker: Option<GenesisId>,
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
    make_directory(root)?;
    refuse_open_to_others(root, 0o002, "o-w")?;
    make_directory(birth_dir)?;
    let lock = lock(root)?;
    let fresh = !exists(&root.join(LIFE))?;
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
        return Err(DiskError::OtherCluster {
            dir: root.to_owned(),
            found: identity.cluster.to_string(),
            wanted: cluster.to_string(),
        });
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
    pub(super) fn life(&self) -> PathBuf {
        self.root.join(LIFE)
    }

    /// Where the marker is.
    pub(super) fn birth_dir(&self) -> &Path {
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
        match self.known_name().read() {
            Some(found) if found != *wanted => Err(DiskError::OtherName {
                dir: self.root.clone(),
                found: found.to_string(),
                wanted: wanted.to_string(),
                cluster: self.identity.cluster.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// What this life is known to have reached; none when nothing was ever noted.
    pub(super) fn reached(&self) -> Option<Reached> {
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
    let _lock = lock(root)?;
    let (identity, generation) = read_life(root, "CLUSTER")?;
    let life = root.join(LIFE);
    let founding = founding_file::read(&life, &identity)?;
    let is_file = std::fs::symlink_metadata(running).is_ok_and(|found| found.is_file());
    let note = is_file.then(|| std::fs::read(running).ok()).flatten();
    let started = note.and_then(|note| running_from_file(&note).ok());
    let last =
        started.filter(|(whose, which, _)| (*whose, *which) == (identity.instance, generation));
    let died = last.map(|(.., boot_nonce)| boot_nonce);
    Ok(EndedLife { identity, generation, died, founding })
}

/// Takes the exclusive lock, or says who has it.
pub(super) fn lock(root: &Path) -> Result<File, DiskError> {
    let path = root.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| DiskError::io("open the lock file", &path, error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // The holder may be about to write it: then the pid is not known, the refusal stands.
            let _ = file.read_to_string(&mut pid);
            let pid = if pid.trim().is_empty() { "unknown".into() } else { pid.trim().into() };
            return Err(DiskError::Locked { dir: root.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(DiskError::io("lock", &path, error)),
    }
    let note = |file: &mut File| -> io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    note(&mut file).map_err(|error| DiskError::io("write the lock file", &path, error))?;
    Ok(file)
}

/// Reads identity and last generation of the life in `root`. `cluster` is the name shown when that of the life
/// cannot be read.
pub(super) fn read_life(root: &Path, cluster: &str) -> Result<(Identity, Generation), DiskError> {
    let path = root.join(LIFE).join(IDENTITY);
    let content = read_part(&path, cluster)?;
    refuse_open_to_others(&path, 0o077, "600")?;
    let identity = Identity::from_file(&content).map_err(|reason| DiskError::Damaged {
        file: path,
        reason,
        cluster: cluster.to_owned(),
    })?;
    let cluster = identity.cluster.to_string();
    let path = root.join(LIFE).join(GENERATION);
    let content = read_part(&path, &cluster)?;
    let (instance, generation) = generation_from_file(&content).map_err(|reason| {
        DiskError::Damaged { file: path.clone(), reason, cluster: cluster.clone() }
    })?;
    if instance != identity.instance {
        let found = format!("disk {instance:?}");
        let wanted = format!("disk {:?}", identity.instance);
        return Err(DiskError::Mixed { file: path, found, wanted, cluster });
    }
    Ok((identity, generation))
}

fn read_part(path: &Path, cluster: &str) -> Result<Vec<u8>, DiskError> {
    std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => DiskError::Damaged {
            file: path.to_owned(),
            reason: "it is missing".into(),
            cluster: cluster.to_owned(),
        },
        _ => DiskError::io("read", path, error),
    })
}

/// Creates a life aside and puts it in place by one rename.
fn create_life(root: &Path, cluster: &ClusterName) -> Result<(), DiskError> {
    let aside = root.join(LIFE_ASIDE);
    let write = || -> io::Result<()> {
        if aside.exists() {
            // Left by a creation that was killed: it never sent a packet.
            std::fs::remove_dir_all(&aside)?;
        }
        let identity = Identity::random(cluster)?;
        let founding = FoundingState::fresh(identity.instance, cluster);
        let first = generation_to_file(identity.instance, Generation::new(1));
        for directory in [&aside, &aside.join("log"), &aside.join("snapshots")] {
            std::fs::DirBuilder::new().mode(0o700).create(directory)?;
        }
        durable::write_new(&Machine, &aside.join(founding_file::NAME), &founding.to_file())?;
        durable::write_new(&Machine, &aside.join(GENERATION), &first)?;
        durable::write_new(&Machine, &aside.join(IDENTITY), &identity.to_file())?;
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
) -> Result<Option<GenesisId>, DiskError> {
    let marker = marker::read(birth_dir, cluster)?;
    let file = marker::path(birth_dir, cluster);
    if let (None, Some(known)) = (marker, founding.known_genesis()) {
        marker::write(&Machine, birth_dir, cluster, known)
            .map_err(|error| DiskError::io("write the marker", &file, error))?;
        return Ok(Some(known));
    }
    match (marker, founding.founded.as_ref().map(|founded| founded.record.genesis_id())) {
        (Some(marker), Some(data)) if marker != data => Err(DiskError::MarkerConflict {
            file,
            marker: marker.to_string(),
            data: data.to_string(),
            cluster: cluster.to_string(),
        }),
        (marker, _) => Ok(marker),
    }
}

fn make_directory(path: &Path) -> Result<(), DiskError> {
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

/// Whether there is something at `path`. An error is not "no".
pub(super) fn exists(path: &Path) -> Result<bool, DiskError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(DiskError::io("look at", path, error)),
    }
}

fn refuse_foreign(root: &Path) -> Result<(), DiskError> {
    let entries = std::fs::read_dir(root).map_err(|error| DiskError::io("list", root, error))?;
    for entry in entries {
        let name = entry.map_err(|error| DiskError::io("list", root, error))?.file_name();
        let name = name.to_string_lossy();
        if !IGNORED.contains(&name.as_ref()) {
            return Err(DiskError::NotOurs { dir: root.to_owned(), found: name.into_owned() });
        }
    }
    Ok(())
}

fn refuse_open_to_others(path: &Path, bits: u32, wanted: &'static str) -> Result<(), DiskError> {
    let metadata =
        std::fs::metadata(path).map_err(|error| DiskError::io("look at", path, error))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & bits == 0 {
        return Ok(());
    }
    Err(DiskError::Exposed { path: path.to_owned(), mode, wanted })
}
