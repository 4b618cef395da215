//! Opens the doors' sockets. A stale socket file (nobody listens) is replaced, a live one is refused; the file has
//! mode 0660, and goes away with the door. Its group is `quorate` where there is one; for the monitors' socket, that of its directory.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// The group that may use the socket with the keyspace.
const GROUP: &str = "quorate";
/// Readable and writable for owner and group.
const MODE: u32 = 0o660;

/// Why a door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(
        "{path} is held by another daemon that answers; stop it, or set another `{key}` under [client]"
    )]
    Live { path: PathBuf, key: &'static str },
    #[error("{path} exists and is no socket; move it away, or set another `{key}` under [client]")]
    NotASocket { path: PathBuf, key: &'static str },
    #[error("cannot {what} {path}: {error}{}", socket_remedy(error, key))]
    Socket { what: &'static str, path: PathBuf, error: io::Error, key: &'static str },
}

fn socket_remedy(error: &io::Error, key: &str) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            format!("; create its directory, or set another `{key}` under [client]")
        }
        io::ErrorKind::PermissionDenied => {
            "; the daemon's user must be able to write its directory".to_owned()
        }
        _ => String::new(),
    }
}

/// A unix socket that is listened on; its file is removed with it, and first: a successor that finds a file without a
/// listener replaces it, and the one that it makes is not ours.
#[derive(Debug)]
pub(crate) struct UnixDoor {
    _file: SocketFile,
    pub(super) listener: UnixListener,
}

/// The file, and which one it is.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    made: Option<(u64, u64)>,
}

impl SocketFile {
    fn made_at(path: &Path) -> Self {
        Self { path: path.to_owned(), made: Self::identity(path) }
    }

    /// Device and number of what is there.
    fn identity(path: &Path) -> Option<(u64, u64)> {
        fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.made.is_some() && self.made == Self::identity(&self.path) {
            // Not ours to remove: the next start replaces what is left.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens on the unix socket with the keyspace.
pub(crate) fn open_unix(path: &Path) -> Result<UnixDoor, OpenError> {
    let door = open(path, "socket")?;
    if let Some(group) = group_id(GROUP) {
        // Only root and members of the group may do this; with a group of its own the unit sets it anyway.
        if let Err(error) = std::os::unix::fs::chown(path, None, Some(group)) {
            tracing::debug!(%error, "the socket keeps its group");
        }
    }
    Ok(door)
}

/// Listens on the unix socket of monitors. Its group is what its directory hands on: the daemon is in no group but its own, and in the
/// unit's user namespace it could give the file to no other.
pub(crate) fn open_monitor(path: &Path) -> Result<UnixDoor, OpenError> {
    open(path, "monitor_socket")
}

/// `key` is what names the path in the configuration.
fn open(path: &Path, key: &'static str) -> Result<UnixDoor, OpenError> {
    let fail =
        |what, error: io::Error| OpenError::Socket { what, path: path.to_owned(), error, key };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(OpenError::NotASocket { path: path.to_owned(), key });
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            return Err(OpenError::Live { path: path.to_owned(), key });
        }
        Ok(_) => fs::remove_file(path).map_err(|error| fail("remove the stale", error))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(fail("look at", error)),
    }
    let listener = UnixListener::bind(path).map_err(|error| fail("listen on", error))?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))
        .map_err(|error| fail("set the mode of", error))?;
    Ok(UnixDoor { _file: SocketFile::made_at(path), listener })
}

fn group_id(name: &str) -> Option<u32> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_door_that_closes_leaves_the_socket_of_its_successor_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.sock");
        let door = open_unix(&path).unwrap();
        // Beside the first, so that the file system cannot give it the same number.
        let aside = dir.path().join("successor.sock");
        let _successor = std::os::unix::net::UnixListener::bind(&aside).unwrap();
        fs::rename(&aside, &path).unwrap();
        drop(door);
        assert!(UnixStream::connect(&path).is_ok(), "the successor is reached");
    }

    #[tokio::test]
    async fn the_monitors_socket_has_the_group_of_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        // Where this may not be done the directory has the group that it was made with.
        let _ = std::os::unix::fs::chown(dir.path(), None, Some(47_480));
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o2750)).unwrap();
        let path = dir.path().join("monitor.sock");
        let _door = open_monitor(&path).unwrap();
        let (there, socket) = (fs::metadata(dir.path()).unwrap(), fs::metadata(&path).unwrap());
        assert_eq!((socket.gid(), socket.mode() & 0o777), (there.gid(), MODE));
        let refusal = open_monitor(&path).unwrap_err().to_string();
        assert!(refusal.contains("another `monitor_socket` under [client]"), "{refusal}");
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_a_live_one_and_a_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let door = open_unix(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert!(matches!(open_unix(&path), Err(OpenError::Live { .. })));
        drop(door);
        assert!(!path.exists());
        fs::write(&path, "x").unwrap();
        assert!(matches!(open_unix(&path), Err(OpenError::NotASocket { .. })));
    }
}
