//! Data that belong to another user than the one who runs a command. Needs root.

use super::cluster::Cluster;
use super::host::{Host, Said, quorate};
use super::place::{binary, need_root};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// `nobody`, on every Linux.
const USER: u32 = 65_534;
/// Neither root nor that one.
const OTHER: u32 = 65_533;

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

/// What `check-config` says to a user.
fn check(cluster: &Cluster, user: u32) -> Said {
    // Where everybody may go: the directory of the build may be root's alone.
    let own = cluster.dir.path().join("quorate");
    if !own.exists() {
        fs::copy(binary(), &own).expect("a copy of the binary");
    }
    let mut command = Command::new(own);
    command.env_clear().uid(user).gid(user).current_dir("/").args(["check-config", "--config"]);
    Said::of(command.arg(cluster.hosts[0].file("quorate.toml")).output().expect("it runs"))
}

#[test]
fn check_config_refuses_data_of_another_user_whoever_runs_it() {
    let cluster = of_another_user();
    let host = &cluster.hosts[0];
    for name in ["quorate.toml", "host.toml"] {
        fs::set_permissions(host.file(name), Permissions::from_mode(0o644)).unwrap();
    }
    let belongs = |said: Said, owner: &str| {
        assert_eq!(said.code, Some(1), "{}", said.text());
        said.names(&[&format!("belongs to the user {owner}"), &format!("runuser -u {owner}")]);
    };
    assert!(check(&cluster, 0).ok().contains("the data are of cluster"), "root looks as the owner");
    // What root reads and the daemon may not is named, with what helps.
    fs::set_permissions(host.file("host.toml"), Permissions::from_mode(0o600)).unwrap();
    let closed = host.file("host.toml").display().to_string();
    let warned = check(&cluster, 0).ok();
    for part in ["which runs as nobody, may not read it (mode 0600", &format!("chmod o+r {closed}")]
    {
        assert!(warned.contains(part), "{warned}");
    }
    fs::set_permissions(host.file("host.toml"), Permissions::from_mode(0o644)).unwrap();
    assert!(!check(&cluster, 0).ok().contains("may not read it"));
    chown(&cluster.secret, Some(OTHER), Some(OTHER)).unwrap();
    belongs(check(&cluster, OTHER), "nobody");
    // Data of two users are another's for each of them, and for root, too.
    chown(host.file("birth"), Some(OTHER), Some(OTHER)).unwrap();
    belongs(check(&cluster, 0), &OTHER.to_string());
    belongs(check(&cluster, OTHER), "nobody");
    chown(&cluster.secret, Some(USER), Some(USER)).unwrap();
    belongs(check(&cluster, USER), &OTHER.to_string());
}
