//! Disks that are full or read-only, on file systems that only the daemon under test sees (`unshare --mount`).

use super::cluster::Cluster;
use super::host::{Host, Said, quorate, refused};
use super::place::{binary, need_root};
use std::fs;
use std::process::Command;

/// Runs the daemon behind `mounts`, a shell command that may use $DATA, in a mount namespace of its own.
fn behind(host: &Host, mounts: &str) -> Command {
    need_root();
    let mut command = Command::new("unshare");
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("DATA", host.file("data")).env("QUORATE", binary());
    command.env("CONFIG", host.file("quorate.toml"));
    let script =
        format!("set -e; mkdir -p \"$DATA\"; {mounts}; exec \"$QUORATE\" run --config \"$CONFIG\"");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
    command
}

#[track_caller]
fn refuses_behind(host: &Host, mounts: &str) -> Said {
    refused(behind(host, mounts))
}

/// A file system of `size` with `left` KiB free, at $DATA.
fn filled(size: &str, left: u32) -> String {
    format!(
        "mount -t tmpfs -o size={size},mode=700 tmpfs \"$DATA\"; mkdir \"$DATA/lost+found\"; \
         dd if=/dev/zero of=\"$DATA/lost+found/filler\" bs=1k 2>/dev/null || true; \
         truncate -s -{left}k \"$DATA/lost+found/filler\""
    )
}

#[test]
fn a_disk_that_is_full_at_the_first_start_is_named() {
    let cluster = Cluster::of(1);
    let host = &cluster.hosts[0];
    // Room for nothing at all, then for a part of what a life is.
    for left in [0, 4, 8] {
        let said = refuses_behind(host, &filled("64k", left));
        said.names(&["is full", &host.file("data").display().to_string(), "make room"]);
    }
}

#[test]
fn a_disk_without_room_for_the_log_is_told_in_why_and_the_daemon_still_stops_when_asked() {
    let mut cluster = Cluster::of(1);
    let host = &mut cluster.hosts[0];
    host.child = Some(behind(host, &filled("512k", 100)).spawn().expect("it starts"));
    host.waits_for("disk-full", &["full"]);
    let why = host.cli(&["why"]);
    why.names(&["disk", "full", "What helps:"]);
    let put = host.cli(&["put", "key", "value"]);
    assert_ne!(put.code, Some(0), "nothing is acknowledged that is not durable");
    put.names(&["the disk of n1, which leads, is full"]);
    assert_eq!(host.stop(rustix::process::Signal::TERM).code(), Some(0));
}

#[test]
fn a_leader_whose_disk_is_full_hands_over_and_writes_go_on() {
    let mut cluster = Cluster::of(3);
    for host in &mut cluster.hosts {
        host.child = Some(behind(host, &filled("200m", 150_000)).spawn().expect("it starts"));
    }
    cluster.is_whole();
    let leader = cluster.leader();
    let pid = cluster.hosts[leader].child.as_ref().expect("it runs").id().to_string();
    let filler = cluster.hosts[leader].file("data/lost+found/more").display().to_string();
    let fill = format!("dd if=/dev/zero of={filler} bs=4k 2>/dev/null; test -s {filler}");
    let filled = Command::new("nsenter").args(["-t", &pid, "-m", "--", "sh", "-c", &fill]).status();
    assert!(filled.expect("nsenter runs").success());
    let name = cluster.hosts[leader].name.clone();
    let follower = &cluster.hosts[(leader + 1) % 3];
    follower.status_when("another leads", |status| {
        status["leader"].as_str().is_some_and(|leads| leads != name)
    });
    follower.put("key", "value");
    assert_eq!(cluster.hosts[leader].get("key"), "value", "it follows, and serves");
    follower.waits_for("disk-full", &["full", &name]);
}

#[test]
fn a_host_whose_disk_is_full_starts_again_and_says_so() {
    let mut cluster = Cluster::of(1);
    let host = &mut cluster.hosts[0];
    let socket = host.socket().display().to_string();
    let script = format!(
        "mount -t tmpfs -o size=200m,mode=700 tmpfs \"$DATA\"; mkdir \"$DATA/lost+found\"; \
         \"$QUORATE\" run --config \"$CONFIG\" & \
         \"$QUORATE\" --socket {socket} wait --quorate --timeout 50s; \
         \"$QUORATE\" --socket {socket} put key value --timeout 50s; \
         kill -9 $!; wait $! || true; \
         dd if=/dev/zero of=\"$DATA/lost+found/filler\" bs=4k 2>/dev/null || true"
    );
    host.child = Some(behind(host, &script).spawn().expect("it starts"));
    // The first start is over when this one knows of two.
    host.status_when("it was started twice", |status| status["node"]["generation"] == 2);
    host.status_when("it leads", |status| status["state"] == "quorate");
    assert_eq!(host.get("key"), "value");
    assert_eq!(host.stop(rustix::process::Signal::TERM).code(), Some(0));
}

#[test]
fn a_disk_that_is_read_only_is_named() {
    let mut cluster = Cluster::running(1);
    cluster.hosts[0].kill();
    let mounts = "mount --bind \"$DATA\" \"$DATA\"; mount -o remount,bind,ro \"$DATA\"";
    let said = refuses_behind(&cluster.hosts[0], mounts);
    said.names(&["Read-only file system", "mount the file system for writing", "data_dir"]);
    // The same at a first start.
    let cluster = Cluster::of(1);
    let said = refuses_behind(&cluster.hosts[0], mounts);
    said.names(&["Read-only file system", "mount the file system for writing", "data_dir"]);
}

#[test]
fn a_data_directory_whose_parent_is_missing_or_a_file_is_named() {
    let cluster = Cluster::of(1);
    let host = &cluster.hosts[0];
    host.write("in-the-way", "");
    host.reconfigure("/data\"", "/in-the-way/data\"");
    host.refuses().names(&["in-the-way", "data_dir"]);
}

#[test]
fn what_check_config_means_is_said_without_starting_anything() {
    let cluster = Cluster::of(3);
    let host = &cluster.hosts[1];
    let config = host.file("quorate.toml").display().to_string();
    let said = Said::of(quorate(&["check-config", "--config", &config]).output().unwrap());
    let text = said.ok();
    assert!(text.contains("acme") && text.contains(&host.listen.to_string()), "{text}");
    assert!(!fs::exists(host.file("data")).unwrap(), "it creates nothing");
}
