//! A configuration that does not mean what it says: the daemon refuses, names file, key and remedy, and exits with 1.

use super::cluster::Cluster;
use super::host::{Said, quorate, refused};
use super::place::{binary, need_root};
use rustix::fs::{FileType, Mode};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;

/// What the daemon says with one text of its configuration changed. `check-config` says the same.
#[track_caller]
fn with_config(from: &str, to: &str) -> Said {
    let cluster = Cluster::of(3);
    let host = &cluster.hosts[0];
    host.reconfigure(from, to);
    let said = host.refuses();
    said.names(&["quorate.toml"]);
    let config = host.file("quorate.toml").display().to_string();
    let checked = refused(quorate(&["check-config", "--config", &config]));
    assert_eq!(checked.err, said.err, "`check-config` and `run` say the same");
    said
}

/// The line of the seeds, whatever it holds.
#[track_caller]
fn with_seeds(line: &str) -> Said {
    let cluster = Cluster::of(3);
    let host = &cluster.hosts[0];
    let text = fs::read_to_string(host.file("quorate.toml")).unwrap();
    let lines = text.lines().map(|old| if old.starts_with("seeds") { line } else { old });
    host.write("quorate.toml", &lines.collect::<Vec<_>>().join("\n"));
    host.refuses()
}

#[test]
fn an_unknown_key_is_refused_and_the_nearest_one_named() {
    with_config("cluster =", "clutser =").names(&["`clutser`", "did you mean `cluster`?"]);
    with_config("keyspace_on_tcp", "keyspace_over_tcp")
        .names(&["`client.keyspace_over_tcp`", "did you mean `client.keyspace_on_tcp`?"]);
    with_config("cluster =", "[server]\nport = 1\n[x]\ncluster =")
        .names(&["`server.port`", "known are"]);
}

#[test]
fn a_value_of_the_wrong_type_is_refused_with_an_example() {
    with_config("cluster = \"acme\"", "cluster = 7").names(&[
        "`cluster = 7`",
        "in quotes",
        "cluster = \"...\"",
    ]);
    with_config("keyspace_on_tcp = true", "keyspace_on_tcp = \"yes\"")
        .names(&["`client.keyspace_on_tcp = \"yes\"`", "must be true or false"]);
    with_config("cluster = \"acme\"", "cluster = \"acme\nvoters")
        .names(&["not valid TOML", "line 2"]);
    with_config("cluster = \"acme\"", "cluster = \"Acme Inc\"").names(&["Acme Inc", "a-z, 0-9"]);
    with_config("birth_dir", "founding = \"all\"\nbirth_dir")
        .names(&["`founding = all`", "majority"]);
}

#[test]
fn no_seeds_or_too_many_or_one_twice_are_refused() {
    with_seeds("").names(&["`seeds` is missing", "1 to 7"]);
    with_seeds("seeds = []").names(&["no seed is named", "1 to 7"]);
    with_seeds("seeds = \"f1\"").names(&["must be a list", "seeds = ["]);
    let eight: Vec<String> = (1..=8).map(|number| format!("\"f{number}\"")).collect();
    with_seeds(&format!("seeds = [{}]", eight.join(", "))).names(&[
        "8 seeds are named",
        "at most 7",
        "joins through these",
    ]);
    with_seeds("seeds = [\"f1\", \"F1:4747\"]").names(&["f1:4747", "named twice"]);
    with_seeds("seeds = [\"f1:http\"]").names(&["f1:http", "host:port"]);
}

#[test]
fn a_missing_config_is_named_with_the_way_to_another() {
    let said = refused(quorate(&["run", "--config", "/nonexistent/quorate.toml"]));
    said.names(&["/nonexistent/quorate.toml", "--config"]);
}

#[test]
fn a_secret_that_is_missing_short_several_or_no_secret_is_refused() {
    let cluster = Cluster::of(1);
    let host = &cluster.hosts[0];
    let secret = &cluster.secret;
    let whole = fs::read_to_string(secret).unwrap();
    let path = secret.display().to_string();
    for (content, problem) in [
        ("quorate-secret-1:0123456789abcdef\n", "64"),
        ("hunter2\n", "quorate-secret-1:"),
        ("#\n", "holds no secret"),
        ("", "holds no secret"),
    ] {
        fs::write(secret, content).unwrap();
        host.refuses().names(&[&path, problem, "quorate secret new"]);
    }
    fs::write(secret, whole.repeat(3)).unwrap();
    host.refuses().names(&[&path, "3 secrets", "rotation"]);
    fs::remove_file(secret).unwrap();
    host.refuses().names(&[&path, "No such file", "quorate secret new"]);
    fs::create_dir(secret).unwrap();
    host.refuses().names(&[&path, "not a regular file", "quorate secret new"]);
    // Whoever opens a pipe waits for who writes into it: nobody does.
    fs::remove_dir(secret).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, secret, FileType::Fifo, Mode::RUSR, 0).unwrap();
    host.refuses().names(&[&path, "not a regular file", "quorate secret new"]);
}

#[test]
fn a_secret_that_others_may_read_is_refused_with_the_command_that_closes_it() {
    let cluster = Cluster::of(1);
    fs::set_permissions(&cluster.secret, fs::Permissions::from_mode(0o644)).unwrap();
    let chmod = format!("chmod 600 {}", cluster.secret.display());
    cluster.hosts[0].refuses().names(&["others may read", "0644", &chmod]);
}

#[test]
fn a_secret_that_the_daemons_user_may_not_read_is_named() {
    need_root();
    let cluster = Cluster::of(1);
    // Where nobody may go: the directory of the build may be root's alone.
    let own = cluster.dir.path().join("quorate");
    fs::copy(binary(), &own).expect("a copy of the binary");
    let open = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open(cluster.dir.path(), 0o755);
    open(&cluster.hosts[0].file("quorate.toml"), 0o644);
    open(&cluster.hosts[0].file("host.toml"), 0o644);
    let mut command = std::process::Command::new(own);
    command.env_clear().uid(65_534).gid(65_534).current_dir("/");
    command.args(["run", "--config"]).arg(cluster.hosts[0].file("quorate.toml"));
    let said = refused(command);
    said.names(&[&cluster.secret.display().to_string(), "Permission denied", "chown"]);
}

#[test]
fn a_marker_inside_the_data_is_refused() {
    let cluster = Cluster::of(1);
    let host = &cluster.hosts[0];
    host.reconfigure("/birth\"", "/data/birth\"");
    host.refuses().names(&["birth_dir", "outside `data_dir`", "lost together"]);
}

#[test]
fn a_door_that_is_open_to_the_network_is_refused() {
    let cluster = Cluster::of(1);
    let host = &cluster.hosts[0];
    host.reconfigure(&format!("tcp = \"{}\"", host.listen), "tcp = \"0.0.0.0:4748\"");
    host.refuses().names(&["client.tcp", "loopback", "off"]);
}
