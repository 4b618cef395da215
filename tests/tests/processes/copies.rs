//! A copy of a data directory that is started while the original runs.

use super::cluster::{Cluster, member};
use super::place::until;
use std::process::Command;

#[test]
fn a_copy_of_a_data_directory_is_turned_away_and_named_while_the_original_runs_on() {
    let mut cluster = Cluster::running(3);
    let before = cluster.sees(0, "n2", "state", "alive");
    let data = cluster.hosts[1].file("data");
    let note = data.join("life/name");
    until("the name is noted", || note.exists().then_some(()).ok_or_else(String::new));
    let copy = cluster.add("copy").file("data");
    let copied = Command::new("cp").arg("-a").arg(&data).arg(&copy).status();
    assert!(copied.expect("cp runs").success());
    // Under a name of its own it does not even start.
    cluster.hosts[3].refuses().names(&["`n2`", "`copy`", "copied from another host"]);
    cluster.hosts[3].write("host.toml", "name = \"n2\"\n");
    cluster.hosts[3].start();
    for host in &cluster.hosts[..3] {
        let words = if host.name == "n2" { "a copy of this node's disk" } else { "runs twice" };
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
