//! A cluster that is lost, and founded again from a snapshot: by one host, which the others join.

use super::cluster::{Cluster, names_with};
use super::host::{Host, Said, names, quorate};
use super::place::until;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `quorate snapshot restore` on this host.
fn restore(host: &Host, file: &Path, more: &[&str]) -> Said {
    let config = host.file("quorate.toml").display().to_string();
    let file = file.display().to_string();
    let line = [&["snapshot", "restore", "--config", &config, &file], more].concat();
    Said::of(quorate(&line).output().expect("the command line runs"))
}

/// Three hosts with a few keys, of which a snapshot was saved before the last one was written; the snapshot, and its revision.
fn saved(cluster: &Cluster) -> (PathBuf, i64) {
    for number in 0..5 {
        cluster.hosts[0].put(&format!("key/{number}"), &format!("value {number}"));
    }
    cluster.hosts[0].cli(&["delete", "key/0"]).ok();
    let file = cluster.dir.path().join("saved");
    let said =
        cluster.hosts[1].cli(&["snapshot", "save", &file.display().to_string(), "-o", "json"]);
    let page: Value = serde_json::from_str(&said.ok()).expect("one page");
    cluster.hosts[0].put("late", "behind the snapshot");
    (file, page["snapshot"]["revision"].as_i64().expect("a revision"))
}

/// All hosts lose their power, and all but the last their disks.
fn lose(cluster: &mut Cluster) {
    cluster.hosts.iter_mut().for_each(Host::kill);
    for host in &cluster.hosts[..cluster.hosts.len() - 1] {
        for directory in ["data", "birth"] {
            fs::remove_dir_all(host.file(directory)).expect("it was there");
        }
    }
}

/// The revision of the newest answer that etcd's client gets.
fn revision(host: &Host) -> i64 {
    let said = Command::new("etcdctl")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("ETCDCTL_API", "3")
        .args(["--endpoints", &format!("unix://{}", host.socket().display())])
        .args(["--command-timeout", "30s", "get", "key/1", "-w", "json"])
        .output()
        .expect(
            "etcdctl is installed: `apt-get install etcd-client`, or `./check`, which installs it",
        );
    let page: Value = serde_json::from_str(&Said::of(said).ok()).expect("JSON");
    page["header"]["revision"].as_i64().expect("a revision")
}

#[test]
fn a_cluster_whose_disks_are_lost_is_founded_again_from_a_snapshot_and_revisions_never_run_back() {
    let mut cluster = Cluster::running(3);
    let before = cluster.is_whole();
    let (file, at) = saved(&cluster);
    let newest = revision(&cluster.hosts[2]);
    assert!(newest > at);
    lose(&mut cluster);

    let said = restore(&cluster.hosts[0], &file, &["--yes"]);
    said.names(&[
        &before,
        "quorate reset --set-aside --cluster",
        "Every other host",
        "systemctl start quorate",
    ]);
    said.ok();
    cluster.hosts[0].start();
    cluster.hosts[0].cli(&["wait", "--quorate", "--timeout", "60s"]).ok();
    cluster.hosts[1].start();
    let now = cluster.is_whole();
    // One that comes with the data of the old cluster is told and stops, and joins once it has forgotten.
    cluster.hosts[2].start();
    let ended = cluster.hosts[2].ended("a host of the old cluster stops");
    assert_eq!(ended.code(), Some(10), "systemd leaves it");
    names(&cluster.hosts[2].log(), &[&now, "quorate reset --set-aside"]);
    let config = cluster.hosts[2].file("quorate.toml").display().to_string();
    let mut reset = quorate(&["reset", "--set-aside", "--config", &config, "--cluster", &before]);
    Said::of(reset.output().expect("the command line runs")).ok();
    cluster.hosts[2].start();
    assert_eq!(cluster.is_whole(), now);
    assert_ne!(before, now, "another cluster");
    until("all three vote", || {
        let status = cluster.hosts[0].status()?;
        let voters = names_with(&status, "role", "voter");
        if voters == ["n1", "n2", "n3"] { Ok(()) } else { Err(format!("{voters:?}")) }
    });
    for host in &cluster.hosts {
        for number in 1..5 {
            assert_eq!(host.get(&format!("key/{number}")), format!("value {number}"));
        }
        assert_eq!(host.cli(&["get", "key/0"]).code, Some(6), "deleted before");
        assert_eq!(host.cli(&["get", "late"]).code, Some(6), "written behind the snapshot");
        assert!(revision(host) > newest, "{} after {newest}", revision(host));
        let past = host.cli(&["get", "key/1", "--rev", &newest.to_string()]);
        assert_eq!(past.code, Some(1));
        past.names(&["that revision is not kept any more"]);
    }
    let why = cluster.hosts[1].cli(&["why"]);
    assert_eq!(why.code, Some(0), "{}", why.text());
    cluster.hosts[1].put("key/1", "anew");
    assert_eq!(cluster.hosts[2].get("key/1"), "anew");
    // It is a cluster like any other: the founder may go.
    cluster.hosts[0].kill();
    until("the others write without it", || {
        // Who led and was killed may have had it in hand.
        let said = cluster.hosts[2].cli(&["put", "key/2", "without the founder"]);
        if said.code == Some(0) { Ok(()) } else { Err(said.text()) }
    });
}

#[test]
fn what_would_be_wrong_is_not_restored_and_nothing_is_changed() {
    let mut cluster = Cluster::running(3);
    let (file, _) = saved(&cluster);
    let host = &cluster.hosts[0];
    let held = restore(host, &file, &["--yes", "--set-aside"]);
    assert_eq!(held.code, Some(1));
    held.names(&["Nothing was restored"]);
    cluster.hosts.iter_mut().for_each(Host::kill);
    let host = &cluster.hosts[0];
    let data = restore(host, &file, &["--yes"]);
    assert_eq!(data.code, Some(1));
    data.names(&["there are data of cluster", "--set-aside", "Nothing was restored"]);
    assert_eq!(restore(host, &file, &["--set-aside"]).code, Some(2), "nobody said yes");

    let whole = fs::read(&file).unwrap();
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    let damaged = cluster.dir.path().join("damaged");
    fs::write(&damaged, changed).unwrap();
    let said = restore(host, &damaged, &["--yes", "--set-aside"]);
    assert_eq!(said.code, Some(1));
    said.names(&[&damaged.display().to_string(), " byte"]);

    let other = cluster.add("n4");
    let config = fs::read_to_string(other.file("quorate.toml")).unwrap();
    let said = restore(other, &file, &["--yes"]);
    assert_eq!(said.code, Some(1));
    said.names(&["Nothing was restored"]);
    other.write("quorate.toml", &config.replace("\"acme\"", "\"other\""));
    let said = restore(other, &file, &["--yes"]);
    said.names(&["the snapshot is of cluster `acme`", "quorate import"]);
    assert!(!other.file("data").exists());

    // All of it is as it was.
    cluster.hosts.pop();
    cluster.start_all();
    cluster.is_whole();
    assert_eq!(cluster.hosts[0].get("late"), "behind the snapshot");
}

#[test]
fn data_that_are_set_aside_are_kept_beside_those_of_the_new_cluster() {
    let mut cluster = Cluster::running(1);
    cluster.hosts[0].put("key/1", "value 1");
    let file = cluster.dir.path().join("saved");
    cluster.hosts[0].cli(&["snapshot", "save", &file.display().to_string()]).ok();
    let before = cluster.is_whole();
    cluster.hosts[0].kill();
    restore(&cluster.hosts[0], &file, &["--yes", "--set-aside"]).ok();
    cluster.hosts[0].start();
    assert_ne!(cluster.is_whole(), before);
    assert_eq!(cluster.hosts[0].get("key/1"), "value 1");
    let kept = fs::read_dir(cluster.hosts[0].file("data")).unwrap();
    let kept: Vec<_> = kept.map(|entry| entry.unwrap().file_name()).collect();
    assert!(kept.iter().any(|name| name.to_string_lossy().contains("set-aside")), "{kept:?}");
}
