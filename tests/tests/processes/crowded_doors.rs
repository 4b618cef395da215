//! Programs of one user that take all the connections that they get. Needs root, which can be any user.

use super::cluster::Cluster;
use super::host::Said;
use super::place::{binary, need_root, until};
use rustix::process::{Gid, Uid};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Connections of one door; one user's programs have half of them.
const CONNECTIONS: usize = 1024;
/// What a door says to who finds no place.
const FULL: &str = "as many connections as there may be, or as one user may have, are open";
/// Two users, neither of them root.
const GREEDY: u32 = 65_533;
const OTHER: u32 = 65_532;

/// So many connections of a user's, which say nothing.
fn taken(socket: &Path, user: u32, count: usize) -> Vec<UnixStream> {
    let socket = socket.to_owned();
    // The user of one thread alone, which is gone behind it.
    let asks = std::thread::spawn(move || {
        rustix::thread::set_thread_gid(Gid::from_raw(user)).expect("root can");
        rustix::thread::set_thread_uid(Uid::from_raw(user)).expect("root can");
        (0..count).map(|_| UnixStream::connect(&socket).expect("a connection")).collect()
    });
    asks.join().expect("all are taken")
}

#[test]
fn the_programs_of_one_user_leave_room_at_the_socket_for_those_of_others() {
    need_root();
    let cluster = Cluster::running(1);
    let host = &cluster.hosts[0];
    // Where everybody may go: the directory of the build may be root's alone.
    let own = cluster.dir.path().join("quorate");
    fs::copy(binary(), &own).expect("a copy of the binary");
    for dir in [cluster.dir.path(), &host.home] {
        fs::set_permissions(dir, Permissions::from_mode(0o755)).expect("its mode");
    }
    fs::set_permissions(host.socket(), Permissions::from_mode(0o666)).expect("its mode");
    // A door that is full still answers `status` and `why`, and with them `members`.
    let health = |user: u32| {
        let mut command = Command::new(&own);
        command.env_clear().uid(user).gid(user).current_dir("/").arg("--socket");
        command.arg(host.socket()).arg("health");
        Said::of(command.output().expect("the command line runs"))
    };
    health(GREEDY).ok();
    let held = taken(&host.socket(), GREEDY, CONNECTIONS / 2);
    until("the greedy user has its half", || {
        let said = health(GREEDY);
        let refused = said.code == Some(1) && said.err.contains(FULL);
        if refused { Ok(()) } else { Err(said.text()) }
    });
    health(OTHER).ok();
    health(0).ok();
    drop(held);
    until("there is room again", || {
        let said = health(GREEDY);
        if said.code == Some(0) { Ok(()) } else { Err(said.text()) }
    });
}
