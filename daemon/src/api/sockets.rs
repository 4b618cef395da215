//! Opens the doors' sockets. A stale socket file (nobody listens) is replaced, a live one is refused; the file has
//! mode 0660 and the group `quorate` where there is one, and goes away with the door.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, UnixListener};

/// The group that may use the socket.
const GROUP: &str = "quorate";
/// Readable and writable for owner and group.
const MODE: u32 = 0o660;

/// Why a door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(
        "{path} is held by another daemon that answers; stop it, or set another `socket` under [client]"
    )]
    Live { path: PathBuf },
    #[error("{path} exists and is no socket; move it away, or set another `socket` under [client]")]
    NotASocket { path: PathBuf },
    #[error("cannot {what} {path}: {error}{remedy}")]
    Socket { what: &'static str, path: PathBuf, error: io::Error, remedy: &'static str },
    #[error(
        "cannot listen on {address} for the API: {error}; set another `tcp` under [client], or stop what holds the port (`ss -ltnp`)"
    )]
    Tcp { address: SocketAddr, error: io::Error },
}

/// A unix socket that is listened on; its file is removed with it.
#[derive(Debug)]
pub(crate) struct UnixDoor {
    pub(super) listener: UnixListener,
    _file: SocketFile,
}

#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Gone already, or not ours to remove: the next start replaces what is left.
        let _ = fs::remove_file(&self.0);
    }
}

/// Listens on a unix socket.
pub(crate) fn open_unix(path: &Path) -> Result<UnixDoor, OpenError> {
    let fail = |what, error: io::Error| {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => {
                "; create its directory, or set another `socket` under [client]"
            }
            io::ErrorKind::PermissionDenied => {
                "; the daemon's user must be able to write its directory"
            }
            _ => "",
        };
        OpenError::Socket { what, path: path.to_owned(), error, remedy }
    };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(OpenError::NotASocket { path: path.to_owned() });
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            return Err(OpenError::Live { path: path.to_owned() });
        }
        Ok(_) => fs::remove_file(path).map_err(|error| fail("remove the stale", error))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(fail("look at", error)),
    }
    let listener = UnixListener::bind(path).map_err(|error| fail("listen on", error))?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))
        .map_err(|error| fail("set the mode of", error))?;
    if let Some(group) = group_id(GROUP) {
        // Only root and members of the group may do this; with a group of its own the unit sets it anyway.
        if let Err(error) = std::os::unix::fs::chown(path, None, Some(group)) {
            tracing::debug!(%error, "the socket keeps its group");
        }
    }
    Ok(UnixDoor { listener, _file: SocketFile(path.to_owned()) })
}

fn group_id(name: &str) -> Option<u32> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

/// Listens on a TCP address.
pub(crate) async fn open_tcp(address: SocketAddr) -> Result<TcpListener, OpenError> {
    TcpListener::bind(address).await.map_err(|error| OpenError::Tcp { address, error })
}

#[cfg(test)]
mod tests {
    use super::*;

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
