//! Why a data directory cannot be used. Each error names the thing and the way out.

use crate::regular::NoFile;
use quorate_proto::GroupId;
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// Why a data directory cannot be opened or read whole. None of these is ever taken for "fresh".
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiskError {
    /// Another process has it.
    #[error("{} is held by another quorate (pid {pid}); stop that one, or set another `data_dir`", dir.display())]
    Locked {
        /// The data directory.
        dir: PathBuf,
        /// What the lock file says.
        pid: String,
    },
    /// The operating system said no.
    #[error("cannot {doing} {}: {error}; {remedy}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
        /// What helps.
        remedy: &'static str,
    },
    /// No space.
    #[error("the disk of {} is full ({doing}); make room, then start again", path.display())]
    Full {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// Something is where a directory is made that does not count yet.
    #[error(
        "{} is {what}, and quorate makes a directory there while it prepares data. Nothing in that place counts: find out what put it there, and remove it (`rm {}`); the data stay as they are",
        path.display(),
        path.display()
    )]
    InTheWay {
        /// Where.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Something else lives there.
    #[error("{} holds `{found}` but no quorate data; set `data_dir` to an empty directory of its own", dir.display())]
    NotOurs {
        /// The data directory.
        dir: PathBuf,
        /// One of the names found.
        found: String,
    },
    /// A file is missing, cut or changed.
    #[error(
        "{} cannot be used: {reason}. It is not taken for a fresh host, because this one may have voted. If the rest of the cluster works, begin anew here with `quorate reset --set-aside --cluster {cluster}`, and this host joins again as a new disk; otherwise bring the file back from the disk it was on",
        file.display()
    )]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
        /// For the command.
        cluster: String,
    },
    /// The log is broken where it had been synced.
    #[error(
        "{}: {reason} (byte {offset}). These bytes had been written safely, so the disk has lost something, or this is an older copy; nothing was cut. If the rest of the cluster works, begin anew here with `quorate reset --set-aside --cluster {cluster}`, and this host joins again as a new disk",
        file.display()
    )]
    Corrupt {
        /// Which segment.
        file: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong.
        reason: String,
        /// For the command.
        cluster: String,
    },
    /// The data are older than what this host has noted elsewhere.
    #[error(
        "{} is an older copy: it was started {found} times, but this host's data {noted} times ({}). It may have promised and acknowledged what this copy does not know. Bring the newest copy back; if there is none and the rest of the cluster works, begin anew here with `quorate reset --set-aside --cluster {cluster}`, and this host joins again as a new disk",
        dir.display(),
        note.display()
    )]
    OlderCopy {
        /// The data directory.
        dir: PathBuf,
        /// Its generation.
        found: u64,
        /// The highest one that is known.
        noted: u64,
        /// Where that is noted.
        note: PathBuf,
        /// For the command.
        cluster: String,
    },
    /// A life that is not in place is the one that is in place.
    #[error(
        "{} and the data that are in place are copies of one disk life, and each may have promised and acknowledged what the other does not know; nothing was changed. Go on with those that are in place: if the copy waits for the next start, give it up with `quorate reset --prepared --cluster {cluster}`; then `systemctl start quorate`",
        copy.display()
    )]
    SecondCopy {
        /// Where the copy is.
        copy: PathBuf,
        /// For the command.
        cluster: String,
    },
    /// The log, or a snapshot beside it, is of a group that this version does not know.
    #[error(
        "{} holds group {group}, which this version of quorate does not know: a newer version wrote it. Nothing was changed; start that version again",
        log.display()
    )]
    UnknownGroup {
        /// The directory in which it is.
        log: PathBuf,
        /// The lowest of them.
        group: GroupId,
    },
    /// A file is of a format that this version does not know.
    #[error(
        "{} is of {format}: a newer version of quorate wrote it. Nothing was changed; start that version again. If there never was one here, the file is damaged: if the rest of the cluster works, begin anew with `quorate reset --set-aside --cluster {cluster}`, and this host joins again as a new disk",
        file.display()
    )]
    Newer {
        /// Which file.
        file: PathBuf,
        /// Its format, and the newest that is known.
        format: String,
        /// For the command.
        cluster: String,
    },
    /// A snapshot is whole, but holds what this version does not know, and the log alone does not do.
    #[error(
        "{} is whole, and cannot be used: {reason}. A newer version of quorate wrote it. Nothing was changed; start that version again",
        file.display()
    )]
    NotUnderstood {
        /// Which file.
        file: PathBuf,
        /// What is not known.
        reason: String,
    },
    /// Files of two lives or clusters in one directory.
    #[error(
        "{} belongs to {found}, but this data directory to {wanted}: two copies were mixed. Bring back one of them whole, or begin anew with `quorate reset --set-aside --cluster {cluster}`",
        file.display()
    )]
    Mixed {
        /// Which file.
        file: PathBuf,
        /// What it says.
        found: String,
        /// What was expected.
        wanted: String,
        /// For the command.
        cluster: String,
    },
    /// The directory was created under another cluster name.
    #[error(
        "{} belongs to cluster `{found}`, the config says `{wanted}`; set `cluster = \"{found}\"`, use another `data_dir`, or give the old data up with `quorate reset --set-aside --cluster {found}`",
        dir.display()
    )]
    OtherCluster {
        /// The data directory.
        dir: PathBuf,
        /// Its cluster.
        found: String,
        /// The config's.
        wanted: String,
    },
    /// The cluster knows the life under another name than the host has.
    #[error(
        "{} is the disk of `{found}` in cluster `{cluster}`, but this host is called `{wanted}` (key `name` in host.toml, or else the first part of the host's name). If this host was renamed, keep the name of its disk: set `name = \"{found}\"` in host.toml. If the directory was copied from another host, or the new name must be, begin anew here with `quorate reset --set-aside --cluster {cluster}`, and this host joins as a new disk",
        dir.display()
    )]
    OtherName {
        /// The data directory.
        dir: PathBuf,
        /// The name that the cluster knows.
        found: String,
        /// The host's.
        wanted: String,
        /// For the command.
        cluster: String,
    },
    /// The marker names another cluster than the data.
    #[error(
        "the marker {} says that this host was in cluster {marker}, its data says {data}. If the data is right, remove the marker; if not, run `quorate reset --set-aside --cluster {cluster}`",
        file.display()
    )]
    MarkerConflict {
        /// The marker file.
        file: PathBuf,
        /// Its cluster id.
        marker: String,
        /// The data's.
        data: String,
        /// For the command.
        cluster: String,
    },
    /// A life waits for the next start.
    #[error(
        "in {} data are prepared that the next start of the daemon puts in place: `systemctl start quorate`; or give up what is prepared, and keep the data that are here, with `quorate reset --prepared --cluster {cluster}`",
        dir.display()
    )]
    Prepared {
        /// The data directory.
        dir: PathBuf,
        /// For the command.
        cluster: String,
    },
    /// A life that waits for the next start is damaged.
    #[error(
        "{what}. So the data in {}, which were prepared to take the place of those that were here, are damaged; they were not put in place, and nothing was changed. {remedy}",
        next.display()
    )]
    NextNotWhole {
        /// File, place and reason.
        what: String,
        /// The directory of that life.
        next: PathBuf,
        /// The way back, with its command.
        remedy: String,
    },
    /// The data are another user's.
    #[error(
        "{} belongs to the user {owner}, but this runs as {user}, whose files {owner} could not use afterwards. Run it as {owner} (the daemon: `systemctl start quorate`; any command: `runuser -u {owner} -- quorate COMMAND`); if the data are to be {user}'s, `chown -R {user}: {}` first",
        dir.display(), dir.display()
    )]
    OtherOwner {
        /// The data directory, or that of the marker.
        dir: PathBuf,
        /// Name or number.
        owner: String,
        /// Who runs this: name or number.
        user: String,
    },
    /// Too many may read or write.
    #[error("{} is open to others (mode {mode:04o}); run `chmod {wanted} {}`", path.display(), path.display())]
    Exposed {
        /// Which file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode it should have.
        wanted: &'static str,
    },
}

impl DiskError {
    /// Whether it stays so until somebody has looked: no other start goes better.
    pub(crate) fn needs_operator(&self) -> bool {
        match self {
            Self::Io { error, .. } => {
                NoFile::is_in(error) || error.kind() == io::ErrorKind::NotADirectory
            }
            Self::Locked { .. } | Self::Full { .. } => false,
            Self::InTheWay { .. }
            | Self::NotOurs { .. }
            | Self::Damaged { .. }
            | Self::Corrupt { .. }
            | Self::OlderCopy { .. }
            | Self::SecondCopy { .. }
            | Self::UnknownGroup { .. }
            | Self::Newer { .. }
            | Self::NotUnderstood { .. }
            | Self::Mixed { .. }
            | Self::OtherCluster { .. }
            | Self::OtherName { .. }
            | Self::MarkerConflict { .. }
            | Self::Prepared { .. }
            | Self::NextNotWhole { .. }
            | Self::OtherOwner { .. }
            | Self::Exposed { .. } => true,
        }
    }

    /// Wraps an error of the system.
    pub(super) fn io(doing: &'static str, path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Self::Full { doing, path };
        }
        let remedy = remedy(&error);
        Self::Io { doing, path, error, remedy }
    }
}

/// What helps against an error of the system.
pub(super) fn remedy(error: &io::Error) -> &'static str {
    if NoFile::is_in(error) {
        return "find out what put it there, and remove it";
    }
    // They have no kind of their own, and say nothing about the disk.
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE) => {
            return "this process has no file descriptors left: let it have more (`LimitNOFILE` in its unit, `ulimit -n`)";
        }
        Some(Errno::NFILE) => {
            return "this machine has no file descriptors left (`sysctl fs.file-max fs.file-nr`)";
        }
        Some(Errno::LOOP) => return "a link is in its place, which quorate has not made: remove it",
        _ => {}
    }
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "the directory must belong to the user that quorate runs as (`chown -R quorate: DIRECTORY`)"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "mount the file system for writing, or set another `data_dir`"
        }
        io::ErrorKind::NotFound => "create the directory above it, or set another `data_dir`",
        io::ErrorKind::NotADirectory => {
            "a file is where a directory should be: find out what put it there, and remove it, or set another `data_dir`"
        }
        _ => "check the disk (`journalctl -k`, `smartctl`)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_descriptors_does_not_blame_its_disk() {
        for (errno, what) in [(Errno::MFILE, "LimitNOFILE"), (Errno::NFILE, "fs.file-max")] {
            let error = DiskError::io("open", Path::new("log"), errno.into()).to_string();
            assert!(error.contains(what) && !error.contains("disk"), "{error}");
        }
        let broken = DiskError::io("open", Path::new("log"), Errno::IO.into()).to_string();
        assert!(broken.contains("check the disk"), "{broken}");
    }
}
