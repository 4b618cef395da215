//! A host that loses its addresses while its cable stays: what it says of itself and of the others. Needs root.

use super::cluster::Cluster;
use super::ground::{Ground, Names};
use super::host::names;

#[test]
fn a_host_whose_interface_lost_its_addresses_says_that_first_and_comes_back_with_them() {
    let mut cluster = Cluster::of(3);
    cluster.seeds = (1..=3).map(|number| format!("f{number}:4747")).collect();
    let ground = Ground::of(3, cluster.dir.path());
    ground.name(Names::Both);
    for (number, host) in cluster.hosts.iter_mut().enumerate() {
        host.configure(&cluster.seeds, &cluster.secret, "");
        host.reconfigure(&format!("listen = \"{}\"\n", host.listen), "");
        ground.start(number + 1, host);
    }
    cluster.is_whole();
    ground.no_address(3);
    let host = &cluster.hosts[2];
    // The dials find out later, seed by seed, and say nothing of the cause.
    host.waits_for("no-route", &["this host has no way there"]);
    host.waits_for("no-network", &["n3 lost its network", "n1", "n2"]);
    let status = host.status().expect("it answers");
    assert_eq!(status["waiting_for"][0]["code"], "no-network", "{status}");
    let why = host.cli(&["why"]).text();
    names(&why, &["look at the network of n3 itself first", "`ip -brief address`"]);
    for other in ["n1", "n2"] {
        let start = format!("on {other}: `systemctl start quorate`");
        assert!(!why.contains(&start), "the others run: {why}");
    }
    cluster.sees(0, "n3", "state", "down");
    ground.address(3);
    cluster.is_whole();
    cluster.hosts[2].status_when("says no more of its network", |status| {
        let reasons = status["waiting_for"].as_array().expect("a list");
        reasons.iter().all(|it| it["code"] != "no-network" && it["code"] != "no-route")
    });
}
