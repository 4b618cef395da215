//! A copy of a data directory that is started while the original runs.

use super::cluster::{Cluster, member};
use super::host::quorate;
use super::place::until;
use rustix::process::Signal;
use std::process::Command;

#[test]
fn a_copy_of_a_data_directory_is_turned_away_and_named_while_the_original_runs_on() {
    let mut cluster = Cluster::running(3);
    let before = cluster.sees(0, "n2", "state", "alive");
    copy_of_n2(&mut cluster);
    for host in &cluster.hosts[..3] {
        let words = if host.name == "n2" { "the disk of this node runs" } else { "runs twice" };
        until("every host is told of the copy", || {
            let said = host.cli(&["why"]).text().to_lowercase();
            if said.contains(words) { Ok(()) } else { Err(said) }
        });
    }
    for number in 0..30 {
        cluster.hosts[number % 3].put(&format!("k{number}"), "v");
    }
    let status = cluster.hosts[0].status().expect("it answers");
    let after = member(&status, "n2").expect("it is a member");
    assert_eq!(after["instance"], before["instance"]);
    assert_eq!((&after["state"], &after["role"]), (&"alive".into(), &"voter".into()));
    assert_eq!(after["since_epoch"], before["since_epoch"], "nothing happened to it");
    let child = cluster.hosts[1].child.as_mut().expect("it was started");
    assert!(child.try_wait().expect("it can be asked").is_none(), "the original runs");
}

#[test]
fn a_copy_that_is_known_waits_in_vain_while_the_original_restarts() {
    let mut cluster = Cluster::running(3);
    let instance = cluster.sees(0, "n2", "state", "alive")["instance"].clone();
    let copy = copy_of_n2(&mut cluster);
    // The copy hears it, and so both know of it.
    cluster.hosts[copy].waits_for("turned-away", &["n1", "n3", "most likely this one"]);
    cluster.hosts[1].stop(Signal::TERM);
    cluster.sees(0, "n2", "state", "left");
    for _ in 0..2 {
        // Each of its starts counts one up, as the original's do.
        cluster.hosts[copy].kill();
        cluster.hosts[copy].start();
        cluster.hosts[copy].waits_for("turned-away", &["n1", "n3"]);
    }
    for host in [0, 2] {
        cluster.sees(host, "n2", "state", "left");
    }
    cluster.hosts[1].start();
    for host in [0, 1, 2] {
        let member = cluster.sees(host, "n2", "state", "alive");
        assert_eq!(member["instance"], instance);
        let address = cluster.hosts[1].listen.to_string();
        assert_eq!(member["address"], address, "the original is where it was");
    }
    let status = cluster.hosts[1].status_when("it is in", |status| status["state"] == "quorate");
    let told = status["waiting_for"].to_string();
    assert!(!told.contains("turned-away"), "{told}");
    let said = cluster.hosts[copy].cli(&["why"]).text();
    assert!(said.contains("find out which host has the copy (most likely this one, "), "{said}");
    assert!(!cluster.hosts[1].cli(&["why"]).text().contains("most likely this host"));
}

/// Copies the data directory of the second host, which runs, and starts the copy under its name. Gives the number of its host.
fn copy_of_n2(cluster: &mut Cluster) -> usize {
    let data = cluster.hosts[1].file("data");
    let note = data.join("life/name");
    until("the name is noted", || note.exists().then_some(()).ok_or_else(String::new));
    let copy = cluster.add("copy").file("data");
    let copied = Command::new("cp").arg("-a").arg(&data).arg(&copy).status();
    assert!(copied.expect("cp runs").success());
    let number = cluster.hosts.len() - 1;
    // Under a name of its own it does not even start.
    cluster.hosts[number].refuses().names(&["`n2`", "`copy`", "copied from another host"]);
    cluster.hosts[number].write("host.toml", "name = \"n2\"\n");
    cluster.hosts[number].start();
    number
}

#[test]
fn a_copy_that_came_while_the_original_was_off_is_named_as_the_copy_on_every_host() {
    let mut cluster = Cluster::running(3);
    let note = cluster.hosts[1].file("data").join("life/name");
    until("the name is noted", || note.exists().then_some(()).ok_or_else(String::new));
    cluster.hosts[1].stop(Signal::TERM);
    cluster.sees(0, "n2", "state", "left");
    let copy = copy_of_n2(&mut cluster);
    let at = cluster.hosts[copy].listen.to_string();
    // Nothing speaks against it yet.
    cluster.sees(0, "n2", "state", "alive");
    cluster.sees(0, "n2", "address", &at);
    let events = cluster.hosts[copy].cli(&["events"]).text();
    assert!(events.contains("were made on another machine"), "{events}");
    cluster.hosts[1].start();
    let it = format!("the one at {at}, whose data were made on another machine");
    for host in [0, 2] {
        cluster.hosts[host].waits_for("clone", &[&it]);
    }
    cluster.hosts[copy].waits_for("clone", &["most likely this host, whose data were made"]);
    cluster.hosts[1].waits_for("turned-away", &["n1", "n3", "it is the other"]);
    let said = cluster.hosts[1].cli(&["why"]).text();
    assert!(!said.contains("most likely this"), "{said}");
}

#[test]
fn a_copy_that_never_ran_says_no_goodbye_for_its_original() {
    let mut cluster = Cluster::running(3);
    let epoch = cluster.hosts[0].status().expect("it answers")["health_epoch"].clone();
    let data = cluster.hosts[1].file("data");
    let copy = cluster.add("copy").file("data");
    let copied = Command::new("cp").arg("-a").arg(&data).arg(&copy).status();
    assert!(copied.expect("cp runs").success());
    let number = cluster.hosts.len() - 1;
    says_goodbye(&cluster, number);
    cluster.hosts[number].refuses();
    says_goodbye(&cluster, number);
    // What was said would be committed before this write.
    cluster.hosts[0].put("behind", "it");
    for host in &cluster.hosts[..3] {
        assert_eq!(host.status().expect("it answers")["health_epoch"], epoch);
    }
    // The goodbye of the host itself is heard, and says what no silence says.
    cluster.hosts[1].kill();
    says_goodbye(&cluster, 1);
    let left = cluster.sees(0, "n2", "state", "left");
    assert!(left["reason"].as_str().is_some_and(|it| it.contains("goodbye")), "{left}");
}

/// What `ExecStopPost` does.
fn says_goodbye(cluster: &Cluster, host: usize) {
    let config = cluster.hosts[host].file("quorate.toml").display().to_string();
    let done = quorate(&["farewell", "--config", &config]).status().expect("it runs");
    assert!(done.success());
}

#[test]
fn a_voter_that_is_set_back_within_one_start_ends_and_is_named_on_every_host() {
    let mut cluster = Cluster::running(3);
    let leader = cluster.leader();
    let (back, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let name = cluster.hosts[back].name.clone();
    let data = cluster.hosts[back].file("data");
    let kept = cluster.hosts[back].file("kept");
    // From before what it acknowledges now, but of the same start.
    let copied = Command::new("cp").arg("-a").arg(&data).arg(&kept).status();
    assert!(copied.expect("cp runs").success());
    for number in 0..30 {
        cluster.hosts[back].put(&format!("k{number}"), "acknowledged");
    }
    cluster.hosts[back].kill();
    std::fs::remove_dir_all(&data).expect("removed");
    std::fs::rename(&kept, &data).expect("put back");
    cluster.hosts[back].start();
    let ended = cluster.hosts[back].ended("it finds out that its log went back");
    assert!(!ended.success());
    let said = cluster.hosts[back].log();
    assert!(said.contains("this node acknowledged entries up to"), "{said}");
    for host in [leader, other] {
        cluster.hosts[host].waits_for("copy-lost", &[&name]);
    }
    assert_eq!(cluster.hosts[other].get("k29"), "acknowledged");
}
