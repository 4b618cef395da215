//! One `run-with` for each budget and item of a daemon: two of them would each start a command with all of the same share.
//!
//! The claim is a name that the kernel gives to one process at a time and takes back when that ends, however it ends: nobody has to tidy up,
//! and nobody needs a place to write to. It holds within one network namespace.

use super::followed::Followed;
use crate::cli::exit::{Exit, Failure};
use quorate_proto::short_hash;
use rustix::net::sockopt::socket_peercred;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Claims what is followed at the daemon of this socket, for as long as this process lives.
pub(super) fn claim(socket: &Path, followed: &Followed) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::other(format!("cannot say that {} is in use: {error}", followed.words()))
    };
    let listener = match taken(socket, followed) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let holder = holder(socket, followed).map_or_else(String::new, |pid| format!(" {pid}"));
            return Err(Failure::new(
                Exit::Error,
                "in-use",
                format!(
                    "process{holder} on this host runs a command with {} already: a second command would use the same once more. \
                     Let one command serve all, or end that process first",
                    followed.words()
                ),
            ));
        }
        other => other.map_err(failed)?,
    };
    // Who asks for the holder is let go of, so that the next one can ask, too.
    listener.set_nonblocking(true).map_err(failed)?;
    let listener = tokio::net::UnixListener::from_std(listener).map_err(failed)?;
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    Ok(())
}

fn taken(socket: &Path, followed: &Followed) -> io::Result<UnixListener> {
    UnixListener::bind_addr(&name(socket, followed)?)
}

/// The process that has the claim, where it can be asked.
fn holder(socket: &Path, followed: &Followed) -> Option<i32> {
    let stream = UnixStream::connect_addr(&name(socket, followed).ok()?).ok()?;
    socket_peercred(&stream).ok().map(|peer| peer.pid.as_raw_nonzero().get())
}

/// The same one however the socket's path is spelled.
fn name(socket: &Path, followed: &Followed) -> io::Result<SocketAddr> {
    let directory = socket.parent().map(Path::canonicalize).and_then(Result::ok);
    let place = match (directory, socket.file_name()) {
        (Some(directory), Some(file)) => directory.join(file),
        _ => std::path::absolute(socket).unwrap_or_else(|_| PathBuf::from(socket)),
    };
    let hash = short_hash(&[place.as_os_str().as_bytes(), followed.words().as_bytes()]);
    SocketAddr::from_abstract_name(format!("quorate/run-with/{hash:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_one_process_has_claimed_is_refused_to_the_next_with_the_first_ones_number() {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("quorate.sock");
        let pg = Followed::Budget("pg".to_owned());
        claim(&socket, &pg).expect("nobody has it");
        let spelled = dir.path().join(".").join("quorate.sock");
        let refused = claim(&spelled, &pg).expect_err("it is claimed");
        assert_eq!(refused.code, "in-use");
        let me = format!("process {} on this host", std::process::id());
        assert!(refused.text.contains(&me), "{}", refused.text);
        claim(&socket, &Followed::Budget("other".to_owned())).expect("another budget");
        claim(&dir.path().join("second.sock"), &pg).expect("another daemon");
    }
}
