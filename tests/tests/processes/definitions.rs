//! Files that define budgets and assignments, on real daemons: what the cluster lacks is defined, what it has stays, and what differs is named.

use super::cluster::Cluster;
use super::host::{Host, quorate};
use super::place::until;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;

fn write(host: &Host, kind: &str, name: &str, text: &str) {
    let directory = host.file(kind);
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join(format!("{name}.toml")), text).expect("a file");
}

/// Two hosts with places for such files; nothing runs yet.
fn cluster() -> Cluster {
    let cluster = Cluster::of(2);
    for host in &cluster.hosts {
        let of = |kind: &str| host.file(kind).display().to_string();
        let extra = format!(
            "budgets_dir = \"{}\"\nassignments_dir = \"{}\"",
            of("budgets.d"),
            of("assignments.d")
        );
        host.configure(&cluster.seeds, &cluster.secret, &extra);
        // As it is where nothing is said: what TCP serves has nothing to do with files.
        host.reconfigure("keyspace_on_tcp = true", "keyspace_on_tcp = false");
    }
    cluster
}

fn show(host: &Host, what: [&str; 3]) -> Result<Value, String> {
    let said = host.cli(&[&what[..], &["-o", "json"]].concat());
    serde_json::from_str(&said.out).map_err(|_| said.text())
}

#[test]
fn what_files_define_the_cluster_has_and_what_it_has_already_stays_with_the_difference_named() {
    let mut cluster = cluster();
    write(&cluster.hosts[0], "budgets.d", "pg", "max = 30\n");
    write(&cluster.hosts[0], "assignments.d", "edge", "items = [\"vip\"]\n");
    cluster.start_all();
    cluster.is_whole();
    until("the budget is shared", || {
        let page = show(&cluster.hosts[1], ["budget", "show", "pg"])?;
        if page["granted"] == 30 { Ok(()) } else { Err(page.to_string()) }
    });
    until("the item is held", || {
        let page = show(&cluster.hosts[1], ["assign", "show", "edge"])?;
        if page["items"][0]["state"] == "held" { Ok(()) } else { Err(page.to_string()) }
    });
    // Another host says otherwise, and slips in another file.
    let second = &cluster.hosts[1];
    write(second, "budgets.d", "pg", "max = 40\n");
    write(second, "budgets.d", "odd", "max = 30\n\ncolour = \"red\"\n");
    write(second, "budgets.d", "more", "max = 5\n");
    second.signal(Signal::HUP);
    second.waits_for("definition-file", &["odd.toml: line 3", "systemctl reload quorate"]);
    second.waits_for(
        "definition-differs",
        &["pg.toml", "max is 30, and 40 in the file", "quorate budget set pg --max 40"],
    );
    // What stands while it is in use is not changed by a command that would be refused.
    write(second, "assignments.d", "edge", "items = [\"cron\"]\nttl = \"9s\"\n");
    second.signal(Signal::HUP);
    second.waits_for("definition-differs", &["edge.toml", "quorate assign remove edge"]);
    until("the other file is offered all the same", || {
        show(&cluster.hosts[0], ["budget", "show", "more"])
    });
    assert_eq!(show(second, ["budget", "show", "pg"]).expect("a page")["max"], 30);
    let config = second.file("quorate.toml").display().to_string();
    let checked = quorate(&["check-config", "--config", &config]).output().expect("it runs");
    let checked = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.contains("odd.toml: line 3"), "{checked}");
    // What was removed stays away until the files are read again.
    second.cli(&["budget", "remove", "more"]).ok();
    until("it is gone", || match show(second, ["budget", "show", "more"]) {
        Err(_) => Ok(()),
        Ok(page) => Err(page.to_string()),
    });
    second.signal(Signal::HUP);
    until("it is offered anew", || show(second, ["budget", "show", "more"]));
    // An operator takes the file, by the command that was named.
    second.cli(&["budget", "set", "pg", "--max", "40"]).ok();
    fs::remove_file(second.file("budgets.d").join("odd.toml")).expect("it is there");
    // The file of an assignment is taken by what was named, too.
    second.cli(&["assign", "remove", "edge"]).ok();
    until("it is gone", || match show(second, ["assign", "show", "edge"]) {
        Err(_) => Ok(()),
        Ok(page) => Err(page.to_string()),
    });
    second.signal(Signal::HUP);
    second.status_when("names nothing any more", |status| {
        !status.to_string().contains("definition-")
    });
}

#[test]
fn what_the_cluster_does_not_take_of_a_file_is_named_until_it_does() {
    let mut cluster = cluster();
    cluster.start_all();
    cluster.is_whole();
    let host = &cluster.hosts[0];
    for number in 0..64 {
        host.cli(&["budget", "set", &format!("b{number}"), "--max", "1"]).ok();
    }
    write(host, "budgets.d", "pg", "max = 30\n");
    host.signal(Signal::HUP);
    host.waits_for("definition-refused", &["pg.toml", "as many as there may be"]);
    host.cli(&["budget", "remove", "b0"]).ok();
    until("it is taken", || show(host, ["budget", "show", "pg"]));
    host.status_when("names nothing any more", |status| {
        !status.to_string().contains("definition-")
    });
}
