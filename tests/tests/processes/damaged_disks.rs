//! A data directory that is held, or not as it was left: the daemon refuses, names file and place, cuts nothing.

use super::cluster::Cluster;
use super::host::Host;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};

fn files_of(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn flip(file: &Path, offset: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[offset] ^= 0x40;
    fs::write(file, bytes).unwrap();
}

/// One host that has founded, written and crashed.
fn crashed() -> Cluster {
    let mut cluster = Cluster::running(1);
    for number in 0..10 {
        cluster.hosts[0].put(&format!("key/{number}"), "a value that is long enough to be hit");
    }
    cluster.hosts[0].kill();
    cluster
}

#[track_caller]
fn refuses_for_ever(host: &Host, parts: &[&str]) {
    let first = host.refuses();
    first.names(parts);
    first.names(&["quorate reset --set-aside --cluster acme"]);
    // It has not "repaired" anything: the second start says the same.
    host.refuses().names(parts);
}

#[test]
fn a_flipped_byte_in_the_middle_of_the_log_is_named_with_file_and_offset() {
    let cluster = crashed();
    let host = &cluster.hosts[0];
    let segment = files_of(&host.file("data/life/log")).remove(0);
    let bytes = fs::read(&segment).unwrap();
    let needle = b"a value that is long enough";
    let middle = bytes.windows(needle.len()).position(|part| part == needle).expect("in the log");
    flip(&segment, middle);
    refuses_for_ever(host, &[&segment.display().to_string(), "byte ", "nothing was cut"]);
    assert_eq!(fs::read(&segment).unwrap().len(), bytes.len());
}

#[test]
fn a_damaged_founding_file_is_never_taken_for_a_fresh_host() {
    let cluster = crashed();
    let host = &cluster.hosts[0];
    let file = host.file("data/life/founding");
    flip(&file, fs::read(&file).unwrap().len() / 2);
    refuses_for_ever(host, &[&file.display().to_string(), "not taken for a fresh host"]);
}

#[test]
fn a_missing_part_of_the_life_is_never_taken_for_a_fresh_host() {
    for part in ["founding", "identity", "generation", "log"] {
        let cluster = crashed();
        let host = &cluster.hosts[0];
        let path = host.file("data/life").join(part);
        fs::rename(&path, host.file("aside")).unwrap();
        host.refuses().names(&[&path.display().to_string(), "quorate reset --set-aside --cluster"]);
    }
}

#[test]
fn a_second_daemon_on_the_same_data_names_the_first() {
    let cluster = Cluster::running(1);
    let host = &cluster.hosts[0];
    let pid = host.child.as_ref().unwrap().id().to_string();
    let data = host.file("data").display().to_string();
    host.refuses().names(&[
        &data,
        "held by another quorate",
        &format!("pid {pid}"),
        "stop that one",
    ]);
    cluster.is_whole();
}

#[test]
fn a_socket_of_a_living_daemon_is_not_taken_away() {
    let mut cluster = Cluster::running(1);
    let socket = cluster.hosts[0].socket().display().to_string();
    let second = cluster.add("second");
    second.reconfigure(&second.socket().display().to_string(), &socket);
    let said = second.refuses();
    said.names(&[&socket, "daemon", "`socket` under [client]"]);
    cluster.hosts[0].cli(&["status"]).ok();
}

#[test]
fn a_socket_that_a_crash_left_behind_is_no_obstacle() {
    let mut cluster = crashed();
    assert!(cluster.hosts[0].socket().exists(), "a crash leaves it");
    cluster.start_all();
    cluster.is_whole();
}

#[test]
fn a_udp_port_that_is_taken_is_named() {
    let cluster = Cluster::of(1);
    let host = &cluster.hosts[0];
    let _holder = UdpSocket::bind(host.listen).unwrap();
    host.refuses().names(&[&host.listen.to_string(), "UDP", "`listen`"]);
}

#[test]
fn a_tcp_port_that_is_taken_is_named_keeps_no_host_down_and_is_opened_when_it_is_free() {
    let mut cluster = Cluster::of(1);
    let host = &mut cluster.hosts[0];
    let holder = std::net::TcpListener::bind(host.listen).unwrap();
    host.start();
    let address = host.listen.to_string();
    host.waits_for("door-closed", &[&address, "`tcp` under [client]", "ss -ltnp sport = :"]);
    host.put("who", "writes through the other door");
    drop(holder);
    host.status_when("the door is open", |status| {
        let reasons = status["waiting_for"].as_array().unwrap();
        reasons.iter().all(|reason| reason["code"] != "door-closed")
    });
    std::net::TcpStream::connect(host.listen).unwrap();
}

#[test]
fn a_data_directory_that_holds_something_else_is_left_alone() {
    let cluster = Cluster::of(1);
    let host = &cluster.hosts[0];
    fs::create_dir(host.file("data")).unwrap();
    host.write("data/accounts.db", "precious");
    host.refuses().names(&["data", "accounts.db", "no quorate data", "empty directory"]);
    assert_eq!(fs::read_to_string(host.file("data/accounts.db")).unwrap(), "precious");
}
