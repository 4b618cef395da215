//! Hosts that are no seeds, and hosts whose list of seeds is newer than the cluster.

use super::cluster::{Cluster, names_with};
use rustix::process::Signal;

#[test]
fn a_fourth_host_that_is_no_seed_joins_gets_health_and_serves() {
    let mut cluster = Cluster::running(3);
    let id = cluster.is_whole();
    cluster.hosts[0].put("early", "before it came");
    cluster.add("guest").start();
    assert_eq!(cluster.is_whole(), id);
    let guest = &cluster.hosts[3];
    assert_eq!(guest.get("early"), "before it came");
    guest.put("from/guest", "here");
    assert_eq!(cluster.hosts[0].get("from/guest"), "here");
    let status =
        guest.status_when("sees three voters", |s| names_with(s, "role", "voter").len() == 3);
    assert_ne!(status["node"]["role"], "voter", "four hosts have three voters");
    cluster.hosts[1].kill();
    cluster.sees(3, "n2", "state", "down");
    cluster.hosts[3].put("from/guest", "still here");
    assert_eq!(cluster.hosts[2].get("from/guest"), "still here");
    assert!(cluster.hosts[3].stop(Signal::TERM).success());
    cluster.sees(0, "guest", "state", "left");
}

#[test]
fn a_fresh_host_with_a_newer_list_of_seeds_joins() {
    let mut cluster = Cluster::running(3);
    let id = cluster.is_whole();
    let own = cluster.add("n4").listen.to_string();
    let newer = [cluster.seeds[2].clone(), own, cluster.seeds[1].clone()];
    cluster.hosts[3].configure(&newer, &cluster.secret, "");
    cluster.hosts[3].start();
    assert_eq!(cluster.is_whole(), id);
    cluster.hosts[3].put("from/n4", "here");
    assert_eq!(cluster.hosts[0].get("from/n4"), "here");
}

#[test]
fn a_lone_host_with_a_list_of_its_own_never_founds_beside_a_cluster_that_it_can_reach() {
    let mut cluster = Cluster::running(2);
    let id = cluster.is_whole();
    let own = cluster.add("late").listen.to_string();
    let list = [own, cluster.seeds[0].clone()];
    cluster.hosts[2].configure(&list, &cluster.secret, "");
    cluster.hosts[2].start();
    assert_eq!(cluster.is_whole(), id);
    cluster.hosts[2].status_when("is one of three voters", |s| {
        names_with(s, "role", "voter") == ["late", "n1", "n2"]
    });
}
