//! Hosts become a cluster by themselves, whatever the order, whoever is missing, and stay that one cluster.

use super::cluster::{Cluster, names_with};
use rustix::process::Signal;

#[test]
fn three_hosts_in_all_six_start_orders_found_one_cluster() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut cluster = Cluster::of(3);
        for number in order {
            // The next one begins when this one has begun: that is what makes it an order.
            cluster.hosts[number].start();
            cluster.hosts[number].is_up();
        }
        cluster.is_whole();
        for host in &cluster.hosts {
            let status =
                host.status_when("sees three voters and a margin without alarm", |status| {
                    names_with(status, "role", "voter").len() == 3
                        && status["margin"]["alarm"] == false
                });
            assert_eq!(status["node"]["generation"], 1, "{order:?}");
        }
    }
}

#[test]
fn two_found_without_the_third_and_say_so_until_it_has_come() {
    let mut cluster = Cluster::of(3);
    cluster.hosts[0].start();
    let alone = cluster.hosts[0].waits_for("too-few", &["1 of 3 seeds", "2 are needed"]);
    assert!(alone["remedy"].as_str().is_some_and(|remedy| remedy.contains("start quorate")));
    assert_eq!(cluster.hosts[0].cli(&["why"]).code, Some(4), "waiting is not quorate");
    cluster.hosts[1].start();
    let id = cluster.is_whole();
    for host in cluster.running_hosts() {
        let status =
            host.status_when("raises the margin's alarm", |s| s["margin"]["alarm"] == true);
        assert_eq!(status["margin"]["known"], 2);
        let why = host.cli(&["why"]);
        assert_eq!(why.code, Some(0), "it is quorate: {}", why.text());
        why.names(&["2 of 3 seeds know the cluster", "`systemctl start quorate`"]);
    }
    cluster.hosts[0].put("before", "the third");
    cluster.hosts[2].start();
    assert_eq!(cluster.is_whole(), id);
    for host in &cluster.hosts {
        host.status_when("has three voters and no alarm", |status| {
            names_with(status, "role", "voter").len() == 3 && status["margin"]["alarm"] == false
        });
    }
    assert_eq!(cluster.hosts[2].get("before"), "the third");
    assert_eq!(cluster.hosts[2].status().unwrap()["node"]["role"], "voter");
}

#[test]
fn one_host_alone_is_a_cluster() {
    serves_with(1, 1);
}

#[test]
fn two_hosts_are_a_cluster_of_two_voters() {
    serves_with(2, 2);
}

#[test]
fn five_hosts_are_a_cluster_of_five_voters() {
    serves_with(5, 5);
}

fn serves_with(hosts: usize, voters: usize) {
    let cluster = Cluster::running(hosts);
    for host in &cluster.hosts {
        host.put(&format!("from/{}", host.name), "here");
        host.cli(&["wait", "--quorate", "--timeout", "30s"]).ok();
        host.status_when("sees the voters", |s| names_with(s, "role", "voter").len() == voters);
    }
    for host in &cluster.hosts {
        for other in &cluster.hosts {
            assert_eq!(host.get(&format!("from/{}", other.name)), "here");
        }
    }
}

#[test]
fn a_cluster_that_is_started_again_three_times_is_the_same_cluster() {
    let mut cluster = Cluster::running(3);
    let id = cluster.is_whole();
    for round in 1..=3_u64 {
        cluster.hosts[0].put(&format!("round/{round}"), "kept");
        for host in &mut cluster.hosts {
            // Once as a crash of all of them at once, and else in good order.
            if round == 2 {
                host.kill();
            } else {
                host.stop(Signal::TERM);
            }
        }
        cluster.start_all();
        assert_eq!(cluster.is_whole(), id);
        for host in &cluster.hosts {
            assert_eq!(host.status().unwrap()["node"]["generation"], round + 1);
            for earlier in 1..=round {
                assert_eq!(host.get(&format!("round/{earlier}")), "kept");
            }
        }
    }
}
