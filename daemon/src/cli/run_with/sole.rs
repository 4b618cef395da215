//! One `run-with` for each budget and item of a daemon: two of them would each start a command with all of the same share.
//!
//! The claim is a name that the kernel gives to one process at a time and takes back when that ends, however it ends: nobody has to tidy up,
//! and nobody needs a place to write to. Anybody on the host can take such a name, so it counts only of a process of root or of the own user
//! that answers: no stranger keeps a command from its share. It holds within one network namespace.

use super::followed::Followed;
use crate::cli::exit::{Exit, Failure};
use crate::cli::stderr::complain;
use quorate_proto::short_hash;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A look for who asks that fails, as without a free descriptor, is repeated so much later; the claim stands meanwhile.
const AGAIN: Duration = Duration::from_secs(1);

/// Claims what is followed at the daemon of this socket, for as long as this process lives.
pub(super) fn claim(socket: &Path, followed: &Followed) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::other(format!("cannot say that {} is in use: {error}", followed.words()))
    };
    let name = name(socket, followed);
    let address = SocketAddr::from_abstract_name(&name).map_err(failed)?;
    let listener = match UnixListener::bind_addr(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            return heed(holder(&name).ok(), followed);
        }
        other => other.map_err(failed)?,
    };
    // Who asks for the holder is let go of, so that the next one can ask, too.
    listener.set_nonblocking(true).map_err(failed)?;
    let listener = tokio::net::UnixListener::from_std(listener).map_err(failed)?;
    tokio::spawn(async move {
        loop {
            if listener.accept().await.is_err() {
                tokio::time::sleep(AGAIN).await;
            }
        }
    });
    Ok(())
}

/// Somebody has the name: refused where the claim counts.
fn heed(holder: Option<(i32, u32)>, followed: &Followed) -> Result<(), Failure> {
    let own = rustix::process::geteuid().as_raw();
    match holder {
        Some((pid, user)) if user == 0 || user == own => Err(Failure::new(
            Exit::Error,
            "in-use",
            format!(
                "process {pid} on this host runs a command with {} already: a second command would use the same once more. \
                 Let one command serve all, or end that process first",
                followed.words()
            ),
        )),
        holder => {
            let who =
                holder.map_or_else(String::new, |(pid, user)| format!(" {pid} of user {user}"));
            complain(&format!(
                "quorate: process{who} has taken the name by which two commands with {} are told from each other; it is not heeded, and nobody \
                 keeps a second command from starting",
                followed.words()
            ));
            Ok(())
        }
    }
}

/// The process that has the name, and its user, where it answers. Nothing is waited for: a stranger need not answer.
fn holder(name: &[u8]) -> rustix::io::Result<(i32, u32)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let stream = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&stream, &SocketAddrUnix::new_abstract_name(name)?)?;
    let peer = socket_peercred(&stream)?;
    Ok((peer.pid.as_raw_nonzero().get(), peer.uid.as_raw()))
}

/// The same one however the socket's path is spelled.
fn name(socket: &Path, followed: &Followed) -> Vec<u8> {
    let directory = socket.parent().map(Path::canonicalize).and_then(Result::ok);
    let place = match (directory, socket.file_name()) {
        (Some(directory), Some(file)) => directory.join(file),
        _ => std::path::absolute(socket).unwrap_or_else(|_| PathBuf::from(socket)),
    };
    let hash = short_hash(&[place.as_os_str().as_bytes(), followed.words().as_bytes()]);
    format!("quorate/run-with/{hash:016x}").into_bytes()
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

    #[test]
    fn the_name_counts_only_of_root_or_of_the_own_user() {
        let pg = Followed::Budget("pg".to_owned());
        let own = rustix::process::geteuid().as_raw();
        assert!(heed(Some((7, 0)), &pg).is_err() && heed(Some((7, own)), &pg).is_err());
        assert!(heed(Some((7, own + 4_242)), &pg).is_ok(), "a stranger's");
        assert!(heed(None, &pg).is_ok(), "of nobody who answers");
    }
}
