//! Data that belong to another user than the one who runs a command. Needs root.

use super::cluster::Cluster;
use super::host::{Host, Said, quorate};
use super::place::need_root;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

/// `nobody`, on every Linux.
const USER: u32 = 65_534;

/// A host that was in a cluster, whose data are that user's now.
fn of_another_user() -> Cluster {
    need_root();
    let mut cluster = Cluster::running(1);
    cluster.hosts[0].kill();
    let host = &cluster.hosts[0];
    for dir in [cluster.dir.path(), &host.home] {
        fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
    }
    give(&host.file("data"));
    give(&host.file("birth"));
    cluster
}

fn give(path: &Path) {
    chown(path, Some(USER), Some(USER)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path()));
    }
}

fn reset(host: &Host) -> Said {
    let config = host.file("quorate.toml").display().to_string();
    Said::of(quorate(&["reset", "--config", &config, "--cluster", "acme"]).output().unwrap())
}

#[test]
fn data_of_another_user_are_refused_with_the_way_to_run_as_that_user() {
    let cluster = of_another_user();
    let host = &cluster.hosts[0];
    let generation = fs::read(host.file("data/life/generation")).unwrap();
    let said = host.refuses();
    said.names(&["belongs to the user nobody", "runs as root", "runuser -u nobody"]);
    assert_eq!(said.code, Some(10), "no other start goes better");
    assert_eq!(fs::read(host.file("data/life/generation")).unwrap(), generation);
}

#[test]
fn root_resets_with_the_rights_of_the_owner_and_follows_no_link_of_theirs() {
    let cluster = of_another_user();
    let host = &cluster.hosts[0];
    let (lock, victim) = (host.file("data/LOCK"), host.file("victim"));
    host.write("victim", "precious");
    fs::remove_file(&lock).unwrap();
    symlink(&victim, &lock).unwrap();
    let said = reset(host);
    assert_eq!(said.code, Some(1), "{}", said.text());
    said.names(&["LOCK", "remove it"]);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    fs::remove_file(&lock).unwrap();
    // Neither the secret nor anything else but the places is needed.
    fs::remove_file(&cluster.secret).unwrap();
    assert!(reset(host).ok().contains("cleared"));
    assert!(!host.file("data/life").exists() && !host.file("birth/acme").exists());
    assert_eq!(fs::metadata(&lock).unwrap().uid(), USER, "nothing is left to root");
}
