//! A majority is lost for good: the cluster is founded anew from what is left, and what comes back later keeps out of its way.

use super::cluster::{Cluster, names_in_state};
use super::host::Host;
use super::place::until;
use serde_json::Value;

/// Those that run are one cluster, with another id than that.
#[track_caller]
fn is_anew(cluster: &Cluster, before: &str) {
    let id = cluster.is_whole();
    assert_ne!(id, before, "another cluster");
}

/// Waits until no leader is known on this host.
#[track_caller]
fn has_lost_its_majority(cluster: &Cluster, host: usize) {
    cluster.hosts[host].status_when("lost the quorum", |status| status["state"] == "no-quorum");
}

#[test]
fn what_was_agreed_on_behind_a_change_of_voters_is_kept_by_a_recovery() {
    let mut cluster = Cluster::of(3);
    cluster.hosts[0].start();
    cluster.hosts[1].start();
    cluster.is_whole();
    // It gets its vote behind the founding, and the epochs go on behind that.
    cluster.hosts[2].start();
    cluster.sees(0, "n3", "role", "voter");
    cluster.add("n4").start();
    let before = cluster.is_whole();
    cluster.hosts[0].put("kept", "from before");
    let revoked = cluster.hosts[0].cli(&["revoke", "n4", "--yes"]).ok();
    assert!(revoked.contains("n4"), "{revoked}");
    cluster.hosts[3].ended("n4 ends, as it is revoked");
    let revocations = |host: &Host| host.cli(&["get", "--prefix", "__meta/revoked/"]).ok();
    let said = revocations(&cluster.hosts[0]);
    assert!(said.contains("n4"), "{said}");
    cluster.hosts[1].kill();
    cluster.hosts[2].kill();
    has_lost_its_majority(&cluster, 0);
    let host = &cluster.hosts[0];
    let plan = host.cli(&["recover"]);
    plan.names(&["Everything up to revision 2 is kept"]);
    host.cli(&["recover", "--yes"]).ok();
    is_anew(&cluster, &before);
    let host = &cluster.hosts[0];
    assert_eq!(host.get("kept"), "from before");
    assert_eq!(revocations(host), said, "with the epoch in which it was revoked");
}

#[test]
fn a_cluster_of_three_that_lost_two_for_good_is_founded_anew_by_the_one_that_is_left() {
    let mut cluster = Cluster::running(3);
    let before = cluster.is_whole();
    let host = &cluster.hosts[0];
    host.put("kept", "from before");
    host.status_when("has the write", |status| status["revision"] == 2);
    let refused = host.cli(&["recover", "--yes"]);
    assert_eq!(refused.code, Some(1), "{}", refused.text());
    refused.names(&["nothing is lost, and nothing was changed"]);
    cluster.hosts[1].kill();
    cluster.hosts[2].kill();
    has_lost_its_majority(&cluster, 0);

    let host = &cluster.hosts[0];
    let unasked = host.cli(&["recover"]);
    assert_eq!(unasked.code, Some(2), "{}", unasked.text());
    unasked.names(&[
        "n1  voter: revision 2",
        "has most",
        "missing voters: n2, n3",
        "Everything up to revision 2 is kept",
    ]);
    let instance = host.status().unwrap()["node"]["instance"].clone();
    let said = host.cli(&["recover", "--yes", "-o", "json"]).ok();
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(
        (said["before"].as_str(), said["founder"].as_str()),
        (Some(before.as_str()), Some("n1"))
    );
    is_anew(&cluster, &before);
    let host = &cluster.hosts[0];
    assert_eq!(host.get("kept"), "from before");
    host.put("written", "after");
    let jumped = |status: &Value| status["revision"].as_u64() > Some(2_000_000_000);
    let status = host.status_when("has the write behind the jump", jumped);
    assert_ne!(status["node"]["instance"], instance, "a new disk life");
    assert_eq!(status["node"]["generation"], 1);
    let aside = std::fs::read_dir(host.file("data")).expect("its data");
    let aside = aside.filter(|one| {
        one.as_ref().unwrap().file_name().to_string_lossy().starts_with("life.set-aside-")
    });
    assert_eq!(aside.count(), 1, "the data of before are kept");

    // One of the dead comes back, and stops.
    let dead = &mut cluster.hosts[1];
    dead.start();
    let ended = dead.ended("n2 stops when it hears of the new cluster");
    assert_eq!(ended.code(), Some(10), "an operator must look");
    let log = std::fs::read_to_string(dead.file("log")).expect("its log");
    assert!(log.contains("was founded anew") && log.contains("quorate reset --set-aside"), "{log}");
    assert!(dead.file("data/life/identity").exists(), "it keeps its data");
    let config = dead.file("quorate.toml").display().to_string();
    dead.cli(&["reset", "--set-aside", "--cluster", "acme", "--config", &config]).ok();
    dead.start();
    is_anew(&cluster, &before);
    assert_eq!(cluster.hosts[1].get("written"), "after");
}

#[test]
fn of_two_that_are_left_of_five_the_one_that_has_more_founds_and_the_other_follows() {
    let mut cluster = Cluster::running(5);
    let before = cluster.is_whole();
    until("all vote", || {
        let status = cluster.hosts[0].status()?;
        let voters = super::cluster::names_with(&status, "role", "voter").len();
        if voters == 5 { Ok(()) } else { Err(format!("{voters} voters")) }
    });
    cluster.hosts[3].put("kept", "from before");
    // One of the two that will be left misses the last write.
    cluster.hosts[4].status_when("has the first", |status| status["revision"] == 2);
    cluster.hosts[4].kill();
    cluster.hosts[3].status_when("knows that the other one is gone, and who leads", |status| {
        names_in_state(status, "alive").len() == 4 && status["state"] == "quorate"
    });
    cluster.hosts[3].put("late", "on four");
    cluster.hosts[3].status_when("has the second", |status| status["revision"] == 3);
    cluster.hosts[..3].iter_mut().for_each(|host| host.kill());
    cluster.hosts[4].start();
    has_lost_its_majority(&cluster, 3);
    has_lost_its_majority(&cluster, 4);
    let file = cluster.dir.path().join("plan").display().to_string();
    // Asked on the one that has less.
    let asked = &cluster.hosts[4];
    until("both that are left are in the plan", || {
        let said = asked.cli(&["recover", "--plan", &file]);
        let both = said.code == Some(0) && said.text().contains("n4  voter");
        if both { Ok(()) } else { Err(said.text()) }
    });
    let plan: Value =
        serde_json::from_slice(&std::fs::read(&file).expect("the plan")).expect("JSON");
    assert_eq!(plan["founder"], "n4", "{plan}");
    // The founder starts once more meanwhile: the plan holds no more.
    cluster.hosts[3].kill();
    cluster.hosts[3].start();
    has_lost_its_majority(&cluster, 3);
    let asked = &cluster.hosts[4];
    until("it is seen that the plan does not hold", || {
        let refused = asked.cli(&["recover", "--apply", &file, "--yes"]);
        match refused.code {
            Some(1) if refused.text().contains("n4 holds something else now") => Ok(()),
            _ => Err(refused.text()),
        }
    });
    until("the other plan is there", || {
        let said = asked.cli(&["recover", "--plan", &file]);
        if said.code == Some(0) && said.text().contains("n4  voter") {
            Ok(())
        } else {
            Err(said.text())
        }
    });
    asked.cli(&["recover", "--apply", &file, "--yes"]).ok();
    is_anew(&cluster, &before);
    for host in [&cluster.hosts[3], &cluster.hosts[4]] {
        assert_eq!(host.get("late"), "on four");
        let status = host.status().unwrap();
        assert_eq!(names_in_state(&status, "alive"), ["n4", "n5"], "{status}");
    }
    cluster.hosts[4].put("written", "after");
}
