//! A disk is lost: the host comes back under its name as a new instance, and the dead voter leaves.

use super::cluster::{Cluster, member, names_with};
use std::fs;

#[test]
fn a_host_whose_data_is_wiped_but_not_its_marker_comes_back_under_its_name() {
    comes_back_after_a_wipe(false);
}

#[test]
fn a_host_whose_data_and_marker_are_wiped_comes_back_under_its_name() {
    comes_back_after_a_wipe(true);
}

fn comes_back_after_a_wipe(marker_too: bool) {
    let mut cluster = Cluster::running(3);
    let id = cluster.is_whole();
    cluster.hosts[0].put("kept", "by the others");
    let wiped = (cluster.leader() + 1) % 3;
    let host = &mut cluster.hosts[wiped];
    let name = host.name.clone();
    let before = host.status().unwrap()["node"]["instance"].clone();
    host.kill();
    fs::remove_dir_all(host.file("data")).unwrap();
    if marker_too {
        fs::remove_dir_all(host.file("birth")).unwrap();
    }
    host.start();
    // What an operator waits for before the next host.
    host.cli(&["wait", "--voters", "--timeout", "50s"]).ok();
    let after = host.status().unwrap();
    assert_eq!(after["node"]["role"], "voter", "{after}");
    assert_eq!(names_with(&after, "role", "voter").len(), 3, "{after}");
    assert_eq!(cluster.is_whole(), id);
    assert_ne!(after["node"]["instance"], before, "a new disk is a new instance");
    assert_eq!(after["node"]["generation"], 1);
    for host in &cluster.hosts {
        let status = host.status_when("has three voters, and the new life under the name", |s| {
            names_with(s, "role", "voter").len() == 3
                && member(s, &name).is_some_and(|m| m["instance"] == after["node"]["instance"])
        });
        let members = status["members"].as_array().map(Vec::len);
        assert_eq!(members, Some(3), "the dead voter has left: {status}");
    }
    assert_eq!(cluster.hosts[wiped].get("kept"), "by the others");
    cluster.hosts[wiped].put("written", "after the wipe");
    // The new life carries its share: with another host down there is still a majority.
    let other = (wiped + 1) % 3;
    cluster.hosts[other].kill();
    assert_eq!(cluster.hosts[wiped].get("written"), "after the wipe");
}
