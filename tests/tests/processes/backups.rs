//! Exports and snapshots, as an operator makes and reads them.

use super::cluster::{Cluster, names_with};
use super::host::{Host, Said, quorate};
use super::place::until;
use super::writer::Writer;
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A command of this host's daemon with a file as its standard output.
fn into_file(host: &Host, arguments: &[&str], file: &Path) {
    let socket = host.socket().display().to_string();
    let mut command = quorate(&[&["--socket", &socket], arguments].concat());
    let done = command.stdout(File::create(file).unwrap()).stderr(Stdio::piped()).output().unwrap();
    assert!(done.status.success(), "{}", Said::of(done).text());
}

/// All keys and values of a host, without their revisions.
fn contents(host: &Host, prefix: &str) -> Vec<[Value; 4]> {
    let said = host.cli(&["get", "--prefix", prefix, "-o", "json", "--timeout", "30s"]).ok();
    let page: Value = serde_json::from_str(&said).expect("one page");
    let names = ["key", "key_base64", "value", "value_base64"];
    let kvs = page["kvs"].as_array().expect("keys").iter();
    kvs.map(|kv| names.map(|name| kv[name].clone())).collect()
}

fn path(file: &Path) -> String {
    file.display().to_string()
}

fn status(file: &Path) -> Value {
    let said =
        Said::of(quorate(&["snapshot", "status", "-o", "json", &path(file)]).output().unwrap());
    serde_json::from_str(&said.ok()).expect("one page")
}

#[test]
fn an_export_holds_the_keys_of_one_revision_and_is_imported_into_another_cluster() {
    let mut here = Cluster::of(1);
    here.hosts[0].start();
    here.is_whole();
    let member = here.add("n2");
    member.start();
    here.is_whole();
    let first = &here.hosts[0];
    let lines =
        (0..2_500).map(|number| format!("{{\"key\":\"k{number:05}\",\"value\":\"v{number}\"}}\n"));
    let odd = "{\"key_base64\":\"/wA=\",\"value_base64\":\"gA==\"}\n".to_owned();
    let made = here.dir.path().join("made");
    fs::write(&made, lines.chain([odd]).collect::<String>()).unwrap();
    // Through the host that came later.
    let said = here.hosts[1].cli(&["import", &path(&made), "-o", "json"]).ok();
    let done: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&done["written"], &done["transactions"]), (&2_501.into(), &26.into()));
    let revision = done["revision"].to_string();
    let kept = contents(first, "");
    first.cli(&["delete", "--prefix", "k0000"]).ok();
    first.put("k01000", "changed");
    let file = here.dir.path().join("export");
    into_file(&here.hosts[1], &["export", "--revision", &revision], &file);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 2_503, "a head and an end");
    assert!(text.lines().next().unwrap().contains(&format!("\"revision\":{revision}")));

    let there = Cluster::running(1);
    let host = &there.hosts[0];
    host.put("k00001", "mine");
    let said = host.cli(&["import", "--create-only", &path(&file)]).ok();
    assert!(said.contains("2500 keys written") && said.contains("1 were there already"), "{said}");
    assert_eq!(host.get("k00001"), "mine");
    host.cli(&["import", &path(&file)]).ok();
    assert_eq!(contents(host, ""), kept);
    // What was cut off is refused, and changes nothing.
    fs::write(&file, &text[..text.len() / 2]).unwrap();
    let before = host.cli(&["export"]).ok();
    let refused = host.cli(&["import", &path(&file)]);
    assert_eq!(refused.code, Some(1));
    refused.names(&["nothing was changed"]);
    assert_eq!(host.cli(&["export"]).ok().lines().skip(1).count(), before.lines().skip(1).count());
}

#[test]
fn a_snapshot_saved_on_a_follower_under_writes_holds_all_that_was_acknowledged() {
    let cluster = Cluster::running(3);
    let leader = cluster.leader();
    let follower = &cluster.hosts[(leader + 1) % 3];
    let writer = Writer::through(cluster.hosts.iter().map(Host::socket).collect());
    writer.goes_on(30);
    let saved = cluster.dir.path().join("saved");
    for _ in 0..5 {
        let before: i64 = {
            let said = cluster.hosts[leader].cli(&["put", "mark", "x", "-o", "json"]).ok();
            serde_json::from_str::<Value>(&said).unwrap()["revision"].as_i64().unwrap()
        };
        follower.cli(&["snapshot", "save", &path(&saved)]).ok();
        let page = status(&saved);
        assert!(page["snapshot"]["revision"].as_i64() >= Some(before), "{page}, {before}");
        assert_eq!(page["snapshot"]["saved_by"], follower.name);
    }
    writer.ends();
    assert_eq!(fs::metadata(&saved).unwrap().permissions().mode() & 0o777, 0o600);
    let left = fs::read_dir(cluster.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with(".new")).collect();
    assert!(left.is_empty(), "{left:?}");
    let table = Said::of(quorate(&["snapshot", "status", &path(&saved)]).output().unwrap()).ok();
    for part in ["cluster   acme (", "n1 (voter), n2 (voter), n3 (voter)", "as they were written"] {
        assert!(table.contains(part), "{table}");
    }
    // Any byte that is not as it was is named.
    let whole = fs::read(&saved).unwrap();
    for place in [9, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        fs::write(&saved, &changed).unwrap();
        let said = Said::of(quorate(&["snapshot", "status", &path(&saved)]).output().unwrap());
        assert_eq!(said.code, Some(1), "{place}: {}", said.text());
        said.names(&[&path(&saved), " byte"]);
    }
}

#[test]
fn a_host_without_a_copy_names_those_that_have_one_and_one_that_lost_the_quorum_gives_its_own() {
    let mut cluster = Cluster::running(2);
    cluster.hosts[0].put("key", "value");
    for name in ["n3", "n4", "n5", "n6"] {
        cluster.add(name).start();
    }
    cluster.is_whole();
    let without = until("five hosts vote, and one is no more than a member", || {
        let status = cluster.hosts[0].status()?;
        let members = names_with(&status, "role", "member");
        let voters = names_with(&status, "role", "voter").len();
        let host = cluster.hosts.iter().position(|host| members.contains(&host.name));
        host.filter(|_| voters == 5).ok_or_else(|| status.to_string())
    });
    let file = path(&cluster.dir.path().join("saved"));
    let said = cluster.hosts[without].cli(&["snapshot", "save", &file]);
    assert_eq!(said.code, Some(6), "{}", said.text());
    said.names(&["this host holds no copy", "these hosts do: "]);

    let mut two = Cluster::running(2);
    two.hosts[0].put("key", "value");
    two.hosts[1].kill();
    let host = &two.hosts[0];
    host.status_when("lost the quorum", |status| status["state"] == "no-quorum");
    assert_eq!(host.cli(&["snapshot", "save", &file, "--timeout", "1s"]).code, Some(4));
    host.cli(&["snapshot", "save", &file, "--serializable"]).ok();
    assert_eq!(status(Path::new(&file))["snapshot"]["keys"], 1);
}

#[test]
fn a_directory_of_snapshots_keeps_the_newest_and_nothing_goes_when_none_was_saved() {
    let mut cluster = Cluster::running(1);
    let into = cluster.dir.path().join("snapshots");
    fs::create_dir(&into).unwrap();
    let files = || -> Vec<PathBuf> {
        let mut files: Vec<_> =
            fs::read_dir(&into).unwrap().map(|one| one.unwrap().path()).collect();
        files.sort();
        files
    };
    let directory = path(&into);
    let save = ["snapshot", "save", "--into", &directory, "--keep", "2", "-o", "json"];
    let mut saved = Vec::new();
    for number in 0..4 {
        cluster.hosts[0].put("key", &number.to_string());
        let said = cluster.hosts[0].cli(&save).ok();
        let page: Value = serde_json::from_str(&said).unwrap();
        saved.push(PathBuf::from(page["file"].as_str().unwrap()));
    }
    assert_eq!(files(), saved[2..], "two are kept");
    cluster.hosts[0].kill();
    assert_eq!(cluster.hosts[0].cli(&save).code, Some(3));
    assert_eq!(files(), saved[2..]);
}
